//! A large store is opened part by part, on two threads. What it is, does not depend on that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::time::Duration;

use sessile::{Durability, Options, Store, Write};

/// More than two threads are worth: 100,000 hints, and a snapshot of 4 MiB.
const SESSIONS: u32 = 190_000;
/// Every so many, the session is destroyed again.
const ENDED: u32 = 997;
const USERS: u32 = 40_000;

fn open(directory: &Path) -> Store {
    let options = Options::new().durability(Durability::Written).segment_bytes(8 << 20);
    options.manual_maintenance(true).open(directory).unwrap()
}

fn id(number: u32) -> String {
    format!("session {number}")
}

fn fill(directory: &Path) {
    let store = open(directory);
    for number in 0..SESSIONS {
        let write = Write::new(number.to_le_bytes().as_slice());
        let of_user = number % 3 == 0;
        let write = if of_user { write.subject((number % USERS).to_string()) } else { write };
        store.create(id(number), write).unwrap();
    }
    for number in (0..SESSIONS).step_by(7) {
        store.update(id(number), "newer").unwrap();
    }
    for number in (0..SESSIONS).step_by(ENDED as usize) {
        assert!(store.destroy(id(number)).unwrap());
    }
    store.maintain(Duration::from_secs(60)).unwrap();
    store.close().unwrap();
}

/// All of it is there, and nothing else.
fn check(store: &Store) {
    let report = store.stats().recovery;
    let live = |number: &u32| !number.is_multiple_of(ENDED);
    assert_eq!(store.len(), (0..SESSIONS).filter(live).count() as u64);
    assert_eq!(report.sessions, store.len());
    for number in 0..SESSIONS {
        let found = store.get(id(number)).unwrap();
        assert_eq!(found.is_some(), live(&number), "{number}");
        let Some(session) = found else { continue };
        if number % 7 == 0 {
            assert_eq!(session.data(), b"newer");
        } else {
            assert_eq!(session.data(), number.to_le_bytes());
        }
    }
    for user in (0..USERS).step_by(501) {
        let his = (0..SESSIONS).filter(|number| number % 3 == 0 && number % USERS == user).filter(live);
        let found = store.sessions_of(user.to_string()).unwrap().map(Result::unwrap);
        assert_eq!(found.count(), his.count(), "{user}");
    }
    let verified = store.verify().unwrap();
    assert!(verified.damage.is_empty());
}

#[test]
fn it_is_the_same_from_the_snapshot_and_from_the_log() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let live_bytes = {
        let store = open(directory.path());
        let report = store.stats().recovery;
        assert!(report.from_snapshot);
        let parts = report.parts;
        assert!(
            parts.memory > Duration::ZERO && parts.snapshot > Duration::ZERO && parts.log > Duration::ZERO
        );
        assert!(parts.named().iter().all(|(_, took)| *took <= report.took));
        check(&store);
        store.stats().live_bytes
    };
    std::fs::remove_file(directory.path().join("SNAPSHOT")).unwrap();
    let store = open(directory.path());
    assert!(!store.stats().recovery.from_snapshot);
    assert_eq!(store.stats().live_bytes, live_bytes);
    check(&store);
}

/// Wherever it is damaged: each part is checked by itself, and none is believed before all are.
#[test]
fn a_snapshot_with_a_flipped_bit_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let path = directory.path().join("SNAPSHOT");
    let sound = std::fs::read(&path).unwrap();
    assert!(sound.len() > 4 << 20);
    let mut damaged = sound.clone();
    let at = sound.len() - 100_000;
    damaged[at] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let store = open(directory.path());
    assert!(!store.stats().recovery.from_snapshot);
    check(&store);
}
