//! A hash table of entries in cache lines: open addressing, four entries a line, the next line when one is full.
//!
//! ```text
//!   line 0      ┌────────┬────────┬────────┬────────┐   64 bytes: what a lookup costs is one of them nearly always
//!   line 1      ├────────┼────────┼────────┼────────┤
//!    ...        │        │        │        │        │   the home of a tag is tag × lines / 2^28: homes ascend as
//!   line n - 1  └────────┴────────┴────────┴────────┘   tags do, so growing reads and writes memory in order
//! ```
//!
//! Owns: [`Lines`]. Linear probing by buckets (Knuth, volume 3, section 6.4). Invariants:
//! 1. In a line the entries come first and the empty places last.
//! 2. Every line from an entry's home to the one before its own is full. So a search ends at the first line with an
//!    empty place, and a removal pulls entries back from behind instead of leaving tombstones.
//! 3. At most thirteen of sixteen places are taken, and a table grows by a quarter: nothing doubles, so memory is
//!    never far above what the entries take, and no growth is long.
//! 4. Lines are allocated in pieces of one size, so that what one table has outgrown is what the next one grows into:
//!    tables in one piece, each larger than the last, would leave the allocator with holes that fit nobody.
//!
//! One writer at a time changes a table, while others read it: 1 and 2 then hold for the writer alone. Whoever else reads may
//! find nonsense, but comes to an end, and learns from the [`turn`](super::turn) that he has to look again.

use std::sync::Arc;

use super::entry::{Packed, SHORT_BITS, Slot};
use crate::sync::stripe_bits;

const WAYS: usize = 4;

/// Lines of one piece: 4 KiB.
const PIECE: usize = 64;

/// From so many pieces on a table has whole ones.
const WHOLE: usize = 4;

/// Lines by which a table grows at least.
const LEAST: usize = 2;

/// Bits of a tag above those that choose the line: all tags in one table have the same.
pub(super) const SHARD_BITS: u32 = stripe_bits(10);
const HASH_BITS: u32 = SHORT_BITS - SHARD_BITS;

#[derive(Default)]
#[repr(align(64))]
struct Line([Slot; WAYS]);

impl Line {
    fn is_full(&self) -> bool {
        let Self([.., last]) = self;
        !last.load().is_empty()
    }

    /// Its entries, without the empty places.
    fn entries(&self) -> impl Iterator<Item = Packed> {
        self.0.iter().map(Slot::load).filter(|entry| !entry.is_empty())
    }

    /// The first entry with this short tag of which `is_it` is true, and where it is.
    fn find(&self, short: u64, is_it: impl Fn(Packed) -> bool) -> Option<(&Slot, Packed)> {
        let slots = self.0.iter().map(|slot| (slot, slot.load()));
        slots.into_iter().find(|(_, entry)| entry.short() == short && !entry.is_empty() && is_it(*entry))
    }

    /// Puts an entry into the first empty place; `false` when there is none.
    fn push(&self, entry: Packed) -> bool {
        let empty = self.0.iter().find(|slot| slot.load().is_empty());
        empty.map(|slot| slot.store(entry)).is_some()
    }

    /// Takes out an entry that is in it: the last one takes its place.
    fn take(&self, entry: Packed) {
        let last = self.0.iter().rev().find(|slot| !slot.load().is_empty());
        if let Some((slot, last)) = self.0.iter().find(|slot| slot.load() == entry).zip(last) {
            slot.store(last.load());
            last.store(Packed::EMPTY);
        }
    }
}

/// See the module. How many entries are in it, its writer counts; a clone is the same table.
#[derive(Clone, Default)]
pub(super) struct Lines {
    pieces: Arc<[Box<[Line]>]>,
    count: usize,
}

impl Lines {
    /// So many empty lines, or a few more.
    fn of(count: usize) -> Self {
        let count = if count < WHOLE * PIECE { count } else { count.next_multiple_of(PIECE) };
        let piece = |first| (first..count.min(first + PIECE)).map(|_| Line::default()).collect();
        Self { pieces: (0..count).step_by(PIECE).map(piece).collect(), count }
    }

    /// Room for so many entries, if memory grants it.
    pub fn with_room_for(entries: usize) -> Option<Self> {
        let lines = lines_for(entries);
        Vec::<Line>::new().try_reserve_exact(lines).is_ok().then(|| Self::of(lines))
    }

    /// How many entries it has places for.
    pub const fn places(&self) -> usize {
        self.count * WAYS
    }

    /// How many entries may be in it.
    pub const fn room(&self) -> usize {
        room(self.count)
    }

    /// The same entries with a quarter more room, or a few lines.
    pub fn grown(&self) -> Self {
        self.copied_into(Self::of(self.count + (self.count / 4).max(LEAST)))
    }

    /// The same entries in another table, which must have room for them.
    pub fn copied_into(&self, other: Self) -> Self {
        self.iter().for_each(|entry| other.put(entry));
        other
    }

    pub fn iter(&self) -> impl Iterator<Item = Packed> {
        self.pieces.iter().flat_map(|piece| piece.iter()).flat_map(Line::entries)
    }

    /// The entries with this short tag.
    pub fn find(&self, short: u64) -> impl Iterator<Item = Packed> {
        let same = move |entry: &Packed| entry.short() == short && !entry.is_empty();
        self.probe(short).flat_map(|line| &line.0).map(Slot::load).filter(same)
    }

    /// The first entry with this short tag: nearly always the only one.
    pub fn first(&self, short: u64) -> Option<Packed> {
        let mut at = self.home(short);
        for _ in 0..self.count {
            let line = self.line(at)?;
            if let Some((_, entry)) = line.find(short, |_| true) {
                return Some(entry);
            }
            if !line.is_full() {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// Changes the first entry with this short tag of which `is_it` is true, if `change` gives another; that must have the
    /// same tag.
    pub fn change(
        &self,
        short: u64,
        is_it: impl Fn(Packed) -> bool,
        change: impl FnOnce(Packed) -> Option<Packed>,
    ) -> bool {
        let found = self.probe(short).find_map(|line| line.find(short, &is_it));
        found.and_then(|(slot, entry)| change(entry).map(|entry| slot.store(entry))).is_some()
    }

    /// Puts an entry in. There must be room.
    pub fn put(&self, entry: Packed) {
        self.lines_from(self.home(entry.short())).find(|line| line.push(entry));
    }

    /// Takes out the first entry with this short tag of which `is_it` is true.
    pub fn remove(&self, short: u64, is_it: impl Fn(Packed) -> bool) -> Option<Packed> {
        let mut at = self.home(short);
        for line in self.probe(short) {
            if let Some((_, entry)) = line.find(short, &is_it) {
                self.take(at, entry);
                return Some(entry);
            }
            at = self.after(at);
        }
        None
    }

    pub fn memory_bytes(&self) -> usize {
        self.pieces.len() * size_of::<Box<[Line]>>() + self.count * size_of::<Line>()
    }

    fn line(&self, at: usize) -> Option<&Line> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }

    /// All lines, once, beginning with this one.
    fn lines_from(&self, mut at: usize) -> impl Iterator<Item = &Line> {
        std::iter::from_fn(move || {
            let line = self.line(at);
            at = self.after(at);
            line
        })
        .take(self.count)
    }

    /// The lines in which this short tag may be: up to the first that is not full.
    fn probe(&self, short: u64) -> impl Iterator<Item = &Line> {
        let mut ended = false;
        self.lines_from(self.home(short))
            .take_while(move |line| !std::mem::replace(&mut ended, !line.is_full()))
    }

    /// Takes an entry out of a line, and pulls entries that had overflowed it back into it.
    fn take(&self, mut hole: usize, mut entry: Packed) {
        while let Some(line) = self.line(hole) {
            let overflowed = line.is_full();
            line.take(entry);
            let pulled = if overflowed { self.overflow_of(hole) } else { None };
            let Some((at, next)) = pulled else { return };
            line.push(next);
            (hole, entry) = (at, next);
        }
    }

    /// An entry behind this line that would have gone into it, and the line it is in.
    fn overflow_of(&self, hole: usize) -> Option<(usize, Packed)> {
        let mut at = self.after(hole);
        while at != hole {
            let line = self.line(at)?;
            let from_hole = self.distance(hole, at);
            let passed = |entry: &Packed| self.distance(self.home(entry.short()), at) >= from_hole;
            if let Some(entry) = line.entries().find(passed) {
                return Some((at, entry));
            }
            if !line.is_full() {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    const fn home(&self, short: u64) -> usize {
        let hash = short & ((1 << HASH_BITS) - 1);
        ((hash * self.count as u64) >> HASH_BITS) as usize
    }

    const fn after(&self, at: usize) -> usize {
        if at + 1 < self.count { at + 1 } else { 0 }
    }

    /// How many steps it is from one line forward to another.
    const fn distance(&self, from: usize, to: usize) -> usize {
        if from <= to { to - from } else { to + self.count - from }
    }
}

/// How many entries may be in so many lines.
const fn room(lines: usize) -> usize {
    lines * WAYS * 13 / 16
}

/// How many lines so many entries need.
const fn lines_for(entries: usize) -> usize {
    entries.saturating_mul(16).div_ceil(WAYS * 13)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::segments::SegmentTable;
    use crate::index::{Entry, Place};
    use crate::session::Deadline;
    use proptest::prelude::*;

    const TOP: u64 = 1 << HASH_BITS;

    fn entry(short: u64, offset: u32) -> Packed {
        let segments = SegmentTable::new(64 << 10, (0, 0)).with(1, 1 << 20, &Arc::new(())).unwrap();
        let tag = short << (u64::BITS - SHORT_BITS);
        Packed::pack(Entry::new(tag, Place { segment: 1, offset }, Deadline::at_ms(9), 0), &segments).unwrap()
    }

    /// Invariants 1 to 3.
    fn check(lines: &Lines, len: usize) {
        assert_eq!(len, lines.iter().count());
        assert!(len <= lines.room());
        for (at, line) in lines.pieces.iter().flat_map(|piece| piece.iter()).enumerate() {
            let first_empty = line.0.iter().position(|slot| slot.load().is_empty()).unwrap_or(WAYS);
            assert_eq!(line.entries().count(), first_empty, "empty places come last");
            for entry in line.entries() {
                let mut before = lines.home(entry.short());
                while before != at {
                    assert!(lines.line(before).unwrap().is_full(), "a gap between home and place");
                    before = lines.after(before);
                }
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64),
        Remove(usize),
        Grow,
        Shrink,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Few homes, at both ends of the table, so that lines overflow, and the last one into the first.
        let short = prop_oneof![0u64..3, TOP - 3..TOP, 0..TOP];
        let step = prop_oneof![
            8 => short.prop_map(Step::Insert),
            6 => (0usize..1_000).prop_map(Step::Remove),
            1 => Just(Step::Grow),
            1 => Just(Step::Shrink),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        #[test]
        fn lines_agree_with_a_list_however_tags_collide(steps in steps()) {
            let (mut lines, mut list) = (Lines::default(), Vec::new());
            for (offset, step) in (0..).zip(steps) {
                match step {
                    Step::Insert(short) => {
                        if list.len() == lines.room() {
                            lines = lines.grown();
                        }
                        lines.put(entry(short, offset));
                        list.push(entry(short, offset));
                    }
                    Step::Remove(at) if !list.is_empty() => {
                        let gone = list.swap_remove(at % list.len());
                        prop_assert_eq!(lines.remove(gone.short(), |entry| entry == gone), Some(gone));
                        prop_assert_eq!(lines.remove(gone.short(), |entry| entry == gone), None);
                    }
                    Step::Remove(_) => {}
                    Step::Grow => lines = lines.grown(),
                    Step::Shrink => lines = lines.copied_into(Lines::with_room_for(list.len()).unwrap()),
                }
                check(&lines, list.len());
                for short in list.iter().map(|entry| entry.short()).chain([7, TOP - 7]) {
                    let mut found: Vec<_> = lines.find(short).map(Packed::address).collect();
                    let same = list.iter().filter(|entry| entry.short() == short);
                    let mut expected: Vec<_> = same.map(|entry| entry.address()).collect();
                    prop_assert_eq!(lines.first(short).is_some(), !expected.is_empty());
                    found.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn so_many_lines_are_enough_and_one_less_is_not() {
        for entries in 1..1_000 {
            let lines = lines_for(entries);
            assert!(
                room(lines) >= entries && room(lines - 1) < entries,
                "{lines} lines for {entries} entries"
            );
        }
    }

    #[test]
    fn a_table_is_as_large_as_it_says_in_pieces_of_one_size() {
        for lines in [0, 1, PIECE - 1, PIECE, PIECE + 1, WHOLE * PIECE - 1, 10 * PIECE + 7] {
            let table = Lines::of(lines);
            let lines = if lines < WHOLE * PIECE { lines } else { 11 * PIECE };
            assert_eq!(table.pieces.iter().map(|piece| piece.len()).sum::<usize>(), lines);
            let sizes: Vec<_> = table.pieces.iter().map(|piece| piece.len()).collect();
            let (last, others) = sizes.split_last().unwrap_or((&PIECE, &[]));
            assert!((1..=PIECE).contains(last) && others.iter().all(|size| *size == PIECE));
            assert!(
                table.memory_bytes() >= lines * 64 && table.memory_bytes() <= lines * 64 + lines / 4 + 64
            );
            assert_eq!(table.places(), lines * WAYS);
            assert!((0..lines).all(|at| table.line(at).is_some()) && table.line(lines).is_none());
        }
        assert!(Lines::with_room_for(usize::MAX).is_none());
    }

    /// Else some of a tag's bits choose nothing, and sessions crowd into a few lines.
    #[test]
    fn shard_and_line_are_chosen_by_all_bits_of_a_tag_and_by_no_other() {
        assert_eq!(SHARD_BITS + HASH_BITS, SHORT_BITS);
        let lines = Lines::with_room_for(10_000).unwrap();
        let last = lines.count - 1;
        let of_any_shard = |shard: u64, rest: u64| lines.home(shard << (SHORT_BITS - SHARD_BITS) | rest);
        for shard in [0, 1, (1 << SHARD_BITS) - 1] {
            assert_eq!((of_any_shard(shard, 0), of_any_shard(shard, TOP - 1)), (0, last));
        }
    }

    #[test]
    fn entries_are_spread_over_all_lines() {
        let lines = Lines::with_room_for(10_000).unwrap();
        let homes: std::collections::BTreeSet<_> =
            (0..64).map(|n| lines.home(n * (TOP / 64)) * 64 / lines.count).collect();
        assert!(homes.len() > 60, "{homes:?}");
    }
}
