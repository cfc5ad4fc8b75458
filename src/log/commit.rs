//! Group commit: many writers, one sync.
//!
//! Owns: how far the log is durable, and who syncs next. Whoever needs durability and finds nobody syncing becomes
//! the leader and syncs for all; the others wait for the leader, and every one of them learns of its failure.
//! (The leader and follower queue of LevelDB and of every log since.)
//! Invariants:
//! 1. `durable_lsn` moves only after every file that holds an LSN up to it has been synced.
//! 2. `durable_clock_ms` is the clock of a mark at or below `durable_lsn`.
//! 3. A sync that failed is never retried: the latch falls, and everybody who waits gets the same error (rule 11).

use std::time::Duration;

use super::latch::Latch;
use crate::error::Result;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Instant, Mutex, tally};

/// How far a sync has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached {
    pub lsn: u64,
    pub clock_ms: u64,
}

/// Who waits for the disk.
pub(crate) struct Commit {
    durable_lsn: AtomicU64,
    durable_clock_ms: AtomicU64,
    syncs: tally::AtomicU64,
    last_sync_ns: tally::AtomicU64,
    leader: Mutex<bool>,
    done: Condvar,
}

impl Commit {
    /// A log that is durable up to here.
    pub fn new(reached: Reached) -> Self {
        Self {
            durable_lsn: AtomicU64::new(reached.lsn),
            durable_clock_ms: AtomicU64::new(reached.clock_ms),
            syncs: tally::AtomicU64::new(0),
            last_sync_ns: tally::AtomicU64::new(0),
            leader: Mutex::new(false),
            done: Condvar::new(),
        }
    }

    /// Everything up to this LSN is on the disk.
    pub fn durable_lsn(&self) -> u64 {
        self.durable_lsn.load(Ordering::Acquire)
    }

    /// The latest settled time that a durable mark tells.
    pub fn durable_clock_ms(&self) -> u64 {
        self.durable_clock_ms.load(Ordering::Acquire)
    }

    /// How many syncs there were, and how long the last took.
    pub fn syncs(&self) -> (u64, Option<Duration>) {
        let count = self.syncs.load(Ordering::Relaxed);
        (count, (count > 0).then(|| Duration::from_nanos(self.last_sync_ns.load(Ordering::Relaxed))))
    }

    /// Waits until `lsn` is durable; `sync` makes durable whatever has been appended, and says how far that went.
    pub fn wait(&self, lsn: u64, latch: &Latch, sync: impl Fn() -> Result<Reached>) -> Result<()> {
        let mut leader = self.leader.lock();
        loop {
            if self.durable_lsn() >= lsn {
                return Ok(());
            }
            latch.check()?;
            if *leader {
                self.done.wait(&mut leader);
                continue;
            }
            *leader = true;
            drop(leader);
            if planted!(WakesWaitersBeforeSync) {
                self.durable_lsn.fetch_max(lsn, Ordering::AcqRel);
                self.done.notify_all();
            }
            let began = Instant::now();
            let outcome = sync();
            leader = self.leader.lock();
            *leader = false;
            let outcome = match outcome {
                Ok(reached) => {
                    self.durable_clock_ms.fetch_max(reached.clock_ms, Ordering::AcqRel);
                    self.durable_lsn.fetch_max(reached.lsn, Ordering::AcqRel);
                    let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    self.last_sync_ns.store(took, Ordering::Relaxed);
                    self.syncs.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }
                Err(error) => Err(latch.fall(&error)),
            };
            self.done.notify_all();
            outcome?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::Arc;

    #[test]
    fn every_waiter_learns_of_the_one_failure() {
        let commit = Arc::new(Commit::new(Reached { lsn: 0, clock_ms: 0 }));
        let latch = Arc::new(Latch::default());
        let calls = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (1..=8)
            .map(|lsn| {
                let (commit, latch, calls) = (Arc::clone(&commit), Arc::clone(&latch), Arc::clone(&calls));
                std::thread::spawn(move || {
                    commit.wait(lsn, &latch, || {
                        calls.fetch_add(1, Ordering::Relaxed);
                        Err(Error::io("syncing", std::io::Error::other("gone")))
                    })
                })
            })
            .collect();
        for thread in threads {
            assert!(matches!(thread.join().unwrap(), Err(Error::Latched { .. })));
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1, "a failed sync is not retried");
        assert_eq!(commit.durable_lsn(), 0);
    }

    #[test]
    fn a_leader_syncs_for_all() {
        let commit = Commit::new(Reached { lsn: 0, clock_ms: 0 });
        let latch = Latch::default();
        commit.wait(3, &latch, || Ok(Reached { lsn: 9, clock_ms: 7 })).unwrap();
        assert_eq!((commit.durable_lsn(), commit.durable_clock_ms()), (9, 7));
        commit.wait(9, &latch, || Err(Error::Closed)).unwrap();
    }

    #[test]
    fn syncs_are_counted_and_the_last_is_told() {
        let (commit, latch) = (Commit::new(Reached { lsn: 0, clock_ms: 0 }), Latch::default());
        assert_eq!(commit.syncs(), (0, None));
        for lsn in 1..=2 {
            commit.wait(lsn, &latch, || Ok(Reached { lsn, clock_ms: 0 })).unwrap();
        }
        let (count, last) = commit.syncs();
        assert!(count == 2 && last.is_some());
    }
}
