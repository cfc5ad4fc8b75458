//! redb: a B-tree of its own, copy on write, one writer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use super::every_second::EverySecond;
use super::keeps::{Change, Keeps, What, alive, value};
use crate::peer::Wait;

const SESSIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sessions");
const CACHE_BYTES: usize = 2 << 30;

/// A database file.
pub struct Redb {
    database: Arc<Database>,
    synced: Arc<AtomicBool>,
    _syncing: EverySecond,
}

impl Redb {
    /// Opens the database in `directory`, and creates it where there is none.
    pub fn open(directory: &Path) -> Self {
        let path = directory.join("sessions.redb");
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path).expect("redb creates");
        let database = Arc::new(database);
        commit(&database, Durability::Immediate, &[]);
        let synced = Arc::new(AtomicBool::new(false));
        let (of, waits) = (Arc::clone(&database), Arc::clone(&synced));
        let sync = move || {
            if !waits.load(Ordering::Relaxed) {
                commit(&of, Durability::Immediate, &[]);
            }
        };
        Self { database, synced, _syncing: EverySecond::new(sync) }
    }
}

fn commit(database: &Database, durability: Durability, changes: &[Change<'_>]) -> Vec<bool> {
    let mut write = database.begin_write().expect("redb begins");
    write.set_durability(durability).expect("redb takes a durability");
    let found = {
        let mut table = write.open_table(SESSIONS).expect("redb opens the table");
        let mut make = |Change { id, what }: &Change<'_>| match what {
            What::Set { data, expires_ms } => {
                let before = table.insert(id.as_ref(), value(*expires_ms, data).as_slice());
                before.expect("redb sets").is_some()
            }
            What::Touch { now_ms, expires_ms } => {
                let longer = table
                    .get(id.as_ref())
                    .expect("redb gets")
                    .and_then(|found| alive(found.value(), *now_ms).map(|data| value(*expires_ms, data)));
                longer.is_some_and(|longer| {
                    table.insert(id.as_ref(), longer.as_slice()).expect("redb touches").is_some()
                })
            }
            What::Destroy => table.remove(id.as_ref()).expect("redb removes").is_some(),
        };
        changes.iter().map(&mut make).collect()
    };
    write.commit().expect("redb commits");
    found
}

impl Keeps for Redb {
    type Access<'a> = ();

    fn settings(&self) -> String {
        "redb 4, cache 2 GiB, a transaction for each operation; Synced: Durability::Immediate; Written: \
         Durability::None and an Immediate commit each second, which does not survive kill -9 of the last second; the \
         expiry stands before the data"
            .to_owned()
    }

    fn wait_for(&self, wait: Wait) {
        self.synced.store(wait == Wait::Synced, Ordering::Relaxed);
    }

    fn settle(&self) {
        commit(&self.database, Durability::Immediate, &[]);
    }

    fn access(&self) {}

    fn read(&self, (): &mut (), id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let read = self.database.begin_read().expect("redb begins");
        let table = read.open_table(SESSIONS).expect("redb opens the table");
        let Some(found) = table.get(id).expect("redb gets") else { return false };
        let Some(data) = alive(found.value(), now_ms) else { return false };
        copy.extend_from_slice(data);
        true
    }

    fn make(&self, access: &mut (), change: &Change<'_>) -> bool {
        self.commit(access, std::slice::from_ref(change)) == [true]
    }

    fn commit(&self, (): &mut (), changes: &[Change<'_>]) -> Vec<bool> {
        let synced = self.synced.load(Ordering::Relaxed);
        commit(&self.database, if synced { Durability::Immediate } else { Durability::None }, changes)
    }

    fn prune(&self, (): &mut (), now_ms: u64) {
        let write = self.database.begin_write().expect("redb begins");
        {
            let mut table = write.open_table(SESSIONS).expect("redb opens the table");
            table.retain(|_, value| alive(value, now_ms).is_some()).expect("redb prunes");
        }
        write.commit().expect("redb commits");
    }
}
