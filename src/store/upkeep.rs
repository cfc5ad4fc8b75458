//! Upkeep: what keeps a store small, quick and durable while nobody calls it.
//!
//! Owns: the order of the work, its budget, and the threads that do it, unless the caller does
//! ([`Options::manual_maintenance`](crate::Options::manual_maintenance)).
//! * The syncing thread syncs what was `Written`, and marks how far the log is durable. Nothing else.
//! * The keeping thread reaps, seals, prepares the next segment and compacts, in slices.
//! * Where futures wait for the disk, a third one, the committer, syncs for them: they cannot.
//!
//! A crash can fall anywhere here: everything that upkeep writes is either part of the log or of no account until the
//! log says so.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::finding::Life;
use crate::clock::Now;
use crate::compaction::{Compactor, Thrift};
use crate::error::{Error, Full, Result};
use crate::expiry::Verdict;
use crate::id::Digest;
use crate::index::{Entry, Looked};
use crate::observer::Event;
use crate::stats::Maintenance;
#[cfg(feature = "async")]
use crate::sync::atomic::AtomicBool;
use crate::sync::atomic::Ordering;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Instant, Mutex};

/// Wheel entries looked at in one slice.
const REAP_SLICE: usize = 4_096;
/// How often the keeping thread looks.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// How often while listeners catch up with what has run out.
const CATCH_UP: Duration = Duration::from_millis(10);
/// A backlog that the observer hears of.
const BACKLOG: usize = 1 << 18;

/// And where somebody is told of each.
const REAP_SLICE_TOLD: usize = 1_024;

/// Whether the reaper lets those who listen catch up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    Calm,
    /// Somebody needs the room.
    Pressed,
}

/// What upkeep remembers between its slices.
pub(crate) struct Upkeep {
    pub compactor: Compactor,
    /// Held by who backs up.
    pub backups: Mutex<()>,
    signal: Signal,
    threads: Mutex<Vec<JoinHandle<()>>>,
    #[cfg(feature = "async")]
    commits: AtomicBool,
    told_full: Mutex<bool>,
}

/// Stops the threads.
#[derive(Default)]
struct Signal {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Waits for so long; `false` when it is time to stop.
    fn wait(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        self.changed.wait_while_for(&mut stopped, |stopped| !*stopped, time);
        !*stopped
    }

    #[cfg(feature = "async")]
    fn is_stopped(&self) -> bool {
        *self.stopped.lock()
    }

    fn stop(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_all();
    }
}

impl Upkeep {
    pub fn new() -> Self {
        Self {
            compactor: Compactor::default(),
            backups: Mutex::new(()),
            signal: Signal::default(),
            threads: Mutex::new(Vec::new()),
            #[cfg(feature = "async")]
            commits: AtomicBool::new(false),
            told_full: Mutex::new(false),
        }
    }

    /// Starts the two threads.
    pub fn start(core: &Arc<Core>) -> Result<()> {
        let mut threads = core.upkeep.threads.lock();
        threads.push(spawn(core, "sessile-sync", Core::sync_loop)?);
        threads.push(spawn(core, "sessile-keep", Core::keep_loop)?);
        Ok(())
    }

    /// Starts the committer, if it does not run yet.
    #[cfg(feature = "async")]
    pub fn start_committer(core: &Arc<Core>) -> Result<()> {
        let mut threads = core.upkeep.threads.lock();
        if !core.upkeep.commits.load(Ordering::Acquire) {
            threads.push(spawn(core, "sessile-commit", Core::commit_loop)?);
            core.upkeep.commits.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Whether this is one of the threads.
    pub fn is_own_thread(&self) -> bool {
        self.threads.lock().iter().any(|thread| thread.thread().id() == thread::current().id())
    }

    /// Stops the threads and waits for them.
    pub fn stop(&self) {
        self.signal.stop();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            thread.thread().unpark();
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn spawn(core: &Arc<Core>, name: &str, body: fn(&Core)) -> Result<JoinHandle<()>> {
    let core = Arc::clone(core);
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || body(&core))
        .map_err(|error| Error::io("starting a thread", error))
}

impl Core {
    #[cfg(feature = "async")]
    fn commit_loop(&self) {
        if let Some(appender) = &self.appender {
            appender.lead_for_tasks(|| self.upkeep.signal.is_stopped());
        }
    }

    fn sync_loop(&self) {
        while self.upkeep.signal.wait(self.options.sync_interval) {
            // A failure latches, and everybody is told there.
            let _ = self.sync_written();
        }
    }

    /// Makes durable what was only written, and marks it.
    pub fn sync_written(&self) -> Result<()> {
        let appender = self.appender()?;
        appender.sync(appender.appended_lsn())?;
        appender.mark(self.watch.now().settled_ms)
    }

    fn keep_loop(&self) {
        let mut pause = KEEP_EVERY;
        while self.upkeep.signal.wait(pause) {
            pause = if self.lets_listeners_catch_up() { CATCH_UP } else { KEEP_EVERY };
            if self.maintain(Duration::from_secs(10), Thrift::Usual).is_err()
                && self.appender().is_ok_and(|a| a.latch.cause().is_some())
            {
                // Nothing can be written any more; reaping goes on, so that memory does.
                let _ = self.reap(Instant::now() + KEEP_EVERY, Haste::Calm);
            }
        }
    }

    /// Reaps, seals, prepares and compacts, until there is nothing to do or the time is up.
    pub fn maintain(&self, budget: Duration, thrift: Thrift) -> Result<Maintenance> {
        let until = Instant::now().checked_add(budget.min(Duration::from_secs(3600)));
        let until = until.unwrap_or_else(Instant::now);
        let mut done = Maintenance::default();
        self.look();
        done.expired = self.reap(until, Haste::Calm)?;
        if self.options.manual_maintenance {
            self.sync_written()?;
        }
        self.prepare()?;
        self.pay()?;
        self.keep_ledger()?;
        loop {
            let step = self.compact_step(thrift)?;
            done.segments_removed += step.removed;
            done.segments_compacted += step.compacted;
            if step.removed + step.compacted == 0 {
                break;
            }
            if Instant::now() >= until {
                done.more = true;
                break;
            }
        }
        done.more |= self.wheel.lock().backlog() > 0;
        Ok(done)
    }

    /// Prepares the next segment of the log. A full disk is no failure here: it is met, and told, once.
    fn prepare(&self) -> Result<()> {
        // Whoever closes the store waits for this: later, a file with the next number would be another opening's.
        let _not_closing = self.upkeep.compactor.running.lock();
        let appender = self.appender()?;
        appender.files.keep_reserve();
        let prepared = appender.prepare_spare();
        let mut told = self.upkeep.told_full.lock();
        match prepared {
            Err(Error::Full(Full::FileSystem | Full::DiskBytes)) => {
                if !std::mem::replace(&mut *told, true) {
                    self.tell(&Event::DiskFull);
                }
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => {
                *told = false;
                Ok(())
            }
        }
    }

    /// Drops sessions whose deadline has passed by the settled clock; says how many.
    pub fn reap(&self, until: Instant, haste: Haste) -> Result<u64> {
        let mut expired = 0;
        let sweep = self.telling.sweep();
        loop {
            let waits = haste == Haste::Calm && self.lets_listeners_catch_up();
            let now = self.look();
            let kept = self.hub.is_kept();
            let slice = if waits { 0 } else { if kept { REAP_SLICE_TOLD } else { REAP_SLICE } };
            if kept {
                // Whoever began a session that is over by now has given it to the wheel behind this.
                drop(self.locks.all());
            }
            let mut due = Vec::new();
            let mut wheel = self.wheel.lock();
            // Since the look, an operator may have set the clock back: the wheel must not be taken ahead of it.
            let now = Now { settled_ms: now.settled_ms.min(self.watch.now().settled_ms), ..now };
            let work =
                wheel.due(now.settled_ms, slice, |short, arming| match self.index.by_short(short, arming) {
                    None => Verdict::Gone,
                    Some(entry)
                        if planted!(ExpiryBelievesTheWheel, true, Life::of(entry, now) == Life::Over) =>
                    {
                        due.push(entry);
                        Verdict::Gone
                    }
                    Some(entry) => Verdict::Later(entry.deadline()),
                });
            let backlog = wheel.backlog();
            drop(wheel);
            for entry in due {
                expired += u64::from(self.expire(entry, now)?);
            }
            self.hub.notify();
            // If it cannot be written now, whoever needs it written hears so.
            let _ = self.keep_unwritten_few();
            if !work.more {
                let _not_set_back = self.locks.one(0);
                sweep.reached(now.settled_ms);
                self.counters.reaped_ms.store(now.settled_ms, Ordering::Relaxed);
            }
            if !work.more || waits || Instant::now() >= until {
                tell!(reaped(expired, backlog));
                if backlog > BACKLOG {
                    self.tell(&Event::Backlog { entries: backlog as u64 });
                }
                break;
            }
        }
        if expired > self.index.len() as u64 {
            self.index.trim();
        }
        let unmarked = self.expired_unmarked.swap(false, Ordering::AcqRel);
        if (expired > 0 || unmarked)
            && let Some(appender) = &self.appender
        {
            // What has expired stays expired, whatever the clock does next: the log learns what time it is.
            let marked = appender.mark_clock(self.watch.now().settled_ms, false);
            if marked.is_err() {
                // It is told when there is room.
                self.expired_unmarked.store(true, Ordering::Release);
            }
            match marked {
                Err(Error::Latched { .. } | Error::Full(_) | Error::Closed) => {}
                marked => marked?,
            }
        }
        Ok(expired)
    }

    /// Drops one session if it is still over: a touch or a write in between wins (rule 7).
    fn expire(&self, entry: Entry, now: Now) -> Result<bool> {
        let _guard = self.locks.one(entry.tag());
        self.expire_locked(entry, now)
    }

    /// The same for a caller who holds the id's lock.
    pub fn expire_locked(&self, entry: Entry, now: Now) -> Result<bool> {
        self.check_open()?;
        let now = Now { settled_ms: now.settled_ms.min(self.watch.now().settled_ms), ..now };
        let mut buffer = Vec::new();
        loop {
            // Where two sessions share tag and arming, either may be the one that is due.
            let mut current = (0..).map_while(|nth| self.index.lookup(entry.tag(), nth));
            let over = |current| planted!(ExpiryBelievesTheWheel, true, Life::of(current, now) == Life::Over);
            let current = current.find(|at| at.entry().arming() == entry.arming() && over(at.entry()));
            let parts = current.as_ref().map(Looked::parts);
            let Some((current, Some(segment))) = parts else {
                self.arm(entry, now);
                return Ok(false);
            };
            let (digest, span, subject) = match segment.version(current.place().byte(), &mut buffer) {
                Ok(stored) => (stored.version.digest, stored.span, stored.version.subject),
                // It has run out all the same. What its record would have told is only whose it was and how long.
                Err(error) => {
                    self.tell_of(&error);
                    self.uncounted.store(true, Ordering::Release);
                    (Digest::of_tag(entry.tag()), 0, None)
                }
            };
            let old = super::finding::Old { entry: current, segment: Arc::clone(segment), span, subject };
            let until = planted!(ExpiryBelievesTheWheel, Now { settled_ms: u64::MAX, ..now }, now);
            if self.withdraw_over(digest, &old, until) {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::vfs::SimVfs;
    use crate::{ManualClock, Options, Write};

    /// Between the wheel and the lock of the id a touch has come. The reaper neither ends the session nor waits for it to end.
    #[test]
    fn a_session_that_was_touched_after_it_had_fired_stays() {
        let clock = ManualClock::at_ms(1_000_000);
        let options = Options::new().vfs(Arc::new(SimVfs::new())).clock(Arc::new(clock.clone()));
        let store = options.manual_maintenance(true).open("/store").unwrap();
        store.create("a", Write::new("a").idle(Duration::from_secs(60))).unwrap();
        let core = store.core();
        let mut entries = (0..core.index.shard_count()).flat_map(|shard| core.index.shard_entries(shard));
        let fired = entries.next().unwrap();
        store.touch("a", Duration::from_secs(3600)).unwrap();
        clock.advance(Duration::from_secs(120));
        assert!(!core.expire(fired, core.look()).unwrap());
        assert!(store.get("a").unwrap().is_some());
        clock.advance(Duration::from_secs(7200));
        assert_eq!(store.maintain(Duration::from_secs(60)).unwrap().expired, 1);
    }
}
