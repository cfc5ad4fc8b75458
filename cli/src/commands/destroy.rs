//! `sessile destroy` and `sessile destroy-subject`: endings, which are on the disk when they are reported.

use serde::Serialize;
use sessile_control::Request;

use crate::args::{Change, Destroy};
use crate::door::{self, expect_answer};
use crate::failure::Failure;
use crate::ledger;
use crate::output::{self, Report, counted};
use crate::secret;

/// Ends the session of one id or handle.
pub(super) fn one(destroy: &Destroy) -> Result<(), Failure> {
    let Change { dir, json, wait } = &destroy.change;
    let changer = door::to_change(dir)?;
    let name = secret::name(destroy.handle.as_deref())?;
    let kind = name.kind();
    let destroyed = expect_answer!(changer.ask(*wait, &Request::Destroy { name })?, Destroyed);
    if destroyed || *json {
        output::show(&Destroyed { destroyed }, *json)?;
    }
    if destroyed { Ok(()) } else { Err(Failure::NotFound(kind)) }
}

/// Ends all sessions of the subject on standard input.
pub(super) fn subject(change: &Change) -> Result<(), Failure> {
    let Change { dir, json, wait } = change;
    let changer = door::to_change(dir)?;
    let subject = secret::subject()?.into();
    let destroyed = expect_answer!(changer.ask(*wait, &Request::DestroySubject { subject })?, Revoked);
    output::show(&Revoked { destroyed, moves: ledger::of(dir).is_some() }, *json)
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
    /// Whether there may be sessions in a store that is being left, which only the program can refuse.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    moves: bool,
}

impl Report for Revoked {
    fn text(&self) -> String {
        let mut text = format!("{} ended.", counted(self.destroyed, "session"));
        if self.moves {
            text.push_str(
                "\n\nSessions move here from another store, and those that have not moved yet are not ended: end them by\n\
                 store.destroySubject in the program, which refuses them for good.",
            );
        }
        text
    }
}
