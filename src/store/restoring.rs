//! Restoring: a backup becomes a store again, in a directory of its own.
//!
//! Owns: the next life of a store, and what is decided about sessions that may have ended after the backup was made. A store that is restored
//! is the same store (id and secret), so it knows everybody's ids; but its openings go on far above those of the backup, so that no LSN
//! that the lost store can have given out is given out again (rule 1).
//!
//! A crash can fall anywhere: the directory is marked `RESTORE` before anything else is in it, and the mark goes last. Until then it is
//! not opened, and the next restore begins anew.

use std::path::Path;
use std::sync::Arc;

use super::opening::{refuse_network, unsealed};
use crate::backup::mark::Mark;
use crate::backup::target::{Moment, Target, sessions};
use crate::error::{Error, Result};
use crate::lock;
use crate::log::appender::{LSN_BITS, lsn_before};
use crate::log::header::StoreHeader;
use crate::log::root::Root;
use crate::options::{Options, Recovery};
use crate::recovery::chain::Purpose;
use crate::recovery::open::Directory;
use crate::recovery::survey;
use crate::stats::RestoreReport;

/// What becomes of the sessions of a backup when it is restored: it does not know which of them were ended after it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restoring {
    /// They are kept. Who was logged out after the backup was made is logged in again, until the session runs out.
    Keep,
    /// All are ended, for good: everybody logs in again. The secret stays, and whether ids are kept.
    End,
}

/// How many openings the lost store may have had after the backup: one every minute for 45 days.
const OPENINGS_PASSED: u64 = 1 << 16;

impl Options {
    /// Makes a store in the directory `to`, which is new or empty, from the backup in `from`, and leaves that as it is.
    ///
    /// A backup knows nothing of what was ended after it was made, so `what` decides about its sessions. By
    /// [`Stats::clock_ms`](crate::Stats::clock_ms) of the backup, opened with [`read_only`](Self::read_only), it can be seen how old it is.
    ///
    /// Every frame is read where it stands at the end. A restore that was not finished leaves a directory that is refused by every opening,
    /// with [`Error::RestoreUnfinished`], and begins anew the next time.
    ///
    /// ```
    /// use sessile::{Options, Restoring, Store};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let (live, monday, again) = (dir.path().join("live"), dir.path().join("monday"), dir.path().join("again"));
    /// let store = Store::open(&live)?;
    /// store.create("an id", "some data")?;
    /// store.backup(&monday)?;
    ///
    /// let report = Options::new().restore(&monday, &again, Restoring::Keep)?;
    /// assert_eq!(report.sessions, Some(1));
    /// assert!(Store::open(&again)?.get("an id")?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` when `to` is not empty or `from` is a store and no backup, `NotAStore`, `Corrupt` when the backup is damaged
    /// (where its sessions are ended, only when its header is), `Full`, `NetworkFileSystem`, `Io`.
    pub fn restore(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        what: Restoring,
    ) -> Result<RestoreReport> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let root = self.backup_in(from)?;
        let (_, sealing) = unsealed(&root, self)?;
        let place = |path: &Path| Directory {
            vfs: Arc::clone(&self.vfs),
            path: path.to_owned(),
            store_id: root.header().store_id,
            read_mode: self.read_mode,
            sealing: sealing.clone(),
        };
        // As it stands: where the secret is sealed it stays so.
        let header = next_life(root.header())?;
        let found = match survey(place(from), &root, Purpose::Examine, Recovery::Strict) {
            // Of what is ended nothing need be read.
            Err(Error::Corrupt(_)) if what == Restoring::End => None,
            found => Some(found?),
        };
        let mut report = RestoreReport {
            made_ms: found.as_ref().map_or(0, |found| found.clock_ms),
            sessions: found.as_ref().map(sessions).transpose()?,
            ..RestoreReport::default()
        };
        self.make_local(to)?;
        let mut target = Target::restore(place(to))?;
        match found {
            Some(found) if what == Restoring::Keep => {
                for segment in &found.segments {
                    target.put(from, &segment.listed(), segment.file.as_ref())?;
                }
                let moment = Moment { lsn: lsn_before(header.opening), clock_ms: found.clock_ms };
                let put = target.finish_store(header, &moment)?;
                (report.segments, report.bytes_copied) = (put.segments, put.bytes_copied);
                report.bytes_verified = put.bytes_verified;
            }
            _ => drop(Root::create(self.vfs.as_ref(), to, header)?),
        }
        Mark::Restore.clear(self.vfs.as_ref(), to)?;
        Ok(report)
    }

    /// The header of a complete backup.
    fn backup_in(&self, from: &Path) -> Result<Root> {
        let failed = |error| Error::io(format!("looking at {}", from.display()), error);
        let names = self.vfs.list(from).map_err(failed)?;
        let refused = |why: &str| Err(Error::invalid(format!("{} {why}", from.display())));
        match Mark::among(&names) {
            Some(Mark::Restore) => return Err(Error::RestoreUnfinished(from.to_owned())),
            Some(Mark::Backup) => {}
            None if names.iter().any(|name| name == lock::FILE_NAME) => {
                return refused(
                    "is a store and no backup; to move it, stop its server and move the directory (mv); \
                     if it is damaged, salvage it",
                );
            }
            None => {}
        }
        match Root::read(self.vfs.as_ref(), from, false)? {
            Some(root) => Ok(root),
            None if Mark::among(&names).is_some() => refused(
                "holds no complete backup: the first one was not finished; back up again, or take another",
            ),
            None => Err(Error::NotAStore(from.to_owned())),
        }
    }

    /// Sees to it that the directory is there, and on a disk of this machine.
    pub(super) fn make_local(&self, directory: &Path) -> Result<()> {
        let failed = |error| Error::io(format!("looking at {}", directory.display()), error);
        self.vfs.create_dir(directory).map_err(failed)?;
        let volume = self.vfs.volume(directory).map_err(failed)?;
        refuse_network(&volume, self)
    }
}

/// The header with which a store begins another life: nothing in it yet, and openings that the last one has not come to.
pub(super) fn next_life(header: StoreHeader) -> Result<StoreHeader> {
    let opening = header.opening.saturating_add(OPENINGS_PASSED);
    if opening.saturating_add(OPENINGS_PASSED) >> (u64::BITS - LSN_BITS) != 0 {
        return Err(Error::invalid(
            "the store has used up the numbers of its openings, by restores of restored stores; export it and import it anew",
        ));
    }
    Ok(StoreHeader { opening, root: 0, durable_lsn: 0, ..header })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::format::{Format, StoreEnvelope};

    #[test]
    fn a_life_begins_above_the_one_before_until_the_numbers_are_used_up() {
        let mut header = StoreHeader {
            format: Format::V1,
            store_id: [1; 16],
            secret: [2; 32],
            opening: 7,
            durable_lsn: 5,
            root: 4,
            keeps_ids: true,
            envelope: StoreEnvelope::default(),
        };
        let next = next_life(header.clone()).unwrap();
        assert_eq!((next.opening, next.root, next.durable_lsn), (7 + OPENINGS_PASSED, 0, 0));
        assert_eq!((next.store_id, next.secret, next.keeps_ids), ([1; 16], [2; 32], true));
        let lives =
            (0..1000).take_while(|_| next_life(header.clone()).map(|next| header = next).is_ok()).count();
        assert_eq!(lives, 254);
    }
}
