//! Setting the clock back against whoever takes out of memory what has run out: who has ended by the later time stays ended,
//! in memory and after a crash, whoever had him in his hands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::{BOOT_MS, Machine, explore, task};
use sessile_schedules::vfs::CrashPolicy;
use sessile_schedules::{Clock, Error, Store, Write};

const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// A store that has believed a clock that was a year ahead, and whose clock was put right: by the later time the sessions
/// of a month are over, and nobody has met them yet.
fn frozen(machine: &Machine) -> Store {
    let store = machine.open();
    store.create("for years", Write::new("x").idle(YEAR * 3)).unwrap();
    for id in ["month", "another month"] {
        store.create(id, Write::new("x").idle(DAY * 30).subject(id)).unwrap();
    }
    machine.clock.set_wall_ms(BOOT_MS + ms(YEAR));
    store.confirm_clock().unwrap();
    machine.clock.set_wall_ms(BOOT_MS + ms(DAY));
    store
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// They are over now, and after whatever a crash leaves.
fn check(machine: &Machine, store: &Store, over: &[&str]) {
    let nobody_is_back = |store: &Store, when: &str| {
        for id in over {
            assert!(store.get(id).unwrap().is_none(), "{id} is back {when}");
        }
        assert!(store.get("for years").unwrap().is_some());
    };
    nobody_is_back(store, "in memory");
    for policy in [CrashPolicy::DropAll, CrashPolicy::KeepAll] {
        let left = Machine { vfs: machine.vfs.fork(), clock: machine.clock.clone() };
        nobody_is_back(&left.crash(policy).open(), "after a crash");
    }
}

#[test]
fn who_is_in_the_hands_of_another_reaper_stays_ended() {
    explore(800, || {
        let machine = Machine::new();
        let store = frozen(&machine);
        let reaper = {
            let store = store.clone();
            task(move || common::maintain(&store))
        };
        store.set_clock_back().unwrap();
        reaper.join().unwrap();
        assert_eq!(store.stats().clock_ms, machine.clock.wall_ms());
        check(&machine, &store, &["month", "another month"]);
    });
}

#[test]
fn who_ran_out_by_a_clock_that_was_wrong_once_more_stays_ended() {
    explore(1500, || {
        let machine = Machine::new();
        let store = frozen(&machine);
        store.create("until then", Write::new("x").idle(DAY)).unwrap();
        let wrong = {
            let (store, machine) = (store.clone(), machine.clone());
            task(move || {
                let right_ms = machine.clock.wall_ms();
                machine.clock.set_wall_ms(BOOT_MS + ms(YEAR + DAY * 2));
                store.confirm_clock().unwrap();
                // There is nobody any more who could be logged out.
                let over = !store.destroy("until then").unwrap();
                // With it the log learns what time it is.
                store.create("later", Write::new("x").idle(YEAR * 3)).unwrap();
                machine.clock.set_wall_ms(right_ms);
                over
            })
        };
        let set_back = store.set_clock_back();
        let over = wrong.join().unwrap();
        assert!(matches!(set_back, Ok(_) | Err(Error::ClockUnsteady)), "{set_back:?}");
        assert!(over || set_back.is_ok());
        check(&machine, &store, &["month", "another month", "until then"]);
        store.set_clock_back().unwrap();
        assert_eq!(store.stats().clock_ms, machine.clock.wall_ms());
        check(&machine, &store, &["month", "another month", "until then"]);
    });
}
