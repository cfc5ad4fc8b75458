//! Why a session is not there: a bounded memory of recent endings.
//!
//! Owns: one array of words, mapped directly by tag, so that remembering costs one store and no lock.
//!
//! ```text
//!   63                                                    1  0
//!  ┌────────────────────────────────────────────────────────┬──┐
//!  │ tag without its lowest bit (63)                        │ E│   E  expired, else ended        0: empty
//!  └────────────────────────────────────────────────────────┴──┘
//! ```
//!
//! Invariants: 1. best effort: a later ending displaces an earlier one of the same slot, and the answer is then
//! "never". 2. It only words an answer: nothing may decide by it whether a session lives.

use crate::error::Unknown;
use crate::sync::atomic::Ordering;
use crate::sync::tally::AtomicU64;

/// How many endings are remembered unless said otherwise: 128 KiB.
pub(crate) const SLOTS_DEFAULT: usize = 16_384;

const EXPIRED: u64 = 1;

/// Recent endings by tag.
pub(crate) struct Endings {
    /// A power of two of them.
    slots: Box<[AtomicU64]>,
}

impl Default for Endings {
    fn default() -> Self {
        Self::new(SLOTS_DEFAULT)
    }
}

impl Endings {
    /// A memory of so many endings, rounded up to a power of two; at most 16 million.
    pub fn new(slots: usize) -> Self {
        let slots = slots.clamp(1, 1 << 24).next_power_of_two();
        Self { slots: (0..slots).map(|_| AtomicU64::new(0)).collect() }
    }

    /// A session has expired, or was ended otherwise.
    pub fn remember(&self, tag: u64, expired: bool) {
        if let Some(slot) = self.slot(tag) {
            slot.store(tag & !EXPIRED | u64::from(expired), Ordering::Relaxed);
        }
    }

    /// A session of that id has begun anew.
    pub fn forget(&self, tag: u64) {
        let Some(slot) = self.slot(tag) else { return };
        let word = slot.load(Ordering::Relaxed);
        if word & !EXPIRED == tag & !EXPIRED {
            // Where this fails, another ending has just taken the slot, and that one stays.
            let _ = slot.compare_exchange(word, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// What is remembered.
    pub fn why(&self, tag: u64) -> Unknown {
        let word = self.slot(tag).map_or(0, |slot| slot.load(Ordering::Relaxed));
        match word {
            0 => Unknown::Never,
            word if word & !EXPIRED != tag & !EXPIRED => Unknown::Never,
            word if word & EXPIRED == 0 => Unknown::Ended,
            _ => Unknown::Expired,
        }
    }

    #[cfg(test)]
    /// Forgets everything.
    pub fn clear(&self) {
        self.slots.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
    }

    /// Bytes of memory.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.slots.len() * size_of::<AtomicU64>()
    }

    fn slot(&self, tag: u64) -> Option<&AtomicU64> {
        // Bit 0 is not kept, so it must not choose the slot either.
        self.slots.get((tag >> 1) as usize & (self.slots.len() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_remembered_with_its_reason_until_the_id_begins_anew() {
        let endings = Endings::default();
        for tag in [2, 0x1234_5678_9abc_def0, u64::MAX] {
            assert_eq!(endings.why(tag), Unknown::Never);
            endings.remember(tag, true);
            assert_eq!(endings.why(tag), Unknown::Expired);
            endings.remember(tag, false);
            assert_eq!(endings.why(tag), Unknown::Ended);
            endings.forget(tag);
            assert_eq!(endings.why(tag), Unknown::Never);
        }
        endings.remember(2, true);
        endings.clear();
        assert_eq!(endings.why(2), Unknown::Never);
    }

    #[test]
    fn another_id_of_the_same_slot_displaces_and_is_never_mistaken() {
        let endings = Endings::new(1);
        endings.remember(100, true);
        assert_eq!(endings.why(200), Unknown::Never);
        endings.forget(200);
        assert_eq!(endings.why(100), Unknown::Expired);
        endings.remember(200, false);
        assert_eq!((endings.why(100), endings.why(200)), (Unknown::Never, Unknown::Ended));
    }

    #[test]
    fn the_memory_is_bounded() {
        assert!(Endings::default().memory_bytes() <= 128 * 1024 + 64);
        assert_eq!(Endings::new(0).slots.len(), 1);
        assert_eq!(Endings::new(1000).slots.len(), 1024);
    }

    #[test]
    fn nothing_is_remembered_of_the_smallest_tags_and_bit_0_chooses_no_slot() {
        let endings = Endings::default();
        assert_eq!((endings.why(0), endings.why(1)), (Unknown::Never, Unknown::Never));
        endings.remember(2, false);
        assert_eq!(endings.why(3), Unknown::Ended);
        assert_eq!(Endings::new(1000).memory_bytes(), size_of::<Endings>() + 1024 * 8);
    }
}
