//! Who listens hears of every session whose time has run out, at least once, whatever happens to the process in between.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on has failed"
)]

#[path = "common/listening.rs"]
mod listening;
#[path = "expiry_is_told_at_least_once/lives.rs"]
mod lives;
#[path = "expiry_is_told_at_least_once/mishaps.rs"]
mod mishaps;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use listening::{Bench, HOUR, SECOND, all, handles};
use sessile::vfs::{CallKind, CrashPolicy, Fault, SimVfs, Times};
use sessile::{
    AtLimit, Durability, Error, Event, Events, Handle, Observer, SessionEvent, Store, Touched, Write,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Whose expiry he is told, once or more.
fn expired(events: &mut Events) -> BTreeSet<Handle> {
    listening::expired(events).into_iter().collect()
}

/// Fills segments with what dies at once, so that compaction has work.
fn churn(store: &Store, name: &str) {
    for n in 0..60 {
        let id = format!("{name} {n}");
        store.create(&id, vec![7; 4000]).unwrap();
        store.destroy(&id).unwrap();
    }
}

#[test]
fn what_nobody_has_taken_is_told_by_the_next_opening() {
    let mut bench = Bench::new();
    let store = bench.store();
    let events = store.events().unwrap();
    store.create("a", Write::new("x").idle(HOUR).subject("alice")).unwrap();
    store.create("b", Write::new("x").idle(HOUR * 9)).unwrap();
    bench.pass(&store, HOUR);
    assert_eq!(store.stats().expired, 1);
    drop(events);
    bench.crash(store);
    let store = bench.store();
    assert!(store.get("a").unwrap().is_none(), "it is over all the same");
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    let told: Vec<_> = all(&mut events);
    let (handle, subject) = (store.handle_of("a").unwrap(), store.subject_digest("alice").ok());
    assert!(!told.is_empty() && told.iter().all(|told| *told == SessionEvent::Expired { handle, subject }));
}

#[test]
fn what_somebody_had_taken_and_not_dealt_with_is_told_again_and_then_no_more() {
    let mut bench = Bench::new();
    let store = bench.store();
    let mut events = store.events().unwrap();
    store.create("a", "x").unwrap();
    assert_eq!(all(&mut events).len(), 1);
    bench.pass(&store, HOUR);
    assert!(matches!(events.try_next(), Some(SessionEvent::Expired { .. })));
    bench.crash(store);
    let store = bench.store();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    assert_eq!(expired(&mut events), handles(&store, &["a"]), "he died with it in his hands");
    store.close().unwrap();
    let store = bench.store();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    assert_eq!(all(&mut events), [], "he asked for the next one");
}

#[test]
fn a_listener_who_goes_without_asking_for_more_leaves_what_he_took_last_to_the_next() {
    let bench = Bench::new();
    let store = bench.store();
    let mut first = store.events().unwrap();
    store.create("a", "x").unwrap();
    store.create("b", "x").unwrap();
    assert!(first.try_next().is_some() && first.try_next().is_some());
    drop(first);
    let mut second = store.events().unwrap();
    let told: Vec<_> = all(&mut second).iter().map(|event| event.handle().unwrap()).collect();
    assert_eq!(told, [store.handle_of("b").unwrap()]);
}

#[test]
fn compaction_removes_no_record_whose_end_was_not_told() {
    let mut bench = Bench::new();
    let store = bench.store();
    let mut events = store.events().unwrap();
    store.create("a", Write::new("x").idle(HOUR)).unwrap();
    churn(&store, "before");
    assert!(!all(&mut events).is_empty());
    bench.pass(&store, HOUR);
    churn(&store, "after");
    let removed = store.maintain(HOUR).unwrap();
    assert!(removed.segments_removed + removed.segments_compacted > 0, "{removed:?}");
    for _ in 0..5 {
        bench.pass(&store, HOUR);
    }
    bench.crash(store);
    let store = bench.store();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    assert_eq!(expired(&mut events), handles(&store, &["a"]));
}

#[test]
fn an_id_that_is_used_again_hides_no_end() {
    let mut bench = Bench::new();
    let store = bench.store();
    let _events = store.events().unwrap();
    store.create("id", Write::new("old").idle(HOUR)).unwrap();
    bench.clock.advance(HOUR);
    store.create("id", Write::new("new").idle(HOUR * 9)).unwrap();
    bench.crash(store);
    let store = bench.store();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    assert_eq!(expired(&mut events), handles(&store, &["id"]));
    assert_eq!(store.get("id").unwrap().unwrap().data(), b"new");
}

#[test]
fn a_revocation_and_a_clear_hide_no_end() {
    for clear in [false, true] {
        let mut bench = Bench::new();
        let store = bench.store();
        let _events = store.events().unwrap();
        store.create("old", Write::new("x").idle(HOUR).subject("alice")).unwrap();
        store.create("young", Write::new("x").idle(HOUR * 9).subject("alice")).unwrap();
        bench.clock.advance(HOUR);
        assert_eq!(if clear { store.clear() } else { store.destroy_subject("alice", None) }.unwrap(), 1);
        bench.crash(store);
        let store = bench.store();
        let mut events = store.events().unwrap();
        bench.pass(&store, SECOND);
        let told = all(&mut events);
        let old = store.handle_of("old").unwrap();
        assert!(
            told.iter().any(|event| event.is_end() && event.handle().is_none_or(|it| it == old)),
            "{told:?}"
        );
    }
}

/// A coalesced touch is known to memory alone. Whoever has been told everything up to now has not been told of this session,
/// which by the log ran out a minute ago.
#[test]
fn what_only_memory_knew_to_be_alive_is_told() {
    let mut bench = Bench::new();
    let store = bench.store();
    let mut events = store.events().unwrap();
    store.create("touched", Write::new("x").idle(HOUR)).unwrap();
    store.create("other", Write::new("x").idle(HOUR + SECOND * 5)).unwrap();
    bench.pass(&store, SECOND * 30);
    assert_eq!(store.touch("touched", HOUR).unwrap(), Touched::Coalesced);
    bench.pass(&store, HOUR - SECOND * 20);
    assert_eq!(expired(&mut events), handles(&store, &["other"]));
    assert!(store.get("touched").unwrap().is_some());
    store.flush().unwrap();
    bench.crash(store);
    let store = bench.store();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    assert!(expired(&mut events).contains(&store.handle_of("touched").unwrap()));
}

/// The full disk has refused a touch: the log is behind by hours, and what everybody was told says nothing of it.
#[test]
fn what_the_full_disk_kept_from_the_log_is_told() {
    let mut bench = Bench::new();
    let options = |bench: &Bench| {
        bench.options().eager_compaction(false).at_limit(AtLimit::Reject).segment_bytes(256 << 10)
    };
    let store = options(&bench).open("/store").unwrap();
    let mut events = store.events().unwrap();
    store.create("user", Write::new("x").idle(HOUR).subject("alice")).unwrap();
    store.create("other", Write::new("x").idle(HOUR + MINUTE)).unwrap();
    store.flush().unwrap();
    bench.sim.set_capacity(Some(0));
    let filler = |bytes| Write::new(vec![7; bytes]).idle(HOUR * 99).durability(Durability::Written);
    for bytes in [2000, 200, 0, 0] {
        let _ = (0..100_000).find(|n| store.create(format!("{bytes} {n}"), filler(bytes)).is_err());
    }
    let refused = (4..40).map(|hours| store.touch("user", HOUR * hours)).find(Result::is_err);
    assert!(matches!(refused, Some(Err(Error::Full(_)))), "{refused:?}");
    bench.clock.advance(HOUR * 2);
    let _ = store.maintain(HOUR);
    assert!(expired(&mut events).contains(&store.handle_of("other").unwrap()));
    let _ = (store.maintain(HOUR), store.flush());
    assert!(store.get("user").unwrap().is_some());
    bench.sim.set_capacity(None);
    bench.crash(store);
    let store = options(&bench).open("/store").unwrap();
    store.confirm_clock().unwrap();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    let told = expired(&mut events).contains(&store.handle_of("user").unwrap());
    assert!(told || store.get("user").unwrap().is_some());
    bench.pass(&store, HOUR * 40);
    assert!(told || expired(&mut events).contains(&store.handle_of("user").unwrap()));
}

/// The record says that it ran out long ago; touches have carried it on, and they stand in other segments.
#[test]
fn a_session_that_was_long_in_use_is_told() {
    let mut bench = Bench::new();
    let store = bench.store();
    let mut events = store.events().unwrap();
    store.create("a", Write::new("x").idle(HOUR)).unwrap();
    for n in 0..40 {
        bench.pass(&store, MINUTE * 30);
        store.touch("a", HOUR).unwrap();
        churn(&store, &format!("{n}"));
        all(&mut events);
    }
    bench.pass(&store, HOUR);
    assert!(store.get("a").unwrap().is_none());
    bench.crash(store);
    let store = bench.store();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    assert!(expired(&mut events).contains(&store.handle_of("a").unwrap()));
}

#[test]
fn after_a_clean_close_the_snapshot_is_used_and_nothing_is_lost() {
    let bench = Bench::new();
    let store = bench.store();
    let _events = store.events().unwrap();
    store.create("a", Write::new("x").idle(HOUR)).unwrap();
    bench.pass(&store, HOUR);
    store.close().unwrap();
    let store = bench.store();
    assert!(store.stats().recovery.from_snapshot);
    let mut events = store.events().unwrap();
    assert_eq!(expired(&mut events), handles(&store, &["a"]));
}

/// Also the events that were not taken come after those of the process before.
#[test]
fn one_opening_after_another_forgets_nothing() {
    let mut bench = Bench::new();
    for n in 0..6 {
        let store = bench.store();
        if n == 0 {
            drop(store.events().unwrap());
        }
        store.create(format!("{n}"), Write::new("x").idle(MINUTE)).unwrap();
        bench.pass(&store, HOUR);
        if n % 2 == 0 { store.close().unwrap() } else { bench.crash(store) }
    }
    let store = bench.store();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    assert_eq!(expired(&mut events), handles(&store, &["0", "1", "2", "3", "4", "5"]));
    assert_eq!(events.missed(), 0);
}

/// A crowd runs out at the same moment; the ring would hold a fifth of it.
#[test]
fn a_listener_who_keeps_up_misses_nothing_of_a_crowd() {
    let mut bench = Bench::new();
    let options = |bench: &Bench| bench.options().segment_bytes(1 << 20);
    let store = options(&bench).open("/store").unwrap();
    let mut events = store.events().unwrap();
    for n in 0..20_000 {
        store
            .create(format!("{n}"), Write::new("x").idle(HOUR).durability(sessile::Durability::Written))
            .unwrap();
        all(&mut events);
    }
    bench.clock.advance(HOUR);
    let mut told = BTreeSet::new();
    for _ in 0..3 {
        store.maintain(HOUR).unwrap();
        told.extend(expired(&mut events));
    }
    assert!(!told.is_empty() && told.len() < 20_000, "{}", told.len());
    // The process dies in the middle of it.
    store.flush().unwrap();
    bench.crash(store);
    let store = options(&bench).open("/store").unwrap();
    store.confirm_clock().unwrap();
    let mut events = store.events().unwrap();
    while store.maintain(HOUR).unwrap().more || store.stats().sessions > 0 {
        told.extend(expired(&mut events));
    }
    told.extend(expired(&mut events));
    assert_eq!((told.len(), events.missed()), (20_000, 0));
}

#[test]
fn a_listener_who_takes_nothing_is_not_waited_for_long() {
    let bench = Bench::new();
    let store = bench.options().segment_bytes(1 << 20).open("/store").unwrap();
    let events = store.events().unwrap();
    for n in 0..9_000 {
        store
            .create(format!("{n}"), Write::new("x").idle(HOUR).durability(sessile::Durability::Written))
            .unwrap();
    }
    bench.pass(&store, HOUR);
    assert_eq!(store.stats().sessions, 0);
    assert!(events.missed() > 9_000);
}

#[test]
fn who_is_not_there_for_a_day_is_forgotten() {
    let bench = Bench::new();
    let store = bench.store();
    drop(store.events().unwrap());
    let ledger = Path::new("/store/EVENTS");
    assert!(bench.sim.read_file(ledger).is_ok());
    bench.pass(&store, SECOND);
    bench.pass(&store, HOUR * 23);
    assert!(bench.sim.read_file(ledger).is_ok());
    bench.pass(&store, HOUR * 2);
    assert!(bench.sim.read_file(ledger).is_err());
    let mut events = store.events().unwrap();
    store.create("a", "x").unwrap();
    assert_eq!(all(&mut events).len(), 1);
    assert!(bench.sim.read_file(ledger).is_ok());
}

#[test]
fn a_ledger_that_is_torn_loses_no_end_and_one_that_is_damaged_keeps_no_store_closed() {
    let bench = Bench::new();
    let store = bench.store();
    let mut events = store.events().unwrap();
    store.create("a", Write::new("x").idle(HOUR)).unwrap();
    bench.pass(&store, HOUR);
    all(&mut events);
    store.close().unwrap();
    let ledger = Path::new("/store/EVENTS");
    let bytes = bench.sim.read_file(ledger).unwrap();
    let half = bytes.len() / 2;
    for spared in [0, half, bytes.len()] {
        let mut torn = bytes.clone();
        torn.iter_mut()
            .enumerate()
            .filter(|(at, _)| at / half != spared / half)
            .for_each(|(_, byte)| *byte ^= 0x55);
        let left = Bench { sim: bench.sim.fork(), clock: bench.clock.clone() };
        left.sim.write_file(ledger, &torn).unwrap();
        let store = left.store();
        let mut events = store.events().unwrap();
        store.create("b", Write::new("x").idle(HOUR)).unwrap();
        left.pass(&store, HOUR);
        assert!(expired(&mut events).contains(&store.handle_of("b").unwrap()));
    }
}

struct Heard(Mutex<Vec<Event>>);

impl Observer for Heard {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// Other blocks of the disk may be sound. Where none are, the store goes on, and whoever is on call hears of it.
#[test]
fn a_ledger_that_cannot_be_written_is_made_anew_and_holds_nobody_up() {
    for times in [Times::Once, Times::Forever] {
        let mut bench = Bench::new();
        let heard = Arc::new(Heard(Mutex::default()));
        let store = bench.options().observer(heard.clone()).open("/store").unwrap();
        let mut events = store.events().unwrap();
        store.create("a", Write::new("x").idle(HOUR)).unwrap();
        churn(&store, "before");
        all(&mut events);
        bench.clock.advance(HOUR);
        bench.sim.fail_named("EVENTS", CallKind::Write, 1, Fault::Eio, times);
        churn(&store, "after");
        let done = store.maintain(HOUR).unwrap();
        assert!(done.segments_removed > 0, "{done:?}");
        let a = handles(&store, &["a"]);
        let is_told = |event: &Event| matches!(event, Event::EventsNotKept { .. });
        assert_eq!(heard.0.lock().unwrap().iter().any(is_told), times == Times::Forever);
        if times == Times::Forever {
            assert_eq!(expired(&mut events), a);
            continue;
        }
        bench.crash(store);
        let store = bench.store();
        let mut events = store.events().unwrap();
        bench.pass(&store, SECOND);
        assert_eq!(expired(&mut events), a);
    }
}
