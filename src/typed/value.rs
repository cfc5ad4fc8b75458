//! A value as it stands in a session's data: which codec, which version, then the value.
//!
//! ```text
//!  0        1                    5
//!  +--------+--------------------+-----------------------------
//!  | codec  | T::VERSION, u32 LE | the value, to the end of data
//!  +--------+--------------------+-----------------------------
//! ```
//!
//! Owns: that layout, [`SessionValue`], [`Encoded`]. The layout lies inside the session's data and knows nothing of
//! the record around it, which has a length and a checksum of its own. Invariants:
//! 1. Bytes whose version is not `T::VERSION` are never decoded as `T`, but by `T::migrate` alone.
//! 2. What is written has been read back: a value that its codec can write but not read is refused before it is stored.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::Codec;
use crate::error::{Error, Result};

const HEADER_BYTES: usize = 5;

/// A type whose values are kept in sessions, and how values of its older versions become new ones.
///
/// Raise [`VERSION`](Self::VERSION) with each change that the codec cannot bridge by itself, and say in
/// [`migrate`](Self::migrate) how to read what was written before. With [`Codec::Json`] a field that has
/// `#[serde(default)]` needs no new version; with [`Codec::Bincode`](Codec) every change does.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sessile::typed::{Encoded, SessionValue};
///
/// #[derive(Serialize, Deserialize)]
/// struct LoginV1 {
///     name: String,
/// }
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Login {
///     user: u64,
///     name: String,
/// }
///
/// impl SessionValue for LoginV1 {}
///
/// impl SessionValue for Login {
///     const VERSION: u32 = 2;
///
///     fn migrate(version: u32, bytes: Encoded<'_>) -> sessile::Result<Self> {
///         match version {
///             1 => bytes.decode::<LoginV1>().map(|old| Login { user: 0, name: old.name }),
///             _ => Err(bytes.unknown_version::<Self>()),
///         }
///     }
/// }
///
/// let old = Encoded::write(&LoginV1 { name: "ada".into() }, Default::default())?;
/// let new: Login = Encoded::parse(&old)?.into_value()?;
/// assert_eq!(new, Login { user: 0, name: "ada".into() });
/// # Ok::<(), sessile::Error>(())
/// ```
pub trait SessionValue: Serialize + DeserializeOwned + 'static {
    /// The version of this type, written before each of its values. Default 1.
    const VERSION: u32 = 1;

    /// Makes a value of bytes that another version of the program wrote: an older one, or a newer one where a
    /// deploy was rolled back. Nothing is written; the session takes the new form with its next write.
    ///
    /// Without a migration each other version is an error, and the session stays as it is.
    ///
    /// # Errors
    /// [`Error::Codec`] for a version that cannot be migrated; see [`Encoded::unknown_version`].
    fn migrate(version: u32, bytes: Encoded<'_>) -> Result<Self> {
        let _ = version;
        Err(bytes.unknown_version::<Self>())
    }
}

/// A value in its encoded form, borrowed from the data of a session.
///
/// [`SessionValue::migrate`] gets one; [`parse`](Self::parse) makes one of any session's data, for a tool that
/// looks into a store without knowing its types.
///
/// ```
/// use sessile::typed::{Codec, Encoded};
/// let bytes = Encoded::parse(b"J\x02\0\0\0{\"user\":7}")?;
/// assert_eq!((bytes.codec(), bytes.version(), bytes.bytes()), (Codec::Json, 2, &b"{\"user\":7}"[..]));
/// # Ok::<(), sessile::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Encoded<'a> {
    codec: Codec,
    version: u32,
    bytes: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Takes a session's data apart, without decoding the value.
    ///
    /// # Errors
    /// [`Error::Codec`] for data that no typed store of this release wrote.
    pub fn parse(data: &'a [u8]) -> Result<Self> {
        let short = || refused("it has fewer than 5 bytes, so no typed store wrote it".into());
        let (header, bytes) = data.split_first_chunk::<HEADER_BYTES>().ok_or_else(short)?;
        let [tag, version @ ..] = *header;
        let codec = Codec::of_tag(tag).map_err(|why| refused(why.into()))?;
        Ok(Self { codec, version: u32::from_le_bytes(version), bytes })
    }

    /// Encodes a value with its codec and version before it: the data that a typed store writes.
    ///
    /// The bytes are read back once before they are returned, so that what cannot be read is never stored.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that the codec cannot hold.
    ///
    /// ```
    /// # use sessile::typed::{Codec, Encoded, SessionValue};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Cart { items: Vec<u32> }
    /// impl SessionValue for Cart {}
    ///
    /// let data = Encoded::write(&Cart { items: vec![7] }, Codec::Json)?;
    /// assert_eq!(data, b"J\x01\0\0\0{\"items\":[7]}");
    /// # Ok::<(), sessile::Error>(())
    /// ```
    pub fn write<T: SessionValue>(value: &T, codec: Codec) -> Result<Vec<u8>> {
        let invalid = |why: String| Error::invalid(format!("{} cannot hold this value: {why}", codec.name()));
        let mut data = vec![codec.tag()];
        data.extend_from_slice(&T::VERSION.to_le_bytes());
        codec.encode(value, &mut data).map_err(invalid)?;
        let bytes = data.get(HEADER_BYTES..).unwrap_or_default();
        codec
            .decode::<T>(bytes)
            .map_err(|why| invalid(format!("what it writes cannot be read back, {why}")))?;
        Ok(data)
    }

    /// The value, by way of [`SessionValue::migrate`] where another version wrote it.
    ///
    /// # Errors
    /// [`Error::Codec`] for a value that cannot be decoded or migrated.
    pub fn into_value<T: SessionValue>(self) -> Result<T> {
        if self.version == T::VERSION { self.decode() } else { T::migrate(self.version, self) }
    }

    /// Decodes the bytes as a `D`, whatever the version before them: what a migration does with its old type.
    ///
    /// # Errors
    /// [`Error::Codec`] when they are no `D`. The message shows no part of the value.
    pub fn decode<D: DeserializeOwned>(&self) -> Result<D> {
        let named =
            |why: String| refused(format!("{} of version {}: {why}", self.codec.name(), self.version));
        self.codec.decode(self.bytes).map_err(named)
    }

    /// The error for a version that `T` cannot be made of.
    #[must_use]
    pub fn unknown_version<T: SessionValue>(&self) -> Error {
        refused(format!(
            "it has version {} where the program has version {} and no migration from there; add one to its \
             SessionValue::migrate",
            self.version,
            T::VERSION
        ))
    }

    /// Which codec wrote the value.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The version of the type that was written.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The value as its codec wrote it.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl std::fmt::Debug for Encoded<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Encoded")
            .field("codec", &self.codec)
            .field("version", &self.version)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

fn refused(why: String) -> Error {
    Error::Codec(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Login {
        user: u64,
        name: String,
        admin: Option<bool>,
    }

    impl SessionValue for Login {
        const VERSION: u32 = 0x0102_0304;
    }

    fn login() -> Login {
        Login { user: 7, name: "ada".into(), admin: Some(true) }
    }

    #[test]
    fn json_bytes_are_these() {
        let data = Encoded::write(&login(), Codec::Json).unwrap();
        assert_eq!(data, b"J\x04\x03\x02\x01{\"user\":7,\"name\":\"ada\",\"admin\":true}");
        assert_eq!(Encoded::parse(&data).unwrap().into_value::<Login>().unwrap(), login());
    }

    #[cfg(feature = "bincode")]
    #[test]
    fn bincode_bytes_are_these() {
        let data = Encoded::write(&login(), Codec::Bincode).unwrap();
        assert_eq!(data, b"B\x04\x03\x02\x01\x07\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0ada\x01\x01");
        assert_eq!(Encoded::parse(&data).unwrap().into_value::<Login>().unwrap(), login());
    }

    #[test]
    fn what_no_typed_store_wrote_is_an_error() {
        for data in [&b""[..], b"J", b"J\x01\0\0", b"{\"user\":7}", b"null\0", b"\0\0\0\0\0\0\0"] {
            let error = Encoded::parse(data).unwrap_err();
            assert!(matches!(error, Error::Codec(_)), "{error:?}");
            assert!(error.to_string().contains("typed store"), "{error}");
        }
    }

    #[test]
    fn another_version_without_a_migration_is_an_error_that_says_so() {
        let error = Encoded::parse(b"J\x09\0\0\0{}").unwrap().into_value::<Login>().unwrap_err();
        let said = error.to_string();
        assert!(said.contains("version 9") && said.contains("SessionValue::migrate"), "{said}");
    }

    #[test]
    fn what_cannot_be_read_back_is_not_written() {
        #[derive(Serialize, Deserialize)]
        struct Price(f64);
        impl SessionValue for Price {}
        assert!(Encoded::write(&Price(1.5), Codec::Json).is_ok());
        let error = Encoded::write(&Price(f64::NAN), Codec::Json).unwrap_err();
        assert!(matches!(&error, Error::Invalid(why) if why.contains("read back")), "{error:?}");
    }

    #[cfg(feature = "bincode")]
    #[test]
    fn what_bincode_would_lose_is_not_written() {
        #[derive(Serialize, Deserialize)]
        struct Sparse {
            #[serde(skip_serializing_if = "Option::is_none")]
            note: Option<String>,
            user: u64,
        }
        impl SessionValue for Sparse {}
        let sparse = Sparse { note: None, user: 7 };
        assert!(Encoded::write(&sparse, Codec::Json).is_ok());
        assert!(matches!(Encoded::write(&sparse, Codec::Bincode), Err(Error::Invalid(_))));
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", Encoded::parse(b"J\x01\0\0\0\"hunter2\"").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
