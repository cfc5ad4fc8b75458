//! The content: what a version says that nobody may read without the key of its segment.
//!
//! ```text
//!   ┬─────────┬──────┬─────┐
//!   │ payload │ id n │ n 2 │ sealed as one, and the tag behind it; n is 0 where the store keeps no ids
//!   ┴─────────┴──────┴─────┘
//! ```
//! Owns: this layout, and what the seal binds: the record's LSN and all of its fields before the content, so that none of them
//! can be another's. The nonce is the frame's offset. Invariant: a segment with a key has no plain content, and one without has
//! no sealed one; whatever says otherwise is not read.

use super::bytes::Put;
use super::record::Version;
use crate::sealing::DataKey;

/// What a version says that nobody may read without the key.
pub(crate) struct Content {
    pub id: Option<Vec<u8>>,
    pub payload: Vec<u8>,
}

/// What a seal binds.
struct Bound {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

impl Bound {
    /// The LSN and the fields of a record that has them all.
    const BYTES_MAX: usize = 8 + (32 + 8 + 6 + 2 + 16 + 22);

    fn of(lsn: u64, fields: &[u8]) -> Self {
        let mut bytes = [0; Self::BYTES_MAX];
        let length = Self::BYTES_MAX.min(8 + fields.len());
        bytes.iter_mut().zip(lsn.to_le_bytes().iter().chain(fields)).for_each(|(to, from)| *to = *from);
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Appends a version's content, sealed, behind the fields that stand in `out` from `start` on.
pub(super) fn seal(
    out: &mut Vec<u8>,
    version: &Version<'_>,
    lsn: u64,
    start: usize,
    (key, offset): (&DataKey, u64),
) {
    let from = out.len();
    let bound = Bound::of(lsn, out.get(start..).unwrap_or_default());
    let id = version.id.unwrap_or_default();
    out.extend_from_slice(version.payload);
    out.extend_from_slice(id);
    out.put_u16(id.len() as u16);
    key.seal(offset, bound.bytes(), out, from);
}

impl Version<'_> {
    /// The content of a version of this LSN whose frame stands at `offset` of a segment with this key; `None` where it is not
    /// what was sealed there.
    pub fn content(&self, lsn: u64, offset: u64, key: Option<&DataKey>) -> Option<Content> {
        let (key, fields) = match (key, self.sealed_to) {
            (None, None) => {
                return Some(Content { id: self.id.map(<[u8]>::to_vec), payload: self.payload.to_vec() });
            }
            (Some(key), Some(fields)) => (key, fields),
            _ => return None,
        };
        let mut payload = key.open(offset, Bound::of(lsn, fields).bytes(), self.payload)?;
        let (rest, length) = payload.split_last_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length));
        let end = rest.len().checked_sub(length)?;
        let id = rest.get(end..).filter(|id| !id.is_empty()).map(<[u8]>::to_vec);
        payload.truncate(end);
        Some(Content { id, payload })
    }

    /// The same version with its content readable, to be written elsewhere.
    pub fn with<'c>(&self, content: &'c Content) -> Version<'c> {
        let (id, payload) = (content.id.as_deref(), content.payload.as_slice());
        let Self { digest, deadline, created_ms, idle_ms, birth, absolute, ceiling, subject, ends, .. } =
            *self;
        Version {
            digest,
            deadline,
            created_ms,
            idle_ms,
            birth,
            absolute,
            ceiling,
            subject,
            ends,
            id,
            payload,
            sealed_to: None,
        }
    }
}

#[cfg(test)]
#[cfg(feature = "encryption")]
mod tests {
    use super::*;
    use crate::id::Digest;
    use crate::log::frame;
    use crate::log::record::{Ends, Record, What};
    use crate::session::Deadline;

    const SALT: u64 = 7;
    const OFFSET: u64 = 4096;

    fn key(byte: u8) -> DataKey {
        DataKey::new(&[byte; 32], "a")
    }

    /// With every field that a version can have.
    fn record(lsn: u64, id: Option<&'static [u8]>) -> Record<'static> {
        let ends = Some(Ends { digest: Digest([4; 16]), ceiling: Deadline::at_ms(9_000) });
        let version = Version {
            digest: Digest([3; 16]),
            deadline: Deadline::at_ms(5_000),
            created_ms: 1_000,
            idle_ms: 4_000,
            birth: 2,
            absolute: Deadline::at_ms(8_000),
            ceiling: Deadline::at_ms(6_000),
            subject: Some(Digest([5; 16])),
            ends,
            id,
            payload: b"the cart",
            sealed_to: None,
        };
        Record { lsn, what: What::Put(version) }
    }

    fn sealed(record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        record.encode_with(&mut out, SALT, OFFSET, Some(&key(1)));
        out
    }

    fn content_of(bytes: &[u8], offset: u64, key: Option<&DataKey>) -> Option<Content> {
        let frame = frame::decode(bytes, SALT, OFFSET).unwrap();
        let Record { lsn, what: What::Put(version) } = Record::decode(&frame)? else { panic!("no put") };
        version.content(lsn, offset, key)
    }

    /// Writes the frame's checksum anew, as somebody would who wants it believed.
    fn forge(bytes: &mut [u8]) {
        let length = frame::claimed_length(bytes).unwrap();
        let crc = frame::checksum(SALT, OFFSET, &bytes[4..length]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
    }

    #[test]
    fn content_comes_back_with_the_key_and_is_not_to_be_seen() {
        for id in [None, Some(&b"the id"[..])] {
            let bytes = sealed(&record(9, id));
            assert!(!bytes.windows(4).any(|window| window == b"cart" || window == b"e id"));
            let content = content_of(&bytes, OFFSET, Some(&key(1))).unwrap();
            assert_eq!((content.id.as_deref(), &content.payload[..]), (id, &b"the cart"[..]));
            assert!(content_of(&bytes, OFFSET, Some(&key(2))).is_none(), "another segment's key");
            assert!(content_of(&bytes, OFFSET + 8, Some(&key(1))).is_none(), "another place");
            assert!(content_of(&bytes, OFFSET, None).is_none(), "no key");
        }
    }

    #[test]
    fn no_field_and_no_bit_of_it_can_be_anothers() {
        let good = sealed(&record(9, None));
        let length = frame::claimed_length(&good).unwrap();
        for bit in 8 * 8..length * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            forge(&mut bad);
            assert!(content_of(&bad, OFFSET, Some(&key(1))).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn sealed_bytes_open_in_no_other_record() {
        let (one, two) = (sealed(&record(9, None)), sealed(&record(10, None)));
        let length = frame::claimed_length(&one).unwrap();
        let from = length - b"the cart".len() - 2 - crate::sealing::TAG_BYTES;
        let mut mixed = two[..from].to_vec();
        mixed.extend_from_slice(&one[from..]);
        forge(&mut mixed);
        assert!(content_of(&mixed, OFFSET, Some(&key(1))).is_none());
        assert!(content_of(&two, OFFSET, Some(&key(1))).is_some());
    }

    #[test]
    fn where_there_is_a_key_nothing_plain_is_believed() {
        let mut out = Vec::new();
        record(9, None).encode(&mut out, SALT, OFFSET);
        assert!(content_of(&out, OFFSET, Some(&key(1))).is_none());
        assert!(content_of(&out, OFFSET, None).is_some());
    }

    #[test]
    fn what_is_written_elsewhere_is_sealed_with_the_key_there() {
        let bytes = sealed(&record(9, Some(b"the id")));
        let frame = frame::decode(&bytes, SALT, OFFSET).unwrap();
        let Some(Record { lsn, what: What::Put(version) }) = Record::decode(&frame) else { panic!("no put") };
        let content = version.content(lsn, OFFSET, Some(&key(1))).unwrap();
        let moved = Record { lsn, what: What::Put(version.with(&content)) };
        assert_eq!(moved, record(9, Some(b"the id")));
    }
}
