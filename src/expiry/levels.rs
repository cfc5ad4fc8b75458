//! The slots of the wheel: which slot a moment belongs to, and which one comes next.
//!
//! ```text
//!  level   a slot is      64 slots reach
//!    0     1 ms           64 ms
//!    1     64 ms          4.1 s
//!    2     4.1 s          4.4 min
//!    3     4.4 min        4.7 h
//!    4     4.7 h          12.4 d
//!    5     12.4 d         2.2 y
//!    6     2.2 y          139 y
//!    7     139 y          8,920 y
//! ```
//!
//! Eight levels of six bits are more than the 44 bits of a deadline, so every moment has a slot of its own: no horizon,
//! and no bucket for what lies beyond one (Caffeine's 6.5 days, Tokio's panic past 2^36 ms).
//!
//! Owns: the slots and their occupancy. Invariants, with *hand* for the moment that the wheel has come to:
//! 1. A moment goes to the lowest level on which it is fewer than 64 slots ahead of the hand's own slot. So on every
//!    level the occupied slots are among 64 successive ones that begin with the hand's, and six bits name each.
//! 2. The hand never passes the start of an occupied slot. Together with 1: when a slot has fired and an entry in it
//!    is to be looked at again later within it, it goes to a lower level; it never comes back to the slot it is from.
//! 3. A bit of `occupied` is set exactly when its slot has entries.
//! 4. Moments are `u64` from a fixed epoch and only ever grow; nothing is signed, nothing narrows, nothing wraps.

use super::slot::{Packed, Slot};

pub(super) const LEVELS: usize = 8;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;

/// The last moment that the wheel can come to: the largest number in 48 bits.
pub(super) const LAST_MS: u64 = (1 << (SLOT_BITS * LEVELS as u32)) - 1;

struct Level {
    occupied: u64,
    slots: [Slot; SLOTS],
}

/// A slot in time: the start of it, and the level. Ordered as slots fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub start_ms: u64,
    pub level: usize,
}

impl At {
    /// The last moment of the slot.
    pub const fn end_ms(self) -> u64 {
        self.start_ms | ((1 << shift(self.level)) - 1)
    }

    /// Whether a moment is in this slot's span.
    pub const fn covers(self, ms: u64) -> bool {
        ms >> shift(self.level) == self.start_ms >> shift(self.level)
    }

    const fn index(self) -> usize {
        (self.start_ms >> shift(self.level)) as usize % SLOTS
    }
}

/// All slots.
pub(super) struct Levels {
    levels: Box<[Level; LEVELS]>,
}

const fn shift(level: usize) -> u32 {
    SLOT_BITS * (level % LEVELS) as u32
}

impl Levels {
    pub fn new() -> Self {
        let level = |_| Level { occupied: 0, slots: std::array::from_fn(|_| Slot::default()) };
        Self { levels: Box::new(std::array::from_fn(level)) }
    }

    /// The slot for a moment, seen from the hand; a moment behind the hand is due at once.
    pub fn at(hand_ms: u64, when_ms: u64) -> At {
        let when_ms = when_ms.clamp(hand_ms, LAST_MS);
        let near = |level: &usize| (when_ms >> shift(*level)) - (hand_ms >> shift(*level)) < SLOTS as u64;
        let level = (0..LEVELS).find(near).unwrap_or(LEVELS - 1);
        At { start_ms: when_ms >> shift(level) << shift(level), level }
    }

    pub fn push(&mut self, at: At, entry: Packed) {
        let level = self.level_mut(at);
        level.occupied |= 1 << at.index();
        level.slot_mut(at).ahead.push(entry);
    }

    /// Gives the slot to `change`, and sets its bit by what is left in it.
    pub fn change<T>(&mut self, at: At, change: impl FnOnce(&mut Slot) -> T) -> T {
        let level = self.level_mut(at);
        let slot = level.slot_mut(at);
        let changed = change(slot);
        if slot.len() == 0 {
            level.occupied &= !(1 << at.index());
        } else {
            level.occupied |= 1 << at.index();
        }
        changed
    }

    /// The first occupied slot at or after `from`, in the order in which slots fire.
    pub fn next(&self, hand_ms: u64, from: At) -> Option<At> {
        self.firsts(hand_ms, from).min()
    }

    /// The occupied slot that fires first.
    pub fn soonest(&self, hand_ms: u64) -> Option<At> {
        self.next(hand_ms, At { start_ms: 0, level: 0 })
    }

    /// Entries in slots that begin at or before this moment.
    pub fn elapsed(&self, hand_ms: u64, now_ms: u64) -> usize {
        let mut count = 0;
        for (number, level) in self.levels.iter().enumerate() {
            let mut left = level.occupied;
            while left != 0 {
                let at = absolute(hand_ms, number, left.trailing_zeros());
                count += if at.start_ms <= now_ms { level.slot(at).len() } else { 0 };
                left &= left - 1;
            }
        }
        count
    }

    pub fn memory_bytes(&self) -> usize {
        let slots = self.levels.iter().flat_map(|level| &level.slots);
        let chunks = slots.map(|slot| slot.ahead.memory_bytes() + slot.behind.memory_bytes());
        size_of::<[Level; LEVELS]>() + chunks.sum::<usize>()
    }

    /// On each level, its first occupied slot at or after `from`.
    fn firsts(&self, hand_ms: u64, from: At) -> impl Iterator<Item = At> {
        self.levels.iter().enumerate().filter_map(move |(number, level)| {
            let hand_slot = hand_ms >> shift(number);
            // Slots of this level before this one come before `from`: they begin earlier, or at the same moment on
            // a lower level than `from`'s.
            let first = (from.start_ms >> shift(number))
                + u64::from(
                    (from.start_ms, from.level) > (from.start_ms >> shift(number) << shift(number), number),
                );
            let skip = first.saturating_sub(hand_slot);
            if skip >= SLOTS as u64 {
                return None;
            }
            let ahead = level.occupied.rotate_right((hand_slot % SLOTS as u64) as u32) & (u64::MAX << skip);
            (ahead != 0).then(|| {
                let slot = hand_slot + u64::from(ahead.trailing_zeros());
                At { start_ms: slot << shift(number), level: number }
            })
        })
    }

    #[expect(clippy::indexing_slicing, reason = "a level is a number below 8, made in this file")]
    const fn level_mut(&mut self, at: At) -> &mut Level {
        &mut self.levels[at.level % LEVELS]
    }
}

impl Level {
    #[expect(clippy::indexing_slicing, reason = "six bits cannot leave an array of 64")]
    const fn slot(&self, at: At) -> &Slot {
        &self.slots[at.index()]
    }

    #[expect(clippy::indexing_slicing, reason = "six bits cannot leave an array of 64")]
    const fn slot_mut(&mut self, at: At) -> &mut Slot {
        &mut self.slots[at.index()]
    }
}

/// The slot in time that six bits on a level stand for (invariant 1).
const fn absolute(hand_ms: u64, level: usize, index: u32) -> At {
    let hand_slot = hand_ms >> shift(level);
    let ahead = (index as u64).wrapping_sub(hand_slot) % SLOTS as u64;
    At { start_ms: (hand_slot + ahead) << shift(level), level }
}
