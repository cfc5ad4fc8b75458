//! A clock that jumps neither ends sessions nor brings them back: forward it only hides, back it freezes, and years
//! forward need an operator.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::machine::{DAY, HOUR, MINUTE, Machine, SECOND, START_MS, maintain};
use sessile::vfs::{CrashPolicy, SimVfs};
use sessile::{Clock, Error, ManualClock, Options, Store, Write};

fn lives(store: &Store, id: &str) -> bool {
    store.get(id).unwrap().is_some()
}

/// A store with a session of an hour and one of a year.
fn begun() -> (Machine, Store) {
    let machine = Machine::new();
    let store = machine.open();
    store.create("hour", Write::new("hour").idle(HOUR)).unwrap();
    store.create("year", Write::new("year").idle(DAY * 365)).unwrap();
    (machine, store)
}

/// Time passes, and the store looks at the clock as a server's does.
fn pass(machine: &Machine, store: &Store, time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let step = left.min(MINUTE);
        machine.clock.advance(step);
        maintain(store);
        left -= step;
    }
}

#[test]
fn a_jump_forward_hides_until_the_clock_comes_back() {
    let (machine, store) = begun();
    machine.clock.set_wall_ms(START_MS + 7_200_000);
    assert!(!lives(&store, "hour") && lives(&store, "year"));
    maintain(&store);
    assert!(store.stats().clock_unconfirmed);
    assert!(matches!(store.create("hour", "usurper"), Err(Error::ClockUnconfirmed)));
    assert!(matches!(store.set("hour", "usurper"), Err(Error::ClockUnconfirmed)));
    assert!(matches!(store.update("hour", "late"), Err(Error::Unknown(_))));
    assert!(matches!(store.touch("hour", HOUR), Err(Error::Unknown(_))));
    assert_eq!(store.iter().unwrap().count(), 1);
    assert_eq!(store.len(), 2, "hidden is not ended");
    machine.clock.set_wall_ms(START_MS + 1_000);
    assert!(lives(&store, "hour"));
    maintain(&store);
    assert!(!store.stats().clock_unconfirmed);
    store.update("hour", Write::new("hour goes on")).unwrap();
    assert!(lives(&machine.crashed(CrashPolicy::DropAll).open(), "hour"));
}

#[test]
fn a_jump_that_both_clocks_confirm_ends_for_good() {
    let (machine, store) = begun();
    machine.clock.set_wall_ms(START_MS + 7_200_000);
    maintain(&store);
    pass(&machine, &store, MINUTE * 11);
    assert!(!store.stats().clock_unconfirmed);
    maintain(&store);
    assert_eq!(store.len(), 1);
    machine.clock.set_wall_ms(START_MS + 2_000);
    assert!(!lives(&store, "hour"));
    for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll] {
        assert!(!lives(&machine.crashed(policy).open(), "hour"));
    }
}

#[test]
fn a_jump_back_freezes_expiry_and_ends_nothing() {
    let (machine, store) = begun();
    pass(&machine, &store, MINUTE * 30);
    machine.clock.set_wall_ms(START_MS - 86_400_000);
    pass(&machine, &store, MINUTE * 45);
    assert!(lives(&store, "hour") && lives(&store, "year"));
    // It has caught up when the wall clock shows what was believed.
    machine.clock.set_wall_ms(START_MS + 3_601_000);
    pass(&machine, &store, SECOND);
    assert!(!lives(&store, "hour"));
}

#[test]
fn a_restart_in_the_past_goes_on_at_the_durable_mark() {
    let (machine, store) = begun();
    pass(&machine, &store, HOUR + MINUTE);
    assert_eq!(store.len(), 1);
    for close in [false, true] {
        if close {
            store.close().unwrap();
        }
        let past = machine.crashed(CrashPolicy::DropAll);
        past.clock.set_wall_ms(START_MS - 30 * 86_400_000);
        let store = past.open();
        assert!(!lives(&store, "hour") && lives(&store, "year"), "close {close}");
        store.create("new", Write::new("new").idle(HOUR)).unwrap();
        let deadline_ms = store.get("new").unwrap().unwrap().deadline().as_ms();
        assert!(deadline_ms >= START_MS + 7_200_000, "counted from the mark, not from the wall");
        machine.clock.set_wall_ms(START_MS + 3_660_000);
    }
}

#[test]
fn downtime_hides_what_it_would_end_until_the_clock_is_confirmed() {
    let (machine, store) = begun();
    store.close().unwrap();
    machine.clock.advance(HOUR * 5);
    let store = machine.open();
    assert!(!lives(&store, "hour") && lives(&store, "year"));
    assert!(store.stats().clock_unconfirmed);
    maintain(&store);
    assert_eq!(store.len(), 2);
    pass(&machine, &store, MINUTE * 11);
    maintain(&store);
    assert_eq!(store.len(), 1);
    assert!(!lives(&machine.crashed(CrashPolicy::DropAll).open(), "hour"));
}

#[test]
fn years_forward_wait_for_an_operator_and_do_no_harm() {
    let (machine, store) = begun();
    machine.clock.set_wall_ms(START_MS + 5 * 365 * 86_400_000);
    pass(&machine, &store, HOUR);
    assert!(store.stats().clock_unconfirmed);
    assert_eq!(store.len(), 1, "the hour that has passed by both clocks counts");
    assert!(!lives(&store, "year"));
    // The bad reading is neither durable nor believed after a restart.
    store.close().unwrap();
    machine.clock.set_wall_ms(START_MS + 3_700_000);
    let store = machine.open();
    assert!(lives(&store, "year"));
    maintain(&store);
    machine.clock.set_wall_ms(START_MS + 5 * 365 * 86_400_000);
    maintain(&store);
    store.confirm_clock().unwrap();
    maintain(&store);
    assert_eq!(store.len(), 0);
    assert!(!lives(&machine.crashed(CrashPolicy::DropAll).open(), "year"));
}

/// A machine whose coarse clock has stood still for most of a minute.
struct Late(ManualClock);

impl Clock for Late {
    fn wall_ms(&self) -> u64 {
        self.0.wall_ms()
    }

    fn recent_wall_ms(&self) -> u64 {
        self.0.wall_ms() - 59_000
    }

    fn boot_ms(&self) -> u64 {
        self.0.boot_ms()
    }
}

#[test]
fn what_has_run_out_is_not_shown_because_the_coarse_clock_is_late() {
    let clock = ManualClock::at_ms(START_MS);
    let late = Arc::new(Late(clock.clone()));
    let options = Options::new().vfs(Arc::new(SimVfs::new())).clock(late).manual_maintenance(true);
    let store = options.open("/store").unwrap();
    store.create("a", Write::new("a").idle(HOUR)).unwrap();
    clock.advance(HOUR - Duration::from_millis(1));
    assert!(lives(&store, "a"));
    clock.advance(Duration::from_millis(1));
    assert!(!lives(&store, "a"));
    assert!(store.get_ref("a").unwrap().is_none());
}
