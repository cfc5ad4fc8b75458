//! What a caller says of a write: data, deadlines, whose it is, what to wait for.
//!
//! Owns: [`Write`] and the words in it. What it leaves open, the store's options and the session as it is decide.

use std::fmt;
use std::time::Duration;

use super::Deadline;

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
    /// A lifetime that has begun: so long from each use, and at this moment if there is none.
    Begun(Duration, Deadline),
}

impl Lifetime {
    pub fn deadline(self, now_ms: u64) -> Deadline {
        match self {
            Self::For(lifetime) => Deadline::after(now_ms, lifetime),
            Self::Until(deadline) | Self::Begun(_, deadline) => deadline,
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

/// What a write says, for whoever keeps sessions elsewhere by the same contract.
impl Write {
    /// The bytes to be written.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The idle deadline that it asks for, when it is made at this moment.
    #[must_use]
    pub fn idle_deadline(&self, now_ms: u64) -> Option<Deadline> {
        self.idle.map(|idle| idle.deadline(now_ms))
    }

    /// The idle lifetime that it asks for, when it is made at this moment.
    #[must_use]
    pub fn idle_lifetime(&self, now_ms: u64) -> Option<Duration> {
        self.idle.map(|idle| match idle {
            Lifetime::For(lifetime) | Lifetime::Begun(lifetime, _) => lifetime,
            Lifetime::Until(deadline) => Duration::from_millis(deadline.as_ms().saturating_sub(now_ms)),
        })
    }

    /// The absolute deadline that it asks for, when it is made at this moment.
    #[must_use]
    pub fn absolute_deadline(&self, now_ms: u64) -> Option<Deadline> {
        self.absolute.map(|absolute| absolute.deadline(now_ms))
    }

    /// What becomes of the subject.
    #[must_use]
    pub fn asked_subject(&self) -> &Subject {
        &self.subject
    }

    /// What it waits for, where it says so.
    #[must_use]
    pub fn asked_durability(&self) -> Option<Durability> {
        self.durability
    }

    /// Whether it may bring the idle deadline closer.
    #[must_use]
    pub fn shortens(&self) -> bool {
        self.shorten
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
