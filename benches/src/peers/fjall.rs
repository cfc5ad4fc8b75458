//! fjall: a log-structured merge tree.

use std::hash::BuildHasher;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use parking_lot::Mutex;

use super::keeps::{Change, Keeps, What, alive, value};
use crate::peer::Wait;

const CACHE_BYTES: u64 = 2 << 30;
const STRIPES: usize = 64;

/// A directory of fjall's.
pub struct Fjall {
    database: Database,
    sessions: Keyspace,
    synced: AtomicBool,
    /// A touch reads and writes: no other write of the same id may come between.
    stripes: Vec<Mutex<()>>,
}

impl Fjall {
    /// Opens the database in `directory`, and creates it where there is none.
    pub fn open(directory: &Path) -> Self {
        let database = Database::builder(directory).cache_size(CACHE_BYTES).open().expect("fjall opens");
        let sessions = database.keyspace("sessions", KeyspaceCreateOptions::default);
        Self {
            sessions: sessions.expect("fjall opens a keyspace"),
            database,
            synced: AtomicBool::new(false),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
        }
    }

    fn found(&self, id: &str) -> Option<fjall::UserValue> {
        self.sessions.get(id).expect("fjall gets")
    }

    fn apply(&self, Change { id, what }: &Change<'_>) -> bool {
        let stripe = foldhash::quality::FixedState::default().hash_one(id.as_ref()) as usize % STRIPES;
        let _guard = self.stripes[stripe].lock();
        match what {
            What::Set { data, expires_ms } => {
                self.sessions.insert(id.as_ref(), value(*expires_ms, data)).expect("fjall sets");
                true
            }
            What::Touch { now_ms, expires_ms } => {
                let found = self.found(id);
                let Some(data) = found.as_deref().and_then(|found| alive(found, *now_ms)) else {
                    return false;
                };
                self.sessions.insert(id.as_ref(), value(*expires_ms, data)).expect("fjall touches");
                true
            }
            What::Destroy => {
                let is_there = self.found(id).is_some();
                self.sessions.remove(id.as_ref()).expect("fjall removes");
                is_there
            }
        }
    }
}

impl Keeps for Fjall {
    type Access<'a> = ();

    fn settings(&self) -> String {
        "fjall 3, cache 2 GiB, else as it comes (LZ4, 64 MiB memtable); Synced: persist(SyncData) after each commit; a touch \
         reads and writes under a striped lock; the expiry stands before the data"
            .to_owned()
    }

    fn wait_for(&self, wait: Wait) {
        self.synced.store(wait == Wait::Synced, Ordering::Relaxed);
    }

    fn settle(&self) {
        self.database.persist(PersistMode::SyncAll).expect("fjall persists");
    }

    fn access(&self) {}

    fn read(&self, (): &mut (), id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let found = self.found(id);
        let Some(data) = found.as_deref().and_then(|found| alive(found, now_ms)) else { return false };
        copy.extend_from_slice(data);
        true
    }

    fn make(&self, access: &mut (), change: &Change<'_>) -> bool {
        self.commit(access, std::slice::from_ref(change)) == [true]
    }

    fn commit(&self, (): &mut (), changes: &[Change<'_>]) -> Vec<bool> {
        let found = changes.iter().map(|change| self.apply(change)).collect();
        if self.synced.load(Ordering::Relaxed) {
            self.database.persist(PersistMode::SyncData).expect("fjall persists");
        }
        found
    }

    fn prune(&self, (): &mut (), now_ms: u64) {
        for entry in self.sessions.iter() {
            let (id, value) = entry.into_inner().expect("fjall iterates");
            if alive(&value, now_ms).is_none() {
                self.sessions.remove(id).expect("fjall removes");
            }
        }
    }
}
