//! The index: from a digest to the place of the newest record, its deadline, and what a look at it costs.
//!
//! Owns: [`Index`] and, beside it, [`Subjects`] (whose sessions) and [`Endings`] (why a session is not there). Knows
//! places and deadlines, but nothing of records: that the full digest is the right one is for the caller to check in
//! the record.
//!
//! Invariants:
//! 1. Every session is in the shard that the top eight bits of its tag name; nothing here visits all shards for one id.
//! 2. A reader gets an entry together with its segment under one lock. A segment is in the tables of all shards
//!    before an entry may name it ([`Index::add_segment`] returns after the last swap), and leaves them only after no
//!    entry names it any more, so a reader never meets an entry without its segment.
//! 3. Locks are held for a lookup or a swap, never while anything waits, calls back, frees a segment or writes.
//!    `remove_if` calls its predicate under the lock: the predicate may look at its argument and nothing else.
//!
//! Lock order: the lock of the segment tables' master copy, then one shard's. A shard's lock is innermost: under it no
//! other lock is taken, and never two shards at once. The locks in `subjects` are innermost too.
//!
//! A crash falls nowhere in here: this is memory, rebuilt from the log.

mod endings;
mod entry;
mod lines;
mod segments;
mod shard;
mod subjects;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crossbeam_utils::CachePadded;

pub(crate) use endings::Endings;
pub(crate) use entry::{Entry, Place, SHORT_BITS, short_tag};
pub(crate) use segments::SegmentTable;
pub(crate) use subjects::Subjects;

use crate::session::Deadline;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, RwLock};
use entry::Packed;
use lines::SHARD_BITS;
use shard::Shard;

const SHARDS: usize = 1 << SHARD_BITS;

/// All sessions in memory. See the module.
pub(crate) struct Index<S> {
    shards: Box<[CachePadded<Guarded<S>>; SHARDS]>,
    /// What the shards' tables are copies of; its lock orders those who change them.
    segments: Mutex<Arc<SegmentTable<S>>>,
    len: Arc<AtomicUsize>,
}

struct Guarded<S> {
    shard: RwLock<Shard<S>>,
    /// All shards' count, kept beside the locks, so that counting takes none.
    len: Arc<AtomicUsize>,
}

impl<S> Index<S> {
    /// No sessions, and these segments, or none.
    pub fn new(segments: SegmentTable<S>) -> Self {
        let segments = Arc::new(segments);
        let len = Arc::new(AtomicUsize::new(0));
        let empty = |_| {
            let shard = RwLock::new(Shard::new(Arc::clone(&segments)));
            CachePadded::new(Guarded { shard, len: Arc::clone(&len) })
        };
        Self { shards: Box::new(std::array::from_fn(empty)), segments: Mutex::new(segments), len }
    }

    /// The `nth` session whose digest begins with this tag, and its segment; `None` when there are no more. The
    /// second half of the digest is not known here, so the caller compares it in the record and, in one case of
    /// 2^64, asks for the next. A segment of `None` is a broken invariant 2, for the caller to report.
    pub fn lookup(&self, tag: u64, nth: usize) -> Option<(Entry, Option<Arc<S>>)> {
        self.guarded(tag).shard.read().lookup(tag, nth)
    }

    /// The session whose newest record is at this place.
    pub fn at(&self, tag: u64, place: Place) -> Option<Entry> {
        self.guarded(tag).shard.read().at(tag, place)
    }

    /// What a wheel entry speaks of: the session with this short tag and this arming; `None` when it has ended or
    /// has a newer wheel entry. Of several, the one that ends first.
    pub fn by_short(&self, short: u64, arming: u8) -> Option<Entry> {
        let tag = short << (u64::BITS - SHORT_BITS);
        self.guarded(tag).shard.read().by_short(short_tag(tag), arming)
    }

    /// Adds a session. That its id is not there already is for the caller to know. `false`, and it is not added, when
    /// its segment is not known: a broken invariant 2, for the caller to report.
    pub fn insert(&self, entry: Entry) -> bool {
        self.guarded(entry.tag()).write(|shard| shard.insert(entry))
    }

    /// Puts `new` where the entry at `old` is; `false`, and nothing changes, when it is there no more. What touches have
    /// given the old one since it was looked at stays given, up to the deadline `latest`.
    pub fn replace(&self, tag: u64, old: Place, new: Entry, latest: Deadline) -> bool {
        debug_assert!(new.short() == short_tag(tag), "another id is another entry: remove and insert");
        let replace = |packed: &mut Packed, segments: &SegmentTable<S>| {
            let deadline = new.deadline().max(packed.deadline().min(latest));
            *packed = Packed::pack(new, segments)?.with_deadline(deadline);
            Some(())
        };
        self.guarded(tag).write(|shard| shard.change(tag, old, replace)).is_some()
    }

    /// Takes out the entry at `old`, if it is still there.
    pub fn remove(&self, tag: u64, old: Place) -> Option<Entry> {
        self.guarded(tag).write(|shard| shard.remove(tag, old))
    }

    /// The same, if its deadline has passed: a touch since it was looked at has given it another.
    pub fn remove_over(&self, tag: u64, old: Place, now_ms: u64) -> bool {
        self.guarded(tag).write(|shard| {
            let over = shard.at(tag, old).is_some_and(|entry| entry.deadline().has_passed(now_ms));
            over && shard.remove(tag, old).is_some()
        })
    }

    /// Compaction has copied the record: points to the copy, unless a fresh write was faster. Deadline, arming and
    /// flags stay as they are now, touches since the copy included.
    pub fn relocate(&self, tag: u64, old: Place, new: Place) -> bool {
        let now = if planted!(RelocatesWithoutCompare) { self.lookup(tag, 0) } else { None };
        let old = now.map_or(old, |(entry, _)| entry.place());
        let relocate = |packed: &mut Packed, segments: &SegmentTable<S>| {
            *packed = packed.with_address(segments.address(new)?);
            Some(())
        };
        self.guarded(tag).write(|shard| shard.change(tag, old, relocate)).is_some()
    }

    /// A touch: the deadline becomes the later of its own and this one. Gives it before and after; `None` when
    /// another record has taken the place of the one that was touched.
    pub fn extend(&self, tag: u64, place: Place, deadline: Deadline) -> Option<(Deadline, Deadline)> {
        self.guarded(tag).write(|shard| shard.extend(tag, place, deadline))
    }

    #[cfg(test)]
    /// Makes another wheel entry the current one.
    pub fn rearm(&self, tag: u64, place: Place, arming: u8) -> bool {
        let rearm = |packed: &mut Packed, segments: &SegmentTable<S>| {
            *packed = Packed::pack(packed.unpack(place).with_arming(arming), segments)?;
            Some(())
        };
        self.guarded(tag).write(|shard| shard.change(tag, place, rearm)).is_some()
    }

    /// How many sessions there are, expired ones that nobody has taken out yet included.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Takes all sessions out; the segments stay. Gives how many there were.
    pub fn clear(&self) -> u64 {
        let take = |shard: &mut Shard<S>| std::mem::take(&mut shard.lines);
        // The tables are freed here, outside the locks.
        self.shards.iter().map(|guarded| guarded.write(take).len() as u64).sum()
    }

    /// How many shards [`shard_entries`](Self::shard_entries) can be asked for.
    pub const fn shard_count(&self) -> usize {
        SHARDS
    }

    /// The entries of one shard with the table that their segments are in, as they were at one moment.
    pub fn shard_view(&self, shard: usize) -> (Vec<Entry>, Arc<SegmentTable<S>>) {
        let view = |guarded: &CachePadded<Guarded<S>>| {
            let shard = guarded.shard.read();
            (shard.entries(), Arc::clone(&shard.segments))
        };
        self.shards.get(shard).map_or_else(|| (Vec::new(), self.segments()), view)
    }

    /// A copy of one shard's entries, in no order; empty for a shard that does not exist.
    pub fn shard_entries(&self, shard: usize) -> Vec<Entry> {
        self.shards.get(shard).map(|guarded| guarded.shard.read().entries()).unwrap_or_default()
    }

    #[cfg(test)]
    /// Takes out those entries of one shard of which `gone` is true, and gives how many. `gone` runs under the lock.
    pub fn remove_if(&self, shard: usize, gone: impl Fn(&Entry) -> bool) -> u64 {
        let Some(guarded) = self.shards.get(shard) else { return 0 };
        guarded.write(|shard| {
            let gone: Vec<_> = shard.entries().into_iter().filter(gone).collect();
            gone.iter().filter_map(|entry| shard.remove(entry.tag(), entry.place())).count() as u64
        })
    }

    /// The segments as they are now.
    pub fn segments(&self) -> Arc<SegmentTable<S>> {
        Arc::clone(&self.segments.lock())
    }

    /// Makes a segment of so many bytes known, before any entry names it. `false` when the index can address no more.
    #[must_use]
    pub fn add_segment(&self, number: u32, bytes: u64, segment: &Arc<S>) -> bool {
        self.publish(|table| table.with(number, bytes, segment))
    }

    /// Forgets a segment that no entry names any more. Readers that hold it keep it open.
    pub fn remove_segment(&self, number: u32) {
        let names = |entry: &Entry| entry.place().segment == number;
        debug_assert!(
            !(0..SHARDS).any(|shard| self.shard_entries(shard).iter().any(names)),
            "nobody is left behind"
        );
        self.publish(|table| Some(table.without(number)));
    }

    /// Replaces the table of segments in every shard, unless `change` gives none. A reader sees the old table or the
    /// new one; when this returns, only the new one.
    fn publish(&self, change: impl FnOnce(&SegmentTable<S>) -> Option<SegmentTable<S>>) -> bool {
        let mut master = self.segments.lock();
        let Some(table) = change(&master).map(Arc::new) else { return false };
        // `old` outlives all the copies, so that no segment is closed and no file unmapped under a shard's lock.
        let old = std::mem::replace(&mut *master, Arc::clone(&table));
        for guarded in self.shards.iter() {
            let copy = Arc::clone(&table);
            drop(std::mem::replace(&mut guarded.shard.write().segments, copy));
        }
        drop(master);
        drop(old);
        true
    }

    /// Makes room for so many sessions in all, so that filling up to them grows no table.
    pub fn reserve(&self, sessions: usize) {
        // Digests spread sessions as chance does: four standard deviations more than the mean fit nearly always.
        let mean = sessions / SHARDS;
        let likely = mean.saturating_add(4 * mean.isqrt()).saturating_add(8);
        self.shards.iter().for_each(|guarded| guarded.write(|shard| shard.lines.reserve(likely)));
    }

    /// Gives back memory of shards that are nearly empty after a crowd has left: a rehash of what is left in them.
    pub fn trim(&self) {
        self.shards.iter().for_each(|guarded| guarded.write(|shard| shard.lines.trim()));
    }

    /// Bytes of memory: the tables at their capacity, and everything around them.
    pub fn memory_bytes(&self) -> usize {
        let tables = |guarded: &CachePadded<Guarded<S>>| guarded.shard.read().lines.memory_bytes();
        size_of::<Self>()
            + size_of::<[CachePadded<Guarded<S>>; SHARDS]>()
            + self.shards.iter().map(tables).sum::<usize>()
            + self.segments.lock().memory_bytes()
    }

    #[expect(clippy::indexing_slicing, reason = "eight bits name one of 256 shards")]
    const fn guarded(&self, tag: u64) -> &CachePadded<Guarded<S>> {
        &self.shards[(tag >> (u64::BITS - SHARD_BITS)) as usize]
    }
}

impl<S> Guarded<S> {
    /// Changes the shard, and then the count, under its lock.
    fn write<T>(&self, change: impl FnOnce(&mut Shard<S>) -> T) -> T {
        let mut shard = self.shard.write();
        let before = shard.lines.len();
        let changed = change(&mut shard);
        match shard.lines.len() {
            after if after > before => _ = self.len.fetch_add(after - before, Ordering::Relaxed),
            after if after < before => _ = self.len.fetch_sub(before - after, Ordering::Relaxed),
            _ => {}
        }
        changed
    }
}
