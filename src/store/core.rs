//! The core: what the handles to one open store share, and the few steps that every operation is made of.
//!
//! Owns: index, subjects, wheel, appender, locks, clock. Lock order: locks of ids, the wheel, the appender's tail, the
//! index's shards; no lock is held while anybody waits for the disk, but by the appender when it must create a segment.
//! Invariants (design rule 2):
//! 1. Memory changes under the lock of the id, after the record is appended, so in LSN order for each id.
//! 2. A session is in the index exactly while it lives or waits for the reaper; every reader checks the deadline.
//! 3. `ceiling_ms` is at least every deadline that was ever in the index.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::finding::{Old, Sought};
use super::locks::IdLocks;
use super::owed::Owed;
use super::telling::Telling;
use super::upkeep::Upkeep;
use crate::clock::{Now, Turn, Watch};
use crate::error::{Error, Holder, Result, Unknown};
use crate::events::{Hub, Reason, SessionEvent};
use crate::expiry::{PURGE_STEP, Wheel};
use crate::id::{Digest, Handle, Secret, SubjectDigest};
use crate::index::{Endings, Entry, Index, Place, Subjects};
use crate::lock::DirectoryLock;
use crate::log::appender::{Appender, Placed};
use crate::log::format::Format;
use crate::log::record::Version as StoredVersion;
use crate::log::segment::Segment;
use crate::observer::{self, Event};
use crate::options::Options;
use crate::sealing::Sealing;
use crate::session::{Deadline, Durability};
use crate::stats::{CountedCalls, RecoveryReport};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, tally};

/// The inside of an open store.
pub(crate) struct Core {
    pub options: Options,
    pub directory: PathBuf,
    pub secret: Secret,
    pub keeps_ids: bool,
    /// What payloads and the secret are sealed with.
    pub sealing: Sealing,
    /// The format that the store had when it was opened.
    pub format_found: Format,
    pub watch: Watch,
    pub index: Arc<Index<Segment>>,
    pub subjects: Subjects,
    pub endings: Endings,
    pub wheel: Mutex<Wheel>,
    pub locks: IdLocks,
    /// `None` in a store that is open for reading only.
    pub appender: Option<Appender>,
    pub sessions_max: u64,
    pub ceiling_ms: AtomicU64,
    pub counters: Counters,
    pub calls: CountedCalls,
    pub upkeep: Upkeep,
    pub report: RecoveryReport,
    /// Endings that took effect in memory and could not be written, for want of room: to be written as soon as there is.
    pub owed: Owed,
    /// A session was found to be over by somebody else than the reaper: the log has to learn what time it is.
    pub expired_unmarked: AtomicBool,
    /// The record of a session that ended could not be read, so nobody knows how many bytes died: they count as live until
    /// an opening counts anew, and a snapshot must not carry that on.
    pub uncounted: AtomicBool,
    pub closed: AtomicBool,
    /// Who is told of what happens to sessions.
    pub hub: Arc<Hub>,
    pub telling: Telling,
    /// Taken away when the store is closed.
    pub lock: Mutex<Option<DirectoryLock>>,
    /// This process; who held the store, if anybody, when it was opened for reading only.
    pub holder: Option<Holder>,
    /// What is to be done when the store closes.
    pub at_close: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

/// What is counted as the store runs.
#[derive(Default)]
pub(crate) struct Counters {
    pub created: tally::AtomicU64,
    pub updated: tally::AtomicU64,
    pub logged: tally::AtomicU64,
    pub coalesced: tally::AtomicU64,
    pub expired: tally::AtomicU64,
    pub ended: tally::AtomicU64,
    pub revoked: tally::AtomicU64,
    pub cleared: tally::AtomicU64,
    pub evicted: tally::AtomicU64,
    pub rejected: tally::AtomicU64,
    /// By what time the reaper had met all that had run out.
    pub reaped_ms: tally::AtomicU64,
}

/// Why a session leaves memory before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Ended(Reason),
    /// By a write whose deadline had passed.
    RanOut,
}

/// Counts one.
pub(crate) fn count(counter: &tally::AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Core {
    /// Before a deadline comes into the index (invariant 3). Most are no higher than the last one, and then nothing is written.
    pub fn raise_ceiling(&self, deadline: Deadline) {
        if self.ceiling_ms.load(Ordering::Acquire) < deadline.bits() {
            self.ceiling_ms.fetch_max(deadline.bits(), Ordering::AcqRel);
        }
    }

    /// The appender, unless the store is closed or open for reading only.
    pub fn appender(&self) -> Result<&Appender> {
        self.check_open()?;
        self.appender.as_ref().ok_or(Error::ReadOnly)
    }

    pub fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Looks at the clock, and tells the observer when it has jumped or was confirmed.
    pub fn look(&self) -> Now {
        let (now, turn) = self.watch.look();
        match turn {
            Some(Turn::Jumped { by_ms }) => self.tell(&Event::ClockJumped { by_ms }),
            Some(Turn::Confirmed) => self.tell(&Event::ClockConfirmed),
            None => {}
        }
        now
    }

    pub fn tell(&self, event: &Event) {
        observer::tell(self.options.observer.as_ref(), event);
    }

    /// The observer hears of damage wherever it is met.
    pub fn tell_of(&self, error: &Error) {
        if let Error::Corrupt(damage) = error {
            self.tell(&Event::Damaged(damage.clone()));
        }
    }

    /// Why that session is not there, as far as is remembered.
    pub fn unknown(&self, digest: Digest) -> Error {
        Error::Unknown(self.endings.why(digest.tag()))
    }

    /// The error for a session that is in the index but not alive.
    pub fn not_alive() -> Error {
        Error::Unknown(Unknown::Expired)
    }

    /// Puts a session's new record in the place of nothing, or of its old one, in memory. A touch that came in between
    /// keeps what it gave, up to the deadline `latest`.
    pub fn publish(
        &self,
        placed: &Placed,
        version: &StoredVersion<'_>,
        old: Option<&Old>,
        latest: Deadline,
        now: Now,
    ) {
        let tag = version.digest.tag();
        let Some(place) = Place::at_byte(placed.segment.number, placed.offset) else { return };
        let deadline = version.deadline;
        let rearm =
            old.is_none_or(|old| deadline < old.entry.deadline() || old.entry.deadline() == Deadline::NEVER);
        let arming = match old {
            Some(old) if !rearm => old.entry.arming(),
            _ => placed.lsn as u8,
        };
        let entry = Entry::new(tag, place, deadline, arming).with_subject(version.subject.is_some());
        self.raise_ceiling(deadline);
        placed.segment.gains(placed.span);
        match old {
            None => {
                let known = self.index.insert(entry);
                debug_assert!(known, "a segment is known before anything in it is");
            }
            Some(old) => {
                let replace = |current| self.index.replace(tag, current, entry, latest);
                self.change(version.digest, old, now, replace);
            }
        }
        self.hub.tell(|| {
            let (handle, subject) = (Handle(version.digest), version.subject.map(SubjectDigest));
            match old {
                Some(_) => SessionEvent::Updated { handle, subject },
                None => SessionEvent::Created { handle, subject },
            }
        });
        self.endings.forget(tag);
        let old_subject = old.and_then(|old| old.subject);
        if old_subject != version.subject {
            old_subject.into_iter().for_each(|subject| self.subjects.detach(subject, tag));
        }
        version.subject.into_iter().for_each(|subject| self.subjects.attach(subject, tag));
        if rearm {
            self.arm(entry, now);
        }
    }

    /// Takes a session out of memory, and gives the deadline that it had at last. The caller holds its id's lock.
    pub fn withdraw(&self, digest: Digest, old: &Old, now: Now, gone: Gone) -> Deadline {
        let tag = digest.tag();
        let mut last = None;
        self.change(digest, old, now, |current| {
            last = self.index.remove(tag, current);
            last.is_some()
        });
        self.withdrawn(tag, old, gone == Gone::RanOut);
        // Whose it was that could not be read nobody knows.
        if !digest.is_of_tag() {
            let reason = if let Gone::Ended(reason) = gone { reason } else { Reason::Destroyed };
            let (handle, subject) = (Handle(digest), old.subject.map(SubjectDigest));
            self.hub.tell(|| SessionEvent::Ended { handle, subject, reason });
        }
        last.unwrap_or(old.entry).deadline()
    }

    /// Takes a session out of memory that is over; `false`, and nothing changes, when a touch has given it more time since
    /// it was looked at. The caller holds its id's lock.
    pub fn withdraw_over(&self, digest: Digest, old: &Old, now: Now) -> bool {
        let tag = digest.tag();
        let over =
            self.change(digest, old, now, |current| self.index.remove_over(tag, current, now.settled_ms));
        if over {
            self.withdrawn(tag, old, true);
            count(&self.counters.expired);
            match old.expiry(digest) {
                Some(event) => self.hub.tell(|| event),
                None => self.hub.lose(),
            }
        }
        over
    }

    fn withdrawn(&self, tag: u64, old: &Old, expired: bool) {
        match old.subject {
            Some(subject) => self.subjects.detach(subject, tag),
            // Its record could not be read: whose it was, only the lists of sessions can tell.
            None if old.entry.has_subject() && self.index.lookup(tag, 0).is_none() => {
                self.subjects.forget(old.entry.short());
            }
            None => {}
        }
        self.endings.remember(tag, expired);
        if expired {
            self.expired_unmarked.store(true, Ordering::Release);
        }
        self.purge(&mut self.wheel.lock(), PURGE_STEP);
    }

    /// Changes the index where the entry is now, and takes its record's bytes from the segment they are in now: under
    /// the id's lock only compaction can have moved it. Says whether `swap` did.
    fn change(&self, digest: Digest, old: &Old, now: Now, mut swap: impl FnMut(Place) -> bool) -> bool {
        let (mut place, mut segment, mut span) = (old.entry.place(), Arc::clone(&old.segment), old.span);
        while !swap(place) {
            let moved =
                match self.seek(digest, |found| Ok((found.entry, found.span, Arc::clone(found.segment)))) {
                    // Whose it is nobody knows, so no record can be found to be its.
                    Ok(Sought::Absent) if digest.is_of_tag() => self.seek_unread(old.entry),
                    moved => moved,
                };
            let (entry, to, bytes) = match moved {
                Ok(Sought::Found((entry, bytes, to))) => (entry, to, bytes),
                // It was copied, and now the copy cannot be read: it is the session all the same.
                Ok(Sought::Unreadable { entry, segment, .. }) => {
                    self.uncounted.store(true, Ordering::Release);
                    (entry, segment, 0)
                }
                Ok(Sought::Absent) | Err(_) => return false,
            };
            if entry.place() == place {
                return false;
            }
            // The copy's frame can be a little longer or shorter, and the count of live bytes must be exact.
            (place, segment, span) = (entry.place(), to, bytes);
        }
        segment.loses(span, now.settled_ms);
        true
    }

    /// Gives a session's deadline to the wheel.
    pub fn arm(&self, entry: Entry, now: Now) {
        let mut wheel = self.wheel.lock();
        wheel.arm(entry.short(), entry.arming(), entry.deadline(), now.settled_ms);
        self.purge(&mut wheel, PURGE_STEP);
    }

    /// Drops some wheel entries that speak of nothing, if there are many.
    fn purge(&self, wheel: &mut Wheel, budget: usize) {
        if wheel.needs_purge(self.index.len()) {
            wheel.purge(budget, |short, arming| self.index.by_short(short, arming).is_some());
        }
    }

    /// What an ending waits for.
    pub fn ending_durability(&self) -> Durability {
        if self.options.relax_endings { self.options.durability } else { Durability::Synced }
    }

    /// How far the log may be behind a touch of a session with this idle lifetime.
    pub fn slack_ms(&self, idle_ms: u64) -> u64 {
        millis(self.options.touch_slack).min(idle_ms / 10).max(1)
    }
}

/// Milliseconds of a duration, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
