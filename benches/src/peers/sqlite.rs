//! SQLite as a careful application would use it: WAL, prepared statements, one connection that writes, one connection
//! a thread that reads, caches that hold the whole table.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::peer::{Client, IDLE, Peer, Wait};
use rusqlite::{Connection, OptionalExtension, params};

const SCHEMA: &str = "
    CREATE TABLE sessions (sid TEXT PRIMARY KEY, sess BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX sessions_expires ON sessions (expires);";
const GET: &str = "SELECT sess FROM sessions WHERE sid = ?1 AND expires > ?2";
const SET: &str = "INSERT INTO sessions (sid, sess, expires) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expires = excluded.expires";
const TOUCH: &str = "UPDATE sessions SET expires = ?2 WHERE sid = ?1 AND expires > ?3";
const DESTROY: &str = "DELETE FROM sessions WHERE sid = ?1";
const LOAD_BATCH: usize = 1000;

/// A database file and the connection that writes to it.
pub struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
}

impl Sqlite {
    /// Creates a database in `directory`.
    pub fn create(directory: &Path) -> Self {
        let path = directory.join("sessions.sqlite");
        let writer = connect(&path);
        writer.execute_batch(SCHEMA).expect("SQLite creates the table");
        Self { path, writer: Mutex::new(writer) }
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().expect("no writer has failed")
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

impl Peer for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn settings(&self) -> String {
        format!(
            "SQLite {}, journal_mode=WAL, synchronous=NORMAL (Written) or FULL (Synced), cache_size=1 GiB, \
             wal_autocheckpoint=4000, temp_store=MEMORY, page 4096; one connection that writes behind a mutex, one a \
             thread that reads, statements prepared once",
            rusqlite::version()
        )
    }

    fn load(&self, sessions: &mut dyn Iterator<Item = (&str, &[u8])>) {
        let mut writer = self.writer();
        let expires = now_ms() + IDLE.as_millis() as i64;
        let mut sessions = sessions.peekable();
        while sessions.peek().is_some() {
            let batch = writer.transaction().expect("SQLite begins");
            {
                let mut set = batch.prepare_cached(SET).expect("SQLite prepares");
                for (id, data) in sessions.by_ref().take(LOAD_BATCH) {
                    set.execute(params![id, data, expires]).expect("SQLite sets");
                }
            }
            batch.commit().expect("SQLite commits");
        }
    }

    fn wait_for(&self, wait: Wait) {
        let synchronous = if wait == Wait::Synced { "FULL" } else { "NORMAL" };
        self.writer().pragma_update(None, "synchronous", synchronous).expect("SQLite takes a setting");
    }

    fn client(&self) -> Box<dyn Client + '_> {
        Box::new(SqliteClient { peer: self, reader: connect(&self.path), copy: Vec::new() })
    }

    fn settle(&self) {
        // The WAL only: checkpoints happen when SQLite wants them, and are part of what writes cost.
        let wal = self.path.with_extension("sqlite-wal");
        if let Ok(wal) = File::open(wal) {
            wal.sync_data().expect("the WAL can be synced");
        }
    }
}

struct SqliteClient<'a> {
    peer: &'a Sqlite,
    reader: Connection,
    copy: Vec<u8>,
}

impl SqliteClient<'_> {
    fn write(&self, statement: &str, params: impl rusqlite::Params) -> usize {
        let writer = self.peer.writer();
        let mut statement = writer.prepare_cached(statement).expect("SQLite prepares");
        statement.execute(params).expect("SQLite writes")
    }
}

impl Client for SqliteClient<'_> {
    fn get(&mut self, id: &str) -> Option<usize> {
        let mut get = self.reader.prepare_cached(GET).expect("SQLite prepares");
        let copy = &mut self.copy;
        get.query_row(params![id, now_ms()], |row| {
            copy.clear();
            copy.extend_from_slice(row.get_ref(0)?.as_blob()?);
            Ok(black_box(copy).len())
        })
        .optional()
        .expect("SQLite gets")
    }

    fn set(&mut self, id: &str, data: &[u8]) {
        self.write(SET, params![id, data, now_ms() + IDLE.as_millis() as i64]);
    }

    fn touch(&mut self, id: &str, idle: Duration) -> bool {
        let now = now_ms();
        self.write(TOUCH, params![id, now + idle.as_millis() as i64, now]) > 0
    }

    fn destroy(&mut self, id: &str) -> bool {
        self.write(DESTROY, params![id]) > 0
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
