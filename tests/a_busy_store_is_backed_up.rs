//! Backups of a store at work, with real files: writers, compaction and expiry go on, one directory is backed up to three times, and each
//! time what is restored has whatever was acknowledged before the backup began, and nothing that had ended by then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sessile::{Durability, Options, Restoring, Store, Write};

/// What the workers have been told, as far as it will not change any more.
#[derive(Default)]
struct Told {
    /// Created, and left alone until the worker says otherwise.
    live: BTreeSet<String>,
    ended: BTreeSet<String>,
}

fn options() -> Options {
    Options::new()
        .segment_bytes(256 << 10)
        .disk_bytes_max(1 << 30)
        .eager_compaction(true)
        .lock_wait(Duration::from_secs(10))
}

/// Creates, updates, rotates and destroys sessions of its own until it is stopped.
fn work(store: &Store, me: u64, told: &Mutex<Told>, stop: &AtomicBool, done: &AtomicU64) {
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let durability = if n % 8 == 0 { Durability::Synced } else { Durability::Written };
        let write = || Write::new(vec![me as u8; 900]).idle(Duration::from_secs(3600)).durability(durability);
        let id = format!("{me} {n}");
        store.create(&id, write().subject(format!("user {me}"))).unwrap();
        told.lock().unwrap().live.insert(id.clone());
        store.create(format!("brief {me} {n}"), write().idle(Duration::from_millis(20))).unwrap();
        if n % 3 == 0 {
            // Before the call it is no longer sure to live.
            told.lock().unwrap().live.remove(&id);
            store.destroy(&id).unwrap();
            told.lock().unwrap().ended.insert(id);
        } else if n % 3 == 1 {
            told.lock().unwrap().live.remove(&id);
            let next = format!("{id} rotated");
            store.rotate(&id, &next, Some(write())).unwrap();
            let mut told = told.lock().unwrap();
            told.ended.insert(id);
            told.live.insert(next);
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn backs_up(dir: &Path, elsewhere: &Path) {
    let store = options().open(dir.join("store")).unwrap();
    let copy = elsewhere.join("copy");
    let (told, stop, done) = (Mutex::new(Told::default()), AtomicBool::new(false), AtomicU64::new(0));
    let mut reports = Vec::new();
    std::thread::scope(|scope| {
        for me in 0..2 {
            let (store, told, stop, done) = (store.clone(), &told, &stop, &done);
            scope.spawn(move || work(&store, me, told, stop, done));
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                store.maintain(Duration::from_millis(20)).unwrap();
            }
        });
        for round in 1..=3 {
            while done.load(Ordering::Relaxed) < 1500 * round {
                std::thread::yield_now();
            }
            let (live, ended) = {
                let told = told.lock().unwrap();
                (told.live.clone(), told.ended.clone())
            };
            let report = store.backup(&copy).unwrap();
            // What ended while it was made may be in it or not.
            let ended_since: BTreeSet<_> = told.lock().unwrap().ended.difference(&ended).cloned().collect();
            let again = dir.join(format!("again {round}"));
            let restored = options().restore(&copy, &again, Restoring::Keep).unwrap();
            assert_eq!(restored.sessions, Some(report.sessions));
            let restored = options().open(&again).unwrap();
            assert!(restored.verify().unwrap().damage.is_empty());
            for id in &ended {
                assert!(
                    restored.get(id).unwrap().is_none(),
                    "{id} had ended before backup {round}, and is back"
                );
            }
            let missing = live.iter().filter(|id| restored.get(id).unwrap().is_none());
            let missing: Vec<_> = missing.filter(|id| !ended_since.contains(*id)).collect();
            let is_rotated = |id: &String| restored.get(format!("{id} rotated")).unwrap().is_some();
            assert!(missing.iter().all(|id| is_rotated(id)), "backup {round}: {missing:?}");
            assert!(restored.destroy_subject("user 0", None).unwrap() > 0);
            reports.push(report);
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{reports:?}");
    assert!(reports[1..].iter().all(|report| report.segments_kept > 0), "{reports:?}");
    assert!(store.stats().compactions > 0);
    let linked = reports.iter().map(|report| report.segments_linked).sum::<u64>();
    let copied = reports.iter().map(|report| report.segments_copied).sum::<u64>();
    let device = |path: &Path| path.metadata().unwrap().dev();
    match device(dir) == device(elsewhere) {
        // What compaction removes before it is linked is copied, by the handle.
        true => assert!(linked > copied, "{linked}, {copied}"),
        false => assert!(linked == 0 && copied > 0, "{linked}, {copied}"),
    }
    store.close().unwrap();
}

#[test]
fn on_the_same_disk_with_links() {
    let temp = tempfile::tempdir().unwrap();
    backs_up(temp.path(), temp.path());
}

#[test]
fn on_another_disk_with_copies() {
    let temp = tempfile::tempdir().unwrap();
    match tempfile::tempdir_in("/dev/shm") {
        Ok(elsewhere) => backs_up(temp.path(), elsewhere.path()),
        Err(error) => println!("skipped: there is no other file system here: {error}"),
    }
}

/// The store goes on with the files that the backup is linked to: it adds footers, rewrites, and removes. None of it is felt.
#[test]
fn what_is_linked_stays_what_it_was_whatever_the_store_does() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, copy) = (temp.path().join("store"), temp.path().join("copy"));
    let store = options().manual_maintenance(true).open(&dir).unwrap();
    let create = |tag: &str, n: u32| {
        let write = Write::new(vec![7; 900]).durability(Durability::Written);
        store.create(format!("{tag} {n}"), write).unwrap();
    };
    (0..2000).for_each(|n| create("a", n));
    let report = store.backup(&copy).unwrap();
    assert!(report.segments_linked > 3 && report.segments_copied == 0, "{report:?}");
    let read = |what: Restoring, to: &str| {
        let made = options().restore(&copy, temp.path().join(to), what).unwrap();
        (made.sessions, made.bytes_verified)
    };
    let before = read(Restoring::Keep, "before");
    // Two stores go on with what were the same segments: the live one, and the one that was restored.
    let restored = options().manual_maintenance(true).open(temp.path().join("before")).unwrap();
    for store in [&store, &restored] {
        for n in 0..2000 {
            if n % 10 > 0 {
                store.destroy(format!("a {n}")).unwrap();
            }
        }
        while store.compact(Duration::from_secs(60)).unwrap().more {}
    }
    (0..2000).for_each(|n| create("b", n));
    store.close().unwrap();
    drop(store);
    drop(options().open(&dir).unwrap());
    assert_eq!(read(Restoring::Keep, "after"), before);
    assert_eq!(options().open(temp.path().join("after")).unwrap().len(), 2000);
}
