//! Whoever looks after a store does not decide how long it lives, and is told when it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sessile::{Durability, Error, Options, Store};

#[test]
fn the_last_handle_that_keeps_a_store_open_closes_it_whoever_looks_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let weak = store.weak();
    let (same, other) = (weak.clone(), store.clone());
    weak.create("a", "of the weak one").unwrap();
    drop((weak, store));
    assert!(same.get("a").unwrap().is_some(), "another keeps it open");
    drop(other);
    assert!(matches!(same.get("a"), Err(Error::Closed)));
    assert!(Options::new().read_only(true).open(dir.path()).unwrap().holder().is_none());
    // The directory is free, and what closed it did so in order.
    let again = Store::open(dir.path()).unwrap();
    assert!(again.stats().recovery.from_snapshot && again.get("a").unwrap().is_some());
    assert!(matches!(same.get("a"), Err(Error::Closed)), "it is a handle to the store that has ended");
}

#[test]
fn a_weak_handle_closes_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.weak().close().unwrap();
    assert!(matches!(store.get("a"), Err(Error::Closed)));
}

#[test]
fn who_asked_to_be_told_is_told_once_while_the_directory_is_still_ours() {
    let dir = tempfile::tempdir().unwrap();
    let told = Arc::new(AtomicU64::new(0));
    let store = Store::open(dir.path()).unwrap();
    let (weak, counting, path) = (store.weak(), Arc::clone(&told), dir.path().to_owned());
    store
        .at_close(move || {
            let look = Options::new().read_only(true).open(path).unwrap();
            assert_eq!(look.holder().unwrap().pid, Some(std::process::id()));
            assert!(matches!(weak.get("a"), Err(Error::Closed)));
            counting.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    let late = store.weak();
    drop(store);
    assert_eq!(told.load(Ordering::Relaxed), 1);
    late.close().unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert!(matches!(late.at_close(|| panic!("never")), Err(Error::Closed)));
}

#[test]
fn a_store_knows_its_directory_and_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.directory(), dir.path());
    let holder = store.holder().unwrap();
    let look = Options::new().read_only(true).open(dir.path()).unwrap();
    assert_eq!(look.holder(), Some(holder.clone()));
    assert!(look.is_read_only() && !store.is_read_only());
    assert_eq!(holder.pid, Some(std::process::id()));
}

#[test]
fn who_compacts_gets_the_room_that_maintenance_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().durability(Durability::Written).manual_maintenance(true);
    let store = options.open(dir.path()).unwrap();
    // The later ones, since they are in segments that are not merged for being small.
    for number in (0..2_400).chain(1_700..2_300) {
        store.set(format!("{number}"), vec![0; 20_000]).unwrap();
    }
    store.maintain(Duration::MAX).unwrap();
    let left = store.stats().dead_bytes;
    store.compact(Duration::MAX).unwrap();
    let dead = store.stats().dead_bytes;
    assert!(left > 5_000_000 && dead < left / 2, "{left}, {dead}");
}
