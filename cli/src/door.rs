//! Whom a command goes to: the process that holds the store, where that serves its operators, or the store itself, opened
//! here. What is done is [`perform`]ed by either, so both answer alike.
//!
//! Owns: that choice. Invariants:
//! 1. A store is changed by the process that holds it, or by the owner of its directory.
//! 2. A change made here is on the disk before anything is reported.

use std::path::Path;
use std::time::Duration;

use sessile::{Recovery, Store};
use sessile_control::{Answer, Client, Refused, Request, Unheard, perform};

use crate::failure::Failure;
use crate::open;
use crate::progress;

/// Hears each answer.
type Hear<'h> = &'h mut dyn FnMut(Answer) -> Result<(), Failure>;

/// Who does what is asked.
pub(crate) trait Door {
    /// Asks for one thing, and hears each answer.
    fn ask(&self, request: &Request, hear: Hear<'_>) -> Result<(), Failure>;

    /// Asks for what has one answer.
    fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let mut last = None;
        self.ask(request, &mut |answer| {
            last = Some(answer);
            Ok(())
        })?;
        last.ok_or_else(astray)
    }
}

/// An answer to something else, which only another release can give.
pub(crate) fn astray() -> Failure {
    Failure::Unheard(Unheard::Nonsense)
}

/// What an answer is expected to be; anything else is another release's.
macro_rules! expect_answer {
    ($answer:expr, $kind:ident) => {
        match $answer {
            sessile_control::Answer::$kind(it) => it,
            _ => return Err($crate::door::astray()),
        }
    };
}
pub(crate) use expect_answer;

/// A store that was opened here.
struct Local<'d> {
    dir: &'d Path,
    store: Store,
}

impl Door for Local<'_> {
    fn ask(&self, request: &Request, hear: Hear<'_>) -> Result<(), Failure> {
        perform::<Stopped>(&self.store, request, |answer| hear(answer).map_err(Stopped::Deaf))
            .map_err(|stopped| stopped.failure(self.dir))
    }
}

/// The process that holds it.
struct Remote<'d> {
    dir: &'d Path,
    client: Client,
}

impl Door for Remote<'_> {
    fn ask(&self, request: &Request, hear: Hear<'_>) -> Result<(), Failure> {
        self.client
            .ask::<Stopped>(request, |answer| hear(answer).map_err(Stopped::Deaf))
            .map_err(|stopped| stopped.failure(self.dir))
    }
}

/// Why it was not done to its end.
enum Stopped {
    Refused(Refused),
    Unheard(Unheard),
    Deaf(Failure),
}

impl From<Refused> for Stopped {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Unheard> for Stopped {
    fn from(unheard: Unheard) -> Self {
        match unheard {
            Unheard::Refused(refused) => Self::Refused(refused),
            unheard => Self::Unheard(unheard),
        }
    }
}

impl Stopped {
    fn failure(self, dir: &Path) -> Failure {
        match self {
            Self::Refused(refused) => Failure::refused(dir, refused),
            Self::Unheard(unheard) => Failure::Unheard(unheard),
            Self::Deaf(failure) => failure,
        }
    }
}

/// Who serves the operators of this store, if anybody. Where the socket cannot be reached, the store itself says why.
fn served(dir: &Path) -> Option<Client> {
    Client::find(dir).ok().flatten()
}

/// To ask and change nothing: of who holds the store, or of its files.
pub(crate) fn to_look(dir: &Path) -> Result<Box<dyn Door + '_>, Failure> {
    progress::during("opening the store", || to_look_quietly(dir))
}

/// The same while a terminal shows something else.
pub(crate) fn to_look_quietly(dir: &Path) -> Result<Box<dyn Door + '_>, Failure> {
    Ok(match served(dir) {
        Some(client) => Box::new(Remote { dir, client }),
        None => Box::new(Local { dir, store: open::for_a_look(dir, Recovery::Strict)? }),
    })
}

/// As [`to_look`], at a store that may be damaged: it is then opened with [`Recovery::Salvage`], so that it is read to its end
/// and not refused; being read only, that ends and changes nothing. A sound one is not: beside a server that is at work, only a
/// strict opening tells damage from a file that the server has just removed, and looks again.
pub(crate) fn to_verify(dir: &Path) -> Result<Box<dyn Door + '_>, Failure> {
    match to_look(dir) {
        Err(Failure::Damaged { .. }) => {
            let salvage = || open::for_a_look(dir, Recovery::Salvage);
            Ok(Box::new(Local { dir, store: progress::during("opening the store", salvage)? }))
        }
        door => door,
    }
}

/// Somebody who may change a store.
pub(crate) struct Changer<'d> {
    dir: &'d Path,
    client: Option<Client>,
}

/// To change something. Refused before anybody is asked for an id.
pub(crate) fn to_change(dir: &Path) -> Result<Changer<'_>, Failure> {
    let client = served(dir);
    if client.is_none() {
        open::owned(dir)?;
    }
    Ok(Changer { dir, client })
}

impl Changer<'_> {
    /// Asks for a change, which is on the disk when this returns. Where nobody serves, waits so long for who holds the store.
    pub fn ask(self, wait: Duration, request: &Request) -> Result<Answer, Failure> {
        let Self { dir, client } = self;
        if let Some(client) = client {
            return Remote { dir, client }.answer(request);
        }
        let store = progress::during("opening the store", || open::for_a_change(dir, wait))?;
        let local = Local { dir, store };
        let answer = local.answer(request)?;
        open::close(dir, &local.store)?;
        Ok(answer)
    }
}
