//! RocksDB: a log-structured merge tree that commits in groups by itself.

use std::hash::BuildHasher;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rocksdb::compaction_filter::Decision;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DataBlockIndexType, Options, WriteBatch, WriteOptions,
};
use sessile_bench::peer::Wait;
use sessile_bench::peers::keeps::{Change, Keeps, What, alive, now_ms, value};

const CACHE_BYTES: usize = 2 << 30;
const STRIPES: usize = 64;

/// A directory of RocksDB's.
pub struct RocksDb {
    database: DB,
    synced: AtomicBool,
    /// A touch reads and writes: no other write of the same id may come between.
    stripes: Vec<Mutex<()>>,
}

impl RocksDb {
    /// Opens the database in `directory`, and creates it where there is none.
    pub fn open(directory: &Path) -> Self {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        blocks.set_block_size(4096);
        blocks.set_bloom_filter(10.0, false);
        blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.increase_parallelism(2);
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_block_based_table_factory(&blocks);
        options.set_compaction_filter("expired", |_, _, value| {
            if alive(value, now_ms()).is_some() { Decision::Keep } else { Decision::Remove }
        });
        Self {
            database: DB::open(&options, directory).expect("RocksDB opens"),
            synced: AtomicBool::new(false),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
        }
    }

    fn options(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.synced.load(Ordering::Relaxed));
        options
    }
}

impl Keeps for RocksDb {
    type Access<'a> = ();

    fn settings(&self) -> String {
        "RocksDB through rocksdb 0.25, block cache 2 GiB, bloom filter of 10 bits, 4 KiB blocks with a hash index, LZ4, \
         increase_parallelism(2), level_compaction_dynamic_level_bytes, what has run out dropped by a compaction filter; \
         Synced: WriteOptions::sync; Written: the WAL without it; a touch reads and writes under a striped lock; the \
         expiry stands before the data"
            .to_owned()
    }

    fn wait_for(&self, wait: Wait) {
        self.synced.store(wait == Wait::Synced, Ordering::Relaxed);
    }

    fn settle(&self) {
        self.database.flush_wal(true).expect("RocksDB syncs");
    }

    fn access(&self) {}

    fn read(&self, (): &mut (), id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let found = self.database.get_pinned(id).expect("RocksDB gets");
        let Some(data) = found.as_deref().and_then(|found| alive(found, now_ms)) else { return false };
        copy.extend_from_slice(data);
        true
    }

    fn make(&self, (): &mut (), Change { id, what }: &Change<'_>) -> bool {
        let stripe = foldhash::quality::FixedState::default().hash_one(id.as_ref()) as usize % STRIPES;
        let _guard = self.stripes[stripe].lock();
        match what {
            What::Set { data, expires_ms } => {
                let value = value(*expires_ms, data);
                self.database.put_opt(id.as_ref(), value, &self.options()).expect("RocksDB sets");
                true
            }
            What::Touch { now_ms, expires_ms } => {
                let found = self.database.get_pinned(id.as_ref()).expect("RocksDB gets");
                let Some(data) = found.as_deref().and_then(|found| alive(found, *now_ms)) else {
                    return false;
                };
                let longer = value(*expires_ms, data);
                self.database.put_opt(id.as_ref(), longer, &self.options()).expect("RocksDB touches");
                true
            }
            What::Destroy => {
                let is_there = self.database.get_pinned(id.as_ref()).expect("RocksDB gets").is_some();
                self.database.delete_opt(id.as_ref(), &self.options()).expect("RocksDB removes");
                is_there
            }
        }
    }

    fn commit(&self, access: &mut (), changes: &[Change<'_>]) -> Vec<bool> {
        let is_load = changes.iter().all(|change| matches!(change.what, What::Set { .. }));
        if !is_load {
            return changes.iter().map(|change| self.make(access, change)).collect();
        }
        let mut batch = WriteBatch::default();
        for Change { id, what } in changes {
            if let What::Set { data, expires_ms } = what {
                batch.put(id.as_ref(), value(*expires_ms, data));
            }
        }
        self.database.write_opt(batch, &self.options()).expect("RocksDB sets");
        vec![true; changes.len()]
    }
}
