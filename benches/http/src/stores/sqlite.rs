//! tower-sessions-sqlx-store on SQLite.

use std::path::Path;
use std::time::Duration;

use tower_sessions_sqlx_store::SqliteStore;
use tower_sessions_sqlx_store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions, SqliteSynchronous,
};
use tower_sessions_sqlx_store::sqlx::{ConnectOptions as _, Connection as _};

use super::Opened;
use crate::{Failure, pages};

/// What a commit waits for.
#[derive(Debug, Clone, Copy)]
pub enum Sync {
    /// The disk.
    Full,
    /// The kernel.
    Normal,
}

/// Nobody is turned away: whoever must wait for the one writer waits.
const BUSY_MAX: Duration = Duration::from_secs(60);

pub async fn open(directory: &Path, sync: Sync, pool: u32) -> Result<Opened, Failure> {
    let (synchronous, called) = match sync {
        Sync::Full => (SqliteSynchronous::Full, "FULL"),
        Sync::Normal => (SqliteSynchronous::Normal, "NORMAL"),
    };
    // Who is alone need not ask whether others are there: the index of the log is then in memory of its own.
    let (locking, held) = if pool == 1 {
        (SqliteLockingMode::Exclusive, "EXCLUSIVE")
    } else {
        (SqliteLockingMode::Normal, "NORMAL")
    };
    let options = SqliteConnectOptions::new()
        .filename(directory.join("sessions.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .locking_mode(locking)
        .busy_timeout(BUSY_MAX)
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("temp_store", "MEMORY");
    // Several connections that all make a new database's log their own are told that it is locked, and nobody waits for that.
    let first = if pool > 1 { Some(options.connect().await?) } else { None };
    let sessions = SqlitePoolOptions::new()
        .min_connections(pool)
        .max_connections(pool)
        .acquire_timeout(BUSY_MAX)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    let store = SqliteStore::new(sessions);
    store.migrate().await?;
    if let Some(first) = first {
        first.close().await?;
    }
    Ok(Opened {
        pages: pages::with_0_14::router(store),
        settings: format!(
            "tower-sessions-sqlx-store 0.15, tower-sessions 0.14, a pool of {pool}, WAL, synchronous={called}, \
             locking_mode={held}, wal_autocheckpoint=4000, cache of 64 MiB"
        ),
        server: None,
    })
}
