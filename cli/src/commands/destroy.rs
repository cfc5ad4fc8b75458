//! `sessile destroy` and `sessile destroy-subject`: endings, which are on the disk when they are reported.

use serde::Serialize;

use crate::args::{Change, Destroy};
use crate::failure::Failure;
use crate::open;
use crate::output::{self, Report, counted};
use crate::secret::{self, Name};

/// Ends the session of one id or handle.
pub(super) fn one(destroy: &Destroy) -> Result<(), Failure> {
    let Change { dir, json, wait } = &destroy.change;
    // Refused before anybody is asked for an id.
    open::owned(dir)?;
    let name = Name::from(destroy.handle.as_deref())?;
    let store = open::for_a_change(dir, *wait)?;
    let ended = match &name {
        Name::Id(id) => store.destroy(id),
        Name::Handle(handle) => store.destroy_handle(handle),
    };
    let destroyed = ended.map_err(|error| Failure::store(dir, error))?;
    open::close(dir, &store)?;
    if destroyed || *json {
        output::show(&Destroyed { destroyed }, *json)?;
    }
    if destroyed { Ok(()) } else { Err(Failure::NotFound(name.kind())) }
}

/// Ends all sessions of the subject on standard input.
pub(super) fn subject(change: &Change) -> Result<(), Failure> {
    let Change { dir, json, wait } = change;
    open::owned(dir)?;
    let subject = secret::subject()?;
    let store = open::for_a_change(dir, *wait)?;
    let destroyed = store.destroy_subject(&subject, None).map_err(|error| Failure::store(dir, error))?;
    open::close(dir, &store)?;
    output::show(&Revoked { destroyed }, *json)
}

#[derive(Debug, Serialize)]
struct Destroyed {
    destroyed: bool,
}

impl Report for Destroyed {
    fn text(&self) -> String {
        "The session is ended.".to_owned()
    }
}

#[derive(Debug, Serialize)]
struct Revoked {
    destroyed: u64,
}

impl Report for Revoked {
    fn text(&self) -> String {
        format!("{} ended.", counted(self.destroyed, "session"))
    }
}
