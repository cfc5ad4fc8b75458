//! Arrivals: who has come into a home of sessile's by a move, so that nobody comes a second time.
//!
//! Owns: the form of an entry, in a set of sessions beside those of the home. An id that was ended is free, so an old store that still
//! has it would log in whoever has logged out of the new one. Whoever has an entry and no session has ended since. An entry
//! outlives the session as the old store had it by a day, for two stores have two clocks. Invariant: an entry is written when its session is durable, never before;
//! the other way round a crash would leave somebody outside.

use sessile::{Carried, Deadline, Handle};

use crate::session::{Kind, Why};

/// The set of sessions that they are.
pub(super) const NAME: &str = "arrivals";
/// How many wait for their sessions to be durable at most.
pub(super) const WAITING_MAX: usize = 1 << 16;

/// An entry outlives its session by this much.
const MARGIN_MS: u64 = 24 * 3600 * 1000;

/// Somebody has come: his handle, and when his session would have ended where he came from.
pub(super) type Arrival = (Handle, Deadline);

/// His entry.
pub(super) fn entry((handle, deadline): Arrival) -> Carried {
    let until = Deadline::at_ms(deadline.as_ms().saturating_add(MARGIN_MS));
    Carried {
        handle,
        data: Vec::new(),
        created_ms: 0,
        last_used_ms: 0,
        idle: std::time::Duration::MAX,
        deadline: until,
        absolute: until,
        subject: None,
        id: None,
    }
}

/// Why he does not come again.
pub(super) fn has_ended() -> Why {
    Why::from(Kind::Ended)
}
