//! The store by itself: what the memory store of tower-sessions is tested by, under the same names, and what this one
//! promises beyond.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sessile::nonblocking::AsyncStore;
use sessile::vfs::{CrashPolicy, SimVfs};
use sessile::{ManualClock, Options};
use time::{Duration, OffsetDateTime};
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{ExpiredDeletion, SessionStore};
use tower_sessions_sessile::{Saving, SessileStore};

fn options(sim: &SimVfs) -> Options {
    Options::new().vfs(Arc::new(sim.clone())).manual_maintenance(true)
}

fn on(sim: &SimVfs) -> SessileStore {
    SessileStore::new(AsyncStore::new(options(sim).open("/store").unwrap()).unwrap())
}

fn fresh() -> SessileStore {
    on(&SimVfs::new())
}

fn record(data: Value) -> Record {
    let data: HashMap<String, Value> = serde_json::from_value(data).unwrap();
    // The store keeps milliseconds.
    let now_ms = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    let expiry_date =
        OffsetDateTime::from_unix_timestamp_nanos(now_ms * 1_000_000).unwrap() + Duration::hours(1);
    Record { id: Id::default(), data, expiry_date }
}

/// On unless it is switched off, and a server without is better than none.
#[tokio::test]
async fn operators_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let sessions = AsyncStore::open(dir.path()).await.unwrap();
    let store = SessileStore::new(sessions.clone());
    assert!(socket.exists());
    drop(store.clone().control(false));
    assert!(socket.exists(), "another handle has it on");
    drop(store.control(false));
    assert!(!socket.exists());
    // Nothing can take the place of this.
    std::fs::create_dir_all(socket.join("something")).unwrap();
    let store = SessileStore::new(sessions).control(true);
    store.create(&mut record(json!({}))).await.unwrap();
    assert_eq!(store.sessions().len(), 1);
}

#[tokio::test]
async fn create() {
    let store = fresh();
    let mut record = record(json!({}));
    store.create(&mut record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
}

#[tokio::test]
async fn save() {
    let store = fresh();
    let mut record = record(json!({"a": 1, "nested": {"b": [true, null, "ü"]}}));
    store.create(&mut record).await.unwrap();
    record.data.insert("a".into(), json!(2));
    record.expiry_date += Duration::minutes(5);
    store.save(&record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
    store.save(&self::record(json!({}))).await.expect("of what is no session: no error, and no session");
    assert_eq!(store.sessions().len(), 1);
}

#[tokio::test]
async fn load() {
    let store = fresh();
    assert_eq!(store.load(&Id::default()).await.unwrap(), None);
    let mut lasting = record(json!({"a": 1}));
    lasting.expiry_date += Duration::nanoseconds(999_999);
    store.create(&mut lasting).await.unwrap();
    lasting.expiry_date -= Duration::nanoseconds(999_999);
    assert_eq!(store.load(&lasting.id).await.unwrap(), Some(lasting), "to the millisecond");
    let mut soon = record(json!({}));
    soon.expiry_date = OffsetDateTime::now_utc() + Duration::milliseconds(20);
    store.create(&mut soon).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    assert_eq!(store.load(&soon.id).await.unwrap(), None);
}

#[tokio::test]
async fn delete() {
    let store = fresh();
    let mut record = record(json!({"a": 1}));
    store.create(&mut record).await.unwrap();
    store.delete(&record.id).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
    store.delete(&record.id).await.unwrap();
}

#[tokio::test]
async fn create_id_collision() {
    let store = fresh();
    let mut first = record(json!({"whose": "first"}));
    store.create(&mut first).await.unwrap();
    let mut second = Record { id: first.id, ..record(json!({"whose": "second"})) };
    store.create(&mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(store.load(&first.id).await.unwrap().unwrap().data["whose"], "first");
    assert_eq!(store.load(&second.id).await.unwrap().unwrap().data["whose"], "second");
}

#[tokio::test]
async fn delete_expired() {
    let store = fresh();
    let (mut lasting, mut soon) = (record(json!({})), record(json!({})));
    soon.expiry_date = OffsetDateTime::now_utc() + Duration::milliseconds(20);
    store.create(&mut lasting).await.unwrap();
    store.create(&mut soon).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    assert_eq!(store.sessions().len(), 2);
    store.delete_expired().await.unwrap();
    assert_eq!(store.sessions().len(), 1);
    assert_eq!(store.load(&soon.id).await.unwrap(), None);
    let mut past = record(json!({}));
    past.expiry_date -= Duration::hours(2);
    store.create(&mut past).await.unwrap();
    store.delete_expired().await.unwrap();
    assert_eq!(store.load(&past.id).await.unwrap(), None);
}

/// A slow request has loaded a session, another logs it out, the slow one saves.
#[tokio::test]
async fn a_save_after_a_logout_does_not_bring_the_session_back() {
    let store = fresh();
    let mut record = record(json!({"user": "alice"}));
    store.create(&mut record).await.unwrap();
    let mut slow = store.load(&record.id).await.unwrap().unwrap();
    store.delete(&record.id).await.unwrap();
    store.save(&slow).await.unwrap();
    slow.data.insert("more".into(), json!(1));
    store.save(&slow).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
    assert_eq!(store.refused_saves(), 2);
    store.clone().saving(Saving::Upsert).save(&slow).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), Some(slow));
}

/// With `always_save` each request saves what it has loaded, with a later deadline. The map it is loaded into has another
/// order each time.
#[tokio::test]
async fn sliding_writes_no_data() {
    let sim = SimVfs::new();
    let store = on(&sim);
    let data: HashMap<_, _> = (0..20).map(|n| (format!("key {n}"), json!(n))).collect();
    let mut created = record(json!(data));
    store.create(&mut created).await.unwrap();
    let before = store.sessions().stats();
    for request in 1..=1_000 {
        let mut loaded = store.load(&created.id).await.unwrap().unwrap();
        assert_eq!(loaded.data, created.data);
        loaded.expiry_date = created.expiry_date + Duration::milliseconds(request);
        store.save(&loaded).await.unwrap();
    }
    let after = store.sessions().stats();
    assert_eq!(after.updated, before.updated, "no data was written");
    assert!(after.coalesced - before.coalesced >= 990);
    let last = store.load(&created.id).await.unwrap().unwrap().expiry_date;
    assert!((last - created.expiry_date - Duration::SECOND).abs() < Duration::milliseconds(500), "{last}");
}

#[tokio::test]
async fn a_deadline_that_comes_closer_is_written() {
    let store = fresh();
    let mut record = record(json!({"a": 1}));
    store.create(&mut record).await.unwrap();
    record.expiry_date -= Duration::minutes(30);
    store.save(&record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
}

#[tokio::test]
async fn the_subject_stands_in_the_data() {
    let store = fresh().subject_key("user_id");
    let devices = |user: &'static str| {
        let store = store.clone();
        async move { store.sessions().sessions_of(user).await.unwrap().count() }
    };
    let mut number = record(json!({"user_id": 42}));
    let mut name = record(json!({"user_id": "alice"}));
    let mut nobody = record(json!({"cart": []}));
    for record in [&mut number, &mut name, &mut nobody] {
        store.create(record).await.unwrap();
    }
    assert_eq!((devices("42").await, devices("alice").await), (1, 1));
    nobody.data.insert("user_id".into(), json!("alice"));
    store.save(&nobody).await.unwrap();
    assert_eq!(devices("alice").await, 2);
    name.data.remove("user_id");
    store.save(&name).await.unwrap();
    assert_eq!(devices("alice").await, 1);
    assert_eq!(store.sessions().destroy_subject("alice", None).await.unwrap(), 1);
    assert_eq!(store.load(&nobody.id).await.unwrap(), None);
    assert!(store.load(&name.id).await.unwrap().is_some());
}

/// Sessions from before the key was configured are attached when they are saved, changed or not.
#[tokio::test]
async fn a_subject_key_that_comes_later_is_honoured() {
    let store = fresh();
    let mut record = record(json!({"user_id": 7}));
    store.create(&mut record).await.unwrap();
    let store = store.subject_key("user_id");
    store.save(&record).await.unwrap();
    assert_eq!(store.sessions().sessions_of("7").await.unwrap().count(), 1);
}

#[tokio::test]
async fn a_login_survives_power_loss() {
    let sim = SimVfs::new();
    let options = |sim: &SimVfs| options(sim).durability(sessile::Durability::Synced);
    let open =
        |sim: &SimVfs| SessileStore::new(AsyncStore::new(options(sim).open("/store").unwrap()).unwrap());
    let store = open(&sim);
    let mut record = record(json!({"user": "alice"}));
    store.create(&mut record).await.unwrap();
    let store = open(&sim.crash(CrashPolicy::DropAll));
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
}

#[tokio::test]
async fn what_is_no_session_of_ours_is_an_error_and_stays() {
    let store = fresh();
    let id = Id::default();
    store.sessions().create(SessileStore::id_of(&id), "no JSON").await.unwrap();
    assert!(store.load(&id).await.is_err());
    assert!(store.sessions().get(SessileStore::id_of(&id)).await.unwrap().is_some());
}

#[tokio::test]
async fn dates_beyond_reason_do_no_harm() {
    let clock = ManualClock::at_ms(1_000_000);
    let options = Options::new().vfs(Arc::new(SimVfs::new())).clock(Arc::new(clock)).manual_maintenance(true);
    let store = SessileStore::new(AsyncStore::new(options.open("/store").unwrap()).unwrap());
    let mut never = record(json!({}));
    never.expiry_date = time::PrimitiveDateTime::MAX.assume_utc();
    store.create(&mut never).await.unwrap();
    assert!(store.load(&never.id).await.unwrap().is_some());
    let mut past = record(json!({}));
    past.expiry_date = time::PrimitiveDateTime::MIN.assume_utc();
    store.create(&mut past).await.unwrap();
    assert_eq!(store.load(&past.id).await.unwrap(), None);
}
