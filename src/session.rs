//! What a session is to its user: the write that makes one, and the session that is read back.
//!
//! Owns: [`Deadline`], [`Version`], [`Session`]; [`Write`] has a room of its own. Plain values; nothing here touches the store.

pub(crate) mod write;

use std::fmt;
use std::time::Duration;

use crate::id::{Digest, Handle, SubjectDigest};

pub(crate) use write::Lifetime;
pub use write::{Durability, Subject, Write};

/// A moment in milliseconds since the Unix epoch after which something is gone, or [`NEVER`](Self::NEVER).
///
/// A session is dead when its deadline is at or before now. Arithmetic saturates. A moment in July 2527 or later
/// (from 2^44 - 1 ms on) is `NEVER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(u64);

impl Deadline {
    /// No deadline.
    pub const NEVER: Self = Self((1 << 44) - 1);

    /// The moment so many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn at_ms(ms: u64) -> Self {
        if ms < Self::NEVER.0 { Self(ms) } else { Self::NEVER }
    }

    /// The moment `lifetime` after `now_ms`; a lifetime of 557 years or more, such as `Duration::MAX`, gives
    /// [`NEVER`](Self::NEVER). A shorter one ends, also when the clock is centuries ahead: then in the year 2527.
    #[must_use]
    pub fn after(now_ms: u64, lifetime: Duration) -> Self {
        Self::after_ms(now_ms, u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn after_ms(now_ms: u64, lifetime_ms: u64) -> Self {
        match Self::at_ms(lifetime_ms) {
            Self::NEVER => Self::NEVER,
            _ => Self(now_ms.saturating_add(lifetime_ms).min(Self::NEVER.0 - 1)),
        }
    }

    /// Milliseconds since the Unix epoch; `u64::MAX` for [`NEVER`](Self::NEVER).
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        if self.0 == Self::NEVER.0 { u64::MAX } else { self.0 }
    }

    /// Whether this moment is at or before `now_ms`.
    #[must_use]
    pub const fn has_passed(self, now_ms: u64) -> bool {
        self.0 <= now_ms && self.0 != Self::NEVER.0
    }

    /// The 44 bits that index entries hold; records have room for 48.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }
}

/// Which write a session is at. Grows with every write to it; never given out twice in the life of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub(crate) u64);

impl Version {
    /// The version as a number, for an `ETag` or a hidden field of a form.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The version that [`as_u64`](Self::as_u64) gave.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A live session, as it was at one version: an owned copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub(crate) facts: Facts,
    pub(crate) data: Vec<u8>,
    pub(crate) id: Option<Vec<u8>>,
}

/// Everything about a session but its data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub digest: Digest,
    pub version: Version,
    pub created_ms: u64,
    pub last_used_ms: u64,
    pub idle_ms: u64,
    pub deadline: Deadline,
    pub absolute: Deadline,
    pub subject: Option<Digest>,
}

macro_rules! facts {
    () => {
        /// Which write the session is at.
        #[must_use]
        pub fn version(&self) -> Version {
            self.facts.version
        }

        /// When the session began, in milliseconds since the Unix epoch. A rotate does not change it.
        #[must_use]
        pub fn created_ms(&self) -> u64 {
            self.facts.created_ms
        }

        /// When it was last written or touched, in milliseconds since the Unix epoch, to within the touch slack.
        #[must_use]
        pub fn last_used_ms(&self) -> u64 {
            self.facts.last_used_ms
        }

        /// How long it lives without being used, as its last write said.
        #[must_use]
        pub fn idle(&self) -> std::time::Duration {
            std::time::Duration::from_millis(self.facts.idle_ms)
        }

        /// When it ends unless it is used before; never later than [`absolute_deadline`](Self::absolute_deadline).
        #[must_use]
        pub fn deadline(&self) -> Deadline {
            self.facts.deadline
        }

        /// When it ends whatever use is made of it; [`Deadline::NEVER`] when none was set.
        #[must_use]
        pub fn absolute_deadline(&self) -> Deadline {
            self.facts.absolute
        }

        /// The digest of the subject that it belongs to.
        #[must_use]
        pub fn subject(&self) -> Option<SubjectDigest> {
            self.facts.subject.map(SubjectDigest)
        }

        /// What names the session without being its id.
        #[must_use]
        pub fn handle(&self) -> Handle {
            Handle(self.facts.digest)
        }
    };
}
pub(crate) use facts;

impl Session {
    facts!();

    /// The bytes that were written.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The id itself, in a store that was created with [`Options::keep_ids`](crate::Options::keep_ids). Do not log it.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// The bytes that were written, without a copy.
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.debug(out, "Session", self.data.len())
    }
}

impl Facts {
    /// Shows everything that is no secret.
    pub fn debug(&self, out: &mut fmt::Formatter<'_>, name: &str, data_bytes: usize) -> fmt::Result {
        out.debug_struct(name)
            .field("handle", &Handle(self.digest))
            .field("version", &self.version)
            .field("created_ms", &self.created_ms)
            .field("last_used_ms", &self.last_used_ms)
            .field("deadline", &self.deadline)
            .field("absolute_deadline", &self.absolute)
            .field("has_subject", &self.subject.is_some())
            .field("data_bytes", &data_bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_saturate() {
        assert_eq!(Deadline::at_ms(u64::MAX), Deadline::NEVER);
        assert_eq!(Deadline::after(u64::MAX, Duration::MAX), Deadline::NEVER);
        assert!(
            Deadline::after(u64::MAX, Duration::from_secs(1)).has_passed(u64::MAX),
            "a mad clock is not for ever"
        );
        assert_eq!(Deadline::after(5, Duration::from_millis(7)).as_ms(), 12);
        assert!(Deadline::at_ms(5).has_passed(5) && !Deadline::at_ms(6).has_passed(5));
        assert!(!Deadline::NEVER.has_passed(u64::MAX));
        assert!(Deadline::at_ms(0).has_passed(0));
    }

    #[test]
    fn debug_shows_no_data_and_no_subject() {
        let shown = format!("{:?}", Write::new("hunter2").subject("alice"));
        assert!(!shown.contains("hunter2") && !shown.contains("alice"));
    }
}
