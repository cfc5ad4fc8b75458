//! Owed endings: sessions that have ended in memory while the log had no room to say so.
//!
//! Owns: what the log must still be told. Such an ending was reported as not durable; but while the process lives it holds,
//! and it must hold afterwards too if the id is used again: a create that found a clean slate would leave the older record
//! without anything that says it is dead. So a record for an owed id ends that very id before it, and whatever is still
//! owed is written as soon as there is room.

use std::collections::BTreeMap;

use super::core::Core;
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::log::record::{Ends, Record, What};
use crate::session::Deadline;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// What the log must still be told, by digest: the birth of the session and its ceiling.
#[derive(Default)]
pub(crate) struct Owed {
    count: AtomicUsize,
    endings: Mutex<BTreeMap<Digest, (u64, Deadline)>>,
}

impl Owed {
    /// A session has ended and the log does not know.
    pub fn add(&self, digest: Digest, birth: u64, ceiling: Deadline) {
        let mut endings = self.endings.lock();
        let owed = endings.entry(digest).or_insert((birth, ceiling));
        owed.1 = owed.1.max(ceiling);
        self.count.store(endings.len(), Ordering::Release);
    }

    /// What a record that begins this id anew must end.
    pub fn ends(&self, digest: Digest) -> Option<Ends> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.endings.lock().get(&digest).map(|(_, ceiling)| Ends { digest, ceiling: *ceiling })
    }

    /// The log has been told.
    pub fn settle(&self, digest: Digest) {
        if self.count.load(Ordering::Acquire) > 0 {
            let mut endings = self.endings.lock();
            endings.remove(&digest);
            self.count.store(endings.len(), Ordering::Release);
        }
    }

    fn next(&self) -> Option<(Digest, u64, Deadline)> {
        let endings = self.endings.lock();
        endings.iter().next().map(|(digest, (birth, ceiling))| (*digest, *birth, *ceiling))
    }
}

impl Core {
    /// Writes what is owed, as far as there is room.
    pub fn pay(&self) -> Result<()> {
        while let Some((digest, birth, ceiling)) = self.owed.next() {
            let _guard = self.locks.one(digest.tag());
            self.check_open()?;
            if self.owed.ends(digest).is_none() {
                continue;
            }
            let what = What::Stub { digest, birth, ceiling, ends: None };
            let now = self.watch.now();
            match self.appender()?.append(now.settled_ms, |lsn| Record { lsn, what }) {
                Err(Error::Full(_)) => return Ok(()),
                appended => appended.map(|_| self.owed.settle(digest))?,
            }
        }
        Ok(())
    }
}
