//! A session on its way from one home to another.
//!
//! Owns: [`Carried`], everything that a session is but its version, which is each home's own. Invariant: what is carried
//! and adopted ends when it would have ended, and began when it began.

use std::fmt;
use std::time::Duration;

use crate::id::{Handle, SubjectDigest};
use crate::session::{Deadline, Facts, Lifetime, Session, Version, Write};

/// A session on its way from one home to another: named by its handle, since homes that share a
/// [`Secret`](crate::Secret) need no id to know it by.
///
/// ```
/// use sessile::{Options, Store, Write};
///
/// # let dir = tempfile::tempdir()?;
/// let old = Store::open(dir.path().join("old"))?;
/// old.create("an id", Write::new("cart: 3 apples").subject("alice"))?;
///
/// let new = Options::new().secret(old.secret()).open(dir.path().join("new"))?;
/// for session in old.iter()? {
///     new.adopt(&session?.into_carried())?;
/// }
/// assert_eq!(new.get("an id")?.expect("it came along").data(), b"cart: 3 apples");
/// assert_eq!(new.destroy_subject("alice", None)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Carried {
    /// What names it: its digest under the secret of the home that it is from.
    pub handle: Handle,
    /// The bytes that were written.
    pub data: Vec<u8>,
    /// When it began, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it was last used, as [`Session::last_used_ms`].
    pub last_used_ms: u64,
    /// How long it lives without being used.
    pub idle: Duration,
    /// When it ends unless it is used before.
    pub deadline: Deadline,
    /// When it ends whatever use is made of it.
    pub absolute: Deadline,
    /// Whose it is, under the same secret.
    pub subject: Option<SubjectDigest>,
    /// The id itself, from a home that keeps ids. Do not log it.
    pub id: Option<Vec<u8>>,
}

impl Carried {
    /// The session as a home shows it that has it at this version.
    #[must_use]
    pub fn into_session(self, version: Version) -> Session {
        let facts = Facts {
            digest: self.handle.0,
            version,
            created_ms: self.created_ms,
            last_used_ms: self.last_used_ms,
            idle_ms: u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX),
            deadline: self.deadline.min(self.absolute),
            absolute: self.absolute,
            subject: self.subject.map(|subject| subject.0),
        };
        Session { facts, data: self.data, id: self.id }
    }

    /// The write that brings it here.
    pub(crate) fn write(&self) -> Write {
        Write {
            data: self.data.clone(),
            idle: Some(Lifetime::Begun(self.idle, self.deadline.min(self.absolute))),
            absolute: Some(Lifetime::Until(self.absolute)),
            ..Write::default()
        }
    }
}

impl From<Session> for Carried {
    fn from(session: Session) -> Self {
        Self {
            handle: session.handle(),
            created_ms: session.created_ms(),
            last_used_ms: session.last_used_ms(),
            idle: session.idle(),
            deadline: session.deadline(),
            absolute: session.absolute_deadline(),
            subject: session.subject(),
            data: session.data,
            id: session.id,
        }
    }
}

impl Session {
    /// Everything but the version, to be [adopted](crate::Store::adopt) by another home.
    #[must_use]
    pub fn into_carried(self) -> Carried {
        self.into()
    }
}

/// Shows everything that is no secret.
impl fmt::Debug for Carried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Carried")
            .field("handle", &self.handle)
            .field("created_ms", &self.created_ms)
            .field("last_used_ms", &self.last_used_ms)
            .field("idle", &self.idle)
            .field("deadline", &self.deadline)
            .field("absolute", &self.absolute)
            .field("has_subject", &self.subject.is_some())
            .field("data_bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}
