//! Compaction against everybody else: what it moves is found before, while and after it moves; what it takes for dead is
//! dead, and not merely on its way to the index.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use common::{Machine, explore, join, maintain, make_garbage, task, text};
use sessile_schedules::vfs::CrashPolicy;
use sessile_schedules::{Durability, Store, Write};

/// Compacts so often, each time all that is there.
fn compactor(store: &Store, machine: &Machine, times: usize) -> shuttle::thread::JoinHandle<()> {
    let (store, clock) = (store.clone(), machine.clock.clone());
    task(move || {
        for _ in 0..times {
            make_garbage(&store, &clock);
            maintain(&store);
        }
    })
}

#[test]
fn a_reader_finds_a_live_session_and_its_newest_version_while_it_moves() {
    explore(1500, || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("still", "still").unwrap();
        store.create("moving", "0").unwrap();
        // Ends while others are moved, so that the reaper is at work too.
        store.create("short", Write::new("short").idle(Duration::from_secs(40))).unwrap();
        let ends_ms = common::BOOT_MS + 40_000;
        let (issued, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let writer = {
            let (store, issued, acknowledged) =
                (store.clone(), Arc::clone(&issued), Arc::clone(&acknowledged));
            task(move || {
                for turn in 1..=3 {
                    issued.store(turn, SeqCst);
                    let write = Write::new(turn.to_string()).durability(Durability::Written);
                    store.update("moving", write).unwrap();
                    acknowledged.store(turn, SeqCst);
                }
            })
        };
        let readers = (0..2).map(|_| {
            let (store, clock) = (store.clone(), machine.clock.clone());
            let (issued, acknowledged) = (Arc::clone(&issued), Arc::clone(&acknowledged));
            task(move || {
                for _ in 0..3 {
                    assert_eq!(text(&store, "still").as_deref(), Some("still"));
                    let at_least = acknowledged.load(SeqCst);
                    let seen: u64 = text(&store, "moving").expect("it lives").parse().unwrap();
                    assert!((at_least..=issued.load(SeqCst)).contains(&seen), "{seen} after {at_least}");
                    let before_ms = sessile_schedules::Clock::wall_ms(&clock);
                    let there = text(&store, "short");
                    let after_ms = sessile_schedules::Clock::wall_ms(&clock);
                    assert!(there.is_none() || before_ms < ends_ms, "it has ended");
                    assert!(there.is_some() || after_ms >= ends_ms, "it has not ended yet");
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        let compactor = compactor(&store, &machine, 2);
        join(readers.into_iter().chain([writer, compactor]));
        assert!(store.stats().compactions > 0, "nothing was compacted, so nothing was tested");
        assert!(store.verify().unwrap().damage.is_empty());
        drop(store);
        let store = Machine { vfs: machine.vfs.fork(), clock: machine.clock.clone() }.open();
        assert_eq!(text(&store, "moving").as_deref(), Some("3"));
        assert_eq!(text(&store, "short"), None);
    });
}

#[test]
fn a_record_that_is_on_its_way_to_the_index_is_not_judged_dead() {
    explore(2000, || {
        let machine = Machine::new();
        let store = machine.open();
        let writers = ["a", "b"].map(|id| {
            let store = store.clone();
            task(move || {
                store.create(id, Write::new("1").durability(Durability::Written)).unwrap();
                store.update(id, Write::new("2").durability(Durability::Written)).unwrap();
                store.touch(id, Duration::from_secs(9000)).unwrap();
                assert_eq!(text(&store, id).as_deref(), Some("2"));
            })
        });
        let compactor = compactor(&store, &machine, 2);
        join(writers.into_iter().chain([compactor]));
        maintain(&store);
        let check = |store: &Store| {
            for id in ["a", "b"] {
                let session = store.get(id).unwrap().expect("it was acknowledged");
                assert_eq!(session.data(), b"2");
                assert!(session.deadline().as_ms() >= common::BOOT_MS + 9_000_000, "it was touched");
            }
        };
        check(&store);
        store.flush().unwrap();
        let machine = machine.crash(CrashPolicy::DropAll);
        drop(store);
        check(&machine.open());
    });
}

#[test]
fn what_is_ended_while_it_moves_stays_ended_and_is_counted_as_dead() {
    explore(1500, || {
        let machine = Machine::new();
        let store = machine.open();
        for id in ["a", "b", "c"] {
            store.create(id, Write::new(id).subject("s")).unwrap();
        }
        let compactor = compactor(&store, &machine, 1);
        let destroyer = {
            let store = store.clone();
            task(move || {
                assert!(store.destroy("a").unwrap());
                store.destroy_subject("s", None).unwrap();
            })
        };
        join([compactor, destroyer]);
        store.destroy("garbage").unwrap();
        assert_eq!(store.len(), 0);
        assert_eq!(store.stats().live_bytes, 0, "nothing lives");
        let crashed = machine.crash(CrashPolicy::DropAll);
        drop(store);
        let store = crashed.open();
        assert_eq!(store.iter().unwrap().count(), 0, "what was ended is back");
    });
}

#[test]
fn what_lives_is_counted_to_the_byte() {
    explore(1000, || {
        let machine = Machine::new();
        let store = machine.open();
        for id in ["a", "b", "c"] {
            store.create(id, id).unwrap();
        }
        let compactor = compactor(&store, &machine, 1);
        let writer = {
            let store = store.clone();
            task(move || {
                store.update("a", "longer than it was").unwrap();
                store.rotate("b", "d", None).unwrap();
                store.destroy("c").unwrap();
            })
        };
        join([compactor, writer]);
        let live_bytes = store.stats().live_bytes;
        let fork = Machine { vfs: machine.vfs.fork(), clock: machine.clock.clone() };
        let again = fork.open();
        assert_eq!(again.len(), store.len());
        assert_eq!(again.stats().live_bytes, live_bytes, "as whoever counts anew");
    });
}
