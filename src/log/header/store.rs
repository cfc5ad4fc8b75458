//! The store's header, the file `STORE`, which stands twice, at byte 0 and byte 4,096:
//! ```text
//!   0          8        12       16             32             64        72        80       84      88      92
//!   ┌──────────┬────────┬────────┬──────────────┬──────────────┬─────────┬─────────┬────────┬───────┬───────┐
//!   │ SESSILE1 │ format │ oldest │ store id     │ secret       │ opening │ durable │ root   │ flags │ crc   │
//!   └──────────┴────────┴────────┴──────────────┴──────────────┴─────────┴─────────┴────────┴───────┴───────┘
//!   92       96           100
//!   ┬────────┬────────────┬──────────┬───────┐
//!   │ length │ n          │ envelope │ crc   │   from format 2 on: the extension
//!   ┴────────┴────────────┴──────────┴───────┘
//!     12 + n   at most 512  n
//! ```
//! Owns: this layout. Invariants:
//! 1. `root` names a log segment that was durable, header and all, before the name was written. The two copies are
//!    written one after the other with a sync between, so a crash leaves at least one whole.
//! 2. `opening` grows with every opening and is durable before the opening's first LSN (rule 1).
//! 3. `durable` is an LSN up to which everything was durable when the header was written: at the latest roll or close.
//!    So a log that ends below it has lost its end.
//! 4. The first 92 bytes and their checksum are the same in every format, so that any release tells a newer one from damage.
//!    The checksum of the extension covers the whole copy but that one (behind which every CRC-32 goes on alike, whatever came
//!    before): so the front of one write and the extension of another are no copy.
//! 5. A header of format 2 says that it has an extension, and has no flag that this release does not know: with any other it is
//!    a newer one.

use crate::log::bytes::{Put, Reader};
use crate::log::format::{Format, StoreEnvelope};

const MAGIC: [u8; 8] = *b"SESSILE1";
/// Distance between the two copies, so that no sector holds both.
pub(crate) const COPY_BYTES: u64 = 4096;
const FLAG_KEEPS_IDS: u32 = 1;
const FLAG_EXTENDED: u32 = 2;
/// The extension without its envelope: its length, and its checksum.
const EXTENSION_BYTES: usize = 8;

/// The store's header.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoreHeader {
    pub format: Format,
    pub store_id: [u8; 16],
    pub secret: [u8; 32],
    pub opening: u64,
    pub durable_lsn: u64,
    pub root: u32,
    pub keeps_ids: bool,
    /// Empty where the format has no room for it.
    pub envelope: StoreEnvelope,
}

/// What a copy of the store's header turned out to be.
pub(crate) enum StoreCopy {
    Sound(StoreHeader),
    /// Written by a release that knows more than this one.
    Newer(u32),
    Damaged,
}

impl StoreHeader {
    /// Bytes of a copy that are the same in every format.
    pub const FIXED_BYTES: usize = 92;
    /// The most bytes that a copy takes.
    pub const BYTES_MAX: usize = Self::FIXED_BYTES + EXTENSION_BYTES + StoreEnvelope::SPAN_MAX;

    /// One copy.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES_MAX);
        out.extend_from_slice(&MAGIC);
        out.put_u32(self.format.number());
        out.put_u32(self.format.oldest_reader());
        out.extend_from_slice(&self.store_id);
        out.extend_from_slice(&self.secret);
        out.put_u64(self.opening);
        out.put_u64(self.durable_lsn);
        out.put_u32(self.root);
        let keeps_ids = if self.keeps_ids { FLAG_KEEPS_IDS } else { 0 };
        let extended = if self.format.has_envelopes() { FLAG_EXTENDED } else { 0 };
        out.put_u32(keeps_ids | extended);
        let crc = crc32fast::hash(&out);
        out.put_u32(crc);
        if self.format.has_envelopes() {
            out.put_u32((EXTENSION_BYTES + self.envelope.span()) as u32);
            self.envelope.encode(&mut out);
            let crc = Self::extended_checksum(&out);
            out.put_u32(crc);
        }
        out
    }

    /// The header in one copy.
    pub fn decode(bytes: &[u8]) -> StoreCopy {
        Self::decode_sound(bytes).unwrap_or(StoreCopy::Damaged)
    }

    fn decode_sound(bytes: &[u8]) -> Option<StoreCopy> {
        let covered = bytes.get(..Self::FIXED_BYTES - 4)?;
        let mut reader = Reader::new(bytes);
        if reader.take(8)? != MAGIC {
            return None;
        }
        let (written, oldest) = (reader.u32()?, reader.u32()?);
        let store_id = reader.take(16)?.try_into().ok()?;
        let secret = reader.take(32)?.try_into().ok()?;
        let (opening, durable_lsn) = (reader.u64()?, reader.u64()?);
        let (root, flags) = (reader.u32()?, reader.u32()?);
        if reader.u32()? != crc32fast::hash(covered) {
            return None;
        }
        // Only now: a torn copy may say anything.
        let Some(format) = Format::readable_as(written, oldest) else {
            return Some(StoreCopy::Newer(written));
        };
        let envelope = match format.has_envelopes() {
            false => StoreEnvelope::default(),
            true if flags | FLAG_KEEPS_IDS != FLAG_KEEPS_IDS | FLAG_EXTENDED => {
                return Some(StoreCopy::Newer(written));
            }
            true => extension(bytes)?,
        };
        let keeps_ids = flags & FLAG_KEEPS_IDS != 0;
        let header = Self { format, store_id, secret, opening, durable_lsn, root, keeps_ids, envelope };
        Some(StoreCopy::Sound(header))
    }

    /// The checksum behind these bytes, which end where the extension does.
    pub fn extended_checksum(covered: &[u8]) -> u32 {
        let (fixed, rest) = covered.split_at(Self::FIXED_BYTES.min(covered.len()));
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(fixed.get(..Self::FIXED_BYTES - 4).unwrap_or_default());
        hasher.update(rest);
        hasher.finalize()
    }

    /// How far the checksum of the extension reaches, by the extension's own word.
    pub fn claimed_end(bytes: &[u8]) -> Option<usize> {
        let mut reader = Reader::new(bytes.get(Self::FIXED_BYTES..)?);
        let (length, envelope) = (reader.u32()? as usize, StoreEnvelope::span_of(reader.u32()?)?);
        (length == EXTENSION_BYTES + envelope).then_some(Self::FIXED_BYTES + length - 4)
    }
}

fn extension(bytes: &[u8]) -> Option<StoreEnvelope> {
    let (covered, rest) = bytes.split_at_checked(StoreHeader::claimed_end(bytes)?)?;
    if Reader::new(rest).u32()? != StoreHeader::extended_checksum(covered) {
        return None;
    }
    StoreEnvelope::decode(&mut Reader::new(covered.get(StoreHeader::FIXED_BYTES + 4..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(format: Format) -> StoreHeader {
        let envelope = if format.has_envelopes() { vec![6; 5] } else { Vec::new() };
        StoreHeader {
            format,
            store_id: [1; 16],
            secret: [2; 32],
            opening: 3,
            durable_lsn: 5,
            root: 4,
            keeps_ids: true,
            envelope: StoreEnvelope::new(envelope).unwrap(),
        }
    }

    fn sound(bytes: &[u8]) -> Option<StoreHeader> {
        match StoreHeader::decode(bytes) {
            StoreCopy::Sound(header) => Some(header),
            StoreCopy::Newer(_) | StoreCopy::Damaged => None,
        }
    }

    /// Puts the checksum of the first 92 bytes right.
    fn seal(copy: &mut [u8]) {
        let crc = crc32fast::hash(&copy[..88]);
        copy[88..92].copy_from_slice(&crc.to_le_bytes());
    }

    #[test]
    fn exact_bytes_of_format_1() {
        let out = header(Format::V1).encode();
        assert_eq!(out.len(), 92);
        assert_eq!(&out[..16], b"SESSILE1\x01\0\0\0\x01\0\0\0");
        assert_eq!(out[64..88], [3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn exact_bytes_of_format_2() {
        let out = header(Format::V2).encode();
        assert_eq!(&out[..16], b"SESSILE1\x02\0\0\0\x02\0\0\0");
        assert_eq!(out[16..84], header(Format::V1).encode()[16..84], "the same in every format");
        assert_eq!(out[84..88], [3, 0, 0, 0]);
        assert_eq!(out[88..92], crc32fast::hash(&out[..88]).to_le_bytes());
        assert_eq!(out[92..105], [17, 0, 0, 0, 5, 0, 0, 0, 6, 6, 6, 6, 6]);
        assert_eq!(out[105..], crc32fast::hash(&[&out[..88], &out[92..105]].concat()).to_le_bytes());
    }

    #[test]
    fn a_copy_comes_back_and_no_flipped_or_missing_bit_passes() {
        for format in [Format::V1, Format::V2] {
            let out = header(format).encode();
            assert!(sound(&out) == Some(header(format)), "{format}");
            for bit in 0..out.len() * 8 {
                let mut bad = out.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(sound(&bad).is_none(), "{format}, bit {bit}");
            }
            assert!((0..out.len()).all(|cut| sound(&out[..cut]).is_none()), "{format}");
        }
    }

    #[test]
    fn the_longest_envelope_fits_and_what_claims_to_be_longer_is_damaged() {
        let envelope = StoreEnvelope::new(vec![9; 512]).unwrap();
        let longest = StoreHeader { envelope, ..header(Format::V2) };
        let mut out = longest.encode();
        assert_eq!(out.len(), StoreHeader::BYTES_MAX);
        assert!(sound(&out) == Some(longest));
        out.push(0);
        out[92..96].copy_from_slice(&(12 + 513_u32).to_le_bytes());
        out[96..100].copy_from_slice(&513_u32.to_le_bytes());
        let crc = StoreHeader::extended_checksum(&out[..613]);
        out[613..].copy_from_slice(&crc.to_le_bytes());
        assert!(sound(&out).is_none());
    }

    /// A copy is one write: the front of one with the extension of another is half of each.
    #[test]
    fn the_extension_belongs_to_what_it_stands_behind() {
        let one = header(Format::V2);
        let other = StoreHeader { opening: 4, ..one.clone() };
        let mut mixed = one.encode();
        mixed[..92].copy_from_slice(&other.encode()[..92]);
        assert!(sound(&mixed).is_none());
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        for format in [Format::V1, Format::V2] {
            let mut out = header(format).encode();
            (out[8], out[12]) = (3, 3);
            assert!(
                matches!(StoreHeader::decode(&out), StoreCopy::Damaged),
                "a torn copy is not a newer one"
            );
            seal(&mut out);
            assert!(matches!(StoreHeader::decode(&out), StoreCopy::Newer(3)));
        }
    }

    /// Of format 2, and yet not as this release writes it: somebody knows more.
    #[test]
    fn a_header_with_an_unknown_flag_is_a_newer_one() {
        for flags in [0, 1, 6, 7, 0x8000_0002_u32] {
            let mut out = header(Format::V2).encode();
            out[84..88].copy_from_slice(&flags.to_le_bytes());
            assert!(matches!(StoreHeader::decode(&out), StoreCopy::Damaged));
            seal(&mut out);
            assert!(matches!(StoreHeader::decode(&out), StoreCopy::Newer(2)), "flags {flags}");
        }
    }

    #[test]
    fn a_store_that_keeps_no_ids_and_one_that_a_later_release_wrote_for_us_too_are_read() {
        let plain = StoreHeader { keeps_ids: false, ..header(Format::V1) };
        let mut out = plain.encode();
        assert!(sound(&out).as_ref() == Some(&plain));
        out[8] = 2;
        seal(&mut out);
        assert!(sound(&out).as_ref() == Some(&plain));
    }
}
