//! A backup that is cut short harms nothing: the store is what it was, and what lies at the destination is no store, or all of
//! the backup. The power goes at each call of a backup, and each call fails.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hazard::{DAY, DIR, fresh, options, roll, written};
use sessile::vfs::{CrashPolicy, Fault, SimVfs, Times, Vfs};
use sessile::{Error, ManualClock, Recovery, Store, Write};

const COPY: &str = "/copy";

type Sessions = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store with several segments, a compacted one among them, and sessions that have ended in each way.
fn store() -> (SimVfs, ManualClock, Store) {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).keep_ids(true).open(DIR).unwrap();
    store.create("destroyed", written(100)).unwrap();
    store.create("revoked", written(100).subject("alice")).unwrap();
    store.create("rotated", written(100)).unwrap();
    for round in 0..3 {
        roll(&store, &vfs, &format!("brief {round} "), Duration::from_secs(60));
        store.create(format!("kept {round}"), Write::new(format!("data {round}")).idle(DAY)).unwrap();
        roll(&store, &vfs, &format!("long {round} "), DAY);
    }
    store.destroy("destroyed").unwrap();
    store.destroy_subject("alice", None).unwrap();
    store.rotate("rotated", "rotated to", None).unwrap();
    for n in 0..6 {
        store.destroy(format!("long 1 {n}")).unwrap();
    }
    clock.advance(Duration::from_secs(120));
    while store.maintain(DAY).unwrap().more {}
    assert!(store.stats().compactions > 0 && store.stats().segments > 3);
    (vfs, clock, store)
}

fn sessions(store: &Store) -> Sessions {
    let verified = store.verify().unwrap();
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
    let all = store.iter().unwrap().map(Result::unwrap);
    all.map(|session| (session.id().unwrap().to_vec(), session.data().to_vec())).collect()
}

/// The source is what it was; says whether the copy is a store, and then it is the backup.
fn check(vfs: &SimVfs, clock: &ManualClock, known: &Sessions, when: &str) -> bool {
    let source = options(&vfs.fork(), clock).open(DIR).unwrap_or_else(|error| panic!("{when}: {error}"));
    assert_eq!(&sessions(&source), known, "the source, {when}");
    let names = vfs.list(Path::new(COPY)).unwrap_or_default();
    for (recovery, create) in [(Recovery::Strict, false), (Recovery::Strict, true), (Recovery::Salvage, true)]
    {
        let world = vfs.fork();
        match options(&world, clock).recovery(recovery).create(create).open(COPY) {
            Ok(copy) if copy.stats().recovery.created => {
                let nothing = names.iter().all(|name| name.ends_with(".tmp"));
                assert!(create && nothing && copy.len() == 0, "{when}: a new store among {names:?}");
            }
            Ok(copy) => {
                assert_eq!(&sessions(&copy), known, "the copy, {when}, {recovery:?}");
                return true;
            }
            Err(Error::NotAStore(_) | Error::Corrupt(_)) => {}
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{when}: {error}"),
        }
    }
    false
}

#[test]
fn a_backup_cut_short_by_a_power_loss_is_none_and_harms_nothing() {
    let (mut points, mut whole) = (0, 0);
    for nth in 1.. {
        let (vfs, clock, store) = store();
        let known = sessions(&store);
        vfs.crash_at_call(nth);
        let done = store.backup(COPY).is_ok() && !vfs.has_crashed();
        points += 1;
        for policy in [
            CrashPolicy::KeepAll,
            CrashPolicy::DropAll,
            CrashPolicy::Random(nth),
            CrashPolicy::Random(nth ^ 0xff00),
        ] {
            let when = format!("after a crash at call {nth} of the backup, {policy:?}");
            let is_whole = check(&vfs.fork().crash(policy), &clock, &known, &when);
            assert!(is_whole || !done, "{when}: the backup was done, and is not there");
            whole += u64::from(is_whole);
        }
        if done {
            break;
        }
    }
    println!("{points} crash points, {whole} of {} copies are whole", 4 * points);
    assert!(points > 20, "{points}");
}

#[test]
fn a_backup_of_which_a_call_fails_is_none_and_harms_nothing() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let mut failed = 0;
        for nth in 1.. {
            let (vfs, clock, store) = store();
            let known = sessions(&store);
            vfs.fail_any(nth, fault, Times::Once);
            let backup = store.backup(COPY);
            vfs.clear_faults();
            let when = format!("after {fault:?} at call {nth} of the backup, which said {backup:?}");
            let is_whole = check(&vfs, &clock, &known, &when);
            assert!(is_whole || backup.is_err(), "{when}");
            failed += u64::from(backup.is_err());
            if backup.is_ok() && nth > 200 {
                break;
            }
            if store.stats().latched.is_none() {
                store.create("afterwards", written(10)).unwrap_or_else(|error| panic!("{when}: {error}"));
            }
        }
        assert!(failed > 10, "{fault:?}: {failed}");
    }
}
