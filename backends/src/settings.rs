//! What a home other than the embedded one is told: lifetimes, limits, how long to wait.
//!
//! Owns: [`Settings`]. The embedded home has [`sessile::Options`]; names and defaults of what both have are the same.

use std::time::Duration;

use sessile::Secret;

use crate::error::Result;

/// Settings of a home in memory or on a server, with the defaults of [`sessile::Options`].
///
/// ```
/// use sessile_backends::{Memory, Settings};
/// use std::time::Duration;
///
/// let home = Memory::new(Settings::new().idle(Duration::from_secs(30 * 60)))?;
/// # let _ = home;
/// # Ok::<(), sessile_backends::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) idle: Duration,
    pub(crate) absolute: Option<Duration>,
    pub(crate) session_bytes_max: u64,
    pub(crate) keep_ids: bool,
    pub(crate) secret: Option<Secret>,
    pub(crate) timeout: Duration,
    pub(crate) namespace: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(14 * 24 * 3600),
            absolute: None,
            session_bytes_max: 1 << 20,
            keep_ids: false,
            secret: None,
            timeout: Duration::from_secs(5),
            namespace: None,
        }
    }
}

impl Settings {
    /// The defaults: 14 days idle, no absolute deadline, 1 MiB a session, five seconds to answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a session lives without being used, when its write does not say.
    #[must_use]
    pub fn idle(mut self, lifetime: Duration) -> Self {
        self.idle = lifetime;
        self
    }

    /// How long a session lives at most, when its write does not say.
    #[must_use]
    pub fn absolute(mut self, lifetime: Duration) -> Self {
        self.absolute = Some(lifetime);
        self
    }

    /// The longest data of a session.
    #[must_use]
    pub fn session_bytes_max(mut self, bytes: u64) -> Self {
        self.session_bytes_max = bytes;
        self
    }

    /// Keeps ids beside the sessions, so that they can be carried to a foreign store. Whoever reads the home is then logged in.
    #[must_use]
    pub fn keep_ids(mut self, keep: bool) -> Self {
        self.keep_ids = keep;
        self
    }

    /// The secret of a home that is being made, for one that is to know the sessions of another. An existing home has its own.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Under which name the sessions are kept on a server: the prefix of their keys, or their schema. `sessile` where none is given.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// How long a call waits for a server at most.
    #[must_use]
    pub fn timeout(mut self, at_most: Duration) -> Self {
        self.timeout = at_most;
        self
    }

    /// Refuses data that is too long.
    pub(crate) fn check_length(&self, data: &[u8]) -> Result<()> {
        let (bytes, bytes_max) = (data.len() as u64, self.session_bytes_max);
        if bytes > bytes_max {
            return Err(sessile::Error::TooLarge { bytes, bytes_max }.into());
        }
        Ok(())
    }

    /// The id, where it is kept, or nothing.
    pub(crate) fn kept_id<'a>(&self, id: &'a [u8]) -> &'a [u8] {
        if self.keep_ids { id } else { &[] }
    }
}
