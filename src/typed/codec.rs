//! How a value becomes bytes and a value again: JSON, or bincode for who wants it smaller.
//!
//! Owns: [`Codec`], its tags, and what an error may say. Invariants:
//! 1. A tag never changes its meaning, and the bytes of a codec never change for the same tag.
//! 2. Bytes are hostile: a length is believed only as far as the input goes on, and trailing bytes are an error.
//! 3. An error shows no part of a value: what serde says of a mismatch is cut down to what the type expected.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest encoded value in bytes: what [`Options::session_bytes_max`](crate::Options::session_bytes_max) can be
/// raised to. The limit that bincode works under, both ways.
#[cfg(feature = "bincode")]
pub(super) const VALUE_BYTES_MAX: u64 = 15 << 20;

/// How the values of a [`TypedStore`](super::TypedStore) are encoded when they are written.
///
/// Each value carries its codec with it, so a store may hold both: change the codec whenever you like, and values
/// written before are read as they were written.
///
/// ```
/// use sessile::typed::Codec;
/// assert_eq!(Codec::default(), Codec::Json);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Codec {
    /// JSON, which names its fields: a field may be added with `#[serde(default)]`, removed or reordered without a
    /// new version, and a session can be read with the eye. Numbers that are not finite cannot be read back, so
    /// they are refused when they are written.
    #[default]
    Json,
    /// bincode 1.3.3, integers of fixed width, little-endian: about half of JSON. It names nothing, so each change of
    /// the type needs a new [`VERSION`](super::SessionValue::VERSION), a field added with `#[serde(default)]`
    /// included, and it cannot hold types that need `deserialize_any`: `flatten`, `untagged`, `tag`,
    /// `skip_serializing_if`, `serde_json::Value`. Those are refused when they are written.
    ///
    /// Two kinds of type it should not be given, since damage made on purpose could hold up or end the process: a
    /// collection of values that take no bytes, such as `Vec<()>`, whose length no limit can check; and a type that
    /// contains itself, since it nests as deep as the bytes say. [`Codec::Json`] holds both safely.
    #[cfg(feature = "bincode")]
    Bincode,
}

impl Codec {
    const JSON: u8 = b'J';
    const BINCODE: u8 = b'B';

    /// The byte that stands before each value: a letter, so that neither raw JSON nor an empty payload passes for one.
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Json => Self::JSON,
            #[cfg(feature = "bincode")]
            Self::Bincode => Self::BINCODE,
        }
    }

    /// The codec of a tag, or what is wrong with the tag.
    pub(super) fn of_tag(tag: u8) -> Result<Self, &'static str> {
        match tag {
            Self::JSON => Ok(Self::Json),
            #[cfg(feature = "bincode")]
            Self::BINCODE => Ok(Self::Bincode),
            #[cfg(not(feature = "bincode"))]
            Self::BINCODE => {
                Err("it was written with bincode; build sessile with the feature `bincode` to read it")
            }
            _ => Err(
                "it does not begin with the tag of a known codec, so no typed store of this release wrote it",
            ),
        }
    }

    /// What errors call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            #[cfg(feature = "bincode")]
            Self::Bincode => "bincode",
        }
    }

    /// Appends the value, or says why this codec cannot hold it.
    pub(super) fn encode<T: Serialize>(self, value: &T, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Json => serde_json::to_writer(out, value).map_err(|error| json_reason(&error)),
            #[cfg(feature = "bincode")]
            Self::Bincode => bincode::Options::serialize_into(bincode_options(), out, value)
                .map_err(|error| bincode_reason(&error)),
        }
    }

    /// Reads a value that takes up all of `bytes`, or says why that cannot be done.
    pub(super) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, String> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|error| json_reason(&error)),
            #[cfg(feature = "bincode")]
            Self::Bincode => bincode::Options::deserialize(bincode_options(), bytes)
                .map_err(|error| bincode_reason(&error)),
        }
    }
}

/// Fixed for ever under the tag `B`: fixed-width little-endian integers, a limit, and no trailing bytes.
#[cfg(feature = "bincode")]
fn bincode_options() -> impl bincode::Options {
    bincode::Options::with_limit(
        bincode::Options::with_fixint_encoding(bincode::DefaultOptions::new()),
        VALUE_BYTES_MAX,
    )
}

fn json_reason(error: &serde_json::Error) -> String {
    let said = error.to_string();
    if error.classify() != serde_json::error::Category::Data {
        return said;
    }
    let place = format!(" at line {} column {}", error.line(), error.column());
    match said.strip_suffix(&place) {
        Some(said) => without_value(said) + &place,
        None => without_value(&said),
    }
}

#[cfg(feature = "bincode")]
fn bincode_reason(error: &bincode::ErrorKind) -> String {
    use bincode::ErrorKind;
    match error {
        ErrorKind::Custom(said) if said.contains("bytes remaining") => {
            "bytes are left over behind the value".into()
        }
        ErrorKind::Custom(said) => without_value(said),
        ErrorKind::Io(_) => "the bytes end inside the value".into(),
        ErrorKind::SizeLimit => format!("it is longer than {VALUE_BYTES_MAX} bytes, or says so"),
        ErrorKind::DeserializeAnyNotSupported | ErrorKind::SequenceMustHaveLength => {
            "the type uses serde in a way that only a self-describing codec can hold; use Codec::Json".into()
        }
        ErrorKind::InvalidUtf8Encoding(_) | ErrorKind::InvalidCharEncoding => {
            "a text in it is not UTF-8".into()
        }
        ErrorKind::InvalidBoolEncoding(_) | ErrorKind::InvalidTagEncoding(_) => {
            "a flag in it is neither 0 nor 1".into()
        }
    }
}

/// What serde said of a mismatch, without what it quotes from the value.
///
/// It says `invalid type: string "hunter2", expected u32`, and errors end up in logs. Kept are the kind and what
/// the type expected, which come from the program and not from the session. What stands behind the last
/// `, expected ` cannot be of the value, since serde itself writes that.
fn without_value(said: &str) -> String {
    const FIELD_OF_THE_TYPE: [&str; 2] = ["missing field `", "duplicate field `"];
    const QUOTES_THE_VALUE: [&str; 5] =
        ["invalid type", "invalid value", "invalid length", "unknown variant", "unknown field"];
    if FIELD_OF_THE_TYPE.iter().any(|head| said.starts_with(head)) {
        return said.to_owned();
    }
    match (QUOTES_THE_VALUE.iter().find(|head| said.starts_with(*head)), said.rsplit_once(", expected ")) {
        (Some(kind), Some((_, expected))) => format!("{kind}, expected {expected}"),
        (Some(kind), None) => (*kind).to_owned(),
        (None, _) => "the type's own serde code refuses it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_no_part_of_the_value() {
        for (json, said) in [
            (r#"{"user":"hunter2"}"#, "invalid type, expected u32 at line 1 column 17"),
            (r#"{"user":"a, expected hunter2"}"#, "invalid type, expected u32 at line 1 column 29"),
            (r#"{"user":7,"hunter2":1}"#, "unknown field, expected `user` or `shop` at line 1 column 19"),
            (
                r#"{"user":7,"shop":"hunter2"}"#,
                "unknown variant, expected `Books` or `Tea` at line 1 column 26",
            ),
            (r#"{"user":-7}"#, "invalid value, expected u32 at line 1 column 10"),
            (r#"{"shop":"Tea"}"#, "missing field `user` at line 1 column 14"),
            (r#"{"user":7"#, "EOF while parsing an object at line 1 column 9"),
            (r#"{"user":7,"shop":"Tea"} hunter2"#, "trailing characters at line 1 column 25"),
        ] {
            assert_eq!(Codec::Json.decode::<Login>(json.as_bytes()).unwrap_err(), said);
        }
        let refused = Codec::Json.decode::<Picky>(br#""hunter2""#).unwrap_err();
        assert_eq!(refused, "the type's own serde code refuses it");
    }

    #[cfg(feature = "bincode")]
    #[test]
    fn bincode_says_what_is_wrong_and_nothing_of_the_value() {
        for (bytes, said) in [
            (&b"\x07\0\0\0\x01\0\0\0"[..], None),
            (b"\x07\0\0\0\x01\0\0\0!", Some("bytes are left over behind the value")),
            (b"\x07\0\0\0\x09\0\0\0", Some("invalid value, expected variant index 0 <= i < 2")),
            (b"\x07\0\0\0", Some("the bytes end inside the value")),
        ] {
            assert_eq!(Codec::Bincode.decode::<Login>(bytes).err().as_deref(), said);
        }
        let flags = Codec::Bincode.decode::<bool>(&[7]).unwrap_err();
        assert_eq!(flags, "a flag in it is neither 0 nor 1");
        let long = Codec::Bincode.encode(&"x".repeat(16 << 20), &mut Vec::new()).unwrap_err();
        assert_eq!(long, "it is longer than 15728640 bytes, or says so");
        let any = Codec::Bincode.decode::<serde_json::Value>(&[7]).unwrap_err();
        assert!(any.contains("Codec::Json"), "{any}");
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only ever decoded")]
    struct Login {
        user: u32,
        shop: Shop,
    }

    #[derive(Debug, serde::Deserialize)]
    enum Shop {
        Books,
        Tea,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(try_from = "String")]
    struct Picky;

    impl TryFrom<String> for Picky {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            Err(format!("{text} is not nice"))
        }
    }
}
