//! What the store tells somebody who is on call.

use std::sync::Arc;

use crate::error::Damage;

/// Hears of what needs attention. Called from whatever thread found it; it must return soon and must not call the
/// store. No event carries an id.
///
/// ```
/// use sessile::{Event, Observer, Options};
/// use std::sync::Arc;
///
/// struct Log;
/// impl Observer for Log {
///     fn event(&self, event: &Event) {
///         eprintln!("session store: {event:?}");
///     }
/// }
/// let options = Options::new().observer(Arc::new(Log));
/// # let _ = options;
/// ```
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// Tells who observes, if anybody does.
pub(crate) fn tell(observer: Option<&Arc<dyn Observer>>, event: &Event) {
    tell!(event(event));
    if let Some(observer) = observer {
        observer.event(event);
    }
}

/// What an [`Observer`] hears of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A write or sync failed: the store takes no more writes.
    Latched {
        /// What failed.
        cause: String,
    },
    /// A file is not what was written.
    Damaged(Damage),
    /// A limit or the disk is reached.
    DiskFull,
    /// The wall clock jumped; what it would expire is hidden until the jump is confirmed.
    ClockJumped {
        /// By how much, in milliseconds; negative is back.
        by_ms: i64,
    },
    /// A jump was confirmed and now counts.
    ClockConfirmed,
    /// An operator has set back what the store believed of the time: see
    /// [`Store::set_clock_back`](crate::Store::set_clock_back).
    ClockSetBack {
        /// By how much, in milliseconds.
        by_ms: u64,
    },
    /// What listeners of [`events`](crate::Store::events) have not dealt with could not be written down: if the process ends now,
    /// nobody will tell it.
    EventsNotKept {
        /// What failed.
        cause: String,
    },
    /// Expiry has fallen behind by this many wheel entries.
    Backlog {
        /// How many.
        entries: u64,
    },
}
