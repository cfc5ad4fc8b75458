//! What a session is to its user: the write that makes one, and the session that is read back.
//!
//! Owns: [`Deadline`], [`Version`], [`Write`], [`Session`]. Plain values; nothing here touches the store.

use std::fmt;
use std::time::Duration;

use crate::id::{Digest, Handle, SubjectDigest};

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

/// What a call waits for before it returns, named for what the write then survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Power loss: the write is on the disk.
    Synced,
    /// The death of the process: the operating system has the write, and syncs it within
    /// [`Options::sync_interval`](crate::Options::sync_interval).
    Written,
}

/// What a write does to the session's subject, the user it belongs to.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Subject {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Attach the session to this subject: 1 to 1,024 bytes, for example the user's number.
    Set(Vec<u8>),
    /// Detach it.
    Clear,
}

impl fmt::Debug for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Keep => "Keep",
            Self::Set(_) => "Set(..)",
            Self::Clear => "Clear",
        })
    }
}

/// One write to a session. What is not said comes from the store's [`Options`](crate::Options).
///
/// ```
/// use sessile::{Durability, Write};
/// use std::time::Duration;
///
/// let login = Write::new(r#"{"user":7}"#)
///     .subject("7")
///     .idle(Duration::from_secs(30 * 60))
///     .absolute(Duration::from_secs(12 * 60 * 60))
///     .durability(Durability::Synced);
/// # let _ = login;
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Write {
    pub(crate) data: Vec<u8>,
    pub(crate) idle: Option<Lifetime>,
    pub(crate) absolute: Option<Lifetime>,
    pub(crate) subject: Subject,
    pub(crate) durability: Option<Durability>,
    pub(crate) shorten: bool,
}

/// A deadline as the caller gave it: so long from the moment of the write, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    For(Duration),
    Until(Deadline),
}

impl Lifetime {
    pub fn deadline(self, now_ms: u64) -> Deadline {
        match self {
            Self::For(lifetime) => Deadline::after(now_ms, lifetime),
            Self::Until(deadline) => deadline,
        }
    }
}

impl Write {
    /// A write of these bytes, which the store never looks into.
    #[must_use]
    pub fn new(data: impl Into<Vec<u8>>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// How long the session lives without being used; `Duration::MAX` for ever. A touch or write starts it anew.
    #[must_use]
    pub fn idle(mut self, lifetime: Duration) -> Self {
        self.idle = Some(Lifetime::For(lifetime));
        self
    }

    /// The moment at which the session ends unless it is used before; in the past means that it is gone.
    #[must_use]
    pub fn idle_until(mut self, deadline: Deadline) -> Self {
        self.idle = Some(Lifetime::Until(deadline));
        self
    }

    /// How long the session lives at most, whatever use is made of it, counted from this write.
    /// Once set it can only come closer.
    #[must_use]
    pub fn absolute(mut self, lifetime: Duration) -> Self {
        self.absolute = Some(Lifetime::For(lifetime));
        self
    }

    /// The moment at which the session ends, whatever use is made of it. Once set it can only come closer.
    #[must_use]
    pub fn absolute_until(mut self, deadline: Deadline) -> Self {
        self.absolute = Some(Lifetime::Until(deadline));
        self
    }

    /// The user that the session belongs to from now on: 1 to 1,024 bytes.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<Vec<u8>>) -> Self {
        self.subject = Subject::Set(subject.into());
        self
    }

    /// Keep, set or clear the subject.
    #[must_use]
    pub fn subject_change(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }

    /// What to wait for, other than the store's default.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Lets this write bring the idle deadline closer, which an update otherwise never does.
    #[must_use]
    pub fn shorten(mut self) -> Self {
        self.shorten = true;
        self
    }
}

impl From<Vec<u8>> for Write {
    fn from(data: Vec<u8>) -> Self {
        Self::new(data)
    }
}

impl From<&[u8]> for Write {
    fn from(data: &[u8]) -> Self {
        Self::new(data)
    }
}

impl From<&str> for Write {
    fn from(data: &str) -> Self {
        Self::new(data)
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Write")
            .field("data_bytes", &self.data.len())
            .field("idle", &self.idle)
            .field("absolute", &self.absolute)
            .field("subject", &self.subject)
            .field("durability", &self.durability)
            .field("shorten", &self.shorten)
            .finish()
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
