//! What is shown of one session: everything but its id, which the store does not keep, and its data.

use serde::Serialize;
use sessile::Session;

use crate::output::{self, deadline_ms};

/// One session, for `ls` and `get`.
#[derive(Debug, Serialize)]
pub(super) struct SessionFacts {
    pub handle: String,
    pub version: u64,
    pub created_ms: u64,
    pub last_used_ms: u64,
    /// `None` is never.
    pub deadline_ms: Option<u64>,
    /// `None` is never.
    pub absolute_deadline_ms: Option<u64>,
    pub has_subject: bool,
    pub data_bytes: usize,
}

impl From<&Session> for SessionFacts {
    fn from(session: &Session) -> Self {
        Self {
            handle: session.handle().to_string(),
            version: session.version().as_u64(),
            created_ms: session.created_ms(),
            last_used_ms: session.last_used_ms(),
            deadline_ms: deadline_ms(session.deadline()),
            absolute_deadline_ms: deadline_ms(session.absolute_deadline()),
            has_subject: session.subject().is_some(),
            data_bytes: session.data().len(),
        }
    }
}

impl SessionFacts {
    /// Yes or no.
    pub fn subject(&self) -> &'static str {
        if self.has_subject { "yes" } else { "no" }
    }

    pub fn rows(&self) -> [(&'static str, String); 8] {
        [
            ("handle", self.handle.clone()),
            ("version", self.version.to_string()),
            ("created", output::moment(self.created_ms)),
            ("last used", output::moment(self.last_used_ms)),
            ("ends unless used", output::maybe_moment(self.deadline_ms)),
            ("ends at the latest", output::maybe_moment(self.absolute_deadline_ms)),
            ("has a subject", self.subject().to_owned()),
            ("data", output::bytes(u64::try_from(self.data_bytes).unwrap_or(u64::MAX))),
        ]
    }
}
