//! The adapter over any home: the same answers as over a directory, and the same protection.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use serde_json::json;
use sessile::Options;
use sessile_backends::{Backend, Embedded, Memory, Moving, Settings};
use tower_sessions::{ExpiredDeletion, Session};
use tower_sessions_sessile::SessileStore;

type Home = Arc<dyn Backend>;

fn memory() -> Home {
    Arc::new(Memory::new(Settings::new()).unwrap())
}

async fn keeps_what_it_promises(home: Home) {
    let name = home.name().to_owned();
    let store = Arc::new(SessileStore::over(home).subject_key("user"));
    let first = Session::new(None, store.clone(), None);
    first.insert("user", 42).await.unwrap();
    first.insert("cart", json!(["apple"])).await.unwrap();
    first.save().await.unwrap();
    let id = first.id();

    let again = Session::new(id, store.clone(), None);
    assert_eq!(again.get("cart").await.unwrap(), Some(json!(["apple"])), "{name}");
    again.insert("cart", json!(["apple", "pear"])).await.unwrap();
    again.save().await.unwrap();
    // Saved once more with nothing new, it is a use.
    again.save().await.unwrap();

    // A slow request has loaded it; meanwhile the user logs out everywhere.
    let slow = Session::new(id, store.clone(), None);
    assert_eq!(slow.get::<u64>("user").await.unwrap(), Some(42), "{name}");
    assert_eq!(store.sessions().destroy_subject(b"42", None).await.unwrap(), 1, "{name}");
    slow.insert("cart", json!([])).await.unwrap();
    slow.save().await.unwrap();
    assert_eq!(store.refused_saves(), 1, "{name}");
    let after = Session::new(id, store.clone(), None);
    assert_eq!(after.get::<u64>("user").await.unwrap(), None, "{name}: who has logged out stays so");

    let second = Session::new(None, store.clone(), None);
    second.insert("user", 7).await.unwrap();
    second.save().await.unwrap();
    let held = second.id();
    second.flush().await.unwrap();
    assert_eq!(Session::new(held, store.clone(), None).get::<u64>("user").await.unwrap(), None, "{name}");
    store.delete_expired().await.unwrap();
}

#[tokio::test]
async fn every_home_keeps_what_the_adapter_promises() {
    let dir = tempfile::tempdir().unwrap();
    keeps_what_it_promises(memory()).await;
    keeps_what_it_promises(Arc::new(Embedded::open(Options::new(), dir.path()).await.unwrap())).await;
}

/// A server that changes homes is told nothing of it, and neither are its users.
#[tokio::test]
async fn a_login_moves_on_with_its_cookie() {
    let old = memory();
    let session = Session::new(None, Arc::new(SessileStore::over(old.clone()).subject_key("user")), None);
    session.insert("user", 42).await.unwrap();
    session.save().await.unwrap();

    let new: Home = Arc::new(Memory::new(Settings::new().secret(old.secret())).unwrap());
    let moving: Home = Arc::new(Moving::between(old, new.clone()).await.unwrap());
    let store = Arc::new(SessileStore::over(moving.clone()).subject_key("user"));
    let after = Session::new(session.id(), store.clone(), None);
    assert_eq!(after.get::<u64>("user").await.unwrap(), Some(42));
    assert_eq!(new.len().await.unwrap(), 1, "it lives in the new home now");
    assert_eq!(store.sessions().destroy_subject(b"42", None).await.unwrap(), 1);
    keeps_what_it_promises(moving).await;
}
