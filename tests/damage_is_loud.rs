//! Damage is a typed error or a stated outcome: not a wrong answer, not a panic. `Strict` refuses and names the file;
//! `Salvage` opens and fails closed. What is only a cache may be damaged without anybody noticing.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::collections::BTreeMap;

use common::machine::{DAY, HOUR, MINUTE, Machine, beacon, maintain, roll, telling};
use sessile::vfs::{CallKind, CrashPolicy, Fault, Times};
use sessile::{Error, Store, Write};

type Shown = BTreeMap<String, (Vec<u8>, u64)>;

/// What a store shows, by handle: data and deadline.
fn shown(store: &Store) -> Shown {
    let sessions = store.iter().unwrap().map(Result::unwrap);
    sessions.map(|s| (s.handle().to_string(), (s.data().to_vec(), s.deadline().as_ms()))).collect()
}

/// A store of several segments, one of them compaction's, with endings of every kind; closed cleanly.
fn closed_store() -> (Machine, Shown) {
    let machine = Machine::new();
    let store = machine.open();
    for number in 0..12 {
        let write = Write::new(format!("data {number}").into_bytes()).idle(DAY);
        let write = if number % 3 == 0 { write.subject("alice") } else { write };
        store.create(format!("id {number}"), write).unwrap();
    }
    roll(&store, &machine, "first", MINUTE);
    machine.clock.advance(MINUTE * 2);
    maintain(&store);
    store.destroy("id 1").unwrap();
    store.rotate("id 2", "id 2 anew", None).unwrap();
    roll(&store, &machine, "second", HOUR * 5);
    store.destroy_subject("alice", Some(b"id 3")).unwrap();
    store.update("id 4", Write::new("data 4 anew").idle(HOUR * 9)).unwrap();
    maintain(&store);
    store.destroy("id 5").unwrap();
    let before = shown(&store);
    store.close().unwrap();
    (machine, before)
}

fn is_corrupt_in(machine: &Machine, file: &str) {
    match machine.try_open() {
        Err(Error::Corrupt(damage)) => assert_eq!(damage.file, file),
        Err(error) => panic!("{error:?} and not the damage in {file}"),
        Ok(_) => panic!("opened in spite of the damage in {file}"),
    }
}

/// Nothing is shown that was not there, and nothing later than it was.
fn fails_closed(found: &Shown, before: &Shown) {
    for (handle, (data, deadline_ms)) in found {
        let known = before.get(handle).unwrap_or_else(|| panic!("{handle} is back"));
        assert!(data == &known.0 && *deadline_ms <= known.1, "{handle} is another than it was");
    }
}

#[test]
fn a_snapshot_is_only_a_cache_whatever_byte_is_damaged() {
    let (machine, before) = closed_store();
    let bytes = machine.bytes("SNAPSHOT");
    assert!(machine.fork().open().stats().recovery.from_snapshot);
    for at in (0..bytes.len()).step_by(3) {
        let cut = machine.fork();
        cut.put_bytes("SNAPSHOT", &bytes[..at]);
        let store = cut.open();
        assert!(!store.stats().recovery.from_snapshot);
        assert_eq!(shown(&store), before, "cut at {at}");
        let flipped = machine.fork();
        flipped.flip("SNAPSHOT", at);
        let store = flipped.open();
        assert!(!store.stats().recovery.from_snapshot, "flipped at {at}");
        assert_eq!(shown(&store), before, "flipped at {at}");
    }
    machine.remove("SNAPSHOT");
    assert_eq!(shown(&machine.open()), before);
}

#[test]
fn a_stale_snapshot_is_not_believed() {
    let (machine, _) = closed_store();
    let stale = machine.bytes("SNAPSHOT");
    let store = machine.open();
    store.destroy("id 7").unwrap();
    store.create("later", Write::new("later")).unwrap();
    let now = shown(&store);
    let crashed = machine.crashed(CrashPolicy::DropAll);
    crashed.put_bytes("SNAPSHOT", &stale);
    let again = crashed.open();
    assert!(!again.stats().recovery.from_snapshot);
    assert_eq!(shown(&again), now);
    store.close().unwrap();
    machine.put_bytes("SNAPSHOT", &stale);
    let again = machine.open();
    assert!(!again.stats().recovery.from_snapshot);
    assert_eq!(shown(&again), now);
}

#[test]
fn one_copy_of_the_header_is_enough_and_none_is_an_error() {
    let (machine, before) = closed_store();
    for copy in [0, 4096] {
        for at in 0..84 {
            let damaged = machine.fork();
            damaged.flip("STORE", copy + at);
            match damaged.try_open() {
                Ok(store) => assert_eq!(shown(&store), before, "byte {at} of the copy at {copy}"),
                // A flipped bit can make a copy look as if it were a newer release's.
                Err(error) => panic!("byte {at} of the copy at {copy}: {error:?}"),
            }
        }
    }
    for at in [0, 9, 20, 40, 66, 74, 82] {
        let damaged = machine.fork();
        damaged.flip("STORE", at);
        damaged.flip("STORE", 4096 + at);
        assert!(
            matches!(damaged.try_open(), Err(Error::Corrupt(_) | Error::NewerFormat { .. })),
            "byte {at}"
        );
    }
    let empty = machine.fork();
    empty.put_bytes("STORE", b"");
    is_corrupt_in(&empty, "STORE");
    machine.remove("STORE");
    is_corrupt_in(&machine, "STORE");
}

#[test]
fn a_segment_that_is_missing_is_damage() {
    let (machine, before) = closed_store();
    for name in machine.segments() {
        let damaged = machine.fork();
        damaged.remove(&name);
        is_corrupt_in(&damaged, &name);
        let store = damaged.salvage();
        let report = store.stats().recovery;
        assert!(report.damage.iter().any(|damage| damage.file == name), "{report:?}");
        fails_closed(&shown(&store), &before);
        drop(store);
        // Salvage has settled it: from here on the store opens as it was left.
        fails_closed(&shown(&damaged.open()), &before);
    }
}

#[test]
fn a_segment_of_another_store_is_not_taken_for_ours() {
    let (machine, before) = closed_store();
    let (other, _) = closed_store();
    for name in machine.segments() {
        let damaged = machine.fork();
        damaged.put_bytes(&name, &other.bytes(&name));
        is_corrupt_in(&damaged, &name);
        fails_closed(&shown(&damaged.salvage()), &before);
    }
}

/// Without a snapshot everything is read from the segments, whose every byte matters or is a cache.
#[test]
fn a_flipped_bit_in_a_segment_is_found_or_does_not_matter() {
    let (machine, before) = closed_store();
    machine.remove("SNAPSHOT");
    let (mut found, mut harmless) = (0, 0);
    for name in machine.segments() {
        let length = machine.bytes(&name).len();
        for at in (0..length).step_by(523).chain(0..200).filter(|at| *at < length) {
            telling(&format!("byte {at} of {name}"), || {
                let damaged = machine.fork();
                damaged.flip(&name, at);
                match damaged.try_open() {
                    Ok(store) => {
                        // What no recovery has read is found by who reads it.
                        let verified = store.verify().unwrap();
                        let listed: Vec<_> = store.iter().unwrap().collect();
                        if verified.damage.is_empty() {
                            assert_eq!(shown(&store), before);
                            harmless += 1;
                        } else {
                            assert!(listed.iter().filter_map(|s| s.as_ref().err()).all(is_corrupt));
                            found += 1;
                        }
                    }
                    Err(Error::Corrupt(damage)) => {
                        assert_eq!(damage.file, name);
                        found += 1;
                        fails_closed(&shown(&damaged.salvage()), &before);
                    }
                    Err(error) => panic!("{error:?}"),
                }
            });
        }
    }
    assert!(found > 100 && harmless > 10, "{found} {harmless}");
}

fn is_corrupt(error: &Error) -> bool {
    matches!(error, Error::Corrupt(_))
}

#[test]
fn a_segment_that_was_cut_is_found_or_does_not_matter() {
    let (machine, before) = closed_store();
    machine.remove("SNAPSHOT");
    for name in machine.segments() {
        let bytes = machine.bytes(&name);
        for at in (0..bytes.len()).step_by(1531) {
            let damaged = machine.fork();
            damaged.put_bytes(&name, &bytes[..at]);
            telling(&format!("{name} cut at {at}"), || match damaged.try_open() {
                Ok(store) => assert_eq!(shown(&store), before),
                Err(Error::Corrupt(damage)) => {
                    assert_eq!(damage.file, name);
                    fails_closed(&shown(&damaged.salvage()), &before);
                }
                Err(error) => panic!("{error:?}"),
            });
        }
    }
}

#[test]
fn what_is_left_over_is_removed_and_what_is_not_ours_stays() {
    let (machine, before) = closed_store();
    let rubbish = vec![0xAB; 5000];
    let spare = machine.segments().pop().unwrap();
    machine.put_bytes("00000099.tmp", &rubbish);
    machine.put_bytes("SNAPSHOT.tmp", &rubbish);
    machine.put_bytes("STORE.tmp", &rubbish);
    machine.put_bytes("00000077.seg", &rubbish);
    machine.put_bytes("00000078.seg", &machine.bytes(&spare));
    machine.put_bytes("notes.txt", b"mine");
    let store = machine.open();
    assert_eq!(shown(&store), before);
    let names = machine.names();
    let left = |name: &str| names.iter().any(|found| found == name);
    assert!(!left("00000099.tmp") && !left("SNAPSHOT.tmp") && !left("STORE.tmp"), "{names:?}");
    assert!(!left("00000077.seg") && !left("00000078.seg") && left("notes.txt"), "{names:?}");
    assert!(store.stats().recovery.files_removed >= 5);
}

/// Sessions choose their payloads. One that holds the image of a valid record, taken from the store's own file, must
/// not become a record when the bytes before it are damaged.
#[test]
fn a_payload_that_is_the_image_of_a_record_never_counts_as_one() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("victim", Write::new("VICTIM'S OLD DATA").idle(DAY)).unwrap();
    let (name, at) = machine.find(b"VICTIM'S OLD DATA").unwrap();
    let bytes = machine.bytes(&name);
    // The whole front of the segment, at every alignment.
    for shift in 0..8 {
        let image = [vec![0; shift], bytes[..at + 64].to_vec()].concat();
        store.create(format!("attacker {shift}"), Write::new(image).idle(DAY)).unwrap();
    }
    store.destroy("victim").unwrap();
    let segment = beacon(&store, &machine, "behind");
    assert_eq!(segment, name);
    maintain(&store);
    let left = machine.crashed(CrashPolicy::DropAll);
    let first = left.find(b"VICTIM'S OLD DATA").unwrap().1;
    for damaged_at in (first..first + bytes.len().min(6000)).step_by(97) {
        let damaged = left.fork();
        damaged.flip(&name, damaged_at);
        match damaged.try_open() {
            Ok(store) => assert!(store.get("victim").unwrap().is_none()),
            Err(error) => assert!(is_corrupt(&error), "{error:?}"),
        }
        let store = damaged.salvage();
        assert!(store.get("victim").unwrap().is_none(), "flipped at {damaged_at}");
    }
}

#[test]
fn a_read_that_returns_a_flipped_bit_is_an_error_and_no_wrong_answer() {
    let machine = Machine::new();
    let store = machine.open();
    let data = vec![b'd'; 900];
    store.create("K", Write::new(data.clone())).unwrap();
    for _ in 0..200 {
        machine.sim.fail(CallKind::Read, 1, Fault::FlipBit, Times::Once);
        match store.get("K") {
            Ok(Some(session)) => assert_eq!(session.data(), data),
            Ok(None) => panic!("a damaged read is not an ended session"),
            Err(error) => assert!(is_corrupt(&error), "{error:?}"),
        }
        machine.sim.clear_faults();
    }
    assert_eq!(store.get("K").unwrap().unwrap().data(), data, "the file is unharmed");
}

#[test]
fn a_session_whose_record_is_damaged_can_still_be_ended() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("K", Write::new("K, THE RECORD").subject("alice")).unwrap();
    store.create("L", Write::new("L")).unwrap();
    let (name, at) = machine.find(b"K, THE RECORD").unwrap();
    machine.flip(&name, at);
    assert!(is_corrupt(&store.get("K").unwrap_err()));
    assert!(store.destroy("K").unwrap());
    assert!(store.get("K").unwrap().is_none());
    assert_eq!(store.get("L").unwrap().unwrap().data(), b"L");
}

/// Nobody can say of a damaged record how long it was good for; but the index can.
#[test]
fn a_session_that_has_run_out_is_not_ended_again_because_its_record_is_damaged() {
    let machine = Machine::new();
    let store = machine.open();
    for id in ["K", "L"] {
        store
            .create(id, Write::new(format!("{id}, THE RECORD").as_bytes()).subject("alice").idle(MINUTE))
            .unwrap();
        let (name, at) = machine.find(format!("{id}, THE RECORD").as_bytes()).unwrap();
        machine.flip(&name, at);
    }
    machine.clock.advance(MINUTE * 2);
    assert!(!store.destroy("K").unwrap());
    assert_eq!(store.destroy_subject("alice", None).unwrap(), 0);
    assert_eq!((store.stats().ended, store.len()), (0, 0));
}

/// "Log out everywhere else", while one's own record cannot be read: it was ended in memory, and was there again after a
/// crash, since the log had it right.
#[test]
fn a_revocation_spares_the_session_to_keep_although_its_record_is_damaged() {
    let machine = Machine::new();
    let store = machine.open();
    for id in ["K", "L"] {
        store.create(id, Write::new(format!("{id}, THE RECORD").as_bytes()).subject("alice")).unwrap();
    }
    let (name, at) = machine.find(b"K, THE RECORD").unwrap();
    machine.flip(&name, at);
    assert_eq!(store.destroy_subject("alice", Some(b"K")).unwrap(), 1);
    assert!(is_corrupt(&store.get("K").unwrap_err()), "it is there, and cannot be read");
    assert!(store.get("L").unwrap().is_none());
    assert_eq!(store.len(), 1);
}

/// A bit that flips on its way from the disk: the record was unreadable, then, looked at again, sound, and the ending said
/// that there was no such session.
#[test]
fn a_record_that_is_misread_once_is_no_reason_not_to_end_its_session() {
    let machine = Machine::new();
    let store = machine.open();
    let ids: Vec<String> = (0..40).map(|number| format!("session {number}")).collect();
    for id in &ids {
        store.create(id, Write::new(vec![b'd'; 900]).subject(id.as_str())).unwrap();
    }
    for (number, id) in ids.iter().enumerate() {
        machine.sim.fail(CallKind::Read, 1, Fault::FlipBit, Times::Once);
        if number % 2 == 0 {
            assert!(store.destroy(id).unwrap(), "{id} was there");
        } else {
            assert_eq!(store.destroy_subject(id.as_str(), None).unwrap(), 1, "{id} was there");
        }
        machine.sim.clear_faults();
    }
    assert_eq!(store.len(), 0);
    drop(store);
    assert_eq!(machine.crash(CrashPolicy::DropAll).open().len(), 0);
}

/// Whose it was nobody could read when it ran out, so the user's list went on naming its id; when the id was somebody else's
/// and could not be read either, "log out everywhere" ended it, in memory alone.
#[test]
fn a_revocation_does_not_end_what_took_the_id_of_a_session_that_could_not_be_read() {
    for new_user in [None, Some("bob")] {
        let machine = Machine::new();
        let store = machine.open();
        store.create("K", Write::new("ALICE'S RECORD").subject("alice").idle(MINUTE)).unwrap();
        let (name, at) = machine.find(b"ALICE'S RECORD").unwrap();
        machine.flip(&name, at);
        machine.clock.advance(MINUTE * 2);
        while store.maintain(HOUR).unwrap().more {}
        let write = Write::new("THE NEW RECORD");
        store.create("K", new_user.map_or(write.clone(), |user| write.clone().subject(user))).unwrap();
        let (name, at) = machine.find(b"THE NEW RECORD").unwrap();
        machine.flip(&name, at);
        assert_eq!(store.destroy_subject("alice", None).unwrap(), 0, "{new_user:?}");
        assert_eq!(store.len(), 1, "{new_user:?}");
        machine.flip(&name, at);
        assert_eq!(store.get("K").unwrap().unwrap().data(), b"THE NEW RECORD");
        assert!(store.destroy("K").unwrap(), "{new_user:?}");
    }
}
