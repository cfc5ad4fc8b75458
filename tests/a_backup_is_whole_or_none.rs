//! A backup that is cut short harms nothing: the store is what it was, and what lies at the destination is no backup, or all of
//! one: the one before or this one. The power goes at each call of a backup, and each call fails.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hazard::{DAY, DIR, fresh, options, roll, written};
use sessile::vfs::{CrashPolicy, Fault, SimVfs, Times, Vfs};
use sessile::{AtLimit, Error, ManualClock, Recovery, Store, Write};

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

/// What a look at the copy finds, if it is a backup.
fn backup_in(vfs: &SimVfs, clock: &ManualClock, when: &str) -> Option<Sessions> {
    match options(&vfs.fork(), clock).read_only(true).open(COPY) {
        Ok(copy) => Some(sessions(&copy)),
        Err(Error::NotAStore(_) | Error::Corrupt(_)) => None,
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{when}: {error}"),
    }
}

/// The source is what it was, and nobody opens the copy as a store; says what backup there is.
fn check(vfs: &SimVfs, clock: &ManualClock, known: &Sessions, when: &str) -> Option<Sessions> {
    let source = options(&vfs.fork(), clock).open(DIR).unwrap_or_else(|error| panic!("{when}: {error}"));
    assert_eq!(&sessions(&source), known, "the source, {when}");
    let names = vfs.list(Path::new(COPY)).unwrap_or_default();
    for recovery in [Recovery::Strict, Recovery::Salvage] {
        match options(&vfs.fork(), clock).recovery(recovery).open(COPY) {
            Ok(copy) => {
                let nothing = names.iter().all(|name| name == "BACKUP.tmp");
                assert!(nothing && copy.stats().recovery.created, "{when}: a new store among {names:?}");
            }
            Err(Error::IsBackup(_)) => {}
            Err(error) => panic!("{when}: {error}"),
        }
    }
    backup_in(vfs, clock, when)
}

/// What a power loss can leave: names and bytes by chance, besides all and nothing.
fn policies() -> impl Iterator<Item = CrashPolicy> {
    [CrashPolicy::KeepAll, CrashPolicy::DropAll]
        .into_iter()
        .chain((1..=8).map(|n| CrashPolicy::Random(n * 0x9e37)))
}

/// What happens between two backups: sessions end in each way, segments go, others come.
fn go_on(vfs: &SimVfs, clock: &ManualClock, store: &Store) {
    store.create("new", written(100)).unwrap();
    store.destroy("kept 0").unwrap();
    for n in 0..6 {
        store.destroy(format!("long 2 {n}")).unwrap();
    }
    roll(store, vfs, "more ", DAY);
    clock.advance(Duration::from_secs(120));
    while store.maintain(DAY).unwrap().more {}
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
        for policy in policies() {
            let when = format!("after a crash at call {nth} of the backup, {policy:?}");
            let found = check(&vfs.fork().crash(policy), &clock, &known, &when);
            assert!(found.is_some() || !done, "{when}: the backup was done, and is not there");
            assert!(found.as_ref().is_none_or(|found| *found == known), "{when}: {found:?}");
            whole += u64::from(found.is_some());
        }
        if done {
            break;
        }
    }
    println!("{points} crash points, {whole} of {} copies are whole", 10 * points);
    assert!(points > 20, "{points}");
}

/// The directory holds a backup already. Whatever happens to the next one, there is always one: that, or the next. And the
/// next run goes on from what is there.
#[test]
fn a_backup_into_an_earlier_one_leaves_that_until_it_is_whole_and_goes_on_the_next_time() {
    let (mut points, mut earlier, mut later) = (0, 0, 0);
    for nth in 1.. {
        let (vfs, clock, store) = store();
        let before = sessions(&store);
        store.backup(COPY).unwrap();
        go_on(&vfs, &clock, &store);
        let known = sessions(&store);
        assert_ne!(before, known);
        vfs.crash_at_call(nth);
        let done = store.backup(COPY).is_ok() && !vfs.has_crashed();
        points += 1;
        for policy in policies() {
            let when = format!("after a crash at call {nth} of the second backup, {policy:?}");
            let crashed = vfs.fork().crash(policy);
            // By the time of the first backup, what has run out since is alive in it.
            let found =
                check(&crashed, &clock, &known, &when).unwrap_or_else(|| panic!("{when}: there is none"));
            if found == known {
                later += 1;
            } else {
                let lived: Sessions = before
                    .iter()
                    .filter(|(id, _)| found.contains_key(*id))
                    .map(|(i, d)| (i.clone(), d.clone()))
                    .collect();
                assert!(
                    !done && found == lived && found.contains_key(b"kept 0".as_slice()),
                    "{when}: {found:?}"
                );
                earlier += 1;
            }
            let again = options(&crashed, &clock).open(DIR).unwrap();
            again.create("once more", written(10)).unwrap();
            let report = again.backup(COPY).unwrap_or_else(|error| panic!("{when}: {error}"));
            assert!(report.segments_kept > 0, "{when}: {report:?}");
            assert_eq!(backup_in(&crashed, &clock, &when), Some(sessions(&again)), "{when}, then again");
            let left = crashed.list(Path::new(COPY)).unwrap();
            assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{when}: {left:?}");
            let segments = left.iter().filter(|name| name.ends_with(".seg")).count() as u64;
            assert_eq!(segments, report.segments + 1, "{when}: {left:?}");
        }
        if done {
            break;
        }
    }
    println!("{points} crash points, the earlier backup at {earlier}, the later at {later}");
    assert!(earlier > 20 && later > 0, "{earlier}, {later}");
}

#[test]
fn a_backup_of_which_a_call_fails_is_none_and_harms_nothing() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let mut failed = 0;
        for nth in 1.. {
            let (vfs, clock, store) = store();
            store.backup(COPY).unwrap();
            let before = sessions(&store);
            store.create("new", written(100)).unwrap();
            let known = sessions(&store);
            vfs.fail_any(nth, fault, Times::Once);
            let backup = store.backup(COPY);
            vfs.clear_faults();
            let when = format!("after {fault:?} at call {nth} of the backup, which said {backup:?}");
            let found = check(&vfs, &clock, &known, &when).unwrap_or_else(|| panic!("{when}: there is none"));
            assert!(found == known || backup.is_err() && found == before, "{when}: {found:?}");
            failed += u64::from(backup.is_err());
            if backup.is_ok() && nth > 400 {
                break;
            }
            if store.stats().latched.is_none() {
                store.create("afterwards", written(10)).unwrap_or_else(|error| panic!("{when}: {error}"));
            }
        }
        assert!(failed > 10, "{fault:?}: {failed}");
    }
}

#[test]
fn only_what_is_new_is_brought_and_what_is_gone_goes() {
    let (vfs, clock, store) = store();
    let first = store.backup(COPY).unwrap();
    assert_eq!((first.segments_kept, first.segments_removed), (0, 0), "{first:?}");
    assert_eq!(first.segments, first.segments_linked + first.segments_copied, "{first:?}");
    assert_eq!(first.sessions, store.len());
    let again = store.backup(COPY).unwrap();
    assert_eq!(
        (again.segments_kept, again.segments_linked + again.segments_copied),
        (first.segments, 0),
        "{again:?}"
    );
    assert_eq!(
        (again.bytes_copied, again.bytes_verified),
        (0, first.bytes_verified),
        "all of it is read again"
    );
    go_on(&vfs, &clock, &store);
    let third = store.backup(COPY).unwrap();
    assert!(third.segments_kept > 0 && third.segments_linked > 0 && third.segments_removed > 0, "{third:?}");
    assert_eq!(backup_in(&vfs, &clock, "at last"), Some(sessions(&store)));
}

/// A file that stands in the backup and is not what it was is brought again; one of the store's own stops the backup.
#[test]
fn damage_in_the_backup_is_mended_and_damage_in_the_store_is_told() {
    let (vfs, clock, store) = store();
    let report = store.backup(COPY).unwrap();
    let known = sessions(&store);
    let copies: Vec<_> = vfs.list(Path::new(COPY)).unwrap();
    let name = copies.iter().find(|name| name.ends_with(".seg") && name.len() == 12).unwrap();
    let path = Path::new(COPY).join(name);
    let bytes = vfs.read_file(&path).unwrap();
    // Its own bytes, which the store does not share.
    vfs.remove_file(&path).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2] ^= 1;
    vfs.write_file(&path, &damaged).unwrap();
    let again = store.backup(COPY).unwrap();
    assert_eq!(again.segments_kept, report.segments - 1, "{again:?}");
    assert_eq!(backup_in(&vfs, &clock, "mended"), Some(known.clone()));

    let own = Path::new(DIR).join(name);
    store.create("new", written(100)).unwrap();
    vfs.remove_file(&path).unwrap();
    vfs.flip_bit(&own, (bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2) as u64, 0).unwrap();
    match store.backup(COPY) {
        Err(Error::Corrupt(damage)) => assert_eq!(&damage.file, name),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_backup_goes_nowhere_else() {
    let (vfs, clock, store) = store();
    let refused = |path: &str, words: &str| match store.backup(path) {
        Err(Error::Invalid(why)) => assert!(why.contains(words) && why.contains(path), "{path}: {why}"),
        other => panic!("{path}: {other:?}"),
    };
    refused(DIR, "holds a store");
    let other = options(&vfs, &clock).open("/other").unwrap();
    refused("/other", "holds a store");
    other.create("a", written(10)).unwrap();
    other.backup("/its backup").unwrap();
    refused("/its backup", "another store");
    vfs.create_dir(Path::new("/papers")).unwrap();
    vfs.write_file(Path::new("/papers/thesis.txt"), b"important").unwrap();
    refused("/papers", "is not empty");
    assert_eq!(vfs.list(Path::new("/papers")).unwrap(), ["thesis.txt"]);
    assert_eq!(other.len(), 1);
}

/// What compaction wrote has the highest number of all, and is removed. The next opening gives that number to no other: a backup tells
/// segments by it.
#[test]
fn a_number_is_not_used_again_after_its_file_is_gone() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    for n in 0..4 {
        store.create(format!("longer {n}"), written(100).idle(Duration::from_secs(7200))).unwrap();
    }
    roll(&store, &vfs, "brief ", Duration::from_secs(60));
    clock.advance(Duration::from_secs(120));
    while store.maintain(DAY).unwrap().more {}
    let highest = hazard::segments(&vfs).pop().unwrap();
    assert!(store.stats().compactions > 0);
    clock.advance(Duration::from_secs(9000));
    while store.maintain(DAY).unwrap().more {}
    let left = hazard::segments(&vfs);
    assert!(left.last() < Some(&highest), "{left:?} without {highest}");
    let after_a_crash = vfs.fork();
    let _again = options(&after_a_crash, &clock).open(DIR).unwrap();
    let begun = hazard::segments(&after_a_crash).pop().unwrap();
    assert!(begun > highest, "{begun} after {highest}");
}

/// The disk is full, and an ending takes effect in memory alone. A backup that did not know of it would bring the session back.
#[test]
fn what_has_ended_in_memory_alone_is_in_no_backup() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).keep_ids(true).at_limit(AtLimit::Reject).open(DIR).unwrap();
    for n in 0..2000 {
        store.create(format!("user {n}"), written(10)).unwrap();
    }
    store.backup(COPY).unwrap();
    vfs.set_capacity(Some(1));
    let mut full = 0;
    while full < 3 {
        full += u64::from(store.create(format!("more {full} {}", store.len()), written(10)).is_err());
    }
    let refused = (0..2000).find(|n| store.destroy(format!("user {n}")).is_err()).expect("the reserve ends");
    let ended = format!("user {refused}");
    assert!(store.get(&ended).unwrap().is_none() && store.stats().latched.is_none());
    let backup = store.backup(COPY);
    assert!(matches!(backup, Err(Error::Full(_))), "{backup:?}");
    vfs.set_capacity(None);
    store.backup(COPY).unwrap();
    let found = backup_in(&vfs, &clock, "with room again").unwrap();
    assert!(!found.contains_key(ended.as_bytes()) && found == sessions(&store));
}
