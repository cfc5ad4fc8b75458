//! Names of sessions: the id a client holds, the digest the store keeps, the handle a page may show.
//!
//! Owns: the limits on ids and subjects, and the keyed digest. Invariant: an id leaves memory only as its digest;
//! nothing here prints one. The digest is BLAKE3 keyed with the store's own secret, cut to 128 bits: a stolen file
//! gives no usable id, and nobody outside can choose ids that collide.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The longest session id, in bytes.
pub const ID_BYTES_MAX: usize = 4096;
/// The longest subject, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 1024;

/// A fresh session id: 256 random bits, written as 43 URL-safe characters.
///
/// It is a bearer token: who has it is logged in. `Debug` therefore does not show it; ask for it with
/// [`as_str`](Self::as_str) where the cookie is written. Any bytes from 1 to 4,096 can serve as an id, so this type
/// is a convenience and not a requirement.
///
/// ```
/// let id = sessile::SessionId::generate()?;
/// assert_eq!(id.as_str().len(), 43);
/// assert_eq!(format!("{id:?}"), "SessionId(..)");
/// # Ok::<(), sessile::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// Draws 256 bits from the operating system.
    ///
    /// # Errors
    /// [`Error::Io`] when the system has no randomness to give.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        Ok(Self(base64_url(&bytes)))
    }

    /// The id itself, for the `Set-Cookie` header. Do not log it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for SessionId {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SessionId(..)")
    }
}

/// Names a session without being its id: safe to put in a page, useless as a cookie.
///
/// It is the session's digest, so it changes when [`rotate`](crate::Store::rotate) gives the session a new id.
/// It prints as 32 hexadecimal digits and parses back from them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(pub(crate) Digest);

impl fmt::Display for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Handle({self})")
    }
}

impl FromStr for Handle {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::invalid("a handle is 32 hexadecimal digits, as `sessile ls` prints them");
        let mut digest = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return Err(invalid());
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
        }
        Ok(Self(Digest(digest)))
    }
}

/// As bytes, for whoever keeps sessions elsewhere under the same names.
impl Handle {
    /// The 16 bytes of the digest.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.0
    }

    /// The handle that [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Digest(bytes))
    }
}

/// What the store keeps of a subject: a keyed digest, comparable and nothing else.
///
/// Get the one that belongs to a user's name from [`Store::subject_digest`](crate::Store::subject_digest).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectDigest(pub(crate) Digest);

/// As bytes, for whoever keeps sessions elsewhere under the same names.
impl SubjectDigest {
    /// The 16 bytes of the digest.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.0
    }

    /// The digest that [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Digest(bytes))
    }
}

impl fmt::Debug for SubjectDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SubjectDigest(..)")
    }
}

/// 128 bits of keyed BLAKE3: the only form in which an id or a subject reaches index or disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Digest(pub [u8; 16]);

impl Digest {
    /// A digest that begins with this tag, for a session whose record cannot be read.
    pub fn of_tag(tag: u64) -> Self {
        let mut digest = [0; 16];
        if let Some((front, _)) = digest.split_first_chunk_mut::<8>() {
            *front = tag.to_be_bytes();
        }
        Self(digest)
    }

    /// Whether it is one of [`of_tag`](Self::of_tag): of 2^64 true digests one looks like it.
    pub fn is_of_tag(self) -> bool {
        self == Self::of_tag(self.tag())
    }

    /// The first 64 bits, big-endian, so that tags sort as digests do. Uniform, so it is its own hash.
    pub fn tag(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Digest({:016x}..)", self.tag())
    }
}

/// A store's secret, which turns ids and subjects into digests. Homes that share it know a session by the same handle.
///
/// Who has it and a copy of the store can try out ids, though 256 random bits are not to be guessed. `Debug` does not show it.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path())?;
/// let secret = sessile::Secret::from_bytes(store.secret().to_bytes());
/// assert_eq!(secret.handle_of("an id")?, store.handle_of("an id")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub(crate) [u8; 32]);

impl Secret {
    /// Draws 256 bits from the operating system.
    ///
    /// # Errors
    /// [`Error::Io`] when the system has no randomness to give.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The secret itself. Keep it where the sessions are kept, and nowhere else.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The secret that [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The handle of the session with this id.
    ///
    /// # Errors
    /// `Invalid` for an id out of its limits.
    pub fn handle_of(&self, id: impl AsRef<[u8]>) -> Result<Handle> {
        self.of_id(id.as_ref()).map(Handle)
    }

    /// What [`Session::subject`](crate::Session::subject) is for the sessions of this subject.
    ///
    /// # Errors
    /// `Invalid` for a subject out of its limits.
    pub fn subject_digest(&self, subject: impl AsRef<[u8]>) -> Result<SubjectDigest> {
        self.of_subject(subject.as_ref()).map(SubjectDigest)
    }

    /// The digest of a session id; ids that are empty or too long are refused.
    pub(crate) fn of_id(&self, id: &[u8]) -> Result<Digest> {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Err(Error::invalid(
                "a session id has 1 to 4,096 bytes; generate one with SessionId::generate",
            ));
        }
        Ok(self.digest(b'i', id))
    }

    /// The digest of a subject, which never equals that of an id with the same bytes.
    pub(crate) fn of_subject(&self, subject: &[u8]) -> Result<Digest> {
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX {
            return Err(Error::invalid("a subject has 1 to 1,024 bytes, for example the user's number"));
        }
        Ok(self.digest(b's', subject))
    }

    fn digest(&self, domain: u8, bytes: &[u8]) -> Digest {
        // What is short enough for one BLAKE3 block, with the domain behind it, needs one compression.
        let mut block = [0; 64];
        let hash = match (block.get_mut(..bytes.len()), bytes.len()) {
            (Some(front), length @ ..64) => {
                front.copy_from_slice(bytes);
                if let Some(last) = block.get_mut(length) {
                    *last = domain;
                }
                blake3::keyed_hash(&self.0, block.get(..=length).unwrap_or_default())
            }
            _ => blake3::Hasher::new_keyed(&self.0).update(bytes).update(&[domain]).finalize(),
        };
        let mut digest = [0; 16];
        if let Some((front, _)) = hash.as_bytes().split_first_chunk::<16>() {
            digest = *front;
        }
        Digest(digest)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// Fills `bytes` from the operating system's generator.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    #[cfg(feature = "simulation")]
    if crate::vfs::draw_seeded(bytes) {
        return Ok(());
    }
    crate::sync::random(bytes).map_err(|error| {
        Error::io("drawing random bytes from the system", std::io::Error::other(error.to_string()))
    })
}

fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..=chunk.len() {
            let six = word >> (18 - 6 * position) & 63;
            text.push(char::from(ALPHABET.get(six as usize).copied().unwrap_or(b'-')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_url_safe_and_unpadded() {
        assert_eq!(base64_url(b"\xff\xff\xfe"), "___-");
        assert_eq!(base64_url(b"Ma"), "TWE");
        assert_eq!(base64_url(b"M"), "TQ");
    }

    #[test]
    fn a_handle_prints_and_parses() {
        let handle = Handle(Secret([7; 32]).of_id(b"x").unwrap());
        assert_eq!(handle.to_string().parse::<Handle>().unwrap(), handle);
        assert!("zz".parse::<Handle>().is_err());
    }

    #[test]
    fn a_digest_is_keyed_blake3_of_the_bytes_and_their_domain_however_long_they_are() {
        let secret = Secret([7; 32]);
        for length in [1, 32, 62, 63, 64, 65, 4096] {
            let id = vec![9; length];
            let mut hasher = blake3::Hasher::new_keyed(&[7; 32]);
            hasher.update(&id).update(b"i");
            assert_eq!(secret.of_id(&id).unwrap().0, hasher.finalize().as_bytes()[..16], "{length} bytes");
        }
    }

    #[test]
    fn an_id_and_a_subject_of_the_same_bytes_differ() {
        let secret = Secret([7; 32]);
        assert_ne!(secret.of_id(b"x").unwrap(), secret.of_subject(b"x").unwrap());
        assert!(secret.of_id(b"").is_err() && secret.of_id(&[0; 4097]).is_err());
        assert!(secret.of_id(&[0; 4096]).is_ok() && secret.of_subject(&[0; 1025]).is_err());
    }
}
