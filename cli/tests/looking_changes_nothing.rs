//! `stats`, `ls`, `get` and `verify` show a store, also one that is held, and leave every file as it was.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::{Ran, fill, filled, id, sessile, sessile_with, shows_an_id};
use serde_json::Value;
use sessile::{Durability, Options};

fn on_disk(dir: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let contents = fs::read(entry.path()).unwrap_or_default();
            let modified = entry.metadata().unwrap().modified().unwrap();
            (entry.file_name().to_string_lossy().into_owned(), (contents, modified))
        })
        .collect()
}

fn rows(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every command that looks, in both forms.
fn all(dir: &str) -> Vec<Ran> {
    let handle = rows(&sessile(["ls", dir, "--json"]))[0]["handle"].as_str().unwrap().to_owned();
    let secret = id(3);
    vec![
        sessile(["stats", dir]),
        sessile(["stats", dir, "--json"]),
        sessile(["ls", dir]),
        sessile(["ls", dir, "--json"]),
        sessile(["get", dir, "--handle", &handle]),
        sessile_with(secret.as_bytes(), ["get", dir]),
        sessile_with(secret.as_bytes(), ["get", dir, "--json", "--data"]),
        sessile_with(secret.as_bytes(), ["get", dir, "--data"]),
        sessile(["verify", dir]),
        sessile(["verify", dir, "--json"]),
    ]
}

#[test]
fn every_look_ends_well_shows_no_id_and_changes_no_file() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let before = on_disk(temp.path());
    for ran in all(dir) {
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        assert!(!shows_an_id(&ran.stdout), "{ran:?}");
    }
    assert!(before == on_disk(temp.path()), "a file was changed");
}

#[test]
fn a_held_store_can_be_looked_at_and_what_only_the_holder_knows_is_unknown() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let store = fill(temp.path());
    for ran in all(dir) {
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!shows_an_id(&ran.stdout), "{ran:?}");
    }
    let stats = sessile(["stats", dir, "--json"]).json();
    assert_eq!(stats["held_by"]["pid"], std::process::id());
    for unknown in ["memory_bytes", "expiry_backlog", "last_sync_micros", "health"] {
        assert!(stats[unknown].is_null(), "{unknown}: {stats}");
    }
    assert_eq!(stats["sessions"], 10);
    let text = sessile(["stats", dir]).text();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert_eq!(text.matches("unknown").count(), 4, "{text}");
    // The holder goes on, and what it does shows.
    store.destroy(id(0)).unwrap();
    assert_eq!(sessile(["stats", dir, "--json"]).json()["sessions"], 9);
    store.close().unwrap();
}

#[test]
fn stats_of_a_store_that_nobody_holds_are_complete() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let stats = sessile(["stats", dir, "--json"]).json();
    assert!(stats["held_by"].is_null());
    assert_eq!(stats["sessions"], 10);
    assert_eq!(stats["ending_within_hour"], 9, "all but the one that never ends: {stats}");
    assert_eq!(stats["ending_within_day"], 9);
    assert_eq!(stats["health"], "sound");
    for positive in ["disk_bytes", "live_bytes", "segments", "memory_bytes", "clock_ms"] {
        assert!(stats[positive].as_u64().unwrap() > 0, "{positive}: {stats}");
    }
    let text = sessile(["stats", dir]).text();
    assert!(text.contains("nobody") && text.contains("live sessions"), "{text}");
}

#[test]
fn ls_gives_a_line_a_session_and_get_agrees_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let listed = rows(&sessile(["ls", dir, "--json"]));
    assert_eq!(listed.len(), 10);
    assert_eq!(listed.iter().filter(|row| row["has_subject"] == true).count(), 3);
    assert_eq!(listed.iter().filter(|row| row["deadline_ms"].is_null()).count(), 1);
    assert_eq!(listed.iter().filter(|row| !row["absolute_deadline_ms"].is_null()).count(), 1);
    for row in &listed {
        let handle = row["handle"].as_str().unwrap();
        assert_eq!(&sessile(["get", dir, "--handle", handle, "--json"]).json(), row);
    }
    assert_eq!(rows(&sessile(["ls", dir, "--json", "--limit", "3"])).len(), 3);
    assert_eq!(sessile(["ls", dir, "--limit", "3"]).text().lines().count(), 4, "titles and three");
    assert_eq!(sessile(["ls", dir, "--limit", "0", "--json"]).stdout, b"");
}

#[test]
fn data_is_shown_only_when_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let (text, binary) = (id(1), id(3) + "\n");
    let shown = sessile_with(text.as_bytes(), ["get", dir]);
    assert_eq!(shown.code, 0);
    assert!(!shown.text().contains("data of 1"));
    assert!(sessile_with(text.as_bytes(), ["get", dir, "--json"]).json().get("data").is_none());
    assert_eq!(sessile_with(text.as_bytes(), ["get", dir, "--data", "--json"]).json()["data"], "data of 1");
    assert_eq!(sessile_with(binary.as_bytes(), ["get", dir, "--data"]).stdout, [0xff, 0, 0xfe]);
    let json = sessile_with(binary.as_bytes(), ["get", dir, "--data", "--json"]).json();
    assert_eq!((&json["data_base64"], json.get("data")), (&Value::from("/wD+"), None));
}

#[test]
fn a_session_that_is_not_there_is_exit_code_three() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let ran = sessile_with(b"SECRET9999tokenOfSomebody", ["get", dir]);
    ran.fails(3, "no live session of that id");
    assert!(!ran.stderr.contains("SECRET"));
    let handle = "00".repeat(16);
    sessile(["get", dir, "--handle", &handle]).fails(3, "no live session of that handle");
}

#[test]
fn verify_counts_and_finds_nothing_wrong() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let found = sessile(["verify", dir, "--json"]).json();
    assert_eq!(found["sessions"], 10);
    assert!(found["records"].as_u64().unwrap() >= 10, "{found}");
    assert_eq!(found["damage"].as_array().unwrap().len(), 0);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let temp = tempfile::tempdir().unwrap();
    filled(temp.path());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["ls".as_ref(), temp.path().as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn looking_works_beside_a_server_that_writes_and_compacts() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let options = Options::new().segment_bytes(64 << 10).durability(Durability::Written);
    let store = options.open(temp.path()).unwrap();
    for number in 0..10 {
        store.create(id(number), "first").unwrap();
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                for number in 0..10 {
                    store.update(id(number), vec![round as u8; 1000]).unwrap();
                }
                store.maintain(Duration::MAX).unwrap();
            }
        });
        let _stop = OnDrop(&stop);
        for round in 0..15 {
            let secret = id(round % 10);
            let stats = sessile(["stats", dir, "--json"]).json();
            assert_eq!(stats["sessions"], 10, "{stats}");
            assert_eq!(rows(&sessile(["ls", dir, "--json"])).len(), 10);
            assert_eq!(sessile_with(secret.as_bytes(), ["get", dir]).code, 0);
            let found = sessile(["verify", dir, "--json"]).json();
            assert_eq!(found["sessions"], 10, "{found}");
        }
    });
    assert!(store.stats().compactions > 0, "nothing was compacted meanwhile");
    store.close().unwrap();
}

/// Stops the server also where an assertion fails.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
