//! A restore makes a store of a backup, or nothing that anybody opens; and somebody has decided about what the backup cannot know.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use std::path::Path;
use std::time::Duration;

use hazard::{DAY, DIR, fresh, options, roll, written};
use sessile::vfs::{CrashPolicy, Fault, SimVfs, Times, Vfs};
use sessile::{Error, Keeps, ManualClock, Restoring, Store, Volume, Write};

const COPY: &str = "/copy";
const NEW: &str = "/new";

/// A store with a backup, after which one session was ended in each way.
fn backed_up() -> (SimVfs, ManualClock, Store) {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).keep_ids(true).open(DIR).unwrap();
    for id in ["stays", "destroyed before", "destroyed after", "rotated"] {
        store.create(id, Write::new(format!("data of {id}")).idle(DAY)).unwrap();
    }
    store.create("revoked", written(10).subject("alice")).unwrap();
    roll(&store, &vfs, "more ", DAY);
    store.destroy("destroyed before").unwrap();
    clock.advance(Duration::from_secs(5));
    store.backup(COPY).unwrap();
    store.destroy("destroyed after").unwrap();
    store.destroy_subject("alice", None).unwrap();
    store.rotate("rotated", "rotated to", None).unwrap();
    (vfs, clock, store)
}

fn live(store: &Store, id: &str) -> bool {
    store.get(id).unwrap().is_some()
}

#[test]
fn keep_brings_back_what_the_backup_knew_and_end_nobody() {
    let (vfs, clock, store) = backed_up();
    let before = clock_ms(&vfs, &clock);
    let report = options(&vfs, &clock).restore(COPY, NEW, Restoring::Keep).unwrap();
    assert_eq!((report.made_ms, report.sessions), (before, Some(store.len() + 2)));
    assert!(report.segments > 0 && report.bytes_copied > 0 && report.bytes_verified > 0);
    let kept = options(&vfs, &clock).open(NEW).unwrap();
    for id in ["stays", "destroyed after", "rotated", "revoked"] {
        assert!(live(&kept, id), "{id}");
    }
    assert!(!live(&kept, "destroyed before") && !live(&kept, "rotated to"));
    assert_eq!(kept.get("stays").unwrap().unwrap().data(), b"data of stays");
    assert_eq!(kept.destroy_subject("alice", None).unwrap(), 1, "users are known");
    assert!(kept.verify().unwrap().damage.is_empty());

    let report = options(&vfs, &clock).restore(COPY, "/ended", Restoring::End).unwrap();
    assert_eq!((report.sessions, report.segments), (Some(store.len() + 2), 0));
    let ended = options(&vfs, &clock).open("/ended").unwrap();
    assert_eq!(ended.len(), 0);
    assert!(ended.secret() == store.secret(), "it is the same store to whoever has an id");
    ended.create("stays", "anew").unwrap();
    assert_eq!(
        ended.get("stays").unwrap().unwrap().id(),
        Some(b"stays".as_slice()),
        "it keeps ids as before"
    );
    assert!(
        live(&options(&vfs, &clock).read_only(true).open(COPY).unwrap(), "stays"),
        "the backup is as it was"
    );
}

/// By what a backup itself tells.
fn clock_ms(vfs: &SimVfs, _: &ManualClock) -> u64 {
    options(vfs, &ManualClock::at_ms(0)).read_only(true).open(COPY).unwrap().stats().clock_ms
}

/// What runs out between a backup and its restore is hidden as after any time without the store, and ends when the clock is confirmed.
#[test]
fn a_restore_believes_no_clock_at_once() {
    let (vfs, clock, _store) = backed_up();
    clock.advance(2 * DAY);
    options(&vfs, &clock).restore(COPY, NEW, Restoring::Keep).unwrap();
    let kept = options(&vfs, &clock).open(NEW).unwrap();
    assert!(!live(&kept, "stays"));
    assert!(kept.stats().clock_unconfirmed && kept.endings_ahead().hidden > 0);
    kept.confirm_clock().unwrap();
    while kept.maintain(DAY).unwrap().more {}
    assert_eq!(kept.len(), 0);
}

/// The store goes on after the backup, and is opened many times, before it is lost. No version that it has given out is given out again.
#[test]
fn a_version_of_the_lost_store_is_never_given_out_again() {
    let (vfs, clock, store) = backed_up();
    drop(store);
    let mut last = 0;
    for n in 0..50 {
        let store = options(&vfs, &clock).open(DIR).unwrap();
        last = store.create(format!("later {n}"), written(10)).unwrap().as_u64();
    }
    for what in [Restoring::Keep, Restoring::End] {
        let to = format!("/{what:?}");
        options(&vfs, &clock).restore(COPY, &to, what).unwrap();
        let first = options(&vfs, &clock).open(&to).unwrap().create("first", written(10)).unwrap().as_u64();
        assert!(first > last, "{what:?}: {first} after {last}");
        // A store that was restored can be lost as well.
        options(&vfs, &clock).open(&to).unwrap().backup(format!("{to} backup")).unwrap();
        options(&vfs, &clock).restore(format!("{to} backup"), format!("{to} again"), what).unwrap();
        let next = options(&vfs, &clock).open(format!("{to} again")).unwrap();
        assert!(next.create("second", written(10)).unwrap().as_u64() > first);
    }
}

/// The lost store was backed up once more before it was lost. What was restored from the earlier one is not what that was a backup of.
#[test]
fn a_backup_of_another_life_is_not_gone_on_with() {
    let (vfs, clock, store) = backed_up();
    options(&vfs, &clock).restore(COPY, NEW, Restoring::Keep).unwrap();
    roll(&store, &vfs, "the lost ", DAY);
    roll(&store, &vfs, "and more ", DAY);
    store.backup(COPY).unwrap();
    let kept = options(&vfs, &clock).open(NEW).unwrap();
    for n in 0..400 {
        kept.create(format!("the new {n}"), written(8 << 10)).unwrap();
    }
    match kept.backup(COPY) {
        Err(Error::Invalid(why)) => assert!(why.contains("another life"), "{why}"),
        other => panic!("{other:?}"),
    }
    let copy = options(&vfs, &clock).read_only(true).open(COPY).unwrap();
    assert!(copy.verify().unwrap().damage.is_empty() && live(&copy, "the lost 0"), "it is what it was");
}

#[test]
fn a_restore_cut_short_is_no_store_or_all_of_it_and_is_run_again() {
    for what in [Restoring::Keep, Restoring::End] {
        let (mut points, mut unfinished) = (0, 0);
        for nth in 1.. {
            let (vfs, clock, store) = backed_up();
            let sessions = if what == Restoring::Keep { store.len() + 2 } else { 0 };
            vfs.crash_at_call(nth);
            let done = options(&vfs, &clock).restore(COPY, NEW, what).is_ok() && !vfs.has_crashed();
            points += 1;
            for policy in [
                CrashPolicy::KeepAll,
                CrashPolicy::DropAll,
                CrashPolicy::Random(nth),
                CrashPolicy::Random(!nth),
            ] {
                let when = format!("{what:?}, after a crash at call {nth}, {policy:?}");
                let crashed = vfs.fork().crash(policy);
                let opened = |vfs: &SimVfs| options(vfs, &clock).create(false).open(NEW);
                match opened(&crashed.fork()) {
                    Ok(store) => assert_eq!(store.len(), sessions, "{when}"),
                    Err(Error::RestoreUnfinished(_)) => unfinished += 1,
                    Err(Error::NotAStore(_)) => assert!(!done, "{when}"),
                    Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                        assert!(!done, "{when}");
                    }
                    Err(error) => panic!("{when}: {error}"),
                }
                match options(&crashed, &clock).restore(COPY, NEW, what) {
                    Ok(_) => assert!(!done || sessions == 0, "{when}"),
                    Err(Error::Invalid(why)) => assert!(why.contains("holds a store"), "{when}: {why}"),
                    Err(error) => panic!("{when}: {error}"),
                }
                let store = opened(&crashed).unwrap_or_else(|error| panic!("{when}: {error}"));
                assert_eq!(store.len(), sessions, "{when}, then again");
                assert!(store.verify().unwrap().damage.is_empty(), "{when}");
            }
            if done {
                break;
            }
        }
        println!("{what:?}: {points} crash points, {unfinished} unfinished");
        assert!(points > 8 && unfinished > 8, "{points}, {unfinished}");
    }
}

#[test]
fn a_restore_of_which_a_call_fails_says_so_and_is_run_again() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let mut failed = 0;
        for nth in 1.. {
            let (vfs, clock, store) = backed_up();
            vfs.fail_any(nth, fault, Times::Once);
            let restored = options(&vfs, &clock).restore(COPY, NEW, Restoring::Keep);
            vfs.clear_faults();
            let when = format!("after {fault:?} at call {nth}: {restored:?}");
            if restored.is_err() {
                failed += 1;
                let opened = options(&vfs, &clock).create(false).open(NEW);
                assert!(
                    opened.is_err() || vfs.list(Path::new(NEW)).unwrap().iter().any(|n| n == "STORE"),
                    "{when}"
                );
                drop(opened);
                match options(&vfs, &clock).restore(COPY, NEW, Restoring::Keep) {
                    // Only the last step had failed, and half of it was done.
                    Err(Error::Invalid(why)) => assert!(why.contains("holds a store"), "{when}: {why}"),
                    again => drop(again.unwrap_or_else(|error| panic!("{when}: {error}"))),
                }
            }
            assert_eq!(options(&vfs, &clock).open(NEW).unwrap().len(), store.len() + 2, "{when}");
            if restored.is_ok() && nth > 200 {
                break;
            }
        }
        assert!(failed > 10, "{failed}");
    }
}

#[test]
fn a_restore_goes_nowhere_else_and_takes_nothing_else() {
    let (vfs, clock, store) = backed_up();
    let restore = |from: &str, to: &str| options(&vfs, &clock).restore(from, to, Restoring::Keep);
    let refused = |from: &str, to: &str, words: &str| match restore(from, to) {
        Err(Error::Invalid(why)) => assert!(why.contains(words), "{from} to {to}: {why}"),
        other => panic!("{from} to {to}: {other:?}"),
    };
    refused(COPY, DIR, "move the directory aside");
    refused(COPY, COPY, "is a backup itself");
    refused(DIR, NEW, "is a store and no backup");
    vfs.set_volume(Volume::new(Some("NFS"), Keeps::Elsewhere));
    assert!(matches!(restore(COPY, NEW), Err(Error::NetworkFileSystem { .. })));
    assert_eq!(vfs.list(Path::new(NEW)).unwrap(), Vec::<String>::new());
    vfs.set_volume(Volume::default());
    vfs.create_dir(Path::new("/papers")).unwrap();
    vfs.write_file(Path::new("/papers/thesis.txt"), b"important").unwrap();
    refused(COPY, "/papers", "is not empty");
    assert!(matches!(restore("/papers", NEW), Err(Error::NotAStore(_))));
    assert!(restore("/nowhere", NEW).is_err());
    assert!(live(&store, "stays"));

    // Where a segment is damaged, only the end can be had.
    let name = vfs
        .list(Path::new(COPY))
        .unwrap()
        .into_iter()
        .find(|n| n.ends_with(".seg") && n.len() == 12)
        .unwrap();
    let path = Path::new(COPY).join(&name);
    let mut bytes = vfs.read_file(&path).unwrap();
    vfs.remove_file(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end / 3] ^= 1;
    vfs.write_file(&path, &bytes).unwrap();
    assert!(matches!(restore(COPY, "/kept"), Err(Error::Corrupt(damage)) if damage.file == name));
    assert!(matches!(options(&vfs, &clock).open("/kept"), Err(Error::RestoreUnfinished(_))));
    let ended = options(&vfs, &clock).restore(COPY, "/ended", Restoring::End).unwrap();
    assert_eq!(ended.segments, 0);
    vfs.remove_file(&Path::new(COPY).join("STORE")).unwrap();
    refused(COPY, "/ended too", "no complete backup");
}
