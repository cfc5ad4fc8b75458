//! Salvaging: what can be trusted of a damaged store, carried to a new directory; the damaged one is read and left alone.
//!
//! Owns: that way. The store is opened for reading only under [`Recovery::Salvage`], which says who can be trusted; each of these is adopted by a
//! store that begins [the next life](super::restoring) in another directory. Nothing else comes along, so nothing that is damaged does, and
//! nothing that was ended. Time stands still at the damaged store's durable mark: what only the clock of this moment would expire is
//! for the opening to come, which confirms it first.
//!
//! A crash leaves a directory that is marked `RESTORE`, as of a restore.

use std::path::Path;
use std::sync::Arc;

use super::Store;
use super::restoring::next_life;
use crate::backup::mark::Mark;
use crate::backup::target::Target;
use crate::clock::ManualClock;
use crate::error::{Damage, Error, Result};
use crate::lock::DirectoryLock;
use crate::log::root::Root;
use crate::options::{AtLimit, Options, Recovery};
use crate::recovery::open::Directory;
use crate::sealing::Sealing;
use crate::session::Durability;
use crate::stats::SalvageReport;

/// The longest session, the largest store.
const SESSION_BYTES_MAX: u64 = 15 << 20;
const DISK_BYTES_MAX: u64 = 1 << 40;

impl Options {
    /// Looks what of the damaged store in `from` can be trusted, and with `to` makes a store of it in that directory, which is new or empty.
    /// `from` is left as it is.
    ///
    /// Damage can have ended a session without a trace, so whoever it may concern is ended; whose record cannot be read is lost. What
    /// is kept has its id, user, data and deadlines, and new versions.
    ///
    /// ```
    /// use sessile::{Options, Store};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let (damaged, copy) = (dir.path().join("damaged"), dir.path().join("copy"));
    /// # let store = Store::open(&damaged)?;
    /// # store.create("an id", "some data")?;
    /// # store.close()?;
    /// # drop(store);
    /// let would = Options::new().salvage(&damaged, None)?;
    /// println!("{} would be kept, {} ended", would.kept, would.ended);
    /// let done = Options::new().salvage(&damaged, Some(copy.as_ref()))?;
    /// assert_eq!(done, would);
    /// assert!(Store::open(&copy)?.get("an id")?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` when both copies of the store's header are damaged: then nobody's id can be recognised any more, and a backup is all there is.
    /// `Locked` while a process holds the store, `Invalid` when `to` is not empty, `Full`, `IsBackup`, `NotAStore`, `Io`.
    pub fn salvage(&self, from: impl AsRef<Path>, to: Option<&Path>) -> Result<SalvageReport> {
        let from = from.as_ref();
        let damaged = self.damaged(from)?;
        let stats = damaged.stats();
        let mut report = SalvageReport {
            ended: stats.recovery.salvage_ended,
            damage: stats.recovery.damage,
            ..SalvageReport::default()
        };
        for damage in damaged.verify()?.damage {
            // What the opening says of a place says more.
            let is_known = |known: &Damage| known.file == damage.file && known.offset == damage.offset;
            if !report.damage.iter().any(is_known) {
                report.damage.push(damage);
            }
        }
        let Some(to) = to else {
            carry(&damaged, None, &mut report)?;
            return Ok(report);
        };
        let root = Root::read(self.vfs.as_ref(), from, false)?;
        let root = root.ok_or_else(|| Error::NotAStore(from.to_owned()))?;
        let header = next_life(root.header())?;
        self.make_local(to)?;
        drop(Target::restore(Directory {
            vfs: Arc::clone(&self.vfs),
            path: to.to_owned(),
            store_id: header.store_id,
            read_mode: self.read_mode,
            sealing: Sealing::default(),
        })?);
        drop(Root::create(self.vfs.as_ref(), to, header)?);
        let copy = self.copy_in(to, stats.clock_ms)?;
        carry(&damaged, Some(&copy), &mut report)?;
        copy.flush()?;
        if let Some(damage) = copy.verify()?.damage.into_iter().next() {
            return Err(Error::Corrupt(damage));
        }
        copy.close()?;
        Mark::Restore.clear(self.vfs.as_ref(), to)?;
        Ok(report)
    }

    /// The damaged store, for reading, at the time that it knows to be durable.
    fn damaged(&self, from: &Path) -> Result<Store> {
        let no_clock = Arc::new(ManualClock::at_ms(0));
        let look = self.clone().read_only(true).recovery(Recovery::Salvage).clock(no_clock);
        let names = self
            .vfs
            .list(from)
            .map_err(|error| Error::io(format!("looking at {}", from.display()), error))?;
        if Mark::among(&names) == Some(Mark::Backup) {
            return Err(Error::IsBackup(from.to_owned()));
        }
        // Before it is read: what a server at work is about to change looks like damage.
        if let Some(holder) = DirectoryLock::holder(self.vfs.as_ref(), from)? {
            return Err(Error::Locked(holder));
        }
        let store = look.open(from)?;
        match store.holder() {
            Some(holder) => Err(Error::Locked(holder)),
            None => Ok(store),
        }
    }

    /// The store that is being made, which takes whoever is brought to it and evicts nobody.
    fn copy_in(&self, to: &Path, mark_ms: u64) -> Result<Store> {
        let mut options = self
            .clone()
            .clock(Arc::new(ManualClock::at_ms(mark_ms)))
            .durability(Durability::Written)
            .manual_maintenance(true)
            .at_limit(AtLimit::Reject)
            .sessions_max(u64::from(u32::MAX))
            .session_bytes_max(SESSION_BYTES_MAX)
            .disk_bytes_max(DISK_BYTES_MAX);
        options.is_finishing = true;
        options.open(to)
    }
}

/// Counts who can be trusted, and brings them to `to`.
fn carry(from: &Store, to: Option<&Store>, report: &mut SalvageReport) -> Result<()> {
    for session in from.iter()? {
        match session {
            Ok(session) => {
                if let Some(to) = to {
                    to.adopt(&session.into_carried())?;
                }
                report.kept += 1;
            }
            Err(Error::Corrupt(_)) => report.unreadable += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
