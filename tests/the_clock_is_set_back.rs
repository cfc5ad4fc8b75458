//! P2 when an operator sets back what the store believed of the time: what ended by the later time stays ended, whatever a crash
//! leaves, and time goes on from the earlier one (rule 8).

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::time::Duration;

use common::machine::{DAY, HOUR, MINUTE, Machine, START_MS, maintain, roll, telling};
use sessile::vfs::CrashPolicy;
use sessile::{Clock as _, Error, SessionEvent, Store, Write};

/// How far ahead the clock was wrong.
const WRONG: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long it was open by the wrong clock, and then frozen.
const LATER: Duration = Duration::from_secs(24 * 3600);

fn lives(store: &Store, id: &str) -> bool {
    store.get(id).unwrap().is_some()
}

/// A store that has believed a clock that was a year ahead, and whose clock was then put right: time stands still.
///
/// By the wrong clock `run out` has run out and is forgotten, and the evidence that `logged out` and `revoked` were ended is
/// dropped or may be; by the right one all three would live for weeks.
fn frozen() -> (Machine, Store) {
    let machine = Machine::new();
    let store = machine.open();
    let month = |data: &str| Write::new(data.as_bytes()).idle(DAY * 30);
    store.create("run out", month("run out")).unwrap();
    store.create("logged out", month("logged out")).unwrap();
    store.create("revoked", month("revoked").subject("eve")).unwrap();
    store.create("for years", Write::new("for years").idle(DAY * 1000).subject("ada")).unwrap();
    store.create("for ever", Write::new("for ever").idle(Duration::MAX)).unwrap();
    // Records and what ends them are in different segments.
    roll(&store, &machine, "one", DAY * 1000);
    store.update("logged out", month("logged out, later")).unwrap();
    roll(&store, &machine, "two", DAY * 1000);
    assert!(store.destroy("logged out").unwrap());
    assert_eq!(store.destroy_subject("eve", None).unwrap(), 1);
    roll(&store, &machine, "three", DAY * 1000);
    machine.clock.set_wall_ms(START_MS + millis(WRONG));
    store.confirm_clock().unwrap();
    maintain(&store);
    assert!(!lives(&store, "run out"));
    store.create("under the wrong clock", Write::new("x").idle(HOUR)).unwrap();
    machine.clock.advance(MINUTE);
    maintain(&store);
    machine.clock.set_wall_ms(START_MS + millis(LATER));
    maintain(&store);
    (machine, store)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// Who may live, and who may not, whatever time it is.
fn nobody_is_lost_or_back(store: &Store) {
    for id in ["run out", "logged out", "revoked"] {
        assert!(!lives(store, id), "{id} is back");
    }
    for id in ["for years", "for ever", "one 0", "two 0", "three 0"] {
        assert!(lives(store, id), "{id} is lost");
    }
    assert_eq!(store.sessions_of("eve").unwrap().count(), 0);
    assert_eq!(store.sessions_of("ada").unwrap().count(), 1);
    assert!(store.verify().unwrap().damage.is_empty());
}

#[test]
fn time_stands_still_until_it_is_set_back_and_goes_on_then() {
    let (machine, store) = frozen();
    store.create("short", Write::new("x").idle(MINUTE)).unwrap();
    machine.clock.advance(MINUTE * 2);
    maintain(&store);
    assert!(lives(&store, "short"), "no session runs out while the clock is behind");
    let stats = store.stats();
    assert!(stats.clock_ms > START_MS + millis(WRONG) && !stats.clock_unconfirmed);
    assert_eq!(stats.clock_wall_ms, machine.clock.wall_ms());

    let by = store.set_clock_back().unwrap();
    assert_eq!(by, WRONG + MINUTE - LATER - MINUTE * 2);
    assert_eq!(store.stats().clock_ms, machine.clock.wall_ms());
    nobody_is_lost_or_back(&store);
    // Who was written under the wrong clock ends by it, and nobody is logged out before.
    assert!(lives(&store, "short") && lives(&store, "under the wrong clock"));
    store.create("after", Write::new("x").idle(MINUTE)).unwrap();
    store.create("later", Write::new("x").idle(HOUR)).unwrap();
    machine.clock.advance(MINUTE * 2);
    assert!(!lives(&store, "after"), "time goes on");
    let before = store.len();
    maintain(&store);
    assert_eq!(store.len(), before - 1, "and the reaper goes by it");
    machine.clock.advance(HOUR);
    maintain(&store);
    assert_eq!(store.len(), before - 2);
    assert_eq!(store.set_clock_back().unwrap(), Duration::ZERO, "there is nothing more to set back");
}

#[test]
fn who_was_there_still_ends_at_his_deadline() {
    let (machine, store) = frozen();
    store.set_clock_back().unwrap();
    // By steps that are no jumps.
    while machine.clock.wall_ms() < START_MS + millis(DAY * 1000) {
        assert!(lives(&store, "for years"));
        machine.clock.advance(DAY * 20);
        maintain(&store);
    }
    machine.clock.advance(DAY);
    maintain(&store);
    assert!(!lives(&store, "for years") && lives(&store, "for ever"));
    assert_eq!(store.len(), 1);
}

/// The next opening begins with the earlier time, after a clean close and after a crash.
#[test]
fn an_opening_goes_on_from_the_earlier_time() {
    for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll] {
        let (machine, store) = frozen();
        store.set_clock_back().unwrap();
        store.create("after", Write::new("x").idle(HOUR)).unwrap();
        let crashed = machine.crashed(policy);
        let store = crashed.open();
        nobody_is_lost_or_back(&store);
        assert!(lives(&store, "after"));
        assert_eq!(store.stats().clock_ms, machine.clock.wall_ms());
        machine.clock.advance(HOUR * 2);
        assert!(!lives(&store, "after"));
    }
    let (machine, store) = frozen();
    store.set_clock_back().unwrap();
    store.close().unwrap();
    drop(store);
    let store = machine.open();
    assert!(store.stats().recovery.from_snapshot);
    assert_eq!(store.stats().clock_ms, machine.clock.wall_ms());
    nobody_is_lost_or_back(&store);
}

/// A crash leaves the later time or the earlier one, and who has ended is gone under both.
#[test]
fn a_crash_anywhere_brings_nobody_back() {
    let (machine, store) = frozen();
    drop(store);
    let (mut earlier, mut later) = (0, 0);
    for call in 1.. {
        let trial = machine.fork();
        let store = trial.open();
        let before = trial.sim.calls();
        trial.sim.crash_at_call(before + call);
        let done = store.set_clock_back();
        let crashed = trial.sim.has_crashed();
        for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll] {
            let again = trial.crashed(policy);
            telling(&format!("call {call}, {policy:?}"), || {
                let store = again.open();
                nobody_is_lost_or_back(&store);
                let is_later = store.stats().clock_ms > again.clock.wall_ms();
                if is_later {
                    later += 1
                } else {
                    earlier += 1
                }
                // What was acknowledged lasts.
                assert!(done.is_err() || !is_later);
                store.set_clock_back().unwrap();
                nobody_is_lost_or_back(&store);
                assert_eq!(store.stats().clock_ms, again.clock.wall_ms());
            });
        }
        if !crashed {
            break;
        }
    }
    assert!(earlier > 2 && later > 20, "{earlier} and {later}");
}

/// Nothing that runs out afterwards passes for told.
#[test]
fn listeners_hear_of_what_runs_out_after_it() {
    let (machine, store) = frozen();
    let mut events = store.events().unwrap();
    store.set_clock_back().unwrap();
    store.create("after", Write::new("x").idle(HOUR)).unwrap();
    let handle = store.handle_of("after").unwrap();
    while events.try_next().is_some() {}
    machine.clock.advance(MINUTE);
    maintain(&store);
    // It runs out while the process is dead.
    let crashed = machine.crashed(CrashPolicy::KeepAll);
    machine.clock.advance(HOUR * 2);
    let store = crashed.open();
    let mut events = store.events().unwrap();
    store.confirm_clock().unwrap();
    maintain(&store);
    let mut told = std::iter::from_fn(|| events.try_next());
    let is_it =
        |event: SessionEvent| matches!(event, SessionEvent::Expired { handle: of, .. } if of == handle);
    assert!(told.any(is_it));
}

/// What cannot be rewritten could hold what has ended: then the later time stays.
#[test]
fn damage_keeps_the_later_time() {
    let (machine, store) = frozen();
    store.close().unwrap();
    drop(store);
    let (name, at) = machine.find(b"for years").unwrap();
    machine.flip(&name, at);
    let store = machine.open();
    let later_ms = store.stats().clock_ms;
    let error = store.set_clock_back().unwrap_err();
    assert!(matches!(&error, Error::Corrupt(damage) if damage.file == name), "{error}");
    assert_eq!(store.stats().clock_ms, later_ms);
}

/// A clock that is right, or ahead, is not set back.
#[test]
fn only_a_clock_that_is_behind_is_set_back() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", Write::new("a").idle(DAY)).unwrap();
    assert_eq!(store.set_clock_back().unwrap(), Duration::ZERO);
    machine.clock.set_wall_ms(START_MS + millis(HOUR));
    maintain(&store);
    assert_eq!(store.set_clock_back().unwrap(), Duration::ZERO);
    assert!(store.stats().clock_unconfirmed, "a jump ahead waits still");
}
