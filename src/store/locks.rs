//! Locks of ids: writers of one id take turns from the check through the LSN to the index change (rule 2).
//!
//! Owns: 64 locks, each for the ids whose tags fall to it. Lock order: these before all others of the store, and among
//! themselves in ascending order. What touches several ids takes theirs; what may touch any id takes all.

use crossbeam_utils::CachePadded;

use crate::sync::{Mutex, MutexGuard, stripe_bits};

const COUNT: usize = 1 << stripe_bits(6);

/// See the module.
pub(crate) struct IdLocks(Box<[CachePadded<Mutex<()>>; COUNT]>);

/// While it lives, nobody else writes the ids that it stands for.
pub(crate) struct IdGuard<'a>(
    #[expect(dead_code, reason = "held, not read")] [Option<MutexGuard<'a, ()>>; 2],
);

/// While it lives, nobody else writes anything.
pub(crate) struct AllGuard<'a>(#[expect(dead_code, reason = "held, not read")] Vec<MutexGuard<'a, ()>>);

impl IdLocks {
    pub fn new() -> Self {
        Self(Box::new(std::array::from_fn(|_| CachePadded::new(Mutex::new(())))))
    }

    /// Locks one id.
    pub fn one(&self, tag: u64) -> IdGuard<'_> {
        IdGuard([self.lock(slot(tag)), None])
    }

    /// Locks two ids, which may be the same.
    pub fn two(&self, first: u64, second: u64) -> IdGuard<'_> {
        let (low, high) = (slot(first).min(slot(second)), slot(first).max(slot(second)));
        let low_guard = self.lock(low);
        IdGuard([low_guard, if low == high { None } else { self.lock(high) }])
    }

    /// Locks all ids.
    pub fn all(&self) -> AllGuard<'_> {
        AllGuard(self.0.iter().map(|lock| lock.lock()).collect())
    }

    fn lock(&self, slot: usize) -> Option<MutexGuard<'_, ()>> {
        self.0.get(slot).filter(|_| !planted!(WritersOfOneIdRace)).map(|lock| lock.lock())
    }
}

/// The middle bits of a tag: the index takes its shards from the top, so one busy lock is not one busy shard.
const fn slot(tag: u64) -> usize {
    (tag >> 32) as usize % COUNT
}
