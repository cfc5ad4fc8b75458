//! Sealing: payloads, kept ids and the store's secret, unreadable without a key that is not on the disk.
//!
//! ```text
//!   the caller's key ring        STORE, its envelope       a segment, its envelope    a record
//!   ┌──────────────────┐ wraps  ┌──────────────────┐      ┌──────────────────┐ seals  ┌───────────────────┐
//!   │ newest, older... │ ─┬───▶ │ the secret       │  ┌─▶ │ its data key     │ ─────▶ │ [id] payload, tag │
//!   └──────────────────┘  │     └──────────────────┘  │   └──────────────────┘        └───────────────────┘
//!                         └───────────────────────────┘
//! ```
//! Owns: what is sealed with what, and bound to what ([`Whose`]). The cipher is AES-256-GCM. Its rooms: [`wrapped`], a key as
//! it stands on the disk; `ring`, the keys of the caller; `cipher`, the one place that calls the cipher's crate.
//! Invariants:
//! 1. A data key is drawn for one file and used in it alone. Its nonces are the offsets of frames in that file, and at one
//!    offset of one file stands one frame for ever: bytes below a segment's end are never written again, after a failed write
//!    nothing is appended, an opening goes on in another file, and compaction writes another file too.
//! 2. A key of the ring seals only 32-byte keys, each under a nonce of 96 random bits.
//! 3. What is sealed opens only where it was sealed: a key in its segment of its store, the secret in a header that says as much
//!    of the store as when it was sealed, a payload in the frame with its LSN,
//!    digest, deadlines and subject.
//! 4. There is no way back to plain: in a store that is encrypted, a segment that is not is refused, and where a key is missing
//!    nothing is read and nothing written. Only who says that a plain store is to be encrypted ([`Aim`]) has plain segments
//!    sealed, and he is refused where anything is sealed already.
//!
//! Without the feature `encryption` only the wrapped key is known, so that an encrypted store is told from a damaged one.

#[cfg(feature = "encryption")]
mod cipher;
#[cfg(feature = "encryption")]
mod ring;
#[cfg(not(feature = "encryption"))]
mod without;
pub(crate) mod wrapped;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::format::{Format, SegmentEnvelope, StoreEnvelope};
use wrapped::{Stage, Wrapped};

#[cfg(feature = "encryption")]
pub(crate) use cipher::DataKey;
#[cfg(feature = "encryption")]
pub use ring::KeyRing;
#[cfg(not(feature = "encryption"))]
pub(crate) use without::{DataKey, KeyRing};

/// Bytes that a sealed payload is longer than a plain one.
pub(crate) const TAG_BYTES: usize = 16;

/// What a wrapped key belongs to: it opens nowhere else.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "encryption"), expect(dead_code, reason = "only a cipher binds it"))]
pub(crate) enum Whose {
    /// The secret of a store.
    Store([u8; 16]),
    /// The data key of the segment with this salt.
    Segment { store_id: [u8; 16], salt: u64 },
}

impl Whose {
    /// What the seal binds, together with what stands before the nonce in the envelope.
    #[cfg(feature = "encryption")]
    fn bound(self, stage: Stage, name: &str) -> Vec<u8> {
        use crate::log::bytes::Put;
        let mut bound = Vec::with_capacity(96);
        match self {
            Self::Store(store_id) => {
                bound.extend_from_slice(b"sessile secret ");
                bound.extend_from_slice(&store_id);
            }
            Self::Segment { store_id, salt } => {
                bound.extend_from_slice(b"sessile segment ");
                bound.extend_from_slice(&store_id);
                bound.put_u64(salt);
            }
        }
        bound.extend_from_slice(&wrapped::head(stage, name));
        bound
    }
}

/// What somebody opens a store for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To use it.
    Use,
    /// To read it and write nothing. While a store is being encrypted it can be read, so that what is damaged or has no room to
    /// be encrypted in can still be brought away.
    Look,
    /// To encrypt one that is plain, or to go on with that; for nothing else.
    Encrypt,
}

/// What a store is encrypted with: nothing, where it is plain.
#[derive(Clone, Default)]
pub(crate) struct Sealing {
    ring: Option<Arc<KeyRing>>,
    before: Before,
}

/// What segments there may be that the ring has not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Before {
    /// None.
    #[default]
    Nothing,
    /// The store is being encrypted: segments from before may still be plain.
    PlainToo,
    /// The store is about to be encrypted: all are plain.
    PlainOnly,
}

impl Sealing {
    /// What a new store is encrypted with.
    pub fn of_new(ring: Option<&Arc<KeyRing>>) -> Self {
        Self { ring: ring.cloned(), before: Before::Nothing }
    }

    /// How a store whose header has this envelope is read by somebody with these keys, and the secret that is in it, if it is.
    ///
    /// # Errors
    /// `KeysForPlain`, `KeyMissing`, `KeyWrong`, `KeysUnfinished`, `KeysUnsupported`, `EncryptedAlready`, `NewerFormat`: what was asked
    /// and what is there do not agree.
    pub fn agreed(
        envelope: &StoreEnvelope,
        store_id: [u8; 16],
        ring: Option<&Arc<KeyRing>>,
        aim: Aim,
    ) -> Result<(Self, Option<[u8; 32]>)> {
        let bytes = envelope.bytes();
        let ring = match ring {
            None if bytes.is_empty() => return Ok((Self::default(), None)),
            Some(ring) if bytes.is_empty() && aim == Aim::Encrypt => {
                return Ok((Self { ring: Some(Arc::clone(ring)), before: Before::PlainOnly }, None));
            }
            Some(_) if bytes.is_empty() => return Err(Error::KeysForPlain),
            ring => ring,
        };
        let wrapped = Wrapped::decode(bytes).ok_or_else(newer)?;
        let Some(ring) = ring else { return Err(missing(&wrapped)) };
        let secret = ring.unwrap(&wrapped, Whose::Store(store_id))?;
        let before = match (wrapped.stage, aim) {
            (Stage::Sealed, Aim::Encrypt) => return Err(Error::EncryptedAlready),
            (Stage::Sealed, _) => Before::Nothing,
            (Stage::Sealing, Aim::Use) => return Err(Error::KeysUnfinished),
            (Stage::Sealing, _) => Before::PlainToo,
        };
        Ok((Self { ring: Some(Arc::clone(ring)), before }, Some(secret)))
    }

    /// Whether new segments are encrypted.
    pub const fn seals(&self) -> bool {
        self.ring.is_some()
    }

    /// Whether segments may be plain, since the store is being encrypted.
    pub fn is_unfinished(&self) -> bool {
        self.before != Before::Nothing
    }

    /// The same once the store's header says that the store is being encrypted.
    pub fn begun(self) -> Self {
        let before = if self.is_unfinished() { Before::PlainToo } else { Before::Nothing };
        Self { before, ..self }
    }

    /// A data key for a segment that begins, and the envelope for its header; an empty one where the store is plain.
    ///
    /// # Errors
    /// `Io` when the system has no randomness to give.
    pub fn begin(&self, store_id: [u8; 16], salt: u64) -> Result<(SegmentEnvelope, Option<Arc<DataKey>>)> {
        let Some(ring) = &self.ring else { return Ok((SegmentEnvelope::default(), None)) };
        let (wrapped, key) = ring.new_data_key(Whose::Segment { store_id, salt })?;
        let envelope = SegmentEnvelope::new(wrapped.encode()).ok_or_else(too_long)?;
        Ok((envelope, Some(Arc::new(key))))
    }

    /// The data key of a segment that is there, in the file of this name.
    ///
    /// # Errors
    /// `KeyMissing`, `KeyWrong`, `KeysUnsupported`, `NewerFormat`; `Corrupt` where an encrypted store has a segment that is not, or one
    /// that is about to be encrypted has a segment that is.
    pub fn open(&self, envelope: &SegmentEnvelope, whose: Whose, file: &str) -> Result<Option<Arc<DataKey>>> {
        let is_plain = envelope.bytes().is_empty();
        match self.before {
            Before::Nothing if is_plain && self.seals() => {
                let what = "the store is encrypted and this segment is not, so it is not the store's";
                return Err(Error::corrupt(file, 0, what));
            }
            Before::PlainOnly if !is_plain => {
                let what = "this segment is encrypted, and the store's header, which says that nothing is, is not the store's";
                return Err(Error::corrupt(file, 0, what));
            }
            _ if is_plain => return Ok(None),
            _ => {}
        }
        let wrapped = Wrapped::decode(envelope.bytes()).ok_or_else(newer)?;
        match &self.ring {
            Some(ring) => ring.data_key(&wrapped, whose).map(|key| Some(Arc::new(key))),
            None => Err(missing(&wrapped)),
        }
    }

    /// The store's secret, wrapped with the newest key; an empty envelope where the store is plain.
    pub fn wrap_secret(&self, store_id: [u8; 16], secret: &[u8; 32], stage: Stage) -> Result<StoreEnvelope> {
        let Some(ring) = &self.ring else { return Ok(StoreEnvelope::default()) };
        let wrapped = ring.wrap(secret, Whose::Store(store_id), stage)?;
        StoreEnvelope::new(wrapped.encode()).ok_or_else(too_long)
    }

    /// Whether the newest key has wrapped that data key; or none has, where the store is plain.
    #[cfg(feature = "encryption")]
    pub fn is_newest(&self, key: Option<&DataKey>) -> bool {
        self.ring.as_ref().map(|ring| ring.newest()) == key.map(DataKey::wrapped_by)
    }

    /// Whether the newest key has wrapped the secret in an envelope; or none has, where the store is plain.
    pub fn is_newest_secret(&self, envelope: &StoreEnvelope) -> bool {
        let wrapped = Wrapped::decode(envelope.bytes());
        self.ring.as_ref().map(|ring| ring.newest()) == wrapped.as_ref().map(|wrapped| wrapped.name.as_str())
    }

    /// Whether somebody who comes second, with these keys, could have opened the store himself.
    ///
    /// # Errors
    /// As [`agreed`](Self::agreed).
    pub fn check_second(&self, ring: Option<&Arc<KeyRing>>) -> Result<()> {
        match (&self.ring, ring) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Error::KeysForPlain),
            (Some(own), None) => Err(Error::KeyMissing { name: own.newest().to_owned() }),
            (Some(own), Some(ring)) => ring.knows_newest_of(own),
        }
    }
}

/// The error where a key is needed and none was given.
fn missing(wrapped: &Wrapped) -> Error {
    let name = wrapped.name.clone();
    if cfg!(feature = "encryption") { Error::KeyMissing { name } } else { Error::KeysUnsupported { name } }
}

/// The error where an envelope, under a checksum that is right, holds what only another release can have put there.
fn newer() -> Error {
    let newest_known = Format::NEWEST.number();
    Error::NewerFormat { found: newest_known, newest_known }
}

fn too_long() -> Error {
    Error::invalid(
        "the name of the newest key is too long for the headers of this format; give it a shorter one",
    )
}

#[cfg(test)]
#[cfg(feature = "encryption")]
mod tests;
