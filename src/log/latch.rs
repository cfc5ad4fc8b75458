//! The latch: after a failed write or sync the store takes no more writes (rule 11).
//!
//! Owns: the first failure. Once set it stays set; only opening the store again clears it.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::observer::{self, Event, Observer};
use crate::sync::OnceLock;

/// Set by the first failure, asked before every write.
#[derive(Default)]
pub(crate) struct Latch {
    cause: OnceLock<Arc<str>>,
    observer: Option<Arc<dyn Observer>>,
}

impl Latch {
    /// An open latch, whose fall this observer hears.
    pub fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Self { cause: OnceLock::new(), observer }
    }

    /// Falls because of `error`, unless it has fallen already; returns what every writer gets from now on.
    pub fn fall(&self, error: &Error) -> Error {
        let cause: Arc<str> = error.to_string().into();
        if self.cause.set(Arc::clone(&cause)).is_ok() {
            observer::tell(self.observer.as_ref(), &Event::Latched { cause: cause.to_string() });
        }
        self.error().unwrap_or(Error::Closed)
    }

    /// What latched the store, if anything did.
    pub fn cause(&self) -> Option<&Arc<str>> {
        self.cause.get()
    }

    fn error(&self) -> Option<Error> {
        self.cause().map(|cause| Error::Latched { cause: Arc::clone(cause), in_memory: false })
    }

    /// Refuses when the latch has fallen.
    pub fn check(&self) -> Result<()> {
        self.error().map_or(Ok(()), Err)
    }
}
