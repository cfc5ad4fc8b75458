//! Taking turns at one shard of the index: one writer at a time, and readers who wait for nobody.
//!
//! Owns: [`Turn`], a *sequence lock* (Lameter 2005; for what it needs of memory see Boehm, "Can seqlocks get along with
//! programming language memory models?", 2012). The version is odd while a writer is changing something, and a reader who
//! finds it even, and the same when he has read, has read what was there at one moment. Readers write no memory that
//! they share, so they neither wait for writers nor slow each other down. Invariants:
//! 1. The version is odd only while the writer's lock is held, and only for a few stores: nothing is allocated, freed or
//!    waited for meanwhile.
//! 2. A reader who is disturbed again and again takes the writer's lock.

use crate::sync::atomic::{AtomicU64, Ordering, fence};
use crate::sync::{Mutex, MutexGuard};

/// How often a reader tries to be alone.
const TRIES: usize = 8;

/// See the module. The lock holds how many entries there are. In a cache line of its own, so that writers of one shard do not
/// disturb readers of another.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Turn {
    version: AtomicU64,
    len: Mutex<usize>,
}

impl Turn {
    /// What `read` makes of the shard, as it was at one moment. It may be called more than once, and meet nonsense: only its
    /// last result counts. Whatever it loads besides was current at a moment at which the shard was just so.
    #[inline]
    pub fn read<T>(&self, read: impl Fn() -> T) -> T {
        for _ in 0..TRIES {
            let version = self.version.load(Ordering::Acquire);
            if version.is_multiple_of(2) {
                let made = read();
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == version {
                    return made;
                }
            }
            std::hint::spin_loop();
        }
        let _alone = self.len.lock();
        read()
    }

    /// Waits until nobody else writes.
    pub fn lock(&self) -> MutexGuard<'_, usize> {
        self.len.lock()
    }

    /// Changes what readers may be reading. Only who has [`lock`](Self::lock)ed may call this.
    pub fn change<T>(&self, change: impl FnOnce() -> T) -> T {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let changed = change();
        self.version.store(version.wrapping_add(2), Ordering::Release);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two numbers that always change together, no reader sees one new and one old.
    #[test]
    fn no_reader_sees_half_a_change() {
        let (turn, done) = (Turn::default(), std::sync::atomic::AtomicBool::new(false));
        let (first, second) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let both =
                            turn.read(|| (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)));
                        assert_eq!(both.0, both.1);
                    }
                });
            }
            for number in 0..200_000 {
                let _guard = turn.lock();
                turn.change(|| {
                    first.store(number, Ordering::Relaxed);
                    second.store(number, Ordering::Relaxed);
                });
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_reader_who_meets_a_writer_waits_for_him_and_not_for_ever() {
        let turn = Turn::default();
        let tries = std::sync::atomic::AtomicUsize::new(0);
        // Each of its tries is disturbed.
        let seen = turn.read(|| {
            let nth = tries.fetch_add(1, Ordering::Relaxed);
            if nth < TRIES {
                let _guard = turn.lock();
                turn.change(|| ());
            }
            nth
        });
        assert_eq!(seen, TRIES);
    }
}
