//! What the index says of a session, and the two words that memory holds of it.
//!
//! ```text
//!          63                                  28 27                          0
//!         ┌──────────────────────────────────────┬─────────────────────────────┐
//! word 0  │ tag: 36 of the digest's 128 bits     │ address, low (28)           │
//!         └──────────────────────────────────────┴─────────────────────────────┘
//!          63                            20 19         12 11 10 9             0
//!         ┌────────────────────────────────┬─────────────┬──┬──┬───────────────┐
//! word 1  │ deadline, ms since 1970 (44)   │ arming (8)  │ 0│HS│ address, high │
//!         └────────────────────────────────┴─────────────┴──┴──┴───────────────┘
//!         HS has a subject
//!         address: where the record begins, see [`segments`](super::segments)
//! ```
//!
//! Owns: the bits, and nothing that changes them. Invariants:
//! 1. A segment number is never used again, so a place names one record for ever: comparing places is comparing
//!    records, and a compare-and-swap on the place cannot be fooled by reuse. Addresses *are* used again, so they
//!    are compared under the lock of the shard alone, each made from its place by the table of that moment.
//! 2. Neither tag nor arming tells one session from all others: of ten million sessions some hundreds share their 36 bits
//!    with another. Who must know which one it is compares places, or the digest in the record.
//! 3. The deadline is that of memory, which a touch moves ahead of the log. `NEVER` is all 44 bits set, and the
//!    arming is in bits of its own, so the sentinel cannot swallow it (moka #527 lost its generation that way).
//! 4. No entry is all zeros, since no address is 0: that is an empty place.

use std::fmt;

use super::segments::{ADDRESS_BITS, SegmentTable};
use crate::session::Deadline;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Bits of the tag that an entry holds, and a wheel entry too.
pub(crate) const SHORT_BITS: u32 = 36;

/// The top 36 bits of a tag.
pub(crate) const fn short_tag(tag: u64) -> u64 {
    tag >> (u64::BITS - SHORT_BITS)
}

/// Where a record begins: a segment, and an offset in it counted in 8-byte units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub segment: u32,
    /// In units of 8 bytes.
    pub offset: u32,
}

impl Place {
    /// The place of a record that begins at this byte; `None` when no segment is so large, or no record begins there.
    pub const fn at_byte(segment: u32, byte: u64) -> Option<Self> {
        let units = byte / 8;
        if byte.is_multiple_of(8) && units <= u32::MAX as u64 {
            Some(Self { segment, offset: units as u32 })
        } else {
            None
        }
    }

    /// The offset in bytes.
    pub const fn byte(self) -> u64 {
        self.offset as u64 * 8
    }
}

/// What is known of a session without its record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    short: u64,
    place: Place,
    deadline: Deadline,
    arming: u8,
    has_subject: bool,
}

impl Entry {
    /// An entry without a subject.
    pub const fn new(tag: u64, place: Place, deadline: Deadline, arming: u8) -> Self {
        Self { short: short_tag(tag), place, deadline, arming, has_subject: false }
    }

    /// The first bits of the digest, the rest zero: it finds what the whole tag finds, and more.
    pub const fn tag(self) -> u64 {
        self.short << (u64::BITS - SHORT_BITS)
    }

    /// The top 36 bits of the tag.
    pub const fn short(self) -> u64 {
        self.short
    }

    /// Where the session's newest record is.
    pub const fn place(self) -> Place {
        self.place
    }

    /// Whether the record belongs to a subject.
    pub const fn has_subject(self) -> bool {
        self.has_subject
    }

    /// When the session ends unless it is used before.
    pub const fn deadline(self) -> Deadline {
        self.deadline
    }

    /// Which wheel entry is the current one.
    pub const fn arming(self) -> u8 {
        self.arming
    }

    /// The same with this flag.
    pub const fn with_subject(self, has_subject: bool) -> Self {
        Self { has_subject, ..self }
    }

    #[cfg(test)]
    /// The same at another place.
    pub const fn with_place(self, place: Place) -> Self {
        Self { place, ..self }
    }

    #[cfg(test)]
    /// The same with another deadline.
    pub const fn with_deadline(self, deadline: Deadline) -> Self {
        Self { deadline, ..self }
    }

    #[cfg(test)]
    /// The same with another arming.
    pub const fn with_arming(self, arming: u8) -> Self {
        Self { arming, ..self }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Entry")
            .field("tag", &format_args!("{:09x}", self.short))
            .field("place", &self.place)
            .field("has_subject", &self.has_subject)
            .field("deadline", &self.deadline)
            .field("arming", &self.arming)
            .finish()
    }
}

const LOW_BITS: u32 = u64::BITS - SHORT_BITS;
const LOW_MASK: u64 = (1 << LOW_BITS) - 1;
const HIGH_BITS: u32 = ADDRESS_BITS - LOW_BITS;
const HIGH_MASK: u64 = (1 << HIGH_BITS) - 1;
const HAS_SUBJECT: u64 = 1 << HIGH_BITS;
const ARMING_AT: u32 = HIGH_BITS + 2;
const DEADLINE_AT: u32 = ARMING_AT + u8::BITS;
const LIFE_MASK: u64 = !((1 << DEADLINE_AT) - 1);

/// An entry in 16 bytes. See the diagram at the top of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed(u64, u64);

impl Packed {
    /// No entry.
    pub const EMPTY: Self = Self(0, 0);

    /// The entry in two words; `None` when its segment is not in this table.
    pub fn pack<S>(entry: Entry, segments: &SegmentTable<S>) -> Option<Self> {
        Some(Self::pack_at(entry, segments.address(entry.place)?))
    }

    /// The entry in two words, at the address of its place.
    pub const fn pack_at(entry: Entry, address: u64) -> Self {
        let Entry { short, place: _, deadline, arming, has_subject } = entry;
        let flags = if has_subject { HAS_SUBJECT } else { 0 };
        let life = deadline.bits() << DEADLINE_AT | (arming as u64) << ARMING_AT | flags;
        Self(short << LOW_BITS, life).with_address(address)
    }

    /// The entry that was packed, at this place.
    pub const fn unpack(self, place: Place) -> Entry {
        Entry {
            short: self.short(),
            place,
            deadline: self.deadline(),
            arming: self.arming(),
            has_subject: self.1 & HAS_SUBJECT != 0,
        }
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0 && self.1 == 0
    }

    pub const fn short(self) -> u64 {
        self.0 >> LOW_BITS
    }

    pub const fn address(self) -> u64 {
        self.0 & LOW_MASK | (self.1 & HIGH_MASK) << LOW_BITS
    }

    pub const fn deadline(self) -> Deadline {
        Deadline::at_ms(self.1 >> DEADLINE_AT)
    }

    pub const fn arming(self) -> u8 {
        (self.1 >> ARMING_AT) as u8
    }

    /// The same elsewhere.
    pub const fn with_address(self, address: u64) -> Self {
        Self(self.0 & !LOW_MASK | address & LOW_MASK, self.1 & !HIGH_MASK | address >> LOW_BITS & HIGH_MASK)
    }

    /// The same with another deadline.
    pub const fn with_deadline(self, deadline: Deadline) -> Self {
        Self(self.0, self.1 & !LIFE_MASK | deadline.bits() << DEADLINE_AT)
    }
}

/// Where a packed entry is kept: two words that are read while somebody may be changing them. Whether they belong
/// together is for the reader to find out, see [`turn`](super::turn).
#[derive(Default)]
pub(super) struct Slot(AtomicU64, AtomicU64);

impl Slot {
    pub fn load(&self) -> Packed {
        Packed(self.0.load(Ordering::Relaxed), self.1.load(Ordering::Relaxed))
    }

    pub fn store(&self, Packed(first, second): Packed) {
        self.0.store(first, Ordering::Relaxed);
        self.1.store(second, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const FAR: Place = Place { segment: u32::MAX, offset: (1 << 29) - 1 };
    const NEAR: Place = Place { segment: 0, offset: 0 };

    fn segments() -> SegmentTable<()> {
        let table = SegmentTable::new(64 << 10, (0, 0)).with(0, 1, &Arc::new(())).unwrap();
        let table = table.with(9, (2 << 40) - (8 << 30), &Arc::new(())).unwrap();
        table.with(u32::MAX, 4 << 30, &Arc::new(())).unwrap()
    }

    #[test]
    fn an_entry_packs_into_16_bytes() {
        assert_eq!(size_of::<Packed>(), 16);
    }

    #[test]
    fn every_field_keeps_to_its_own_bits() {
        let segments = segments();
        let full = Entry::new(u64::MAX, FAR, Deadline::NEVER, u8::MAX).with_subject(true);
        let none = Entry::new(0, NEAR, Deadline::at_ms(0), 0);
        let fields: [fn(Entry, Entry) -> Entry; 4] = [
            |a, b| a.with_place(b.place()),
            |a, b| a.with_deadline(b.deadline()),
            |a, b| a.with_arming(b.arming()),
            |a, b| a.with_subject(b.has_subject()),
        ];
        for (mut entry, other) in [(full, none), (none, full)] {
            for field in fields {
                entry = field(entry, other);
                let packed = Packed::pack(entry, &segments).unwrap();
                let (place, _) = segments.at(packed.address()).unwrap();
                assert_eq!(packed.unpack(place), entry);
                assert!(!packed.is_empty());
                assert_eq!(packed.short(), entry.short());
            }
        }
    }

    #[test]
    fn an_entry_can_be_changed_as_it_is_packed() {
        let segments = segments();
        for (start, end) in [(FAR, NEAR), (NEAR, FAR)] {
            let entry = Entry::new(u64::MAX / 3, start, Deadline::NEVER, 0xa5).with_subject(true);
            let packed = Packed::pack(entry, &segments).unwrap();
            let moved = packed.with_address(segments.address(end).unwrap());
            assert_eq!(moved, Packed::pack(entry.with_place(end), &segments).unwrap());
            let later = packed.with_deadline(Deadline::at_ms(7));
            assert_eq!(later, Packed::pack(entry.with_deadline(Deadline::at_ms(7)), &segments).unwrap());
        }
    }

    /// B12: the sentinel for "no deadline" must leave the generation in place.
    #[test]
    fn b12_the_sentinel_does_not_swallow_the_arming() {
        let packed = Packed::pack(Entry::new(7, FAR, Deadline::at_ms(u64::MAX), 0xab), &segments()).unwrap();
        let entry = packed.unpack(FAR);
        assert_eq!((entry.deadline(), entry.arming()), (Deadline::NEVER, 0xab));
    }

    #[test]
    fn a_place_that_does_not_fit_is_refused() {
        assert_eq!(Place::at_byte(1, 4), None);
        assert_eq!(Place::at_byte(1, 1 << 35), None);
        assert_eq!(Place::at_byte(u32::MAX, (1 << 32) - 8), Some(FAR));
        assert_eq!(FAR.byte(), (1 << 32) - 8);
        assert!(
            Packed::pack(Entry::new(7, Place { segment: 5, ..FAR }, Deadline::NEVER, 0), &segments())
                .is_none()
        );
    }
}
