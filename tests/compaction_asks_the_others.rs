//! What one segment holds may be all that another rests on: compaction asks before it drops it (P2, rules 4 and 6).

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

use common::machine::{DAY, HOUR, MINUTE, Machine, maintain, payload, roll};
use sessile::{Store, Write};

/// Sessions in a segment that stays; what became of them in one that is mostly garbage soon, and is written anew.
fn rewritten(life: Duration, meanwhile: impl FnOnce(&Machine, &Store)) -> Machine {
    let machine = Machine::new();
    let store = machine.options().idle(life).open("/store").unwrap();
    for id in ["X", "Y", "Z"] {
        let write = Write::new("data").idle(life);
        store.create(id, if id == "Y" { write.subject("alice") } else { write }).unwrap();
    }
    roll(&store, &machine, "stays", DAY * 30);
    let stays = machine.segments()[0].clone();
    meanwhile(&machine, &store);
    roll(&store, &machine, "goes", MINUTE);
    machine.clock.advance(MINUTE * 3);
    maintain(&store);
    assert!(store.stats().compactions > 0, "{:?}", store.stats());
    assert_eq!(machine.segments()[0], stays, "it is still there");
    machine.fork()
}

#[test]
fn an_ending_stays_while_what_it_ended_stands_in_another_segment() {
    for life in [DAY * 20, Duration::MAX] {
        let machine = rewritten(life, |_, store| {
            assert!(store.destroy("X").unwrap());
            assert_eq!(store.destroy_subject("alice", None).unwrap(), 1);
        });
        let store = machine.open();
        assert!(store.get("X").unwrap().is_none(), "X was destroyed");
        assert!(store.get("Y").unwrap().is_none(), "Y was revoked");
        assert!(store.get("Z").unwrap().is_some());
    }
}

/// Two segments are rewritten together, and nothing in them is older than the revocation; but a third one is.
#[test]
fn a_revocation_stays_while_anything_older_is_in_a_segment_that_is_not_rewritten() {
    let stays = |store: &Store, n: usize| {
        let data = payload(&format!("stays {n}"), 3000);
        store.create(format!("stays {n}"), Write::new(data.clone()).idle(DAY)).unwrap();
        data
    };
    let trial = Machine::new();
    let store = trial.open();
    let first = trial.segments()[0].clone();
    let fit = (0..100).take_while(|n| trial.find(&stays(&store, *n)).unwrap().0 == first).count();

    let machine = Machine::new();
    let store = machine.open();
    store.create("Y", Write::new("data").idle(DAY).subject("alice")).unwrap();
    for n in 0..fit - 1 {
        stays(&store, n);
    }
    roll(&store, &machine, "first", MINUTE);
    assert_eq!(store.destroy_subject("alice", None).unwrap(), 1);
    roll(&store, &machine, "second", MINUTE);
    store.create("moves", Write::new("data").idle(DAY)).unwrap();
    let before = machine.segments();
    roll(&store, &machine, "third", MINUTE);
    machine.clock.advance(MINUTE * 3);
    maintain(&store);
    let left = machine.segments();
    let is_left: Vec<_> = before.iter().map(|name| left.contains(name)).collect();
    assert_eq!((is_left, store.stats().compactions), (vec![true, false, false], 1), "two of three, together");
    let store = machine.fork().open();
    assert!(store.get("Y").unwrap().is_none(), "Y was revoked");
    assert!(store.get("moves").unwrap().is_some());
}

#[test]
fn a_touch_stays_while_what_it_extends_stands_in_another_segment() {
    let machine = rewritten(HOUR, |machine, store| {
        machine.clock.advance(MINUTE * 50);
        store.touch("X", HOUR).unwrap();
    });
    machine.clock.advance(MINUTE * 30);
    let store = machine.open();
    assert!(store.get("X").unwrap().is_some(), "it was touched half an hour ago");
    assert!(store.get("Z").unwrap().is_none());
}
