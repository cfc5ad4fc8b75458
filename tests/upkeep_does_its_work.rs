//! Upkeep does what it is for with nobody calling it, keeps to the time that it is given, and ends with its store.

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
use std::time::{Duration, Instant};

use common::machine::{DAY, HOUR, MINUTE, Machine, START_MS, payload, roll};
use sessile::vfs::{CrashPolicy, SimVfs};
use sessile::{Durability, ManualClock, Options, Store, Write};

fn written(data: &str) -> Write {
    Write::new(data.as_bytes()).idle(DAY).durability(Durability::Written)
}

/// A store with the threads of upkeep.
fn with_threads(machine: &Machine) -> Store {
    let every = Duration::from_millis(2);
    machine.options().manual_maintenance(false).sync_interval(every).open("/store").unwrap()
}

/// Other threads work for this: it comes, or the test fails after a long time.
fn comes(what: &str, is_there: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_there() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::yield_now();
    }
}

/// Twice, since a thread that does its work once and ends is no better than none.
#[test]
fn what_was_written_becomes_durable_though_nobody_syncs() {
    let machine = Machine::new();
    let store = with_threads(&machine);
    for id in ["first", "second"] {
        store.create(id, written(id)).unwrap();
        comes("a sync", || machine.crashed(CrashPolicy::DropAll).open().get(id).unwrap().is_some());
    }
}

#[test]
fn what_has_run_out_leaves_memory_though_nobody_asks_for_it() {
    let machine = Machine::new();
    let store = with_threads(&machine);
    for id in ["first", "second"] {
        store.create(id, Write::new(id).idle(MINUTE)).unwrap();
        machine.clock.advance(2 * MINUTE);
        comes("the reaper", || store.len() == 0);
    }
}

/// A thread that goes on would hold the store's memory and files, and might write to what another process has opened.
#[test]
fn no_thread_outlives_the_close_of_its_store() {
    for round in 0..50 {
        let clock = Arc::new(ManualClock::at_ms(START_MS));
        let options = Options::new().vfs(Arc::new(SimVfs::new())).clock(clock.clone());
        let store = options.close_budget(Duration::ZERO).open("/store").unwrap();
        store.close().unwrap();
        drop(store);
        assert_eq!(Arc::strong_count(&clock), 1, "somebody has the store still, in round {round}");
    }
}

/// Far more runs out at once than is looked at in one slice.
#[test]
fn maintenance_ends_when_its_time_is_up_and_says_that_there_is_more() {
    const SESSIONS: u64 = 12_000;
    let machine = Machine::new();
    // In one segment: there is nothing to compact.
    let store = machine.options().segment_bytes(16 << 20).open("/store").unwrap();
    for n in 0..SESSIONS {
        store.create(format!("{n}"), written("x").idle(MINUTE)).unwrap();
    }
    machine.clock.advance(2 * MINUTE);
    let at_once = store.maintain(Duration::ZERO).unwrap();
    assert!(at_once.more && (1..SESSIONS / 2).contains(&at_once.expired), "{at_once:?}");
    let rest = store.maintain(HOUR).unwrap();
    assert!(!rest.more && rest.expired == SESSIONS - at_once.expired, "{rest:?} after {at_once:?}");
}

/// Garbage in more segments than are rewritten in one step.
#[test]
fn compaction_goes_on_for_as_long_as_it_may() {
    let compacted = |time: Duration| {
        let machine = Machine::new();
        let store = machine.open();
        for segment in 0..8 {
            for n in 0..8 {
                let id = format!("garbage {segment} {n}");
                store.create(&id, Write::new(payload("g", 4000)).idle(DAY)).unwrap();
                assert!(store.destroy(&id).unwrap());
            }
            roll(&store, &machine, &format!("segment {segment}"), DAY);
        }
        store.maintain(time).unwrap()
    };
    let (all, some) = (compacted(HOUR), compacted(Duration::ZERO));
    assert!(!all.more && some.more, "{all:?}, {some:?}");
    assert!(some.segments_compacted + some.segments_removed > 0, "a step is taken in any case");
    assert!(all.segments_compacted > some.segments_compacted, "{all:?}, {some:?}");
}
