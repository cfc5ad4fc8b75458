//! What an opening takes for the end of the log, for damage or for sound, to the record, and that its report says so.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use common::machine::{DAY, HOUR, MINUTE, Machine, START_MS, maintain, roll};
use sessile::vfs::{CallKind, CrashPolicy, Fault, Times};
use sessile::{Durability, Error, Store, Write};

fn written(data: &str) -> Write {
    Write::new(data.as_bytes()).idle(DAY).durability(Durability::Written)
}

fn synced(data: &str) -> Write {
    Write::new(data.as_bytes()).idle(DAY)
}

fn lives(store: &Store, id: &str) -> bool {
    store.get(id).unwrap().is_some()
}

/// The frames of this kind in a segment, each where it begins.
fn frames(bytes: &[u8], kind: u8) -> Vec<usize> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at + 16 <= bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        let (this, length) = (length >> 24, (length & 0xff_ffff) as usize);
        let end = at + length;
        let covered = (16..1 << 16).contains(&length) && end <= bytes.len() && (1..=8).contains(&this);
        if covered && bytes[at + 15] == 0 && bytes[at..at + 4] != [0; 4] {
            if this == u32::from(kind) {
                found.push(at);
            }
            at = end.next_multiple_of(8);
        } else {
            at += 8;
        }
    }
    found
}

fn corrupt_in(machine: &Machine) -> String {
    match machine.fork().try_open() {
        Err(Error::Corrupt(damage)) => damage.file,
        Err(error) => panic!("{error:?} and not damage"),
        Ok(_) => panic!("opened in spite of the damage"),
    }
}

/// Of three writes that nobody waited for, the second is torn. It and the third are gone, and the report says how much.
#[test]
fn what_was_torn_is_told_to_the_byte() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("first")).unwrap();
    for name in ["torn 1", "torn 2", "torn 3"] {
        store.create(name, written(&format!("data of {name}"))).unwrap();
    }
    let machine = machine.fork();
    let at = |name: &str| machine.find(format!("data of {name}").as_bytes()).unwrap();
    let ((segment, second), (_, third)) = (at("torn 2"), at("torn 3"));
    machine.flip(&segment, second);
    let store = machine.open();
    let report = store.stats().recovery;
    assert_eq!(report.torn_bytes, 2 * (third - second) as u64);
    assert_eq!(report.tail_records, 1, "above all marks, and sound");
    assert!(lives(&store, "a") && lives(&store, "torn 1"));
    assert!(!lives(&store, "torn 2") && !lives(&store, "torn 3"));
    drop(store);
    assert_eq!(machine.fork().open().stats().recovery.torn_bytes, 0, "once");
}

/// Whoever reopens a store again and again writes nothing twice: neither segments nor records.
#[test]
fn what_a_mark_covers_is_not_written_anew_and_what_is_empty_does_not_stay() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("marked")).unwrap();
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    store.create("b", synced("not marked")).unwrap();
    let live_bytes = store.stats().live_bytes;
    let mut machine = machine.fork();
    for (opening, tail) in [1, 0, 0, 0].into_iter().enumerate() {
        let store = machine.open();
        assert_eq!(store.stats().recovery.tail_records, tail, "opening {opening}");
        assert_eq!(store.stats().live_bytes, live_bytes, "opening {opening}");
        let next = machine.fork();
        drop(store);
        machine = next;
    }
    let left = machine.segments();
    assert!(left.len() <= 3, "{left:?}");
    assert!(machine.names().iter().all(|name| !name.ends_with(".damaged")), "{:?}", machine.names());
}

/// What a crash of an opening has left is removed, and put aside only where there is damage.
#[test]
fn a_segment_that_nobody_lists_is_removed_and_not_kept_for_ever() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("a")).unwrap();
    store.close().unwrap();
    drop(store);
    let first = machine.segments()[0].clone();
    machine.put_bytes("00000077.seg", &machine.bytes(&first));
    let store = machine.open();
    assert_eq!(store.stats().recovery.files_removed, 1);
    assert!(lives(&store, "a"));
    assert!(machine.names().iter().all(|name| !name.starts_with("00000077")), "{:?}", machine.names());
}

/// The log has gone on in another segment without an opening in between. Damage in the one before is no end.
#[test]
fn damage_before_a_seam_of_the_log_is_not_taken_for_its_end() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("before the seam")).unwrap();
    store.create("b", synced("lost before the seam")).unwrap();
    roll(&store, &machine, "filler", DAY);
    store.create("c", synced("behind the seam")).unwrap();
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    let machine = machine.fork();
    let (segment, at) = machine.find(b"lost before the seam").unwrap();
    machine.flip(&segment, at);
    assert_eq!(corrupt_in(&machine), segment);
    let store = machine.salvage();
    let report = store.stats().recovery;
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.damage[0].file, segment);
    let span = 8 * ((at as u64 - report.damage[0].offset + 20) / 8 + 1);
    assert!(report.damage[0].what.starts_with(&format!("{span} bytes")), "{:?}", report.damage);
    assert!(lives(&store, "a") && !lives(&store, "b") && lives(&store, "c"));
    assert_eq!(report.salvage_ended, 0, "the marks behind the hole repeat all endings");
}

/// X's end stands only where an opening has copied it to. A later mark repeats the endings since that opening: not this one.
#[test]
fn an_ending_that_was_copied_is_not_taken_for_one_that_a_mark_repeats() {
    let machine = Machine::new();
    let store = machine.open();
    for id in ["X", "Y", "Z"] {
        store.create(id, synced("of the first opening")).unwrap();
    }
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    assert!(store.destroy("X").unwrap());
    let machine = machine.fork();
    let store = machine.open();
    assert!(!lives(&store, "X"));
    for n in 0..3 {
        store.create(format!("later {n}"), synced("later")).unwrap();
        machine.clock.advance(MINUTE);
        store.flush().unwrap();
    }
    let machine = machine.fork();
    let tail = machine.segments().pop().unwrap();
    let bytes = machine.bytes(&tail);
    let ended = [frames(&bytes, 2), frames(&bytes, 3)].concat();
    assert_eq!(ended.len(), 1, "one ending was copied: {ended:?}");
    machine.flip(&tail, ended[0] + 20);
    assert_eq!(corrupt_in(&machine), tail);
    let store = machine.salvage();
    assert!(!lives(&store, "X"), "X was destroyed");
    assert!((0..3).all(|n| lives(&store, &format!("later {n}"))));
    assert_eq!(store.stats().recovery.salvage_ended, 3, "X, Y and Z: nobody can tell which of them ended");
}

/// A disk that does not answer now has lost nothing: not even Salvage gives a segment up for that.
#[test]
fn a_segment_that_cannot_be_opened_now_is_not_given_up() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("in the first segment")).unwrap();
    roll(&store, &machine, "filler", DAY);
    store.close().unwrap();
    drop(store);
    machine.remove("SNAPSHOT");
    drop(machine.open());
    for (number, name) in machine.segments().into_iter().enumerate() {
        let world = machine.fork();
        world.sim.fail_named(&name, CallKind::Open, 1, Fault::Eio, Times::Once);
        let opened = world.options().recovery(sessile::Recovery::Salvage).open("/store");
        assert!(matches!(opened, Err(Error::Io { .. })), "segment {number}: {opened:?}");
        world.sim.clear_faults();
        assert!(lives(&world.open(), "a"));
    }
}

/// The name of the log's next segment need not have reached the disk with what announces it.
#[test]
fn a_segment_that_was_announced_and_never_named_is_no_damage() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("a")).unwrap();
    for n in 0..120 {
        store.create(format!("filler {n}"), written(&"filler ".repeat(400))).unwrap();
    }
    let machine = machine.fork();
    let names = machine.segments();
    assert!(names.len() > 1);
    machine.remove(names.last().unwrap());
    let store = machine.open();
    assert!(lives(&store, "a") && store.verify().unwrap().damage.is_empty());
}

/// The first opening marks that an hour has passed; the second only says so where its segment begins.
#[test]
fn the_time_that_a_segment_begins_with_counts() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("hour", Write::new("hour").idle(HOUR)).unwrap();
    store.create("day", synced("day")).unwrap();
    for _ in 0..61 {
        machine.clock.advance(MINUTE);
        maintain(&store);
    }
    store.flush().unwrap();
    let second = machine.fork();
    let _second = second.open();
    let third = second.crashed(CrashPolicy::DropAll);
    third.clock.set_wall_ms(START_MS + 60_000);
    let store = third.open();
    assert!(!lives(&store, "hour") && lives(&store, "day"));
    assert!(store.stats().clock_ms >= START_MS + 3_600_000, "{}", store.stats().clock_ms);
}
