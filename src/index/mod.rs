//! The index: from a digest to the place of the newest record, its deadline, and what a look at it costs.
//!
//! Owns: [`Index`] and, beside it, [`Subjects`] (whose sessions) and [`Endings`] (why a session is not there). Knows
//! places and deadlines, but nothing of records: that the full digest is the right one is for the caller to check in
//! the record.
//!
//! Invariants:
//! 1. Every session is in the shard that the top ten bits of its tag name; nothing here visits all shards for one id.
//! 2. A reader gets an entry together with the table of segments in which its segment is. A segment is in the table before
//!    an entry may name it ([`Index::add_segment`] has returned), and leaves only after no entry names it any more. A
//!    reader loads the state while the shard is seen not to change (see [`turn`]), so that entry and table were true at
//!    one moment; and he holds the state, and with it the segments, for as long as he reads ([`Looked`]).
//! 3. Readers take no lock and write nothing that they share. Writers hold a shard's lock for a lookup and a swap, or for
//!    filling a larger table, never while anything waits for the disk or calls back.
//!
//! Lock order: one shard's, then that of who replaces the state; never two shards at once. Under them no other lock is
//! taken. The locks in `subjects` are innermost too.
//!
//! A crash falls nowhere in here: this is memory, rebuilt from the log.

mod endings;
mod entry;
mod filling;
mod lines;
mod segments;
mod shard;
mod subjects;
#[cfg(test)]
mod tests;
mod turn;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
pub(crate) use endings::Endings;
pub(crate) use entry::{Entry, Place, SHORT_BITS, short_tag};
pub(crate) use segments::SegmentTable;
pub(crate) use subjects::Subjects;

use crate::session::Deadline;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};
use entry::Packed;
use lines::{Lines, SHARD_BITS};
use shard::Shard;
use turn::Turn;

const SHARDS: usize = 1 << SHARD_BITS;

/// All sessions in memory. See the module.
pub(crate) struct Index<S> {
    turns: Box<[Turn]>,
    state: ArcSwap<State<S>>,
    /// Held by whoever makes another state.
    changing: Mutex<()>,
    /// All shards' count, so that counting takes no lock.
    len: AtomicUsize,
}

/// The tables of all shards, and the segments that they name: replaced as a whole when a table or a segment is.
///
/// The tables stand in groups, so that replacing one copies a group and the list of groups, and not all of them.
struct State<S> {
    segments: Arc<SegmentTable<S>>,
    tables: [Arc<Group>; SHARDS / GROUP],
}

/// The tables of shards that stand side by side.
type Group = [Lines; GROUP];
const GROUP: usize = 1 << (SHARD_BITS / 2);

impl<S> State<S> {
    fn new(segments: SegmentTable<S>) -> Self {
        let empty = |_| Arc::new(std::array::from_fn(|_| Lines::default()));
        Self { segments: Arc::new(segments), tables: std::array::from_fn(empty) }
    }

    #[expect(clippy::indexing_slicing, reason = "ten bits name one of 1024 shards, in groups of 32")]
    fn lines(&self, shard: usize) -> &Lines {
        &self.tables[shard % SHARDS / GROUP][shard % GROUP]
    }

    #[expect(clippy::indexing_slicing, reason = "ten bits name one of 1024 shards, in groups of 32")]
    fn with_lines(&self, shard: usize, lines: Lines) -> Self {
        let mut tables = self.tables.clone();
        Arc::make_mut(&mut tables[shard % SHARDS / GROUP])[shard % GROUP] = lines;
        Self { segments: Arc::clone(&self.segments), tables }
    }

    fn with_segments(&self, segments: SegmentTable<S>) -> Self {
        Self { segments: Arc::new(segments), tables: self.tables.clone() }
    }

    /// The entry, and the segment that it names.
    fn unpack(&self, packed: Packed) -> (Entry, Option<&Arc<S>>) {
        match self.segments.at(packed.address()) {
            Some((place, segment)) => (packed.unpack(place), Some(segment)),
            None => (packed.unpack(NOWHERE), None),
        }
    }
}

/// Where an entry is that names no segment: a broken invariant, which whoever looks there reports.
const NOWHERE: Place = Place { segment: u32::MAX, offset: 0 };

/// An entry that was found, with the state that it was found in: for as long as this is held, its segment can be read.
pub(crate) struct Looked<S> {
    packed: Packed,
    state: Guard<Arc<State<S>>>,
}

impl<S> Looked<S> {
    /// The entry.
    pub fn entry(&self) -> Entry {
        self.parts().0
    }

    /// The entry, and the segment that its record is in. `None` is a broken invariant 2, for the caller to report.
    pub fn parts(&self) -> (Entry, Option<&Arc<S>>) {
        self.state.unpack(self.packed)
    }
}

impl<S> Index<S> {
    /// No sessions, and these segments, or none.
    pub fn new(segments: SegmentTable<S>) -> Self {
        Self {
            turns: (0..SHARDS).map(|_| Turn::default()).collect(),
            state: ArcSwap::from_pointee(State::new(segments)),
            changing: Mutex::new(()),
            len: AtomicUsize::new(0),
        }
    }

    /// The `nth` session whose digest begins with this tag, and its segment; `None` when there are no more. The
    /// second half of the digest is not known here, so the caller compares it in the record and, in one case of
    /// 2^64, asks for the next.
    pub fn lookup(&self, tag: u64, nth: usize) -> Option<Looked<S>> {
        let (packed, state) = self.read(tag, |lines, short| match nth {
            0 => lines.first(short),
            nth => lines.find(short).nth(nth),
        });
        Some(Looked { packed: packed?, state })
    }

    /// The session whose newest record is at this place.
    pub fn at(&self, tag: u64, place: Place) -> Option<Entry> {
        let address = self.state.load().segments.address(place)?;
        let is_it = |packed: &Packed| packed.address() == address;
        let (packed, state) = self.read(tag, |lines, short| lines.find(short).find(is_it));
        let (entry, _) = state.unpack(packed?);
        (entry.place() == place).then_some(entry)
    }

    /// What a wheel entry speaks of: the session with this short tag and this arming; `None` when it has ended or
    /// has a newer wheel entry. Of several, the one that ends first: where two sessions share both, there are two wheel
    /// entries too, and each firing serves whichever is due.
    pub fn by_short(&self, short: u64, arming: u8) -> Option<Entry> {
        let tag = short << (u64::BITS - SHORT_BITS);
        let (packed, state) = self.read(tag, |lines, short| {
            let same = lines.find(short).filter(|packed| packed.arming() == arming);
            same.min_by_key(|packed| packed.deadline())
        });
        Some(state.unpack(packed?).0)
    }

    /// Adds a session. That its id is not there already is for the caller to know. `false`, and it is not added, when
    /// its segment is not known: a broken invariant 2, for the caller to report.
    pub fn insert(&self, entry: Entry) -> bool {
        debug_assert!(self.at(entry.tag(), entry.place()).is_none(), "a record has one entry");
        let Some(mut shard) = Shard::lock(self, number(entry.tag())) else { return false };
        let packed = Packed::pack(entry, &shard.state.segments);
        packed.map(|packed| shard.insert(packed)).is_some()
    }

    /// Puts `new` where the entry at `old` is; `false`, and nothing changes, when it is there no more. What touches have
    /// given the old one since it was looked at stays given, up to the deadline `latest`.
    pub fn replace(&self, tag: u64, old: Place, new: Entry, latest: Deadline) -> bool {
        debug_assert!(new.short() == short_tag(tag), "another id is another entry: remove and insert");
        self.change(tag, old, |packed, segments| {
            let deadline = new.deadline().max(packed.deadline().min(latest));
            Some(Packed::pack(new, segments)?.with_deadline(deadline))
        })
    }

    /// Takes out the entry at `old`, if it is still there.
    pub fn remove(&self, tag: u64, old: Place) -> Option<Entry> {
        self.take(tag, old, |_| true)
    }

    /// The same, if its deadline has passed: a touch since it was looked at has given it another.
    pub fn remove_over(&self, tag: u64, old: Place, now_ms: u64) -> bool {
        self.take(tag, old, |packed| packed.deadline().has_passed(now_ms)).is_some()
    }

    /// Compaction has copied the record: points to the copy, unless a fresh write was faster. Deadline, arming and
    /// flags stay as they are now, touches since the copy included.
    pub fn relocate(&self, tag: u64, old: Place, new: Place) -> bool {
        let now = if planted!(RelocatesWithoutCompare) { self.lookup(tag, 0) } else { None };
        let old = now.map_or(old, |looked| looked.entry().place());
        self.change(tag, old, |packed, segments| Some(packed.with_address(segments.address(new)?)))
    }

    /// A touch: the deadline becomes the later of its own and this one, so that one that comes late cannot shorten what
    /// another one gave. Gives it before and after; `None` when another record has taken the place of the one that was
    /// touched.
    pub fn extend(&self, tag: u64, place: Place, deadline: Deadline) -> Option<(Deadline, Deadline)> {
        let mut was = None;
        self.change(tag, place, |packed, _| {
            let before = packed.deadline();
            let after = before.max(deadline);
            was = Some((before, after));
            Some(packed.with_deadline(after))
        });
        was
    }

    #[cfg(test)]
    /// Makes another wheel entry the current one.
    pub fn rearm(&self, tag: u64, place: Place, arming: u8) -> bool {
        self.change(tag, place, |packed, segments| {
            Packed::pack(packed.unpack(place).with_arming(arming), segments)
        })
    }

    /// How many sessions there are, expired ones that nobody has taken out yet included.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Takes all sessions out; the segments stay. Gives how many there were.
    pub fn clear(&self) -> u64 {
        self.shards().map(|mut shard| shard.clear() as u64).sum()
    }

    /// How many shards [`shard_entries`](Self::shard_entries) can be asked for.
    pub const fn shard_count(&self) -> usize {
        SHARDS
    }

    /// The entries of one shard with the table that their segments are in, as they were at one moment.
    pub fn shard_view(&self, shard: usize) -> (Vec<Entry>, Arc<SegmentTable<S>>) {
        let Some(shard) = Shard::lock(self, shard) else { return (Vec::new(), self.segments()) };
        let state = &shard.state;
        let entries = shard.lines().iter().map(|packed| state.unpack(packed).0).collect();
        (entries, Arc::clone(&state.segments))
    }

    /// A copy of one shard's entries, in no order; empty for a shard that does not exist.
    pub fn shard_entries(&self, shard: usize) -> Vec<Entry> {
        self.shard_view(shard).0
    }

    #[cfg(test)]
    /// Takes out those entries of one shard of which `gone` is true, and gives how many.
    pub fn remove_if(&self, shard: usize, gone: impl Fn(&Entry) -> bool) -> u64 {
        let gone: Vec<_> = self.shard_entries(shard).into_iter().filter(gone).collect();
        gone.iter().filter_map(|entry| self.remove(entry.tag(), entry.place())).count() as u64
    }

    /// The segments as they are now.
    pub fn segments(&self) -> Arc<SegmentTable<S>> {
        Arc::clone(&self.state.load().segments)
    }

    /// Makes a segment of so many bytes known, before any entry names it. `false` when the index can address no more.
    #[must_use]
    pub fn add_segment(&self, number: u32, bytes: u64, segment: &Arc<S>) -> bool {
        self.publish(|state| Some(state.with_segments(state.segments.with(number, bytes, segment)?)))
            .is_some()
    }

    /// Forgets a segment that no entry names any more. Readers that hold it keep it open.
    pub fn remove_segment(&self, number: u32) {
        let names = |entry: &Entry| entry.place().segment == number;
        debug_assert!(
            !(0..SHARDS).any(|shard| self.shard_entries(shard).iter().any(names)),
            "nobody is left behind"
        );
        self.publish(|state| Some(state.with_segments(state.segments.without(number))));
    }

    #[cfg(test)]
    /// Makes room for so many sessions in all, so that filling up to them grows no table.
    pub fn reserve(&self, sessions: usize) {
        // Digests spread sessions as chance does: four standard deviations more than the mean fit nearly always.
        let mean = sessions / SHARDS;
        let likely = mean.saturating_add(4 * mean.isqrt()).saturating_add(8);
        self.shards().for_each(|mut shard| shard.reserve(likely));
    }

    /// Gives back memory of shards that are nearly empty after a crowd has left: a rehash of what is left in them.
    pub fn trim(&self) {
        self.shards().for_each(|mut shard| shard.trim());
    }

    /// Bytes of memory: the tables at their capacity, and everything around them.
    pub fn memory_bytes(&self) -> usize {
        let state = self.state.load();
        let tables: usize = state.tables.iter().flat_map(|group| group.iter()).map(Lines::memory_bytes).sum();
        size_of::<Self>()
            + size_of::<[Turn; SHARDS]>()
            + size_of::<State<S>>()
            + size_of::<[Group; SHARDS / GROUP]>()
            + tables
            + state.segments.memory_bytes()
    }

    /// What `find` finds of a short tag, and the state that it was found in: both were true at one moment.
    #[inline]
    fn read<T>(&self, tag: u64, find: impl Fn(&Lines, u64) -> T) -> (T, Guard<Arc<State<S>>>) {
        let number = number(tag);
        self.turn(number).read(|| {
            let state = self.state.load();
            (find(state.lines(number), short_tag(tag)), state)
        })
    }

    /// Changes the entry at this place, if it is still there and `change` gives another.
    fn change(
        &self,
        tag: u64,
        place: Place,
        change: impl FnOnce(Packed, &SegmentTable<S>) -> Option<Packed>,
    ) -> bool {
        let Some(shard) = Shard::lock(self, number(tag)) else { return false };
        let segments = &shard.state.segments;
        let Some(address) = segments.address(place) else { return false };
        let change = |packed| change(packed, segments);
        shard.change(short_tag(tag), |packed| packed.address() == address, change)
    }

    /// Takes out the entry at this place, if it is still there and `is_it`.
    fn take(&self, tag: u64, place: Place, is_it: impl Fn(Packed) -> bool) -> Option<Entry> {
        let mut shard = Shard::lock(self, number(tag))?;
        let address = shard.state.segments.address(place)?;
        let is_it = |packed: Packed| packed.address() == address && is_it(packed);
        Some(shard.remove(short_tag(tag), is_it)?.unpack(place))
    }

    /// Puts another state in the place of this one, unless `change` gives none. Who looks from now on sees the new one.
    /// Gives the old one, to be dropped where files may be unmapped.
    fn publish(&self, change: impl FnOnce(&State<S>) -> Option<State<S>>) -> Option<Arc<State<S>>> {
        let _changing = self.changing.lock();
        let state = change(&self.state.load())?;
        Some(self.state.swap(Arc::new(state)))
    }

    fn shards(&self) -> impl Iterator<Item = Shard<'_, S>> {
        (0..SHARDS).filter_map(|number| Shard::lock(self, number))
    }

    #[expect(clippy::indexing_slicing, reason = "ten bits name one of 1024 shards")]
    fn turn(&self, shard: usize) -> &Turn {
        &self.turns[shard % SHARDS]
    }
}

/// The shard that a tag falls to.
const fn number(tag: u64) -> usize {
    (tag >> (u64::BITS - SHARD_BITS)) as usize
}
