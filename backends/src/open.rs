//! Open: whether a home may still be used.
//!
//! Owns: that every call on a home that was closed says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;

/// Shared by all handles of a home.
#[derive(Clone, Default)]
pub(crate) struct Open {
    closed: Arc<AtomicBool>,
}

impl Open {
    pub fn check(&self) -> Result<()> {
        if self.is_closed() { Err(sessile::Error::Closed.into()) } else { Ok(()) }
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}
