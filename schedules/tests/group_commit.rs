//! Group commit: one task syncs for all, and what it tells them is true. Whatever was acknowledged is on the disk when the
//! power goes, nobody waits for ever, and a sync that fails acknowledges nobody, then or later.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{Machine, below, explore, join, task};
use sessile_schedules::vfs::{CallKind, CrashPolicy, Fault, Times};
use sessile_schedules::{Error, Store};

/// Three tasks create sessions, each write synced; gives the ids that were acknowledged, and how each of the others failed.
fn write(store: &Store) -> (Vec<String>, Vec<Error>) {
    let writers: Vec<_> = (0..3)
        .map(|me| {
            let store = store.clone();
            task(move || {
                let create = |turn| {
                    let id = format!("{me}.{turn}");
                    store.create(&id, id.as_str()).map(|_| id)
                };
                (0..3).map(create).collect::<Vec<_>>()
            })
        })
        .collect();
    let (done, failed): (Vec<_>, Vec<_>) = join(writers).into_iter().flatten().partition(Result::is_ok);
    (done.into_iter().flatten().collect(), failed.into_iter().filter_map(Result::err).collect())
}

fn assert_there(machine: &Machine, acknowledged: &[String]) {
    let store = machine.open();
    for id in acknowledged {
        assert_eq!(common::text(&store, id).as_ref(), Some(id), "it was acknowledged");
    }
    store.close().unwrap();
}

#[test]
fn an_acknowledged_write_survives_the_crash_at_any_moment() {
    explore(3000, || {
        let machine = Machine::new();
        let store = machine.open();
        machine.vfs.crash_at_call(1 + below(32));
        let (acknowledged, failed) = write(&store);
        assert!(failed.iter().all(|error| matches!(error, Error::Latched { .. })), "{failed:?}");
        let policy = if below(2) == 0 { CrashPolicy::DropAll } else { CrashPolicy::Random(below(u64::MAX)) };
        let machine = machine.crash(policy);
        drop(store);
        assert_there(&machine, &acknowledged);
    });
}

#[test]
fn one_sync_that_fails_acknowledges_nobody_and_is_not_tried_again() {
    explore(2000, || {
        let machine = Machine::new();
        let store = machine.open();
        machine.vfs.fail(CallKind::Sync, 1 + below(4), Fault::Eio, Times::Once);
        let (acknowledged, failed) = write(&store);
        assert!(failed.iter().all(|error| matches!(error, Error::Latched { .. })), "{failed:?}");
        assert_eq!(acknowledged.len() + failed.len(), 9, "everybody has been told");
        if !failed.is_empty() {
            assert!(matches!(store.create("later", "x"), Err(Error::Latched { .. })), "it stays latched");
            assert!(matches!(store.flush(), Err(Error::Latched { .. })));
        }
        // What a failed sync was to save is lost, and a later one would not have saved it.
        let machine = machine.crash(CrashPolicy::DropAll);
        drop(store);
        assert_there(&machine, &acknowledged);
    });
}

#[test]
fn what_an_acknowledged_write_has_seen_is_durable_too() {
    explore(1500, || {
        let machine = Machine::new();
        let store = machine.open();
        machine.vfs.crash_at_call(1 + below(12));
        let writer = {
            let store = store.clone();
            task(move || drop(store.create("seen", "x")))
        };
        let reader = {
            let store = store.clone();
            task(move || {
                let seen = store.get("seen").is_ok_and(|session| session.is_some());
                store.create("because", "y").is_ok() && seen
            })
        };
        writer.join().unwrap();
        let relies_on_it = reader.join().unwrap();
        let machine = machine.crash(CrashPolicy::Random(below(u64::MAX)));
        drop(store);
        if relies_on_it {
            let store = machine.open();
            assert_eq!(common::text(&store, "seen").as_deref(), Some("x"));
            assert_eq!(common::text(&store, "because").as_deref(), Some("y"));
        }
    });
}
