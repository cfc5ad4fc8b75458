//! What Salvage decides must stay decided (P2, rules 12 and 14).
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use hazard::{DAY, DIR, fresh, options, roll, segments};
use sessile::vfs::Vfs;
use sessile::{Durability, ManualClock, Recovery, Store, Write};
use std::path::Path;
use std::time::Duration;

/// X is created in the first segment and destroyed, durably, in the second; the second is lost. Salvage rightly does
/// not show X. But it writes a roster without the lost segment and keeps nothing of its verdict, so the opening
/// after it, also a strict one, knows of no damage and shows X again.
#[test]
fn what_salvage_ended_stays_ended_at_the_opening_after_it() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("old").idle(30 * DAY)).unwrap();
    let names = roll(&store, &vfs, "a", 30 * DAY);
    assert!(store.destroy("X").unwrap());
    let lost = names.last().unwrap().clone();
    roll(&store, &vfs, "b", 30 * DAY);
    store.create("later", "y").unwrap();
    let vfs = vfs.fork();
    vfs.remove_file(&Path::new(DIR).join(&lost)).unwrap();
    assert!(options(&vfs, &clock).open(DIR).is_err(), "strict refuses");

    let store = options(&vfs, &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    assert!(store.get("X").unwrap().is_none(), "salvage fails closed");
    store.create("after", "z").unwrap();
    let vfs = vfs.fork();
    for recovery in [Recovery::Salvage, Recovery::Strict] {
        let world = vfs.fork();
        if let Ok(store) = options(&world, &clock).recovery(recovery).open(DIR) {
            assert!(store.get("X").unwrap().is_none(), "X was destroyed, and {recovery:?} brings it back");
        }
    }
}

/// X is anonymous, then alice's, then she logs out everywhere. The record that says that it is hers is damaged: all endings
/// are known, but nobody can tell any more that the revocation was of X. It must not be taken for another's.
#[test]
fn a_revoked_session_does_not_come_back_because_the_record_that_named_its_user_is_damaged() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("anonymous").idle(30 * DAY)).unwrap();
    store.create("before", "y").unwrap();
    store.update("X", Write::new("X BECOMES HERS").subject("alice")).unwrap();
    store.create("after", "y").unwrap();
    assert_eq!(store.destroy_subject("alice", None).unwrap(), 1);
    store.create("later", Write::new("y").idle(30 * DAY)).unwrap();
    while store.maintain(DAY).unwrap().more {}
    let vfs = vfs.fork();
    let name = segments(&vfs).remove(0);
    let bytes = vfs.read_file(&Path::new(DIR).join(&name)).unwrap();
    let at = bytes.windows(14).position(|window| window == b"X BECOMES HERS").unwrap();
    vfs.flip_bit(&Path::new(DIR).join(&name), at as u64, 3).unwrap();
    assert!(options(&vfs, &clock).open(DIR).is_err(), "strict refuses");
    for recovery in [Recovery::Salvage, Recovery::Strict] {
        let store = options(&vfs, &clock).recovery(recovery).open(DIR).unwrap();
        assert!(store.get("X").unwrap().is_none(), "X was revoked, and {recovery:?} brings it back");
        assert!(store.get("later").unwrap().is_some(), "what is above the hole stays");
    }
}

/// One flipped bit in the header of the root segment: Salvage trusts nothing below it, but puts the files aside.
#[test]
fn salvage_puts_aside_what_it_cannot_use() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("precious").idle(30 * DAY)).unwrap();
    let names = roll(&store, &vfs, "a", 30 * DAY);
    store.create("later", "y").unwrap();
    let vfs = vfs.fork();
    vfs.flip_bit(&Path::new(DIR).join(names.last().unwrap()), 40, 1).unwrap();
    let store = options(&vfs, &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    drop(store);
    let left = vfs.list(Path::new(DIR)).unwrap();
    let kept = |name: &String| left.contains(name) || left.contains(&format!("{name}.damaged"));
    assert!(names.iter().all(kept), "of {names:?} there is left {left:?}");
}

/// After a clean close with a snapshot, Salvage refuses to open where a listed file is missing.
#[test]
fn salvage_opens_although_a_snapshot_is_there() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("old").idle(30 * DAY)).unwrap();
    let names = roll(&store, &vfs, "a", 30 * DAY);
    store.create("later", "y").unwrap();
    store.close().unwrap();
    drop(store);
    vfs.remove_file(&Path::new(DIR).join(&names[0])).unwrap();
    let opened = options(&vfs, &clock).recovery(Recovery::Salvage).open(DIR);
    assert!(opened.is_ok(), "{:?}", opened.err());
}

/// The snapshot of a clean close knows sessions whose records have been damaged since. What is salvaged is what the log still
/// tells.
#[test]
fn a_snapshot_tells_salvage_nothing_of_a_damaged_log() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    for id in ["first", "damaged", "last"] {
        store.create(id, Write::new(format!("data of {id}").as_bytes()).idle(DAY)).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let path = Path::new(DIR).join(&segments(&vfs)[0]);
    let bytes = vfs.read_file(&path).unwrap();
    let at = bytes.windows(15).position(|window| window == b"data of damaged").unwrap();
    vfs.flip_bit(&path, at as u64, 3).unwrap();
    let store = options(&vfs, &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    assert_eq!(store.stats().recovery.damage.len(), 1);
    assert!(store.get("damaged").unwrap().is_none(), "its record is not there any more");
    assert!(store.len() <= 2, "{}", store.len());
}

/// One bad sector over the frame that lists a compaction's output. A later mark repeats the endings of the log, so
/// the hole is called harmless; but the output, with the stubs that nothing else holds, is off the roster.
#[test]
fn a_lost_enter_frame_brings_back_nothing() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("old").idle(30 * DAY)).unwrap();
    roll(&store, &vfs, "a", 30 * DAY);
    assert!(store.destroy("X").unwrap());
    let before = roll(&store, &vfs, "b", 30 * DAY);
    // The second segment becomes garbage, but for the stub of X; the first stays whole.
    for n in 0..100 {
        let _ = store.destroy(format!("b{n}")).unwrap();
    }
    roll(&store, &vfs, "c", 30 * DAY);
    let tail_before: Vec<_> = segments(&vfs)
        .into_iter()
        .map(|n| (n.clone(), vfs.read_file(&Path::new(DIR).join(&n)).unwrap()))
        .collect();
    clock.advance(Duration::from_secs(5));
    while store.maintain(Duration::from_secs(60)).unwrap().more {}
    let after = segments(&vfs);
    println!("before {before:?} after {after:?}; compactions {}", store.stats().compactions);
    assert!(store.stats().compactions > 0);
    // Endings after it, so that a mark repeats what a hole may have lost.
    for n in 0..3 {
        clock.advance(Duration::from_secs(2));
        store.create(format!("d{n}"), "y").unwrap();
        store.destroy(format!("d{n}")).unwrap();
    }
    let vfs = vfs.fork();
    // Find the Enter frame (kind 7) that the maintenance has written.
    let mut hit = None;
    for (name, old) in &tail_before {
        let Ok(new) = vfs.read_file(&Path::new(DIR).join(name)) else { continue };
        let mut at = old.iter().rposition(|b| *b != 0).unwrap() / 8 * 8 + 8;
        while at + 16 < new.len() {
            let length = u32::from_le_bytes(new[at + 4..at + 8].try_into().unwrap());
            if length >> 24 == 7 && length & 0xff_ffff == 64 && new[at + 20..at + 24] == [2, 0, 0, 0] {
                hit = Some((name.clone(), at));
                break;
            }
            at += 8;
        }
    }
    let (name, at) = hit.expect("an Enter frame");
    vfs.flip_bit(&Path::new(DIR).join(&name), at as u64 + 30, 3).unwrap();
    let store = options(&vfs, &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    println!("{:?}", store.stats().recovery);
    assert!(store.get("X").unwrap().is_none(), "X was destroyed, durably, and one bad sector brings it back");
}

/// Salvage writes a clear at the LSN behind the damage, in front of the records that were never synced, which it copies.
/// The first of those had that same LSN: two frames in a row with one LSN were no log, so the next opening took the copy
/// for a hole and refused, and another Salvage ended what the first had kept.
#[test]
fn a_record_right_behind_the_damage_is_kept_at_the_opening_after_it() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    let written = |data: &str| Write::new(data).idle(DAY).durability(Durability::Written);
    store.create("X", Write::new("old").idle(DAY)).unwrap();
    // An idle group: a mark alone, and durable.
    while store.maintain(DAY).unwrap().more {}
    store.flush().unwrap();
    store.create("Y", written("right behind")).unwrap();
    // The clock moves, so another mark says that the idle one was durable.
    clock.advance(Duration::from_secs(5));
    store.create("Z", written("later")).unwrap();
    let left = vfs.fork();
    let name = segments(&left).pop().unwrap();
    let path = Path::new(DIR).join(&name);
    let bytes = left.read_file(&path).unwrap();
    let data = bytes.windows(12).position(|window| window == b"right behind").unwrap();
    // Before the payload stand 48 bytes of its frame, and before those the 48 of the mark.
    left.flip_bit(&path, data as u64 - 70, 0).unwrap();
    assert!(options(&left, &clock).open(DIR).is_err(), "the mark was durable");
    let salvaged = options(&left, &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    let alive = |store: &Store| ["X", "Y", "Z"].map(|id| store.get(id).unwrap().is_some());
    assert_eq!(alive(&salvaged), [false, true, true]);
    salvaged.close().unwrap();
    drop(salvaged);
    assert_eq!(alive(&options(&left, &clock).open(DIR).unwrap()), [false, true, true]);
}

/// What a version says can be what ends its session: a shorter deadline, or the user who is then logged out. When just that
/// version is damaged away, the one before it is anonymous, or lives longer. So it ends those before it, and marks repeat that.
fn without_its_last_version(last: Write, end: impl Fn(&Store, &ManualClock)) -> bool {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("before").idle(DAY)).unwrap();
    store.update("X", last).unwrap();
    store.create("Y", Write::new("y").idle(DAY)).unwrap();
    end(&store, &clock);
    for id in ["U", "V", "W"] {
        store.create(id, Write::new("later").idle(DAY)).unwrap();
    }
    assert!(store.get("X").unwrap().is_none());
    let left = vfs.fork();
    let path = Path::new(DIR).join(segments(&left).pop().unwrap());
    let bytes = left.read_file(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == b"the last").unwrap();
    left.flip_bit(&path, at as u64, 0).unwrap();
    assert!(options(&left, &clock).open(DIR).is_err(), "the version was durable");
    let salvaged = options(&left, &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    salvaged.get("X").unwrap().is_some()
}

#[test]
fn a_user_who_was_logged_out_is_not_back_when_the_version_that_named_him_is_lost() {
    let is_back = without_its_last_version(Write::new("the last").subject("alice"), |store, _| {
        assert_eq!(store.destroy_subject("alice", None).unwrap(), 1);
    });
    assert!(!is_back);
}

#[test]
fn a_session_that_ran_out_is_not_back_when_the_version_that_shortened_it_is_lost() {
    let last = Write::new("the last").idle(Duration::from_secs(60)).shorten();
    let is_back = without_its_last_version(last, |store, clock| {
        clock.advance(Duration::from_secs(120));
        while store.maintain(DAY).unwrap().more {}
    });
    assert!(!is_back);
}
