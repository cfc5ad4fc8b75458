//! Setting the clock back: the store has believed a time that was wrong, and an operator says so.
//!
//! Owns: the order of the steps, by which what has ended by the later time stays ended (rule 8, P2). Evidence of endings was
//! dropped because of that time, and what has merely run out by it would live again by an earlier one. So first everything that
//! is over by the later time leaves the disk, and only then is the earlier one believed:
//! 1. Whatever has run out is met and told: what the wheel has, and then what memory has, since another reaper or an eviction
//!    may have taken some off the wheel. Time stands still, so nothing runs out after that; if the clock was wrong once more and
//!    was believed, it did not, and the later time stays.
//! 2. Every segment is rewritten: what stays lives, or tells of an ending that lies behind the later time too.
//! 3. The log goes on in a new segment, which begins with the earlier time and becomes the root: one step, for a crash.
//! 4. Memory follows: clock, wheel, and what listeners have been told.
//!
//! A crash before the third step leaves the later time, and after it the earlier one; what has ended is gone under both.
//!
//! Locks: the compactor's throughout; all ids' while memory is gone through, and from the third step to the fourth, the disk's
//! answer included: whoever writes waits for two syncs, once.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::upkeep::Haste;
use crate::clock::Now;
use crate::compaction::Memory;
use crate::error::{Error, Result};
use crate::log::appender::Appender;
use crate::observer::Event;
use crate::session::Deadline;
use crate::sync::Instant;
use crate::sync::atomic::Ordering;

/// Longer than meeting everything takes.
const NO_HURRY: Duration = Duration::from_secs(3_600);

impl Core {
    /// Believes the wall clock where it is behind what was believed; says by how much.
    pub fn set_clock_back(&self) -> Result<Duration> {
        activity!(INFO, "set_clock_back");
        let mut memory = self.upkeep.compactor.running.lock();
        let appender = self.appender()?;
        self.look();
        if self.watch.behind().is_none() {
            return Ok(Duration::ZERO);
        }
        // So that few are left for whom everybody would have to wait.
        self.reap(Instant::now() + NO_HURRY, Haste::Pressed)?;
        let over_by_ms = self.end_all_over()?;
        self.pay()?;
        self.rewrite_all(appender, &mut memory)?;
        let everybody = self.locks.all();
        let Some((believed_ms, wall_ms)) = self.watch.behind() else { return Ok(Duration::ZERO) };
        if believed_ms != over_by_ms {
            return Err(Error::ClockUnsteady);
        }
        self.take_over(appender, believed_ms, wall_ms)?;
        drop(everybody);
        self.arm_all();
        let by_ms = believed_ms - wall_ms;
        self.tell(&Event::ClockSetBack { by_ms });
        Ok(Duration::from_millis(by_ms))
    }

    /// Leaves nobody in memory who is over, in whosever hands he is: who has come too late to end him finds nobody. Says by what
    /// time.
    fn end_all_over(&self) -> Result<u64> {
        let _everybody = self.locks.all();
        let settled_ms = self.watch.now().settled_ms;
        self.expire_all_over(Now { now_ms: settled_ms, settled_ms })?;
        Ok(settled_ms)
    }

    /// Leaves nothing on the disk that is over, but what says so of something that a later time than this would end.
    fn rewrite_all(&self, appender: &Appender, memory: &mut Memory) -> Result<()> {
        appender.roll()?;
        appender.mark_clock(self.watch.now().settled_ms, true)?;
        self.settle_full_segments(appender)?;
        for segment in self.full_segments(appender) {
            if !memory.damaged.contains(&segment.number) {
                self.rewrite(vec![Arc::clone(&segment)], memory)?;
            }
            if memory.damaged.contains(&segment.number) {
                let what = "what has ended in it could come back if the clock were set back";
                return Err(Error::corrupt(segment.name(), segment.start, what));
            }
        }
        Ok(())
    }

    /// The earlier time takes the place of the later one, on the disk and then in memory. The caller holds the locks of all ids.
    fn take_over(&self, appender: &Appender, later_ms: u64, earlier_ms: u64) -> Result<()> {
        appender.set_back(later_ms, earlier_ms)?;
        self.watch.set_back(earlier_ms);
        self.told_only_by(earlier_ms);
        self.counters.reaped_ms.store(earlier_ms, Ordering::Relaxed);
        self.wheel.lock().clear();
        Ok(())
    }

    /// Gives every session to the wheel anew, a shard at a time. Who is armed meanwhile may be there twice, and one of the two
    /// will then speak of nothing.
    fn arm_all(&self) {
        let settled_ms = self.watch.now().settled_ms;
        for shard in 0..self.index.shard_count() {
            let entries = self.index.shard_entries(shard);
            let mut wheel = self.wheel.lock();
            for entry in entries.into_iter().filter(|entry| entry.deadline() != Deadline::NEVER) {
                wheel.arm(entry.short(), entry.arming(), entry.deadline(), settled_ms);
            }
        }
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::vfs::{CrashPolicy, SimVfs};
    use crate::{ManualClock, Options, SessionEvent, Store, Write};

    const LATER_MS: u64 = 2_000_000_000_000;
    const MINUTE: Duration = Duration::from_secs(60);

    fn open(vfs: SimVfs, clock: &ManualClock) -> Store {
        let options = Options::new().vfs(Arc::new(vfs)).clock(Arc::new(clock.clone()));
        options.manual_maintenance(true).open("/store").unwrap()
    }

    /// A reaper that began after the one that is part of it, and before the earlier time was believed, has not met who was begun after it.
    #[test]
    fn whoever_runs_out_after_it_is_told_though_a_reaper_was_at_work() {
        let (vfs, clock) = (SimVfs::new(), ManualClock::at_ms(LATER_MS));
        let store = open(vfs.clone(), &clock);
        let events = store.events().unwrap();
        clock.set_wall_ms(LATER_MS / 2);
        let core = store.core();
        let sweep = core.telling.sweep();
        let everybody = core.locks.all();
        core.take_over(core.appender().unwrap(), LATER_MS, LATER_MS / 2).unwrap();
        drop(everybody);
        sweep.reached(LATER_MS);
        drop(sweep);
        store.create("a", Write::new("a").idle(MINUTE)).unwrap();
        let handle = store.handle_of("a").unwrap();
        clock.advance(MINUTE * 10);
        // The log learns what time it is, and the ledger is written, before the reaper comes.
        store.create("b", Write::new("b").idle(MINUTE * 60)).unwrap();
        core.keep_told().unwrap();
        let store = open(vfs.crash(CrashPolicy::KeepAll), &clock);
        let mut told = store.events().unwrap();
        store.maintain(MINUTE).unwrap();
        let mut told = std::iter::from_fn(|| told.try_next());
        assert!(told.any(|event| matches!(event, SessionEvent::Expired { handle: of, .. } if of == handle)));
        drop(events);
    }
}
