//! Limits, full disks, reserves (rules 11 and 13, P4).
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use hazard::{DAY, DIR, fresh, segments, written};
use sessile::vfs::{CallKind, Fault, SimVfs, Times, Vfs};
use sessile::{AtLimit, Durability, Error, Full, ManualClock, Options, Store, Touched, Write};
use std::path::Path;
use std::time::Duration;

fn options(vfs: &SimVfs, clock: &ManualClock) -> Options {
    hazard::options(vfs, clock).segment_bytes(64 << 20).disk_bytes_max(256 << 20)
}

fn used(vfs: &SimVfs) -> u64 {
    let names = vfs.list(Path::new(DIR)).unwrap();
    names.iter().map(|n| vfs.open(&Path::new(DIR).join(n), false).unwrap().allocated_bytes().unwrap()).sum()
}

/// Fills the segment at the end of the log up to its reserve.
fn fill(store: &Store, tag: &str) {
    for bytes in [2000, 200, 0, 0] {
        let mut n = 0;
        while store.create(format!("{tag}-{bytes}-{n}"), written(bytes)).is_ok() {
            n += 1;
            assert!(n < 100_000);
        }
    }
}

/// All sessions have expired, none is reaped yet: a create must not be refused for their sake.
#[test]
fn expired_sessions_take_no_room() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).sessions_max(1000).open(DIR).unwrap();
    for n in 0..1000 {
        store
            .create(
                format!("{n}"),
                Write::new("").idle(Duration::from_secs(10)).durability(Durability::Written),
            )
            .unwrap();
    }
    clock.advance(Duration::from_secs(20));
    let made = store.create("new", "x");
    assert!(made.is_ok(), "{made:?}");
}

/// Anonymous sessions there are, but those with a subject end sooner: the search for one to evict gives up after some
/// 256 entries.
#[test]
fn anonymous_sessions_behind_others_are_found_for_eviction() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).sessions_max(3000).open(DIR).unwrap();
    for n in 0..2000 {
        let write = written(1).idle(Duration::from_secs(600)).subject("alice");
        store.create(format!("s{n}"), write).unwrap();
    }
    for n in 0..1000 {
        store.create(format!("a{n}"), written(1).idle(Duration::from_secs(86_400))).unwrap();
    }
    let refused = (0..20).filter(|n| store.create(format!("new{n}"), "x").is_err()).count();
    assert_eq!(refused, 0, "creates refused while 1,000 anonymous sessions could be evicted");
}

/// The disk is full because of others. One refused create evicts anonymous sessions until the reserve of the segment
/// is used up, wins nothing by it, and no logout can be made durable any more.
#[test]
fn evictions_leave_the_reserve_to_endings() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).segment_bytes(256 << 10).open(DIR).unwrap();
    for n in 0..20 {
        store.create(format!("user{n}"), written(10).subject("alice")).unwrap();
    }
    for n in 0..2000 {
        store.create(format!("a{n}"), written(1)).unwrap();
    }
    store.flush().unwrap();
    vfs.set_capacity(Some(used(&vfs)));
    let mut full = false;
    for n in 0..10_000 {
        if matches!(store.create(format!("b{n}"), written(200)), Err(Error::Full(_))) {
            full = true;
            break;
        }
    }
    assert!(full);
    println!("evicted {}", store.stats().evicted);
    let ended: Vec<_> = (0..5).map(|n| store.destroy(format!("user{n}"))).collect();
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

/// The disk is full, and maintenance runs every second: each run marks the clock in the reserve, fails to create an
/// output, and leaves. After some minutes no ending fits any more.
#[test]
fn clock_marks_leave_the_reserve_to_endings() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject).open(DIR).unwrap();
    for n in 0..20 {
        store.create(format!("user{n}"), written(10).subject("alice")).unwrap();
    }
    for round in 0..20 {
        for n in 0..100 {
            store.set(format!("a{n}"), written(100 + round)).unwrap();
        }
    }
    store.flush().unwrap();
    vfs.set_capacity(Some(used(&vfs)));
    let mut n = 0;
    while store.create(format!("b{n}"), written(200)).is_ok() {
        n += 1;
        assert!(n < 10_000);
    }
    for _ in 0..1200 {
        clock.advance(Duration::from_secs(1));
        let _ = store.maintain(Duration::from_secs(1));
    }
    let ended: Vec<_> = (0..5).map(|n| store.destroy(format!("user{n}"))).collect();
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

/// The next segment cannot be created for another reason than a full disk (EMFILE, EIO): the ending would fit the
/// reserve, but is not even tried there.
#[test]
fn an_ending_draws_on_the_reserve_whatever_fails() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject).open(DIR).unwrap();
    for n in 0..20 {
        store.create(format!("user{n}"), written(10).subject("alice")).unwrap();
    }
    vfs.fail(CallKind::Create, 1, Fault::Eio, Times::Forever);
    fill(&store, "b");
    let ended = store.destroy("user1");
    assert!(ended.is_ok(), "{ended:?}");
}

/// An ending that could not be written (the store is not latched), then the id is used again and expires: compaction
/// takes the second session for a create that shadows nothing, and the first one is back.
#[test]
fn an_undurable_ending_holds_after_the_id_was_used_again() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject).open(DIR).unwrap();
    store.create("X", written(10)).unwrap();
    for n in 0..500 {
        store.create(format!("small {n}"), written(0)).unwrap();
    }
    vfs.fail(CallKind::Create, 1, Fault::Eio, Times::Forever);
    fill(&store, "b");
    // The reserve too, by small ones: what is large lives on, so nobody rewrites the segment with X in it.
    assert!((0..500).any(|n| store.destroy(format!("small {n}")).is_err()));
    assert!(store.destroy("X").is_err());
    assert!(store.get("X").unwrap().is_none());
    vfs.clear_faults();
    let brief = || Write::new(vec![1; 2000]).idle(Duration::from_secs(30)).durability(Durability::Written);
    let mut n = 0;
    while segments(&vfs).len() < 2 {
        store.create(format!("c{n}"), brief()).unwrap();
        n += 1;
    }
    store.create("X", Write::new("second").idle(Duration::from_secs(60))).unwrap();
    assert!(store.destroy("X").unwrap());
    // Everything else in that segment is brief too, and time passes: it goes, and with it what ended the second life.
    for n in 0..200 {
        store.create(format!("d{n}"), brief()).unwrap();
    }
    for _ in 0..4 {
        clock.advance(Duration::from_secs(70));
        while store.maintain(Duration::from_secs(60)).unwrap().more {}
        store.create("tick", Write::new("").idle(Duration::from_secs(1))).unwrap();
    }
    assert!(segments(&vfs).contains(&"00000001.seg".to_owned()), "the first life's record is still there");
    let vfs = vfs.fork();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    assert!(
        store.get("X").unwrap().is_none(),
        "X, whose second life was ended durably, is back in its first"
    );
}

/// Sessions that never expire leave 64 bytes for ever, each, though nothing older is left that they could shadow.
#[test]
fn stubs_of_endless_sessions_go_when_they_are_moot() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).segment_bytes(256 << 10).idle(Duration::MAX).open(DIR).unwrap();
    for n in 0..20_000 {
        let id = format!("{n}");
        store.create(&id, Write::new("x").durability(Durability::Written)).unwrap();
        store.destroy(&id).unwrap();
    }
    for _ in 0..50 {
        clock.advance(Duration::from_secs(24 * 3600));
        store.create("tick", Write::new("")).unwrap();
        store.destroy("tick").unwrap();
        while store.maintain(Duration::from_secs(60)).unwrap().more {}
    }
    let stats = store.stats();
    assert_eq!(stats.sessions, 0);
    assert!(stats.dead_bytes < 300_000, "an empty store has {} dead bytes", stats.dead_bytes);
}

/// A process that dies at once after opening, again and again, at the disk limit: each opening takes a segment from
/// what compaction needs, until the store does not open at all.
#[test]
fn a_store_at_its_disk_limit_opens_again() {
    let (mut vfs, clock) = fresh();
    let set = |vfs: &SimVfs| {
        options(vfs, &clock).segment_bytes(256 << 10).disk_bytes_max(1 << 20).at_limit(AtLimit::Reject)
    };
    let store = set(&vfs).open(DIR).unwrap();
    let mut n = 0;
    loop {
        match store.create(format!("b{n}"), Write::new(vec![1; 2000]).idle(DAY)) {
            Ok(_) => n += 1,
            Err(Error::Full(Full::DiskBytes)) => break,
            other => panic!("{other:?}"),
        }
    }
    for round in 0..5 {
        vfs = vfs.fork();
        match set(&vfs).open(DIR) {
            Ok(store) => {
                let _ = store.destroy(format!("b{round}"));
            }
            Err(error) => panic!("opening {round}: {error}"),
        };
    }
}

/// A touch that must be logged and cannot, because the disk is full: the session in use dies although memory could
/// have moved its deadline.
#[test]
fn a_full_disk_ends_no_session_that_is_in_use() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject).open(DIR).unwrap();
    let idle = Duration::from_secs(1800);
    store.create("user", Write::new("x").idle(idle).subject("alice")).unwrap();
    store.flush().unwrap();
    vfs.set_capacity(Some(used(&vfs)));
    fill(&store, "b");
    let mut touched = Vec::new();
    for _ in 0..4 {
        clock.advance(Duration::from_secs(600));
        touched.push(store.touch("user", idle).map(|touched| touched == Touched::Logged));
    }
    assert!(store.get("user").unwrap().is_some(), "used every ten minutes, and gone: {touched:?}");
}

/// A touch that the full disk refused has moved the deadline in memory. The next one finds nothing to move, so it passed
/// for one that the log need not hear of, and was acknowledged though the log was behind by hours and not by the slack.
#[test]
fn a_touch_after_a_refused_one_is_no_coalesced_one() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject).open(DIR).unwrap();
    let hour = Duration::from_secs(3600);
    store.create("user", Write::new("x").idle(hour).subject("alice")).unwrap();
    store.flush().unwrap();
    vfs.set_capacity(Some(used(&vfs)));
    fill(&store, "b");
    let mut refused = store.touch("user", 3 * hour);
    // The segment has room for one more small frame, now and then.
    for more in 4..40 {
        if refused.is_err() {
            break;
        }
        refused = store.touch("user", more * hour);
    }
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    let promised = store.get("user").unwrap().unwrap().deadline().as_ms();
    let again = store.touch("user", 2 * hour);
    let slack_ms = 60_000;
    let found = |vfs: &SimVfs| {
        let store = options(vfs, &clock).segment_bytes(256 << 10).open(DIR).unwrap();
        store.get("user").unwrap().unwrap().deadline().as_ms()
    };
    let dead = vfs.fork();
    dead.set_capacity(None);
    assert!(
        again.is_err() || found(&dead) + slack_ms > promised,
        "{again:?}, and the log knows nothing of it"
    );
    vfs.set_capacity(None);
    store.maintain(DAY).unwrap();
    assert!(found(&vfs.fork()) + slack_ms > promised, "with room again the log is told");
    assert_eq!(store.touch("user", 2 * hour).unwrap(), Touched::Coalesced);
}

/// The full disk refused a touch, so the log is owed it, and then the record is damaged: nobody could pay, and maintenance
/// ended there each time, with nothing expired marked and nothing compacted.
#[test]
fn a_damaged_record_that_is_owed_a_touch_does_not_end_maintenance() {
    let (vfs, clock) = fresh();
    let hour = Duration::from_secs(3600);
    let store = options(&vfs, &clock).at_limit(AtLimit::Reject).open(DIR).unwrap();
    store.create("user", Write::new("THE RECORD").idle(hour).subject("alice")).unwrap();
    store.flush().unwrap();
    vfs.set_capacity(Some(used(&vfs)));
    fill(&store, "b");
    assert!((3..40).any(|hours| store.touch("user", hours * hour).is_err()), "the disk is full");
    let flip = || {
        let path = Path::new(DIR).join("00000001.seg");
        let mut bytes = vfs.read_file(&path).unwrap();
        let at = bytes.windows(6).position(|window| window == b"RECORD").unwrap() - 1;
        bytes[at] ^= 1;
        vfs.write_file(&path, &bytes).unwrap();
    };
    flip();
    vfs.set_capacity(None);
    while store.maintain(DAY).unwrap().more {}
    assert!(store.get("user").unwrap_err().to_string().contains("00000001.seg"));
    flip();
    while store.maintain(DAY).unwrap().more {}
    let again = options(&vfs.fork(), &clock).open(DIR).unwrap();
    let promised = store.get("user").unwrap().unwrap().deadline().as_ms();
    assert!(
        again.get("user").unwrap().unwrap().deadline().as_ms() + 60_000 > promised,
        "it is told when it can be"
    );
}
