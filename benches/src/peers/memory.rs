//! The limit: maps in memory, which forget everything when the process ends.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::keeps::{Change, Keeps, What};
use crate::peer::Wait;

const SHARDS: usize = 64;

/// A session. Its end is moved without the map being changed.
struct Session {
    expires_ms: AtomicU64,
    data: Box<[u8]>,
}

impl Session {
    fn new(expires_ms: u64, data: &[u8]) -> Self {
        Self { expires_ms: AtomicU64::new(expires_ms), data: data.into() }
    }

    fn read(&self, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let lives = self.expires_ms.load(Ordering::Relaxed) > now_ms;
        if lives {
            copy.extend_from_slice(&self.data);
        }
        lives
    }

    fn touch(&self, now_ms: u64, until_ms: u64) -> bool {
        let lives = self.expires_ms.load(Ordering::Relaxed) > now_ms;
        if lives {
            self.expires_ms.store(until_ms, Ordering::Relaxed);
        }
        lives
    }
}

/// `HashMap`s behind locks.
pub struct Sharded {
    hasher: RandomState,
    shards: Vec<RwLock<HashMap<Box<str>, Session, RandomState>>>,
}

impl Sharded {
    /// Empty maps.
    pub fn new() -> Self {
        let hasher = RandomState::default();
        let shard = |_| RwLock::new(HashMap::with_hasher(hasher.clone()));
        Self { shards: (0..SHARDS).map(shard).collect(), hasher }
    }

    fn shard(&self, id: &str) -> &RwLock<HashMap<Box<str>, Session, RandomState>> {
        &self.shards[(self.hasher.hash_one(id) >> 32) as usize % SHARDS]
    }
}

impl Keeps for Sharded {
    type Access<'a> = ();

    fn settings(&self) -> String {
        "64 std::collections::HashMap with foldhash behind parking_lot::RwLock; a touch changes an atomic number under the \
         lock for reading; nothing is kept"
            .to_owned()
    }

    fn forgets(&self) -> bool {
        true
    }

    fn wait_for(&self, _wait: Wait) {}

    fn settle(&self) {}

    fn access(&self) {}

    fn read(&self, (): &mut (), id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        self.shard(id).read().get(id).is_some_and(|session| session.read(now_ms, copy))
    }

    fn make(&self, (): &mut (), Change { id, what }: &Change<'_>) -> bool {
        match what {
            What::Set { data, expires_ms } => {
                self.shard(id).write().insert(id.as_ref().into(), Session::new(*expires_ms, data)).is_some()
            }
            What::Touch { now_ms, expires_ms } => {
                let shard = self.shard(id).read();
                shard.get(id.as_ref()).is_some_and(|session| session.touch(*now_ms, *expires_ms))
            }
            What::Destroy => self.shard(id).write().remove(id.as_ref()).is_some(),
        }
    }
}

/// dashmap's concurrent map.
pub struct Dash(DashMap<Box<str>, Session, RandomState>);

impl Dash {
    /// An empty map.
    pub fn new() -> Self {
        Self(DashMap::with_hasher_and_shard_amount(RandomState::default(), SHARDS))
    }
}

impl Keeps for Dash {
    type Access<'a> = ();

    fn settings(&self) -> String {
        "dashmap 6 with 64 shards and foldhash; a touch changes an atomic number in an entry that is read; nothing is kept"
            .to_owned()
    }

    fn forgets(&self) -> bool {
        true
    }

    fn wait_for(&self, _wait: Wait) {}

    fn settle(&self) {}

    fn access(&self) {}

    fn read(&self, (): &mut (), id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        self.0.get(id).is_some_and(|session| session.read(now_ms, copy))
    }

    fn make(&self, (): &mut (), Change { id, what }: &Change<'_>) -> bool {
        match what {
            What::Set { data, expires_ms } => {
                self.0.insert(id.as_ref().into(), Session::new(*expires_ms, data)).is_some()
            }
            What::Touch { now_ms, expires_ms } => {
                self.0.get(id.as_ref()).is_some_and(|session| session.touch(*now_ms, *expires_ms))
            }
            What::Destroy => self.0.remove(id.as_ref()).is_some(),
        }
    }
}
