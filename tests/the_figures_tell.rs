//! The figures of a store say what somebody on call asks: what ended and by what, what ends soon, and what is behind.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::sync::Arc;
use std::time::Duration;

use sessile::vfs::SimVfs;
use sessile::{ManualClock, Options, Store, Write};

const HOUR: Duration = Duration::from_secs(3600);

fn at_rest() -> (ManualClock, Store) {
    let clock = ManualClock::at_ms(1_000_000_000);
    let options = Options::new().vfs(Arc::new(SimVfs::new())).clock(Arc::new(clock.clone()));
    (clock, options.manual_maintenance(true).open("/store").unwrap())
}

#[test]
fn what_ended_is_told_by_its_cause() {
    let (_, store) = at_rest();
    for id in ["a", "b", "c", "d", "e", "f"] {
        store.create(id, Write::new("x").subject(if id < "c" { "alice" } else { "bob" })).unwrap();
    }
    store.destroy_subject("alice", None).unwrap();
    store.destroy("c").unwrap();
    store.clear().unwrap();
    let stats = store.stats();
    assert_eq!((stats.ended, stats.revoked, stats.cleared, stats.expired), (6, 2, 3, 0));
}

#[test]
fn ends_are_told_by_the_hour() {
    let (clock, store) = at_rest();
    let millisecond = Duration::from_millis(1);
    for (id, life) in [
        ("a", millisecond),
        ("b", HOUR),
        ("c", HOUR + millisecond),
        ("d", 24 * HOUR),
        ("e", 24 * HOUR + millisecond),
        ("f", Duration::MAX),
    ] {
        store.create(id, Write::new("x").idle(life)).unwrap();
    }
    let ahead = store.endings_ahead();
    let mut hours = [0; 24];
    (hours[0], hours[1], hours[23]) = (2, 1, 1);
    assert_eq!((ahead.hours, ahead.sessions, ahead.hidden), (hours, 6, 0));
    assert_eq!((ahead.within_hour, ahead.within_day), (2, 4));
    // A jump that nobody has confirmed ends nobody, and shows nobody.
    clock.set_wall_ms(1_000_000_000 + 2 * 3_600_000);
    store.maintain(Duration::ZERO).unwrap();
    let ahead = store.endings_ahead();
    assert_eq!((ahead.sessions, ahead.hidden), (3, 3));
    let stats = store.stats();
    assert!(stats.clock_unconfirmed);
    assert_eq!(stats.clock_shown_ms - stats.clock_ms, 2 * 3_600_000);
    store.confirm_clock().unwrap();
    assert_eq!(store.stats().clock_shown_ms, store.stats().clock_ms);
}

#[test]
fn what_is_behind_is_told_until_it_is_not() {
    let (clock, store) = at_rest();
    store.create("a", Write::new("x").idle(HOUR)).unwrap();
    store.create("b", Write::new(vec![0; 100_000]).idle(HOUR)).unwrap();
    store.destroy("b").unwrap();
    assert_eq!((store.stats().expiry_lag, store.stats().erase_lag), (Duration::ZERO, Duration::ZERO));
    clock.advance(2 * HOUR);
    let stats = store.stats();
    assert_eq!((stats.expiry_lag, stats.erase_lag), (2 * HOUR, 2 * HOUR));
    assert_eq!(stats.erase_within, Duration::from_secs(24 * 3600));
    store.maintain(Duration::MAX).unwrap();
    assert_eq!((store.stats().expiry_lag, store.stats().expired), (Duration::ZERO, 1));
    // Half of the time that erasing has is up: then it is done.
    clock.advance(11 * HOUR);
    while store.maintain(Duration::MAX).unwrap().more {}
    assert!(store.stats().erase_lag < 12 * HOUR, "{:?}", store.stats());
}

#[test]
fn groups_and_syncs_are_counted() {
    let (_, store) = at_rest();
    let before = store.stats();
    store.create("a", "x").unwrap();
    let stats = store.stats();
    assert_eq!(stats.sync_micros.count(), before.sync_micros.count() + 1);
    assert_eq!(stats.sync_micros.count(), stats.syncs);
    assert!(stats.group_frames.sum() > before.group_frames.sum());
}
