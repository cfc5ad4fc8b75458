//! Time, as far as it may be believed: two clocks in, a trusted now out.
//!
//! Owns: the trait [`Clock`], the machine's own clocks and one for tests. What is believed of them is [`watch`]'s.

mod watch;

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use watch::{Now, Turn, Watch};

/// Where time comes from. Both readings in milliseconds.
pub trait Clock: Send + Sync {
    /// The wall clock: milliseconds since the Unix epoch. May jump either way.
    fn wall_ms(&self) -> u64;

    /// The wall clock as it was at most a minute ago, where that costs less to ask for. Never ahead of
    /// [`wall_ms`](Self::wall_ms).
    ///
    /// Reads ask this one first, and the exact one only about a session that ends within the minute.
    fn recent_wall_ms(&self) -> u64 {
        self.wall_ms()
    }

    /// A clock that only runs, also while the machine sleeps; its origin means nothing.
    fn boot_ms(&self) -> u64;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn recent_wall_ms(&self) -> u64 {
        clock_ms(rustix::time::ClockId::RealtimeCoarse)
    }

    fn boot_ms(&self) -> u64 {
        clock_ms(rustix::time::ClockId::Boottime)
    }
}

fn clock_ms(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    let (seconds, nanos) =
        (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1000) + nanos / 1_000_000
}

/// How far [`Clock::recent_wall_ms`] may be behind. Linux moves its coarse clock by the tick of one processor, 4 or 10 ms; a
/// virtual machine whose processor has to wait was seen 57 ms late.
pub(crate) const RECENT_MS: u64 = 60_000;

/// A clock that moves when it is told to: for tests, and for replaying yesterday's traffic.
///
/// ```
/// use sessile::{Clock, ManualClock};
/// let clock = ManualClock::at_ms(1_000);
/// clock.advance(std::time::Duration::from_secs(1));
/// assert_eq!(clock.wall_ms(), 2_000);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<std::sync::Mutex<(u64, u64)>>);

impl ManualClock {
    /// A clock that shows this wall time, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn at_ms(wall_ms: u64) -> Self {
        Self(Arc::new(std::sync::Mutex::new((wall_ms, 0))))
    }

    /// Time passes: both clocks move, at once.
    pub fn advance(&self, time: Duration) {
        let ms = millis(time);
        let mut clocks = self.clocks();
        *clocks = (clocks.0.saturating_add(ms), clocks.1.saturating_add(ms));
    }

    /// Somebody sets the wall clock: it jumps, and the boot-time clock does not.
    pub fn set_wall_ms(&self, wall_ms: u64) {
        self.clocks().0 = wall_ms;
    }

    fn clocks(&self) -> std::sync::MutexGuard<'_, (u64, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        self.clocks().0
    }

    fn boot_ms(&self) -> u64 {
        self.clocks().1
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
