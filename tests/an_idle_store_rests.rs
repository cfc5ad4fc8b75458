//! Upkeep costs nothing where nothing happens, and gives the disk back where it is worth it (P4).

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use common::machine::{DAY, MINUTE, Machine, maintain, payload, roll};
use sessile::Write;

/// Nothing happens and no time passes: not a byte is written, however often upkeep looks.
#[test]
fn a_store_in_which_nothing_happens_writes_nothing() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", Write::new("a").idle(DAY)).unwrap();
    store.create("over soon", Write::new("b").idle(MINUTE)).unwrap();
    machine.clock.advance(MINUTE);
    for _ in 0..3 {
        maintain(&store);
        store.flush().unwrap();
    }
    let bytes = |stats: sessile::Stats| (stats.live_bytes, stats.dead_bytes, stats.compacted_bytes);
    let before = bytes(store.stats());
    for _ in 0..20 {
        maintain(&store);
        store.flush().unwrap();
    }
    assert_eq!(bytes(store.stats()), before);
}

/// A tenth of a full segment is garbage: too little to write the rest anew, unless half of the disk is in use.
#[test]
fn little_garbage_is_worth_a_rewrite_only_where_the_disk_is_short() {
    for (disk_bytes_max, rewritten) in [(64 << 20, false), (600 << 10, true)] {
        let machine = Machine::new();
        let store = machine.options().disk_bytes_max(disk_bytes_max).open("/store").unwrap();
        let create = |n: u64| store.create(format!("id {n}"), Write::new(payload("a", 3000)).idle(DAY));
        (0..10).for_each(|n| assert!(create(n).is_ok()));
        roll(&store, &machine, "first", DAY);
        roll(&store, &machine, "second", DAY);
        for n in 0..5 {
            assert!(store.destroy(format!("id {n}")).unwrap());
        }
        roll(&store, &machine, "third", DAY);
        maintain(&store);
        assert_eq!(store.stats().compactions > 0, rewritten, "{:?}", store.stats());
    }
}
