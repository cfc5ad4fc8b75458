//! A wrapped key: 32 bytes as they stand on the disk, sealed with a key of the ring.
//!
//! ```text
//!   0       1          2         2+n        14+n         46+n  62+n
//!   ┌───────┬──────────┬─────────┬──────────┬────────────┬─────┐
//!   │ stage │ length n │ name    │ nonce    │ sealed key │ tag │
//!   │ 1     │ 1        │ 1 to 32 │ 12       │ 32         │ 16  │
//!   └───────┴──────────┴─────────┴──────────┴────────────┴─────┘
//! ```
//! Owns: this layout. It stands in the envelope of the store's header, as the secret that keys the digests, and in that of each
//! segment's, as the key of its payloads. The header's checksum covers it, and the seal binds the stage and the name: a checksum can be
//! made right by anybody. The name of the key is no secret: without it nobody could tell which key is missing.

use super::TAG_BYTES;
use crate::log::bytes::Reader;

/// The longest name of a key.
pub(crate) const NAME_BYTES_MAX: usize = 32;
/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;

/// How far a store is sealed. Always [`Sealed`](Self::Sealed) in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// It is being encrypted: segments from before may still be plain.
    Sealing = 1,
    /// Everything is sealed.
    Sealed = 2,
}

/// A key that is sealed with another.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Wrapped {
    pub stage: Stage,
    /// The name of the key of the ring.
    pub name: String,
    pub nonce: [u8; NONCE_BYTES],
    /// The key and its tag.
    pub sealed: [u8; KEY_BYTES + TAG_BYTES],
}

/// Whether a key may be called so: it is printed, and stands in files of one line a key.
pub(crate) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

/// What stands before the nonce. The seal binds it.
pub(super) fn head(stage: Stage, name: &str) -> Vec<u8> {
    let mut out = vec![stage as u8, name.len() as u8];
    out.extend_from_slice(name.as_bytes());
    out
}

impl Wrapped {
    /// The bytes for an envelope.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = head(self.stage, &self.name);
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.sealed);
        out
    }

    /// The key in an envelope; `None` for bytes that are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let stage = match reader.u8()? {
            1 => Stage::Sealing,
            2 => Stage::Sealed,
            _ => return None,
        };
        let length = usize::from(reader.u8()?);
        let name = std::str::from_utf8(reader.take(length)?).ok().filter(|name| is_name(name))?.to_owned();
        let nonce = reader.take(NONCE_BYTES)?.try_into().ok()?;
        let sealed = reader.take(KEY_BYTES + TAG_BYTES)?.try_into().ok()?;
        reader.rest().is_empty().then_some(Self { stage, name, nonce, sealed })
    }

    /// How far a store with this envelope is sealed, for choosing between two copies of its header.
    pub fn stage_of(bytes: &[u8]) -> Option<Stage> {
        Self::decode(bytes).map(|wrapped| wrapped.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Wrapped {
        Wrapped { stage: Stage::Sealed, name: "k-2026.1".into(), nonce: [7; 12], sealed: [9; 48] }
    }

    #[test]
    fn exact_bytes() {
        let out = sample().encode();
        assert_eq!(out.len(), 2 + 8 + 12 + 48);
        assert_eq!(&out[..10], b"\x02\x08k-2026.1");
        assert_eq!((&out[10..22], &out[22..]), (&[7; 12][..], &[9; 48][..]));
    }

    #[test]
    fn what_was_encoded_is_decoded_and_nothing_else_is_an_envelope() {
        let out = sample().encode();
        assert!(Wrapped::decode(&out) == Some(sample()));
        for cut in 0..out.len() {
            assert!(Wrapped::decode(&out[..cut]).is_none());
        }
        assert!(Wrapped::decode(&[out.clone(), vec![0]].concat()).is_none(), "a byte too much");
        for (at, byte) in [(0, 3), (1, 0), (1, 200), (2, b'\n')] {
            let mut bad = out.clone();
            bad[at] = byte;
            assert!(Wrapped::decode(&bad).is_none(), "byte {at}");
        }
    }

    #[test]
    fn the_longest_fits_into_both_headers() {
        let longest = Wrapped { name: "x".repeat(NAME_BYTES_MAX), ..sample() };
        assert!(is_name(&longest.name) && !is_name(&"x".repeat(33)) && !is_name("") && !is_name("a b"));
        assert!(longest.encode().len() <= 94);
    }
}
