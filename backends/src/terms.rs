//! Terms: which deadlines a write comes to.
//!
//! Owns: the rule, for a home whose clock is this process's; homes on a server have it once more in the server's own language,
//! because it goes by the server's clock, and the tests hold all of them to the same table. What a write does not say stays as
//! the session has it, or comes from the settings. Invariants:
//! 1. A deadline that a write comes to is never beyond the absolute one, which only comes closer.
//! 2. An update never brings the idle deadline closer unless it asks for that, or ends the session.

use std::time::Duration;

use sessile::{Deadline, Write};

use crate::settings::Settings;

/// `Deadline::NEVER` as a number that every home can keep: 2^44 - 1.
#[cfg(any(feature = "redis", feature = "postgres"))]
pub(crate) const NEVER_MS: u64 = (1 << 44) - 1;

/// A moment as the home keeps it.
#[cfg(any(feature = "redis", feature = "postgres"))]
pub(crate) fn ms(deadline: Deadline) -> u64 {
    deadline.as_ms().min(NEVER_MS)
}

/// A lifetime as the home keeps it.
#[cfg(any(feature = "redis", feature = "postgres"))]
pub(crate) fn lifetime_ms(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).min(NEVER_MS)
}

/// What of a session matters for its next deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub deadline: Deadline,
    pub absolute: Deadline,
    pub idle: Duration,
}

impl Terms {
    /// Those of a session after `write`, which is made at `now_ms`; `before` are those that a live session had.
    pub fn after(write: &Write, before: Option<Self>, settings: &Settings, now_ms: u64) -> Self {
        let own = before.map_or(settings.idle, |before| before.idle);
        let idle = write.idle_lifetime(now_ms).unwrap_or(own);
        let asked = write.idle_deadline(now_ms);
        // Only a moment that has passed ends a session; so short a lifetime adds nothing to it.
        let is_moment = asked == write.idle_deadline(now_ms + 1);
        let ends_now = asked.is_some_and(|asked| is_moment && asked.has_passed(now_ms));
        let limit = write.absolute_deadline(now_ms);
        let absolute = match (before, limit) {
            (Some(before), limit) => limit.map_or(before.absolute, |limit| limit.min(before.absolute)),
            (None, Some(limit)) => limit,
            (None, None) => settings.absolute.map_or(Deadline::NEVER, |limit| Deadline::after(now_ms, limit)),
        };
        let next = asked.unwrap_or_else(|| Deadline::after(now_ms, own));
        let kept = before.filter(|_| !write.shortens() && !ends_now).map(|before| before.deadline);
        let deadline = kept.map_or(next, |kept| next.max(kept)).min(absolute);
        Self { deadline, absolute, idle }
    }

    /// The deadline after a use: only ever later.
    pub fn touched(self, idle: Duration, now_ms: u64) -> Deadline {
        Deadline::after(now_ms, idle).min(self.absolute).max(self.deadline)
    }
}
