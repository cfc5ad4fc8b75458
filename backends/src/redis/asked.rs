//! What a write says, as a script takes it: by this clock nothing, by the server's all.
//!
//! Owns: the arguments of a write.

use sessile::{Carried, Deadline, Subject, Version, Write};

use super::keys::Keys;
use crate::error::Result;
use crate::settings::Settings;
use crate::terms::{lifetime_ms, ms};

use super::reply::hex;

/// The arguments of a script, in order.
#[derive(Default)]
pub(super) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    pub fn add(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.0.push(argument.into());
        self
    }

    pub fn number(self, number: u64) -> Self {
        self.add(number.to_string())
    }

    pub fn flag(self, flag: bool) -> Self {
        self.add(if flag { "1" } else { "0" })
    }

    /// The six that say which deadlines a write asks for.
    pub fn deadlines(self, write: &Write) -> Self {
        let (idle, lifetime, deadline) = match write.idle_deadline(0) {
            None => ("", 0, 0),
            // Only what is said as a moment is the same at any other.
            Some(at) if write.idle_deadline(1) == Some(at) && at != Deadline::NEVER => ("u", 0, ms(at)),
            Some(_) => ("f", write.idle_lifetime(0).map_or(0, lifetime_ms), 0),
        };
        let (absolute, limit) = match write.absolute_deadline(0) {
            None => ("", 0),
            Some(at) if write.absolute_deadline(1) == Some(at) => ("u", ms(at)),
            Some(after) => ("f", ms(after)),
        };
        self.add(idle).number(lifetime).number(deadline).add(absolute).number(limit).flag(write.shortens())
    }

    /// The six of a session that has lived elsewhere.
    pub fn begun(self, session: &Carried) -> Self {
        let deadline = ms(session.deadline.min(session.absolute));
        self.add("b")
            .number(lifetime_ms(session.idle))
            .number(deadline)
            .add("u")
            .number(ms(session.absolute))
            .flag(false)
    }

    /// What becomes of the subject, and who it will be.
    pub fn subject(self, write: &Write, keys: &Keys) -> Result<Self> {
        Ok(match write.asked_subject() {
            Subject::Keep => self.add("keep").add(""),
            Subject::Clear => self.add("clear").add(""),
            Subject::Set(subject) => {
                self.add("set").add(hex(keys.secret.subject_digest(subject)?.to_bytes()))
            }
        })
    }

    /// What is taken where a write does not say.
    pub fn defaults(self, settings: &Settings) -> Self {
        let absolute = settings.absolute.map_or(crate::terms::NEVER_MS, lifetime_ms);
        self.number(lifetime_ms(settings.idle)).number(absolute)
    }

    pub fn as_slices(&self) -> Vec<&[u8]> {
        self.0.iter().map(Vec::as_slice).collect()
    }
}

/// What must be there for a write to happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expect {
    Absent,
    Present,
    Anything,
    At(Version),
    /// Nothing: the session comes from elsewhere.
    Adopt,
}

impl Expect {
    pub fn words(self) -> (&'static str, u64) {
        match self {
            Self::Absent => ("absent", 0),
            Self::Present => ("present", 0),
            Self::Anything => ("any", 0),
            Self::At(version) => ("at", version.as_u64()),
            Self::Adopt => ("adopt", 0),
        }
    }
}
