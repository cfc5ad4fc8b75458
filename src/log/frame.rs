//! The frame: what every record of a segment stands in.
//!
//! ```text
//!  0        4      7 8               16                      length
//!  ┌────────┬──────┬─┬────────────────┬──────────────────────┬─────────┐
//!  │ crc    │length│k│ lsn            │ body                 │ 0..7 × 0│   little-endian, 8-byte aligned
//!  └────────┴──────┴─┴────────────────┴──────────────────────┴─────────┘
//!           └───────────── crc covers ────────────────────────┘
//! ```
//! Owns: these 16 bytes. Invariants:
//! 1. The CRC is seeded with the segment's random salt and the frame's own offset, so that a payload that contains
//!    the image of a frame, a stale block and a misdirected write do not pass for one.
//! 2. `length` counts from `crc` to the end of the body and is covered by the CRC; it is believed only after the
//!    bytes it spans have been found to match.
//! 3. No frame has length zero: zeros are the unwritten end of a segment.

use super::bytes::{Put, Reader};

/// Bytes before the body.
pub(crate) const HEAD_BYTES: usize = 16;
/// The longest frame: its length has 24 bits.
pub(crate) const FRAME_BYTES_MAX: usize = (1 << 24) - 1;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A whole session.
    Put = 1,
    /// An ended session, without its payload.
    Stub = 2,
    /// A later idle deadline for one record.
    Touch = 3,
    /// All sessions of a subject end.
    Revoke = 4,
    /// All sessions end.
    Clear = 5,
    /// What is known durable, what time it is, and the endings since the last mark once more.
    Mark = 6,
    /// A segment joins the store.
    Enter = 7,
    /// Segments leave the store.
    Leave = 8,
}

impl Kind {
    fn from_u8(byte: u8) -> Option<Self> {
        [Self::Put, Self::Stub, Self::Touch, Self::Revoke, Self::Clear, Self::Mark, Self::Enter, Self::Leave]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }

    /// Whether compaction carries such a frame to another segment.
    pub fn outlives_its_segment(self) -> bool {
        !matches!(self, Self::Mark | Self::Enter | Self::Leave)
    }
}

/// A frame whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub kind: Kind,
    pub lsn: u64,
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Bytes that the frame takes in its segment, padding included.
    pub fn span(&self) -> usize {
        (HEAD_BYTES + self.body.len()).next_multiple_of(8)
    }
}

/// Appends a frame for `offset` of a segment with this salt; `body` writes what stands in it.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    salt: u64,
    offset: u64,
    kind: Kind,
    lsn: u64,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.put_u64(0);
    out.put_u64(lsn);
    body(out);
    let length = out.len() - start;
    debug_assert!(length <= FRAME_BYTES_MAX);
    let word = length as u32 | (kind as u32) << 24;
    if let Some(frame) = out.get_mut(start..) {
        if let Some(field) = frame.get_mut(4..8) {
            field.copy_from_slice(&word.to_le_bytes());
        }
        let crc = checksum(salt, offset, frame.get(4..).unwrap_or_default());
        if let Some(field) = frame.get_mut(..4) {
            field.copy_from_slice(&crc.to_le_bytes());
        }
    }
    out.pad_to_8();
}

/// The length that a frame's head claims, not to be believed before [`decode`]; `None` if it cannot be one.
pub(crate) fn claimed_length(head: &[u8]) -> Option<usize> {
    let word = Reader::new(head.get(4..)?).u32()?;
    let length = (word & 0xff_ffff) as usize;
    (length >= HEAD_BYTES).then_some(length)
}

/// The frame at the front of `bytes`, which stand at `offset` of a segment with this salt.
///
/// `None` when the bytes are no frame: unwritten, torn, damaged, or somebody's payload.
pub(crate) fn decode(bytes: &[u8], salt: u64, offset: u64) -> Option<Frame<'_>> {
    let length = claimed_length(bytes)?;
    let covered = bytes.get(4..length)?;
    let mut reader = Reader::new(bytes);
    let crc = reader.u32()?;
    let kind = Kind::from_u8((reader.u32()? >> 24) as u8)?;
    let lsn = reader.u64()?;
    (checksum(salt, offset, covered) == crc || planted!(ChecksumIsNotChecked)).then_some(Frame {
        kind,
        lsn,
        body: covered.get(HEAD_BYTES - 4..)?,
    })
}

/// CRC-32 of `bytes`, seeded with where they stand.
pub(crate) fn checksum(salt: u64, offset: u64, bytes: &[u8]) -> u32 {
    let seed = salt ^ offset.rotate_left(32);
    let mut hasher = crc32fast::Hasher::new_with_initial((seed ^ seed >> 32) as u32);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, 7, 4096, Kind::Touch, 42, |out| out.extend_from_slice(b"hello"));
        out
    }

    #[test]
    fn exact_bytes() {
        let out = sample();
        assert_eq!(out.len(), 24);
        assert_eq!(out[4..8], [21, 0, 0, 3]);
        assert_eq!(out[8..16], [42, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&out[16..24], b"hello\0\0\0");
        assert_eq!(out[..4], checksum(7, 4096, &out[4..21]).to_le_bytes());
    }

    #[test]
    fn what_was_encoded_is_decoded_and_only_in_its_place() {
        let out = sample();
        let frame = decode(&out, 7, 4096).unwrap();
        assert_eq!((frame.kind, frame.lsn, frame.body, frame.span()), (Kind::Touch, 42, &b"hello"[..], 24));
        assert!(decode(&out, 8, 4096).is_none(), "another segment's salt");
        assert!(decode(&out, 7, 4104).is_none(), "another place");
    }

    #[test]
    fn no_flipped_bit_passes() {
        let out = sample();
        for bit in 0..21 * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad, 7, 4096).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn no_rubbish_panics() {
        assert!(decode(&[], 0, 0).is_none());
        assert!(decode(&[0; 64], 0, 0).is_none());
        assert!(decode(&[0xff; 64], 0, 0).is_none());
        for cut in 0..24 {
            let out = sample();
            assert!(decode(&out[..cut.min(20)], 7, 4096).is_none());
        }
    }
}
