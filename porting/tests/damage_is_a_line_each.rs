//! Rows, files and lines that no store would write: each a reason in the report, and the rest goes on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]
#![cfg(feature = "sqlite")]

mod common;

use std::fs;
use std::path::Path;

use common::{HOUR_MS, address, carry, counts, express, now_ms};
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use sessile::Store;
use sessile_porting::{Address, Error, Move, Report};

fn reasons(report: &Report) -> Vec<(&str, u64)> {
    report.skipped.iter().map(|skipped| (skipped.reason.as_str(), skipped.count)).collect()
}

fn sqlite(path: &Path, table: &str, rows: &[(Value, Value, Value)]) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode=wal; CREATE TABLE {table} (sid PRIMARY KEY, expired, sess)"
        ))
        .unwrap();
    for (sid, expired, sess) in rows {
        connection
            .execute(&format!("INSERT INTO {table} VALUES (?,?,?)"), params![sid, expired, sess])
            .unwrap();
    }
    connection
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn at(ms: u64) -> Value {
    Value::Integer(i64::try_from(ms).unwrap())
}

#[test]
fn rows_of_sqlite() {
    let temp = tempfile::tempdir().unwrap();
    let (db, dir) = (temp.path().join("app.db"), temp.path().join("new"));
    let ends = (now_ms() + HOUR_MS) / 1000 * 1000;
    let soon = jiff::Timestamp::from_millisecond(i64::try_from(ends).unwrap()).unwrap().to_string();
    let sound = || text(express("7"));
    // The server has it open meanwhile: the rows stand in the write-ahead log.
    let server = sqlite(
        &db,
        "user_sessions",
        &[
            (text("in-ms"), at(ends), sound()),
            (text("in-seconds"), at(ends / 1000), sound()),
            (text("as-text"), text(soon.clone()), sound()),
            (text("as-real"), Value::Real(ends as f64 + 0.5), Value::Blob(express("8").into_bytes())),
            (text("over"), at(1_700_000_000_000), sound()),
            (text("no-end"), Value::Null, sound()),
            (text("odd-end"), text("soon"), sound()),
            (text("cut"), at(ends), text(&express("7")[..50])),
            (text("not-text"), at(ends), Value::Blob(vec![0xff, 0xfe])),
            (text("empty"), at(ends), Value::Null),
            (text("no-cookie"), at(ends), text("{\"user\":1}")),
            (text("sealed"), at(ends), text(r#"{"hmac":"a","ct":"b","iv":"c"}"#)),
            (Value::Null, at(ends), sound()),
            (Value::Integer(42), at(ends), sound()),
            (text("x".repeat(5000)), at(ends), sound()),
            (text("large"), at(ends), text(express(&"y".repeat(2 << 20)))),
        ],
    );
    let from: Address = format!("connect-sqlite3:{}?table=user_sessions", db.display()).parse().unwrap();
    let report = carry(&from, &address("sessile", &dir));
    assert_eq!(counts(&report), [16, 4, 0, 1, 11]);
    assert!(report.is_sound(), "{report:?}");
    let mut reasons = reasons(&report);
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            ("damaged data", 3),
            ("encrypted, so only the application can read it", 1),
            ("larger than the new store takes", 1),
            ("no `cookie` in it, so express-session could not read it", 1),
            ("no moment at which it ends", 2),
            ("no usable id", 3),
        ]
    );
    let notes: Vec<_> = report.notes.iter().map(|note| (note.what.as_str(), note.count)).collect();
    assert_eq!(
        notes,
        [
            ("a moment that can only be in seconds, and was taken so", 1),
            ("a date as text where a number was expected", 1),
        ]
    );
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("userId") && !shown.contains("sealed") && shown.contains("rowid 8"), "{shown}");
    drop(server);
    let store = Store::open(&dir).unwrap();
    for id in ["in-ms", "in-seconds", "as-text", "as-real"] {
        assert_eq!(store.get(id).unwrap().unwrap().deadline().as_ms(), ends, "{id}");
    }
}

#[test]
fn names_are_quoted_and_missing_ones_are_said() {
    let temp = tempfile::tempdir().unwrap();
    let db = temp.path().join("app.db");
    drop(sqlite(&db, "\"odd \"\"name; DROP\"", &[(text("a"), at(now_ms() + HOUR_MS), text(express("7")))]));
    let open = |words: &str| -> Result<Report, Error> {
        let from: Address = format!("connect-sqlite3:{}{words}", db.display()).parse().unwrap();
        Move { dry_run: true, ..Move::new(from, address("sessile", &temp.path().join("new"))) }.run(&())
    };
    assert_eq!(open("?table=odd%20%22name;%20DROP").unwrap().written, 1);
    for words in ["", "?table=odd%20%22name;%20DROP&id=session_id", "?table=odd%20%22name;%20DROP&data=nope"]
    {
        let error = open(words).unwrap_err();
        assert!(matches!(&error, Error::Shape(what) if what.contains("?table=")), "{error}");
    }
    fs::write(&db, "this is no database, and long enough to look like one").unwrap();
    assert!(open("").unwrap_err().to_string().contains("no SQLite database"));
    let none: Address = "connect-sqlite3:/nowhere/x.db".parse().unwrap();
    let error = Move::new(none, address("sessile", &temp.path().join("new"))).run(&()).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "and none is made");
    assert!(!temp.path().join("new").exists());
}

#[test]
fn files_of_a_folder() {
    let temp = tempfile::tempdir().unwrap();
    let (folder, dir) = (temp.path().join("sessions"), temp.path().join("new"));
    fs::create_dir(&folder).unwrap();
    let now = now_ms();
    let file = |name: &str, text: &[u8]| fs::write(folder.join(name), text).unwrap();
    let used = |at: u64, cookie: &str| format!(r#"{{"cookie":{cookie},"__lastAccess":{at}}}"#).into_bytes();
    file("a.json", &used(now, r#"{"originalMaxAge":7200000}"#));
    file("browser.json", &used(now, r#"{"originalMaxAge":null}"#));
    file("over.json", &used(now - 2 * HOUR_MS, r#"{"originalMaxAge":3600000}"#));
    file("torn.json", br#"{"cookie":{"orig"#);
    file("empty.json", b"");
    file("never-used.json", br#"{"cookie":{}}"#);
    file("sealed.json", "0123456789abcdef".repeat(9).as_bytes());
    file("packed.json", &[0x1f, 0x8b, 8, 0, 0]);
    file(".json", &used(now, "{}"));
    file("notes.txt", b"not a session's");
    fs::create_dir(folder.join("dir.json")).unwrap();
    let report = carry(&address("session-file-store", &folder), &address("sessile", &dir));
    assert_eq!(counts(&report), [10, 2, 0, 1, 7]);
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("torn") && shown.contains("a file of 16 bytes, changed 20"), "{shown}");
    let store = Store::open(&dir).unwrap();
    let ends = |id: &str| store.get(id).unwrap().unwrap().deadline().as_ms();
    assert_eq!((ends("a"), ends("browser")), (now + 2 * HOUR_MS, now + HOUR_MS));
}
