//! Sessions of tower-sessions, as tower-sessions-sqlx-store keeps them: MessagePack of the whole record.
//!
//! A record is an array of its id (a number of 128 bits), its data, and its date. Id and date stand in columns of their own,
//! which the store itself goes by; of the record only the data is taken, as JSON, and as tower-sessions-sessile writes it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::session::{Kind, Why};

#[derive(Deserialize)]
struct Record(IgnoredAny, BTreeMap<String, Value>, IgnoredAny);

/// The data of a record, as JSON.
pub(crate) fn data(record: &[u8]) -> Result<Vec<u8>, Why> {
    // What the decoder says could show what it found.
    let unreadable = |_| Why::with(Kind::Data, "is no MessagePack of a tower-sessions record");
    let Record(_, data, _) = rmp_serde::from_slice(record).map_err(unreadable)?;
    serde_json::to_vec(&data).map_err(|_| Why::with(Kind::Data, "cannot be written as JSON"))
}

/// The id as tower-sessions-sessile keeps it: the 16 bytes that the cookie's 22 characters stand for.
pub(crate) fn id(text: &str) -> Result<Vec<u8>, Why> {
    match BASE64_URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) if bytes.len() == 16 => Ok(bytes),
        _ => Err(Why::with(Kind::Id, "it is not the 22 characters of a tower-sessions id")),
    }
}
