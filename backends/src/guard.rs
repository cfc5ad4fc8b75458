//! The guard: whether a home on a server is still the one that this process has connected to.
//!
//! Owns: when its secret is looked at again. A server that was emptied, or a schema that was made anew, gets another secret from
//! whoever comes next. Then two processes digest by two secrets, and one does not find, and does not end, what the other has made.
//! Invariants:
//! 1. No call goes by a secret that was last seen longer ago than [`LOOK_EVERY`].
//! 2. An ending looks while it is at it, and is an error if it has looked in vain.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How old a look may be.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When the secret was last seen to be ours.
#[derive(Default)]
pub(crate) struct Guard(Mutex<Option<Instant>>);

impl Guard {
    /// Whether it is time to look again.
    pub fn is_due(&self) -> bool {
        self.0.lock().is_none_or(|seen| seen.elapsed() >= LOOK_EVERY)
    }

    /// It was ours just now; `since` is when the look began.
    pub fn saw(&self, since: Instant) {
        *self.0.lock() = Some(since);
    }
}
