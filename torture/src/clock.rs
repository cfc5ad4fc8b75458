//! The clocks of the simulated machine, and what a store may believe of them at most.
//!
//! Owns: [`Clocks`], which the store reads, and [`Belief`], the oracle's own and more generous reading of design rule 8:
//! the latest time by which anything may count as over. The store may believe less, and later; never more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sessile::Clock;

/// When every life begins: some day in 2027.
pub const START_MS: u64 = 1_800_000_000_000;
/// A step of the wall clock up to this is no jump.
const TOLERANCE_MS: i64 = 5_000;
/// The defaults of `Options::clock_confirm` and `Options::clock_jump_max`.
const CONFIRM_MS: u64 = 600_000;
const JUMP_MS_MAX: i64 = 30 * 24 * 3_600_000;

/// The wall clock and the boot-time clock of one machine. Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clocks(Arc<(AtomicU64, AtomicU64)>);

impl Clocks {
    /// Both clocks at the beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::at(START_MS, 1_000)
    }

    /// Clocks that show this.
    #[must_use]
    pub fn at(wall_ms: u64, boot_ms: u64) -> Self {
        Self(Arc::new((AtomicU64::new(wall_ms), AtomicU64::new(boot_ms))))
    }

    /// Moves each.
    pub fn shift(&self, wall_by_ms: i64, boot_by_ms: u64) {
        let wall = self.0.0.load(Ordering::Relaxed).saturating_add_signed(wall_by_ms);
        self.0.0.store(wall, Ordering::Relaxed);
        self.0.1.fetch_add(boot_by_ms, Ordering::Relaxed);
    }

    /// The machine has booted anew.
    pub fn reboot(&self) {
        self.0.1.store(0, Ordering::Relaxed);
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for Clocks {
    fn wall_ms(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }

    fn boot_ms(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }
}

/// The latest time that a store may believe.
#[derive(Debug, Clone)]
pub struct Belief {
    /// The greatest difference of wall and boot-time clock that may be believed.
    trusted: i64,
    /// Jumps that wait: when they came by the boot-time clock, and the difference since.
    waiting: Vec<(u64, i64)>,
    /// By this, and not later, something may have ended.
    pub latest_ms: u64,
}

impl Belief {
    /// A new store believes the first reading.
    #[must_use]
    pub fn new(clocks: &Clocks) -> Self {
        Self { trusted: difference(clocks), waiting: Vec::new(), latest_ms: clocks.wall_ms() }
    }

    /// The clocks have moved.
    pub fn look(&mut self, clocks: &Clocks) {
        let (boot_ms, now) = (clocks.boot_ms(), difference(clocks));
        if now <= self.trusted.saturating_add(TOLERANCE_MS) {
            self.trusted = self.trusted.max(now);
            self.waiting.clear();
        } else {
            let steady = |(since_ms, was): &(u64, i64)| {
                boot_ms.saturating_sub(*since_ms) >= CONFIRM_MS && now.abs_diff(*was) <= TOLERANCE_MS as u64
            };
            if now - self.trusted <= JUMP_MS_MAX && self.waiting.iter().any(steady) {
                self.trusted = now;
                self.waiting.clear();
            } else if self.waiting.last().is_none_or(|(_, was)| *was != now) {
                self.waiting.push((boot_ms, now));
            }
        }
        let believed = i64::try_from(boot_ms).unwrap_or(i64::MAX).saturating_add(self.trusted);
        self.latest_ms = self.latest_ms.max(u64::try_from(believed).unwrap_or(0));
    }

    /// An operator has confirmed the wall clock.
    pub fn confirmed(&mut self, clocks: &Clocks) {
        self.trusted = self.trusted.max(difference(clocks));
        self.latest_ms = self.latest_ms.max(clocks.wall_ms());
        self.waiting.clear();
    }

    /// Another opening begins with what the log says, which is no later than what was believed.
    pub fn opened(&mut self, clocks: &Clocks) {
        let (latest, boot) = (self.latest_ms, clocks.boot_ms());
        self.trusted = i64::try_from(latest).unwrap_or(i64::MAX) - i64::try_from(boot).unwrap_or(i64::MAX);
        self.waiting.clear();
        self.look(clocks);
    }
}

fn difference(clocks: &Clocks) -> i64 {
    let wall = i64::try_from(clocks.wall_ms()).unwrap_or(i64::MAX);
    wall - i64::try_from(clocks.boot_ms()).unwrap_or(i64::MAX)
}
