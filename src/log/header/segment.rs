//! A segment's header:
//! ```text
//!   0          8        12       16         32     40        48      56          64          72         80
//!   ┌──────────┬────────┬────────┬──────────┬──────┬─────────┬───────┬───────────┬───────────┬──────────┬───
//!   │ SESSEGM1 │ number │ origin │ store id │ salt │ opening │ clock │ first lsn │ copied to │ capacity │
//!   └──────────┴────────┴────────┴──────────┴──────┴─────────┴───────┴───────────┴───────────┴──────────┴───
//!   80      84       88
//!   ┬───────┬────────┬────────┬─────┐
//!   │ count │ length │ roster │ crc │                         SESSEGM1, in a store of format 1
//!   ┴───────┴────────┴────────┴─────┘
//!   80      84       88            92
//!   ┬───────┬────────┬─────────────┬──────────┬────────┬─────┐
//!   │ count │ length │ n, max. 256 │ envelope │ roster │ crc │ SESSEGM2, from format 2 on
//!   ┴───────┴────────┴─────────────┴──────────┴────────┴─────┘
//! ```
//! Owns: this layout. Invariants:
//! 1. The file was `capacity` bytes long, durably, before its header was written: one that is shorter was cut.
//! 2. Frames begin at `length`, a multiple of 8.
//! 3. A segment says its own format: those that were there before an upgrade stay what they are.

use crate::log::bytes::{Put, Reader};
use crate::log::format::{Format, SegmentEnvelope};
use crate::log::roster::{Listed, Origin, Roster};

const FIXED_BYTES: usize = 88;
/// No store has so many segments.
const LISTED_MAX: u32 = 1 << 20;

/// A segment's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub format: Format,
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
    /// Empty where the format has no room for it.
    pub envelope: SegmentEnvelope,
    /// The other segments of the store when this one began; empty in a compaction's output.
    pub roster: Roster,
}

const fn magic(format: Format) -> [u8; 8] {
    match format {
        Format::V1 => *b"SESSEGM1",
        Format::V2 => *b"SESSEGM2",
    }
}

fn format_of(magic_read: &[u8]) -> Option<Format> {
    [Format::V1, Format::V2].into_iter().find(|format| magic(*format) == magic_read)
}

impl SegmentHeader {
    /// Bytes to read to learn [`claimed_length`](Self::claimed_length).
    pub const FRONT_BYTES: usize = FIXED_BYTES + SegmentEnvelope::HEAD_BYTES;

    /// Bytes of a header of this format with that envelope and so many segments on its roster: where the frames begin.
    pub fn bytes(format: Format, envelope: &SegmentEnvelope, listed: usize) -> usize {
        let envelope = if format.has_envelopes() { envelope.span() } else { 0 };
        (FIXED_BYTES + envelope + listed * Listed::BYTES + 4).next_multiple_of(8)
    }

    /// Where the frames begin behind this header.
    pub fn length(&self) -> usize {
        Self::bytes(self.format, &self.envelope, self.roster.len())
    }

    /// The header, padded to where the frames begin.
    pub fn encode(&self) -> Vec<u8> {
        let length = self.length();
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&magic(self.format));
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
        if self.format.has_envelopes() {
            self.envelope.encode(&mut out);
        }
        self.roster.iter().for_each(|listed| listed.encode(&mut out));
        let crc = crc32fast::hash(&out);
        out.put_u32(crc);
        out.pad_to_8();
        out
    }

    /// How long the header is by its own word, not to be believed before [`decode`](Self::decode).
    pub fn claimed_length(front: &[u8]) -> Option<usize> {
        let length = Reader::new(front.get(84..)?).u32()? as usize;
        let covered = Self::claimed_end(front)?;
        (length == (covered + 4).next_multiple_of(8)).then_some(length)
    }

    /// How far the checksum reaches, by what the header says of its format, envelope and roster.
    pub fn claimed_end(front: &[u8]) -> Option<usize> {
        let format = format_of(front.get(..8)?)?;
        let count = Reader::new(front.get(80..)?).u32().filter(|count| *count < LISTED_MAX)? as usize;
        let envelope = match format.has_envelopes() {
            true => SegmentEnvelope::span_of(Reader::new(front.get(FIXED_BYTES..)?).u32()?)?,
            false => 0,
        };
        Some(FIXED_BYTES + envelope + count * Listed::BYTES)
    }

    /// The header at the front of a file.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::claimed_length(bytes)?;
        let covered = bytes.get(..Self::claimed_end(bytes)?)?;
        let mut reader = Reader::new(bytes);
        let format = format_of(reader.take(8)?)?;
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
        let envelope = match format.has_envelopes() {
            true => SegmentEnvelope::decode(&mut reader)?,
            false => SegmentEnvelope::default(),
        };
        let listed = (0..count).map(|_| Listed::decode(&mut reader)).collect::<Option<Vec<_>>>()?;
        let roster = Roster::of_distinct(listed).filter(|roster| !roster.lists(number))?;
        let header = Self {
            format,
            number,
            origin,
            store_id,
            salt,
            opening,
            clock_ms,
            lsn_first,
            copied_to,
            capacity,
            envelope,
            roster,
        };
        (reader.u32()? == crc32fast::hash(covered)).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Deadline;

    fn header(format: Format) -> SegmentHeader {
        let listed = Listed {
            number: 1,
            origin: Origin::Log,
            salt: 2,
            end: 3,
            lsn_min: 4,
            lsn_max: 5,
            ceiling: Deadline::at_ms(6),
        };
        let envelope = if format.has_envelopes() { vec![14; 6] } else { Vec::new() };
        SegmentHeader {
            format,
            number: 2,
            origin: Origin::Log,
            store_id: [7; 16],
            salt: 8,
            opening: 9,
            clock_ms: 10,
            lsn_first: 11,
            copied_to: 12,
            capacity: 13,
            envelope: SegmentEnvelope::new(envelope).unwrap(),
            roster: Roster::new(vec![listed]),
        }
    }

    #[test]
    fn a_header_comes_back_and_no_flipped_or_missing_bit_passes() {
        for (format, covered) in [(Format::V1, 88 + 48), (Format::V2, 88 + 4 + 6 + 48)] {
            let out = header(format).encode();
            assert_eq!(out.len(), header(format).length());
            assert_eq!(SegmentHeader::decode(&out), Some(header(format)));
            for bit in 0..(covered + 4) * 8 {
                let mut bad = out.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(SegmentHeader::decode(&bad), None, "{format}, bit {bit}");
            }
            for cut in 0..covered + 4 {
                assert_eq!(SegmentHeader::decode(&out[..cut]), None, "{format}, {cut} bytes");
            }
        }
    }

    #[test]
    fn format_2_adds_the_envelope_before_the_roster_and_moves_nothing_before_it() {
        let (one, two) = (header(Format::V1).encode(), header(Format::V2).encode());
        assert_eq!((&one[..8], &two[..8]), (&b"SESSEGM1"[..], &b"SESSEGM2"[..]));
        assert_eq!(one[8..84], two[8..84]);
        assert_eq!(one[84..88], 144_u32.to_le_bytes());
        assert_eq!(two[84..88], 152_u32.to_le_bytes());
        assert_eq!(two[88..98], [6, 0, 0, 0, 14, 14, 14, 14, 14, 14]);
        assert_eq!(one[88..136], two[98..146]);
        assert_eq!(two[146..150], crc32fast::hash(&two[..146]).to_le_bytes());
    }

    #[test]
    fn the_longest_envelope_fits_and_what_claims_to_be_longer_is_not_made_room_for() {
        let envelope = SegmentEnvelope::new(vec![1; 256]).unwrap();
        let longest = SegmentHeader { envelope, ..header(Format::V2) };
        let mut out = longest.encode();
        assert_eq!(SegmentHeader::claimed_length(&out[..SegmentHeader::FRONT_BYTES]), Some(longest.length()));
        assert_eq!(SegmentHeader::decode(&out), Some(longest));
        out[88..92].copy_from_slice(&257_u32.to_le_bytes());
        assert_eq!(SegmentHeader::claimed_length(&out), None);
    }

    #[test]
    fn a_roster_that_no_store_has_is_not_made_room_for() {
        let bytes = |count| SegmentHeader::bytes(Format::V1, &SegmentEnvelope::default(), count);
        let with = |count: usize, length: usize| {
            let mut front = header(Format::V1).encode();
            front[80..84].copy_from_slice(&(count as u32).to_le_bytes());
            front[84..88].copy_from_slice(&(length as u32).to_le_bytes());
            SegmentHeader::claimed_length(&front)
        };
        assert_eq!(with(1, bytes(1)), Some(bytes(1)));
        assert_eq!(with(1, bytes(2)), None);
        assert_eq!(with(1 << 20, bytes(1 << 20)), None);
    }
}
