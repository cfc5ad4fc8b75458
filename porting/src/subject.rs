//! Whose a session is: a key or a JSON pointer into its data, read as the adapters read it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use sessile::SUBJECT_BYTES_MAX;

use crate::session::Owner;

/// Where in a session's data its user stands: `userId`, or a JSON pointer such as `/passport/user`.
///
/// ```
/// use sessile_porting::Pointer;
/// assert!("/passport/user".parse::<Pointer>().is_ok());
/// assert!("userId".parse::<Pointer>().is_ok());
/// assert!("".parse::<Pointer>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl std::str::FromStr for Pointer {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, crate::Error> {
        let steps: Vec<String> = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            None => vec![text.to_owned()],
        };
        if steps.iter().any(String::is_empty) {
            return Err(crate::Error::address(
                "--subject takes a key, such as userId, or a JSON pointer, such as /passport/user",
            ));
        }
        Ok(Self(steps))
    }
}

impl Pointer {
    /// Whose this session is: [`Owner::Nobody`] where nothing stands there, null or an empty string; `None` where what
    /// stands there is no name, neither text nor a number. With `nested`, the values of the outermost object are strings
    /// that hold JSON, as actix-session writes them.
    pub(crate) fn read(&self, data: &[u8], nested: bool) -> Option<Owner> {
        let mut text = std::str::from_utf8(data).ok()?.to_owned();
        for (depth, step) in self.0.iter().enumerate() {
            let Some(found) = at(&text, step)? else { return Some(Owner::Nobody) };
            text = if nested && depth == 0 { serde_json::from_str(&found).ok()? } else { found };
        }
        name(text.trim())
    }
}

/// What stands under a key or an index; the inner `None` where nothing does.
fn at(text: &str, step: &str) -> Option<Option<String>> {
    let found = match text.trim_start().as_bytes().first()? {
        b'{' => {
            serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok()?.get(step).map(|raw| raw.get())
        }
        b'[' => step.parse().ok().and_then(|at: usize| {
            serde_json::from_str::<Vec<&RawValue>>(text)
                .ok()
                .and_then(|list| list.get(at).map(|raw| raw.get()))
        }),
        _ => None,
    };
    Some(found.map(str::to_owned))
}

fn name(text: &str) -> Option<Owner> {
    let name = match text.as_bytes().first()? {
        b'n' if text == "null" => return Some(Owner::Nobody),
        b'"' => serde_json::from_str::<String>(text).ok()?,
        b'-' | b'0'..=b'9' => number(text)?,
        _ => return None,
    };
    match name.len() {
        0 => Some(Owner::Nobody),
        1..=SUBJECT_BYTES_MAX => Some(Owner::Named(name.into_bytes())),
        _ => None,
    }
}

/// A number as JavaScript's `String` and as the adapters write it: whole ones without a point.
fn number(text: &str) -> Option<String> {
    let number: serde_json::Number = serde_json::from_str(text).ok()?;
    Some(match number.as_f64() {
        Some(real) if number.is_f64() && real.fract() == 0.0 && real.abs() < 9e15 => format!("{real:.0}"),
        _ => number.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(pointer: &str, data: &str) -> Option<String> {
        match pointer.parse::<Pointer>().unwrap().read(data.as_bytes(), false)? {
            Owner::Named(name) => String::from_utf8(name).ok(),
            Owner::Nobody => Some("(nobody)".into()),
            Owner::Digest(_) => None,
        }
    }

    #[test]
    fn keys_and_pointers() {
        let data = r#"{"userId":42,"passport":{"user":"alice"},"a/b":"slash","list":[{"id":"x"}],"odd":{},"yes":true}"#;
        let found = |pointer| owner(pointer, data);
        assert_eq!(found("userId").as_deref(), Some("42"));
        assert_eq!(found("/userId").as_deref(), Some("42"));
        assert_eq!(found("/passport/user").as_deref(), Some("alice"));
        assert_eq!(found("/a~1b").as_deref(), Some("slash"));
        assert_eq!(found("/list/0/id").as_deref(), Some("x"));
        assert_eq!(found("/list/9/id").as_deref(), Some("(nobody)"));
        assert_eq!(found("/userId/deeper").as_deref(), Some("(nobody)"));
        assert_eq!(found("missing").as_deref(), Some("(nobody)"));
        assert_eq!((found("odd"), found("yes"), found("list")), (None, None, None));
    }

    #[test]
    fn names_are_as_the_adapters_write_them() {
        for (json, name) in [
            ("7", "7"),
            ("7.0", "7"),
            ("-1", "-1"),
            ("1.5", "1.5"),
            ("1e3", "1000"),
            ("\"\"", "(nobody)"),
            ("null", "(nobody)"),
        ] {
            assert_eq!(owner("u", &format!(r#"{{"u":{json}}}"#)).as_deref(), Some(name), "{json}");
        }
        let long = format!(r#"{{"u":"{}"}}"#, "x".repeat(1025));
        assert_eq!(owner("u", &long), None);
    }

    #[test]
    fn what_serde_would_refuse_elsewhere_is_no_hindrance() {
        assert_eq!(
            owner("/passport/user", r#"{"name":"\ud800","passport":{"user":7}}"#).as_deref(),
            Some("7")
        );
    }

    #[test]
    fn actix_values_hold_json() {
        let pointer: Pointer = "user_id".parse().unwrap();
        assert_eq!(pointer.read(br#"{"user_id":"42"}"#, true), Some(Owner::Named(b"42".to_vec())));
        assert_eq!(pointer.read(br#"{"user_id":"\"alice\""}"#, true), Some(Owner::Named(b"alice".to_vec())));
        assert_eq!(pointer.read(br#"{"user_id":"nonsense"}"#, true), None);
        assert_eq!(pointer.read(br#"{"user_id":42}"#, true), None);
    }

    #[test]
    fn a_pointer_must_point() {
        for text in ["", "/", "/a//b", "a/"] {
            let parsed = text.parse::<Pointer>();
            assert_eq!(parsed.is_err(), text != "a/", "{text}");
        }
    }
}
