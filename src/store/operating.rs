//! Operating a store: what the person on call asks it, and tells it. Each again a short story.
//!
//! Owns: the public calls that concern the store and no session of it. What they do is told in `inspecting`, `upkeep` and
//! `compacting`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Held, Store};
use crate::compaction::Thrift;
use crate::error::{Holder, Result};
use crate::events::Events;
use crate::log::format::Format;
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

    /// Who holds the store: this process. In a store that was opened with [`Options::read_only`](crate::Options::read_only), who
    /// held it then; `None` when nobody did.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        self.core().holder.clone()
    }

    /// Whether it was opened with [`Options::read_only`](crate::Options::read_only).
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.core().appender.is_none()
    }

    /// Reads every record of every segment and compares the index with them. Repairs nothing.
    ///
    /// # Errors
    /// `Closed`, `Io`. Damage is no error here but what the result tells.
    pub fn verify(&self) -> Result<Verification> {
        self.core().verify()
    }

    /// Moves the store to the newest format, [`Format::NEWEST`], while it goes on running, and gives the one that it had. One that has it
    /// already is left as it is.
    ///
    /// It is one change of the store's header and takes two syncs, whatever the size: segments stay as they are and are read as
    /// before, and those that begin from now on are written in the new format. **A release that does not know that format refuses
    /// the store from then on**, so do it when no older one will be put back, and make a backup before. A crash meanwhile leaves a
    /// store of the one format or of the other.
    ///
    /// ```
    /// use sessile::Format;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let store = sessile::Store::open(dir.path())?;
    /// assert_eq!(store.upgrade()?, Format::V1);
    /// assert_eq!(store.stats().format, Format::NEWEST);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Latched`, also when the header cannot be written: then the next opening says which format it is. `Closed`, `ReadOnly`.
    pub fn upgrade(&self) -> Result<Format> {
        self.core().appender()?.upgrade(Format::NEWEST)
    }

    /// Copies the store, as it is at one moment, to another directory while it goes on running. Segments are linked where the file
    /// system can, and copied elsewhere; all of it is read there before it counts.
    ///
    /// The directory is new, empty, or holds an earlier backup of this store: then only segments that are not there yet are
    /// brought, and that backup is what it was until this one is complete. A backup that was cut short goes on the next time.
    ///
    /// A backup can be looked at ([`Options::read_only`](crate::Options::read_only)). To be used again it is
    /// [restored](crate::Options::restore): it knows nothing of what ends after it was made. A link shares its bytes with the store, so
    /// against a disk that dies only a backup on another disk helps.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("store"))?;
    /// # let backup = dir.path().join("backup");
    /// store.create("an id", "some data")?;
    /// assert_eq!(store.backup(&backup)?.sessions, 1);
    /// let again = store.backup(&backup)?;
    /// assert_eq!((again.segments_kept, again.bytes_copied), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` when the directory holds anything else, `Corrupt` when a segment is damaged, `Full` also while an ending is not in the
    /// log for want of room, `Latched`, `Closed`, `ReadOnly`, `Io`.
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
        self.core().maintain(budget, Thrift::Usual)
    }

    /// As [`maintain`](Self::maintain), and gives back the room too that maintenance leaves to garbage as long as there is enough:
    /// for an operator who wants it.
    ///
    /// # Errors
    /// As [`maintain`](Self::maintain).
    pub fn compact(&self, budget: Duration) -> Result<Maintenance> {
        self.core().maintain(budget, Thrift::Eager)
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

    /// The directory that the store is in, as it was named when it was opened.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.core().directory
    }

    /// The same store by a handle that does not keep it open: when all others are gone, the store closes, and this one says
    /// `Closed`. For what looks after a store and must not decide how long it lives.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// let weak = store.weak();
    /// assert!(weak.get("an id")?.is_none());
    /// drop(store);
    /// assert!(matches!(weak.get("an id"), Err(sessile::Error::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn weak(&self) -> Self {
        Self { held: Arc::new(Held { core: Arc::clone(self.core()), keeps: false }) }
    }

    /// Has `farewell` done when the store closes, on the thread that closes it: every call says `Closed` by then, and the
    /// directory is still this process's. It must return soon, and must not wait for another thread that calls the store.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.at_close(|| println!("no more sessions"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`: then it will not be done.
    pub fn at_close(&self, farewell: impl FnOnce() + Send + 'static) -> Result<()> {
        self.core().at_close(Box::new(farewell))
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

    /// An operator says that the wall clock is right although it is behind what the store believes: the store was told a wrong
    /// time, believed it, and time has stood still since the clock was put right. Says by how much it was set back; nothing
    /// where it was not behind by more than clocks stray.
    ///
    /// What has ended by the later time stays ended: every segment is rewritten first, which takes as long as reading and
    /// writing all that lives. Whoever lives stays logged in; but what was written or touched under the wrong time ends by it,
    /// so as much later as that time was ahead. Meant for people who have looked at the clock, and not for programs: a machine
    /// without a clock of its own begins in the past.
    ///
    /// ```
    /// # use sessile::{ManualClock, Options, Write};
    /// # use std::{sync::Arc, time::Duration};
    /// # let dir = tempfile::tempdir()?;
    /// let clock = ManualClock::at_ms(2_000_000_000_000); // a year and more ahead
    /// let store = Options::new().clock(Arc::new(clock.clone())).open(dir.path())?;
    /// store.create("an id", "data")?;
    /// clock.set_wall_ms(1_900_000_000_000); // somebody puts it right
    /// assert_eq!(store.set_clock_back()?.as_millis(), 100_000_000_000);
    /// assert!(store.get("an id")?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` where a segment is damaged and cannot be rewritten, `ClockUnsteady` where the clock was ahead once more meanwhile,
    /// `Full`, `Latched`, `Closed`, `ReadOnly`, `Io`: then the later time is still believed.
    pub fn set_clock_back(&self) -> Result<Duration> {
        self.core().set_clock_back()
    }
}
