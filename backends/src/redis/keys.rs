//! Keys: under which names a home's things stand on the server, and who writes there.
//!
//! Owns: the form of keys, which `lua/common.lua` knows, too. What stands in braces decides the slot on a Cluster: sessions are
//! spread by their handle, and what is kept of a subject is in one place.

use std::sync::atomic::{AtomicU64, Ordering};

use sessile::{Handle, Secret};

use super::reply::hex;
use crate::error::{Error, Result};

/// The names of one set of sessions.
pub(super) struct Keys {
    pub prefix: String,
    pub secret: Secret,
    /// Drawn once, so that with a number behind it nobody else writes by the same name.
    writer: String,
    writes: AtomicU64,
}

impl Keys {
    pub fn new(prefix: String, secret: Secret) -> Result<Self> {
        let drawn = Secret::generate()?.to_bytes();
        let writer = drawn.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { prefix, secret, writer, writes: AtomicU64::new(0) })
    }

    /// Names a write, so that it is known again when it is sent twice.
    pub fn writer(&self) -> String {
        format!("{}.{:x}", self.writer, self.writes.fetch_add(1, Ordering::Relaxed))
    }

    pub fn handle(&self, id: &[u8]) -> Result<Handle> {
        Ok(self.secret.handle_of(id)?)
    }

    pub fn subject(&self, subject: &[u8]) -> Result<String> {
        Ok(hex(self.secret.subject_digest(subject)?.to_bytes()))
    }

    pub fn session(&self, handle: Handle) -> String {
        format!("{}:{{{handle}}}", self.prefix)
    }

    /// The handle in a session's key.
    pub fn handle_in(&self, key: &str) -> Option<Handle> {
        key.strip_prefix(&self.prefix)?.strip_prefix(":{")?.strip_suffix('}')?.parse().ok()
    }

    /// What all keys of sessions match, and no others.
    pub fn pattern(&self) -> String {
        format!("{}:{{*", self.prefix)
    }

    pub fn generation(&self, subject: &str) -> String {
        format!("{}:g:{{{subject}}}", self.prefix)
    }

    pub fn index(&self, subject: &str) -> String {
        format!("{}:s:{{{subject}}}", self.prefix)
    }

    /// There while somebody ends all sessions.
    pub fn clearing(&self) -> String {
        format!("{}:clearing", self.prefix)
    }

    pub fn secret_of(prefix: &str) -> String {
        format!("{prefix}:secret")
    }
}

/// Refuses a prefix that would be more than a name in a key or a pattern.
pub(super) fn check_prefix(prefix: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if (1..=64).contains(&prefix.len()) && prefix.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::invalid("a prefix of keys has 1 to 64 letters, digits and characters of _-.:"))
}
