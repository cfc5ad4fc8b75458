//! The ring: the caller's keys, newest first, and where they come from.
//!
//! Owns: [`KeyRing`], its text, and how keys wrap keys. Invariant: no byte of a key is ever printed, and each is wiped when its ring is dropped.
//! These files are not the store's, so they are read without its file system.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::Whose;
use super::cipher::{self, DataKey};
use super::wrapped::{KEY_BYTES, NAME_BYTES_MAX, NONCE_BYTES, Stage, Wrapped, is_name};
use crate::error::{Error, Result};
use crate::id;

/// More than any ring takes; a longer file is something else.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// The keys that a store is encrypted with, each with a name: the newest, which seals what is new, and older ones, which open
/// what they have sealed.
///
/// As text it has a line for each key, the newest first: its name, and its 32 bytes in hexadecimal or base64. Empty lines and
/// lines that begin with `#` count for nothing; in a variable of the environment `,` may stand for the end of a line.
/// A name has 1 to 32 letters, digits, `.`, `_` and `-`; it is no secret, and stands on the disk beside what its key has sealed.
///
/// ```text
/// # head -c 32 /dev/urandom | base64
/// 2026-11  cTOUJ5ZQy2Wh8nF1jXfDq0mB4vHk7sLrNgEo9aPiUtM=
/// 2025-11  2f6c1a...64 hexadecimal digits...9e
/// ```
///
/// `Debug` shows the names and nothing else; what the ring holds is wiped when it is dropped.
///
/// ```
/// use sessile::{KeyRing, Options};
///
/// # let dir = tempfile::tempdir()?;
/// # let key = [7; 32];
/// let keys = KeyRing::new("2026-11", key)?;
/// assert_eq!(format!("{keys:?}"), r#"KeyRing(["2026-11"])"#);
/// let store = Options::new().encryption(keys).open(dir.path())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyRing(Vec<Key>);

struct Key {
    name: String,
    // Behind a pointer, so that a ring that grows leaves no copies behind.
    bytes: Box<Zeroizing<[u8; KEY_BYTES]>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("KeyRing").field(&self.names().collect::<Vec<_>>()).finish()
    }
}

impl KeyRing {
    /// A ring of one key.
    ///
    /// # Errors
    /// `KeysUnreadable`: that is no name of a key, or the key is all zeros.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self> {
        Self(Vec::new()).and_older(name, key)
    }

    /// The same ring with a key that is older than all in it.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for a name that is in the ring already.
    pub fn and_older(mut self, name: &str, key: [u8; 32]) -> Result<Self> {
        let key = Box::new(Zeroizing::new(key));
        self.add("the key ring", name, key)?;
        Ok(self)
    }

    /// Reads a ring from its text.
    ///
    /// # Errors
    /// `KeysUnreadable`, with the number of the line.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parsed("the key ring", text)
    }

    /// Reads a ring from a file that nobody but its owner can read or write.
    ///
    /// # Errors
    /// `KeysUnreadable`.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let from = said("the file", &path.as_ref().display().to_string());
        let failed = |error: std::io::Error| unreadable(&from, &format!("it cannot be read: {error}"));
        let mut file = File::open(path.as_ref()).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.permissions().mode() & 0o077 != 0 {
            let what = "others than its owner can read or write it; take that from them (chmod 600)";
            return Err(unreadable(&from, what));
        }
        // All its room at once, so that a text that grows leaves no copies behind.
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX + 1));
        file.by_ref().take(TEXT_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(unreadable(&from, "it is longer than any file of keys"));
        }
        Self::parsed(&from, &text)
    }

    /// Reads a ring from a variable of the environment. It stays there: who can read the environment of the process has the
    /// keys, and so have its children.
    ///
    /// # Errors
    /// `KeysUnreadable`.
    pub fn from_variable(name: &str) -> Result<Self> {
        let from = said("the variable", name);
        match std::env::var(name) {
            Ok(text) => Self::parsed(&from, &Zeroizing::new(text)),
            Err(std::env::VarError::NotPresent) => Err(unreadable(&from, "it is not set")),
            Err(std::env::VarError::NotUnicode(_)) => Err(unreadable(&from, "it is not text")),
        }
    }

    /// Reads a ring from where an operator says it is: `file:/etc/sessile/keys` or `env:SESSILE_KEYS`.
    ///
    /// # Errors
    /// `KeysUnreadable`. What was said is not repeated where it names no place: it may be a key.
    pub fn from_place(place: &str) -> Result<Self> {
        match place.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Self::from_file(path),
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Self::from_variable(name)
            }
            _ => Err(unreadable("what was named", "write file:/path/to/keys or env:VARIABLE")),
        }
    }

    /// The names of the keys, the newest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.name.as_str())
    }

    fn parsed(from: &str, text: &str) -> Result<Self> {
        let mut ring = Self(Vec::new());
        for (number, line) in text.split(['\n', ',']).enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = format!("{from}, line {}", number + 1);
            let mut words = line.split_whitespace();
            let (Some(name), Some(key), None) = (words.next(), words.next(), words.next()) else {
                return Err(unreadable(&place, "a line is the name of a key and the key"));
            };
            let Some(key) = decoded(key) else {
                return Err(unreadable(&place, "a key is 32 bytes, as 64 hexadecimal digits or in base64"));
            };
            ring.add(&place, name, key)?;
        }
        if ring.0.is_empty() { Err(unreadable(from, "there is no key in it")) } else { Ok(ring) }
    }

    fn add(&mut self, place: &str, name: &str, bytes: Box<Zeroizing<[u8; KEY_BYTES]>>) -> Result<()> {
        if !is_name(name) {
            let what =
                format!("the name of a key is 1 to {NAME_BYTES_MAX} letters, digits, '.', '_' and '-'");
            return Err(unreadable(place, &what));
        }
        if self.get(name).is_some() {
            return Err(unreadable(place, "a key of that name stands before it"));
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(unreadable(
                place,
                "the key is all zeros; draw one (head -c 32 /dev/urandom | base64)",
            ));
        }
        self.0.push(Key { name: name.to_owned(), bytes });
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.name == name)
    }

    /// The name of the key that seals what is new.
    pub(crate) fn newest(&self) -> &str {
        self.0.first().map_or("", |key| &key.name)
    }

    /// Whether the newest key of another ring is in this one too.
    pub(crate) fn knows_newest_of(&self, other: &Self) -> Result<()> {
        let Some(newest) = other.0.first() else { return Ok(()) };
        match self.get(&newest.name) {
            Some(own) if own.bytes == newest.bytes => Ok(()),
            Some(_) => Err(Error::KeyWrong { name: newest.name.clone() }),
            None => Err(Error::KeyMissing { name: newest.name.clone() }),
        }
    }

    /// Draws a data key and seals it with the newest key.
    pub(crate) fn new_data_key(&self, whose: Whose) -> Result<(Wrapped, DataKey)> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        id::random(bytes.as_mut_slice())?;
        let wrapped = self.wrap(&bytes, whose, Stage::Sealed)?;
        let key = DataKey::new(&bytes, &wrapped.name);
        Ok((wrapped, key))
    }

    /// The data key in an wrapped.
    pub(crate) fn data_key(&self, wrapped: &Wrapped, whose: Whose) -> Result<DataKey> {
        self.opened(wrapped, whose).map(|bytes| DataKey::new(&bytes, &wrapped.name))
    }

    /// Seals a key with the newest one.
    pub(crate) fn wrap(&self, key: &[u8; KEY_BYTES], whose: Whose, stage: Stage) -> Result<Wrapped> {
        let newest = self.0.first().ok_or_else(|| unreadable("the key ring", "there is no key in it"))?;
        let mut nonce = [0; NONCE_BYTES];
        id::random(&mut nonce)?;
        let sealed = cipher::wrap(&newest.bytes, &nonce, &whose.bound(stage, &newest.name), key)
            .ok_or_else(|| unreadable("the key ring", "the cipher refused"))?;
        Ok(Wrapped { stage, name: newest.name.clone(), nonce, sealed })
    }

    /// The key in an wrapped.
    pub(crate) fn unwrap(&self, wrapped: &Wrapped, whose: Whose) -> Result<[u8; KEY_BYTES]> {
        self.opened(wrapped, whose).map(|bytes| *bytes)
    }

    fn opened(&self, wrapped: &Wrapped, whose: Whose) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
        let name = || wrapped.name.clone();
        let key = self.get(&wrapped.name).ok_or_else(|| Error::KeyMissing { name: name() })?;
        let bound = whose.bound(wrapped.stage, &wrapped.name);
        cipher::unwrap(&key.bytes, &wrapped.nonce, &bound, &wrapped.sealed)
            .ok_or_else(|| Error::KeyWrong { name: name() })
    }
}

/// What was said to be where the keys are, unless there is a key in it, which is never repeated: somebody has given the line of a
/// file for its name.
fn said(what: &str, place: &str) -> String {
    let is_key = |word: &str| decoded(word).is_some() || word.rsplit('/').next().and_then(decoded).is_some();
    let has_key = is_key(place) || place.split([' ', '\t', '\n', ':', ',']).any(is_key);
    if has_key { format!("{what} that was named") } else { format!("{what} {place}") }
}

/// The 32 bytes that a word stands for.
fn decoded(word: &str) -> Option<Box<Zeroizing<[u8; KEY_BYTES]>>> {
    let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
    let room = key.as_mut_slice();
    let read = if word.len() == 2 * KEY_BYTES {
        from_hexadecimal(word, room)
    } else {
        let is_whole = |bytes: &[u8]| bytes.len() == KEY_BYTES;
        Base64::decode(word, room).is_ok_and(is_whole)
            || Base64Unpadded::decode(word, room).is_ok_and(is_whole)
            || Base64Url::decode(word, room).is_ok_and(is_whole)
            || Base64UrlUnpadded::decode(word, room).is_ok_and(is_whole)
    };
    read.then_some(key)
}

fn from_hexadecimal(word: &str, room: &mut [u8]) -> bool {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    room.iter_mut().zip(word.as_bytes().chunks_exact(2)).all(|(byte, pair)| {
        let [high, low] = pair else { return false };
        let (Some(high), Some(low)) = (digit(high), digit(low)) else { return false };
        *byte = (high << 4 | low) as u8;
        true
    })
}

fn unreadable(from: &str, what: &str) -> Error {
    Error::KeysUnreadable { from: from.into(), what: what.into() }
}
