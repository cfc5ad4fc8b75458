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
use sessile::vfs::{CallKind, CrashPolicy, Fault, Times, Vfs};
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
    assert_eq!(report.segments_scanned, 1, "it has no footer yet");
}

/// The same before the segments are synced: only the first of them tells what is durable.
#[test]
fn damage_in_the_first_of_several_segments_that_nobody_synced_is_not_taken_for_the_end() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("durable")).unwrap();
    store.create("b", synced("durable and lost")).unwrap();
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    for n in 0..120 {
        store.create(format!("filler {n}"), written(&"filler ".repeat(400))).unwrap();
    }
    let machine = machine.fork();
    assert!(machine.segments().len() > 1);
    let (segment, at) = machine.find(b"durable and lost").unwrap();
    machine.flip(&segment, at);
    assert_eq!(corrupt_in(&machine), segment);
    let store = machine.salvage();
    assert!(lives(&store, "a") && !lives(&store, "b") && lives(&store, "filler 119"));
}

/// What is lost, and whether endings are among it that nobody knows, goes by the marks behind it.
#[test]
fn a_hole_whose_endings_a_mark_repeats_ends_nothing_else() {
    let machine = Machine::new();
    let store = machine.open();
    for id in ["a", "b", "c"] {
        store.create(id, synced(&format!("data of {id}"))).unwrap();
    }
    for id in ["d", "e"] {
        machine.clock.advance(MINUTE);
        store.flush().unwrap();
        store.create(id, synced(&format!("data of {id}"))).unwrap();
    }
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    let at = |id: &str| machine.find(format!("data of {id}").as_bytes()).unwrap();
    let ((segment, b), (_, c)) = (at("b"), at("c"));
    let damaged = machine.fork();
    damaged.flip(&segment, b);
    let store = damaged.salvage();
    let report = store.stats().recovery;
    assert_eq!((report.damage.len(), report.salvage_ended), (1, 0));
    let (what, from) = (&report.damage[0].what, usize::try_from(report.damage[0].offset).unwrap());
    let to = from + what.split(' ').next().unwrap().parse::<usize>().unwrap();
    assert!(from < b && b < to && to < c && what.contains("are known"), "{from}: {what}");
    assert!(["a", "c", "d", "e"].into_iter().all(|id| lives(&store, id)) && !lives(&store, "b"));
    // The mark behind `c` is lost with what it repeats: no other repeats that.
    let mark = frames(&machine.bytes(&segment), 6).into_iter().find(|mark| *mark > c).unwrap();
    let damaged = machine.fork();
    damaged.flip(&segment, mark + 20);
    let store = damaged.salvage();
    assert_eq!(store.stats().recovery.salvage_ended, 3, "a, b and c");
    assert!(lives(&store, "d") && lives(&store, "e"));
}

/// The same in a segment that is full: its marks are asked, and those of other segments say nothing.
#[test]
fn a_hole_in_a_full_segment_spares_only_what_its_own_marks_speak_for() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("data of a")).unwrap();
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    store.create("b", synced("data of b")).unwrap();
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    roll(&store, &machine, "filler", DAY);
    store.create("z", synced("data of z")).unwrap();
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    let (segment, b) = machine.find(b"data of b").unwrap();
    assert_ne!(segment, machine.find(b"data of z").unwrap().0);
    let bytes = machine.bytes(&segment);
    let marks = frames(&bytes, 6);
    // The last record of the segment, behind its last mark.
    let last = frames(&bytes, 1).pop().unwrap();
    assert!(marks.iter().all(|mark| *mark < last) || marks.len() > 2);
    let damaged = machine.fork();
    damaged.flip(&segment, last + 30);
    let store = damaged.salvage();
    let known = marks.iter().any(|mark| *mark > last);
    assert_eq!(store.stats().recovery.salvage_ended == 0, known);
    assert!(lives(&store, "z"));
    // A mark is lost: the next begins where it ended.
    let mark = marks.iter().copied().find(|mark| *mark > b).unwrap();
    let damaged = machine.fork();
    damaged.flip(&segment, mark + 20);
    let store = damaged.salvage();
    assert!(store.stats().recovery.salvage_ended >= 2, "a and b at least");
    assert!(lives(&store, "z") && !lives(&store, "a") && !lives(&store, "b"));
}

/// In an output of compaction records stand in any order, so a hole in it may have held any ending of all that it holds.
#[test]
fn a_hole_in_an_output_of_compaction_spares_nothing_that_it_holds() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..4 {
        store.create(format!("stays {n}"), synced(&format!("data <{n}>"))).unwrap();
    }
    roll(&store, &machine, "filler", MINUTE);
    let first = machine.find(b"data <1>").unwrap().0;
    for _ in 0..20 {
        machine.clock.advance(MINUTE);
        maintain(&store);
        if machine.find(b"data <1>").unwrap().0 != first {
            break;
        }
    }
    store.create("later", synced("later")).unwrap();
    store.flush().unwrap();
    let machine = machine.fork();
    let (output, at) = machine.find(b"data <1>").unwrap();
    assert_ne!(output, first);
    machine.flip(&output, at);
    let footer = machine.bytes(&output).windows(8).position(|window| window == b"SESHINT1").unwrap();
    machine.flip(&output, footer + 30);
    assert_eq!(corrupt_in(&machine), output);
    let store = machine.salvage();
    assert!((0..4).all(|n| !lives(&store, &format!("stays {n}"))));
    assert!(lives(&store, "later"));
}

/// An opening reads the footers of full segments and not their frames (P4), unless a footer is damaged.
#[test]
fn full_segments_are_opened_by_their_footers() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("a")).unwrap();
    roll(&store, &machine, "filler", DAY);
    roll(&store, &machine, "filler again", DAY);
    maintain(&store);
    store.create("z", synced("z")).unwrap();
    let machine = machine.fork();
    let report = machine.fork().open().stats().recovery;
    assert_eq!((report.from_snapshot, report.segments_scanned), (false, 0));
    let full = machine.segments()[0].clone();
    let footer = machine.bytes(&full).windows(8).position(|window| window == b"SESHINT1").unwrap();
    machine.flip(&full, footer + 40);
    let store = machine.open();
    assert_eq!(store.stats().recovery.segments_scanned, 1);
    assert!(lives(&store, "a") && lives(&store, "z"));
}

/// An opening that a crash stopped has used its number: its LSNs must not be given out again.
#[test]
fn the_number_of_an_opening_that_came_to_nothing_is_not_used_again() {
    let opening_of = |machine: &Machine, name: &str| machine.bytes(name)[40..48].to_vec();
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("a")).unwrap();
    machine.clock.advance(MINUTE);
    store.flush().unwrap();
    // The mark before this one tells that the other is durable, so that its segment stays.
    store.create("b", synced("b")).unwrap();
    let other = machine.fork();
    drop(other.open());
    let second = other.segments().pop().unwrap();
    assert_eq!(opening_of(&other, &second), 2u64.to_le_bytes());
    let machine = machine.fork();
    machine.put_bytes(&second, &other.bytes(&second));
    assert!(lives(&machine.open(), "a"));
    let third = machine.segments().pop().unwrap();
    assert_ne!(third, second);
    assert_eq!(opening_of(&machine, &third), 3u64.to_le_bytes());
}

/// The file of that number and store, but of another life of it: a copy of the directory that went on by itself.
#[test]
fn a_segment_of_another_life_of_the_store_is_not_taken_for_ours() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("a")).unwrap();
    let lives = [machine.fork(), machine.fork()];
    for (number, machine) in lives.iter().enumerate() {
        let store = machine.open();
        store.create("b", synced(&format!("life {number}"))).unwrap();
        roll(&store, machine, "filler", DAY);
        store.flush().unwrap();
    }
    let [one, two] = lives.map(|machine| machine.fork());
    let (segment, _) = one.find(b"life 0").unwrap();
    assert_eq!(segment, two.find(b"life 1").unwrap().0);
    one.put_bytes(&segment, &two.bytes(&segment));
    assert_eq!(corrupt_in(&one), segment);
}

/// A full disk keeps nobody from opening: what counts for nothing gives its room, and so does a snapshot.
#[test]
fn a_full_disk_is_opened_in_the_room_of_what_counts_for_nothing() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("a", synced("a")).unwrap();
    store.close().unwrap();
    drop(store);
    machine.put_bytes("00000099.tmp", &[7; 256 << 10]);
    machine.sim.set_capacity(Some(1 << 30));
    let used = (1 << 30) - machine.sim.free_bytes(std::path::Path::new("/store")).unwrap();
    machine.sim.set_capacity(Some(used));
    let store = machine.open();
    assert!(lives(&store, "a") && store.destroy("a").unwrap());
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
