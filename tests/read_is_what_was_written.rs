//! P3: what is read is what was written. A reader sees one whole version, never an expired one, whatever is written,
//! moved or removed while it reads, and however late it looks at what it has found.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::machine::{DAY, HOUR, MINUTE, Machine, SECOND, maintain, roll, telling};
use common::script::Runner;
use common::workload::workload;
use sessile::vfs::CrashPolicy;
use sessile::{Durability, Error, Write};

/// A payload that says in every eighth byte which version it is, and how long it should be.
fn version(number: u64) -> Vec<u8> {
    let length = 16 + (number * 37 % 2000) as usize;
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

fn number_of(data: &[u8]) -> u64 {
    let number = u64::from_le_bytes(data[..8].try_into().unwrap());
    assert_eq!(data, version(number), "a version that was never written");
    number
}

#[test]
fn readers_see_whole_versions_in_order_while_all_else_goes_on() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("K", Write::new(version(1)).idle(DAY)).unwrap();
    let (stop, last, reads) = (AtomicBool::new(false), AtomicU64::new(1), AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !stop.load(Ordering::Relaxed) {
                    let at_least = last.load(Ordering::Acquire);
                    let number = number_of(store.get("K").unwrap().unwrap().data());
                    assert!(number >= at_least.max(seen), "{number} after {at_least}");
                    seen = number;
                    let held = store.get_ref("K").unwrap().unwrap();
                    let listed =
                        store.iter().unwrap().find(|s| s.as_ref().unwrap().handle() == held.handle());
                    assert!(number_of(listed.unwrap().unwrap().data()) >= number);
                    number_of(held.data());
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                machine.clock.advance(SECOND);
                store.maintain(SECOND).unwrap();
            }
        });
        let mut number = 1;
        while Instant::now() < until {
            number += 1;
            let write = Write::new(version(number)).idle(DAY);
            let write = if number % 4 == 0 { write } else { write.durability(Durability::Written) };
            store.update("K", write).unwrap();
            last.store(number, Ordering::Release);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let final_number = last.load(Ordering::Relaxed);
    assert!(final_number > 100 && reads.load(Ordering::Relaxed) > 10, "{final_number} {reads:?}");
    assert_eq!(
        number_of(machine.crashed(CrashPolicy::KeepAll).open().get("K").unwrap().unwrap().data()),
        final_number
    );
}

#[test]
fn what_was_found_stays_readable_when_its_segment_is_gone() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("K", Write::new(version(7)).idle(DAY)).unwrap();
    let (segment, _) = machine.find(&version(7)).unwrap();
    let held = store.get_ref("K").unwrap().unwrap();
    let mut stream = store.iter().unwrap();
    roll(&store, &machine, "short", MINUTE);
    machine.clock.advance(MINUTE * 2);
    maintain(&store);
    assert!(!machine.segments().contains(&segment));
    assert_eq!(held.data(), version(7));
    let listed = stream.find(|s| s.as_ref().unwrap().handle() == held.handle());
    assert_eq!(listed.unwrap().unwrap().data(), version(7), "a stream survives compaction");
    drop(store);
    assert_eq!(held.data(), version(7));
}

#[test]
fn an_expired_session_is_never_shown_whether_maintenance_has_met_it_or_not() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("K", Write::new("K").idle(MINUTE).subject("alice")).unwrap();
    machine.clock.advance(MINUTE - Duration::from_millis(1));
    assert!(store.get("K").unwrap().is_some());
    machine.clock.advance(Duration::from_millis(1));
    let shows_nothing = |store: &sessile::Store| {
        assert!(store.get("K").unwrap().is_none() && store.get_ref("K").unwrap().is_none());
        assert!(store.get_handle(&store.handle_of("K").unwrap()).unwrap().is_none());
        assert_eq!(store.iter().unwrap().count() + store.sessions_of("alice").unwrap().count(), 0);
        assert!(matches!(store.update("K", "late"), Err(Error::Unknown(_))));
        assert!(matches!(store.touch("K", HOUR), Err(Error::Unknown(_))));
    };
    shows_nothing(&store);
    shows_nothing(&machine.crashed(CrashPolicy::DropAll).open());
    maintain(&store);
    shows_nothing(&store);
    assert_eq!(store.len(), 0);
}

/// After garbage in whatever was not synced, too, everything that is read is what was written.
#[test]
fn a_crash_that_leaves_garbage_leaves_no_wrong_answer() {
    let steps = workload(4242, 300, 16, 2, false);
    for nth in (3..).step_by(4) {
        let mut runner = Runner::new(Machine::new(), 16, 2);
        runner.machine.sim.crash_at_call(nth);
        if runner.run(&steps).is_ok() {
            assert!(nth > 150);
            break;
        }
        for seed in 0..6 {
            let policy = CrashPolicy::Random(nth << 8 | seed);
            telling(&format!("crash point {nth}, {policy:?}"), || runner.check_after(policy));
        }
    }
}

/// One machine crashes again and again, each time in another way, and goes on from what is left.
#[test]
fn a_store_that_crashes_all_its_life_shows_only_what_was_written() {
    let mut runner = Runner::new(Machine::new(), 12, 2);
    for life in 0..60 {
        let steps = workload(900 + life, 60, 12, 2, true);
        runner.machine.sim.crash_after_call(5 + life * 3);
        let _ = runner.run(&steps);
        let policy = CrashPolicy::Random(life);
        let found = telling(&format!("life {life}"), || runner.check_after(policy));
        runner.machine = runner.machine.crash(policy);
        runner.store = None;
        runner.oracle.begin_again(found);
        runner.run(&[]).unwrap();
        runner.store.as_ref().unwrap().confirm_clock().unwrap();
    }
}
