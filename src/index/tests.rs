//! The index against a plain map, and what it promises to readers while others write.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

/// A tag as digests give it: uniform in all its bits.
fn tag(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

fn place(segment: u32, offset: u32) -> Place {
    Place { segment, offset }
}

/// An index over segments of these numbers.
fn index(segments: impl IntoIterator<Item = u32>) -> Index<u32> {
    let index = Index::new(SegmentTable::new(64 << 10, (0, 0)));
    segments.into_iter().for_each(|number| assert!(index.add_segment(number, 1 << 20, &Arc::new(number))));
    index
}

fn entry(tag: u64, place: Place, deadline_ms: u64) -> Entry {
    Entry::new(tag, place, Deadline::at_ms(deadline_ms), 0)
}

#[test]
fn a_reader_gets_entry_and_segment_together() {
    let index = index([3]);
    assert!(index.insert(entry(tag(1), place(3, 8), 10)));
    assert!(!index.insert(entry(tag(2), place(4, 8), 10)), "a segment that is missing is visible as such");
    let looked = index.lookup(tag(1), 0).unwrap();
    let (found, segment) = looked.parts();
    assert_eq!((found.place(), segment.map(|segment| **segment)), (place(3, 8), Some(3)));
    assert!(index.lookup(tag(1), 1).is_none() && index.lookup(tag(9), 0).is_none());
    assert!(index.lookup(tag(2), 0).is_none());
    assert!(!index.replace(tag(1), place(3, 8), entry(tag(1), place(4, 8), 20), Deadline::at_ms(0)));
    assert!(!index.relocate(tag(1), place(3, 8), place(4, 8)));
    assert_eq!(index.at(tag(1), place(3, 8)), Some(entry(tag(1), place(3, 8), 10)));
    index.remove(tag(1), place(3, 8)).unwrap();
    index.remove_segment(3);
    assert_eq!(index.segments().len(), 0);
}

#[test]
fn two_sessions_with_one_tag_are_told_apart_by_place() {
    let index = index(1..4);
    let tag = tag(1);
    assert!(index.insert(entry(tag, place(1, 1), 10)));
    assert!(index.insert(entry(tag, place(1, 2), 20)));
    let mut places = [0, 1].map(|nth| index.lookup(tag, nth).unwrap().entry().place());
    places.sort();
    assert_eq!(places, [place(1, 1), place(1, 2)]);
    assert!(index.lookup(tag, 2).is_none());
    assert_eq!(index.remove(tag, place(1, 1)).unwrap().deadline(), Deadline::at_ms(10));
    assert_eq!(index.remove(tag, place(1, 1)), None);
    assert_eq!(index.lookup(tag, 0).unwrap().entry().place(), place(1, 2));
}

#[test]
fn a_fresh_write_wins_against_compaction_expiry_and_touch() {
    let index = index(1..4);
    let (tag, old, new) = (tag(1), place(1, 1), place(2, 1));
    assert!(index.insert(entry(tag, old, 10)));
    assert!(index.replace(tag, old, entry(tag, new, 50), Deadline::at_ms(0)));
    assert!(!index.relocate(tag, old, place(3, 3)));
    assert_eq!(index.remove(tag, old), None);
    assert_eq!(index.extend(tag, old, Deadline::at_ms(99)), None);
    assert!(!index.replace(tag, old, entry(tag, old, 60), Deadline::at_ms(0)) && !index.rearm(tag, old, 7));
    assert_eq!(index.at(tag, new), Some(entry(tag, new, 50)));
}

#[test]
fn a_move_keeps_what_touches_have_done_since() {
    let index = index(1..4);
    let (tag, old, new) = (tag(1), place(1, 1), place(2, 1));
    assert!(index.insert(entry(tag, old, 10).with_subject(true)));
    assert_eq!(index.extend(tag, old, Deadline::at_ms(30)), Some((Deadline::at_ms(10), Deadline::at_ms(30))));
    assert_eq!(index.extend(tag, old, Deadline::at_ms(20)), Some((Deadline::at_ms(30), Deadline::at_ms(30))));
    assert!(index.rearm(tag, old, 9) && index.relocate(tag, old, new));
    let moved = index.lookup(tag, 0).unwrap().entry();
    assert_eq!((moved.place(), moved.deadline(), moved.arming()), (new, Deadline::at_ms(30), 9));
    assert!(moved.has_subject());
}

/// B12: a wheel entry that a newer one has replaced finds nothing.
#[test]
fn b12_a_stale_wheel_entry_finds_nothing() {
    let index = index(1..4);
    let (tag, at) = (tag(1), place(1, 1));
    assert!(index.insert(entry(tag, at, 10)));
    assert_eq!(index.by_short(short_tag(tag), 0).map(Entry::place), Some(at));
    assert!(index.rearm(tag, at, 1));
    assert_eq!(index.by_short(short_tag(tag), 0), None);
    assert_eq!(index.by_short(short_tag(tag), 1).map(Entry::place), Some(at));
    index.remove(tag, at);
    assert_eq!(index.by_short(short_tag(tag), 1), None);
    assert_eq!(index.by_short(u64::MAX, 0), None);
}

#[test]
fn of_two_sessions_with_one_short_tag_the_wheel_finds_the_one_that_ends_first() {
    let index = index(1..4);
    let (first, second) = (tag(1), tag(1) ^ 1);
    assert_eq!(short_tag(first), short_tag(second));
    assert!(index.insert(entry(first, place(1, 1), 20)));
    assert!(index.insert(entry(second, place(1, 2), 10)));
    assert_eq!(index.by_short(short_tag(first), 0).map(Entry::place), Some(place(1, 2)));
    index.remove(second, place(1, 2));
    assert_eq!(index.by_short(short_tag(first), 0).map(Entry::place), Some(place(1, 1)));
}

#[test]
fn counts_follow_every_way_in_and_out() {
    let index = index(1..4);
    (0..1_000).for_each(|n| assert!(index.insert(entry(tag(n), place(1, n as u32), n))));
    assert_eq!(index.len(), 1_000);
    let old = |entry: &Entry| entry.deadline() < Deadline::at_ms(100);
    let gone: u64 = (0..index.shard_count()).map(|shard| index.remove_if(shard, old)).sum();
    assert_eq!((gone, index.len()), (100, 900));
    let listed: usize = (0..index.shard_count()).map(|shard| index.shard_entries(shard).len()).sum();
    assert_eq!((listed, index.shard_entries(SHARDS).len(), index.remove_if(SHARDS, |_| true)), (900, 0, 0));
    assert_eq!((index.clear(), index.len(), index.clear()), (900, 0, 0));
}

#[test]
fn memory_is_what_was_reserved_and_goes_back_after_a_crowd() {
    let index = index(1..4);
    let empty = index.memory_bytes();
    index.reserve(usize::MAX);
    assert_eq!(index.memory_bytes(), empty, "a wish that cannot be granted is not an abort");
    index.reserve(50_000);
    let reserved = index.memory_bytes();
    (0..50_000).for_each(|n| assert!(index.insert(entry(tag(n), place(1, n as u32), n))));
    assert_eq!(index.memory_bytes(), reserved, "no table grew");
    (0..49_000).for_each(|n| assert!(index.remove(tag(n), place(1, n as u32)).is_some()));
    index.trim();
    assert!(index.memory_bytes() <= empty + index.shard_count() * 64 * 8 && index.len() == 1_000);
    assert!((49_000..50_000).all(|n| index.lookup(tag(n), 0).is_some()));
    index.clear();
    assert_eq!(index.memory_bytes(), empty);
}

/// Sessions move from segment to segment, each of which disappears behind them: no reader may ever find an entry
/// whose segment is gone, or lose a session on the way.
#[test]
fn readers_never_miss_a_segment_while_compaction_moves_everything() {
    const SESSIONS: u64 = 200;
    const MOVES: u32 = 150;
    let index = index([0]);
    (0..SESSIONS).for_each(|n| assert!(index.insert(entry(tag(n), place(0, n as u32), 10))));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for n in 0..SESSIONS {
                    let looked = index.lookup(tag(n), 0).unwrap();
                    let (entry, segment) = looked.parts();
                    assert_eq!(segment.map(|segment| **segment), Some(entry.place().segment));
                }
            }
        });
        for segment in 0..MOVES {
            assert!(index.add_segment(segment + 1, 1 << 20, &Arc::new(segment + 1)));
            for n in 0..SESSIONS {
                assert!(index.relocate(tag(n), place(segment, n as u32), place(segment + 1, n as u32)));
            }
            index.remove_segment(segment);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(index.segments().len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64, u64),
    Replace(u64, u32, u64),
    Relocate(u64, u32),
    Remove(u64, u32),
    Extend(u64, u64),
    Rearm(u64, u8),
    RemoveIf(u64),
    Clear,
    Trim,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || 0u64..24;
    let back = || 0u32..3;
    let step = prop_oneof![
        8 => (id(), 0u64..1_000).prop_map(|(id, ms)| Step::Insert(id, ms)),
        4 => (id(), back(), 0u64..1_000).prop_map(|(id, back, ms)| Step::Replace(id, back, ms)),
        4 => (id(), back()).prop_map(|(id, back)| Step::Relocate(id, back)),
        4 => (id(), back()).prop_map(|(id, back)| Step::Remove(id, back)),
        4 => (id(), any::<u64>()).prop_map(|(id, ms)| Step::Extend(id, ms)),
        2 => (id(), any::<u8>()).prop_map(|(id, arming)| Step::Rearm(id, arming)),
        1 => (0u64..1_000).prop_map(Step::RemoveIf),
        1 => Just(Step::Clear),
        1 => Just(Step::Trim),
    ];
    prop::collection::vec(step, 0..200)
}

/// The index and a map, to which each step is done alike; a step answers whether the two gave the same.
struct Both {
    index: Index<u32>,
    model: HashMap<u64, Entry>,
    offset: u32,
}

impl Both {
    fn count(&self, gone: impl Fn(&Entry) -> bool) -> u64 {
        (0..self.index.shard_count()).map(|shard| self.index.remove_if(shard, &gone)).sum()
    }

    /// The place of a session, or one that it has not been at.
    fn place(&self, id: u64, back: u32) -> Place {
        let place = self.model.get(&tag(id)).map_or(place(1, 0), |entry| entry.place());
        Place { segment: place.segment + back, ..place }
    }

    fn entry(&mut self, id: u64, back: u32) -> Option<&mut Entry> {
        self.model.get_mut(&tag(id)).filter(|_| back == 0)
    }

    fn step(&mut self, step: Step) -> bool {
        self.offset += 1;
        let fresh = place(1, self.offset);
        match step {
            Step::Insert(id, ms) => {
                self.model.entry(tag(id)).or_insert_with(|| {
                    assert!(self.index.insert(entry(tag(id), fresh, ms)));
                    entry(tag(id), fresh, ms)
                });
                true
            }
            Step::Replace(id, back, ms) => {
                let (old, new) = (self.place(id, back), entry(tag(id), fresh, ms));
                let hit = self.entry(id, back).map(|entry| *entry = new).is_some();
                self.index.replace(tag(id), old, new, Deadline::at_ms(0)) == hit
            }
            Step::Relocate(id, back) => {
                let old = self.place(id, back);
                let hit = self.entry(id, back).map(|entry| *entry = entry.with_place(fresh)).is_some();
                self.index.relocate(tag(id), old, fresh) == hit
            }
            Step::Remove(id, back) => {
                let old = self.place(id, back);
                let gone = if back == 0 { self.model.remove(&tag(id)) } else { None };
                self.index.remove(tag(id), old) == gone
            }
            Step::Extend(id, ms) => self.extend(id, Deadline::at_ms(ms)),
            Step::Rearm(id, arming) => {
                let old = self.place(id, 0);
                let hit = self.entry(id, 0).map(|entry| *entry = entry.with_arming(arming)).is_some();
                self.index.rearm(tag(id), old, arming) == hit
            }
            Step::RemoveIf(ms) => {
                let before = self.model.len();
                self.model.retain(|_, entry| !entry.deadline().has_passed(ms));
                self.count(|entry| entry.deadline().has_passed(ms)) == (before - self.model.len()) as u64
            }
            Step::Clear => self.index.clear() == self.model.drain().count() as u64,
            Step::Trim => {
                self.index.trim();
                true
            }
        }
    }

    fn extend(&mut self, id: u64, deadline: Deadline) -> bool {
        let old = self.place(id, 0);
        let expected = self.entry(id, 0).map(|entry| {
            let before = entry.deadline();
            *entry = entry.with_deadline(before.max(deadline));
            (before, entry.deadline())
        });
        self.index.extend(tag(id), old, deadline) == expected
    }
}

proptest! {
    /// `back` makes a step act on a place that the session has left, which must change nothing.
    #[test]
    fn the_index_agrees_with_a_map(steps in steps()) {
        let mut both = Both { index: index(1..4), model: HashMap::new(), offset: 0 };
        for step in steps {
            prop_assert!(both.step(step.clone()), "{:?}", step);
            prop_assert_eq!(both.index.len(), both.model.len());
            for id in 0..24 {
                let found = both.model.get(&tag(id)).copied();
                prop_assert_eq!(both.index.lookup(tag(id), 0).map(|looked| looked.entry()), found);
                if let Some(found) = found {
                    prop_assert_eq!(both.index.by_short(found.short(), found.arming()), Some(found));
                }
            }
        }
        let shards = 0..both.index.shard_count();
        let mut listed: Vec<_> = shards.flat_map(|shard| both.index.shard_entries(shard)).collect();
        let mut expected: Vec<_> = both.model.into_values().collect();
        listed.sort_by_key(|entry| entry.tag());
        expected.sort_by_key(|entry| entry.tag());
        prop_assert_eq!(listed, expected);
    }
}

/// What operators plan with: all shards, and the segments, are in it.
#[test]
fn the_memory_that_is_told_is_that_of_all_parts() {
    let index = index(1..40);
    (0..10_000).for_each(|n| assert!(index.insert(entry(tag(n), place(1, n as u32), 10))));
    let shards = index.shards().map(|shard| shard.lines().memory_bytes());
    let (lines, segments): (usize, usize) = (shards.sum(), index.segments().memory_bytes());
    let turns = index.turns.len() * size_of::<Turn>();
    let fixed = size_of::<Index<u32>>() + turns + size_of::<State<u32>>() + SHARDS * size_of::<Lines>();
    assert!(lines > 10_000 * 16 && segments > 0);
    assert_eq!(index.memory_bytes(), fixed + lines + segments);
}

#[test]
fn memory_is_given_back_when_a_crowd_has_left_and_not_before() {
    let index = index([1]);
    let entry = |n: u64| entry(n << (u64::BITS - SHORT_BITS), place(1, n as u32), 9);
    index.reserve(10_000 * SHARDS);
    let all = index.state.load().lines(0).places();
    let few = all as u64 / 8;
    (0..few).for_each(|n| assert!(index.insert(entry(n))));
    let places = || index.state.load().lines(0).places();
    index.trim();
    assert_eq!(places(), all, "an eighth of it is used");
    assert!(index.remove(entry(0).tag(), entry(0).place()).is_some());
    index.trim();
    assert!(index.state.load().lines(0).room() >= 2 * index.len(), "and not at once made again");
    assert!(places() < all / 2 && index.shard_entries(0).len() as u64 == few - 1);
    assert_eq!((index.clear(), index.len(), places()), (few - 1, 0, 0));
}

/// Both words of an entry change together, entries move between lines, and tables are replaced: a reader sees one state
/// or the other.
#[test]
fn no_reader_sees_half_an_entry() {
    const SESSIONS: u64 = 40;
    let index = index([1]);
    let at = |n: u64, round: u64| entry(tag(n), place(1, round as u32), 9 + round);
    (0..SESSIONS).for_each(|n| assert!(index.insert(at(n, n))));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for n in (0..SESSIONS).cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                    let found = index.lookup(tag(n), 0).expect("it is never gone").entry();
                    assert_eq!(found.deadline(), Deadline::at_ms(9 + u64::from(found.place().offset)));
                }
            });
        }
        let mut last: Vec<u64> = (0..SESSIONS).collect();
        for round in SESSIONS..20_000 {
            let n = (round % SESSIONS) as usize;
            let (old, new) = (at(n as u64, last[n]), at(n as u64, round));
            assert!(index.replace(tag(n as u64), old.place(), new, Deadline::at_ms(0)));
            last[n] = round;
            // Others come and go, in the same lines and in larger tables.
            let near = |k: u64| tag(n as u64) ^ (k + 1) << (u64::BITS - SHORT_BITS);
            let passing = |k: u64| entry(near(k), place(1, 50_000 + k as u32), 5);
            (0..4).for_each(|k| assert!(index.insert(passing(k))));
            (0..4).for_each(|k| assert!(index.remove(near(k), passing(k).place()).is_some()));
            if round.is_multiple_of(200) {
                index.trim();
                index.reserve(20 * SHARDS);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
