//! Documents of connect-mongo, as `mongoexport` writes them: one a line, in MongoDB's Extended JSON, relaxed or canonical.
//!
//! `_id` is the session's id, `expires` its end, `session` its data: a string of JSON, or with `stringify: false` a document,
//! whose extended values become what `JSON.stringify` would have made of them.

use serde_json::{Map, Value};
use sessile::Deadline;

use super::moment::{self, Raw, Usual};
use super::{express, no_json};
use crate::session::{Kind, Moving, Name, Note, Why};

/// Reads one line.
pub(crate) fn read(line: &[u8]) -> Result<Moving, Why> {
    let text = std::str::from_utf8(line).map_err(|_| Why::with(Kind::Data, "is no text"))?;
    if text.trim_start().starts_with('[') {
        return Err(Why::with(Kind::Data, "is an array; export without --jsonArray"));
    }
    let document: Value = serde_json::from_str(text).map_err(|error| no_json(&error))?;
    let Value::Object(mut document) = document else {
        return Err(Why::with(Kind::Data, "is JSON, and no document"));
    };
    let id = match document.remove("_id") {
        Some(Value::String(id)) if !id.is_empty() => id,
        Some(_) => {
            return Err(Why::with(Kind::Id, "its _id is no string; connect-mongo's is the session's id"));
        }
        None => return Err(Kind::Id.into()),
    };
    let (deadline, note) = end(document.remove("expires"))?;
    let data = match document.remove("session") {
        Some(Value::String(json)) => json.into_bytes(),
        Some(session @ Value::Object(_)) => plain(session, 0)?.to_string().into_bytes(),
        Some(_) => return Err(Why::with(Kind::Data, "its `session` is neither text nor a document")),
        None => return Err(Why::with(Kind::Data, "it has no `session`")),
    };
    let facts = express::read(&data)?;
    Ok(Moving::new(Name::Id(id.into_bytes()), data, deadline).idle_ms(facts.max_age_ms).noted(note))
}

/// Without `expires`, connect-mongo itself takes a session to have no end.
fn end(expires: Option<Value>) -> Result<(Deadline, Option<Note>), Why> {
    match expires {
        None => Ok((Deadline::NEVER, Some(Note::Endless))),
        Some(Value::Object(date)) => match date.get("$date") {
            // Written without a zone by very old versions of the tool; all of them write UTC.
            Some(Value::String(text)) => moment::read(Raw::Text(text), Usual::Text),
            Some(number) => match whole(number) {
                Some(ms) => Ok((Deadline::at_ms(u64::try_from(ms).unwrap_or(0)), None)),
                None => Err(Why::with(Kind::Moment, "its `expires` is a $date of no known form")),
            },
            None => Err(Why::with(Kind::Moment, "its `expires` is no date")),
        },
        Some(Value::String(text)) => moment::read(Raw::Text(&text), Usual::Text)
            .map(|(deadline, note)| (deadline, note.or(Some(Note::DateAsText)))),
        Some(Value::Number(number)) => {
            let raw = number.as_i64().map_or(Raw::Real(number.as_f64().unwrap_or(f64::NAN)), Raw::Whole);
            moment::read(raw, Usual::Text)
        }
        Some(_) => Err(Why::with(Kind::Moment, "its `expires` is no date")),
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::Object(object) => object.get("$numberLong")?.as_str()?.parse().ok(),
        _ => None,
    }
}

const DEPTH_MAX: usize = 100; // that of BSON

/// What JavaScript's `JSON.stringify` makes of a document.
fn plain(value: Value, depth: usize) -> Result<Value, Why> {
    if depth > DEPTH_MAX {
        return Err(Why::with(Kind::Data, "is nested more deeply than MongoDB allows"));
    }
    match value {
        Value::Array(list) => list.into_iter().map(|one| plain(one, depth + 1)).collect(),
        Value::Object(object) => match extended(&object) {
            Some(value) => {
                value.ok_or_else(|| Why::with(Kind::Data, "holds an extended value of no known form"))
            }
            None => object
                .into_iter()
                .map(|(key, value)| Ok((key, plain(value, depth + 1)?)))
                .collect::<Result<Map<_, _>, Why>>()
                .map(Value::Object),
        },
        scalar => Ok(scalar),
    }
}

/// The value of `{"$date": …}` and its like; the inner `None` where its form is unknown.
fn extended(object: &Map<String, Value>) -> Option<Option<Value>> {
    let (key, value) = object.iter().next().filter(|(key, _)| object.len() == 1 && key.starts_with('$'))?;
    let text = value.as_str();
    Some(match key.as_str() {
        "$date" => date(value),
        "$oid" | "$symbol" | "$uuid" => text.map(Value::from),
        "$numberInt" | "$numberLong" => text.and_then(|text| text.parse::<i64>().ok()).map(Value::from),
        "$numberDouble" => text.and_then(|text| text.parse::<f64>().ok()).map(double),
        // As the driver's own `toJSON` has it.
        "$numberDecimal" => Some(Value::Object(object.clone())),
        "$undefined" => Some(Value::Null),
        _ => None,
    })
}

/// A whole double prints without a point in JavaScript; what is not finite becomes null.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
fn double(real: f64) -> Value {
    if real.fract() == 0.0 && real.abs() < 9e15 { Value::from(real as i64) } else { Value::from(real) }
}

fn date(value: &Value) -> Option<Value> {
    let ms = match value {
        Value::String(text) => {
            let (deadline, _) = moment::read(Raw::Text(text), Usual::Text).ok()?;
            i64::try_from(deadline.as_ms()).ok()?
        }
        other => whole(other)?,
    };
    let moment = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(Value::from(moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOV_2023: u64 = 1_700_000_000_000;

    fn session(line: &str) -> (String, u64) {
        let moving = read(line.as_bytes()).unwrap();
        assert_eq!(moving.name, Name::Id(b"abc".to_vec()));
        (String::from_utf8(moving.data).unwrap(), moving.deadline.as_ms())
    }

    #[test]
    fn dates_in_all_their_forms() {
        for expires in [
            r#"{"$date":"2023-11-14T22:13:20Z"}"#,
            r#"{"$date":"2023-11-14T22:13:20.000Z"}"#,
            r#"{"$date":"2023-11-14T22:13:20.000+0000"}"#,
            r#"{"$date":{"$numberLong":"1700000000000"}}"#,
            r#"{"$date":1700000000000}"#,
            r#""2023-11-14T22:13:20.000Z""#,
            "1700000000000",
        ] {
            let line = format!(r#"{{"_id":"abc","expires":{expires},"session":"{{\"cookie\":{{}}}}"}}"#);
            assert_eq!(session(&line), (r#"{"cookie":{}}"#.to_owned(), NOV_2023), "{expires}");
        }
    }

    #[test]
    fn a_document_becomes_what_javascript_would_have_written() {
        let line = r#"{"_id":"abc","expires":{"$date":"2023-11-14T22:13:20Z"},"session":{"cookie":{"originalMaxAge":{"$numberInt":"60000"},
            "expires":{"$date":{"$numberLong":"1700000000000"}}},"n":{"$numberDouble":"7.0"},"big":{"$numberLong":"5"},"of":{"$oid":"65"},"list":[{"$numberInt":"1"}],"$odd":1,"x":2}}"#;
        let (data, _) = session(line);
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data["cookie"]["originalMaxAge"], 60_000);
        assert_eq!(data["cookie"]["expires"], "2023-11-14T22:13:20.000Z");
        assert_eq!((&data["n"], &data["big"], &data["of"]), (&7.into(), &5.into(), &"65".into()));
        assert_eq!(data["list"][0], 1);
        assert_eq!(read(line.as_bytes()).unwrap().idle, Some(std::time::Duration::from_secs(60)));
    }

    #[test]
    fn without_an_end_it_has_none_and_that_is_said() {
        let moving = read(br#"{"_id":"abc","session":"{\"cookie\":{}}"}"#).unwrap();
        assert_eq!((moving.deadline, moving.note), (Deadline::NEVER, Some(Note::Endless)));
    }

    #[test]
    fn damage_has_its_kind() {
        let kind = |line: &str| read(line.as_bytes()).unwrap_err().kind;
        assert_eq!(kind("[{}]"), Kind::Data);
        assert_eq!(kind("{"), Kind::Data);
        assert_eq!(kind("7"), Kind::Data);
        assert_eq!(kind(r#"{"session":"{}"}"#), Kind::Id);
        assert_eq!(kind(r#"{"_id":{"$oid":"65"},"session":"{}"}"#), Kind::Id);
        assert_eq!(kind(r#"{"_id":"abc","expires":true,"session":"{}"}"#), Kind::Moment);
        assert_eq!(kind(r#"{"_id":"abc","expires":{"$date":[]},"session":"{}"}"#), Kind::Moment);
        assert_eq!(kind(r#"{"_id":"abc"}"#), Kind::Data);
        assert_eq!(kind(r#"{"_id":"abc","session":7}"#), Kind::Data);
        assert_eq!(kind(r#"{"_id":"abc","session":"{}"}"#), Kind::Cookie);
        assert_eq!(kind(r#"{"_id":"abc","session":{"cookie":{},"x":{"$binary":{}}}}"#), Kind::Data);
        let encrypted = r#"{"_id":"abc","session":"{\"hmac\":\"x\",\"ct\":\"y\"}"}"#;
        assert_eq!(kind(encrypted), Kind::Encrypted);
    }

    proptest! {
        #[test]
        fn nearly_right_lines_are_read_or_refused(cut in 0_usize..150, drop in 0_usize..9, with in "[\\[\\]{}\",:$a-z0-9 ]{0,9}") {
            let sound = r#"{"_id":"abc","expires":{"$date":{"$numberLong":"1700000000000"}},"session":{"cookie":{"originalMaxAge":{"$numberInt":"5"}},"a":[{"$date":"2023-11-14T22:13:20Z"}]}}"#;
            let cut = cut.min(sound.len());
            let end = (cut + drop).min(sound.len());
            let _ = read(format!("{}{with}{}", &sound[..cut], &sound[end..]).as_bytes());
        }

        #[test]
        fn any_line_is_read_or_refused(line in "\\PC{0,200}") {
            let _ = read(line.as_bytes());
        }
    }
}
