//! What is copied while others write: a backup and the snapshot. Each is the store as it was at one moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use common::{Machine, explore, join, maintain, make_garbage, task, text};
use sessile_schedules::vfs::CrashPolicy;
use sessile_schedules::{Durability, Error, Store, Write};

const DURABILITIES: [Durability; 2] = [Durability::Written, Durability::Synced];

fn open_copy(machine: &Machine) -> Store {
    machine.options().read_only(true).open("/backup").unwrap()
}

#[test]
fn a_backup_has_whatever_was_acknowledged_before_it_and_nothing_that_was_ended() {
    explore(900, || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("counter", "0").unwrap();
        store.create("ended", "x").unwrap();
        store.create("first", "x").unwrap();
        let (acknowledged, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let writer = {
            let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
            task(move || {
                for turn in 1..=4_u64 {
                    let write = Write::new(turn.to_string()).durability(DURABILITIES[turn as usize % 2]);
                    store.update("counter", write).unwrap();
                    acknowledged.store(turn, SeqCst);
                }
            })
        };
        let ender = {
            let (store, ended) = (store.clone(), Arc::clone(&ended));
            task(move || {
                store.rotate("first", "second", None).unwrap();
                store.destroy("ended").unwrap();
                ended.store(1, SeqCst);
            })
        };
        let compactor = {
            let (store, clock) = (store.clone(), machine.clock.clone());
            task(move || {
                make_garbage(&store, &clock);
                maintain(&store);
            })
        };
        let backup = {
            let (store, acknowledged, ended) = (store.clone(), Arc::clone(&acknowledged), Arc::clone(&ended));
            task(move || {
                let (at_least, ended) = (acknowledged.load(SeqCst), ended.load(SeqCst));
                store.backup("/backup").unwrap();
                (at_least, ended)
            })
        };
        join([writer, ender, compactor]);
        let (at_least, ended) = backup.join().unwrap();
        for machine in [
            machine.clone(),
            Machine { vfs: machine.vfs.fork(), ..machine.clone() }.crash(CrashPolicy::DropAll),
        ] {
            let copy = open_copy(&machine);
            let counter: u64 = text(&copy, "counter").expect("it lives").parse().unwrap();
            assert!((at_least..=4).contains(&counter), "{counter} after {at_least}");
            assert_ne!(
                text(&copy, "first").is_some(),
                text(&copy, "second").is_some(),
                "one of the two works"
            );
            if ended == 1 {
                assert_eq!((text(&copy, "ended"), text(&copy, "first")), (None, None), "it had ended before");
            }
            assert!(copy.verify().unwrap().damage.is_empty());
        }
    });
}

#[test]
fn the_snapshot_of_a_close_says_what_the_log_says() {
    explore(900, || {
        let machine = Machine::new();
        let store = machine.open();
        for id in ["a", "b", "c"] {
            store.create(id, Write::new("0").subject("s")).unwrap();
        }
        let in_task = |operation: fn(&Store) -> Result<(), Error>| {
            let store = store.clone();
            task(move || match operation(&store) {
                Ok(()) | Err(Error::Closed | Error::Unknown(_)) => {}
                Err(error) => panic!("{error:?}"),
            })
        };
        join([
            in_task(|store| store.update("a", "1").map(drop)),
            in_task(|store| store.touch("b", Duration::from_secs(90_000)).map(drop)),
            in_task(|store| store.destroy_subject("s", Some(b"c")).map(drop)),
            in_task(|store| store.rotate("c", "d", None).map(drop)),
            in_task(Store::close),
        ]);
        let without = Machine { vfs: machine.vfs.fork(), ..machine.clone() };
        without.vfs.remove_file(std::path::Path::new("/store/SNAPSHOT")).unwrap();
        let (with, without) = (machine.open(), without.open());
        assert!(with.stats().recovery.from_snapshot && !without.stats().recovery.from_snapshot);
        let facts = |store: &Store| {
            let fact = |session: sessile_schedules::Session| {
                (
                    session.handle().to_string(),
                    session.version(),
                    session.deadline(),
                    session.subject().is_some(),
                )
            };
            let mut all: Vec<_> = store.iter().unwrap().map(|session| fact(session.unwrap())).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        assert_eq!(facts(&with), facts(&without));
        assert_eq!(with.stats().live_bytes, without.stats().live_bytes);
    });
}
