//! A store that has met its disk limit must get going again by itself (P4, rule 13).
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use hazard::{DAY, DIR, fresh, written};
use sessile::vfs::SimVfs;
use sessile::{AtLimit, Error, ManualClock, Options, Store};
use std::time::Duration;

fn options(vfs: &SimVfs, clock: &ManualClock) -> Options {
    hazard::options(vfs, clock).segment_bytes(256 << 10).disk_bytes_max(2 << 20)
}

fn state(store: &Store) -> String {
    let s = store.stats();
    format!(
        "sessions {} live {} dead {} disk {} segments {} evicted {} compactions {} latched {:?}",
        s.sessions, s.live_bytes, s.dead_bytes, s.disk_bytes, s.segments, s.evicted, s.compactions, s.latched
    )
}

/// Anonymous sessions without end, at the limit: some are evicted, and the store goes on.
#[test]
fn evicting_at_the_disk_limit_goes_on() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    let mut refused_in_a_row = 0;
    let mut worst = 0;
    for n in 0..60_000 {
        if n % 100 == 0 {
            clock.advance(Duration::from_secs(1));
            let _ = store.maintain(Duration::from_secs(1));
        }
        match store.create(format!("{n}"), written(400)) {
            Ok(_) => refused_in_a_row = 0,
            Err(Error::Full(_)) => refused_in_a_row += 1,
            Err(other) => panic!("{n}: {other:?}; {}", state(&store)),
        }
        worst = worst.max(refused_in_a_row);
        assert!(refused_in_a_row < 2_000, "{n}: stuck; {}", state(&store));
    }
    println!("worst {worst}; {}", state(&store));
}

/// Full of sessions, rejecting; then most of them are destroyed. Maintenance must make room of that.
#[test]
fn destroying_makes_room_again() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).at_limit(AtLimit::Reject).open(DIR).unwrap();
    let mut ids = Vec::new();
    while store.create(format!("{}", ids.len()), written(400)).is_ok() {
        ids.push(format!("{}", ids.len()));
    }
    println!("{} {}", ids.len(), state(&store));
    // Some minutes pass before anybody does something about it.
    for _ in 0..900 {
        clock.advance(Duration::from_secs(1));
        let _ = store.maintain(Duration::from_secs(1));
        let _ = store.create("one more", written(400));
    }
    let mut failed = 0;
    for id in ids.iter().step_by(4) {
        failed += usize::from(store.destroy(id).is_err());
    }
    for _ in 0..100 {
        clock.advance(Duration::from_secs(1));
        let _ = store.maintain(Duration::from_secs(10));
    }
    let made = (0..200).filter(|n| store.create(format!("new{n}"), written(400)).is_ok()).count();
    println!("maintain says {:?}", store.maintain(Duration::from_secs(10)));
    assert!(failed == 0 && made == 200, "{failed} endings failed, {made} creates of 200; {}", state(&store));
}

/// As above, and then everything expires. Even that frees nothing: to take a dead segment off the roster, the log
/// needs room for a mark and a frame, and the evictions have left none.
#[test]
fn a_store_whose_sessions_have_all_expired_has_room() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    for n in 0..10_000 {
        let _ = store.create(format!("{n}"), written(400));
    }
    clock.advance(30 * DAY);
    let said: Vec<_> = (0..3)
        .map(|_| {
            clock.advance(Duration::from_secs(1));
            store.maintain(Duration::from_secs(60)).map_err(|e| e.to_string())
        })
        .collect();
    let made = store.create("new", "x");
    assert!(made.is_ok(), "{made:?}; maintain says {said:?}; {}", state(&store));
}

/// At its limit the store's process dies again and again, and each opening begins a segment, whatever the limit says. Those
/// took the room that compaction needs: endings found no room, and maintenance gave nothing back.
#[test]
fn dying_at_the_disk_limit_again_and_again_leaves_room_to_compact() {
    let (mut vfs, clock) = fresh();
    let reopen = |vfs: &SimVfs| options(vfs, &clock).at_limit(AtLimit::Reject).open(DIR).unwrap();
    let store = reopen(&vfs);
    let mut count = 0;
    while store.create(format!("{count}"), written(400)).is_ok() {
        count += 1;
    }
    for _ in 0..8 {
        vfs = vfs.fork();
        let store = reopen(&vfs);
        // A little is done each time.
        let _ = store.create("one more", written(400));
        let _ = store.destroy("one more");
    }
    vfs = vfs.fork();
    let store = reopen(&vfs);
    assert!(store.stats().disk_bytes > 2 << 20, "beyond the limit, or nothing was tried: {}", state(&store));
    let failed = (0..count).filter(|n| store.destroy(format!("{n}")).is_err()).count();
    clock.advance(Duration::from_secs(1));
    let said = store.maintain(Duration::from_secs(60));
    let made = (0..2_000).filter(|n| store.create(format!("new{n}"), written(400)).is_ok()).count();
    assert!(
        failed == 0 && said.is_ok() && made == 2_000 && store.stats().disk_bytes <= 2 << 20,
        "{failed} endings failed, {made} creates of 2000, maintain says {said:?}; {}",
        state(&store)
    );
}

/// Each opening began a segment and wrote little to it. What was allocated and never written counted against the limit, nothing
/// in it was garbage, so nothing was rewritten, and a store that held a tenth of what it may refused to write.
#[test]
fn openings_that_wrote_little_do_not_fill_the_limit() {
    let (mut vfs, clock) = fresh();
    let reopen = |vfs: &SimVfs| options(vfs, &clock).at_limit(AtLimit::Reject).open(DIR).unwrap();
    let mut store = reopen(&vfs);
    for number in 0..12 {
        store.create(format!("{number}"), written(20_000)).unwrap();
        vfs = vfs.fork();
        store = reopen(&vfs);
    }
    let made = (0..1_000).filter(|n| store.create(format!("new{n}"), written(400)).is_ok()).count();
    assert_eq!((made, store.len()), (1_000, 1_012), "{}", state(&store));
}

/// What was not durable when the process died is copied by the next opening, into one segment as long as that takes: nearly
/// all that the limit allows. The log was in it, so nothing could be won from it, and a set that replaced a session was refused.
#[test]
fn what_an_opening_had_to_copy_is_compacted_when_the_disk_limit_is_near() {
    let (vfs, clock) = fresh();
    let open = |vfs: &SimVfs| options(vfs, &clock).at_limit(AtLimit::Reject).open(DIR).unwrap();
    let store = open(&vfs);
    for n in 0..45 {
        store.set(format!("{}", n % 15), written(26_000)).unwrap();
    }
    let store = open(&vfs.fork());
    let copied = state(&store);
    for n in 0..100 {
        let done = store.set(format!("{}", n % 15), written(26_000));
        assert!(done.is_ok(), "{n}: {done:?}; {}; after opening {copied}", state(&store));
    }
}
