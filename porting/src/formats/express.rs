//! Sessions of express-session, which all its stores keep as the same JSON: the application's keys beside a `cookie`.
//!
//! The bytes go along as they are. They are not parsed further than to find the cookie: what JavaScript takes as JSON (lone
//! surrogates, great depth) it shall find again.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::no_json;
use crate::session::{Kind, Why};

/// What a store must know of a session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Facts {
    /// How long its cookie lives; `None` where it ends with the browser.
    pub max_age_ms: Option<u64>,
    /// When session-file-store has seen it last.
    pub last_access_ms: Option<f64>,
}

/// What is not read here may be anything: `originalMaxAge` is a number, null, or false where somebody set `expires` to false.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    cookie: Option<&'a RawValue>,
    #[serde(borrow, rename = "__lastAccess")]
    last_access: Option<&'a RawValue>,
    // As kruptein writes it for session-file-store and connect-mongo.
    ct: Option<IgnoredAny>,
    hmac: Option<IgnoredAny>,
    iv: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Cookie<'a> {
    #[serde(borrow, rename = "originalMaxAge")]
    max_age: Option<&'a RawValue>,
}

/// Reads a session as far as needed.
pub(crate) fn read(data: &[u8]) -> Result<Facts, Why> {
    if data.starts_with(&[0x1f, 0x8b]) {
        return Err(Kind::Compressed.into());
    }
    super::object(data)?;
    let outline: Outline<'_> = serde_json::from_slice(data).map_err(|error| no_json(&error))?;
    let cookie = outline.cookie.and_then(|cookie| serde_json::from_str::<Cookie<'_>>(cookie.get()).ok());
    match cookie {
        Some(cookie) => Ok(Facts {
            max_age_ms: number(cookie.max_age).and_then(whole),
            last_access_ms: number(outline.last_access),
        }),
        None if outline.ct.is_some() && (outline.hmac.is_some() || outline.iv.is_some()) => {
            Err(Kind::Encrypted.into())
        }
        None => Err(Kind::Cookie.into()),
    }
}

fn number(raw: Option<&RawValue>) -> Option<f64> {
    serde_json::from_str(raw?.get()).ok()
}

/// Whole milliseconds of a time that lasts.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole(ms: f64) -> Option<u64> {
    (ms >= 1.0).then_some(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(data: &[u8]) -> Kind {
        read(data).unwrap_err().kind
    }

    #[test]
    fn what_express_session_writes() {
        let data = br#"{"cookie":{"originalMaxAge":86400000,"expires":"2026-11-30T13:45:22.123Z","httpOnly":true,"path":"/"},"user":7}"#;
        assert_eq!(read(data).unwrap(), Facts { max_age_ms: Some(86_400_000), last_access_ms: None });
        let browser =
            br#"{"cookie":{"originalMaxAge":null,"expires":false,"path":"/"},"__lastAccess":1700000000000}"#;
        assert_eq!(read(browser).unwrap(), Facts { max_age_ms: None, last_access_ms: Some(1.7e12) });
        for cookie in ["{}", r#"{"originalMaxAge":false,"expires":false}"#, r#"{"originalMaxAge":"soon"}"#] {
            assert_eq!(
                read(format!(r#"{{"cookie":{cookie}}}"#).as_bytes()).unwrap().max_age_ms,
                None,
                "{cookie}"
            );
        }
    }

    #[test]
    fn what_only_javascript_takes_goes_along() {
        let lone = br#"{"cookie":{},"name":"\ud800","n":1e999}"#;
        assert!(read(lone).is_ok());
        let deep = format!(r#"{{"cookie":{{}},"deep":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
        assert!(read(deep.as_bytes()).is_ok());
    }

    #[test]
    fn damage_has_its_kind() {
        assert_eq!(kind(b""), Kind::Data);
        assert_eq!(kind(b"null"), Kind::Data);
        assert_eq!(kind(b"[]"), Kind::Data);
        assert_eq!(kind(br#"{"cookie":{"path":"#), Kind::Data);
        assert_eq!(kind(&[0xff, 0xfe]), Kind::Data);
        assert_eq!(kind(br#"{"user":7}"#), Kind::Cookie);
        assert_eq!(kind(br#"{"cookie":null}"#), Kind::Cookie);
        assert_eq!(kind(br#"{"cookie":"hunter2"}"#), Kind::Cookie);
        assert_eq!(kind(br#"{"hmac":"x","ct":"y","iv":"z"}"#), Kind::Encrypted);
        assert_eq!(kind(&[0x1f, 0x8b, 8, 0]), Kind::Compressed);
    }

    #[test]
    fn a_reason_shows_nothing_of_the_data() {
        for data in
            [&br#"{"cookie":"hunter2"}"#[..], br#"{"cookie":{},"hunter2":}"#, b"\"hunter2\"", b"hunter2"]
        {
            assert!(!read(data).unwrap_err().to_string().contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&data);
        }

        #[test]
        fn nearly_right_text_is_read_or_refused(cut in 0_usize..120, with in "\\PC{0,8}") {
            let sound = r#"{"cookie":{"originalMaxAge":60000,"expires":"2026-11-30T13:45:22.123Z"},"user":{"id":7},"list":[1,2,"é"]}"#;
            let mut text = sound.to_owned();
            let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.insert_str(cut, &with);
            if read(text.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
            }
        }
    }
}
