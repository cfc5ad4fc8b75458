//! One shard of the index: a hash table of entries, and the segments that they point into.
//!
//! Owns: the hash, and every change of an entry. Its lock is around it, in [`Index`](super::Index). Invariants:
//! 1. The hash depends on the top 40 bits of the tag alone (see [`entry`](super::entry)). Tags are digests with a key
//!    that nobody outside has, so they are uniform and need no further mixing.
//! 2. An entry is changed only where tag *and* place match: who read an entry before somebody else changed it changes
//!    nothing.
//! 3. A wheel entry finds, of all sessions with its short tag and arming, the one that ends first. Where two sessions
//!    share both (40 + 16 bits), there are two wheel entries too, and each firing serves whichever is due.

use std::sync::Arc;

use hashbrown::HashTable;

use super::SLOT_BITS;
use super::entry::{Entry, Place, SHORT_BITS, short_tag};
use super::table::SegmentTable;
use crate::session::Deadline;

/// Entries whose tags share their first bits.
pub(super) struct Shard<S> {
    pub entries: HashTable<Entry>,
    pub segments: Arc<SegmentTable<S>>,
}

/// The low bits of the hash choose the bucket, its top seven are compared in bulk. The seven bits of the short tag
/// below those that are the same in the whole shard become the top ones; its low bits stay where they are.
const fn hash_of_short(short: u64) -> u64 {
    const UP: u32 = u64::BITS - SHORT_BITS + SLOT_BITS;
    short << UP | short & ((1 << UP) - 1)
}

const fn hash(tag: u64) -> u64 {
    hash_of_short(short_tag(tag))
}

fn rehash(entry: &Entry) -> u64 {
    hash(entry.tag())
}

impl<S> Shard<S> {
    pub const fn new(segments: Arc<SegmentTable<S>>) -> Self {
        Self { entries: HashTable::new(), segments }
    }

    pub fn lookup(&self, tag: u64, nth: usize) -> Option<(Entry, Option<Arc<S>>)> {
        let entry = if nth == 0 {
            *self.entries.find(hash(tag), |entry| entry.tag() == tag)?
        } else {
            *self.entries.iter_hash(hash(tag)).filter(|entry| entry.tag() == tag).nth(nth)?
        };
        Some((entry, self.segments.get(entry.place().segment).map(Arc::clone)))
    }

    pub fn at(&self, tag: u64, place: Place) -> Option<Entry> {
        self.entries.find(hash(tag), |entry| entry.tag() == tag && entry.place() == place).copied()
    }

    pub fn by_short(&self, short: u64, arming: u16) -> Option<Entry> {
        let same = |entry: &&Entry| entry.short() == short && entry.arming() == arming;
        self.entries
            .iter_hash(hash_of_short(short))
            .filter(same)
            .min_by_key(|entry| entry.deadline())
            .copied()
    }

    pub fn insert(&mut self, entry: Entry) {
        debug_assert!(self.at(entry.tag(), entry.place()).is_none(), "a record has one entry");
        self.entries.insert_unique(hash(entry.tag()), entry, rehash);
    }

    /// Changes the entry at this place, if it is still there; gives what `change` returns.
    pub fn change<T>(&mut self, tag: u64, place: Place, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.entries.find_mut(hash(tag), |entry| entry.tag() == tag && entry.place() == place).map(change)
    }

    pub fn remove(&mut self, tag: u64, place: Place) -> Option<Entry> {
        let found = self.entries.find_entry(hash(tag), |entry| entry.tag() == tag && entry.place() == place);
        Some(found.ok()?.remove().0)
    }

    /// Only extends, so that a touch that comes late cannot shorten what another one gave.
    pub fn extend(&mut self, tag: u64, place: Place, deadline: Deadline) -> Option<(Deadline, Deadline)> {
        self.change(tag, place, |entry| {
            let before = entry.deadline();
            let after = before.max(deadline);
            *entry = entry.with_deadline(after);
            (before, after)
        })
    }

    /// Best effort: where memory for so many cannot be had now, the table grows when it must.
    pub fn reserve(&mut self, sessions: usize) {
        let missing = sessions.saturating_sub(self.entries.len());
        let _ = self.entries.try_reserve(missing, rehash);
    }

    /// Gives memory back once a table is filled to less than an eighth.
    pub fn trim(&mut self) {
        if self.entries.len() < self.entries.num_buckets() / 8 {
            self.entries.shrink_to(self.entries.len() * 2, rehash);
        }
    }
}
