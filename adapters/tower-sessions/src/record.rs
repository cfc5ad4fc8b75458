//! What of a record stands in the store, and what does not: its data as bytes, its date as a deadline, and the errors.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::Value;
use sessile::Deadline;
use sessile_backends::Error;
use time::{OffsetDateTime, PrimitiveDateTime};
use tower_sessions_core::session_store;

/// Why a session could not be written.
pub enum Failed {
    Store(Error),
    Encode(serde_json::Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Failed> for session_store::Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Store(error) => Self::Backend(error.to_string()),
            Failed::Encode(error) => Self::Encode(error.to_string()),
        }
    }
}

/// The data map in the order of its keys: the map itself has another order each time, and equal data must be equal bytes.
pub fn encode(data: &HashMap<String, Value>) -> Result<Vec<u8>, Failed> {
    serde_json::to_vec(&data.iter().collect::<BTreeMap<_, _>>()).map_err(Failed::Encode)
}

pub fn deadline_of(date: OffsetDateTime) -> Deadline {
    Deadline::at_ms(u64::try_from(date.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
}

pub fn left_until(date: OffsetDateTime) -> Duration {
    Duration::try_from(date - OffsetDateTime::now_utc()).unwrap_or(Duration::ZERO)
}

/// A session that never ends has the last date there is.
pub fn date_of(deadline: Deadline) -> OffsetDateTime {
    let nanos = i128::from(deadline.as_ms()) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(PrimitiveDateTime::MAX.assume_utc())
}
