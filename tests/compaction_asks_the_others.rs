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

use common::machine::{DAY, HOUR, MINUTE, Machine, maintain, roll};
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
