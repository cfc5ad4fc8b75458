//! SQLite as a careful application would use it: WAL, prepared statements, one connection that writes, one connection
//! a thread that reads, caches that hold the whole table.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

use super::keeps::{Change, Keeps, What};
use crate::peer::Wait;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS sessions (sid TEXT PRIMARY KEY, sess BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS sessions_expires ON sessions (expires);";
const GET: &str = "SELECT sess FROM sessions WHERE sid = ?1 AND expires > ?2";
const SET: &str = "INSERT INTO sessions (sid, sess, expires) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expires = excluded.expires";
const TOUCH: &str = "UPDATE sessions SET expires = ?2 WHERE sid = ?1 AND expires > ?3";
const DESTROY: &str = "DELETE FROM sessions WHERE sid = ?1";
const PRUNE: &str = "DELETE FROM sessions WHERE expires <= ?1";

/// A database file and the connection that writes to it.
pub struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the database in `directory`, and creates it where there is none.
    pub fn open(directory: &Path) -> Self {
        let path = directory.join("sessions.sqlite");
        let writer = connect(&path);
        writer.execute_batch(SCHEMA).expect("SQLite creates the table");
        Self { path, writer: Mutex::new(writer) }
    }
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("SQLite opens");
    let set = |name: &str, value: &str| {
        connection.pragma_update(None, name, value).unwrap_or_else(|error| panic!("PRAGMA {name}: {error}"));
    };
    set("journal_mode", "WAL");
    set("synchronous", "NORMAL");
    set("cache_size", "-1048576");
    set("wal_autocheckpoint", "4000");
    set("temp_store", "MEMORY");
    connection.busy_timeout(Duration::from_secs(60)).expect("SQLite takes a timeout");
    connection
}

fn make(writer: &Connection, Change { id, what }: &Change<'_>) -> bool {
    let run = |statement: &str, params: &[&dyn rusqlite::ToSql]| {
        let mut statement = writer.prepare_cached(statement).expect("SQLite prepares");
        statement.execute(params).expect("SQLite writes") > 0
    };
    match what {
        What::Set { data, expires_ms } => run(SET, params![id, data.as_ref(), *expires_ms as i64]),
        What::Touch { now_ms, expires_ms } => run(TOUCH, params![id, *expires_ms as i64, *now_ms as i64]),
        What::Destroy => run(DESTROY, params![id]),
    }
}

impl Keeps for Sqlite {
    type Access<'a> = Connection;

    fn settings(&self) -> String {
        format!(
            "SQLite {}, journal_mode=WAL, synchronous=NORMAL (Written) or FULL (Synced), cache_size=1 GiB, \
             wal_autocheckpoint=4000, temp_store=MEMORY, page 4096; one connection that writes behind a mutex, one a \
             thread that reads, statements prepared once",
            rusqlite::version()
        )
    }

    fn wait_for(&self, wait: Wait) {
        let synchronous = if wait == Wait::Synced { "FULL" } else { "NORMAL" };
        self.writer.lock().pragma_update(None, "synchronous", synchronous).expect("SQLite takes a setting");
    }

    fn settle(&self) {
        // The WAL only: checkpoints happen when SQLite wants them, and are part of what writes cost.
        let wal = self.path.with_extension("sqlite-wal");
        if let Ok(wal) = File::open(wal) {
            wal.sync_data().expect("the WAL can be synced");
        }
    }

    fn access(&self) -> Connection {
        connect(&self.path)
    }

    fn read(&self, reader: &mut Connection, id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let mut get = reader.prepare_cached(GET).expect("SQLite prepares");
        let found = get.query_row(params![id, now_ms as i64], |row| {
            copy.extend_from_slice(row.get_ref(0)?.as_blob()?);
            Ok(())
        });
        found.optional().expect("SQLite gets").is_some()
    }

    fn make(&self, _access: &mut Connection, change: &Change<'_>) -> bool {
        make(&self.writer.lock(), change)
    }

    fn commit(&self, _access: &mut Connection, changes: &[Change<'_>]) -> Vec<bool> {
        let mut writer = self.writer.lock();
        let batch = writer.transaction().expect("SQLite begins");
        let found = changes.iter().map(|change| make(&batch, change)).collect();
        batch.commit().expect("SQLite commits");
        found
    }

    fn prune(&self, _access: &mut Connection, now_ms: u64) {
        let writer = self.writer.lock();
        let mut prune = writer.prepare_cached(PRUNE).expect("SQLite prepares");
        prune.execute(params![now_ms as i64]).expect("SQLite prunes");
    }
}
