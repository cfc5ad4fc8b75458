//! Backing up: the store as it is at one moment, written to another directory while it goes on running.
//!
//! Owns: the moment, and what must be true of it. Locks: one backup at a time; behind that the compactor's, for as long as it takes to
//! begin another segment and to take hold of those before it. They are held open, so that they can be read though compaction removes
//! their names meanwhile. A crash leaves the store as it was; what it leaves of the backup stands in [`backup`](crate::backup).

use std::path::Path;
use std::sync::Arc;

use super::core::Core;
use crate::backup::target::{Moment, Target};
use crate::error::{Error, Full, Result};
use crate::log::roster::Listed;
use crate::log::segment::{Segment, file_name};
use crate::recovery::open::Directory;
use crate::stats::BackupReport;

/// Segments as the roster lists them, held open.
type Held = Vec<(Listed, Arc<Segment>)>;

impl Core {
    /// Copies the store, as it is at one moment, while it goes on running.
    pub fn backup(&self, destination: &Path) -> Result<BackupReport> {
        activity!(INFO, "backup");
        let appender = self.appender()?;
        let _one = self.upkeep.backups.lock();
        let mut target = Target::backup(Directory {
            vfs: Arc::clone(&self.options.vfs),
            path: destination.to_owned(),
            store_id: appender.store_id(),
            read_mode: self.options.read_mode,
            sealing: appender.files.sealing.clone(),
        })?;
        let (segments, moment) = self.hold_still()?;
        for (listed, segment) in segments {
            // Whoever closes the store waits for this.
            self.check_open()?;
            target.put(&self.directory, &listed, segment.file.as_ref())?;
        }
        self.check_open()?;
        // The header as it stands now: no segment is of a newer format.
        let report = target.finish_backup(appender.store_header(), &moment)?;
        tell!(backed_up(&report));
        Ok(report)
    }

    /// Everything up to now, durable and in segments that will not change any more.
    fn hold_still(&self) -> Result<(Held, Moment)> {
        let mut memory = self.upkeep.compactor.running.lock();
        let appender = self.appender()?;
        // What has ended in memory alone would be back in the copy.
        self.pay()?;
        if !self.owed.is_empty() {
            return Err(Error::Full(Full::DiskBytes));
        }
        let clock_ms = self.look().settled_ms;
        let cut = appender.cut()?;
        appender.sync(cut.lsn)?;
        let known = self.index.segments();
        let mut segments = Vec::with_capacity(cut.roster.len());
        for listed in cut.roster.iter() {
            let Some(segment) = known.get(listed.number) else {
                return Err(Error::corrupt(
                    file_name(listed.number),
                    0,
                    "the roster lists a segment that memory has not",
                ));
            };
            // So that whoever restores it need not read all of its frames to open it.
            self.seal(segment, &mut memory)?;
            segments.push((*listed, Arc::clone(segment)));
        }
        Ok((segments, Moment { lsn: cut.lsn, clock_ms }))
    }
}
