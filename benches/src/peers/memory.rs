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
pub struct Session {
    expires_ms: AtomicU64,
    data: Box<[u8]>,
}

impl Session {
    fn new(expires_ms: u64, data: &[u8]) -> Self {
        Self { expires_ms: AtomicU64::new(expires_ms), data: data.into() }
    }

    fn lives(&self, now_ms: u64) -> bool {
        self.expires_ms.load(Ordering::Relaxed) > now_ms
    }

    fn read(&self, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let lives = self.lives(now_ms);
        if lives {
            copy.extend_from_slice(&self.data);
        }
        lives
    }

    fn touch(&self, now_ms: u64, until_ms: u64) -> bool {
        let lives = self.lives(now_ms);
        if lives {
            self.expires_ms.store(until_ms, Ordering::Relaxed);
        }
        lives
    }
}

/// A map that threads share.
pub trait Map: Send + Sync {
    /// What it is made of.
    const SETTINGS: &'static str;

    /// Shows a session to `see`; `false` if there is none.
    fn with(&self, id: &str, see: impl FnOnce(&Session) -> bool) -> bool;

    /// Puts a session there; says whether there was one.
    fn put(&self, id: &str, session: Session) -> bool;

    /// Takes a session out; says whether there was one.
    fn take(&self, id: &str) -> bool;

    /// Takes out what has run out.
    fn prune(&self, now_ms: u64);
}

/// Such a map as a store.
pub struct Forgetful<M>(pub M);

impl<M: Map> Keeps for Forgetful<M> {
    type Access<'a>
        = ()
    where
        M: 'a;

    fn settings(&self) -> String {
        format!("{}; nothing is kept", M::SETTINGS)
    }

    fn forgets(&self) -> bool {
        true
    }

    fn wait_for(&self, _wait: Wait) {}

    fn settle(&self) {}

    fn access(&self) {}

    fn read(&self, (): &mut (), id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool {
        self.0.with(id, |session| session.read(now_ms, copy))
    }

    fn make(&self, (): &mut (), Change { id, what }: &Change<'_>) -> bool {
        match what {
            What::Set { data, expires_ms } => self.0.put(id, Session::new(*expires_ms, data)),
            What::Touch { now_ms, expires_ms } => {
                self.0.with(id, |session| session.touch(*now_ms, *expires_ms))
            }
            What::Destroy => self.0.take(id),
        }
    }

    fn prune(&self, (): &mut (), now_ms: u64) {
        self.0.prune(now_ms);
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

impl Map for Sharded {
    const SETTINGS: &'static str = "64 std::collections::HashMap with foldhash behind parking_lot::RwLock; a touch changes an \
                                    atomic number under the lock for reading";

    fn with(&self, id: &str, see: impl FnOnce(&Session) -> bool) -> bool {
        self.shard(id).read().get(id).is_some_and(see)
    }

    fn put(&self, id: &str, session: Session) -> bool {
        self.shard(id).write().insert(id.into(), session).is_some()
    }

    fn take(&self, id: &str) -> bool {
        self.shard(id).write().remove(id).is_some()
    }

    fn prune(&self, now_ms: u64) {
        for shard in &self.shards {
            shard.write().retain(|_, session| session.lives(now_ms));
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

impl Map for Dash {
    const SETTINGS: &'static str =
        "dashmap 6 with 64 shards and foldhash; a touch changes an atomic number in an entry that is read";

    fn with(&self, id: &str, see: impl FnOnce(&Session) -> bool) -> bool {
        self.0.get(id).is_some_and(|session| see(&session))
    }

    fn put(&self, id: &str, session: Session) -> bool {
        self.0.insert(id.into(), session).is_some()
    }

    fn take(&self, id: &str) -> bool {
        self.0.remove(id).is_some()
    }

    fn prune(&self, now_ms: u64) {
        self.0.retain(|_, session| session.lives(now_ms));
    }
}
