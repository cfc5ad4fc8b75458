//! A salvage brings what can be trusted to a sound store, leaves the damaged one as it is byte for byte, and says what it will do
//! before it does it.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use hazard::{DAY, DIR, fresh, options, roll, segments, written};
use sessile::vfs::{CrashPolicy, SimVfs, Vfs};
use sessile::{Error, ManualClock, Recovery, Store, Write};

const TO: &str = "/salvaged";

/// A store of several segments, and whom it has ended.
fn store() -> (SimVfs, ManualClock, BTreeSet<String>) {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).keep_ids(true).open(DIR).unwrap();
    let mut ended = BTreeSet::new();
    for round in 0..3 {
        for n in 0..4 {
            store.create(format!("ended {round} {n}"), Write::new("old").idle(DAY).subject("alice")).unwrap();
        }
        roll(&store, &vfs, &format!("long {round} "), DAY);
        for n in 0..3 {
            store.destroy(format!("ended {round} {n}")).unwrap();
            ended.insert(format!("ended {round} {n}"));
        }
        store.update("long 0 0", Write::new(format!("version of round {round}"))).unwrap();
    }
    store.destroy_subject("alice", None).unwrap();
    ended.extend((0..3).map(|round| format!("ended {round} 3")));
    store.create("last", Write::new("x").subject("bob").absolute(DAY)).unwrap();
    clock.advance(Duration::from_secs(5));
    store.create("after", written(10)).unwrap();
    (vfs.fork(), clock, ended)
}

fn files(vfs: &SimVfs) -> BTreeMap<String, Vec<u8>> {
    let names = vfs.list(Path::new(DIR)).unwrap();
    names.into_iter().map(|name| (name.clone(), vfs.read_file(&Path::new(DIR).join(name)).unwrap())).collect()
}

fn ids(store: &Store) -> BTreeSet<String> {
    let all = store.iter().unwrap().filter_map(Result::ok);
    all.map(|session| String::from_utf8(session.id().unwrap().to_vec()).unwrap()).collect()
}

/// Salvages, with all that must hold whatever the damage is; how many are kept, ended and unreadable.
fn salvage(
    vfs: &SimVfs,
    clock: &ManualClock,
    ended: &BTreeSet<String>,
    when: &str,
) -> Option<(u64, u64, u64)> {
    let before = files(vfs);
    let would = match options(vfs, clock).salvage(DIR, None) {
        Ok(would) => would,
        Err(Error::Corrupt(damage)) if damage.file == "STORE" => return None,
        Err(error) => panic!("{when}: {error}"),
    };
    let trusted = options(&vfs.fork(), clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    let done = options(vfs, clock)
        .salvage(DIR, Some(Path::new(TO)))
        .unwrap_or_else(|error| panic!("{when}: {error}"));
    assert_eq!(done, would, "{when}: it does what it said");
    assert!(files(vfs) == before, "{when}: the original has changed");
    // Sound for good: with the snapshot of a clean close and without it, and strictly.
    for snapshot in [true, false] {
        let vfs = vfs.fork();
        if !snapshot {
            let _ = vfs.remove(&Path::new(TO).join("SNAPSHOT"));
        }
        let store = options(&vfs, clock).open(TO).unwrap_or_else(|error| panic!("{when}: {error}"));
        let (kept, damage) = (ids(&store), store.verify().unwrap().damage);
        assert!(damage.is_empty(), "{when}: {damage:?}");
        assert_eq!(kept.len() as u64, done.kept, "{when}");
        assert_eq!(kept, ids(&trusted), "{when}: as the engine itself has it");
        assert!(kept.is_disjoint(ended), "{when}: an ended session is back");
        if let Some(session) = store.get("last").unwrap() {
            let old = trusted.get("last").unwrap().unwrap();
            assert_eq!((session.created_ms(), session.deadline()), (old.created_ms(), old.deadline()));
            assert_eq!(
                (session.subject(), session.absolute_deadline()),
                (old.subject(), old.absolute_deadline())
            );
            assert!(session.version() > old.version(), "{when}");
            assert_eq!(store.destroy_subject("bob", None).unwrap(), 1);
        }
    }
    Some((done.kept, done.ended, done.unreadable))
}

#[test]
fn whatever_is_damaged_only_what_can_be_trusted_comes_along() {
    let (vfs, clock, ended) = store();
    let sound = salvage(&vfs.fork(), &clock, &ended, "sound").unwrap();
    assert_eq!((sound.1, sound.2), (0, 0));
    let (mut lossy, mut all_lost) = (0, 0);
    for name in files(&vfs).keys().filter(|name| *name != "LOCK") {
        let path = Path::new(DIR).join(name);
        let bytes = vfs.read_file(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        for at in
            [9, 40, end / 7, end / 3, end / 2, end - 40].into_iter().chain((1..20).map(|n| end * n / 20))
        {
            let bad = vfs.fork();
            bad.flip_bit(&path, at as u64, 3).unwrap();
            let Some((kept, ended, unreadable)) = salvage(&bad, &clock, &ended, &format!("{name} at {at}"))
            else {
                continue;
            };
            assert!(kept + ended + unreadable <= sound.0 + ended, "{kept} {ended} {unreadable}");
            lossy += u64::from(ended + unreadable > 0);
            all_lost += u64::from(kept == 0);
        }
        if name.ends_with(".seg") {
            let bad = vfs.fork();
            bad.remove_file(&path).unwrap();
            salvage(&bad, &clock, &ended, &format!("{name} is missing"));
        }
    }
    println!("{} sessions; {lossy} salvages with losses, {all_lost} with nothing left", sound.0);
    assert!(lossy > 10, "{lossy}");
}

#[test]
fn a_salvage_cut_short_is_no_store_and_is_run_again() {
    let (mut points, mut unfinished) = (0, 0);
    for nth in (1..).step_by(3) {
        let (vfs, clock, ended) = store();
        vfs.flip_bit(&Path::new(DIR).join(segments(&vfs).remove(1)), 5000, 2).unwrap();
        // On the disk, all of it.
        for name in files(&vfs).keys() {
            vfs.open(&Path::new(DIR).join(name), true).unwrap().sync().unwrap();
        }
        let before = files(&vfs);
        vfs.crash_at_call(nth);
        let done = options(&vfs, &clock).salvage(DIR, Some(Path::new(TO))).is_ok() && !vfs.has_crashed();
        points += 1;
        for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll, CrashPolicy::Random(nth)] {
            let when = format!("after a crash at call {nth}, {policy:?}");
            let crashed = vfs.fork().crash(policy);
            let left = files(&crashed);
            let changed: Vec<_> = before
                .iter()
                .filter(|(name, bytes)| left.get(*name) != Some(bytes))
                .map(|(n, _)| n)
                .collect();
            assert!(changed.is_empty() && left.len() == before.len(), "{when}: {changed:?}");
            let finished = match options(&crashed.fork(), &clock).create(false).open(TO) {
                Ok(store) => ids(&store).is_disjoint(&ended) && store.len() > 0,
                Err(Error::RestoreUnfinished(_)) => {
                    unfinished += 1;
                    false
                }
                Err(_) => false,
            };
            assert!(finished || !done, "{when}");
            if !finished {
                salvage(&crashed, &clock, &ended, &when).unwrap();
            }
        }
        if done {
            break;
        }
    }
    println!("{points} crash points, {unfinished} unfinished");
    assert!(points > 5 && unfinished > 5, "{points} {unfinished}");
}

/// A clock that is wrong when a store is salvaged ends nobody.
#[test]
fn a_salvage_goes_by_no_clock() {
    let (vfs, clock, _) = store();
    vfs.flip_bit(&Path::new(DIR).join(segments(&vfs).remove(1)), 5000, 2).unwrap();
    let there = options(&vfs, &clock).salvage(DIR, None).unwrap();
    clock.advance(1000 * DAY);
    let done = options(&vfs, &clock).salvage(DIR, Some(Path::new(TO))).unwrap();
    assert_eq!(done, there);
    clock.set_wall_ms(1_010_000);
    assert_eq!(options(&vfs, &clock).open(TO).unwrap().len(), done.kept);
}

#[test]
fn a_salvage_takes_neither_a_backup_nor_a_store_in_use() {
    let (vfs, clock, _) = store();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.backup("/copy").unwrap();
    let salvage = |from: &str| options(&vfs, &clock).salvage(from, None).map(drop);
    assert!(matches!(salvage("/copy"), Err(Error::IsBackup(_))));
    assert!(matches!(salvage(DIR), Err(Error::Locked(_))));
    assert!(matches!(salvage("/nowhere"), Err(Error::Io { .. })));
    store.close().unwrap();
    drop(store);
    assert!(salvage(DIR).is_ok());
    assert!(matches!(options(&vfs, &clock).salvage(DIR, Some(Path::new(DIR))), Err(Error::Invalid(_))));
}
