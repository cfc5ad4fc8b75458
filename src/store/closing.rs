//! Closing: everything durable, a snapshot for the next opening, the lock let go.
//!
//! Owns: the order. A crash can fall anywhere: until the snapshot has its name there is none, and the log is whole
//! before that. A store that has latched is closed without writing anything more.

use std::path::Path;
use std::time::Duration;

use super::core::Core;
use crate::error::Result;
use crate::log::appender::Appender;
use crate::recovery::snapshot::{Moment, Writer};
use crate::sync::Instant;
use crate::sync::atomic::Ordering;

impl Core {
    /// Has this done when the store closes.
    pub fn at_close(&self, farewell: Box<dyn FnOnce() + Send>) -> Result<()> {
        let mut farewells = self.at_close.lock();
        // Who closes says so before he takes this lock.
        self.check_open()?;
        farewells.push(farewell);
        Ok(())
    }

    /// Closes the store. The second time, nothing is left to do.
    pub fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        activity!(INFO, "close");
        // Its own statement: who is called may ask the store for something.
        let farewells = std::mem::take(&mut *self.at_close.lock());
        farewells.into_iter().for_each(|farewell| farewell());
        self.upkeep.stop();
        // Whoever was inside an operation has finished it after this, and nobody can begin another.
        drop(self.locks.all());
        drop(self.upkeep.backups.lock());
        let no_removal = self.upkeep.compactor.running.lock();
        let closed = match &self.appender {
            Some(appender) => self.close_log(appender),
            None => Ok(()),
        };
        self.leave_ledger();
        *self.lock.lock() = None;
        drop(no_removal);
        self.hub.close();
        tell!(closed(closed.is_ok()));
        closed
    }

    fn close_log(&self, appender: &Appender) -> Result<()> {
        let now = self.watch.look().0;
        let synced = appender.sync(appender.appended_lsn()).and_then(|()| {
            appender.mark(now.settled_ms)?;
            appender.mark_clock(now.settled_ms, true)?;
            appender.sync(appender.appended_lsn())?;
            appender.seal_root()
        });
        appender.close();
        synced?;
        // A snapshot says nothing of what has run out and was not told. Where the ledger cannot, the log is read instead.
        if self.keep_told().is_err() {
            return Ok(());
        }
        let until = Instant::now().checked_add(self.options.close_budget);
        // A snapshot is only a cache: that there is none costs time and nothing else.
        let _ = self.write_snapshot(appender, until);
        Ok(())
    }

    fn write_snapshot(&self, appender: &Appender, until: Option<Instant>) -> Result<()> {
        let in_time = || until.is_none_or(|until| Instant::now() < until);
        if self.options.close_budget == Duration::ZERO || self.uncounted.load(Ordering::Acquire) {
            return Ok(());
        }
        // Memory knows what the log was never told: an opening that believed it would take that for durable.
        if !self.owed.is_settled() {
            return Ok(());
        }
        let listed = appender.roster().iter().map(|listed| (listed.number, listed.salt)).collect();
        let moment = Moment::new(appender.store_id(), appender.opening(), appender.appended_lsn(), listed);
        let mut subjects = Vec::new();
        self.subjects.for_each(|subject, tag| subjects.push((subject, tag)));
        let segments = self.index.segments();
        let live_bytes = segments.iter().map(|(number, segment)| (number, segment.live_bytes())).collect();
        let directory: &Path = &self.directory;
        let counts = (subjects.len(), self.subjects.len());
        let mut writer = Writer::new(self.options.vfs.as_ref(), directory, &moment, counts, live_bytes)?;
        // The shards are in the order of the tags in them.
        for shard in 0..self.index.shard_count() {
            writer.entries(self.index.shard_entries(shard))?;
            if !in_time() {
                return Ok(());
            }
        }
        writer.subjects(&subjects)?;
        writer.finish()
    }
}
