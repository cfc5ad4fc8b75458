//! Checksums put right after bytes were changed: each function believes the lengths that the bytes claim, as far as
//! there are bytes, and changes nothing but the checksum.

use crate::log::frame::{self, HEAD_BYTES};
use crate::log::header::{SegmentHeader, StoreHeader};
use crate::log::hint::Hints;

/// The frame at the front of `bytes`; returns how many bytes it spans, or `None` when they claim no length that fits.
pub fn seal_frame(bytes: &mut [u8], salt: u64, offset: u64) -> Option<usize> {
    let length = frame::claimed_length(bytes)?;
    let crc = frame::checksum(salt, offset, bytes.get(4..length)?);
    put(bytes, 0, crc)?;
    debug_assert!(length >= HEAD_BYTES);
    Some(length.next_multiple_of(8))
}

/// The header of a segment at the front of `bytes`.
pub fn seal_segment_header(bytes: &mut [u8]) -> Option<usize> {
    let end = SegmentHeader::claimed_end(bytes)?;
    let crc = crc32fast::hash(bytes.get(..end)?);
    put(bytes, end, crc)?;
    Some((end + 4).next_multiple_of(8))
}

/// One copy of the store's header, and its extension where it claims a length that fits.
pub fn seal_store_header(bytes: &mut [u8]) -> Option<()> {
    let end = StoreHeader::FIXED_BYTES - 4;
    let crc = crc32fast::hash(bytes.get(..end)?);
    put(bytes, end, crc)?;
    if let Some(end) = StoreHeader::claimed_end(bytes).filter(|end| end + 4 <= bytes.len()) {
        let crc = StoreHeader::extended_checksum(bytes.get(..end)?);
        put(bytes, end, crc)?;
    }
    Some(())
}

/// One copy of the ledger, as long as it claims to be.
pub fn seal_ledger(bytes: &mut [u8]) -> Option<()> {
    crate::events::Ledger::seal(bytes)
}

/// A footer that is to stand at `end` of a segment with this salt.
pub fn seal_footer(bytes: &mut [u8], salt: u64, end: u64) -> Option<()> {
    let crc = Hints::crc_of_claimed(bytes, salt, end)?;
    put(bytes, Hints::HEAD_BYTES - 4, crc)
}

/// A whole snapshot.
pub fn seal_snapshot(bytes: &mut [u8]) -> Option<()> {
    crate::recovery::snapshot::sealed(bytes)
}

fn put(bytes: &mut [u8], at: usize, crc: u32) -> Option<()> {
    bytes.get_mut(at..at.checked_add(4)?)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}
