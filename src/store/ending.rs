//! Ending sessions: one, all of a subject, all.
//!
//! Owns: the records that end, and that memory forgets at once. An ending takes effect in memory even when it cannot
//! be written, and then says that it is not durable (rule 11). A crash before the append leaves the session alive,
//! and nobody was told otherwise; after the sync it has ended for good.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Gone, count};
use super::finding::{Found, Life, Old, Sought};
use super::pending::Pending;
use super::upkeep::Haste;
use super::write::undurable;
use crate::clock::Now;
use crate::error::{Error, Full, Result};
use crate::events::{Reason, SessionEvent};
use crate::id::{Digest, SubjectDigest};
use crate::index::Entry;
use crate::log::appender::Appender;
use crate::log::record::{Record, What};
use crate::log::segment::Segment;
use crate::session::Deadline;
use crate::sync::Instant;
use crate::sync::atomic::Ordering;

/// How long a clear looks for what is over before it makes everybody wait.
const REAP_AT_MOST: Duration = Duration::from_secs(10);

/// A session that is about to end.
struct Doomed {
    digest: Digest,
    old: Old,
    birth: u64,
    ceiling: Deadline,
    over: bool,
}

impl Doomed {
    fn of(found: &Found<'_>, now: Now, slack_ms: u64) -> Self {
        Self {
            digest: found.version.digest,
            old: found.old(),
            birth: found.version.birth,
            ceiling: found.ceiling(slack_ms),
            over: Life::of(found.entry, now) == Life::Over,
        }
    }
}

impl Core {
    /// Ends the session of this digest; `false` when there is none.
    pub fn destroy(&self, digest: Digest) -> Result<Pending<bool>> {
        let _call = self.calls.end.begin(digest);
        operation!("destroy");
        match self.with_room(|| self.destroy_once(digest, false)) {
            // It ends all the same, in memory; the log is told when there is room.
            Err(Error::Full(_)) => self.destroy_once(digest, true),
            destroyed => destroyed,
        }
    }

    fn destroy_once(&self, digest: Digest, whatever_happens: bool) -> Result<Pending<bool>> {
        self.appender()?;
        let guard = self.locks.one(digest.tag());
        self.check_open()?;
        let now = self.look();
        let slack_ms = self.slack_ms(u64::MAX);
        let doomed = loop {
            let doomed = match self.seek(digest, |found| Ok(Doomed::of(found, now, slack_ms)))? {
                Sought::Found(doomed) => Some(doomed),
                // A session whose record is damaged can still be ended: its digest is known, and the rest is bounded.
                Sought::Unreadable { entry, segment, error: Error::Corrupt(_) } => {
                    Some(self.doom_damaged(digest, entry, segment, now))
                }
                Sought::Unreadable { error, .. } => return Err(error),
                Sought::Absent => None,
            };
            match doomed {
                Some(doomed) if doomed.over => {
                    if self.withdraw_over(digest, &doomed.old, now) {
                        return Ok(Pending::done(false));
                    }
                }
                doomed => break doomed,
            }
        };
        let Some(doomed) = doomed else {
            drop(guard);
            return self.ended_before(false, || self.owed.ends(digest).is_some());
        };
        let Doomed { birth, ceiling, old, .. } = doomed;
        let what = What::Stub { digest, birth, ceiling, ends: None };
        let placed = match self.appender()?.append(now.settled_ms, |lsn| Record { lsn, what }) {
            Ok(placed) => placed,
            Err(error @ Error::Full(_)) if !whatever_happens => return Err(error),
            Err(error) => return Err(self.end_undurably(digest, &old, (birth, ceiling), now, error)),
        };
        self.withdraw(digest, &old, now, Gone::Ended(Reason::Destroyed));
        count(&self.counters.ended);
        Ok(Pending::record(true, &placed, self.ending_durability()).ending())
    }

    /// Nothing is left to end; but whoever ended it may still be waiting for the disk, and this caller is told that it
    /// is over just the same. Or he was told that it is not durable: then that is what this caller is told, too.
    fn ended_before<T>(&self, value: T, still_owed: impl Fn() -> bool) -> Result<Pending<T>> {
        if still_owed() {
            self.pay().map_err(undurable)?;
            if still_owed() {
                return Err(undurable(Error::Full(Full::FileSystem)));
            }
        }
        let appended = self.appender.as_ref().map_or(0, Appender::appended_lsn);
        Ok(Pending::log(value, appended, self.ending_durability()).anothers_ending())
    }

    /// By what memory knows: no second reading, which might find the record sound.
    fn doom_damaged(&self, digest: Digest, entry: Entry, segment: Arc<Segment>, now: Now) -> Doomed {
        let slack_ms = self.slack_ms(u64::MAX);
        let latest = Deadline::at_ms(entry.deadline().bits().saturating_add(slack_ms));
        let ceiling = latest.max(segment.ceiling());
        let old = Old { entry, segment, span: 0, subject: None };
        self.uncounted.store(true, Ordering::Release);
        Doomed { digest, old, birth: 0, ceiling, over: Life::of(entry, now) == Life::Over }
    }

    /// Ends all sessions of a subject but the one of `keep`, in one record; says how many.
    pub fn destroy_subject(&self, subject: Digest, keep: Option<Digest>) -> Result<Pending<u64>> {
        let _call = self.calls.end.begin(subject);
        operation!("destroy_subject");
        self.appender()?;
        let all = self.locks.all();
        self.check_open()?;
        let now = self.look();
        // What is over is taken out first: a touch that was on its way may have given it more time.
        let doomed = loop {
            let (over, living): (Vec<_>, Vec<_>) =
                self.doomed_of(subject, keep, now)?.into_iter().partition(|doomed| doomed.over);
            if over.iter().all(|doomed| self.withdraw_over(doomed.digest, &doomed.old, now)) {
                break living;
            }
        };
        let ceilings = doomed.iter().map(|doomed| doomed.ceiling);
        let Some(ceiling) = planted!(RevocationGoesEarly, ceilings.min(), ceilings.max()) else {
            drop(all);
            return self.ended_before(0, || !self.owed.is_empty());
        };
        self.keep_told_before_hiding(|unwritten| {
            unwritten.values().any(|of| *of == Some(SubjectDigest(subject)))
        });
        let ended = doomed.len() as u64;
        let what = What::Revoke { subject, keep, ceiling };
        let appended = self.appender()?.append(now.settled_ms, |lsn| Record { lsn, what });
        if matches!(appended, Err(Error::Closed | Error::ReadOnly)) {
            return appended.map(|_| Pending::done(0));
        }
        for doomed in &doomed {
            self.withdraw(doomed.digest, &doomed.old, now, Gone::Ended(Reason::Revoked));
            if appended.is_err() {
                self.owed.add(doomed.digest, doomed.birth, doomed.ceiling, &doomed.old);
            }
        }
        self.counters.ended.fetch_add(ended, Ordering::Relaxed);
        self.counters.revoked.fetch_add(ended, Ordering::Relaxed);
        drop(all);
        let placed = appended.map_err(undurable)?;
        Ok(Pending::record(ended, &placed, self.ending_durability()).ending())
    }

    fn doomed_of(&self, subject: Digest, keep: Option<Digest>, now: Now) -> Result<Vec<Doomed>> {
        let slack_ms = self.slack_ms(u64::MAX);
        let mut doomed = Vec::new();
        let mut buffer = Vec::new();
        let mut seen = HashSet::new();
        for tag in self.subjects.tags(subject) {
            for looked in (0..).map_while(|nth| self.index.lookup(tag, nth)) {
                let (entry, segment) = looked.parts();
                // Tags that differ only in bits that the index does not know find each other's sessions.
                let Some(segment) = segment.filter(|_| seen.insert(entry.place())) else { continue };
                let stored = match segment.version(entry.place().byte(), &mut buffer) {
                    Ok(stored) => stored,
                    // By its tag, which the index knows, it is the one to keep.
                    Err(Error::Corrupt(_)) if keep.is_some_and(|keep| keep.tag() == tag) => continue,
                    // It belongs to nobody, so the list speaks of another one with its tag.
                    Err(Error::Corrupt(_)) if !entry.has_subject() => continue,
                    // The list of the subject's sessions says that it is one of them: end it, whatever it was.
                    Err(Error::Corrupt(_)) => {
                        let mut damaged =
                            self.doom_damaged(Digest::of_tag(tag), entry, Arc::clone(segment), now);
                        damaged.old.subject = Some(subject);
                        doomed.push(damaged);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if stored.version.subject == Some(subject) && Some(stored.version.digest) != keep {
                    let (lsn, span, version) = (stored.lsn, stored.span, stored.version);
                    doomed.push(Doomed::of(&Found { entry, segment, lsn, span, version }, now, slack_ms));
                }
            }
        }
        Ok(doomed)
    }

    /// Ends all sessions; says how many.
    pub fn clear(&self) -> Result<Pending<u64>> {
        let _call = self.calls.end.begin(Digest::default());
        operation!("clear");
        let appender = self.appender()?;
        if self.hub.is_kept() {
            // So that few are left for whom everybody would have to wait.
            self.reap(Instant::now() + REAP_AT_MOST, Haste::Pressed)?;
        }
        let all = self.locks.all();
        self.check_open()?;
        let now = self.look();
        self.tell_of_all_over(now)?;
        // A touch that is under way may yet move a deadline in memory, and compaction fold it into a copy.
        let slack_ms = self.slack_ms(u64::MAX);
        let ceiling = Deadline::at_ms(self.ceiling_ms.load(Ordering::Acquire).saturating_add(slack_ms));
        let appended = appender.append(now.settled_ms, |lsn| Record { lsn, what: What::Clear { ceiling } });
        // Without room nothing has happened: what all has ended could not be told one by one later.
        if matches!(appended, Err(Error::Closed | Error::ReadOnly | Error::Full(_) | Error::Io { .. })) {
            return appended.map(|_| Pending::done(0));
        }
        let ended = self.forget_all(now);
        self.counters.ended.fetch_add(ended, Ordering::Relaxed);
        self.counters.cleared.fetch_add(ended, Ordering::Relaxed);
        drop(all);
        let placed = appended.map_err(undurable)?;
        Ok(Pending::record(ended, &placed, self.ending_durability()).ending())
    }

    /// Whoever listens is told of those who are over, before a record hides them. The caller holds the locks of all ids.
    fn tell_of_all_over(&self, now: Now) -> Result<()> {
        if !self.hub.is_kept() {
            return Ok(());
        }
        self.expire_all_over(now)?;
        self.keep_told_before_hiding(|unwritten| !unwritten.is_empty());
        Ok(())
    }

    /// Takes everybody out of memory who is over, also whom a reaper or an eviction has taken off the wheel and not come to
    /// yet. The caller holds the locks of all ids.
    pub(super) fn expire_all_over(&self, now: Now) -> Result<()> {
        for shard in 0..self.index.shard_count() {
            let entries = self.index.shard_entries(shard).into_iter();
            for over in entries.filter(|entry| Life::of(*entry, now) == Life::Over) {
                self.expire_locked(over, now)?;
            }
        }
        Ok(())
    }

    fn forget_all(&self, now: Now) -> u64 {
        let mut ended = 0;
        for shard in 0..self.index.shard_count() {
            for entry in self.index.shard_entries(shard) {
                ended += u64::from(Life::of(entry, now) != Life::Over);
                self.endings.remember(entry.tag(), Life::of(entry, now) == Life::Over);
            }
        }
        self.index.clear();
        self.subjects.clear();
        self.hub.tell(|| SessionEvent::Cleared);
        self.wheel.lock().clear();
        for (_, segment) in self.index.segments().iter() {
            segment.loses(usize::MAX, now.settled_ms);
        }
        ended
    }
}
