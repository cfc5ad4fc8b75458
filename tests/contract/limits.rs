//! At a limit: refuse, or end the anonymous sessions that end soonest; never one with a subject.

use std::path::Path;
use std::time::Duration;

use sessile::{AtLimit, Durability, Error, Full, Options, Write};

use super::{Bench, HOUR, MINUTE};

#[test]
fn reject_refuses_new_sessions_and_nothing_else() {
    let bench = Bench::new();
    let store = bench.open(bench.options().sessions_max(2).at_limit(AtLimit::Reject));
    store.create("a", "x").unwrap();
    store.create("b", "x").unwrap();
    assert!(matches!(store.create("c", "x"), Err(Error::Full(Full::Sessions))));
    assert!(matches!(store.set("c", "x"), Err(Error::Full(Full::Sessions))));
    assert!(matches!(store.create("a", "x"), Err(Error::Duplicate)), "a live id is no new session");
    store.set("a", "y").unwrap();
    store.update("b", "y").unwrap();
    store.rotate("a", "a2", None).unwrap();
    store.destroy("b").unwrap();
    store.create("c", "x").unwrap();
    assert_eq!(store.stats().rejected, 2);
}

#[test]
fn what_has_expired_takes_no_room() {
    let bench = Bench::new();
    let store = bench.open(bench.options().sessions_max(2).at_limit(AtLimit::Reject));
    store.create("a", "x").unwrap();
    store.create("b", "x").unwrap();
    bench.clock.advance(HOUR);
    store.create("c", "nobody has called maintain").unwrap();
}

#[test]
fn eviction_takes_the_anonymous_that_end_soonest() {
    let bench = Bench::new();
    let store = bench.open(bench.options().sessions_max(100));
    for n in 0..50u32 {
        store.create(format!("user-{n}"), Write::new("x").subject("alice").idle(MINUTE)).unwrap();
    }
    for n in 0..50u32 {
        store.create(format!("bot-{n}"), Write::new("x").idle((10 + n) * MINUTE)).unwrap();
    }
    store.create("one more", Write::new("x").idle(HOUR)).unwrap();
    assert_eq!(store.sessions_of("alice").unwrap().count(), 50);
    assert!(store.get("bot-0").unwrap().is_none() && store.get("bot-49").unwrap().is_some());
    assert!(matches!(store.create("user-0", "x"), Err(Error::Duplicate)));
    assert!(matches!(store.create("x", vec![0; 2 << 20]), Err(Error::TooLarge { .. })));
    for n in 0..60u32 {
        store.create(format!("late-{n}"), Write::new("x").subject("bob").idle(HOUR)).ok();
    }
    assert_eq!(store.sessions_of("alice").unwrap().count(), 50);
    assert_eq!(store.sessions_of("bob").unwrap().count(), 50, "then nobody is left to evict");
    assert!(matches!(store.create("none left", "x"), Err(Error::Full(Full::Sessions))));
}

/// Users' sessions may all end sooner than any visitor's; the visitors are found all the same.
#[test]
fn eviction_finds_the_anonymous_behind_many_users() {
    let bench = Bench::new();
    let written = bench.options().durability(Durability::Written);
    let store = bench.open(written.sessions_max(6_000).segment_bytes(4 << 20));
    for n in 0..5_900u32 {
        store.create(format!("user-{n}"), Write::new("").subject("alice").idle(MINUTE)).unwrap();
    }
    for n in 0..1_000u32 {
        store.create(format!("bot-{n}"), Write::new("").idle(HOUR)).unwrap();
    }
    assert_eq!(store.sessions_of("alice").unwrap().count(), 5_900);
}

#[test]
fn eviction_finds_those_that_never_end() {
    let bench = Bench::new();
    let store = bench.open(bench.options().sessions_max(10).idle(Duration::MAX));
    for n in 0..20u32 {
        store.create(format!("bot-{n}"), "x").unwrap();
    }
}

#[test]
fn a_write_that_is_refused_evicts_nobody() {
    let bench = Bench::new();
    let store = bench.open(bench.options().sessions_max(5).session_bytes_max(10));
    for n in 0..5u32 {
        store.create(format!("bot-{n}"), "x").unwrap();
    }
    assert!(matches!(store.create("bot-0", "x"), Err(Error::Duplicate)));
    assert!(matches!(store.create("new", vec![0; 11]), Err(Error::TooLarge { .. })));
    assert!(store.create("new", Write::new("x").subject("")).is_err());
    assert_eq!((store.len(), store.stats().evicted), (5, 0));
}

fn bytes_in(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().metadata().map_or(0, |data| data.len())).sum()
}

/// Two million requests without a cookie, each of which creates a session.
#[test]
fn a_flood_of_bots_logs_nobody_out_and_stays_within_the_limits() {
    const REQUESTS: u32 = 2_000_000;
    const DISK_BYTES_MAX: u64 = 64 << 20;
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new()
        .sessions_max(50_000)
        .disk_bytes_max(DISK_BYTES_MAX)
        .segment_bytes(4 << 20)
        .durability(Durability::Written);
    let store = options.clone().open(dir.path()).unwrap();
    store.create("alice's", Write::new("her cart").subject("alice").idle(HOUR)).unwrap();
    let mut disk_bytes = 0;
    for n in 0..REQUESTS {
        let created = store.create(format!("bot-{n}"), Write::new([7; 100]));
        assert!(created.is_ok(), "request {n}: {created:?}, {:?}", store.stats());
        if n % 100_000 == 0 {
            disk_bytes = disk_bytes.max(bytes_in(dir.path()));
            assert_eq!(store.get("alice's").unwrap().unwrap().data(), b"her cart");
            store.touch("alice's", HOUR).unwrap();
        }
    }
    store.update("alice's", "her other cart").unwrap();
    store.rotate("alice's", "alice's new one", None).unwrap();
    store.rotate(format!("bot-{}", REQUESTS - 1), "bob's", Some(Write::new("").subject("bob"))).unwrap();
    store.create("carol's", Write::new("").subject("carol")).unwrap();
    let stats = store.stats();
    assert!(store.len() <= 50_000, "{} sessions", store.len());
    assert!(stats.memory_bytes < 50_000 * 100 + (1 << 20), "{} bytes of memory", stats.memory_bytes);
    assert!(stats.disk_bytes <= DISK_BYTES_MAX, "{} bytes by its own count", stats.disk_bytes);
    let disk_bytes = disk_bytes.max(bytes_in(dir.path()));
    assert!(disk_bytes <= DISK_BYTES_MAX + (1 << 20), "{disk_bytes} bytes on the disk");
    assert_eq!(stats.rejected, 0);
    store.close().unwrap();
    let store = options.open(dir.path()).unwrap();
    for id in ["alice's new one", "bob's", "carol's"] {
        assert!(store.get(id).unwrap().is_some(), "{id}");
    }
}
