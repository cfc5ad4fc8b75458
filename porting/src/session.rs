//! A session between two homes, and what stands in its place where it cannot go along.
//!
//! Invariant: neither ids nor subjects nor data are shown by `Debug`, and [`Why`] holds none.

use std::fmt;
use std::time::Duration;

use sessile::{Deadline, Handle, SubjectDigest};

/// What a session is found by.
#[derive(Clone, PartialEq, Eq)]
pub enum Name {
    /// The id that its client holds.
    Id(Vec<u8>),
    /// Its digest under the secret of the home that it comes from.
    Handle(Handle),
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Id(_) => "Id(..)",
            Self::Handle(_) => "Handle(..)",
        })
    }
}

/// Whose a session is.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Owner {
    /// Nobody's.
    #[default]
    Nobody,
    /// This subject's.
    Named(Vec<u8>),
    /// Somebody's, by the digest under the secret of the home that it comes from.
    Digest(SubjectDigest),
}

impl fmt::Debug for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Named(_) => "Named(..)",
            Self::Digest(_) => "Digest(..)",
        })
    }
}

/// A session on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct Moving {
    /// What it is found by.
    pub name: Name,
    /// Its data, byte for byte as the application's store will want to read it.
    pub data: Vec<u8>,
    /// When it ends unless it is used before; never later than its old home said.
    pub deadline: Deadline,
    /// When it ends at the latest.
    pub absolute: Deadline,
    /// How long it lives without being used, where the old home knew.
    pub idle: Option<Duration>,
    /// When it began, where the old home knew.
    pub created_ms: Option<u64>,
    /// Whose it is.
    pub owner: Owner,
    /// What had to be guessed about it.
    pub note: Option<Note>,
}

impl Moving {
    pub(crate) fn new(name: Name, data: Vec<u8>, deadline: Deadline) -> Self {
        let (owner, absolute) = (Owner::Nobody, Deadline::NEVER);
        Self { name, data, deadline, absolute, idle: None, created_ms: None, owner, note: None }
    }

    pub(crate) fn noted(mut self, note: Option<Note>) -> Self {
        self.note = note;
        self
    }

    pub(crate) fn idle_ms(mut self, idle_ms: Option<u64>) -> Self {
        self.idle = idle_ms.map(Duration::from_millis);
        self
    }
}

impl fmt::Debug for Moving {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Moving")
            .field("name", &self.name)
            .field("data_bytes", &self.data.len())
            .field("deadline", &self.deadline)
            .field("absolute", &self.absolute)
            .field("idle", &self.idle)
            .field("created_ms", &self.created_ms)
            .field("owner", &self.owner)
            .field("note", &self.note)
            .finish()
    }
}

/// What had to be guessed about a session that goes along all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Note {
    /// The moment is a number, of another unit than this format writes.
    OtherUnit(Unit),
    /// The moment is text, where this format writes a number.
    DateAsText,
    /// The moment is text without a zone, and was taken as UTC.
    NoZone,
    /// The old home never ends it by itself.
    Endless,
}

/// What a number counts since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::OtherUnit(Unit::Seconds) => "a moment that can only be in seconds, and was taken so",
            Self::OtherUnit(Unit::Milliseconds) => {
                "a moment that can only be in milliseconds, and was taken so"
            }
            Self::OtherUnit(Unit::Microseconds) => {
                "a moment that can only be in microseconds, and was taken so"
            }
            Self::OtherUnit(Unit::Nanoseconds) => {
                "a moment that can only be in nanoseconds, and was taken so"
            }
            Self::DateAsText => "a date as text where a number was expected",
            Self::NoZone => "a date without a time zone, taken as UTC",
            Self::Endless => "no end: the old store never ends it by itself, and so does the new one",
        })
    }
}

/// Why a session does not go along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What kind of reason, to count by.
    pub kind: Kind,
    /// What exactly, where more can be said without showing what is secret.
    pub detail: Option<String>,
}

impl Why {
    pub(crate) fn with(kind: Kind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: Some(detail.to_string()) }
    }
}

impl From<Kind> for Why {
    fn from(kind: Kind) -> Self {
        Self { kind, detail: None }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(out, "{}: {detail}", self.kind),
            None => self.kind.fmt(out),
        }
    }
}

/// The kinds of reasons why a session does not go along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// No id.
    Id,
    /// No moment at which it ends.
    Moment,
    /// Data that cannot be read.
    Data,
    /// JSON without a `cookie`, which express-session cannot read.
    Cookie,
    /// Data that only the application can decrypt.
    Encrypted,
    /// Data that only the application can decompress.
    Compressed,
    /// A thing of another kind beside the sessions.
    Stranger,
    /// A user that is known only by a digest of another secret.
    Subject,
    /// Larger than the new home takes.
    TooLarge,
    /// It came here by an earlier move, and has ended here since.
    Ended,
    /// Refused by the new home.
    Refused,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Id => "no usable id",
            Self::Moment => "no moment at which it ends",
            Self::Data => "damaged data",
            Self::Cookie => "no `cookie` in it, so express-session could not read it",
            Self::Encrypted => "encrypted, so only the application can read it",
            Self::Compressed => "compressed, so only the application can read it",
            Self::Stranger => "no session",
            Self::Subject => "its user is known only by a digest under another secret",
            Self::TooLarge => "larger than the new store takes",
            Self::Ended => "has come here before and has ended since, so it stays ended",
            Self::Refused => "refused by the new store",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let mut session = Moving::new(Name::Id(b"hunter2".to_vec()), b"hunter2".to_vec(), Deadline::NEVER);
        session.owner = Owner::Named(b"hunter2".to_vec());
        assert!(!format!("{session:?}").contains("hunter2"));
    }
}
