//! Group commit: many writers, one sync.
//!
//! Owns: how far the log is durable, and who syncs next. Whoever needs durability and finds nobody syncing becomes
//! the leader and syncs for all; the others wait for the leader, and every one of them learns of its failure.
//! (The leader and follower queue of LevelDB and of every log since.)
//! Invariants:
//! 1. `durable_lsn` moves only after every file that holds an LSN up to it has been synced.
//! 2. `durable_clock_ms` is the clock of a mark at or below `durable_lsn`.
//! 3. A sync that failed is never retried: the latch falls, and everybody who waits gets the same error (rule 11).
//! 4. While somebody waits, there is a leader, or one of those who waited has been woken and has still to look. A leader
//!    wakes whom it has served, and before them one of the others, to lead next: the disk is busy again while the served go
//!    their way, and nobody is woken only to sleep on. Where only tasks are left, their committer is woken to lead.

#[cfg(feature = "async")]
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use super::latch::Latch;
use super::tasks::Tasks;
use crate::error::Result;
use crate::stats::{Counting, Histogram};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Instant, Mutex, tally, thread};

/// Upper bounds of what syncs take: from a drive with a battery to one that hangs.
static SYNC_MICROS: [u64; 14] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];
/// Upper bounds of how many frames a sync makes durable.
static GROUP_FRAMES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1_024, 4_096];

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
    sync_micros: Counting<14>,
    group_frames: Counting<11>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Somebody is syncing.
    led: bool,
    /// Who waits, and for which LSN. One who has woken by himself may stand here still, or twice.
    waiting: Vec<(u64, thread::Thread)>,
    tasks: Tasks,
}

impl Commit {
    /// A log that is durable up to here.
    pub fn new(reached: Reached) -> Self {
        Self {
            durable_lsn: AtomicU64::new(reached.lsn),
            durable_clock_ms: AtomicU64::new(reached.clock_ms),
            syncs: tally::AtomicU64::new(0),
            last_sync_ns: tally::AtomicU64::new(0),
            sync_micros: Counting::new(&SYNC_MICROS),
            group_frames: Counting::new(&GROUP_FRAMES),
            queue: Mutex::new(Queue::default()),
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

    /// How long syncs took, in microseconds, and how many frames each made durable.
    pub fn spreads(&self) -> (Histogram, Histogram) {
        (self.sync_micros.so_far(), self.group_frames.so_far())
    }

    /// Waits until `lsn` is durable; `sync` makes durable whatever has been appended, and says how far that went.
    pub fn wait(&self, lsn: u64, latch: &Latch, sync: impl Fn() -> Result<Reached>) -> Result<()> {
        while self.durable_lsn() < lsn {
            // Nobody will sync any more, so nobody is to wait for it: the caller may have been woken to lead.
            if self.follow(lsn, latch).inspect_err(|_| self.wake(false))? {
                continue;
            }
            if planted!(WakesWaitersBeforeSync) {
                self.durable_lsn.fetch_max(lsn, Ordering::AcqRel);
                self.wake(true);
            }
            let (began, before) = (Instant::now(), self.durable_lsn());
            let outcome = sync().map_err(|error| latch.fall(&error));
            if let Ok(reached) = &outcome {
                self.durable_clock_ms.fetch_max(reached.clock_ms, Ordering::AcqRel);
                self.durable_lsn.fetch_max(reached.lsn, Ordering::AcqRel);
                self.count(began.elapsed(), reached.lsn.saturating_sub(before));
            }
            self.wake(outcome.is_ok());
            outcome?;
        }
        Ok(())
    }

    /// The time is set back: `sync` makes that durable, as the leader, so that no sync that began before it says afterwards how
    /// late it was.
    pub fn set_back(&self, latch: &Latch, sync: impl FnOnce() -> Result<Reached>) -> Result<()> {
        while self.follow(u64::MAX, latch).inspect_err(|_| self.wake(false))? {}
        let outcome = sync();
        if let Ok(reached) = &outcome {
            self.durable_clock_ms.store(reached.clock_ms, Ordering::Release);
            self.durable_lsn.fetch_max(reached.lsn, Ordering::AcqRel);
        }
        self.wake(latch.cause().is_none());
        outcome.map(|_| ())
    }

    fn count(&self, took: Duration, frames: u64) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.last_sync_ns.store(ns, Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_micros.add(ns / 1_000);
        self.group_frames.add(frames);
        tell!(synced(took, frames));
    }

    /// Waits for the leader; `false`, and it is the caller, when there is none. A leader who fails lets the latch fall before
    /// he goes, so whoever finds none, and the latch up, knows that no sync has failed.
    fn follow(&self, lsn: u64, latch: &Latch) -> Result<bool> {
        let mut queue = self.queue.lock();
        if self.durable_lsn() >= lsn {
            return Ok(true);
        }
        if queue.led {
            queue.waiting.push((lsn, thread::current()));
            drop(queue);
            thread::park();
            return Ok(true);
        }
        latch.check()?;
        queue.led = true;
        Ok(false)
    }

    /// Leads no more: wakes whoever waits for what is durable now, or everybody when nothing will be any more.
    fn wake(&self, goes_on: bool) {
        let durable = self.durable_lsn();
        let mut queue = self.queue.lock();
        queue.led = false;
        let waiting = std::mem::take(&mut queue.waiting);
        let (served, mut rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(lsn, _)| *lsn <= durable || !goes_on);
        let tasks = queue.tasks.served(if goes_on { durable } else { u64::MAX });
        let next = if rest.is_empty() { queue.tasks.leader() } else { Some(rest.swap_remove(0).1) };
        queue.waiting = rest;
        drop(queue);
        next.into_iter()
            .chain(served.into_iter().map(|(_, thread)| thread))
            .for_each(|thread| thread.unpark());
        tasks.into_iter().for_each(Waker::wake);
    }

    /// Whether `lsn` is durable; if not, `waker` is woken when it is or never will be. `ticket` is the waiter's own, and `None`
    /// before it first waits.
    #[cfg(feature = "async")]
    pub fn poll(&self, lsn: u64, ticket: &mut Option<u64>, latch: &Latch, waker: &Waker) -> Poll<Result<()>> {
        if self.durable_lsn() >= lsn {
            return Poll::Ready(Ok(()));
        }
        let mut queue = self.queue.lock();
        // A leader says how far it came, or lets the latch fall, before he takes this lock to wake those who wait.
        if self.durable_lsn() >= lsn {
            return Poll::Ready(Ok(()));
        }
        if !queue.led
            && let Err(error) = latch.check()
        {
            return Poll::Ready(Err(error));
        }
        let ticket = *ticket.get_or_insert_with(|| queue.tasks.ticket());
        let before = queue.tasks.wait(lsn, ticket, waker.clone());
        let leader = if queue.led { None } else { queue.tasks.leader() };
        drop((queue, before));
        leader.into_iter().for_each(|leader| leader.unpark());
        Poll::Pending
    }

    /// A task waits no more.
    #[cfg(feature = "async")]
    pub fn leave(&self, lsn: u64, ticket: u64) {
        let left = self.queue.lock().tasks.leave(lsn, ticket);
        drop(left);
    }

    /// Leads whenever tasks wait and nobody else does, until `stopped`. After that, whoever stopped it syncs for them.
    #[cfg(feature = "async")]
    pub fn lead_for_tasks(
        &self,
        latch: &Latch,
        sync: impl Fn() -> Result<Reached>,
        stopped: impl Fn() -> bool,
    ) {
        self.queue.lock().tasks.led_by(thread::current());
        while !stopped() {
            let wanted = self.queue.lock().tasks.wanted();
            match wanted.filter(|lsn| *lsn > self.durable_lsn()) {
                // Its failure is told to all who wait.
                Some(lsn) => drop(self.wait(lsn, latch, &sync)),
                None => thread::park(),
            }
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
        commit.wait(9, &latch, || Ok(Reached { lsn: 9, clock_ms: 0 })).unwrap();
        let (count, last) = commit.syncs();
        assert!(count == 3 && last.is_some());
        let (micros, frames) = commit.spreads();
        assert_eq!((micros.count(), frames.count(), frames.sum()), (3, 3, 9), "of 1, 1 and 7 frames");
        assert_eq!(frames.quantile(1.0), Some(8));
    }

    /// Whoever is woken to lead may learn that the store has latched meanwhile: then he wakes the others, or they would wait
    /// for ever.
    #[test]
    fn nobody_waits_for_a_leader_who_has_given_up() {
        for _ in 0..50 {
            let commit = Arc::new(Commit::new(Reached { lsn: 0, clock_ms: 0 }));
            let latch = Arc::new(Latch::default());
            let threads: Vec<_> = (1..=6)
                .map(|lsn| {
                    let (commit, latch) = (Arc::clone(&commit), Arc::clone(&latch));
                    std::thread::spawn(move || {
                        commit.wait(lsn, &latch, || {
                            // What failed was another's append; the sync itself went well, for the leader alone.
                            std::thread::sleep(Duration::from_micros(300));
                            latch.fall(&Error::io("appending", std::io::Error::other("gone")));
                            Ok(Reached { lsn, clock_ms: 0 })
                        })
                    })
                })
                .collect();
            let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(ended.iter().any(Result::is_ok));
        }
    }

    /// Those that a sync did not reach are served by the next, and nobody is forgotten.
    #[test]
    fn who_came_too_late_for_a_sync_is_served_by_the_next() {
        let commit = Arc::new(Commit::new(Reached { lsn: 0, clock_ms: 0 }));
        let appended = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (commit, appended) = (Arc::clone(&commit), Arc::clone(&appended));
                std::thread::spawn(move || {
                    for _ in 0..500 {
                        let lsn = appended.fetch_add(1, Ordering::SeqCst) + 1;
                        let reach = || Reached { lsn: appended.load(Ordering::SeqCst), clock_ms: 0 };
                        commit.wait(lsn, &Latch::default(), || Ok(reach())).unwrap();
                        assert!(commit.durable_lsn() >= lsn);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(commit.durable_lsn(), 4_000);
        assert!(commit.queue.lock().waiting.is_empty());
    }
}
