//! Mishaps that come together: each alone is survived, and the store says what it must; two or three of them at once have
//! lost a session, or brought one back.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "common/hazard.rs"]
mod hazard;
#[path = "common/hooks.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod hooks;

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use hazard::{DAY, DIR, fresh, options, options_on, roll, segments, written};
use hooks::Interrupting;
use sessile::vfs::{CallKind, Fault, SimVfs, Times, Vfs};
use sessile::{AtLimit, Recovery, Store, Write};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn maintain(store: &Store) {
    while store.maintain(DAY).unwrap().more {}
}

fn is_there(store: &Store, id: &str) -> bool {
    store.get(id).unwrap().is_some()
}

/// Where the first frame of this kind behind these bytes begins, by its head.
fn frame_of_kind(vfs: &SimVfs, name: &str, kind: u32, behind: &[u8]) -> u64 {
    let bytes = vfs.read_file(&Path::new(DIR).join(name)).unwrap();
    let from = bytes.windows(behind.len()).position(|window| window == behind).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let fits = |at: &usize| word(at + 4) >> 24 == kind && (16..200).contains(&(word(at + 4) & 0xff_ffff));
    (from / 8 * 8..bytes.len() - 8).step_by(8).find(fits).unwrap() as u64
}

const STUB: u32 = 2;

/// Refuses new segments and uses up the one in use, reserve and all: from here on no ending can be written.
fn out_of_room(store: &Store, vfs: &SimVfs) {
    for n in 0..500 {
        store.create(format!("small {n}"), written(0)).unwrap();
    }
    vfs.fail(CallKind::Create, 1, Fault::Eio, Times::Forever);
    assert!((0..10_000).any(|n| store.create(format!("fill {n}"), written(200)).is_err()));
    assert!((0..500).any(|n| store.destroy(format!("small {n}")).is_err()));
}

/// Its frame is damaged, and the mark behind it, which repeats it, was written after the last sync: Salvage went by the
/// mark, and left it behind in the old segment.
#[test]
fn an_ending_that_only_an_unsynced_mark_repeats_stays_after_salvage() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("X, THE RECORD").idle(30 * DAY)).unwrap();
    store.create("before", Write::new("y").idle(DAY)).unwrap();
    assert!(store.destroy("X").unwrap());
    store.create("later", Write::new("y").idle(DAY)).unwrap();
    let left = vfs.fork();
    let name = segments(&left).pop().unwrap();
    let at = frame_of_kind(&left, &name, STUB, b"X, THE RECORD");
    left.flip_bit(&Path::new(DIR).join(&name), at + 20, 3).unwrap();
    assert!(options(&left, &clock).open(DIR).is_err(), "the ending was durable");
    let salvaged = options(&left, &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    assert!(!is_there(&salvaged, "X"), "Salvage knows of the ending");
    let alive = |id: &str| is_there(&salvaged, id);
    assert_eq!(["before", "later"].map(alive), [true, true]);
    for recovery in [Recovery::Strict, Recovery::Salvage] {
        let again = options(&left.fork(), &clock).recovery(recovery).open(DIR).unwrap();
        assert!(!is_there(&again, "X"), "X was destroyed, and the opening after Salvage brings it back");
        assert!(is_there(&again, "before") && is_there(&again, "later"));
    }
}

/// The ending is damaged away and only marks tell of it. By the frames that are left the segment was good for a minute, so
/// after that it was removed unread, and with it all that spoke against the session.
#[test]
fn an_ending_that_only_marks_repeat_keeps_its_segment() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("X").idle(30 * DAY)).unwrap();
    for n in 0..12 {
        store.create(format!("long {n}"), written(8 << 10)).unwrap();
    }
    roll(&store, &vfs, "brief", 60 * SECOND);
    let brief = || Write::new("THE BRIEF ONE").idle(60 * SECOND);
    store.create("a", brief()).unwrap();
    assert!(store.destroy("X").unwrap());
    for id in ["b", "c", "d"] {
        store.create(id, brief()).unwrap();
    }
    let left = vfs.fork();
    let name = segments(&left).pop().unwrap();
    let at = frame_of_kind(&left, &name, STUB, b"THE BRIEF ONE");
    left.flip_bit(&Path::new(DIR).join(&name), at + 20, 3).unwrap();
    let salvaged = options(&left, &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    assert!(!is_there(&salvaged, "X"));
    clock.advance(120 * SECOND);
    for n in 0..3 {
        maintain(&salvaged);
        salvaged.create(format!("tick {n}"), Write::new("").idle(DAY)).unwrap();
    }
    let again = options(&left.fork(), &clock).recovery(Recovery::Salvage).open(DIR).unwrap();
    assert!(!is_there(&again, "X"), "X was destroyed, and is back when what repeated that has gone");
}

/// The ending could not be written, and says so. The store is closed, and the snapshot knows that the session is gone; who
/// asks the next opening to end it is told that there is none. The log still has it.
#[test]
fn a_snapshot_does_not_hide_what_is_still_owed_to_the_log() {
    let (vfs, clock) = fresh();
    let set = |vfs: &SimVfs| options(vfs, &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject);
    let store = set(&vfs).open(DIR).unwrap();
    store.create("X", written(10)).unwrap();
    out_of_room(&store, &vfs);
    assert!(store.destroy("X").is_err(), "it says that it is not durable");
    vfs.clear_faults();
    store.close().unwrap();
    drop(store);
    let store = set(&vfs).open(DIR).unwrap();
    // It may be there, since nobody was promised anything; but who ends it now must have ended it.
    store.destroy("X").unwrap();
    assert!(!is_there(&store, "X"));
    let again = set(&vfs.fork()).open(DIR).unwrap();
    assert!(!is_there(&again, "X"), "its ending was acknowledged");
}

/// A touch stands in a segment that is rewritten while the record that it extends is misread: what cannot be read was taken
/// for a session that is gone, and the touch dropped.
#[test]
fn a_misread_record_does_not_lose_its_touch_to_compaction() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("K", Write::new(vec![b'k'; 960]).idle(2 * HOUR)).unwrap();
    roll(&store, &vfs, "long", 30 * DAY);
    clock.advance(HOUR);
    store.touch("K", 2 * HOUR).unwrap();
    roll(&store, &vfs, "brief", 60 * SECOND);
    clock.advance(120 * SECOND);
    store.create("tick", Write::new("").idle(30 * DAY)).unwrap();
    vfs.fail_named("00000001.seg", CallKind::Read, 1, Fault::FlipBit, Times::N(3));
    maintain(&store);
    assert!(vfs.struck().iter().any(|(kind, _, _)| *kind == CallKind::Read));
    vfs.clear_faults();
    assert!(is_there(&store, "K"));
    store.flush().unwrap();
    clock.advance(HOUR + 600 * SECOND);
    assert!(is_there(&store, "K"));
    let again = options(&vfs.fork(), &clock).open(DIR).unwrap();
    assert!(is_there(&again, "K"), "it was used an hour ago, and that was logged and synced");
}

/// A record too long for its hint to say how long is asked itself, at opening, and misread: no live bytes were counted, and
/// the segment, good for nothing else, was removed with the session in it, which a touch had carried on.
#[test]
fn a_long_record_that_is_misread_at_opening_keeps_its_segment() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("K", written(40_000).idle(600 * SECOND)).unwrap();
    roll(&store, &vfs, "brief", 60 * SECOND);
    clock.advance(300 * SECOND);
    store.touch("K", 3 * HOUR).unwrap();
    roll(&store, &vfs, "long", 30 * DAY);
    store.create("last", Write::new("").idle(30 * DAY)).unwrap();
    let mut opened = 0;
    for nth in 1..30 {
        let world = vfs.fork();
        let clock = sessile::ManualClock::at_ms(1_000_000 + 300_000);
        world.fail_named("00000001.seg", CallKind::Read, nth, Fault::FlipBit, Times::Once);
        let Ok(store) = options(&world, &clock).open(DIR) else { continue };
        opened += 1;
        world.clear_faults();
        for _ in 0..4 {
            clock.advance(600 * SECOND);
            maintain(&store);
            store.set("tick", Write::new("").idle(30 * DAY)).unwrap();
        }
        assert!(matches!(store.get("K"), Ok(Some(_))), "after a misread in call {nth}: {:?}", store.get("K"));
    }
    assert!(opened > 3);
}

/// Sessions expire while the disk is so full that the log cannot be told the time. With room again it must be: else a clock
/// that is set back finds them alive.
#[test]
fn an_expiry_that_could_not_be_marked_is_marked_when_there_is_room() {
    let (vfs, clock) = fresh();
    let set = |vfs: &SimVfs| options(vfs, &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject);
    let store = set(&vfs).open(DIR).unwrap();
    for n in 0..200 {
        store.create(format!("brief {n}"), written(0).idle((10 + n) * SECOND)).unwrap();
    }
    store.create("X", written(10).idle(300 * SECOND)).unwrap();
    vfs.fail(CallKind::Create, 1, Fault::Eio, Times::Forever);
    assert!((0..10_000).any(|n| store.create(format!("fill {n}"), written(200)).is_err()));
    // Each second somebody's time is up, and the log is told the time, until there is no room for that.
    let met: Vec<_> = (0..320)
        .map(|_| {
            clock.advance(SECOND);
            store.maintain(DAY).map(|done| done.expired)
        })
        .collect();
    assert!(!is_there(&store, "X"));
    vfs.clear_faults();
    for _ in 0..3 {
        maintain(&store);
    }
    store.flush().unwrap();
    clock.set_wall_ms(1_005_000);
    let again = set(&vfs.fork()).open(DIR).unwrap();
    assert!(
        !is_there(&again, "X"),
        "it had expired ({:?}), and the log was flushed with room enough",
        met.last()
    );
}

/// Somebody logs out, which cannot be written, while somebody else is about to log in under that very id. The new session
/// knew nothing of the debt, and when it was paid, it was the new session that ended.
#[test]
fn a_debt_is_not_paid_with_the_session_that_was_rotated_to_its_id_meanwhile() {
    let (sim, clock) = fresh();
    let vfs = Interrupting::default();
    let set = options_on(vfs.over(&sim), &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject);
    let store = set.open(DIR).unwrap();
    store.create("from", written(10)).unwrap();
    store.create("to", written(11)).unwrap();
    out_of_room(&store, &sim);
    sim.clear_faults();
    sim.fail(CallKind::Create, 1, Fault::Eio, Times::Once);
    let (rotating, rotated) = mpsc::channel();
    let other = store.clone();
    vfs.before(CallKind::Create, 1, move || {
        // It waits for the id that is being destroyed.
        std::thread::spawn(move || rotating.send(other.rotate("from", "to", None).map(drop)).unwrap());
        std::thread::sleep(Duration::from_millis(200));
    });
    assert!(store.destroy("to").is_err(), "nothing could be written");
    let rotated = rotated.recv().unwrap();
    assert!(rotated.is_ok(), "{rotated:?}");
    maintain(&store);
    store.flush().unwrap();
    assert!(is_there(&store, "to"));
    let again = options(&sim.fork(), &clock).open(DIR).unwrap();
    assert!(is_there(&again, "to"), "the rotate was acknowledged");
    assert!(!is_there(&again, "from"));
}

/// Logging out everywhere when nothing can be written, and one session's record is misread: the debt was noted for an id that
/// nobody has, and paid.
#[test]
fn a_revocation_that_is_owed_for_a_misread_record_is_not_called_durable() {
    let (vfs, clock) = fresh();
    let set = |vfs: &SimVfs| options(vfs, &clock).segment_bytes(256 << 10).at_limit(AtLimit::Reject);
    let store = set(&vfs).open(DIR).unwrap();
    store.create("X", Write::new(vec![b'x'; 960]).idle(DAY).subject("alice")).unwrap();
    out_of_room(&store, &vfs);
    vfs.fail(CallKind::Read, 1, Fault::FlipBit, Times::Once);
    assert!(store.destroy_subject("alice", None).is_err());
    assert!(vfs.struck().iter().any(|(kind, _, _)| *kind == CallKind::Read));
    vfs.clear_faults();
    maintain(&store);
    assert!(!is_there(&store, "X"));
    let again = store.destroy_subject("alice", None);
    let there = is_there(&set(&vfs.fork()).open(DIR).unwrap(), "X");
    assert!(again.is_err() || !there, "{again:?}, and X is back");
}

/// Logging out everywhere while compaction moves the session's record, which was misread: where it had gone was asked of the
/// record, which is of no use to who does not know whose it is.
#[test]
fn a_misread_session_is_revoked_although_compaction_moves_it() {
    let (sim, clock) = fresh();
    let vfs = Interrupting::default();
    let store = options_on(vfs.over(&sim), &clock).open(DIR).unwrap();
    store.create("X", Write::new(vec![b'x'; 960]).idle(DAY).subject("alice")).unwrap();
    roll(&store, &sim, "brief", 60 * SECOND);
    clock.advance(120 * SECOND);
    store.create("tick", Write::new("").idle(DAY)).unwrap();
    let (entered, has_entered) = mpsc::channel();
    let (appending, is_appending) = mpsc::channel();
    let hooks = vfs.clone();
    // Once the output is complete, the next sync is that of the frame that lists it; what follows moves the index.
    vfs.before(CallKind::Rename, 1, move || {
        let hooks_then = hooks.clone();
        hooks.before(CallKind::Sync, 1, move || {
            hooks_then.before(CallKind::Write, 1, move || {
                appending.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(200));
            });
            entered.send(()).unwrap();
            is_appending.recv().unwrap();
        });
    });
    let other = store.clone();
    let compaction = std::thread::spawn(move || maintain(&other));
    has_entered.recv().unwrap();
    sim.fail_named("00000001.seg", CallKind::Read, 1, Fault::FlipBit, Times::Once);
    let ended = store.destroy_subject("alice", None);
    compaction.join().unwrap();
    assert_eq!(ended.unwrap(), 1);
    assert!(sim.struck().iter().any(|(kind, _, _)| *kind == CallKind::Read), "nothing was misread");
    assert!(store.stats().compactions > 0);
    sim.clear_faults();
    assert!(!is_there(&store, "X"), "its user was logged out everywhere, durably");
}

/// The end of the log is read twice at an opening, and one reading lies. What the first showed and the second did not was left
/// out without a word, an ending too; what the first did not show, and no mark stood behind, was taken for the end of the log.
#[test]
fn an_end_of_the_log_that_is_misread_once_loses_nothing_and_brings_nothing_back() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).segment_bytes(256 << 10).open(DIR).unwrap();
    store.create("gone", Write::new(vec![1; 30_000]).idle(DAY)).unwrap();
    store.create("first", Write::new(vec![2; 30_000]).idle(DAY)).unwrap();
    assert!(store.destroy("gone").unwrap());
    store.create("last", Write::new(vec![3; 120_000]).idle(DAY)).unwrap();
    let mut opened = 0;
    for nth in 1..12 {
        for round in 0..12 {
            let world = vfs.fork();
            // Each world's dice have fallen differently.
            world.fail(CallKind::Read, 1, Fault::FlipBit, Times::N(round));
            for _ in 0..round {
                let _ = world.open(&Path::new(DIR).join("STORE"), false).unwrap().read_at(&mut [0; 64], 0);
            }
            world.clear_faults();
            world.fail_named("00000001.seg", CallKind::Read, nth, Fault::FlipBit, Times::Once);
            let Ok(store) = options(&world, &clock).open(DIR) else { continue };
            opened += 1;
            world.clear_faults();
            let alive = ["gone", "first", "last"].map(|id| is_there(&store, id));
            assert_eq!(alive, [false, true, true], "after a misread in call {nth}");
        }
    }
    assert!(opened > 20, "{opened}");
}

/// The process dies when the log has gone on in another segment and nothing of that was synced. One bit of that segment's header
/// is misread at the next opening, which took it for one that had never been written.
#[test]
fn a_header_that_is_misread_once_loses_nothing_that_was_written() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    let mut count = 0;
    while segments(&vfs).len() < 2 {
        store.create(format!("{count}"), written(8 << 10)).unwrap();
        count += 1;
    }
    store.create("last", written(100)).unwrap();
    for nth in 1..4 {
        let world = vfs.fork();
        world.fail_named("00000002.seg", CallKind::Read, nth, Fault::FlipBit, Times::Once);
        let Ok(store) = options(&world, &clock).open(DIR) else { continue };
        world.clear_faults();
        assert_eq!(store.len(), count + 1, "after a misread in call {nth}");
    }
}
