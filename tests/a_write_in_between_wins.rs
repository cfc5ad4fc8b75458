//! What the store does by itself never undoes what a user did meanwhile: compaction and expiry against writes, in the
//! middle of each of their steps, and from other threads.

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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::hooks::Interrupting;
use common::machine::{DAY, HOUR, MINUTE, Machine, SECOND, beacon, maintain, roll, telling};
use sessile::vfs::{CallKind, CrashPolicy};
use sessile::{Durability, Error, Store, Write};

/// What a user does while compaction is at it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Destroy,
    DestroySubject,
    Rotate,
    Clear,
    Update,
    Shorten,
    Touch,
    EndAndCreate,
    RotateThereAndBack,
}

const DEEDS: [Deed; 9] = [
    Deed::Destroy,
    Deed::DestroySubject,
    Deed::Rotate,
    Deed::Clear,
    Deed::Update,
    Deed::Shorten,
    Deed::Touch,
    Deed::EndAndCreate,
    Deed::RotateThereAndBack,
];

fn act(store: &Store, deed: Deed) {
    match deed {
        Deed::Destroy => assert!(store.destroy("K").unwrap()),
        Deed::DestroySubject => assert_eq!(store.destroy_subject("alice", None).unwrap(), 1),
        Deed::Rotate => drop(store.rotate("K", "L", None).unwrap()),
        Deed::Clear => assert!(store.clear().unwrap() > 0),
        Deed::Update => drop(store.update("K", Write::new("K anew")).unwrap()),
        Deed::Shorten => drop(store.update("K", Write::new("K anew").idle(HOUR).shorten()).unwrap()),
        Deed::Touch => {
            store.touch("K", DAY * 25).unwrap();
            store.flush().unwrap();
        }
        Deed::EndAndCreate => {
            store.destroy("K").unwrap();
            store.create("K", Write::new("K anew").idle(HOUR)).unwrap();
        }
        Deed::RotateThereAndBack => {
            store.rotate("K", "L", None).unwrap();
            store.rotate("L", "K", Some(Write::new("K anew"))).unwrap();
        }
    }
}

fn expect(store: &Store, deed: Deed) {
    let data = |id: &str| store.get(id).unwrap().map(sessile::Session::into_data);
    let deadline_in = |time: Duration| {
        let deadline_ms = store.get("K").unwrap().unwrap().deadline().as_ms();
        let now_ms = common::machine::START_MS + 120_000;
        deadline_ms == now_ms + u64::try_from(time.as_millis()).unwrap()
    };
    match deed {
        Deed::Destroy | Deed::DestroySubject => assert_eq!(data("K"), None),
        Deed::Clear => assert_eq!(store.iter().unwrap().count(), 0),
        Deed::Rotate => assert!(data("K").is_none() && data("L").unwrap() == b"K, logged in"),
        Deed::Update => assert_eq!(data("K").unwrap(), b"K anew"),
        Deed::Touch => assert!(data("K").unwrap() == b"K, logged in" && deadline_in(DAY * 25)),
        Deed::Shorten | Deed::EndAndCreate => assert!(data("K").unwrap() == b"K anew" && deadline_in(HOUR)),
        Deed::RotateThereAndBack => assert!(data("K").unwrap() == b"K anew" && data("L").is_none()),
    }
    let of_alice = store.sessions_of("alice").unwrap().count();
    assert_eq!(of_alice, store.iter().unwrap().filter(|s| s.as_ref().unwrap().subject().is_some()).count());
}

/// A store in which the segment with K is about to be rewritten. K is alice's; an older, anonymous version of it
/// stands in a segment that stays.
fn about_to_compact(stale: bool) -> (Machine, Interrupting, Store, String) {
    let machine = Machine::new();
    let vfs = Interrupting::default();
    let store = machine.options().vfs(vfs.over(&machine.sim)).open("/store").unwrap();
    store.create("K", Write::new("K, the old version").idle(DAY * 14)).unwrap();
    roll(&store, &machine, "long", DAY * 30);
    store.update("K", Write::new("K, logged in").idle(DAY * 20).subject("alice")).unwrap();
    let segment = beacon(&store, &machine, "with K");
    for number in 0..4 {
        store.create(format!("neighbour {number}"), Write::new(vec![b'n'; 1000]).idle(DAY * 20)).unwrap();
    }
    roll(&store, &machine, "short", MINUTE);
    if stale {
        // The log is in another segment again, so that what happens to K now does not stand beside it.
        roll(&store, &machine, "short too", MINUTE);
    }
    machine.clock.advance(MINUTE * 2);
    (machine, vfs, store, segment)
}

#[test]
fn compaction_loses_against_what_happens_at_any_of_its_steps() {
    let mut acted = 0;
    for deed in DEEDS {
        for call in [CallKind::Create, CallKind::Rename, CallKind::Remove] {
            for nth in 1..4 {
                let (machine, vfs, store, segment) = about_to_compact(nth == 2);
                let doing = store.clone();
                vfs.before(call, nth, move || act(&doing, deed));
                maintain(&store);
                if vfs.disarm() {
                    acted += 1;
                } else {
                    act(&store, deed);
                }
                assert!(!machine.segments().contains(&segment));
                telling(&format!("{deed:?} before {call:?} {nth}"), || {
                    expect(&store, deed);
                    for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll, CrashPolicy::Random(nth)] {
                        let machine = machine.crashed(policy);
                        let store = machine.open();
                        expect(&store, deed);
                        maintain(&store);
                        expect(&store, deed);
                        assert!(store.verify().unwrap().damage.is_empty());
                        expect(&machine.crashed(CrashPolicy::DropAll).open(), deed);
                    }
                });
            }
        }
    }
    assert!(acted > 40, "{acted}");
}

/// Between the moment a copy is listed and the moment the index moves to it, a write that nobody syncs.
#[test]
fn compaction_loses_against_an_unsynced_write_while_it_syncs() {
    for nth in 1..12 {
        let (machine, vfs, store, _) = about_to_compact(true);
        let doing = store.clone();
        vfs.before(CallKind::Sync, nth, move || {
            doing.update("K", Write::new("K anew").durability(Durability::Written)).unwrap();
        });
        maintain(&store);
        let expected: &[u8] = if vfs.disarm() { b"K anew" } else { b"K, logged in" };
        assert_eq!(store.get("K").unwrap().unwrap().data(), expected);
        assert_eq!(machine.crashed(CrashPolicy::KeepAll).open().get("K").unwrap().unwrap().data(), expected);
        let left = machine.crashed(CrashPolicy::DropAll).open().get("K").unwrap().unwrap();
        assert!([b"K anew".as_slice(), b"K, logged in"].contains(&left.data()));
        store.destroy("K").unwrap();
        assert!(machine.crashed(CrashPolicy::DropAll).open().get("K").unwrap().is_none());
    }
}

/// Dead only when what killed it is durable: the superseding write is lost, so what it superseded must be there.
#[test]
fn a_superseded_version_stays_until_what_superseded_it_is_durable() {
    for (call, nth) in
        [(CallKind::Create, 1), (CallKind::Create, 2), (CallKind::Rename, 1), (CallKind::Rename, 2)]
    {
        let (machine, vfs, store, _) = about_to_compact(true);
        let doing = store.clone();
        vfs.before(call, nth, move || {
            doing.update("K", Write::new("K anew").durability(Durability::Written)).unwrap();
        });
        for point in 1.. {
            let trial = machine.fork();
            let vfs = Interrupting::default();
            let store = trial.options().vfs(vfs.over(&trial.sim)).open("/store").unwrap();
            // The two minutes before were no jump of the clock.
            store.confirm_clock().unwrap();
            let doing = store.clone();
            vfs.before(call, nth, move || {
                let _ = doing.update("K", Write::new("K anew").durability(Durability::Written));
            });
            trial.sim.crash_at_call(point);
            let done = store.maintain(HOUR).is_ok();
            vfs.disarm();
            for policy in [CrashPolicy::DropAll, CrashPolicy::Random(point), CrashPolicy::Random(!point)] {
                let left = trial.crashed(policy).open().get("K").unwrap();
                let left =
                    left.unwrap_or_else(|| panic!("{call:?} {nth}, call {point}, {policy:?}: K is lost"));
                assert!([b"K anew".as_slice(), b"K, logged in"].contains(&left.data()));
            }
            if done {
                assert!(point > 5);
                break;
            }
        }
        drop(store);
    }
}

#[test]
fn expiry_loses_against_a_write_that_came_first() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("K", Write::new("K").idle(MINUTE)).unwrap();
    machine.clock.advance(SECOND * 59);
    store.touch("K", HOUR).unwrap();
    machine.clock.advance(MINUTE);
    maintain(&store);
    assert!(store.get("K").unwrap().is_some());
    store.flush().unwrap();
    assert!(machine.crashed(CrashPolicy::DropAll).open().get("K").unwrap().is_some());
}

/// Users, expiry, compaction and the clock, all at once. Each user has ids of its own and knows what it was told.
#[test]
fn users_do_not_notice_what_goes_on_behind_them() {
    const USERS: usize = 3;
    let machine = Machine::new();
    let store = machine.open();
    let stop = Arc::new(AtomicBool::new(false));
    let deeds = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(3);
    std::thread::scope(|scope| {
        let users: Vec<_> = (0..USERS)
            .map(|user| {
                let (store, machine, stop, deeds) =
                    (store.clone(), machine.clone(), Arc::clone(&stop), Arc::clone(&deeds));
                scope.spawn(move || live(user, &store, &machine, &stop, &deeds))
            })
            .collect();
        let keeper = scope.spawn(|| {
            let mut removed = 0;
            while !stop.load(Ordering::Relaxed) {
                machine.clock.advance(SECOND);
                removed += store.maintain(SECOND).unwrap().segments_removed;
                store.iter().unwrap().for_each(|session| drop(session.unwrap()));
            }
            removed
        });
        while Instant::now() < until && !users.iter().any(|user| user.is_finished()) {
            std::thread::yield_now();
            store.sessions_of("alice").unwrap().for_each(|session| drop(session.unwrap()));
        }
        stop.store(true, Ordering::Relaxed);
        let removed = keeper.join().unwrap();
        let states: Vec<_> = users.into_iter().flat_map(|user| user.join().unwrap()).collect();
        println!("{} deeds, {removed} segments removed", deeds.load(Ordering::Relaxed));
        assert!(removed > 0);
        assert!(store.verify().unwrap().damage.is_empty());
        for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll, CrashPolicy::Random(5)] {
            let after = machine.crashed(policy).open();
            for (id, data) in &states {
                let found = after.get(id).unwrap().map(sessile::Session::into_data);
                assert_eq!(found.as_ref(), data.as_ref(), "{id} after {policy:?}");
            }
        }
    });
}

fn live(
    user: usize,
    store: &Store,
    machine: &Machine,
    stop: &AtomicBool,
    deeds: &AtomicU64,
) -> Vec<(String, Option<Vec<u8>>)> {
    let _ = machine;
    let mut dice = common::dice::Dice::new(user as u64);
    let mut mine: Vec<(String, Option<Vec<u8>>)> = (0..8).map(|id| (format!("{user}/{id}"), None)).collect();
    let mut number = 0u64;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        deeds.fetch_add(1, Ordering::Relaxed);
        let at = usize::try_from(dice.below(8)).unwrap();
        let (id, known) = &mut mine[at];
        let found = store.get(&*id).unwrap().map(sessile::Session::into_data);
        assert_eq!(&found, known, "{id}");
        let data = [format!("{id} {number}|").into_bytes(), vec![b'.'; 1500]].concat();
        let write = Write::new(data.clone()).idle(DAY);
        let write = if dice.one_in(2) { write.subject("alice") } else { write };
        match (dice.below(6), known.is_some()) {
            (0, true) => {
                assert!(store.destroy(&*id).unwrap());
                *known = None;
            }
            (1, true) => drop(store.touch(&*id, DAY * 2).unwrap()),
            (2, true) => {
                store.rotate(&*id, format!("{id} elsewhere"), None).unwrap();
                store.rotate(format!("{id} elsewhere"), &*id, Some(write)).unwrap();
                *known = Some(data);
            }
            (_, true) => {
                store.update(&*id, write).unwrap();
                *known = Some(data);
            }
            (_, false) => {
                store.create(&*id, write).unwrap();
                *known = Some(data);
            }
        }
        // What lives shortly, so that there is something to expire and to reclaim.
        let short = Write::new(vec![b's'; 1500]).idle(SECOND * 30).durability(Durability::Written);
        match store.create(format!("{user} short {number}"), short) {
            Ok(_) | Err(Error::Duplicate) => {}
            Err(error) => panic!("{error}"),
        }
    }
    mine
}
