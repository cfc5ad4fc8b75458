//! SQLite as Node's connect-sqlite3 0.9 uses it: its table, its statements, the rollback journal, and one connection for
//! everything.

use std::path::Path;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::keeps::{Change, Keeps, What};
use crate::peer::Wait;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS sessions (sid PRIMARY KEY, expired, sess)";
const GET: &str = "SELECT sess FROM sessions WHERE sid = ? AND ? <= expired";
const SET: &str = "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)";
const TOUCH: &str = "UPDATE sessions SET expired=? WHERE sid = ? AND ? <= expired";
const DESTROY: &str = "DELETE FROM sessions WHERE sid = ?";
const PRUNE: &str = "DELETE FROM sessions WHERE ? > expired";

/// A database file and its one connection.
pub struct ConnectSqlite3(Mutex<Connection>);

impl ConnectSqlite3 {
    /// Opens the database in `directory`, and creates it where there is none.
    pub fn open(directory: &Path) -> Self {
        let connection = Connection::open(directory.join("sessions")).expect("SQLite opens");
        // What a connection has if nobody sets anything; said, so that it is seen.
        connection.pragma_update(None, "journal_mode", "DELETE").expect("SQLite takes a setting");
        connection.execute_batch(SCHEMA).expect("SQLite creates the table");
        Self(Mutex::new(connection))
    }
}

fn run(connection: &Connection, statement: &str, params: &[&dyn ToSql]) -> bool {
    let mut statement = connection.prepare_cached(statement).expect("SQLite prepares");
    statement.execute(params).expect("SQLite writes") > 0
}

fn make(connection: &Connection, Change { id, what }: &Change<'_>) -> bool {
    match what {
        What::Set { data, expires_ms } => {
            let json = std::str::from_utf8(data).expect("sessions are JSON");
            run(connection, SET, params![id, *expires_ms as i64, json])
        }
        What::Touch { now_ms, expires_ms } => {
            run(connection, TOUCH, params![*expires_ms as i64, id, *now_ms as i64])
        }
        What::Destroy => run(connection, DESTROY, params![id]),
    }
}

impl Keeps for ConnectSqlite3 {
    type Access<'a> = ();

    fn settings(&self) -> String {
        format!(
            "SQLite {} as connect-sqlite3 0.9 uses it: sessions(sid PRIMARY KEY, expired, sess) without a further index, \
             journal_mode=DELETE, synchronous=FULL (Synced), cache_size=2 MB, page 4096, one connection for everything; \
             statements prepared once, which connect-sqlite3 does each time; Written: synchronous=OFF, which \
             connect-sqlite3 does not offer, and with which power loss may corrupt the file",
            rusqlite::version()
        )
    }

    fn wait_for(&self, wait: Wait) {
        let synchronous = if wait == Wait::Synced { "FULL" } else { "OFF" };
        self.0.lock().pragma_update(None, "synchronous", synchronous).expect("SQLite takes a setting");
    }

    fn settle(&self) {
        // The journal is gone after each commit; what `OFF` left to the system is one file.
        let connection = self.0.lock();
        if let Some(file) = connection.path().and_then(|path| std::fs::File::open(path).ok()) {
            file.sync_data().expect("the database can be synced");
        }
    }

    fn access(&self) {}

    fn read(&self, (): &mut (), id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let connection = self.0.lock();
        let mut get = connection.prepare_cached(GET).expect("SQLite prepares");
        let found = get.query_row(params![id, now_ms as i64], |row| {
            copy.extend_from_slice(row.get_ref(0)?.as_bytes()?);
            Ok(())
        });
        found.optional().expect("SQLite gets").is_some()
    }

    fn make(&self, (): &mut (), change: &Change<'_>) -> bool {
        make(&self.0.lock(), change)
    }

    fn commit(&self, (): &mut (), changes: &[Change<'_>]) -> Vec<bool> {
        let mut connection = self.0.lock();
        let batch = connection.transaction().expect("SQLite begins");
        let found = changes.iter().map(|change| make(&batch, change)).collect();
        batch.commit().expect("SQLite commits");
        found
    }

    fn prune(&self, (): &mut (), now_ms: u64) {
        run(&self.0.lock(), PRUNE, params![now_ms as i64]);
    }
}
