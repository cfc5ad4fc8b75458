//! After a failed write or sync the store latches: one error for every later write, reads go on, an ending still takes
//! effect in memory and says so, and opening again loses nothing that was acknowledged. A full disk is no such failure.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::machine::{DAY, HOUR, MINUTE, Machine, SEGMENT_BYTES, maintain, roll};
use sessile::vfs::{CallKind, CrashPolicy, Fault, Times};
use sessile::{AtLimit, Durability, Error, Event, Full, Observer, Store, Write};

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Observer for Heard {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// A store with a session of each kind, durably.
fn furnished(machine: &Machine) -> (Store, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let store = machine.options().observer(Arc::clone(&heard) as Arc<dyn Observer>).open("/store").unwrap();
    for number in 0..6 {
        let write = Write::new(format!("data {number}").into_bytes());
        let write = if number < 2 { write.subject("alice") } else { write };
        store.create(format!("id {number}"), write).unwrap();
    }
    store.create("short", Write::new("short").idle(MINUTE)).unwrap();
    (store, heard)
}

fn data_of(store: &Store, id: &str) -> Option<Vec<u8>> {
    store.get(id).unwrap().map(sessile::Session::into_data)
}

fn latched_in_memory<T: std::fmt::Debug>(done: Result<T, Error>) {
    assert!(matches!(done, Err(Error::Latched { in_memory: true, .. })), "{done:?}");
}

fn latched<T: std::fmt::Debug>(done: Result<T, Error>) {
    assert!(matches!(done, Err(Error::Latched { in_memory: false, .. })), "{done:?}");
}

/// Everything that a latched store still does and does not.
fn check_latched(store: &Store, heard: &Heard) {
    assert!(store.stats().latched.is_some());
    assert!(heard.0.lock().unwrap().iter().any(|event| matches!(event, Event::Latched { .. })));
    latched(store.create("new", "new"));
    latched(store.update("id 2", "new"));
    latched(store.set("id 2", "new"));
    latched(store.touch("id 2", DAY * 5));
    assert_eq!(data_of(store, "id 2").unwrap(), b"data 2", "reads go on, and no write took effect");
    assert_eq!(store.sessions_of("alice").unwrap().count(), 2);
    latched_in_memory(store.destroy("id 2"));
    assert_eq!(data_of(store, "id 2"), None);
    latched_in_memory(store.rotate("id 3", "id 3 anew", None));
    assert_eq!(data_of(store, "id 3"), None);
    latched_in_memory(store.destroy_subject("alice", None));
    assert_eq!(store.sessions_of("alice").unwrap().count(), 0);
    assert_eq!(data_of(store, "id 4").unwrap(), b"data 4");
    latched_in_memory(store.clear());
    assert_eq!(store.iter().unwrap().count(), 0);
    assert!(store.maintain(HOUR).is_err());
    assert!(store.close().is_err(), "not everything could be made durable");
    assert!(matches!(store.get("id 2"), Err(Error::Closed)));
}

/// What was acknowledged before the failure is there afterwards, whether the machine lives or not.
fn check_reopened(machine: &Machine) {
    for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll, CrashPolicy::Random(3)] {
        let machine = machine.crashed(policy);
        let store = machine.open();
        for number in 0..6 {
            assert_eq!(
                data_of(&store, &format!("id {number}")).unwrap(),
                format!("data {number}").as_bytes()
            );
        }
        store.create("after", "after").unwrap();
        assert!(store.verify().unwrap().damage.is_empty());
        // What recovery took from the page cache it has made durable itself.
        assert_eq!(data_of(&machine.crashed(CrashPolicy::DropAll).open(), "after").unwrap(), b"after");
    }
}

#[test]
fn a_sync_that_fails_once_latches() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let machine = Machine::new();
        let (store, heard) = furnished(&machine);
        machine.sim.fail(CallKind::Sync, 1, fault, Times::Once);
        latched(store.update("id 5", "not durable"));
        // The write is in the page cache, and so says the reader; nobody was told that it is safe.
        assert_eq!(data_of(&store, "id 5").unwrap(), b"not durable");
        let syncs = machine.sim.count(CallKind::Sync);
        check_latched(&store, &heard);
        assert_eq!(machine.sim.count(CallKind::Sync), syncs, "a failed sync is never retried");
        drop(store);
        let left = machine.crashed(CrashPolicy::DropAll);
        let store = left.open();
        assert_eq!(data_of(&store, "id 5").unwrap(), b"data 5");
        // The page cache still shows the write; whatever recovery makes of that survives the next power loss.
        let store = machine.open();
        let shown = data_of(&store, "id 5");
        assert_eq!(data_of(&machine.crashed(CrashPolicy::DropAll).open(), "id 5"), shown);
    }
}

#[test]
fn an_ending_whose_sync_fails_has_ended_in_memory_and_says_so() {
    for ending in 0..4 {
        let machine = Machine::new();
        let (store, _) = furnished(&machine);
        machine.sim.fail(CallKind::Sync, 1, Fault::Eio, Times::Once);
        match ending {
            0 => latched_in_memory(store.destroy("id 0")),
            1 => latched_in_memory(store.destroy_subject("alice", None)),
            2 => latched_in_memory(store.rotate("id 0", "id 0 anew", None)),
            _ => latched_in_memory(store.clear()),
        }
        assert_eq!(data_of(&store, "id 0"), None, "ending {ending}");
    }
}

/// A session runs out, and its record cannot be read just then: nobody knows how many bytes died with it. A snapshot carried
/// on that they were alive, for ever, so that no segment that held them could be removed unread.
#[test]
fn bytes_that_died_unseen_are_counted_anew_at_the_next_opening() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("K", Write::new(vec![7; 2000]).idle(MINUTE)).unwrap();
    let machine = machine.crash(CrashPolicy::KeepAll);
    drop(store);
    let store = machine.open();
    machine.clock.advance(MINUTE * 2);
    store.confirm_clock().unwrap();
    machine.sim.fail(CallKind::Read, 1, Fault::Eio, Times::Forever);
    let _ = store.maintain(HOUR);
    assert_eq!(store.len(), 0, "it has run out all the same");
    machine.sim.clear_faults();
    store.close().unwrap();
    drop(store);
    assert_eq!(machine.open().stats().live_bytes, 0);
}

/// Whoever logs out a second time, after an error, must not be told that it is done: the first ending is in memory alone.
#[test]
fn an_ending_that_is_not_durable_is_not_acknowledged_to_who_asks_again() {
    for ending in 0..4 {
        let machine = Machine::new();
        let (store, _) = furnished(&machine);
        machine.sim.fail(CallKind::Write, 1, Fault::Eio, Times::Once);
        match ending {
            0 => latched_in_memory(store.destroy("id 0")),
            1 => latched_in_memory(store.destroy_subject("alice", None)),
            2 => latched_in_memory(store.rotate("id 0", "id 0 anew", None)),
            _ => latched_in_memory(store.clear()),
        }
        latched_in_memory(store.destroy("id 0"));
        if ending == 1 {
            latched_in_memory(store.destroy_subject("alice", None));
        }
        drop(store);
        let store = machine.crash(CrashPolicy::DropAll).open();
        assert!(data_of(&store, "id 0").is_some(), "ending {ending} was not durable");
    }
}

/// A touch that could not be logged has moved the deadline in memory; the next one finds nothing to log, and must not be
/// told that its session lives that long.
#[test]
fn a_touch_after_one_that_could_not_be_logged_is_not_acknowledged() {
    let machine = Machine::new();
    let (store, _) = furnished(&machine);
    machine.sim.fail(CallKind::Write, 1, Fault::Eio, Times::Once);
    latched(store.touch("short", HOUR));
    latched(store.touch("short", MINUTE * 30));
    assert!(data_of(&store, "short").is_some());
}

#[test]
fn a_write_that_fails_latches_and_nothing_is_appended_behind_it() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let machine = Machine::new();
        let (store, heard) = furnished(&machine);
        machine.sim.fail(CallKind::Write, 1, fault, Times::Once);
        latched(store.update("id 5", "never written"));
        assert_eq!(data_of(&store, "id 5").unwrap(), b"data 5");
        check_latched(&store, &heard);
        drop(store);
        check_reopened(&machine);
    }
}

#[test]
fn a_rotate_whose_write_fails_ends_the_old_id_in_memory() {
    let machine = Machine::new();
    let (store, _) = furnished(&machine);
    machine.sim.fail(CallKind::Write, 1, Fault::Eio, Times::Once);
    latched_in_memory(store.rotate("id 0", "id 0 anew", None));
    assert!(data_of(&store, "id 0").is_none() && data_of(&store, "id 0 anew").is_none());
}

#[test]
fn short_writes_and_interrupts_are_no_failures() {
    let machine = Machine::new();
    let (store, _) = furnished(&machine);
    machine.sim.fail(CallKind::Write, 1, Fault::ShortWrite, Times::Once);
    machine.sim.fail(CallKind::Write, 2, Fault::Interrupted, Times::Once);
    store.update("id 0", Write::new(vec![7; 3000])).unwrap();
    machine.sim.fail(CallKind::Read, 1, Fault::ShortRead, Times::N(2));
    assert_eq!(data_of(&store, "id 0").unwrap(), vec![7; 3000]);
    assert_eq!(data_of(&machine.crashed(CrashPolicy::DropAll).open(), "id 0").unwrap(), vec![7; 3000]);
}

/// Any one call of any kind fails, whatever the store is doing: no panic, and nothing acknowledged is lost.
#[test]
fn any_call_may_fail_once() {
    for fault in [Fault::Eio, Fault::Enospc] {
        for nth in 1..120 {
            let machine = Machine::new();
            let (store, _) = furnished(&machine);
            roll(&store, &machine, "short", MINUTE);
            machine.clock.advance(MINUTE * 2);
            let mut acknowledged = Vec::new();
            machine.sim.fail_any(nth, fault, Times::Once);
            for number in 0..12 {
                let id = format!("late {number}");
                if store.create(&id, Write::new(vec![b'l'; 4000])).is_ok() {
                    acknowledged.push(id);
                }
                if number % 5 == 0 {
                    let _ = store.maintain(HOUR);
                }
            }
            let destroyed = matches!(store.destroy("id 1"), Ok(true));
            let _ = store.close();
            drop(store);
            machine.sim.clear_faults();
            for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll] {
                let store = machine.crashed(policy).open();
                for id in &acknowledged {
                    assert!(
                        data_of(&store, id).is_some(),
                        "{id} is lost after {fault:?} at call {nth}, {policy:?}"
                    );
                }
                assert!(data_of(&store, "id 0").is_some());
                assert!(
                    !destroyed || data_of(&store, "id 1").is_none(),
                    "{fault:?} at call {nth}, {policy:?}"
                );
                assert!(store.verify().unwrap().damage.is_empty(), "{fault:?} at call {nth}");
            }
        }
    }
}

/// Opening fails at any one call: an error or a success, and the next opening finds everything.
#[test]
fn any_call_of_an_opening_may_fail_once() {
    let machine = Machine::new();
    let (store, _) = furnished(&machine);
    roll(&store, &machine, "short", MINUTE);
    store.update("id 3", Write::new("data 3").durability(Durability::Written)).unwrap();
    for clean in [false, true] {
        if clean {
            store.close().unwrap();
        }
        for nth in 1.. {
            let trial = machine.fork();
            trial.sim.fail_any(nth, Fault::Eio, Times::Once);
            let opened = trial.try_open();
            let struck = trial.sim.fork();
            drop(opened);
            trial.sim.clear_faults();
            check_reopened(&trial);
            drop(struck);
            if nth > 90 {
                break;
            }
        }
    }
}

/// No room for another segment is met before a record is written, so nothing latches, and endings go on.
#[test]
fn a_full_disk_refuses_writes_and_lets_endings_through() {
    let machine = Machine::new();
    let store = machine.options().at_limit(AtLimit::Reject).open("/store").unwrap();
    for number in 0..40 {
        store.create(format!("id {number}"), Write::new(vec![b'd'; 600]).subject("alice").idle(DAY)).unwrap();
    }
    let mut ids = 0;
    machine.sim.set_capacity(Some(0));
    let refused = loop {
        match store.create(format!("filler {ids}"), Write::new(vec![b'f'; 3000]).subject("bob").idle(DAY)) {
            Ok(_) => ids += 1,
            Err(error) => break error,
        }
        assert!(ids < 200, "the disk is never full");
    };
    assert!(matches!(refused, Error::Full(Full::FileSystem)), "{refused:?}");
    assert!(store.stats().latched.is_none(), "a full disk is no failure");
    for number in 0..20 {
        assert!(store.destroy(format!("id {number}")).unwrap());
    }
    assert_eq!(store.destroy_subject("bob", None).unwrap(), ids);
    let rest = store.crashed(&machine);
    assert_eq!(rest, 20);
    machine.sim.set_capacity(None);
    maintain(&store);
    store.create("after", "after").unwrap();
    assert_eq!(store.crashed(&machine), 21);
}

trait Crashed {
    /// How many sessions a power loss would leave.
    fn crashed(&self, machine: &Machine) -> usize;
}

impl Crashed for Store {
    fn crashed(&self, machine: &Machine) -> usize {
        let machine = machine.crashed(CrashPolicy::DropAll);
        machine.sim.set_capacity(None);
        let found = machine.open().iter().unwrap().count();
        assert_eq!(found, self.iter().unwrap().count());
        found
    }
}

#[test]
fn a_disk_limit_evicts_the_anonymous_and_never_a_login() {
    let machine = Machine::new();
    let store = machine.options().disk_bytes_max(SEGMENT_BYTES * 6).open("/store").unwrap();
    store.create("login", Write::new("login").subject("alice").idle(DAY)).unwrap();
    for number in 0..400 {
        let done = store.create(format!("bot {number}"), Write::new(vec![b'b'; 3000]).idle(HOUR));
        done.unwrap();
    }
    assert!(store.stats().evicted > 0);
    assert!(data_of(&store, "login").is_some());
    assert!(machine.segments().len() <= 7, "{:?}", machine.segments());
    assert!(data_of(&machine.crashed(CrashPolicy::DropAll).open(), "login").is_some());
}

/// However many endings are written into a full store, what reclaims their space still can be.
#[test]
fn endings_in_a_full_store_do_not_take_the_room_that_reclaiming_needs() {
    let machine = Machine::new();
    let options = machine.options().disk_bytes_max(SEGMENT_BYTES * 6).at_limit(AtLimit::Reject);
    let store = options.open("/store").unwrap();
    let mut ids = 0;
    let refused = loop {
        match store.create(format!("login {ids}"), Write::new(vec![b'l'; 1000]).subject("alice").idle(DAY)) {
            Ok(_) => ids += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Full(Full::DiskBytes)), "{refused:?}");
    let durable = (0..ids).take_while(|id| store.destroy(format!("login {id}")).is_ok()).count();
    assert!(durable >= 20, "{durable} endings fit the reserve");
    for id in 0..ids {
        let _ = store.destroy(format!("login {id}"));
    }
    assert_eq!(store.iter().unwrap().count(), 0);
    maintain(&store);
    store.create("after", "after").unwrap();
    assert!(machine.segments().len() <= 3, "{:?}", machine.segments());
}
