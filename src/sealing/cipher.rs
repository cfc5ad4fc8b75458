//! The cipher: AES-256-GCM, and the one place that calls its crate.
//!
//! Owns: how a nonce is made of a frame's offset. `aes-gcm` is RustCrypto's, uses the processor's instructions where it has
//! them, and wipes its keys when they are dropped.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use super::TAG_BYTES;
use super::wrapped::{KEY_BYTES, NONCE_BYTES};

/// The key of one segment's payloads.
pub(crate) struct DataKey {
    cipher: Box<Aes256Gcm>,
    wrapped_by: String,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("DataKey(..)")
    }
}

impl DataKey {
    /// The key with these bytes, wrapped by the key of that name.
    pub fn new(bytes: &[u8; KEY_BYTES], wrapped_by: &str) -> Self {
        Self { cipher: Box::new(Aes256Gcm::new(bytes.into())), wrapped_by: wrapped_by.to_owned() }
    }

    /// The name of the ring's key that it is wrapped by on the disk.
    pub fn wrapped_by(&self) -> &str {
        &self.wrapped_by
    }

    /// Seals what stands in `out` from `from` on, which begins a frame at `offset` or belongs to it, together with what it is
    /// bound to. It becomes longer by [`TAG_BYTES`].
    pub fn seal(&self, offset: u64, bound: &[u8], out: &mut Vec<u8>, from: usize) {
        let Some(plain) = out.get_mut(from..) else { return };
        match seal(&self.cipher, &nonce(offset), bound, plain) {
            Some(tag) => out.extend_from_slice(&tag),
            // Only of more than 64 GiB, and no frame is so long. Then nothing is left rather than what is plain.
            None => out.truncate(from),
        }
    }

    /// What was sealed there; `None` where it is not what was sealed, or not what it was bound to.
    pub fn open(&self, offset: u64, bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        open(&self.cipher, &nonce(offset), bound, sealed)
    }
}

/// At one offset of one file stands one frame, so it is used once under the file's key.
fn nonce(offset: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce.iter_mut().zip(offset.to_le_bytes()).for_each(|(to, from)| *to = from);
    nonce
}

/// Seals a key of 32 bytes; `None` never.
pub(super) fn wrap(
    by: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    bound: &[u8],
    key: &[u8; KEY_BYTES],
) -> Option<[u8; KEY_BYTES + TAG_BYTES]> {
    let mut buffer = Zeroizing::new(*key);
    let tag = seal(&Aes256Gcm::new(by.into()), nonce, bound, buffer.as_mut_slice())?;
    let mut sealed = [0; KEY_BYTES + TAG_BYTES];
    sealed.iter_mut().zip(buffer.iter().chain(&tag)).for_each(|(to, from)| *to = *from);
    Some(sealed)
}

/// The key that was sealed; `None` by another key, or where it is not what was sealed.
pub(super) fn unwrap(
    by: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    bound: &[u8],
    sealed: &[u8; KEY_BYTES + TAG_BYTES],
) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let opened = Zeroizing::new(open(&Aes256Gcm::new(by.into()), nonce, bound, sealed)?);
    opened.as_slice().try_into().ok().map(Zeroizing::new)
}

fn seal(
    by: &Aes256Gcm,
    nonce: &[u8; NONCE_BYTES],
    bound: &[u8],
    plain: &mut [u8],
) -> Option<[u8; TAG_BYTES]> {
    let tag = by.encrypt_inout_detached(&Nonce::from(*nonce), bound, plain.into()).ok()?;
    Some(tag.into())
}

fn open(by: &Aes256Gcm, nonce: &[u8; NONCE_BYTES], bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
    let mut plain = sealed.to_vec();
    by.decrypt_inout_detached(&Nonce::from(*nonce), bound, plain.as_mut_slice().into(), &(*tag).into())
        .ok()
        .map(|()| plain)
}

/// What was sealed with this key, for a test with published figures.
#[cfg(test)]
pub(super) fn open_with(
    by: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    bound: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    open(&Aes256Gcm::new(by.into()), nonce, bound, sealed)
}
