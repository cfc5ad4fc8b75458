//! Several who change the same sessions: what comes of it is what would have come of one after another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{BOOT_MS, Machine, explore, join, maintain, make_garbage, task, text};
use sessile_schedules::vfs::CrashPolicy;
use sessile_schedules::{Durability, Error, Result, Write};

/// Whether it found its session.
fn found<T>(result: Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(Error::Unknown(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_rotate_against_an_update_a_touch_and_a_destroy_is_before_or_after_each() {
    explore(3000, || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("old", "0").unwrap();
        let in_task = |operation: fn(&sessile_schedules::Store) -> bool| {
            let store = store.clone();
            task(move || operation(&store))
        };
        let outcomes = join([
            in_task(|store| found(store.rotate("old", "new", None))),
            in_task(|store| found(store.update("old", "1"))),
            in_task(|store| found(store.touch("old", Duration::from_secs(90_000)))),
            in_task(|store| store.destroy("old").unwrap()),
        ]);
        let [rotated, updated, touched, destroyed] = outcomes[..] else { panic!() };
        assert_ne!(rotated, destroyed, "the old id ends once");
        let check = |store: &sessile_schedules::Store| {
            assert_eq!(text(store, "old"), None);
            let new = store.get("new").unwrap();
            assert_eq!(new.is_some(), rotated);
            let Some(new) = new else { return };
            assert_eq!(new.data(), if updated { b"1" } else { b"0" });
            let touch_ms = BOOT_MS + 90_000_000;
            assert_eq!(new.deadline().as_ms() >= touch_ms, touched, "it takes its deadline along");
        };
        check(&store);
        assert_eq!(store.len(), u64::from(rotated));
        let machine = machine.crash(CrashPolicy::DropAll);
        drop(store);
        check(&machine.open());
    });
}

const IDS: [&str; 4] = ["a", "b", "c", "d"];
const MOVES: [(&str, &str); 4] = [("a", "c"), ("a", "d"), ("b", "c"), ("b", "a")];

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let with_last = |order: Vec<usize>| {
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, last);
            order
        })
    };
    orders(last).into_iter().flat_map(with_last).collect()
}

/// Which of the moves succeed in this order, and where the data is then.
fn one_after_another(order: &[usize]) -> (Vec<bool>, BTreeMap<&'static str, String>) {
    let mut sessions = BTreeMap::from(["a", "b"].map(|id| (id, id.to_owned())));
    let mut outcomes = vec![false; MOVES.len()];
    for nth in order {
        let (from, to) = MOVES[*nth];
        if !sessions.contains_key(to)
            && let Some(data) = sessions.remove(from)
        {
            sessions.insert(to, data);
            outcomes[*nth] = true;
        }
    }
    (outcomes, sessions)
}

#[test]
fn rotates_that_meet_come_one_after_another() {
    explore(2000, || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("a", "a").unwrap();
        store.create("b", "b").unwrap();
        let rotate = |from: &'static str, to: &'static str| {
            let store = store.clone();
            task(move || match store.rotate(from, to, None) {
                Ok(_) => true,
                Err(Error::Unknown(_) | Error::Duplicate) => false,
                Err(error) => panic!("{error:?}"),
            })
        };
        let outcomes = join(MOVES.map(|(from, to)| rotate(from, to)));
        let check = |store: &sessile_schedules::Store| {
            let found: BTreeMap<_, _> =
                IDS.into_iter().filter_map(|id| Some((id, text(store, id)?))).collect();
            assert_eq!(store.iter().unwrap().count(), found.len());
            let explained = orders(MOVES.len())
                .into_iter()
                .any(|order| one_after_another(&order) == (outcomes.clone(), found.clone()));
            assert!(explained, "{outcomes:?} and {found:?} come of no order");
        };
        check(&store);
        let machine = machine.crash(CrashPolicy::DropAll);
        drop(store);
        check(&machine.open());
    });
}

#[test]
fn logging_out_everywhere_ends_whatever_was_there_before() {
    explore(2500, || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("there", Write::new("x").subject("user")).unwrap();
        store.create("visitor", Write::new("x")).unwrap();
        let in_task = |operation: fn(&sessile_schedules::Store) -> u64| {
            let store = store.clone();
            task(move || operation(&store))
        };
        let outcomes = join([
            in_task(|store| {
                let before = text(store, "created").is_some();
                let ended = store.destroy_subject("user", None).unwrap();
                assert_eq!(text(store, "there"), None);
                assert!(ended > u64::from(before), "it was there before");
                ended
            }),
            in_task(|store| u64::from(store.create("created", Write::new("x").subject("user")).is_ok())),
            in_task(|store| {
                store.rotate("visitor", "member", Some(Write::new("x").subject("user"))).map_or(0, |_| 1)
            }),
            in_task(|store| {
                // A write that comes after the end finds nothing.
                let _ = found(store.update("there", "y"));
                0
            }),
        ]);
        let [ended, created, rotated, _] = outcomes[..] else { panic!() };
        let left = 1 + created + rotated - ended;
        let check = |store: &sessile_schedules::Store| {
            assert_eq!(store.sessions_of("user").unwrap().count() as u64, left, "ended {ended}");
            assert_eq!(store.iter().unwrap().count() as u64, left);
            assert_eq!(text(store, "there"), None);
        };
        check(&store);
        let machine = machine.crash(CrashPolicy::DropAll);
        drop(store);
        check(&machine.open());
    });
}

#[test]
fn clearing_ends_whatever_was_there_before() {
    explore(1500, || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("there", Write::new("x").subject("user")).unwrap();
        let clearing = {
            let store = store.clone();
            task(move || {
                let before = text(&store, "created").is_some();
                let ended = store.clear().unwrap();
                assert_eq!(text(&store, "there"), None);
                assert!(ended > u64::from(before));
                ended
            })
        };
        let creating = {
            let store = store.clone();
            task(move || {
                store.create("created", Write::new("x").idle(Duration::from_secs(50))).unwrap();
                let _ = found(store.update("there", "y"));
                1
            })
        };
        let compactor = {
            let (store, clock) = (store.clone(), machine.clock.clone());
            task(move || {
                clock.advance(Duration::from_secs(31));
                maintain(&store);
                0
            })
        };
        let outcomes = join([clearing, creating, compactor]);
        let left = 1 + outcomes[1] - outcomes[0];
        assert_eq!((store.len(), store.iter().unwrap().count() as u64), (left, left));
        assert_eq!(text(&store, "created").is_some(), left == 1);
        machine.clock.advance(Duration::from_secs(60));
        maintain(&store);
        assert_eq!(store.len(), 0, "the wheel has lost a session");
        let machine = machine.crash(CrashPolicy::DropAll);
        drop(store);
        assert_eq!(machine.open().iter().unwrap().count(), 0);
    });
}

#[test]
fn no_increment_is_lost() {
    explore(1500, || {
        let machine = Machine::new();
        let store = machine.open();
        store.create("counter", "0").unwrap();
        let next = |data: &[u8]| {
            let number: u64 = std::str::from_utf8(data).unwrap().parse().unwrap();
            Write::new((number + 1).to_string()).durability(Durability::Written)
        };
        let mut tasks: Vec<_> = (0..2)
            .map(|_| {
                let store = store.clone();
                task(move || {
                    let increment =
                        |_| store.update_with("counter", |session| Some(next(session.data()))).unwrap();
                    (0..3).filter_map(increment).count()
                })
            })
            .collect();
        let swapping = store.clone();
        tasks.push(task(move || {
            let swap = |_: &i32| {
                let seen = swapping.get("counter").unwrap().unwrap();
                match swapping.replace_if("counter", seen.version(), next(seen.data())) {
                    Ok(version) => assert!(version > seen.version()),
                    Err(Error::Conflict { current }) => {
                        assert!(current > seen.version());
                        return false;
                    }
                    Err(error) => panic!("{error:?}"),
                }
                true
            };
            (0..4).filter(swap).count()
        }));
        let (moved, clock) = (store.clone(), machine.clock.clone());
        tasks.push(task(move || {
            make_garbage(&moved, &clock);
            maintain(&moved);
            0
        }));
        let increments: usize = join(tasks).into_iter().sum();
        assert_eq!(text(&store, "counter"), Some(increments.to_string()));
    });
}
