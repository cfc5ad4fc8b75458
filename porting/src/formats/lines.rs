//! JSON lines of our own: what `sessile export` writes, and what anybody can write who has sessions in a store of their own.
//!
//! The first line names the format; each other is a session.
//!
//! ```text
//! {"format":"sessile-sessions","version":1}
//! {"id":"…","data":"{\"cookie\":{}}","deadline_ms":1700000000000,"idle_ms":1800000,"created_ms":1699990000000,"subject":"42"}
//! ```
//!
//! | field | what |
//! |---|---|
//! | `id` or `id_base64` | the id that the client holds, as text or as base64 of its bytes |
//! | `handle` | instead of an id: its digest, 32 hexadecimal digits, under the `secret` of the first line |
//! | `data` or `data_base64` | the data, as text or as base64 of its bytes |
//! | `deadline_ms` | when it ends unless it is used before, in milliseconds since 1970; null for never |
//! | `absolute_deadline_ms` | when it ends at the latest; may be missing |
//! | `idle_ms`, `created_ms` | how long it lives without being used, when it began; may be missing |
//! | `subject` or `subject_base64` | whose it is; may be missing |
//! | `subject_digest` | instead of a subject: its digest under the `secret` of the first line |

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sessile::{Deadline, ID_BYTES_MAX, SUBJECT_BYTES_MAX};

use super::no_json;
use crate::session::{Kind, Moving, Name, Note, Owner, Why};

pub(crate) const FORMAT: &str = "sessile-sessions";
pub(crate) const VERSION: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    pub format: String,
    pub version: u32,
    /// What the digests in the lines are digests under, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// One session.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    #[serde(default, deserialize_with = "some")]
    deadline_ms: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absolute_deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_digest: Option<String>,
}

/// Tells null, which is never, from what is missing.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The first line, if it is one.
pub(crate) fn head(line: &[u8]) -> Option<Head> {
    serde_json::from_slice::<Head>(line).ok().filter(|head| head.format == FORMAT)
}

/// Reads a session.
pub(crate) fn read(line: &[u8]) -> Result<Moving, Why> {
    let line: Line = serde_json::from_slice(line).map_err(|error| no_json(&error))?;
    let name = name(&line)?;
    let data =
        bytes(line.data, line.data_base64).map_err(|()| Why::with(Kind::Data, "data_base64 is no base64"))?;
    let data = data.ok_or_else(|| Why::with(Kind::Data, "it has no `data`"))?;
    let (deadline, note) = match line.deadline_ms {
        Some(Some(ms)) => (Deadline::at_ms(ms), None),
        Some(None) => (Deadline::NEVER, Some(Note::Endless)),
        None => return Err(Why::with(Kind::Moment, "it has no `deadline_ms`; null is never")),
    };
    let owner = match (bytes(line.subject, line.subject_base64), line.subject_digest) {
        (Ok(None), None) => Owner::Nobody,
        (Ok(Some(subject)), None) if (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) => {
            Owner::Named(subject)
        }
        (Ok(None), Some(hex)) => Owner::Digest(
            digest(&hex)
                .map(sessile::SubjectDigest::from_bytes)
                .ok_or_else(|| Why::with(Kind::Data, "subject_digest is no digest"))?,
        ),
        _ => {
            return Err(Why::with(
                Kind::Data,
                "its subject cannot be read: one of three fields, and 1 to 1,024 bytes",
            ));
        }
    };
    let absolute = line.absolute_deadline_ms.map_or(Deadline::NEVER, Deadline::at_ms);
    let moving = Moving { absolute, created_ms: line.created_ms, owner, ..Moving::new(name, data, deadline) };
    Ok(moving.idle_ms(line.idle_ms).noted(note))
}

fn name(line: &Line) -> Result<Name, Why> {
    let id = bytes(line.id.clone(), line.id_base64.clone())
        .map_err(|()| Why::with(Kind::Id, "id_base64 is no base64"))?;
    match (id, &line.handle) {
        (Some(id), _) if (1..=ID_BYTES_MAX).contains(&id.len()) => Ok(Name::Id(id)),
        (Some(_), _) => Err(Why::with(Kind::Id, "an id is 1 to 4,096 bytes")),
        (None, Some(hex)) => match digest(hex) {
            Some(digest) => Ok(Name::Handle(sessile::Handle::from_bytes(digest))),
            None => Err(Why::with(Kind::Id, "a handle is 32 hexadecimal digits")),
        },
        (None, None) => Err(Kind::Id.into()),
    }
}

fn bytes(text: Option<String>, base64: Option<String>) -> Result<Option<Vec<u8>>, ()> {
    match (text, base64) {
        (Some(text), _) => Ok(Some(text.into_bytes())),
        (None, Some(base64)) => BASE64_STANDARD.decode(base64).map(Some).map_err(drop),
        (None, None) => Ok(None),
    }
}

/// Writes a session, with its newline.
pub(crate) fn write(moving: &Moving) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = Line::default();
    match &moving.name {
        Name::Id(id) => (line.id, line.id_base64) = texts(id),
        Name::Handle(handle) => line.handle = Some(hex(&handle.to_bytes())),
    }
    (line.data, line.data_base64) = texts(&moving.data);
    match &moving.owner {
        Owner::Nobody => {}
        Owner::Named(subject) => (line.subject, line.subject_base64) = texts(subject),
        Owner::Digest(digest) => line.subject_digest = Some(hex(&digest.to_bytes())),
    }
    line.deadline_ms = Some(ms(moving.deadline));
    line.absolute_deadline_ms = ms(moving.absolute);
    line.idle_ms = moving.idle.and_then(|idle| u64::try_from(idle.as_millis()).ok());
    line.created_ms = moving.created_ms;
    let mut written = serde_json::to_vec(&line)?;
    written.push(b'\n');
    Ok(written)
}

fn texts(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(BASE64_STANDARD.encode(bytes))),
    }
}

fn ms(deadline: Deadline) -> Option<u64> {
    (deadline != Deadline::NEVER).then(|| deadline.as_ms())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that as many pairs of hexadecimal digits stand for.
pub(crate) fn digest<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if hex.len() != 2 * N || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn kind(line: &str) -> Kind {
        read(line.as_bytes()).unwrap_err().kind
    }

    #[test]
    fn the_documented_line_is_read() {
        let line = r#"{"id":"abc","data":"{\"cookie\":{}}","deadline_ms":1700000000000,"idle_ms":1800000,"created_ms":1699990000000,"subject":"42"}"#;
        let moving = read(line.as_bytes()).unwrap();
        assert_eq!(moving.name, Name::Id(b"abc".to_vec()));
        assert_eq!(
            (moving.data.as_slice(), moving.owner),
            (&br#"{"cookie":{}}"#[..], Owner::Named(b"42".to_vec()))
        );
        assert_eq!((moving.deadline.as_ms(), moving.absolute), (1_700_000_000_000, Deadline::NEVER));
        assert_eq!(
            (moving.idle, moving.created_ms),
            (Some(Duration::from_secs(1800)), Some(1_699_990_000_000))
        );
        assert!(head(br#"{"format":"sessile-sessions","version":1}"#).is_some());
        assert!(head(line.as_bytes()).is_none());
    }

    #[test]
    fn damage_has_its_kind() {
        assert_eq!(kind(""), Kind::Data);
        assert_eq!(kind(r#"{"data":"x","deadline_ms":1}"#), Kind::Id);
        assert_eq!(kind(r#"{"id":"","data":"x","deadline_ms":1}"#), Kind::Id);
        assert_eq!(kind(r#"{"handle":"xyz","data":"x","deadline_ms":1}"#), Kind::Id);
        assert_eq!(kind(r#"{"id":"a","deadline_ms":1}"#), Kind::Data);
        assert_eq!(kind(r#"{"id":"a","data":"x"}"#), Kind::Moment);
        assert_eq!(kind(r#"{"id":"a","data":"x","deadline_ms":-1}"#), Kind::Data);
        assert_eq!(
            kind(r#"{"id":"a","data":"x","deadline_ms":1,"expires":2}"#),
            Kind::Data,
            "an unknown field"
        );
        assert_eq!(kind(r#"{"id":"a","data":"x","deadline_ms":1,"subject":""}"#), Kind::Data);
        assert_eq!(kind(r#"{"id":"a","data_base64":"?","deadline_ms":1}"#), Kind::Data);
        assert!(!read(br#"{"hunter2":1}"#).unwrap_err().to_string().contains("hunter2"));
    }

    fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![proptest::collection::vec(any::<u8>(), 1..40), "\\PC{1,20}".prop_map(String::into_bytes)]
    }

    prop_compose! {
        fn moving()(
            id in some_bytes(), by_handle in any::<bool>(), data in some_bytes(), owner in 0..3, subject in some_bytes(),
            deadline in any::<u64>(), absolute in any::<u64>(), idle in proptest::option::of(any::<u64>()), created_ms in proptest::option::of(any::<u64>()),
        ) -> Moving {
            let name = if by_handle { Name::Handle(sessile::Handle::from_bytes([id[0]; 16])) } else { Name::Id(id) };
            let owner = match owner {
                0 => Owner::Nobody,
                1 => Owner::Named(subject),
                _ => Owner::Digest(sessile::SubjectDigest::from_bytes([subject[0]; 16])),
            };
            let deadline = Deadline::at_ms(deadline);
            let note = (deadline == Deadline::NEVER).then_some(Note::Endless);
            let absolute = Deadline::at_ms(absolute);
            Moving { absolute, owner, created_ms, ..Moving::new(name, data, deadline) }.idle_ms(idle).noted(note)
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(moving in moving()) {
            let line = write(&moving).unwrap();
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert_eq!(read(&line).unwrap(), moving);
        }

        #[test]
        fn nearly_right_lines_are_read_or_refused(cut in 0_usize..90, drop in 0_usize..6, with in "[\\[\\]{}\",:a-z0-9\\\\]{0,6}") {
            let sound = r#"{"id":"abc","data":"{\"cookie\":{}}","deadline_ms":1700000000000,"subject":"42"}"#;
            let cut = cut.min(sound.len());
            let end = (cut + drop).min(sound.len());
            let _ = read(format!("{}{with}{}", &sound[..cut], &sound[end..]).as_bytes());
        }
    }
}
