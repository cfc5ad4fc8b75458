//! Limits: what happens when there are too many sessions, or too little disk.
//!
//! Owns: making room. Either the write is refused, or the sessions without a subject that would end soonest by
//! themselves are ended; never one with a subject. Whoever writes at the limit pays for it, so a flood of anonymous
//! sessions slows itself down and nobody else.

use std::sync::Arc;

use super::core::{Core, Gone, count};
use super::finding::Life;
use super::upkeep::Haste;
use super::write::Expect;
use crate::clock::Now;
use crate::compaction::Thrift;
use crate::error::{Error, Full, Result};
use crate::events::Reason;
use crate::expiry::Verdict;
use crate::id::Digest;
use crate::index::Entry;
use crate::log::record::{Record, What};
use crate::options::AtLimit;
use crate::session::Deadline;
use crate::sync::Instant;
use crate::sync::atomic::Ordering;

/// Sessions that are evicted together, so that not every create has to look for one.
const EVICT_AT_ONCE: usize = 32;
/// Wheel entries that are looked at to find them, at most, while the wheel is locked, and for one write.
const LOOK_AT_ONCE: usize = 4_096;
const LOOK_AT_MOST: usize = 1 << 17;
/// Sessions that are evicted for each one that is added when the disk is nearly full.
const EVICT_NEARLY_FULL: usize = 2;
const LOOK_NEARLY_FULL: usize = 64;
/// Sessions that are evicted together when the disk is full.
const EVICT_FOR_DISK: usize = 1_024;
/// How often room is made for one write before it is refused.
const TRIES: usize = 8;

impl Core {
    /// Sees to it that one more session may be added, if that is what the write would do.
    pub fn make_room(&self, digest: Digest, expect: Expect) -> Result<()> {
        let adds = matches!(expect, Expect::Absent | Expect::Anything);
        if adds && self.options.at_limit == AtLimit::EvictAnonymous && self.appender()?.files.is_nearly_full()
        {
            // More than is added, while the log has room for saying so: compaction then finds something to win.
            self.evict_within(EVICT_NEARLY_FULL, LOOK_NEARLY_FULL)?;
        }
        if !adds || !self.is_full() {
            return Ok(());
        }
        // What has expired takes no room: nobody is refused or evicted for it.
        self.reap(Instant::now(), Haste::Pressed)?;
        if !self.is_full() || self.index.lookup(digest.tag(), 0).is_some() {
            return Ok(());
        }
        if self.options.at_limit == AtLimit::EvictAnonymous && self.evict(EVICT_AT_ONCE)? > 0 {
            return Ok(());
        }
        count(&self.counters.rejected);
        Err(Error::Full(Full::Sessions))
    }

    fn is_full(&self) -> bool {
        self.index.len() as u64 >= self.sessions_max
    }

    /// Runs a write, and runs it again after room was made when the disk had none.
    pub fn with_room<T>(&self, write: impl Fn() -> Result<T>) -> Result<T> {
        for _ in 0..TRIES {
            match write() {
                Err(Error::Full(full)) if full != Full::Sessions => {
                    if !self.relieve()? {
                        break;
                    }
                }
                done => return done,
            }
        }
        // Room that this call did not make may have been made by compaction meanwhile.
        write().inspect_err(|error| {
            if matches!(error, Error::Full(_)) {
                count(&self.counters.rejected);
            }
        })
    }

    /// Gives some disk back; `false` when nothing could be.
    fn relieve(&self) -> Result<bool> {
        let evicted = match self.options.at_limit {
            AtLimit::EvictAnonymous => self.evict(EVICT_FOR_DISK.max(self.index.len() / 16))?,
            AtLimit::Reject => 0,
        };
        let step = match self.compact_step(Thrift::Pressed) {
            Err(Error::Full(_)) => return Ok(false),
            step => step?,
        };
        Ok(evicted > 0 || step.removed + step.compacted > 0)
    }

    /// Ends up to `wanted` sessions without a subject, those first that would end soonest; says how many.
    pub fn evict(&self, wanted: usize) -> Result<usize> {
        // Twice round the wheel, which has at most two entries a session: what was touched is met in its true slot then.
        let looks = LOOK_AT_MOST.min(self.index.len().saturating_mul(4).saturating_add(LOOK_AT_ONCE));
        match self.evict_within(wanted, looks)? {
            0 => Ok(self.evict_all(&self.endless(wanted), self.look())?.0),
            evicted => Ok(evicted),
        }
    }

    /// The same, among at most so many wheel entries.
    fn evict_within(&self, wanted: usize, looks: usize) -> Result<usize> {
        let now = self.look();
        let _sweep = self.telling.sweep();
        let mut evicted = 0;
        let (mut looked, mut look_at) = (0, wanted.saturating_mul(4).min(LOOK_AT_ONCE));
        while evicted < wanted && looked < looks {
            let mut chosen = Vec::new();
            let walked = self.wheel.lock().soonest(look_at, |short, arming, slot_end_ms| {
                let Some(entry) = self.index.by_short(short, arming) else { return Verdict::Gone };
                let ends_here = entry.deadline().bits() <= slot_end_ms;
                if ends_here && !entry.has_subject() && evicted + chosen.len() < wanted {
                    chosen.push(entry);
                    return Verdict::Gone;
                }
                Verdict::Later(entry.deadline())
            });
            if walked.checked == 0 {
                break;
            }
            looked += walked.checked;
            look_at = (look_at * 2).min(LOOK_AT_ONCE);
            let (done, full) = self.evict_all(&chosen, now)?;
            evicted += done;
            if full {
                return Ok(evicted);
            }
        }
        Ok(evicted)
    }

    /// Sessions without a subject that never end by themselves, so that the wheel does not know them: up to `wanted`,
    /// from the shards behind those that were looked at last.
    fn endless(&self, wanted: usize) -> Vec<Entry> {
        let [evicted, rejected] =
            [&self.counters.evicted, &self.counters.rejected].map(|counter| counter.load(Ordering::Relaxed));
        let shards = self.index.shard_count();
        let first = evicted.wrapping_add(rejected) as usize % shards;
        let (mut found, mut looked) = (Vec::new(), 0);
        for shard in (first..shards).chain(0..first) {
            let entries = self.index.shard_entries(shard);
            looked += entries.len();
            let endless = entries.into_iter().filter(|e| !e.has_subject() && e.deadline() == Deadline::NEVER);
            found.extend(endless.take(wanted - found.len()));
            if found.len() >= wanted || looked >= LOOK_AT_ONCE {
                break;
            }
        }
        found
    }

    /// Evicts these; says how many it did, and whether the disk has no room for more endings.
    fn evict_all(&self, chosen: &[Entry], now: Now) -> Result<(usize, bool)> {
        let mut evicted = 0;
        for (position, entry) in chosen.iter().enumerate() {
            match self.evict_one(*entry, now) {
                Ok(done) => evicted += usize::from(done),
                Err(error) => {
                    chosen.iter().skip(position).for_each(|entry| self.arm(*entry, now));
                    return if matches!(error, Error::Full(_)) { Ok((evicted, true)) } else { Err(error) };
                }
            }
        }
        Ok((evicted, false))
    }

    fn evict_one(&self, entry: Entry, now: Now) -> Result<bool> {
        let mut buffer = Vec::new();
        let _guard = self.locks.one(entry.tag());
        self.check_open()?;
        let mut current = (0..).map_while(|nth| self.index.lookup(entry.tag(), nth));
        let Some(looked) = current.find(|looked| looked.entry().arming() == entry.arming()) else {
            return Ok(false);
        };
        let (current, Some(segment)) = looked.parts() else { return Ok(false) };
        if current.has_subject() || Life::of(current, now) == Life::Over {
            self.arm(current, now);
            return Ok(false);
        }
        let stored = match segment.version(current.place().byte(), &mut buffer) {
            Ok(stored) => stored,
            // Another one's damage is nothing that this write should fail of.
            Err(error) => {
                self.tell_of(&error);
                self.arm(current, now);
                return Ok(false);
            }
        };
        let (digest, birth) = (stored.version.digest, stored.version.birth);
        let slack_ms = self.slack_ms(u64::MAX);
        let latest = Deadline::at_ms(current.deadline().bits().saturating_add(slack_ms));
        let ceiling = latest.max(stored.version.ceiling);
        let span = stored.span;
        let what = What::Stub { digest, birth, ceiling, ends: None };
        self.appender()?.append_eviction(now.settled_ms, |lsn| Record { lsn, what })?;
        let old = super::finding::Old { entry: current, segment: Arc::clone(segment), span, subject: None };
        self.withdraw(digest, &old, now, Gone::Ended(Reason::Evicted));
        self.counters.evicted.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }
}

/// The most sessions that the machine's memory suggests.
pub(crate) fn sessions_max_of_machine() -> u64 {
    const BYTES_A_SESSION: u64 = 64;
    let info = rustix::system::sysinfo();
    let memory = info.totalram.saturating_mul(u64::from(info.mem_unit));
    (memory / 8 / BYTES_A_SESSION).max(100_000)
}
