//! One shard of the index: a hash table of entries, and the segments that they point into.
//!
//! Owns: every change of an entry. Its lock is around it, in [`Index`](super::Index). Invariants:
//! 1. Tags are digests with a key that nobody outside has, so they are uniform and need no further mixing.
//! 2. An entry is changed only where tag *and* place match: who read an entry before somebody else changed it changes
//!    nothing.
//! 3. A wheel entry finds, of all sessions with its short tag and arming, the one that ends first. Where two sessions
//!    share both, there are two wheel entries too, and each firing serves whichever is due.

use std::sync::Arc;

use super::entry::{Entry, Packed, Place, short_tag};
use super::lines::Lines;
use super::segments::SegmentTable;
use crate::session::Deadline;

/// Entries whose tags share their first bits.
pub(super) struct Shard<S> {
    pub lines: Lines,
    pub segments: Arc<SegmentTable<S>>,
}

impl<S> Shard<S> {
    pub const fn new(segments: Arc<SegmentTable<S>>) -> Self {
        Self { lines: Lines::new(), segments }
    }

    pub fn lookup(&self, tag: u64, nth: usize) -> Option<(Entry, Option<Arc<S>>)> {
        let packed = match nth {
            0 => self.lines.first(short_tag(tag))?,
            nth => self.lines.find(short_tag(tag)).nth(nth)?,
        };
        Some(match self.segments.at(packed.address()) {
            Some((place, segment)) => (packed.unpack(place), Some(Arc::clone(segment))),
            None => (packed.unpack(NOWHERE), None),
        })
    }

    pub fn at(&self, tag: u64, place: Place) -> Option<Entry> {
        let address = self.segments.address(place)?;
        let packed = self.lines.find(short_tag(tag)).find(|packed| packed.address() == address)?;
        Some(packed.unpack(place))
    }

    pub fn by_short(&self, short: u64, arming: u8) -> Option<Entry> {
        let same = self.lines.find(short).map(|packed| self.unpack(packed));
        same.filter(|entry| entry.arming() == arming).min_by_key(|entry| entry.deadline())
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.lines.iter().map(|packed| self.unpack(packed)).collect()
    }

    /// `false`, and nothing changes, when the entry's segment is not known.
    pub fn insert(&mut self, entry: Entry) -> bool {
        debug_assert!(self.at(entry.tag(), entry.place()).is_none(), "a record has one entry");
        Packed::pack(entry, &self.segments).map(|packed| self.lines.insert(packed)).is_some()
    }

    /// Changes the entry at this place, if it is still there; gives what `change` returns.
    pub fn change<T>(
        &mut self,
        tag: u64,
        place: Place,
        change: impl FnOnce(&mut Packed, &SegmentTable<S>) -> Option<T>,
    ) -> Option<T> {
        let address = self.segments.address(place)?;
        let packed = self.lines.find_mut(short_tag(tag), |packed| packed.address() == address)?;
        change(packed, &self.segments)
    }

    pub fn remove(&mut self, tag: u64, place: Place) -> Option<Entry> {
        let address = self.segments.address(place)?;
        let removed = self.lines.remove(short_tag(tag), |packed| packed.address() == address)?;
        Some(removed.unpack(place))
    }

    /// Only extends, so that a touch that comes late cannot shorten what another one gave.
    pub fn extend(&mut self, tag: u64, place: Place, deadline: Deadline) -> Option<(Deadline, Deadline)> {
        self.change(tag, place, |packed, _| {
            let before = packed.deadline();
            let after = before.max(deadline);
            *packed = packed.with_deadline(after);
            Some((before, after))
        })
    }

    fn unpack(&self, packed: Packed) -> Entry {
        packed.unpack(self.segments.at(packed.address()).map_or(NOWHERE, |(place, _)| place))
    }
}

/// Where an entry is that names no segment: a broken invariant, which whoever looks there reports.
const NOWHERE: Place = Place { segment: u32::MAX, offset: 0 };
