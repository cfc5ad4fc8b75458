//! What is owed to the log: endings and touches that took effect in memory while it had no room to say so.
//!
//! Owns: what the log must still be told. Such an ending was reported as not durable; but while the process lives it holds,
//! and it must hold afterwards too if the id is used again: a create that found a clean slate would leave the older record
//! without anything that says it is dead. So a record for an owed id ends that very id before it, and whatever is still
//! owed is written as soon as there is room. A touch that was refused has moved the deadline in memory all the same; until
//! the log has caught up, no later touch of that session may pass for one that the log need not hear of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::core::Core;
use super::finding::{Found, Old};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::index::Place;
use crate::log::record::{Ends, Record, What};
use crate::log::segment::Segment;
use crate::session::Deadline;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// What the log must still be told, by digest, in whose order it is paid, so that nothing depends on chance.
#[derive(Default)]
pub(crate) struct Owed {
    count: AtomicUsize,
    endings: Mutex<BTreeMap<Digest, Debt>>,
    touch_count: AtomicUsize,
    touches: Mutex<BTreeSet<Digest>>,
}

/// An ending that the log does not know.
#[derive(Debug, Clone)]
struct Debt {
    birth: u64,
    ceiling: Deadline,
    /// Where the record is, when it could not be read: only its tag is known, and a stub needs the whole digest.
    unread: Option<(Place, Arc<Segment>)>,
}

impl Owed {
    /// A session has ended and the log does not know.
    pub fn add(&self, digest: Digest, birth: u64, ceiling: Deadline, old: &Old) {
        if planted!(OwedEndingIsForgotten) {
            return;
        }
        let unread = digest.is_of_tag().then(|| (old.entry.place(), Arc::clone(&old.segment)));
        let mut endings = self.endings.lock();
        let owed = endings.entry(digest).or_insert(Debt { birth, ceiling, unread });
        owed.ceiling = owed.ceiling.max(ceiling);
        self.count.store(endings.len(), Ordering::Release);
    }

    /// What a record that begins this id anew must end.
    pub fn ends(&self, digest: Digest) -> Option<Ends> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let endings = self.endings.lock();
        // One that could not be read may be this one.
        let owed = [digest, Digest::of_tag(digest.tag())].into_iter().filter_map(|owed| endings.get(&owed));
        owed.map(|debt| debt.ceiling).max().map(|ceiling| Ends { digest, ceiling })
    }

    /// Whether the log has been told everything.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Whether the log has been told of everything, touches too.
    pub fn is_settled(&self) -> bool {
        self.is_empty() && self.touch_count.load(Ordering::Acquire) == 0
    }

    /// The log has been told.
    pub fn settle(&self, digest: Digest) {
        if self.count.load(Ordering::Acquire) > 0 {
            let mut endings = self.endings.lock();
            endings.remove(&digest);
            endings.remove(&Digest::of_tag(digest.tag()));
            self.count.store(endings.len(), Ordering::Release);
        }
    }

    /// A touch has moved the deadline in memory and the log does not know.
    pub fn add_touch(&self, digest: Digest) {
        let mut touches = self.touches.lock();
        touches.insert(digest);
        self.touch_count.store(touches.len(), Ordering::Release);
    }

    /// Whether the log is behind this session's deadline by more than it may be.
    pub fn owes_touch(&self, digest: Digest) -> bool {
        self.touch_count.load(Ordering::Acquire) > 0 && self.touches.lock().contains(&digest)
    }

    /// The log knows the deadline again.
    pub fn settle_touch(&self, digest: Digest) {
        if self.touch_count.load(Ordering::Acquire) > 0 {
            let mut touches = self.touches.lock();
            touches.remove(&digest);
            self.touch_count.store(touches.len(), Ordering::Release);
        }
    }

    fn all(&self) -> (Vec<(Digest, Debt)>, Vec<Digest>) {
        let endings = self.endings.lock();
        let endings = endings.iter().map(|(digest, debt)| (*digest, debt.clone())).collect();
        (endings, self.touches.lock().iter().copied().collect())
    }
}

impl Debt {
    /// Whose ending it is: by the record, if that was not read before; `None` while it cannot be.
    fn digest(&self, known: Digest) -> Option<Digest> {
        let Some((place, segment)) = &self.unread else { return Some(known) };
        let mut buffer = Vec::new();
        segment.version(place.byte(), &mut buffer).ok().map(|stored| stored.version.digest)
    }
}

impl Core {
    /// Writes what is owed, as far as there is room; what comes to be owed meanwhile waits for the next time.
    pub fn pay(&self) -> Result<()> {
        let (endings, touches) = self.owed.all();
        for (known, debt) in endings {
            let _guard = self.locks.one(known.tag());
            // What still cannot be read stays owed.
            let Some(digest) = debt.digest(known) else { continue };
            if self.owed.ends(digest).is_none() {
                continue;
            }
            let Debt { birth, ceiling, .. } = debt;
            let what = What::Stub { digest, birth, ceiling, ends: None };
            let now = self.watch.now();
            match self.appender()?.append(now.settled_ms, |lsn| Record { lsn, what }) {
                Err(Error::Full(_)) => return Ok(()),
                appended => appended.map(|_| self.owed.settle(digest))?,
            }
        }
        for digest in touches {
            let _guard = self.locks.one(digest.tag());
            self.check_open()?;
            let touched = |found: &Found<'_>| {
                let (base, deadline) = (found.lsn, found.entry.deadline());
                Ok(What::Touch { digest, base, deadline })
            };
            let found = match self.find(digest, touched) {
                // It stays owed: one damaged record must not keep the rest of maintenance from being done.
                Err(Error::Corrupt(_)) => continue,
                found => found?,
            };
            if let Some(what) = found {
                let now = self.watch.now();
                match self.appender()?.append(now.settled_ms, |lsn| Record { lsn, what }) {
                    Err(Error::Full(_)) => return Ok(()),
                    appended => appended.map(drop)?,
                }
            }
            self.owed.settle_touch(digest);
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::compaction::pick::tests::segment;
    use crate::index::Entry;

    const ONE: Digest = Digest([1; 16]);
    const TWO: Digest = Digest([2; 16]);

    fn old(digest: Digest) -> Old {
        let place = Place { segment: 1, offset: 8 };
        let entry = Entry::new(digest.tag(), place, Deadline::at_ms(50), 0);
        Old { entry, segment: segment(1, 500, 500, 0), span: 64, subject: None }
    }

    #[test]
    fn what_is_owed_is_owed_until_it_is_settled() {
        let owed = Owed::default();
        assert!(owed.is_empty());
        owed.add(ONE, 5, Deadline::at_ms(90), &old(ONE));
        owed.add(ONE, 5, Deadline::at_ms(80), &old(ONE));
        owed.add(TWO, 6, Deadline::at_ms(70), &old(TWO));
        assert!(!owed.is_empty());
        assert_eq!(owed.ends(ONE).map(|ends| ends.ceiling), Some(Deadline::at_ms(90)));
        owed.settle(ONE);
        assert!(owed.ends(ONE).is_none() && owed.ends(TWO).is_some() && !owed.is_empty());
        owed.settle(TWO);
        assert!(owed.is_empty() && owed.is_settled());
    }

    #[test]
    fn a_touch_is_owed_for_its_own_session_only() {
        let owed = Owed::default();
        owed.add_touch(ONE);
        assert!(owed.owes_touch(ONE) && !owed.owes_touch(TWO));
        owed.settle_touch(ONE);
        assert!(!owed.owes_touch(ONE));
    }
}
