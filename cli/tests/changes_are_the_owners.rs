//! What changes a store refuses strangers, names whoever holds it, and does what it says.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::fs;
use std::os::unix::fs::chown;
use std::time::Duration;

use common::{fill, filled, id, sessile, sessile_with, shows_an_id};
use sessile::{Durability, Options, Store};

fn live(store: &Store, number: usize) -> bool {
    store.get(id(number)).unwrap().is_some()
}

#[test]
fn destroy_ends_one_session_by_id_or_handle() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let store = fill(temp.path());
    let handle = store.handle_of(id(5)).unwrap().to_string();
    store.close().unwrap();

    let by_id = format!("{}\n", id(4));
    let ran = sessile_with(by_id.as_bytes(), ["destroy", dir, "--json"]);
    assert_eq!(ran.json()["destroyed"], true);
    let again = sessile_with(by_id.as_bytes(), ["destroy", dir, "--json"]);
    again.fails(3, "no live session of that id");
    assert_eq!(again.json_whatever_the_code()["destroyed"], false);
    assert_eq!(sessile(["destroy", dir, "--handle", &handle]).code, 0);
    let gone = sessile(["destroy", dir, "--handle", &handle]);
    gone.fails(3, "no live session of that handle");
    assert!(!shows_an_id(again.stderr.as_bytes()) && !shows_an_id(&again.stdout));

    let store = Store::open(dir).unwrap();
    assert!(!live(&store, 4) && !live(&store, 5) && live(&store, 6));
}

#[test]
fn destroy_subject_logs_a_user_out_everywhere() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    filled(temp.path());
    assert_eq!(sessile_with(b"alice\n", ["destroy-subject", dir, "--json"]).json()["destroyed"], 3);
    let again = sessile_with(b"alice", ["destroy-subject", dir]);
    assert_eq!((again.code, again.text().as_str()), (0, "0 sessions ended.\n"));
    let store = Store::open(dir).unwrap();
    assert!((0..3).all(|number| !live(&store, number)) && (3..10).all(|number| live(&store, number)));
}

#[test]
fn compact_reports_what_became_smaller_and_loses_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let store = fill(temp.path());
    for round in 0..200 {
        store.update(id(5), vec![round; 1000]).unwrap();
    }
    store.close().unwrap();
    let report = sessile(["compact", dir, "--json"]).json();
    assert_eq!(report["before"]["sessions"], 10, "{report}");
    assert_eq!(report["after"]["sessions"], 10, "{report}");
    assert!(report["before"]["dead_bytes"].as_u64() > Some(100_000), "{report}");
    assert!(report["after"]["dead_bytes"].as_u64() <= report["before"]["dead_bytes"].as_u64(), "{report}");
    let text = sessile(["compact", dir, "--confirm-clock"]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.text().contains("->"), "{text:?}");
    let store = Store::open(dir).unwrap();
    assert_eq!(store.get(id(5)).unwrap().unwrap().data(), [199; 1000]);
}

/// A server leaves garbage as long as there is room for it. Who compacts by hand wants the room.
#[test]
fn compact_gives_back_what_a_server_would_leave() {
    let temp = tempfile::tempdir().unwrap();
    let options = Options::new().durability(Durability::Written).manual_maintenance(true);
    let store = options.open(temp.path()).unwrap();
    // The later ones, since they are in segments that are not merged for being small.
    for number in (0..2_400).chain(1_700..2_300) {
        store.set(id(number), vec![0; 20_000]).unwrap();
    }
    store.maintain(Duration::MAX).unwrap();
    let left = store.stats().dead_bytes;
    store.close().unwrap();
    let report = sessile(["compact".as_ref(), temp.path().as_os_str(), "--json".as_ref()]).json();
    assert!(
        report["after"]["dead_bytes"].as_u64().unwrap() < left / 2 && left > 5_000_000,
        "{left}, {report}"
    );
}

#[test]
fn what_only_an_unconfirmed_clock_has_ended_is_kept_until_the_operator_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let (log, dir) = (temp.path().join("log"), temp.path().join("store"));
    fs::write(&log, "a - - [17/May/2015:10:05:03 +0000] \"GET /\" 200 1\n").unwrap();
    let run = |arguments: &[&str]| {
        let arguments =
            arguments.iter().map(|word| if *word == "DIR" { dir.as_os_str() } else { word.as_ref() });
        sessile(arguments.collect::<Vec<_>>())
    };
    assert_eq!(run(&["replay", log.to_str().unwrap(), "--dir", "DIR"]).code, 0);
    assert_eq!(run(&["stats", "DIR", "--json"]).json()["sessions"], 0, "no longer shown");
    assert!(run(&["compact", "DIR"]).text().contains("--confirm-clock"));
    let kept = run(&["compact", "DIR", "--json"]).json();
    assert_eq!((&kept["after"]["sessions"], &kept["clock_unconfirmed"]), (&1.into(), &true.into()), "{kept}");
    let gone = run(&["compact", "DIR", "--json", "--confirm-clock"]).json();
    assert_eq!((&gone["expired"], &gone["after"]["sessions"]), (&1.into(), &0.into()), "{gone}");
    assert_eq!(gone["clock_unconfirmed"], false);
}

#[test]
fn a_backup_can_be_looked_at() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, copy) = (temp.path().join("store"), temp.path().join("copy"));
    fs::create_dir(&dir).unwrap();
    filled(&dir);
    let report = sessile(["backup".as_ref(), dir.as_os_str(), copy.as_os_str(), "--json".as_ref()]).json();
    assert_eq!(report["sessions"], 10);
    let other = temp.path().join("other");
    fs::create_dir(&other).unwrap();
    filled(&other);
    sessile(["backup".as_ref(), dir.as_os_str(), other.as_os_str()]).fails(8, "is not empty");
    assert_eq!(sessile(["stats".as_ref(), copy.as_os_str(), "--json".as_ref()]).json()["sessions"], 10);
    assert_eq!(sessile(["verify".as_ref(), copy.as_os_str()]).code, 0);
    let store = Options::new().read_only(true).open(&copy).unwrap();
    assert!((0..10).all(|number| live(&store, number)));
    assert!(Store::open(&copy).is_err());
}

#[test]
fn a_held_store_is_not_changed_and_the_holder_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let copy = format!("{dir}-copy");
    let store = fill(temp.path());
    let secret = id(0);
    for ran in [
        sessile_with(secret.as_bytes(), ["destroy", dir]),
        sessile_with(b"alice", ["destroy-subject", dir, "--json"]),
        sessile(["compact", dir]),
        sessile(["backup", dir, &copy]),
    ] {
        ran.fails(4, &format!("held by process {}", std::process::id()));
        assert!(ran.stderr.contains("since 2") && ran.stdout.is_empty(), "{ran:?}");
    }
    assert!((0..10).all(|number| live(&store, number)));
    assert!(!fs::exists(&copy).unwrap());
}

#[test]
fn a_holder_that_lets_go_can_be_waited_for() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap().to_owned();
    let store = fill(temp.path());
    let waiting = std::thread::spawn(move || {
        let secret = id(0);
        sessile_with(secret.as_bytes(), ["destroy", &dir, "--wait", "60s"])
    });
    // Whether it comes before or after, the command must succeed.
    std::thread::yield_now();
    store.close().unwrap();
    assert_eq!(waiting.join().unwrap().code, 0);
}

#[test]
fn another_users_store_is_refused_and_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().join("store");
    fs::create_dir(&store).unwrap();
    let dir = store.to_str().unwrap();
    filled(&store);
    if chown(&store, Some(4711), None).is_err() {
        return; // Only root can give a directory away.
    }
    let copy = format!("{dir}-copy");
    let log = temp.path().join("log");
    fs::write(&log, "a - - [17/May/2015:10:05:03 +0000] \"GET /\" 200 1\n").unwrap();
    let secret = id(0);
    for ran in [
        sessile_with(secret.as_bytes(), ["destroy", dir]),
        sessile_with(b"alice", ["destroy-subject", dir]),
        sessile(["compact", dir]),
        sessile(["backup", dir, &copy]),
        sessile_with(b"", ["import", "jsonl:-", "--dir", dir, "--again"]),
        sessile_with(b"", ["migrate", "jsonl:-", &format!("sessile:{dir}"), "--again"]),
    ] {
        ran.fails(7, "belongs to user 4711");
    }
    let empty = temp.path().join("empty");
    fs::create_dir(&empty).unwrap();
    chown(&empty, Some(4711), None).unwrap();
    sessile(["replay".as_ref(), log.as_os_str(), "--dir".as_ref(), empty.as_os_str()])
        .fails(7, "belongs to user 4711");
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    chown(&store, Some(0), None).unwrap();
    let store = Options::new().lock_wait(Duration::from_secs(5)).open(dir).unwrap();
    assert!((0..10).all(|number| live(&store, number)));
}
