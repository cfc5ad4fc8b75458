//! The two headers: the store's, and each segment's.
//!
//! The store's header, the file `STORE`, stands twice, at byte 0 and byte 4,096:
//! ```text
//!   0          8        12       16             32             64        72        80       84      88      92
//!   ┌──────────┬────────┬────────┬──────────────┬──────────────┬─────────┬─────────┬────────┬───────┬───────┐
//!   │ SESSILE1 │ format │ oldest │ store id     │ secret       │ opening │ durable │ root   │ flags │ crc   │
//!   └──────────┴────────┴────────┴──────────────┴──────────────┴─────────┴─────────┴────────┴───────┴───────┘
//! ```
//! A segment's header:
//! ```text
//!   0          8        12       16         32     40        48      56          64          72         80
//!   ┌──────────┬────────┬────────┬──────────┬──────┬─────────┬───────┬───────────┬───────────┬──────────┬───
//!   │ SESSEGM1 │ number │ origin │ store id │ salt │ opening │ clock │ first lsn │ copied to │ capacity │
//!   └──────────┴────────┴────────┴──────────┴──────┴─────────┴───────┴───────────┴───────────┴──────────┴───
//!   80      84       88
//!   ┬───────┬────────┬────────┬─────┐
//!   │ count │ length │ roster │ crc │
//!   ┴───────┴────────┴────────┴─────┘
//! ```
//! Owns: these layouts. Invariants:
//! 1. `root` names a log segment that was durable, header and all, before the name was written. The two copies are
//!    written one after the other with a sync between, so a crash leaves at least one whole.
//! 2. `opening` grows with every opening and is durable before the opening's first LSN (rule 1).
//! 3. `durable` is an LSN up to which everything was durable when the header was written: at the latest roll or close.
//!    So a log that ends below it has lost its end.
//! 4. The file was `capacity` bytes long, durably, before its header was written: one that is shorter was cut.
//! 5. Frames begin at the segment header's `length`, a multiple of 8.

use super::bytes::{Put, Reader};
use super::roster::{Listed, Origin, Roster};

/// The format that this release writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;
/// The oldest format whose readers can read what this release writes.
const OLDEST_READER: u32 = 1;

const STORE_MAGIC: [u8; 8] = *b"SESSILE1";
const SEGMENT_MAGIC: [u8; 8] = *b"SESSEGM1";
/// Distance between the two copies of the store's header, so that no sector holds both.
pub(crate) const COPY_BYTES: u64 = 4096;
const FLAG_KEEPS_IDS: u32 = 1;
const SEGMENT_FIXED_BYTES: usize = 88;

/// The store's header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreHeader {
    pub store_id: [u8; 16],
    pub secret: [u8; 32],
    pub opening: u64,
    pub durable_lsn: u64,
    pub root: u32,
    pub keeps_ids: bool,
}

/// What a copy of the store's header turned out to be.
pub(crate) enum StoreCopy {
    Sound(StoreHeader),
    /// Written by a release that reads and writes a newer format.
    Newer(u32),
    Damaged,
}

impl StoreHeader {
    /// Bytes of one copy.
    pub const BYTES: usize = 92;

    /// One copy.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&STORE_MAGIC);
        out.put_u32(FORMAT);
        out.put_u32(OLDEST_READER);
        out.extend_from_slice(&self.store_id);
        out.extend_from_slice(&self.secret);
        out.put_u64(self.opening);
        out.put_u64(self.durable_lsn);
        out.put_u32(self.root);
        out.put_u32(if self.keeps_ids { FLAG_KEEPS_IDS } else { 0 });
        let crc = crc32fast::hash(&out);
        out.put_u32(crc);
        out
    }

    /// The header in one copy.
    pub fn decode(bytes: &[u8]) -> StoreCopy {
        Self::decode_sound(bytes).unwrap_or(StoreCopy::Damaged)
    }

    fn decode_sound(bytes: &[u8]) -> Option<StoreCopy> {
        let covered = bytes.get(..Self::BYTES - 4)?;
        let mut reader = Reader::new(bytes);
        if reader.take(8)? != STORE_MAGIC {
            return None;
        }
        let (format, oldest_reader) = (reader.u32()?, reader.u32()?);
        let store_id = reader.take(16)?.try_into().ok()?;
        let secret = reader.take(32)?.try_into().ok()?;
        let (opening, durable_lsn) = (reader.u64()?, reader.u64()?);
        let (root, flags) = (reader.u32()?, reader.u32()?);
        let header =
            Self { store_id, secret, opening, durable_lsn, root, keeps_ids: flags & FLAG_KEEPS_IDS != 0 };
        if reader.u32()? != crc32fast::hash(covered) {
            return None;
        }
        // Only now: a torn copy may say anything.
        let is_newer = oldest_reader > FORMAT && format > FORMAT;
        Some(if is_newer { StoreCopy::Newer(format) } else { StoreCopy::Sound(header) })
    }
}

/// A segment's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub number: u32,
    pub origin: Origin,
    pub store_id: [u8; 16],
    pub salt: u64,
    pub opening: u64,
    pub clock_ms: u64,
    /// The LSN of the first frame that is appended to it; 0 in a compaction's output.
    pub lsn_first: u64,
    /// Where the frames end that recovery had copied to it before it was named, and made durable with it.
    pub copied_to: u64,
    /// How long the file was made before anything was written to it.
    pub capacity: u64,
    /// The other segments of the store when this one began; empty in a compaction's output.
    pub roster: Roster,
}

impl SegmentHeader {
    /// Bytes of a header with so many segments on its roster: where the frames begin.
    pub fn bytes(listed: usize) -> usize {
        (SEGMENT_FIXED_BYTES + listed * Listed::BYTES + 4).next_multiple_of(8)
    }

    /// The header, padded to where the frames begin.
    pub fn encode(&self) -> Vec<u8> {
        let length = Self::bytes(self.roster.len());
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.put_u32(self.number);
        out.put_u32(self.origin as u32);
        out.extend_from_slice(&self.store_id);
        out.put_u64(self.salt);
        out.put_u64(self.opening);
        out.put_u64(self.clock_ms);
        out.put_u64(self.lsn_first);
        out.put_u64(self.copied_to);
        out.put_u64(self.capacity);
        out.put_u32(self.roster.len() as u32);
        out.put_u32(length as u32);
        self.roster.iter().for_each(|listed| listed.encode(&mut out));
        let crc = crc32fast::hash(&out);
        out.put_u32(crc);
        out.pad_to_8();
        out
    }

    /// How long the header is by its own word, not to be believed before [`decode`](Self::decode).
    pub fn claimed_length(front: &[u8]) -> Option<usize> {
        let mut reader = Reader::new(front);
        if reader.take(8)? != SEGMENT_MAGIC {
            return None;
        }
        reader.take(72)?;
        let (count, length) = (reader.u32()? as usize, reader.u32()? as usize);
        (count < 1 << 20 && length == Self::bytes(count)).then_some(length)
    }

    /// The header at the front of a file.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::claimed_length(bytes)?;
        let mut reader = Reader::new(bytes.get(8..)?);
        let number = reader.u32()?;
        let origin = match reader.u32()? {
            1 => Origin::Log,
            2 => Origin::Compaction,
            _ => return None,
        };
        let store_id = reader.take(16)?.try_into().ok()?;
        let (salt, opening, clock_ms) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (lsn_first, copied_to, capacity) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let count = reader.u32()? as usize;
        reader.u32()?;
        let covered = bytes.get(..SEGMENT_FIXED_BYTES.checked_add(count.checked_mul(Listed::BYTES)?)?)?;
        let listed = (0..count).map(|_| Listed::decode(&mut reader)).collect::<Option<Vec<_>>>()?;
        let roster = Roster::of_distinct(listed).filter(|roster| !roster.lists(number))?;
        let header = Self {
            number,
            origin,
            store_id,
            salt,
            opening,
            clock_ms,
            lsn_first,
            copied_to,
            capacity,
            roster,
        };
        (reader.u32()? == crc32fast::hash(covered)).then_some(header)
    }

    /// Bytes to read to learn [`claimed_length`](Self::claimed_length).
    pub const FRONT_BYTES: usize = SEGMENT_FIXED_BYTES;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Deadline;

    fn store_header() -> StoreHeader {
        StoreHeader {
            store_id: [1; 16],
            secret: [2; 32],
            opening: 3,
            durable_lsn: 5,
            root: 4,
            keeps_ids: true,
        }
    }

    #[test]
    fn exact_bytes_of_the_store_header() {
        let out = store_header().encode();
        assert_eq!(out.len(), 92);
        assert_eq!(&out[..16], b"SESSILE1\x01\0\0\0\x01\0\0\0");
        assert_eq!(out[64..88], [3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn no_flipped_bit_passes_in_the_store_header() {
        let out = store_header().encode();
        assert!(matches!(StoreHeader::decode(&out), StoreCopy::Sound(header) if header == store_header()));
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(StoreHeader::decode(&bad), StoreCopy::Sound(_)), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut out = store_header().encode();
        out[8] = 2;
        out[12] = 2;
        assert!(matches!(StoreHeader::decode(&out), StoreCopy::Damaged), "a torn copy is not a newer one");
        let covered = out.len() - 4;
        let crc = crc32fast::hash(&out[..covered]);
        out[covered..].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(StoreHeader::decode(&out), StoreCopy::Newer(2)));
    }

    fn segment_header() -> SegmentHeader {
        let listed = Listed {
            number: 1,
            origin: Origin::Log,
            salt: 2,
            end: 3,
            lsn_min: 4,
            lsn_max: 5,
            ceiling: Deadline::at_ms(6),
        };
        SegmentHeader {
            number: 2,
            origin: Origin::Log,
            store_id: [7; 16],
            salt: 8,
            opening: 9,
            clock_ms: 10,
            lsn_first: 11,
            copied_to: 12,
            capacity: 13,
            roster: Roster::new(vec![listed]),
        }
    }

    #[test]
    fn a_segment_header_comes_back_and_no_flipped_bit_passes() {
        let out = segment_header().encode();
        assert_eq!(out.len(), SegmentHeader::bytes(1));
        assert_eq!(SegmentHeader::decode(&out), Some(segment_header()));
        for bit in 0..(88 + 48 + 4) * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&bad), None, "bit {bit}");
        }
        for cut in 0..out.len() - 4 {
            assert_eq!(SegmentHeader::decode(&out[..cut]), None);
        }
    }

    #[test]
    fn a_store_that_keeps_no_ids_and_one_that_a_later_release_wrote_for_us_too_are_read() {
        let header = StoreHeader { keeps_ids: false, ..store_header() };
        let mut out = header.encode();
        assert!(matches!(StoreHeader::decode(&out), StoreCopy::Sound(back) if back == header));
        out[8] = 2;
        let crc = crc32fast::hash(&out[..StoreHeader::BYTES - 4]);
        out[StoreHeader::BYTES - 4..StoreHeader::BYTES].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(StoreHeader::decode(&out), StoreCopy::Sound(back) if back == header));
    }

    #[test]
    fn a_roster_that_no_store_has_is_not_made_room_for() {
        let with = |count: usize, length: usize| {
            let mut front = segment_header().encode();
            front[80..84].copy_from_slice(&(count as u32).to_le_bytes());
            front[84..88].copy_from_slice(&(length as u32).to_le_bytes());
            SegmentHeader::claimed_length(&front)
        };
        assert_eq!(with(1, SegmentHeader::bytes(1)), Some(SegmentHeader::bytes(1)));
        assert_eq!(with(1, SegmentHeader::bytes(2)), None);
        assert_eq!(with(1 << 20, SegmentHeader::bytes(1 << 20)), None);
    }
}
