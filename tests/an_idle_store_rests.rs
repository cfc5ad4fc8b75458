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
use sessile::vfs::CallKind;

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

/// Time passes, and that is all: the log is not told of it again and again.
#[test]
fn a_store_in_which_only_time_passes_writes_nothing() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", Write::new("a").idle(DAY)).unwrap();
    for _ in 0..3 {
        maintain(&store);
        store.flush().unwrap();
    }
    let writes = machine.sim.count(CallKind::Write);
    for _ in 0..20 {
        machine.clock.advance(MINUTE);
        maintain(&store);
        store.flush().unwrap();
    }
    assert_eq!(machine.sim.count(CallKind::Write), writes);
}

/// The file that the log will go on in is there before a writer has to wait for it; the log goes on in that one and in
/// no other; and a store that is closed leaves none behind.
#[test]
fn the_next_segment_is_prepared_once_and_used_and_does_not_outlive_the_store() {
    let machine = Machine::new();
    let store = machine.open();
    let number = std::cell::Cell::new(0);
    let create = || {
        number.set(number.get() + 1);
        let data = format!("{} <{}>", "x".repeat(3000), number.get());
        store.create(format!("id {}", number.get()), Write::new(data.as_bytes()).idle(DAY)).unwrap();
        machine.find(data.as_bytes()).unwrap().0
    };
    // Writes until there is a spare, and looks once more: that must not make another.
    let fill_until_prepared = || {
        let before = machine.segments();
        for _ in 0..30 {
            create();
            maintain(&store);
            maintain(&store);
            if machine.segments() != before {
                break;
            }
        }
        let after = machine.segments();
        assert_eq!(after.len(), before.len() + 1, "{before:?}, then {after:?}");
        after.last().unwrap().clone()
    };
    let first = create();
    let spare = fill_until_prepared();
    assert_eq!(create(), first);
    let gone_on_in = (0..30).map(|_| create()).find(|segment| *segment != first).unwrap();
    assert_eq!(gone_on_in, spare);
    assert_eq!(machine.segments(), [first, spare.clone()]);
    let unused = fill_until_prepared();
    store.close().unwrap();
    assert!(machine.segments().contains(&spare) && !machine.segments().contains(&unused));
}

/// In what compaction writes, LSNs stand in the order of what it has read, and that begins with the segment that is cheapest
/// to move. That is no damage: when most of it is garbage it is rewritten in its turn.
#[test]
fn what_compaction_has_written_is_reclaimed_like_everything_else() {
    let machine = Machine::new();
    let store = machine.open();
    let data = |id: &str| payload(&format!("data of {id}"), 3000);
    for (count, segment) in [(7, "old"), (2, "new")] {
        for n in 0..count {
            let id = format!("{segment} {n}");
            store.create(&id, Write::new(data(&id)).idle(DAY)).unwrap();
        }
        roll(&store, &machine, &format!("short {segment}"), MINUTE);
    }
    machine.clock.advance(3 * MINUTE);
    maintain(&store);
    let (output, at) = machine.find(&data("old 0")).unwrap();
    let (same, before) = machine.find(&data("new 0")).unwrap();
    assert!(output == same && before < at, "{same} at {before}, {output} at {at}");
    for n in 0..7 {
        assert!(store.destroy(format!("old {n}")).unwrap());
    }
    maintain(&store);
    assert!(!machine.segments().contains(&output));
    assert_eq!(store.get("new 0").unwrap().unwrap().data(), data("new 0"));
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
