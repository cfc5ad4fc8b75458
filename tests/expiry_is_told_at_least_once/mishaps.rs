//! Two mishaps at once: each of these lost an end that nobody had been told of, or something else for its sake.

use std::sync::mpsc;

use super::*;
use hooks::Interrupting;
use sessile::{ReadMode, Recovery};

#[allow(dead_code, reason = "each test file uses its part of this")]
#[path = "../common/hooks.rs"]
mod hooks;

/// What the next opening tells of `id`.
fn told_next(bench: &mut Bench, store: Store, id: &str) -> bool {
    bench.crash(store);
    let store = bench.store();
    assert!(store.get(id).unwrap().is_none(), "it is over by now");
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    bench.pass(&store, HOUR * 99);
    let told = expired(&mut events);
    told.contains(&store.handle_of(id).unwrap())
}

/// A session runs out between the reaper and compaction. It is in memory still, and its touch is dropped: the log falls
/// back to a deadline of long ago.
#[test]
fn a_touch_of_who_waits_for_the_reaper_is_not_dropped() {
    let mut bench = Bench::new();
    let hooks = Interrupting::default();
    let store = bench.options_over(hooks.over(&bench.sim)).open("/store").unwrap();
    let mut events = store.events().unwrap();
    store.create("x", Write::new("x").idle(HOUR)).unwrap();
    for n in 0..30 {
        store.create(format!("keep {n}"), Write::new(vec![7; 4000]).idle(HOUR * 999)).unwrap();
    }
    store.touch("x", HOUR * 4).unwrap();
    churn(&store, "b");
    all(&mut events);
    // A minute before its end the reaper comes and meets all that was over; while compaction begins, two minutes pass.
    bench.clock.advance(HOUR * 4 - MINUTE);
    let clock = bench.clock.clone();
    hooks.before(CallKind::Write, 1, move || clock.advance(MINUTE * 2));
    let done = store.maintain(HOUR).unwrap();
    assert!(hooks.has_acted() && done.segments_removed > 0, "{done:?}");
    assert!(all(&mut events).is_empty());
    assert!(told_next(&mut bench, store, "x"));
}

/// A segment is removed unread in which the last touch stood that the log knows; memory knows a later one.
#[test]
fn what_only_memory_knows_to_live_keeps_its_last_touch() {
    let mut bench = Bench::new();
    let store = bench.store();
    let mut events = store.events().unwrap();
    store.create("x", Write::new("x").idle(HOUR)).unwrap();
    for n in 0..30 {
        store.create(format!("keep {n}"), Write::new(vec![7; 4000]).idle(HOUR * 999)).unwrap();
    }
    churn(&store, "b");
    assert_eq!(store.touch("x", HOUR * 4).unwrap(), Touched::Logged);
    churn(&store, "c");
    bench.clock.advance(HOUR * 4 - MINUTE);
    assert_eq!(store.touch("x", MINUTE + SECOND * 30).unwrap(), Touched::Coalesced);
    all(&mut events);
    bench.clock.advance(MINUTE + SECOND * 10);
    let done = store.maintain(HOUR).unwrap();
    assert!(done.segments_removed > 0, "{done:?}");
    assert!(store.get("x").unwrap().is_some());
    assert!(all(&mut events).is_empty());
    assert!(told_next(&mut bench, store, "x"));
}

/// The snapshot carries deadlines that the log does not know, by the slack of the opening before.
#[test]
fn another_slack_after_a_clean_close() {
    let mut bench = Bench::new();
    let store = bench.options().touch_slack(MINUTE * 10).open("/store").unwrap();
    let mut events = store.events().unwrap();
    store.create("x", Write::new("x").idle(HOUR * 2)).unwrap();
    store.create("other", Write::new("x").idle(HOUR * 2 + MINUTE * 4)).unwrap();
    for n in 0..12 {
        store.create(format!("keep {n}"), Write::new(vec![7; 4000]).idle(HOUR * 999)).unwrap();
    }
    bench.clock.advance(MINUTE * 9);
    assert_eq!(store.touch("x", HOUR * 2).unwrap(), Touched::Coalesced);
    all(&mut events);
    store.close().unwrap();
    drop((store, events));
    // Compaction would fold the deadline into the record.
    let options = |bench: &Bench| bench.options().touch_slack(Duration::ZERO).eager_compaction(false);
    let store = options(&bench).open("/store").unwrap();
    store.confirm_clock().unwrap();
    assert!(store.stats().recovery.from_snapshot);
    let mut events = store.events().unwrap();
    bench.clock.advance(HOUR * 2 - MINUTE * 4);
    let done = store.maintain(HOUR).unwrap();
    assert_eq!(expired(&mut events), [store.handle_of("other").unwrap()].into());
    let x = store.get("x").unwrap().unwrap();
    assert_eq!((done.segments_compacted, x.deadline().as_ms()), (0, 1_800_000_000_000 + 129 * 60_000));
    assert!(told_next(&mut bench, store, "x"));
}

/// The ledger is being written, and does not say yet that `id` has run out; whoever uses the id again believes it does.
#[test]
fn an_id_that_is_used_again_while_the_ledger_is_written() {
    let bench = Bench::new();
    let hooks = Interrupting::default();
    let store = bench.options_over(hooks.over(&bench.sim)).open("/store").unwrap();
    let mut events = store.events().unwrap();
    store.create("id", Write::new("old").idle(HOUR)).unwrap();
    all(&mut events);
    bench.clock.advance(HOUR);
    let died = Arc::new(Mutex::new(None));
    let (at, sim, again) = (Arc::clone(&died), bench.sim.clone(), store.clone());
    hooks.before_on("EVENTS", CallKind::Sync, 1, move || {
        let (done, wait) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = done.send(again.create("id", Write::new("new").idle(HOUR * 9)).is_ok());
        });
        // One who waits for the ledger is not done in time; then nothing is hidden.
        let created = wait.recv_timeout(Duration::from_millis(500)).unwrap_or(false);
        *at.lock().unwrap() = Some((created, sim.fork().crash(CrashPolicy::DropAll)));
    });
    store.maintain(HOUR).unwrap();
    let (_, sim) = died.lock().unwrap().take().unwrap();
    let crashed = Bench { sim, clock: bench.clock.clone() };
    let next = crashed.options().open("/store").unwrap();
    next.confirm_clock().unwrap();
    let mut events = next.events().unwrap();
    crashed.pass(&next, SECOND);
    assert_eq!(expired(&mut events), [next.handle_of("id").unwrap()].into());
}

/// The same, where the ledger then cannot be written: nothing needs to happen at the same moment for long.
#[test]
fn an_id_that_is_used_again_while_the_ledger_is_made_anew() {
    let mut bench = Bench::new();
    let hooks = Interrupting::default();
    let store = bench.options_over(hooks.over(&bench.sim)).open("/store").unwrap();
    let mut events = store.events().unwrap();
    store.create("id", Write::new("old").idle(HOUR)).unwrap();
    all(&mut events);
    bench.clock.advance(HOUR);
    bench.sim.fail_named("EVENTS", CallKind::Sync, 1, Fault::Eio, Times::Once);
    let again = store.clone();
    hooks.before_on("EVENTS", CallKind::Sync, 1, move || {
        let thread = std::thread::spawn(move || again.create("id", Write::new("new").idle(HOUR * 9)).is_ok());
        std::thread::sleep(Duration::from_millis(300));
        drop(thread);
    });
    store.maintain(HOUR).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    bench.crash(store);
    let store = bench.store();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    assert_eq!(expired(&mut events), [store.handle_of("id").unwrap()].into());
}

/// "Log out everywhere" must not fail because a file that has nothing to do with it cannot be written (rule 11).
#[test]
fn a_revocation_does_not_depend_on_the_ledger() {
    let bench = Bench::new();
    let store = bench.store();
    let _events = store.events().unwrap();
    store.create("old", Write::new("x").idle(HOUR).subject("alice")).unwrap();
    store.create("young", Write::new("x").idle(HOUR * 9).subject("alice")).unwrap();
    bench.clock.advance(HOUR);
    bench.sim.fail_named("EVENTS", CallKind::Write, 1, Fault::Eio, Times::Forever);
    assert_eq!(store.destroy_subject("alice", None).unwrap(), 1);
    assert!(store.get("young").unwrap().is_none(), "she logged out everywhere and is still in");
}

#[test]
fn a_clear_does_not_depend_on_the_ledger() {
    let bench = Bench::new();
    let store = bench.store();
    let _events = store.events().unwrap();
    store.create("young", Write::new("x").idle(HOUR * 9).subject("alice")).unwrap();
    bench.sim.fail_named("EVENTS", CallKind::Write, 1, Fault::Eio, Times::Forever);
    assert_eq!(store.clear().unwrap(), 1);
    assert!(store.get("young").unwrap().is_none());
}

/// What was lost for want of room in the ring is counted in this process and forgotten by the next.
#[test]
fn what_the_ring_has_lost_is_counted_by_the_next_opening_too() {
    let bench = Bench::new();
    let options = || bench.options().segment_bytes(1 << 20);
    let store = options().open("/store").unwrap();
    drop(store.events().unwrap());
    for n in 0..9_000 {
        let write = Write::new("x").idle(HOUR).durability(Durability::Written);
        store.create(format!("{n}"), write).unwrap();
    }
    bench.pass(&store, HOUR);
    assert_eq!(store.stats().expired, 9_000);
    store.close().unwrap();
    drop(store);
    let store = options().open("/store").unwrap();
    store.confirm_clock().unwrap();
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    let told = expired(&mut events).len() as u64;
    assert!(told + events.missed() >= 9_000, "{told} told and {} missed of 9000", events.missed());
}

/// The store was down for three days. The listener comes a second after the clock was confirmed.
#[test]
fn a_listener_who_comes_a_second_late_is_not_forgotten() {
    let bench = Bench::new();
    let store = bench.store();
    let events = store.events().unwrap();
    store.create("a", Write::new("x").idle(HOUR)).unwrap();
    bench.pass(&store, HOUR);
    drop(events);
    store.close().unwrap();
    drop(store);
    bench.clock.advance(HOUR * 72);
    let store = bench.options().open("/store").unwrap();
    bench.pass(&store, SECOND);
    store.confirm_clock().unwrap();
    bench.pass(&store, SECOND);
    let mut events = store.events().unwrap();
    bench.pass(&store, SECOND);
    let told = expired(&mut events);
    assert!(
        told.contains(&store.handle_of("a").unwrap()),
        "forgotten after two seconds; missed {}",
        events.missed()
    );
}

/// A ledger that cannot be read, or is damaged while the disk is full, keeps the store closed.
#[test]
fn a_ledger_that_cannot_be_read_keeps_no_store_closed() {
    for full in [true, false] {
        let bench = Bench::new();
        let store = bench.store();
        drop(store.events().unwrap());
        store.create("a", Write::new("x").idle(HOUR)).unwrap();
        store.close().unwrap();
        drop(store);
        if full {
            let ledger = Path::new("/store/EVENTS");
            // As little room as an opening can do with.
            let opens = |sim: &SimVfs, bytes: u64| {
                let sim = sim.fork();
                sim.set_capacity(Some(bytes));
                Bench { sim, clock: bench.clock.clone() }.options().open("/store").is_ok()
            };
            let room = (1..1000).map(|n| n << 12).find(|bytes| opens(&bench.sim, *bytes)).unwrap();
            let bytes = bench.sim.read_file(ledger).unwrap();
            bench.sim.write_file(ledger, &vec![0x55; bytes.len()]).unwrap();
            bench.sim.set_capacity(Some(room));
        } else {
            bench.sim.fail_named("EVENTS", CallKind::Read, 1, Fault::Eio, Times::Forever);
        }
        let opened = bench.options().segment_bytes(64 << 10).recovery(Recovery::Salvage).open("/store");
        assert!(opened.is_ok(), "full: {full}: {:?}", opened.err());
        drop(opened);
    }
}

/// The record of who ran out cannot be read at that moment: nobody hears of it, and it does not count as missed.
#[test]
fn who_could_not_be_read_is_counted_as_missed() {
    let bench = Bench::new();
    let store = bench.options().read_mode(ReadMode::Plain).open("/store").unwrap();
    let mut events = store.events().unwrap();
    store.create("a", Write::new("x").idle(HOUR)).unwrap();
    all(&mut events);
    bench.clock.advance(HOUR);
    bench.sim.fail(CallKind::Read, 1, Fault::Eio, Times::Once);
    store.maintain(HOUR).unwrap();
    assert_eq!(store.stats().expired, 1);
    bench.pass(&store, SECOND);
    assert!(expired(&mut events).len() as u64 + events.missed() >= 1);
}

/// A clear that was refused is told as if it had been.
#[test]
fn a_clear_that_was_refused_is_not_told() {
    let mut bench = Bench::new();
    let store = bench.options().at_limit(AtLimit::Reject).open("/store").unwrap();
    drop(store.events().unwrap());
    store.create("a", Write::new("x").idle(HOUR * 99)).unwrap();
    store.flush().unwrap();
    bench.sim.set_capacity(Some(0));
    let filler = |bytes| Write::new(vec![7; bytes]).idle(HOUR * 99).durability(Durability::Written);
    for bytes in [2000, 200, 0, 0] {
        let _ = (0..100_000).find(|n| store.create(format!("{bytes} {n}"), filler(bytes)).is_err());
    }
    let mut cleared = None;
    for n in 0..20_000 {
        if store.destroy(format!("2000 {n}")).is_err() || store.destroy(format!("0 {n}")).is_err() {
            cleared = Some(store.clear());
            break;
        }
    }
    if !matches!(cleared, Some(Err(Error::Full(_)))) {
        return;
    }
    bench.crash(store);
    bench.sim.set_capacity(None);
    let store = bench.store();
    let mut events = store.events().unwrap();
    assert!(store.get("a").unwrap().is_some());
    assert!(!all(&mut events).contains(&SessionEvent::Cleared));
}
