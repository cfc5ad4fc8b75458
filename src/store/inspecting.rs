//! Inspecting: figures, verification, backup. Nothing here changes a session.
//!
//! Owns: what the store says of itself. A backup suspends the removal of segments while it runs, by holding the
//! compactor's lock; a crash during one leaves the store untouched and a directory that is no store yet, because its
//! header is written last.

use std::path::Path;
use std::sync::Arc;

use super::core::Core;
use super::finding::Life;
use crate::error::{Damage, Error, Full, Result};
use crate::index::short_tag;
use crate::log::appender::Appender;
use crate::log::header::StoreHeader;
use crate::log::root::Root;
use crate::log::segment::Segment;
use crate::recovery::chain::Purpose;
use crate::recovery::merge::Scratch;
use crate::recovery::open::Directory;
use crate::recovery::scan::scan;
use crate::recovery::survey;
use crate::recovery::verdict::Alive;
use crate::session::Deadline;
use crate::stats::{BackupReport, EndingsAhead, Stats, Verification};
use crate::sync::atomic::Ordering;
use crate::sync::tally;
use crate::vfs::{self, Vfs};

const COPY_BYTES: usize = 1 << 20;
const HOUR_MS: u64 = 3_600_000;

impl Core {
    /// The figures. Work in the number of segments, not of sessions.
    pub fn stats(&self) -> Stats {
        let load = |counter: &tally::AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let segments = self.index.segments();
        let live_bytes: u64 = segments.iter().map(|(_, segment)| segment.live_bytes()).sum();
        let frame_bytes: u64 = segments.iter().map(|(_, segment)| segment.end()).sum();
        let (wheel_bytes, backlog) = {
            let wheel = self.wheel.lock();
            (wheel.memory_bytes(), wheel.backlog())
        };
        let memory = self.index.memory_bytes()
            + wheel_bytes
            + self.subjects.memory_bytes()
            + self.endings.memory_bytes();
        let now = self.watch.now();
        let mut stats = Stats {
            sessions: self.index.len() as u64,
            created: load(&counters.created),
            updated: load(&counters.updated),
            touched: load(&counters.coalesced) + load(&counters.logged),
            coalesced: load(&counters.coalesced),
            expired: load(&counters.expired),
            ended: load(&counters.ended),
            evicted: load(&counters.evicted),
            rejected: load(&counters.rejected),
            disk_bytes: segments.iter().map(|(_, segment)| segment.capacity).sum(),
            live_bytes,
            dead_bytes: frame_bytes.saturating_sub(live_bytes),
            segments: segments.len() as u64,
            memory_bytes: memory as u64,
            expiry_backlog: backlog as u64,
            clock_unconfirmed: self.watch.unconfirmed(),
            clock_ms: now.settled_ms,
            compactions: load(&self.upkeep.compactor.compactions),
            compacted_bytes: load(&self.upkeep.compactor.written_bytes),
            recovery: self.report.clone(),
            ..Stats::default()
        };
        if let Some(appender) = &self.appender {
            stats.disk_bytes = appender.files.disk_bytes();
            (stats.syncs, stats.last_sync) = appender.commit().syncs();
            stats.latched = appender.latch.cause().map(ToString::to_string);
        }
        stats
    }

    /// How many sessions end soon unless they are used. Looks at every session, a shard at a time.
    pub fn endings_ahead(&self) -> EndingsAhead {
        let now = self.watch.now();
        let mut ahead = EndingsAhead::default();
        for shard in 0..self.index.shard_count() {
            for entry in self.index.shard_entries(shard) {
                if Life::of(entry, now) != Life::Alive {
                    continue;
                }
                ahead.sessions += 1;
                let ends_within = |ms: u64| entry.deadline().has_passed(now.now_ms.saturating_add(ms));
                ahead.within_hour += u64::from(ends_within(HOUR_MS));
                ahead.within_day += u64::from(ends_within(24 * HOUR_MS));
            }
        }
        ahead
    }

    /// Reads every frame of every segment, and the record of every session. Repairs nothing.
    pub fn verify(&self) -> Result<Verification> {
        self.check_open()?;
        let mut found = Verification::default();
        for (_, segment) in self.index.segments().iter() {
            self.verify_segment(segment, &mut found)?;
        }
        let now = self.watch.now();
        let mut buffer = Vec::new();
        for shard in 0..self.index.shard_count() {
            let (entries, segments) = self.index.shard_view(shard);
            for entry in entries.into_iter().filter(|entry| Life::of(*entry, now) == Life::Alive) {
                let place = entry.place();
                let Some(segment) = segments.get(place.segment) else { continue };
                match segment.version(place.byte(), &mut buffer) {
                    Ok(stored) if short_tag(stored.version.digest.tag()) == entry.short() => {
                        found.sessions += 1
                    }
                    Ok(_) => found.damage.push(misplaced(segment, place.byte())),
                    Err(Error::Corrupt(damage)) => {
                        if !found
                            .damage
                            .iter()
                            .any(|known| known.file == damage.file && known.offset <= damage.offset)
                        {
                            found.damage.push(damage);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }

    fn verify_segment(&self, segment: &Segment, found: &mut Verification) -> Result<()> {
        let end = segment.end();
        let bytes = segment.bytes(segment.start, end)?;
        found.segments += 1;
        found.bytes += bytes.len() as u64;
        let mut records = 0;
        let holes = scan(&bytes, segment.start, segment.salt, false, |_, _| records += 1);
        found.records += records;
        found.damage.extend(holes.iter().map(|hole| Damage {
            file: segment.name(),
            offset: hole.offset,
            what: format!("{} bytes hold no valid record", hole.end - hole.offset),
        }));
        Ok(())
    }

    /// Copies the store, as it is at one moment, to a new directory while it goes on running.
    pub fn backup(&self, destination: &Path) -> Result<BackupReport> {
        let appender = self.appender()?;
        let vfs = self.options.vfs.as_ref();
        let failed = |error| Error::io(format!("writing the backup to {}", destination.display()), error);
        vfs.create_dir(destination).map_err(failed)?;
        if !vfs.list(destination).map_err(failed)?.is_empty() {
            return Err(Error::invalid(format!(
                "{} is not empty; back up to a new directory",
                destination.display()
            )));
        }
        let _no_removal = self.upkeep.compactor.running.lock();
        self.check_open()?;
        appender.roll()?;
        appender.mark_clock(self.look().settled_ms, false)?;
        appender.sync(appender.appended_lsn())?;
        let tail = appender.tail_segment();
        let end = tail.end();
        let mut report = BackupReport::default();
        for (_, segment) in self.index.segments().iter().filter(|(number, _)| self.is_before(*number, &tail))
        {
            self.copy_segment(segment, destination, None, &mut report)?;
        }
        self.copy_segment(&tail, destination, Some(end), &mut report)?;
        vfs.sync_dir(destination).map_err(failed)?;
        let header = StoreHeader {
            store_id: appender.store_id(),
            secret: self.secret.0,
            opening: appender.opening(),
            durable_lsn: 0,
            root: tail.number,
            keeps_ids: self.keeps_ids,
        };
        let root = Root::create(vfs, destination, header)?;
        report.sessions = self.verify_backup(destination, &root, appender)?;
        Ok(report)
    }

    fn is_before(&self, number: u32, tail: &Segment) -> bool {
        let compacted = |segment: &Arc<Segment>| segment.origin == crate::log::roster::Origin::Compaction;
        number != tail.number
            && (number < tail.number || self.index.segments().get(number).is_some_and(compacted))
    }

    fn copy_segment(
        &self,
        segment: &Segment,
        destination: &Path,
        end: Option<u64>,
        report: &mut BackupReport,
    ) -> Result<()> {
        let vfs: &dyn Vfs = self.options.vfs.as_ref();
        let name = segment.name();
        report.segments += 1;
        let (from, to) = (self.directory.join(&name), destination.join(&name));
        if end.is_none() && vfs.hard_link(&from, &to).is_ok() {
            return Ok(());
        }
        let failed = |error: std::io::Error| match vfs::is_full(&error) {
            true => Error::Full(Full::FileSystem),
            false => Error::io(format!("copying {name} to {}", destination.display()), error),
        };
        let file = vfs.create(&to).map_err(failed)?;
        let length = segment.file.len().map_err(failed)?;
        file.allocate(length).map_err(failed)?;
        let mut offset = 0;
        let mut buffer = vec![0; COPY_BYTES];
        let copy_to = end.unwrap_or(length);
        while offset < copy_to {
            let wanted = COPY_BYTES.min(usize::try_from(copy_to - offset).unwrap_or(COPY_BYTES));
            let chunk = buffer.get_mut(..wanted).unwrap_or_default();
            let read = vfs::read_up_to(segment.file.as_ref(), chunk, offset).map_err(failed)?;
            if read == 0 {
                break;
            }
            vfs::write_all_at(file.as_ref(), chunk.get(..read).unwrap_or_default(), offset)
                .map_err(failed)?;
            offset += read as u64;
            report.bytes_copied += read as u64;
        }
        file.sync().map_err(failed)
    }

    fn verify_backup(&self, destination: &Path, root: &Root, appender: &Appender) -> Result<u64> {
        let directory = Directory {
            vfs: Arc::clone(&self.options.vfs),
            path: destination.to_owned(),
            store_id: appender.store_id(),
            read_mode: self.options.read_mode,
        };
        let copied = survey(directory, root, Purpose::Examine, crate::options::Recovery::Strict)?;
        let mut sessions = 0;
        let mut scratch = Scratch::default();
        for band in copied.bands() {
            let each = |alive: Alive| sessions += u64::from(alive.deadline > Deadline::at_ms(0));
            copied.judge(&band, &mut scratch, each)?;
        }
        Ok(sessions)
    }
}

fn misplaced(segment: &Segment, offset: u64) -> Damage {
    Damage {
        file: segment.name(),
        offset,
        what: "another session stands where the index expects this one".to_owned(),
    }
}
