//! Who listens hears of everything that happens to sessions, in order for each, and how much he has missed. Nobody waits
//! for him.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "common/listening.rs"]
mod listening;

use std::collections::BTreeSet;

use listening::{Bench, HOUR, SECOND, all, expired, handles};
use sessile::{Reason, SessionEvent, Write};

#[test]
fn each_kind_is_told_in_order_with_handle_subject_and_reason() {
    let bench = Bench::new();
    let store = bench.open();
    store.create("before", "nobody listens yet").unwrap();
    let mut events = store.events().unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|id| store.handle_of(id).unwrap());
    let alice = Some(store.subject_digest("alice").unwrap());
    store.create("a", Write::new("1").subject("alice")).unwrap();
    store.update("a", "2").unwrap();
    store.set("a", "3").unwrap();
    store.touch("a", HOUR).unwrap();
    store.rotate("a", "b", None).unwrap();
    store.destroy_subject("alice", None).unwrap();
    store.create("c", "x").unwrap();
    store.destroy("c").unwrap();
    store.create("d", Write::new("x").idle(SECOND)).unwrap();
    bench.pass(&store, SECOND);
    store.clear().unwrap();
    let told = [
        SessionEvent::Created { handle: a, subject: alice },
        SessionEvent::Updated { handle: a, subject: alice },
        SessionEvent::Updated { handle: a, subject: alice },
        SessionEvent::Ended { handle: a, subject: alice, reason: Reason::Rotated { to: b } },
        SessionEvent::Created { handle: b, subject: alice },
        SessionEvent::Ended { handle: b, subject: alice, reason: Reason::Revoked },
        SessionEvent::Created { handle: c, subject: None },
        SessionEvent::Ended { handle: c, subject: None, reason: Reason::Destroyed },
        SessionEvent::Created { handle: d, subject: None },
        SessionEvent::Expired { handle: d, subject: None },
        SessionEvent::Cleared,
    ];
    assert_eq!(all(&mut events), told);
    assert_eq!(events.missed(), 0);
}

#[test]
fn who_is_evicted_is_told_of_and_what_was_refused_is_not() {
    let bench = Bench::new();
    let options = bench.options().sessions_max(4).at_limit(sessile::AtLimit::EvictAnonymous);
    let store = options.open("/store").unwrap();
    let mut events = store.events().unwrap();
    for n in 0..5 {
        store.create(format!("{n}"), Write::new("x").idle(HOUR * (n + 1))).unwrap();
    }
    let evicted =
        |event: &&SessionEvent| matches!(event, SessionEvent::Ended { reason: Reason::Evicted, .. });
    let told = all(&mut events);
    assert_eq!(told.iter().filter(evicted).count() as u64, store.stats().evicted);
    assert!(store.stats().evicted > 0);
    assert!(store.create("4", "again").is_err() && store.update("nobody", "x").is_err());
    assert_eq!(all(&mut events), []);
}

#[test]
fn nobody_waits_for_a_slow_listener_and_he_hears_what_he_has_missed() {
    let bench = Bench::new();
    let store = bench.open();
    let (mut slow, mut quick) = (store.events().unwrap(), store.events().unwrap());
    store.create("id", "x").unwrap();
    let mut heard = 0;
    for n in 0..10_000 {
        store.update("id", format!("{n}").as_str()).unwrap();
        heard += all(&mut quick).len();
    }
    assert_eq!((heard, quick.missed()), (10_001, 0));
    assert_eq!(slow.missed(), 10_001 - 4_096);
    assert_eq!(all(&mut slow).len(), 4_096);
    assert_eq!(slow.missed(), 10_001 - 4_096);
}

#[test]
fn the_next_listener_goes_on_with_what_the_last_one_may_not_have_dealt_with() {
    let bench = Bench::new();
    let store = bench.open();
    let mut first = store.events().unwrap();
    store.create("a", "x").unwrap();
    store.create("b", "x").unwrap();
    let mut take = || first.try_next().and_then(|event| event.handle());
    assert_eq!((take(), take()), (store.handle_of("a").ok(), store.handle_of("b").ok()));
    drop(first);
    store.create("c", "x").unwrap();
    let mut second = store.events().unwrap();
    let mut beside = store.events().unwrap();
    store.create("d", "x").unwrap();
    let told: Vec<_> = all(&mut second).iter().map(|event| event.handle().unwrap()).collect();
    assert_eq!(told, ["b", "c", "d"].map(|id| store.handle_of(id).unwrap()));
    assert_eq!(all(&mut beside).len(), 1, "another one who listens at the same time begins now");
}

#[test]
fn what_ran_out_while_the_store_was_closed_is_told() {
    let bench = Bench::new();
    let store = bench.open();
    store.create("short", Write::new("x").idle(HOUR)).unwrap();
    store.create("long", Write::new("x").idle(HOUR * 24)).unwrap();
    let short = handles(&store, &["short"]);
    store.close().unwrap();
    bench.clock.advance(HOUR * 2);
    let store = bench.open();
    let mut events = store.events().unwrap();
    store.confirm_clock().unwrap();
    bench.pass(&store, SECOND);
    assert_eq!(expired(&mut events).into_iter().collect::<BTreeSet<_>>(), short);
}

#[test]
fn an_id_that_has_run_out_can_be_used_again_and_is_told_once() {
    let bench = Bench::new();
    let store = bench.open();
    let mut events = store.events().unwrap();
    store.create("id", Write::new("x").idle(HOUR)).unwrap();
    bench.clock.advance(HOUR);
    assert!(matches!(store.update("id", "late"), Err(sessile::Error::Unknown(sessile::Unknown::Expired))));
    store.create("id", Write::new("another").idle(HOUR)).unwrap();
    bench.pass(&store, SECOND);
    let handle = store.handle_of("id").unwrap();
    let subject = None;
    let told = [
        SessionEvent::Created { handle, subject },
        SessionEvent::Expired { handle, subject },
        SessionEvent::Created { handle, subject },
    ];
    assert_eq!(all(&mut events), told);
    assert_eq!(store.get("id").unwrap().unwrap().data(), b"another");
    bench.pass(&store, HOUR);
    assert_eq!(expired(&mut events), [handle]);
}

#[test]
fn a_store_that_nobody_listens_to_keeps_nothing() {
    let bench = Bench::new();
    let store = bench.open();
    store.create("a", Write::new("x").idle(HOUR)).unwrap();
    bench.pass(&store, HOUR);
    assert_eq!(store.len(), 0);
    assert_eq!(all(&mut store.events().unwrap()), []);
}

#[test]
fn a_thread_that_waits_is_woken_and_hears_of_the_end() {
    let bench = Bench::new();
    let store = bench.open();
    let mut events = store.events().unwrap();
    let listener = std::thread::spawn(move || {
        let mut told = 0;
        while events.next_within(HOUR).is_some() {
            told += 1;
        }
        told
    });
    for n in 0..100 {
        store.create(format!("{n}"), "x").unwrap();
    }
    store.close().unwrap();
    assert_eq!(listener.join().unwrap(), 100);
}

#[cfg(feature = "async")]
#[test]
fn a_task_that_waits_is_woken_and_hears_of_the_end() {
    use std::future::poll_fn;
    use std::pin::Pin;

    use futures_core::Stream;
    use sessile::nonblocking::AsyncStore;

    let bench = Bench::new();
    let store = AsyncStore::new(bench.open()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let told = runtime.block_on(async {
        let mut events = store.events().unwrap();
        let listener = tokio::spawn(async move {
            let mut told = 0;
            while poll_fn(|context| Pin::new(&mut events).poll_next(context)).await.is_some() {
                told += 1;
            }
            told
        });
        for n in 0..100 {
            store.create(format!("{n}"), "x").await.unwrap();
        }
        store.close().await.unwrap();
        listener.await.unwrap()
    });
    assert_eq!(told, 100);
}
