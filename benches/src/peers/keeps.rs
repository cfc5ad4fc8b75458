//! What the stores have in common that keep a session as a value under its id: one commit for one change or for many.

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::group::Group;
use crate::peer::{Client, IDLE, Peer, Wait};

/// How many sessions are loaded in one commit.
const LOAD_BATCH: usize = 10_000;

/// A change of one session.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// Whose.
    pub id: Cow<'a, str>,
    /// What.
    pub what: What<'a>,
}

/// What becomes of a session.
#[derive(Debug, Clone)]
pub enum What<'a> {
    /// It is created or replaced.
    Set {
        /// Its data from now on.
        data: Cow<'a, [u8]>,
        /// Until when it lives.
        expires_ms: u64,
    },
    /// It lives longer, if it lives.
    Touch {
        /// When it has to live.
        now_ms: u64,
        /// Until when it lives then.
        expires_ms: u64,
    },
    /// It ends.
    Destroy,
}

impl Change<'_> {
    /// The same, for another thread.
    pub fn into_owned(self) -> Change<'static> {
        let what = match self.what {
            What::Set { data, expires_ms } => What::Set { data: Cow::Owned(data.into_owned()), expires_ms },
            What::Touch { now_ms, expires_ms } => What::Touch { now_ms, expires_ms },
            What::Destroy => What::Destroy,
        };
        Change { id: Cow::Owned(self.id.into_owned()), what }
    }
}

/// A store of sessions under ids.
pub trait Keeps: Send + Sync {
    /// What one thread talks to it with.
    type Access<'a>: Send
    where
        Self: 'a;

    /// Version and settings.
    fn settings(&self) -> String;

    /// See [`Peer::forgets`].
    fn forgets(&self) -> bool {
        false
    }

    /// From now on commits wait for this.
    fn wait_for(&self, wait: Wait);

    /// See [`Peer::settle`].
    fn settle(&self);

    /// See [`Peer::server_bytes`].
    fn server_bytes(&self) -> Option<u64> {
        None
    }

    /// See [`Peer::kill`].
    fn kill(&self) {}

    /// Access for a thread.
    fn access(&self) -> Self::Access<'_>;

    /// Copies a live session's data to the end of `copy`; `false` if there is none.
    fn read(&self, access: &mut Self::Access<'_>, id: &str, now_ms: u64, copy: &mut Vec<u8>) -> bool;

    /// Makes a change, in a commit of its own; says whether its session was there.
    fn make(&self, access: &mut Self::Access<'_>, change: &Change<'_>) -> bool;

    /// Makes these changes in one commit; says of each whether its session was there.
    fn commit(&self, access: &mut Self::Access<'_>, changes: &[Change<'_>]) -> Vec<bool> {
        changes.iter().map(|change| self.make(access, change)).collect()
    }

    /// Removes what has run out; nothing where the store does that by itself.
    fn prune(&self, _access: &mut Self::Access<'_>, _now_ms: u64) {}
}

/// Such a store as a peer, with a commit for each change, or behind a queue whose leader commits for all who wait.
pub struct Kept<K> {
    name: &'static str,
    store: K,
    group: Option<Group>,
}

impl<K: Keeps> Kept<K> {
    /// A commit for each change.
    pub fn alone(name: &'static str, store: K) -> Self {
        Self { name, store, group: None }
    }

    /// Behind a queue.
    pub fn grouped(name: &'static str, store: K) -> Self {
        Self { name, store, group: Some(Group::default()) }
    }
}

impl<K: Keeps> Peer for Kept<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self) -> String {
        let settings = self.store.settings();
        if self.group.is_some() {
            return format!("{settings}; behind a queue: whoever finds no leader commits for all who wait");
        }
        settings
    }

    fn forgets(&self) -> bool {
        self.store.forgets()
    }

    fn load(&self, sessions: &mut dyn Iterator<Item = (&str, &[u8])>) {
        let expires_ms = now_ms() + ms(IDLE);
        let mut access = self.store.access();
        let mut sessions = sessions
            .map(|(id, data)| {
                let what = What::Set { data: Cow::Owned(data.to_owned()), expires_ms };
                Change { id: Cow::Owned(id.to_owned()), what }
            })
            .peekable();
        while sessions.peek().is_some() {
            let batch: Vec<Change<'_>> = sessions.by_ref().take(LOAD_BATCH).collect();
            self.store.commit(&mut access, &batch);
        }
    }

    fn wait_for(&self, wait: Wait) {
        self.store.wait_for(wait);
    }

    fn client(&self) -> Box<dyn Client + '_> {
        Box::new(KeptClient { peer: self, access: self.store.access(), copy: Vec::new() })
    }

    fn settle(&self) {
        self.store.settle();
    }

    fn queues(&self) -> bool {
        self.group.is_some()
    }

    fn server_bytes(&self) -> Option<u64> {
        self.store.server_bytes()
    }

    fn kill(&self) {
        self.store.kill();
    }

    fn prune(&self) {
        self.store.prune(&mut self.store.access(), now_ms());
    }
}

struct KeptClient<'a, K: Keeps> {
    peer: &'a Kept<K>,
    access: K::Access<'a>,
    copy: Vec<u8>,
}

impl<K: Keeps> KeptClient<'_, K> {
    fn change(&mut self, id: &str, what: What<'_>) -> bool {
        let change = Change { id: Cow::Borrowed(id), what };
        match &self.peer.group {
            Some(group) => group.commit(&self.peer.store, &mut self.access, change.into_owned()),
            None => self.peer.store.make(&mut self.access, &change),
        }
    }
}

impl<K: Keeps> Client for KeptClient<'_, K> {
    fn get(&mut self, id: &str) -> Option<usize> {
        self.copy.clear();
        let found = self.peer.store.read(&mut self.access, id, now_ms(), &mut self.copy);
        found.then(|| black_box(&self.copy).len())
    }

    fn set_for(&mut self, id: &str, data: &[u8], idle: Duration) {
        self.change(id, What::Set { data: Cow::Borrowed(data), expires_ms: now_ms() + ms(idle) });
    }

    fn touch(&mut self, id: &str, idle: Duration) -> bool {
        let now_ms = now_ms();
        self.change(id, What::Touch { now_ms, expires_ms: now_ms + ms(idle) })
    }

    fn destroy(&mut self, id: &str) -> bool {
        self.change(id, What::Destroy)
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

static AHEAD_MS: AtomicU64 = AtomicU64::new(0);

/// By the wall clock, in milliseconds since 1970, or so much later as [`pass`] has let pass.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, ms) + passed_ms()
}

/// How much [`pass`] has let pass, in milliseconds.
pub fn passed_ms() -> u64 {
    AHEAD_MS.load(Ordering::Relaxed)
}

/// Lets time pass for every store that goes by [`now_ms`].
pub fn pass(time: Duration) {
    AHEAD_MS.fetch_add(ms(time), Ordering::Relaxed);
}

/// A value that begins with the moment at which the session ends.
pub fn value(expires_ms: u64, data: &[u8]) -> Vec<u8> {
    [&expires_ms.to_le_bytes(), data].concat()
}

/// The data of a value whose session lives.
pub fn alive(value: &[u8], now_ms: u64) -> Option<&[u8]> {
    let (expires_ms, data) = value.split_first_chunk()?;
    (u64::from_le_bytes(*expires_ms) > now_ms).then_some(data)
}
