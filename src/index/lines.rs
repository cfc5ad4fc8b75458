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

use super::entry::{Packed, SHORT_BITS};
use crate::sync::stripe_bits;

const WAYS: usize = 4;

/// Bits of a tag above those that choose the line: all tags in one table have the same.
pub(super) const SHARD_BITS: u32 = stripe_bits(8);
const HASH_BITS: u32 = SHORT_BITS - SHARD_BITS;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([Packed; WAYS]);

impl Line {
    const EMPTY: Self = Self([Packed::EMPTY; WAYS]);

    const fn is_full(&self) -> bool {
        let Self([.., last]) = self;
        !last.is_empty()
    }

    /// Its entries, without the empty places.
    fn entries(&self) -> impl Iterator<Item = Packed> {
        self.0.iter().copied().filter(|entry| !entry.is_empty())
    }

    /// Puts an entry into the first empty place; `false` when there is none.
    fn push(&mut self, entry: Packed) -> bool {
        let place = self.0.iter_mut().find(|place| place.is_empty());
        place.map(|place| *place = entry).is_some()
    }

    /// Takes out an entry that is in it.
    fn take(&mut self, entry: Packed) {
        let count = self.entries().count();
        if let Some(at) = self.0.iter().position(|other| *other == entry) {
            self.0.swap(at, count.saturating_sub(1));
            if let Some(last) = self.0.get_mut(count.saturating_sub(1)) {
                *last = Packed::EMPTY;
            }
        }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    len: usize,
}

impl Lines {
    pub const fn new() -> Self {
        Self { lines: Vec::new(), len: 0 }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    pub fn iter(&self) -> impl Iterator<Item = Packed> {
        self.lines.iter().flat_map(Line::entries)
    }

    /// The entries with this short tag.
    pub fn find(&self, short: u64) -> impl Iterator<Item = Packed> {
        let mut at = self.home(short);
        let mut last = self.lines.is_empty();
        let lines = std::iter::from_fn(move || {
            let line = if last { None } else { self.lines.get(at) }?;
            last = !line.is_full();
            at = self.after(at);
            Some(line)
        });
        lines.flat_map(|line| line.0).filter(move |entry| entry.short() == short && !entry.is_empty())
    }

    /// The first entry with this short tag: nearly always the only one.
    pub fn first(&self, short: u64) -> Option<Packed> {
        let (at, way) = self.line_of(short, |_| true)?;
        self.lines.get(at)?.0.get(way).copied()
    }

    /// The first entry with this short tag of which `is_it` is true, to be changed.
    pub fn find_mut(&mut self, short: u64, is_it: impl Fn(Packed) -> bool) -> Option<&mut Packed> {
        let at = self.line_of(short, is_it)?;
        self.lines.get_mut(at.0)?.0.get_mut(at.1)
    }

    fn line_of(&self, short: u64, is_it: impl Fn(Packed) -> bool) -> Option<(usize, usize)> {
        let mut at = self.home(short);
        loop {
            let line = self.lines.get(at)?;
            let fits = |entry: &Packed| entry.short() == short && !entry.is_empty() && is_it(*entry);
            if let Some(way) = line.0.iter().position(fits) {
                return Some((at, way));
            }
            if !line.is_full() {
                return None;
            }
            at = self.after(at);
        }
    }

    pub fn insert(&mut self, entry: Packed) {
        if self.len >= room(self.lines.len()) {
            self.resize(self.lines.len() + (self.lines.len() / 4).max(1));
        }
        self.put(entry);
        self.len += 1;
    }

    pub fn remove(&mut self, short: u64, is_it: impl Fn(Packed) -> bool) -> Option<Packed> {
        let (at, way) = self.line_of(short, is_it)?;
        let entry = *self.lines.get(at)?.0.get(way)?;
        self.len -= 1;
        self.take(at, entry);
        Some(entry)
    }

    /// Makes room for so many entries in all. Best effort: a wish that memory cannot grant is none.
    pub fn reserve(&mut self, entries: usize) {
        let lines = lines_for(entries);
        if lines > self.lines.len() && Vec::<Line>::new().try_reserve_exact(lines).is_ok() {
            self.resize(lines);
        }
    }

    /// Gives memory back where less than an eighth of it is used.
    pub fn trim(&mut self) {
        if self.len < self.lines.len() * WAYS / 8 {
            self.resize(lines_for(self.len * 2));
        }
    }

    pub const fn memory_bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    fn resize(&mut self, lines: usize) {
        let old = std::mem::replace(&mut self.lines, vec![Line::EMPTY; lines]);
        old.iter().flat_map(Line::entries).for_each(|entry| self.put(entry));
    }

    fn put(&mut self, entry: Packed) {
        let mut at = self.home(entry.short());
        while let Some(line) = self.lines.get_mut(at) {
            if line.push(entry) {
                return;
            }
            at = self.after(at);
        }
    }

    /// Takes an entry out of a line, and pulls entries that had overflowed it back into it.
    fn take(&mut self, mut hole: usize, mut entry: Packed) {
        loop {
            let Some(line) = self.lines.get_mut(hole) else { return };
            let overflowed = line.is_full();
            line.take(entry);
            if !overflowed {
                return;
            }
            let Some((at, pulled)) = self.overflow_of(hole) else { return };
            if let Some(line) = self.lines.get_mut(hole) {
                line.push(pulled);
            }
            (hole, entry) = (at, pulled);
        }
    }

    /// An entry behind this line that would have gone into it, and the line it is in.
    fn overflow_of(&self, hole: usize) -> Option<(usize, Packed)> {
        let mut at = self.after(hole);
        while at != hole {
            let line = self.lines.get(at)?;
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
        ((hash * self.lines.len() as u64) >> HASH_BITS) as usize
    }

    const fn after(&self, at: usize) -> usize {
        if at + 1 < self.lines.len() { at + 1 } else { 0 }
    }

    /// How many steps it is from one line forward to another.
    const fn distance(&self, from: usize, to: usize) -> usize {
        if from <= to { to - from } else { to + self.lines.len() - from }
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
    use std::sync::Arc;

    const TOP: u64 = 1 << HASH_BITS;

    fn entry(short: u64, offset: u32) -> Packed {
        let segments = SegmentTable::new(64 << 10, (0, 0)).with(1, 1 << 20, &Arc::new(())).unwrap();
        let tag = short << (u64::BITS - SHORT_BITS);
        Packed::pack(Entry::new(tag, Place { segment: 1, offset }, Deadline::at_ms(9), 0), &segments).unwrap()
    }

    /// Invariants 1 to 3.
    fn check(lines: &Lines) {
        assert_eq!(lines.len(), lines.iter().count());
        assert!(lines.len() <= room(lines.lines.len()));
        for (at, line) in lines.lines.iter().enumerate() {
            let first_empty = line.0.iter().position(|place| place.is_empty()).unwrap_or(WAYS);
            assert_eq!(line.entries().count(), first_empty, "empty places come last");
            for entry in line.entries() {
                let mut before = lines.home(entry.short());
                while before != at {
                    assert!(lines.lines[before].is_full(), "a gap between home and place");
                    before = lines.after(before);
                }
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64),
        Remove(usize),
        Reserve(usize),
        Trim,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Few homes, at both ends of the table, so that lines overflow, and the last one into the first.
        let short = prop_oneof![0u64..3, TOP - 3..TOP, 0..TOP];
        let step = prop_oneof![
            8 => short.prop_map(Step::Insert),
            6 => (0usize..1_000).prop_map(Step::Remove),
            1 => (0usize..200).prop_map(Step::Reserve),
            1 => Just(Step::Trim),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        #[test]
        fn lines_agree_with_a_list_however_tags_collide(steps in steps()) {
            let (mut lines, mut list) = (Lines::new(), Vec::new());
            for (offset, step) in (0..).zip(steps) {
                match step {
                    Step::Insert(short) => {
                        lines.insert(entry(short, offset));
                        list.push(entry(short, offset));
                    }
                    Step::Remove(at) if !list.is_empty() => {
                        let gone = list.swap_remove(at % list.len());
                        prop_assert_eq!(lines.remove(gone.short(), |entry| entry == gone), Some(gone));
                        prop_assert_eq!(lines.remove(gone.short(), |entry| entry == gone), None);
                    }
                    Step::Remove(_) => {}
                    Step::Reserve(entries) => lines.reserve(entries),
                    Step::Trim => lines.trim(),
                }
                check(&lines);
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
    fn memory_is_given_back_when_a_crowd_has_left_and_not_before() {
        let mut lines = Lines::default();
        lines.reserve(10_000);
        let all = lines.lines.len();
        assert_eq!(lines.memory_bytes(), all * size_of::<Line>());
        let few = (all * WAYS / 8) as u64;
        (0..few).for_each(|n| lines.insert(entry(n * TOP / 10_000, n as u32)));
        lines.trim();
        assert_eq!(lines.lines.len(), all, "an eighth of it is used");
        assert!(lines.remove(0, |_| true).is_some());
        lines.trim();
        assert!(room(lines.lines.len()) >= 2 * lines.len(), "and not at once made again");
        assert!(lines.lines.len() < all / 2);
        check(&lines);
    }

    /// Else some of a tag's bits choose nothing, and sessions crowd into a few lines.
    #[test]
    fn shard_and_line_are_chosen_by_all_bits_of_a_tag_and_by_no_other() {
        assert_eq!(SHARD_BITS + HASH_BITS, SHORT_BITS);
        let mut lines = Lines::default();
        lines.reserve(10_000);
        let last = lines.lines.len() - 1;
        let of_any_shard = |shard: u64, rest: u64| lines.home(shard << (SHORT_BITS - SHARD_BITS) | rest);
        for shard in [0, 1, (1 << SHARD_BITS) - 1] {
            assert_eq!((of_any_shard(shard, 0), of_any_shard(shard, TOP - 1)), (0, last));
        }
    }

    #[test]
    fn entries_are_spread_over_all_lines() {
        let mut lines = Lines::default();
        lines.reserve(10_000);
        let homes: std::collections::BTreeSet<_> =
            (0..64).map(|n| lines.home(n * (TOP / 64)) * 64 / lines.lines.len()).collect();
        assert!(homes.len() > 60, "{homes:?}");
    }
}
