//! Operating a store: what the person on call asks it, and tells it. Each again a short story.
//!
//! Owns: the public calls that concern the store and no session of it. What they do is told in `inspecting`, `upkeep` and
//! `compacting`.

use std::path::Path;
use std::time::Duration;

use super::Store;
use crate::error::{Holder, Result};
use crate::events::Events;
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

    /// What happens to sessions from now on: created, updated, expired, ended, each with its handle and subject.
    ///
    /// A bounded number of events waits for a listener who is slow, 4,096; beyond that the oldest go, and
    /// [`Events::missed`] says how many. (A crowd that runs out at the same moment is told at the pace of who listens, for a
    /// minute at most.) Each listener has his own place. Whoever asks for the next event has dealt with the one before;
    /// when the last listener is dropped, the next one begins with what that one may not have dealt with.
    ///
    /// **That a session's time has run out is told at least once**, whatever happens to the process: once somebody has listened,
    /// what nobody had dealt with when it ended is told by the next opening, and something may be told again, after a crash mostly what ran out in the
    /// last three minutes. So is what runs out while the store is closed, when the clock is confirmed. After a
    /// crash a session may be told to have run out that was ended by hand shortly before it would have. Whoever is not there
    /// for as long as [`Options::erase_within`](crate::Options::erase_within) is forgotten. All other events are told by the
    /// process in which they happen, or not at all.
    ///
    /// The first call ever makes a file beside the log, `EVENTS`, and waits for the disk.
    ///
    /// ```
    /// use sessile::{Reason, SessionEvent, Write};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// let mut events = store.events()?;
    /// store.create("an id", Write::new("phone").subject("alice"))?;
    /// store.destroy_subject("alice", None)?;
    ///
    /// let phone = store.handle_of("an id")?;
    /// assert!(matches!(events.try_next(), Some(SessionEvent::Created { handle, .. }) if handle == phone));
    /// assert!(matches!(events.try_next(), Some(SessionEvent::Ended { reason: Reason::Revoked, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `ReadOnly`; and, the first time ever, `Full` and `Io`.
    pub fn events(&self) -> Result<Events> {
        self.core().listen()
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
