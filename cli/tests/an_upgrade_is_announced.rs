//! `sessile upgrade` says what it would do before it does it, and does it once, whether or not a server holds the store.
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

use common::{fill, filled, id, sessile};
use serde_json::json;
use sessile::{Format, Options, Store};
use sessile_control::Control;

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    // The lock's text is for people, and the socket has no bytes.
    named
        .filter(|(name, _)| name != "LOCK" && name != "control.sock")
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_dry_run_says_from_what_to_what_and_that_there_is_no_way_back_and_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let before = files(temp.path());
    let ran = sessile(["upgrade", dir, "--dry-run", "--json"]);
    assert_eq!(ran.json(), json!({ "dry_run": true, "from": 1, "to": 2, "done": false }));
    let said = sessile(["upgrade", dir, "--dry-run"]).text();
    for words in ["has format 1", "to format 2", "Nothing was changed", "no way back", "backup"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(files(temp.path()) == before, "a dry run changed files");
    assert_eq!(sessile(["stats", dir, "--json"]).json()["format"], 1);
}

#[test]
fn an_upgrade_keeps_every_session_and_is_done_once() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    let ran = sessile(["upgrade", dir, "--json"]);
    assert_eq!(ran.json(), json!({ "dry_run": false, "from": 1, "to": 2, "done": true }));
    assert_eq!(sessile(["stats", dir, "--json"]).json()["format"], 2);
    let again = sessile(["upgrade", dir]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.text().contains("nothing to do"), "{again:?}");
    let store = Store::open(dir).unwrap();
    assert_eq!(store.stats().format, Format::V2);
    assert!((0..10).all(|number| store.get(id(number)).unwrap().is_some()));
}

#[test]
fn a_server_upgrades_the_store_that_it_holds() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let store = fill(temp.path());
    sessile(["upgrade", dir]).fails(4, "held by process");
    let control = Control::serve(&store).unwrap();
    assert_eq!(sessile(["upgrade", dir, "--dry-run", "--json"]).json()["done"], false);
    assert_eq!(store.stats().format, Format::V1);
    let said = sessile(["upgrade", dir]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.text().contains("has format 2 now"), "{said:?}");
    assert_eq!(store.stats().format, Format::V2);
    assert!((0..10).all(|number| store.get(id(number)).unwrap().is_some()));
    drop(control);
    store.close().unwrap();
}

#[test]
fn a_store_that_was_created_in_the_newest_format_needs_none() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    drop(Options::new().format(Format::V2).open(dir).unwrap());
    let ran = sessile(["upgrade", dir, "--json"]);
    assert_eq!(ran.json(), json!({ "dry_run": false, "from": 2, "to": 2, "done": true }));
}
