//! Operating a store: what the person on call asks it, and tells it. Each again a short story.
//!
//! Owns: the public calls that concern the store and no session of it. What they do is told in `inspecting`, `upkeep` and
//! `compacting`.

use std::path::Path;
use std::time::Duration;

use super::Store;
use crate::error::{Holder, Result};
use crate::stats::{BackupReport, EndingsAhead, Maintenance, Stats, Verification};

impl Store {
    /// The store's figures. Cheap enough to be asked for every second.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core().stats()
    }

    /// How many sessions live and how many of them end within the hour and the day. Looks at every session in memory,
    /// about ten milliseconds a million.
    #[must_use]
    pub fn endings_ahead(&self) -> EndingsAhead {
        self.core().endings_ahead()
    }

    /// Who held the store when it was opened with [`Options::read_only`](crate::Options::read_only); `None` when nobody did, and in a store that is
    /// open for writing.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.core().holder.clone()
    }

    /// Reads every record of every segment and compares the index with them. Repairs nothing.
    ///
    /// # Errors
    /// `Closed`, `Io`. Damage is no error here but what the result tells.
    pub fn verify(&self) -> Result<Verification> {
        self.core().verify()
    }

    /// Copies the store as it is at one moment to a new directory, while it goes on running; sealed segments are
    /// linked where the file system can. The copy opens like a store after a crash. It knows nothing of what ends
    /// after it was made.
    ///
    /// # Errors
    /// `Invalid` when the directory is not empty, `Full`, `Latched`, `Closed`, `ReadOnly`, `Io`.
    pub fn backup(&self, destination: impl AsRef<Path>) -> Result<BackupReport> {
        self.core().backup(destination.as_ref())
    }

    /// Does what the threads otherwise do: drops what has expired, prepares segments, compacts, and in a store with
    /// [`Options::manual_maintenance`](crate::Options::manual_maintenance) syncs what was `Written`. Works for about `budget` at most.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// while store.maintain(Duration::from_millis(5))?.more {}
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Latched`, `Full`, `Closed`, `ReadOnly`, `Io`.
    pub fn maintain(&self, budget: Duration) -> Result<Maintenance> {
        self.core().maintain(budget)
    }

    /// An operator says that the wall clock is right: what has passed by it has ended, whatever the jump was.
    ///
    /// # Errors
    /// `Closed`, `ReadOnly`.
    pub fn confirm_clock(&self) -> Result<()> {
        self.core().appender()?;
        self.core().watch.confirm();
        Ok(())
    }
}
