//! What memory holds of a session: three words.
//!
//! ```text
//!          63            58 57                      24 23                       0
//!         ┌────────────────┬──────────────────────────┬──────────────────────────┐
//! word 0  │ shard (6)      │ hash in the shard (34)   │ compared, not hashed (24)│  tag: 64 of the digest's 128 bits
//!         └────────────────┴──────────────────────────┴──────────────────────────┘
//!          63                            32 31                        3  2  1  0
//!         ┌────────────────────────────────┬───────────────────────────┬──┬──┬──┐
//! word 1  │ segment (32)                   │ offset / 8 (29)           │ -│NU│HS│  place, and what is true of
//!         └────────────────────────────────┴───────────────────────────┴──┴──┴──┘  the record there
//!          63                                               16 15               0
//!         ┌───────────────────────────────────────────────────┬──────────────────┐
//! word 2  │ deadline, ms since the epoch (48)                 │ arming (16)      │  life
//!         └───────────────────────────────────────────────────┴──────────────────┘
//!         HS has a subject    NU never updated: the record is the create    - spare
//! ```
//!
//! Owns: the bits, and nothing that changes them. Invariants:
//! 1. A segment number is never used again, so a place names one record for ever: comparing places is comparing
//!    records, and a compare-and-swap on the place cannot be fooled by reuse.
//! 2. The top 40 bits of the tag (the *short tag*) alone decide shard and hash, so that a wheel entry, which holds
//!    no more, finds its session.
//! 3. The deadline is that of memory, which a touch moves ahead of the log. `NEVER` is all 48 bits set, and the
//!    arming is in bits of its own, so the sentinel cannot swallow it (moka #527 lost its generation that way).

use std::fmt;

use crate::session::Deadline;

const OFFSET_BITS: u32 = 29;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;
const FLAG_BITS: u32 = 3;
const FLAG_MASK: u64 = (1 << FLAG_BITS) - 1;
const HAS_SUBJECT: u64 = 1 << 0;
const NEVER_UPDATED: u64 = 1 << 1;
const ARMING_BITS: u32 = 16;
const ARMING_MASK: u64 = (1 << ARMING_BITS) - 1;

/// Bits of the tag that a wheel entry holds.
pub(crate) const SHORT_BITS: u32 = 40;

/// The top 40 bits of a tag: what the wheel keeps of it, and all that the index hashes.
pub(crate) const fn short_tag(tag: u64) -> u64 {
    tag >> (u64::BITS - SHORT_BITS)
}

/// Where a record begins: a segment, and an offset in it counted in 8-byte units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub segment: u32,
    /// In units of 8 bytes; 29 bits, which reach 4 GiB.
    pub offset: u32,
}

impl Place {
    /// The place of a record that begins at this byte; `None` when no entry could hold it: the byte is not a
    /// multiple of 8, or lies beyond 4 GiB.
    pub const fn at_byte(segment: u32, byte: u64) -> Option<Self> {
        let units = byte / 8;
        if byte.is_multiple_of(8) && units <= OFFSET_MASK {
            Some(Self { segment, offset: units as u32 })
        } else {
            None
        }
    }

    /// The offset in bytes.
    pub const fn byte(self) -> u64 {
        self.offset as u64 * 8
    }

    const fn bits(self) -> u64 {
        debug_assert!(self.offset as u64 <= OFFSET_MASK, "a segment is at most 4 GiB");
        (self.segment as u64) << 32 | (self.offset as u64 & OFFSET_MASK) << FLAG_BITS
    }
}

/// A session in memory: 24 bytes. See the diagram at the top of this file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    tag: u64,
    place: u64,
    life: u64,
}

impl Entry {
    /// An entry without a subject, and not known to be a lone create.
    pub const fn new(tag: u64, place: Place, deadline: Deadline, arming: u16) -> Self {
        Self { tag, place: place.bits(), life: deadline.bits() << ARMING_BITS | arming as u64 }
    }

    /// The three words, for a snapshot.
    pub const fn words(self) -> [u64; 3] {
        [self.tag, self.place, self.life]
    }

    /// The entry of three words that [`words`](Self::words) gave.
    pub const fn from_words([tag, place, life]: [u64; 3]) -> Self {
        Self { tag, place, life }
    }

    /// The first 64 bits of the digest; the other 64 are compared in the record.
    pub const fn tag(self) -> u64 {
        self.tag
    }

    /// The top 40 bits of the tag.
    pub const fn short(self) -> u64 {
        short_tag(self.tag)
    }

    /// Where the session's newest record is.
    pub const fn place(self) -> Place {
        Place { segment: (self.place >> 32) as u32, offset: (self.place >> FLAG_BITS & OFFSET_MASK) as u32 }
    }

    /// Whether the record belongs to a subject.
    pub const fn has_subject(self) -> bool {
        self.place & HAS_SUBJECT != 0
    }

    /// Whether the record is the create itself, so that nothing older can be on disk.
    pub const fn never_updated(self) -> bool {
        self.place & NEVER_UPDATED != 0
    }

    /// When the session ends unless it is used before.
    pub const fn deadline(self) -> Deadline {
        Deadline::at_ms(self.life >> ARMING_BITS)
    }

    /// Which wheel entry is the current one.
    pub const fn arming(self) -> u16 {
        (self.life & ARMING_MASK) as u16
    }

    /// The same with this flag.
    pub const fn with_subject(self, has: bool) -> Self {
        self.with_flag(HAS_SUBJECT, has)
    }

    /// The same with this flag.
    pub const fn with_never_updated(self, never_updated: bool) -> Self {
        self.with_flag(NEVER_UPDATED, never_updated)
    }

    /// The same at another place, flags and life kept.
    pub const fn with_place(self, place: Place) -> Self {
        Self { place: place.bits() | self.place & FLAG_MASK, ..self }
    }

    /// The same with another deadline.
    pub const fn with_deadline(self, deadline: Deadline) -> Self {
        Self { life: deadline.bits() << ARMING_BITS | self.life & ARMING_MASK, ..self }
    }

    #[cfg(test)]
    /// The same with another arming.
    pub const fn with_arming(self, arming: u16) -> Self {
        Self { life: self.life & !ARMING_MASK | arming as u64, ..self }
    }

    const fn with_flag(self, flag: u64, on: bool) -> Self {
        Self { place: if on { self.place | flag } else { self.place & !flag }, ..self }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Entry")
            .field("tag", &format_args!("{:016x}", self.tag))
            .field("place", &self.place())
            .field("has_subject", &self.has_subject())
            .field("never_updated", &self.never_updated())
            .field("deadline", &self.deadline())
            .field("arming", &self.arming())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Place = Place { segment: u32::MAX, offset: (1 << 29) - 1 };

    #[test]
    fn an_entry_has_24_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
    }

    #[test]
    fn every_field_keeps_to_its_own_bits() {
        let full =
            Entry::new(u64::MAX, FAR, Deadline::NEVER, u16::MAX).with_subject(true).with_never_updated(true);
        let none = Entry::new(0, Place { segment: 0, offset: 0 }, Deadline::at_ms(0), 0);
        assert_eq!((full.place(), full.deadline(), full.arming()), (FAR, Deadline::NEVER, u16::MAX));
        assert_eq!(none.with_place(FAR).place(), FAR);
        assert!(!none.with_place(FAR).has_subject() && !none.with_place(FAR).never_updated());
        assert!(full.with_place(none.place()).has_subject() && full.with_place(none.place()).never_updated());
        assert_eq!(none.with_deadline(Deadline::NEVER).arming(), 0);
        assert_eq!(none.with_arming(u16::MAX).deadline(), Deadline::at_ms(0));
        assert_eq!(full.with_arming(0).deadline(), Deadline::NEVER);
        assert_eq!(full.with_subject(false).with_never_updated(false).place(), FAR);
        assert_eq!(full.short(), (1 << 40) - 1);
    }

    /// B12: the sentinel for "no deadline" must leave the generation in place.
    #[test]
    fn b12_the_sentinel_does_not_swallow_the_arming() {
        let entry = Entry::new(7, FAR, Deadline::at_ms(u64::MAX), 0xabcd);
        assert_eq!((entry.deadline(), entry.arming()), (Deadline::NEVER, 0xabcd));
    }

    #[test]
    fn a_place_that_does_not_fit_is_refused() {
        assert_eq!(Place::at_byte(1, 4), None);
        assert_eq!(Place::at_byte(1, 1 << 32), None);
        assert_eq!(Place::at_byte(u32::MAX, (1 << 32) - 8), Some(FAR));
        assert_eq!(FAR.byte(), (1 << 32) - 8);
    }
}
