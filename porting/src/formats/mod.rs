//! What other stores write of one session, and what it means. Pure functions: bytes in, a session or a reason out.

#[cfg(feature = "redis")]
pub(crate) mod actix;
pub(crate) mod express;
pub(crate) mod extended;
pub(crate) mod lines;
pub(crate) mod moment;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod tower;

use serde_json::value::RawValue;

use crate::session::{Kind, Why};

/// What is wrong with a text that should be JSON; where, and never what stands there.
pub(crate) fn no_json(error: &serde_json::Error) -> Why {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Data => "holds something else than expected",
        _ => "is no JSON",
    };
    Why::with(Kind::Data, format!("{what} at line {}, column {}", error.line(), error.column()))
}

/// Whether this is JSON, and an object.
pub(crate) fn object(data: &[u8]) -> Result<(), Why> {
    let text = std::str::from_utf8(data).map_err(|_| Why::with(Kind::Data, "is no text"))?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| no_json(&error))?;
    if raw.get().starts_with('{') { Ok(()) } else { Err(Why::with(Kind::Data, "is JSON, and no object")) }
}
