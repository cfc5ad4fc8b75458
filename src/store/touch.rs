//! Touching: a session was used, so its idle deadline moves.
//!
//! Owns: when a touch reaches the log. Memory moves at once. Time is cut into steps as wide as the slack, and a touch
//! is logged when the deadline enters another step than it was in: so the log is behind by less than the slack, and no
//! second deadline need be kept. A crash takes back at most that.

use std::time::Duration;

use super::Touched;
use super::core::{Core, count};
use super::finding::{Found, Life};
use super::pending::Pending;
use crate::clock::Now;
use crate::error::Result;
use crate::id::Digest;
use crate::index::Entry;
use crate::log::record::{Record, What};
use crate::session::Deadline;

/// What a touch makes of a session, decided from one look at it.
struct Plan {
    entry: Entry,
    lsn: u64,
    deadline: Deadline,
    log: bool,
}

impl Core {
    /// Moves a session's idle deadline to `idle` from now, but never closer and never beyond the absolute one.
    pub fn touch(&self, id: &[u8], idle: Duration) -> Result<Pending<Touched>> {
        operation!("touch");
        let digest = self.secret.of_id(id)?;
        let _call = self.calls.touch.begin(digest);
        self.appender()?;
        let now = self.watch.now();
        loop {
            let plan = self.plan(digest, idle, now)?;
            if plan.log {
                return self.touch_logged(digest, idle);
            }
            let entry = plan.entry;
            if plan.deadline <= entry.deadline() {
                break;
            }
            self.raise_ceiling(plan.deadline);
            // Compaction may have moved the record since, or a write replaced it: then look again.
            if self.index.extend(digest.tag(), entry.place(), plan.deadline).is_some() {
                break;
            }
        }
        count(&self.counters.coalesced);
        // Memory may be ahead of the log by a touch that could not be logged: nobody is told that it is known there.
        self.appender()?.latch.check()?;
        Ok(Pending::done(Touched::Coalesced))
    }

    fn touch_logged(&self, digest: Digest, idle: Duration) -> Result<Pending<Touched>> {
        let guard = self.locks.one(digest.tag());
        let now = self.look();
        let plan = self.plan(digest, idle, now)?;
        let base = plan.lsn;
        let what = What::Touch { digest, base, deadline: plan.deadline };
        let placed = self.appender()?.append(now.settled_ms, |lsn| Record { lsn, what });
        // Memory moves in any case: who is there must not be logged out because the disk is full.
        self.raise_ceiling(plan.deadline);
        let mut entry = plan.entry;
        // Under the id's lock only compaction can have moved the record.
        while self.index.extend(digest.tag(), entry.place(), plan.deadline).is_none() {
            let Some(moved) = self.find(digest, |found| Ok(found.entry))? else { break };
            entry = moved;
        }
        match &placed {
            Ok(_) => self.owed.settle_touch(digest),
            Err(_) => self.owed.add_touch(digest),
        }
        count(&self.counters.logged);
        drop(guard);
        Ok(Pending::record(Touched::Logged, &placed?, self.options.touch_durability))
    }

    fn plan(&self, digest: Digest, idle: Duration, now: Now) -> Result<Plan> {
        let plan = |found: &Found<'_>| {
            if Life::of(found.entry, now) != Life::Alive {
                return Err(Self::not_alive());
            }
            let before = found.entry.deadline();
            let at_least = planted!(LastTouchWins, Deadline::at_ms(0), before);
            let deadline = Deadline::after(now.now_ms, idle).min(found.version.absolute).max(at_least);
            let step = self.slack_ms(found.version.idle_ms);
            let behind = deadline.bits() / step != before.bits() / step || self.owed.owes_touch(digest);
            let log = planted!(TouchNeverLogged, false, behind);
            Ok(Plan { entry: found.entry, lsn: found.lsn, deadline, log })
        };
        self.find(digest, plan)?.ok_or_else(|| self.unknown(digest))
    }
}
