//! `sessile encrypt`, `sessile rekey` and `sessile keys`: a plain store becomes an encrypted one, and an older key comes out of use.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Ran, filled, id, sessile};
use sessile::{KeyRing, Options};

fn keys(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn line(name: &str, byte: u8) -> String {
    format!("{name} {}\n", format!("{byte:02x}").repeat(32))
}

/// Runs with `SESSILE_KEYS` in the environment.
fn sessile_keyed(place: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(arguments)
        .env("SESSILE_KEYS", format!("file:{}", place.display()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ran { code: output.status.code().unwrap(), stdout: output.stdout, stderr }
}

/// What `sessile keys` lists: the key's name, or none, and whether it has the store's secret.
fn listed(dir: &str) -> Vec<(Option<String>, bool)> {
    let json = sessile(["keys", dir, "--json"]).json();
    let one = |used: &serde_json::Value| {
        (used["key"].as_str().map(str::to_owned), used["has_secret"].as_bool().unwrap())
    };
    json["uses"].as_array().unwrap().iter().map(one).collect()
}

fn is_in_a_file(dir: &Path, needle: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[test]
fn a_plain_store_is_encrypted_looked_at_and_its_key_changed() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let dir = store.to_str().unwrap();
    filled(&store);
    assert!(is_in_a_file(&store, "data of 1"));
    assert_eq!(listed(dir), [(None, true)]);
    sessile(["encrypt", dir]).fails(2, "--keys file:");
    sessile(["rekey", dir]).fails(2, "--keys file:");
    let first = keys(directory.path(), "first", &line("2025", 1));
    let place = format!("file:{}", first.display());

    // A rotation of keys is nothing that a plain store has: it might be somebody's, put here for that.
    sessile(["rekey", dir, "--keys", &place]).fails(1, "sessile encrypt");
    assert_eq!(listed(dir), [(None, true)], "nothing has changed");
    let done = sessile(["encrypt", dir, "--keys", &place, "--json"]).json();
    assert!(done["segments"].as_u64().unwrap() > 0, "{done}");
    assert!(!is_in_a_file(&store, "data of 1"));
    assert_eq!(listed(dir), [(Some("2025".to_owned()), true)]);
    let text = sessile(["keys", dir]).text();
    assert!(text.contains("2025") && text.contains("secret"), "{text}");

    // Who looks needs the keys, and is told so.
    sessile(["stats", dir]).fails(8, "SESSILE_KEYS=file:");
    assert_eq!(sessile_keyed(&first, &["stats", dir, "--json"]).json()["sessions"], 10);
    assert_eq!(sessile_keyed(&first, &["verify", dir, "--json"]).json()["sessions"], 10);
    let other = keys(directory.path(), "other", &line("2025", 9));
    sessile_keyed(&other, &["stats", dir]).fails(8, "2025");

    // A rotation of keys: the new one first, then the store, then without the old one.
    let both = keys(directory.path(), "both", &(line("2026", 2) + &line("2025", 1)));
    let last = keys(directory.path(), "last", &line("2026", 2));
    sessile_keyed(&last, &["verify", dir]).fails(8, "2025");
    sessile_keyed(&both, &["encrypt", dir]).fails(1, "sessile rekey");
    assert_eq!(listed(dir), [(Some("2025".to_owned()), true)], "nothing has changed");
    assert_eq!(sessile_keyed(&both, &["rekey", dir]).code, 0);
    assert_eq!(listed(dir), [(Some("2026".to_owned()), true)]);
    assert_eq!(sessile_keyed(&last, &["verify", dir, "--json"]).json()["sessions"], 10);
    let opened = Options::new().encryption(KeyRing::from_file(&last).unwrap()).open(&store).unwrap();
    assert_eq!(opened.get(id(1)).unwrap().unwrap().data(), b"data of 1");
}

#[test]
fn keys_that_cannot_be_read_are_a_sentence_and_are_not_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let dir = store.to_str().unwrap();
    filled(&store);
    let open_to_all = keys(directory.path(), "keys", &line("2025", 0x5a));
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o644)).unwrap();
    let place = format!("file:{}", open_to_all.display());
    sessile(["encrypt", dir, "--keys", &place]).fails(8, "chmod 600");
    let hex = "5a".repeat(32);
    let ran = sessile(["encrypt", dir, "--keys", &hex]);
    ran.fails(8, "file:/path/to/keys");
    assert!(!ran.stderr.contains("5a5a"), "{ran:?}");
    sessile(["encrypt", dir, "--keys", "env:SESSILE_NO_SUCH"]).fails(8, "SESSILE_NO_SUCH");
    assert_eq!(listed(dir), [(None, true)], "nothing has changed");
    // A plain store is not looked at with keys as if they were of use.
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o600)).unwrap();
    sessile_keyed(&open_to_all, &["stats", dir]).fails(1, "sessile encrypt");
}

#[test]
fn a_store_that_a_server_has_is_not_encrypted_under_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let held = common::fill(&store);
    let first = keys(directory.path(), "first", &line("2025", 1));
    let place = format!("file:{}", first.display());
    sessile(["encrypt", store.to_str().unwrap(), "--keys", &place]).fails(4, "held");
    sessile(["rekey", store.to_str().unwrap(), "--keys", &place]).fails(4, "held");
    assert_eq!(listed(store.to_str().unwrap()), [(None, true)], "looking needs nobody's leave");
    held.close().unwrap();
}
