//! LMDB through heed: a mapped B-tree, copy on write, one writer.

use std::path::Path;

use heed::types::{Bytes, Str};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, WithoutTls};

use super::every_second::EverySecond;
use super::keeps::{Change, Keeps, What, alive, value};
use crate::peer::Wait;

const MAP_BYTES: usize = 64 << 30;
const READERS_MAX: u32 = 256;

/// An environment of LMDB's.
pub struct Lmdb {
    environment: Env<WithoutTls>,
    sessions: Database<'static, Str, Bytes>,
    _syncing: EverySecond,
}

impl Lmdb {
    /// Opens the environment in `directory`, and creates it where there is none.
    pub fn open(directory: &Path) -> Self {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_BYTES).max_readers(READERS_MAX);
        #[expect(unsafe_code, reason = "heed cannot know that nobody else changes the file")]
        // SAFETY: the directory is this run's own, and the environment is opened once.
        let environment = unsafe {
            options.flags(EnvFlags::NO_SYNC | EnvFlags::NO_READ_AHEAD);
            options.open(directory).expect("LMDB opens")
        };
        let write = environment.write_txn().expect("LMDB begins");
        let sessions = environment.create_databases_and_commit(write, |opener, write| {
            opener.create_database(write, None).map(CommitOrAbort::<_, ()>::Commit)
        });
        let sessions = sessions.expect("LMDB creates").unwrap_commit();
        let of = environment.clone();
        let sync = move || of.force_sync().expect("LMDB syncs");
        Self { environment, sessions, _syncing: EverySecond::new(sync) }
    }
}

impl Keeps for Lmdb {
    type Access<'a> = ();

    fn settings(&self) -> String {
        "LMDB through heed 0.23, map 64 GiB, MDB_NORDAHEAD, a transaction for each operation; Synced: as it comes; Written: \
         MDB_NOSYNC and mdb_env_sync each second, which survives kill -9, and which power loss may corrupt; the expiry stands \
         before the data"
            .to_owned()
    }

    fn wait_for(&self, wait: Wait) {
        let mode = if wait == Wait::Synced { FlagSetMode::Disable } else { FlagSetMode::Enable };
        #[expect(unsafe_code, reason = "heed cannot know that no transaction is open")]
        // SAFETY: LMDB allows this flag to be changed at any time; nobody has a transaction between two workloads.
        unsafe { self.environment.set_flags(EnvFlags::NO_SYNC, mode) }.expect("LMDB takes a flag");
    }

    fn settle(&self) {
        self.environment.force_sync().expect("LMDB syncs");
    }

    fn access(&self) {}

    fn read(&self, (): &mut (), id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let read = self.environment.read_txn().expect("LMDB begins");
        let found = self.sessions.get(&read, id).expect("LMDB gets");
        let Some(data) = found.and_then(|found| alive(found, now_ms)) else { return false };
        copy.extend_from_slice(data);
        true
    }

    fn make(&self, access: &mut (), change: &Change<'_>) -> bool {
        self.commit(access, std::slice::from_ref(change)) == [true]
    }

    fn commit(&self, (): &mut (), changes: &[Change<'_>]) -> Vec<bool> {
        let mut write = self.environment.write_txn().expect("LMDB begins");
        let make = |Change { id, what }: &Change<'_>| match what {
            What::Set { data, expires_ms } => {
                self.sessions.put(&mut write, id, &value(*expires_ms, data)).expect("LMDB sets");
                true
            }
            What::Touch { now_ms, expires_ms } => {
                let found = self.sessions.get(&write, id).expect("LMDB gets");
                let longer =
                    found.and_then(|found| alive(found, *now_ms)).map(|data| value(*expires_ms, data));
                longer.is_some_and(|longer| {
                    self.sessions.put(&mut write, id, &longer).expect("LMDB touches");
                    true
                })
            }
            What::Destroy => self.sessions.delete(&mut write, id).expect("LMDB removes"),
        };
        let found = changes.iter().map(make).collect();
        write.commit().expect("LMDB commits");
        found
    }

    fn prune(&self, (): &mut (), now_ms: u64) {
        let mut write = self.environment.write_txn().expect("LMDB begins");
        let mut over = Vec::new();
        for entry in self.sessions.iter(&write).expect("LMDB iterates") {
            let (id, value) = entry.expect("LMDB iterates");
            if alive(value, now_ms).is_none() {
                over.push(id.to_owned());
            }
        }
        for id in over {
            self.sessions.delete(&mut write, &id).expect("LMDB removes");
        }
        write.commit().expect("LMDB commits");
    }
}
