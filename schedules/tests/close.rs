//! Closing against those who are still at work: what was acknowledged is there after the next opening, whichever way that
//! goes, and what was told `Closed` has changed nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{BOOT_MS, Machine, explore, join, task};
use sessile_schedules::vfs::{CrashPolicy, Vfs};
use sessile_schedules::{Durability, Error, Result, Store, Write};

const LONG: Duration = Duration::from_secs(90_000);

/// Whether it was done; `Closed` is the only way in which it may not have been.
fn done<T>(result: Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(Error::Closed) => false,
        Err(error) => panic!("{error:?}"),
    }
}

fn fill(store: &Store) {
    for id in ["updated", "touched", "destroyed", "rotated"] {
        store.create(id, "old").unwrap();
    }
    store.create("revoked", Write::new("old").subject("gone")).unwrap();
}

type Operation = fn(&Store) -> bool;

const OPERATIONS: [(&str, Operation); 6] = [
    ("create", |store| done(store.create("created", "new"))),
    ("update", |store| done(store.update("updated", "new"))),
    ("touch", |store| done(store.touch("touched", LONG))),
    ("destroy", |store| done(store.destroy("destroyed"))),
    ("rotate", |store| done(store.rotate("rotated", "rotated to", None))),
    ("revoke", |store| done(store.destroy_subject("gone", None))),
];

fn was_done(store: &Store, operation: &str) -> bool {
    let there = |id| common::text(store, id);
    match operation {
        "create" => there("created").is_some(),
        "update" => there("updated").as_deref() == Some("new"),
        "touch" => store.get("touched").unwrap().unwrap().deadline().as_ms() >= BOOT_MS + 90_000_000,
        "destroy" => there("destroyed").is_none(),
        "rotate" => {
            assert_ne!(there("rotated").is_some(), there("rotated to").is_some(), "one of the two ids works");
            there("rotated").is_none()
        }
        "revoke" => there("revoked").is_none(),
        _ => panic!("{operation}"),
    }
}

fn close_while(manual: bool, operations: impl Fn() -> Vec<(&'static str, Operation)>) {
    let machine = Machine::new();
    let store = machine.options().manual_maintenance(manual).open("/store").unwrap();
    fill(&store);
    let tasks: Vec<_> = operations()
        .into_iter()
        .map(|(name, operation)| {
            let store = store.clone();
            task(move || (name, operation(&store)))
        })
        .collect();
    let closer = {
        let store = store.clone();
        task(move || store.close().unwrap())
    };
    let outcomes = join(tasks);
    closer.join().unwrap();
    assert!(matches!(store.get("updated"), Err(Error::Closed)));
    // The power goes after the close: a touch was promised no more than the life of the process.
    let crashed = Machine { vfs: machine.vfs.fork(), ..machine.clone() }.crash(CrashPolicy::DropAll);
    for (machine, powerless) in [(&machine, false), (&crashed, true)] {
        let again = machine.open();
        if !powerless {
            assert_eq!(again.len(), again.iter().unwrap().count() as u64);
        }
        for (name, done) in &outcomes {
            if !(powerless && *name == "touch") {
                assert_eq!(was_done(&again, name), *done, "{name}, after a loss of power: {powerless}");
            }
        }
        assert!(again.verify().unwrap().damage.is_empty());
        again.close().unwrap();
    }
}

#[test]
fn each_operation_is_done_or_told_closed() {
    for (name, operation) in OPERATIONS {
        explore(300, move || close_while(true, || vec![(name, operation)]));
    }
}

#[test]
fn all_operations_at_once_are_done_or_told_closed() {
    explore(900, || close_while(true, || OPERATIONS.to_vec()));
}

#[test]
fn the_threads_of_the_store_end_with_it() {
    explore(300, || close_while(false, || OPERATIONS[..3].to_vec()));
}

/// One operation, one session: the races that take four switches at the right places are found here.
fn close_while_one(operation: fn(&Store) -> bool, was_done: fn(&Store) -> bool) {
    explore(4000, move || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("s", Write::new("old").subject("user").durability(Durability::Written)).unwrap();
        let at_work = {
            let store = store.clone();
            task(move || operation(&store))
        };
        let closer = {
            let store = store.clone();
            task(move || store.close().unwrap())
        };
        let done = at_work.join().unwrap();
        closer.join().unwrap();
        let again = machine.open();
        assert!(again.stats().recovery.from_snapshot, "something was logged after the snapshot");
        assert_eq!(was_done(&again), done);
        assert_eq!(again.len(), again.iter().unwrap().count() as u64);
    });
}

#[test]
fn clearing_is_done_or_told_closed() {
    close_while_one(|store| done(store.clear()), |store| store.len() == 0);
}

#[test]
fn logging_out_everywhere_is_done_or_told_closed() {
    close_while_one(|store| done(store.destroy_subject("user", None)), |store| store.len() == 0);
}

#[test]
fn a_touch_is_done_or_told_closed() {
    let was_done = |store: &Store| {
        store.get("s").unwrap().unwrap().deadline().as_ms() >= BOOT_MS + LONG.as_millis() as u64
    };
    close_while_one(|store| done(store.touch("s", LONG)), was_done);
}

/// Upkeep and backups that the user calls for: what was closed writes nothing more, or it would write into the store of
/// whoever has it then.
fn nothing_is_written_after_the_close(
    executions: usize,
    operation: fn(&Store) -> bool,
    check: fn(&Machine, bool),
) {
    explore(executions, move || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("s", Write::new("old").durability(Durability::Written)).unwrap();
        let at_work = {
            let store = store.clone();
            task(move || operation(&store))
        };
        let closer = {
            let (store, machine) = (store.clone(), machine.clone());
            task(move || {
                store.close().unwrap();
                machine.vfs.list(Path::new("/store")).unwrap()
            })
        };
        let (done, files) = (at_work.join().unwrap(), closer.join().unwrap());
        assert_eq!(
            machine.vfs.list(Path::new("/store")).unwrap(),
            files,
            "a file came or went after the close"
        );
        assert!(files.iter().all(|name| !name.ends_with(".tmp")), "{files:?}");
        let again = machine.open();
        assert!(again.stats().recovery.from_snapshot, "something was logged after the snapshot");
        assert!(again.get("s").unwrap().is_some());
        check(&machine, done);
    });
}

#[test]
fn upkeep_is_done_or_told_closed() {
    nothing_is_written_after_the_close(6000, |store| done(store.maintain(Duration::from_secs(1))), |_, _| {});
}

#[test]
fn a_backup_is_done_or_told_closed() {
    let check = |machine: &Machine, done: bool| {
        if done {
            let copy = machine.options().read_only(true).open("/backup").unwrap();
            assert!(copy.get("s").unwrap().is_some());
        }
    };
    nothing_is_written_after_the_close(2000, |store| done(store.backup("/backup")), check);
}

#[test]
fn who_opens_while_another_closes_finds_everything() {
    explore(600, || {
        let machine = Machine::new();
        let store = machine.open();
        let writer = task(move || {
            store.create("a", Write::new("a").durability(Durability::Written)).unwrap();
            // The last handle: it closes the store.
            drop(store);
        });
        let opener = {
            let machine = machine.clone();
            task(move || {
                let store = machine.options().lock_wait(Duration::from_secs(1 << 30)).open("/store").unwrap();
                store.create("b", "b").unwrap();
            })
        };
        join([writer, opener]);
        let store = machine.open();
        assert_eq!(
            (common::text(&store, "a").as_deref(), common::text(&store, "b").as_deref()),
            (Some("a"), Some("b"))
        );
    });
}
