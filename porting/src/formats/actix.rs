//! Sessions of actix-session: a JSON object whose values are strings that hold JSON each.

use std::collections::HashMap;

use super::no_json;
use crate::session::Why;

/// Whether actix-session could read this: the very parse that it does.
pub(crate) fn read(data: &[u8]) -> Result<(), Why> {
    super::object(data)?;
    let _: HashMap<String, String> = serde_json::from_slice(data).map_err(|error| no_json(&error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Kind;

    #[test]
    fn strings_and_nothing_else() {
        assert!(read(br#"{"user_id":"42","cart":"[1,2]"}"#).is_ok());
        assert!(read(b"{}").is_ok());
        for data in [&br#"{"user_id":42}"#[..], b"[]", b"", br#"{"a":"#, br#"{"cookie":{}}"#] {
            assert_eq!(read(data).unwrap_err().kind, Kind::Data);
        }
    }
}
