//! The store by itself: what actix-session's Redis store is tested by, under the same names, and what this one promises
//! beyond.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashMap;
use std::sync::Arc;

use actix_session::storage::{LoadError, SessionStore, generate_session_key};
use actix_session_sessile::SessileSessionStore;
use actix_web::cookie::time::Duration;
use sessile::nonblocking::AsyncStore;
use sessile::vfs::SimVfs;
use sessile::{ManualClock, Options};
use sessile_backends::{Memory, Settings};

const MINUTE: Duration = Duration::MINUTE;

struct Bench {
    store: SessileSessionStore,
    clock: ManualClock,
}

fn bench() -> Bench {
    let clock = ManualClock::at_ms(1_800_000_000_000);
    let options =
        Options::new().vfs(Arc::new(SimVfs::new())).clock(Arc::new(clock.clone())).manual_maintenance(true);
    let store = options.open("/store").unwrap();
    Bench { store: SessileSessionStore::new(AsyncStore::new(store).unwrap()), clock }
}

fn state(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn pass(bench: &Bench, time: Duration) {
    bench.clock.advance(time.try_into().unwrap());
}

/// On unless it is switched off, and a server without is better than none.
#[actix_web::test]
async fn operators_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let sessions = AsyncStore::open(dir.path()).await.unwrap();
    let store = SessileSessionStore::new(sessions.clone());
    assert!(socket.exists());
    drop(store.clone().control(false));
    assert!(socket.exists(), "another handle has it on");
    drop(store.control(false));
    assert!(!socket.exists());
    // Nothing can take the place of this.
    std::fs::create_dir_all(socket.join("something")).unwrap();
    let store = SessileSessionStore::new(sessions).control(true);
    store.save(state(&[]), &MINUTE).await.unwrap();
    assert_eq!(store.sessions().len(), 1);
}

#[actix_web::test]
async fn loading_a_missing_session_returns_none() {
    let Bench { store, .. } = bench();
    assert!(store.load(&generate_session_key()).await.unwrap().is_none());
    let long = "k".repeat(4_064).try_into().unwrap();
    assert!(store.load(&long).await.unwrap().is_none());
}

#[actix_web::test]
async fn loading_an_invalid_session_state_returns_deserialization_error() {
    let Bench { store, .. } = bench();
    let key = generate_session_key();
    store.sessions().create(key.as_ref(), "random-thing-which-is-not-json").await.unwrap();
    assert!(matches!(store.load(&key).await, Err(LoadError::Deserialization(_))));
    // The middleware goes on with an empty session under the same key, so writing it must work.
    let kept = store.update(key.as_ref().to_owned().try_into().unwrap(), state(&[("a", "1")]), &MINUTE).await;
    assert_eq!(kept.unwrap().as_ref(), key.as_ref());
    assert_eq!(store.load(&key).await.unwrap(), Some(state(&[("a", "1")])));
}

#[actix_web::test]
async fn updating_of_an_expired_state_is_handled_gracefully() {
    let bench = bench();
    let never = generate_session_key();
    let name = never.as_ref().to_owned();
    assert_ne!(bench.store.update(never, state(&[]), &MINUTE).await.unwrap().as_ref(), name);
    let key = bench.store.save(state(&[("a", "1")]), &MINUTE).await.unwrap();
    let name = key.as_ref().to_owned();
    pass(&bench, MINUTE);
    assert!(bench.store.load(&key).await.unwrap().is_none());
    let other = bench.store.update(key, state(&[("a", "2")]), &MINUTE).await.unwrap();
    assert_ne!(other.as_ref(), name);
    assert_eq!(bench.store.load(&other).await.unwrap(), Some(state(&[("a", "2")])));
}

/// A slow request has loaded a session, another logs it out, the slow one writes.
#[actix_web::test]
async fn an_update_after_a_logout_does_not_bring_the_data_back() {
    stays_logged_out(bench().store).await;
    // A home that keeps no endings cannot say what became of a session.
    stays_logged_out(SessileSessionStore::over(Arc::new(Memory::new(Settings::new()).unwrap()))).await;
}

async fn stays_logged_out(store: impl SessionStore) {
    let secret = state(&[("user", "\"alice\"")]);
    let key = store.save(secret.clone(), &MINUTE).await.unwrap();
    let name = key.as_ref().to_owned();
    store.delete(&key).await.unwrap();
    let other = store.update(key, secret, &MINUTE).await.unwrap();
    assert_ne!(other.as_ref(), name);
    assert_eq!(store.load(&other).await.unwrap(), Some(state(&[])));
    assert!(store.load(&name.try_into().unwrap()).await.unwrap().is_none());
}

#[actix_web::test]
async fn a_longer_life_is_a_touch_and_never_revives() {
    let bench = bench();
    let store = &bench.store;
    let key = store.save(state(&[("a", "1")]), &MINUTE).await.unwrap();
    let before = store.sessions().stats();
    for _ in 0..100 {
        pass(&bench, Duration::milliseconds(20));
        store.update_ttl(&key, &MINUTE).await.unwrap();
    }
    let after = store.sessions().stats();
    assert_eq!(after.updated, before.updated);
    assert!(after.coalesced > before.coalesced + 90);
    pass(&bench, MINUTE - Duration::milliseconds(1));
    assert!(store.load(&key).await.unwrap().is_some(), "to the millisecond");
    pass(&bench, Duration::milliseconds(1));
    store.update_ttl(&key, &MINUTE).await.unwrap();
    assert!(store.load(&key).await.unwrap().is_none());
}

#[actix_web::test]
async fn a_life_can_be_shortened_by_an_update_and_a_negative_one_is_over() {
    let bench = bench();
    let store = &bench.store;
    let key = store.save(state(&[]), &Duration::HOUR).await.unwrap();
    let key = store.update(key, state(&[]), &MINUTE).await.unwrap();
    pass(&bench, MINUTE);
    assert!(store.load(&key).await.unwrap().is_none());
    let past = store.save(state(&[]), &-MINUTE).await.unwrap();
    assert!(store.load(&past).await.unwrap().is_none());
}

#[actix_web::test]
async fn the_subject_stands_in_the_state() {
    let Bench { store, .. } = bench();
    let store = store.subject_key("user_id");
    let name = store.save(state(&[("user_id", "\"alice\"")]), &MINUTE).await.unwrap();
    let number = store.save(state(&[("user_id", "42")]), &MINUTE).await.unwrap();
    let nobody = store.save(state(&[("cart", "[]")]), &MINUTE).await.unwrap();
    let nobody = store.update(nobody, state(&[("user_id", "\"alice\"")]), &MINUTE).await.unwrap();
    assert_eq!(store.sessions().sessions_of("42").await.unwrap().count(), 1);
    assert_eq!(store.sessions().destroy_subject("alice", None).await.unwrap(), 2);
    for key in [name, nobody] {
        assert!(store.load(&key).await.unwrap().is_none());
    }
    assert!(store.load(&number).await.unwrap().is_some());
}

#[actix_web::test]
async fn deleting_what_is_not_there_is_no_error() {
    let Bench { store, .. } = bench();
    store.delete(&generate_session_key()).await.unwrap();
}
