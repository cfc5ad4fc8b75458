//! Opening each store: with the settings that make it fast at what it promises, which the README tells.

mod redis;
mod sessile;
mod sqlite;

use std::path::Path;

use axum::Router;
use tower_sessions::MemoryStore;

use crate::contender::Contender;
use crate::{Failure, pages};

pub use redis::{Server, version as redis_version};

/// How many connections the stores that have a pool are given.
#[derive(Debug, Clone, Copy)]
pub struct Pools {
    /// To SQLite's file, where it is not one.
    pub sqlite: u32,
    /// To Redis.
    pub redis: usize,
}

/// A store that is open, with the pages before it.
pub struct Opened {
    /// The pages.
    pub pages: Router,
    /// Which settings it runs with.
    pub settings: String,
    /// The process that keeps the sessions, when it is not this one. It ends when this is dropped.
    pub server: Option<Server>,
}

/// Opens the store in `directory`, which exists and is empty.
///
/// # Errors
/// Whatever keeps it from opening; there is no Redis on the machine.
pub async fn open(contender: Contender, directory: &Path, pools: Pools) -> Result<Opened, Failure> {
    match contender {
        Contender::SessileSynced => sessile::open(directory, ::sessile::Durability::Synced).await,
        Contender::SessileWritten => sessile::open(directory, ::sessile::Durability::Written).await,
        Contender::Memory => Ok(Opened {
            pages: pages::with_0_15::router(MemoryStore::default()),
            settings: "tower-sessions-memory-store 0.15: a map behind a mutex".to_owned(),
            server: None,
        }),
        Contender::SqliteFullAlone => sqlite::open(directory, sqlite::Sync::Full, 1).await,
        Contender::SqliteFullPool => sqlite::open(directory, sqlite::Sync::Full, pools.sqlite).await,
        Contender::SqliteNormalAlone => sqlite::open(directory, sqlite::Sync::Normal, 1).await,
        Contender::SqliteNormalPool => sqlite::open(directory, sqlite::Sync::Normal, pools.sqlite).await,
        Contender::RedisAlways => redis::open(directory, "always", pools.redis).await,
        Contender::RedisEverysec => redis::open(directory, "everysec", pools.redis).await,
    }
}
