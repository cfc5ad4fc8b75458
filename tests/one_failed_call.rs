//! One failed read, and what it takes with it.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use hazard::{DAY, DIR, fresh, options, segments, written};
use sessile::vfs::{CallKind, Fault, Times};
use sessile::{Error, Write};
use std::path::Path;
use std::time::Duration;

/// One read fails while expired sessions are reaped: all others of that slice have left the wheel already, and stay
/// in memory, in `len` and on the disk until the store is opened again.
#[test]
fn one_failed_read_keeps_no_expired_session() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    for n in 0..100 {
        store.create(format!("{n}"), Write::new("x").idle(Duration::from_secs(10))).unwrap();
    }
    clock.advance(Duration::from_secs(20));
    vfs.fail(CallKind::Read, 1, Fault::Eio, Times::Once);
    let _ = store.maintain(DAY);
    vfs.clear_faults();
    for _ in 0..10 {
        clock.advance(Duration::from_secs(3600));
        while store.maintain(Duration::from_secs(1)).unwrap().more {}
    }
    assert_eq!(store.len(), 0);
}

/// The process dies with `Written` records in a segment that the root does not name yet. At the next opening one call
/// fails for a moment (EMFILE, EIO): the segment is taken for one that never was, and removed.
#[test]
fn a_failed_open_of_the_next_segment_loses_nothing() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    let mut ids = Vec::new();
    while segments(&vfs).len() < 2 {
        ids.push(format!("{}", ids.len()));
        store.create(ids.last().unwrap(), written(8 << 10)).unwrap();
    }
    for _ in 0..3 {
        ids.push(format!("{}", ids.len()));
        store.create(ids.last().unwrap(), written(100)).unwrap();
    }
    let second = segments(&vfs)[1].clone();
    let vfs = vfs.fork();
    vfs.fail_named(&second, CallKind::Open, 1, Fault::Eio, Times::N(1));
    let store = match options(&vfs, &clock).open(DIR) {
        Err(Error::Io { .. }) => options(&vfs, &clock).open(DIR).unwrap(),
        opened => opened.unwrap(),
    };
    let lost: Vec<_> = ids.iter().filter(|id| store.get(id).unwrap().is_none()).collect();
    assert!(lost.is_empty(), "lost {lost:?}; there is left {:?}", segments(&vfs));
}

/// One sector of one segment cannot be read. Compaction tries that one first, for ever, and no other segment is
/// reclaimed any more.
#[test]
fn one_unreadable_segment_stops_no_other_from_being_reclaimed() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    let mut ids = Vec::new();
    while segments(&vfs).len() < 12 {
        let id = format!("{}", ids.len());
        store.create(&id, written(3000)).unwrap();
        ids.push(id);
    }
    store.flush().unwrap();
    let bad = segments(&vfs)[0].clone();
    for id in ids.iter().step_by(20) {
        store.update(id, "live").unwrap();
    }
    for (n, id) in ids.iter().enumerate() {
        if n % 20 != 0 {
            store.destroy(id).unwrap();
        }
    }
    let before = store.stats().disk_bytes;
    vfs.fail_named(&bad, CallKind::Read, 1, Fault::Eio, Times::Forever);
    for _ in 0..30 {
        clock.advance(Duration::from_secs(1));
        let _ = store.maintain(Duration::from_secs(10));
    }
    let after = store.stats().disk_bytes;
    assert!(after < before / 2, "{before} bytes before, {after} after, nearly all of them dead");
}

/// A damaged record of one anonymous session makes creates of other ids fail as `Corrupt` at the session limit.
#[test]
fn a_damaged_session_makes_no_other_create_fail() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).sessions_max(100).open(DIR).unwrap();
    for n in 0..100 {
        store
            .create(format!("{n}"), Write::new(vec![0x5a; 100]).idle(Duration::from_secs(1000 + n)))
            .unwrap();
    }
    let path = Path::new(DIR).join(&segments(&vfs)[0]);
    let bytes = vfs.read_file(&path).unwrap();
    let at = bytes.windows(100).position(|w| w == [0x5a; 100]).unwrap();
    vfs.flip_bit(&path, at as u64 + 10, 0).unwrap();
    let failed: Vec<_> = (0..50).filter_map(|n| store.create(format!("new{n}"), "x").err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// The directory cannot be synced for a while (with few descriptors left, opening it fails): each try leaves a whole
/// allocated segment under its final name, which counts against the limit and is removed by nobody.
#[test]
fn failed_creations_leave_no_segments() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    vfs.fail(CallKind::SyncDir, 1, Fault::Eio, Times::Forever);
    for n in 0..300 {
        let _ = store.create(format!("{n}"), written(2000));
    }
    vfs.clear_faults();
    let names = segments(&vfs);
    let stats = store.stats();
    assert!(names.len() <= 3, "{} files, {} bytes counted as in use", names.len(), stats.disk_bytes);
}
