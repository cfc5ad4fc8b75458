//! What a script answers: a word, and what goes with it.
//!
//! Owns: taking an answer apart. Invariant: an answer that is not of the form that is asked for is damage, and no panic.

use std::sync::Arc;

use ::redis::Value;
use sessile::{Carried, Deadline, Handle, Session, SubjectDigest, Version};

use crate::error::{Error, Result};

/// An answer. What is nested in it comes last.
pub(super) struct Reply {
    parts: Vec<Vec<u8>>,
    pub nested: Vec<Vec<u8>>,
    /// The script was sent twice, so that it may have been done before it gave this answer.
    pub twice: bool,
    home: Arc<str>,
}

impl Reply {
    pub fn new((value, twice): (Value, bool), home: &Arc<str>) -> Result<Self> {
        let Value::Array(values) = value else { return Err(strange(home)) };
        let mut reply = Self { parts: Vec::new(), nested: Vec::new(), twice, home: Arc::clone(home) };
        for value in values {
            match value {
                Value::Array(nested) => {
                    reply.nested = nested.into_iter().map(|one| bytes(one, home)).collect::<Result<_>>()?;
                }
                other => reply.parts.push(bytes(other, home)?),
            }
        }
        Ok(reply)
    }

    /// What it says, in a word.
    pub fn word(&self) -> &str {
        self.parts.first().and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default()
    }

    pub fn bytes(&self, at: usize) -> &[u8] {
        self.parts.get(at).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn text(&self, at: usize) -> Result<&str> {
        std::str::from_utf8(self.bytes(at)).map_err(|_| self.strange())
    }

    pub fn number(&self, at: usize) -> Result<u64> {
        self.text(at)?.parse().map_err(|_| self.strange())
    }

    pub fn version(&self, at: usize) -> Result<Version> {
        self.number(at).map(Version::from_u64)
    }

    /// The session that the script `get` answers with.
    pub fn session(self, handle: Handle) -> Result<Session> {
        let session = Carried {
            handle,
            created_ms: self.number(2)?,
            last_used_ms: self.number(3)?,
            idle: std::time::Duration::from_millis(self.number(4)?),
            deadline: Deadline::at_ms(self.number(5)?),
            absolute: Deadline::at_ms(self.number(6)?),
            subject: match self.text(7)? {
                "" => None,
                subject => Some(SubjectDigest::from_bytes(unhex(subject).ok_or_else(|| self.strange())?)),
            },
            id: Some(self.bytes(10).to_vec()).filter(|id| !id.is_empty()),
            data: self.bytes(9).to_vec(),
        };
        Ok(session.into_session(self.version(1)?))
    }

    /// An answer that is none.
    pub fn unreadable(home: &Arc<str>) -> Error {
        strange(home)
    }

    pub fn strange(&self) -> Error {
        strange(&self.home)
    }
}

fn bytes(value: Value, home: &Arc<str>) -> Result<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.to_vec()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        Value::SimpleString(text) => Ok(text.as_bytes().to_vec()),
        _ => Err(strange(home)),
    }
}

fn strange(home: &Arc<str>) -> Error {
    Error::Damaged {
        home: Arc::clone(home),
        what: "a script answered in a form that none of ours has".into(),
    }
}

/// 16 bytes as 32 digits.
pub(super) fn hex(bytes: [u8; 16]) -> String {
    Handle::from_bytes(bytes).to_string()
}

/// The bytes that [`hex`] gave.
pub(super) fn unhex(digits: &str) -> Option<[u8; 16]> {
    digits.parse::<Handle>().ok().map(Handle::to_bytes)
}
