//! Sessions that the real tower-sessions-sqlx-store and the real actix-session have made move in, and our adapters find them.
//!
//! They are made by a program of its own, since a build has one SQLite; `./scripts/moving` builds it and names it in
//! `SESSILE_MADE`. Without that, and where a server is missing, there is nothing to see here, and it is said.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "redis"))]

mod common;
#[path = "common/servers.rs"]
mod servers;

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use actix_session::storage::SessionStore as _;
use actix_session_sessile::SessileSessionStore;
use common::{address, counts};
use serde_json::Value;
use servers::{postgres, redis};
use sessile::nonblocking::AsyncStore;
use sessile_porting::{Address, Move};
use tower_sessions_core::SessionStore as _;
use tower_sessions_sessile::SessileStore;

/// What the program made: ids, data, and when each session ends.
fn made(kind: &str, place: &str) -> Option<Vec<Value>> {
    let Some(program) = std::env::var_os("SESSILE_MADE") else {
        println!("not checked here: moving from the stores of Rust; ./scripts/moving does it");
        return None;
    };
    let output = Command::new(program).args([kind, place]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn is_near(deadline_ms: u64, ends_ms: &Value) -> bool {
    // Redis counts seconds, and what is left is asked a moment later.
    let ends_ms = ends_ms.as_u64().unwrap();
    (ends_ms - 2000..=ends_ms).contains(&deadline_ms)
}

fn moved(from: &Address, dir: &Path, subject: &str) -> u64 {
    let subject = Some(subject.parse().unwrap());
    let report = Move { subject, ..Move::new(from.clone(), address("sessile", dir)) }.run(&()).unwrap();
    assert!(report.is_sound() && report.skipped.is_empty(), "{report:?}");
    assert_eq!(report.with_subject, report.written);
    assert_eq!(counts(&report)[2], 0);
    report.written
}

async fn tower(made: Vec<Value>, from: &Address, dir: &Path) {
    assert_eq!(moved(from, dir, "user_id"), made.len() as u64);
    let store = SessileStore::new(AsyncStore::open(dir).await.unwrap()).subject_key("user_id");
    for one in &made {
        let id = one["id"].as_str().unwrap().parse().unwrap();
        let record = store.load(&id).await.unwrap().unwrap();
        assert_eq!(serde_json::to_value(&record.data).unwrap(), one["data"]);
        let ends_ms = u64::try_from(record.expiry_date.unix_timestamp_nanos() / 1_000_000).unwrap();
        assert_eq!(Value::from(ends_ms), one["ends_ms"], "to the millisecond");
    }
    assert_eq!(store.sessions().destroy_subject("3", None).await.unwrap(), 4);
    store.sessions().close().await.unwrap();
}

#[tokio::test]
async fn tower_sessions_in_sqlite() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("app.db");
    let Some(made) = made("tower-sqlite", file.to_str().unwrap()) else { return };
    let from: Address =
        format!("tower-sessions-sqlx-store:{}?table=user_sessions", file.display()).parse().unwrap();
    tower(made, &from, &temp.path().join("new")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tower_sessions_in_postgresql() {
    let temp = tempfile::tempdir().unwrap();
    let Some((_server, host)) = postgres(temp.path()) else {
        println!("not checked here: moving from PostgreSQL: it is missing");
        return;
    };
    let host = host.to_str().unwrap().replace('/', "%2F");
    let Some(made) = made("tower-postgres", &format!("postgres://app@{host}/postgres")) else { return };
    let from: Address = format!("tower-sessions-sqlx-store:postgres://app@{host}/postgres").parse().unwrap();
    let dir = temp.path().join("new");
    // The client waits in a way that a runtime's own threads must not.
    let (count, to) = (made.len() as u64, dir.clone());
    let written = tokio::task::spawn_blocking(move || moved(&from, &to, "user_id")).await.unwrap();
    assert_eq!(written, count);
    let store = SessileStore::new(AsyncStore::open(&dir).await.unwrap());
    for one in &made {
        let record = store.load(&one["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(serde_json::to_value(&record.data).unwrap(), one["data"]);
    }
}

#[tokio::test]
async fn actix_session_in_redis() {
    let temp = tempfile::tempdir().unwrap();
    let Some((_server, socket)) = redis(temp.path()) else {
        println!("not checked here: moving from Redis: redis-server is missing");
        return;
    };
    let url = format!("redis+unix://{}", socket.display());
    let Some(made) = made("actix", &url) else { return };
    let from: Address = format!("actix-session:{url}?prefix=shop:").parse().unwrap();
    let dir = temp.path().join("new");
    assert_eq!(moved(&from, &dir, "user_id"), made.len() as u64);
    let store = SessileSessionStore::new(AsyncStore::open(&dir).await.unwrap()).subject_key("user_id");
    for one in &made {
        let key = one["id"].as_str().unwrap();
        let state = store.load(&key.to_owned().try_into().unwrap()).await.unwrap().unwrap();
        assert_eq!(state, serde_json::from_value::<HashMap<String, String>>(one["data"].clone()).unwrap());
        let session = store.sessions().get(key).await.unwrap().unwrap();
        assert!(is_near(session.deadline().as_ms(), &one["ends_ms"]), "{one} {:?}", session.deadline());
    }
    assert_eq!(store.sessions().destroy_subject("3", None).await.unwrap(), 4);
}
