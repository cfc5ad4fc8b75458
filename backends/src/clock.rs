//! The home's clock, as far as this process knows it.
//!
//! Owns: until when a write may be done that somebody here waits for, as the home's clock says it. A call that got no answer in time
//! may still lie in the buffers of a network, and arrive when that is back, long after the session it speaks of has ended. So
//! each says until when its caller waits, and the home declines what comes later.
//!
//! Nobody asks for the time: the first call is declined, and its answer tells. What is known is forgotten after a while, since two
//! clocks drift apart. Invariant: what is said here is never later than the moment meant, unless the home's clock was set back since.

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

/// How long what is known is good for.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// What the home's clock was heard to say, and when.
#[derive(Default)]
pub(crate) struct Clock(Mutex<Option<(Instant, u64)>>);

impl Clock {
    /// A moment of this process by the home's clock, or one that has passed there if nothing is known of it.
    pub fn at(&self, moment: Instant) -> u64 {
        let heard = *self.0.lock();
        let Some((since, said_ms)) = heard.filter(|(since, _)| since.elapsed() < GOOD_FOR) else { return 0 };
        let later = moment.saturating_duration_since(since).as_millis();
        said_ms.saturating_add(u64::try_from(later).unwrap_or(u64::MAX))
    }

    /// The home has just answered that it is so late there.
    pub fn hear(&self, said_ms: u64) {
        *self.0.lock() = Some((Instant::now(), said_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_tells_a_moment_for_a_while() {
        let clock = Clock::default();
        let soon = || Instant::now() + Duration::from_millis(500);
        assert_eq!(clock.at(soon()), 0, "what is not known has passed");
        clock.hear(1_000_000);
        assert_eq!(clock.at(soon()), 1_000_500);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(clock.at(soon()), 1_040_500);
        tokio::time::advance(GOOD_FOR).await;
        assert_eq!(clock.at(soon()), 0);
    }
}
