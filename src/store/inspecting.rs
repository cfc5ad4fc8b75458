//! Inspecting: figures and verification. Nothing here changes a session.
//!
//! Owns: what the store says of itself.

use std::time::Duration;

use super::core::Core;
use super::finding::Life;
use crate::error::{Damage, Error, Result};
use crate::index::short_tag;
use crate::log::appender::Appender;
use crate::log::format::Format;
use crate::log::segment::Segment;
use crate::recovery::scan::scan_segment;
use crate::stats::{EndingsAhead, Stats, Verification};
use crate::sync::atomic::Ordering;
use crate::sync::tally;

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
        // Looks, lest what is behind seem not to be where nobody else has looked.
        let now = self.look();
        let mut stats = Stats {
            sessions: self.index.len() as u64,
            created: load(&counters.created),
            updated: load(&counters.updated),
            touched: load(&counters.coalesced) + load(&counters.logged),
            coalesced: load(&counters.coalesced),
            expired: load(&counters.expired),
            ended: load(&counters.ended),
            revoked: load(&counters.revoked),
            cleared: load(&counters.cleared),
            evicted: load(&counters.evicted),
            rejected: load(&counters.rejected),
            calls: self.calls.so_far(),
            disk_bytes: segments.iter().map(|(_, segment)| segment.capacity).sum(),
            live_bytes,
            dead_bytes: frame_bytes.saturating_sub(live_bytes),
            segments: segments.len() as u64,
            memory_bytes: memory as u64,
            expiry_backlog: backlog as u64,
            format: self.format(),
            clock_unconfirmed: self.watch.unconfirmed(),
            clock_ms: now.settled_ms,
            clock_shown_ms: now.now_ms,
            clock_wall_ms: self.watch.wall_ms(),
            erase_within: self.options.erase_within,
            compactions: load(&self.upkeep.compactor.compactions),
            compacted_bytes: load(&self.upkeep.compactor.written_bytes),
            recovery: self.report.clone(),
            ..Stats::default()
        };
        if let Some(appender) = &self.appender {
            stats.disk_bytes = appender.files.disk_bytes();
            stats.latched = appender.latch.cause().map(ToString::to_string);
            (stats.syncs, stats.last_sync) = appender.commit().syncs();
            (stats.sync_micros, stats.group_frames) = appender.commit().spreads();
            stats.expiry_lag = between(load(&counters.reaped_ms), now.settled_ms);
            let died = segments.iter().filter_map(|(_, segment)| segment.dead_since_ms()).min();
            stats.erase_lag = between(died.unwrap_or(u64::MAX), now.settled_ms);
        }
        stats
    }

    /// The format that the store has now.
    pub fn format(&self) -> Format {
        self.appender.as_ref().map_or(self.format_found, Appender::format)
    }

    /// How many sessions end soon unless they are used. Looks at every session, a shard at a time.
    pub fn endings_ahead(&self) -> EndingsAhead {
        let now = self.watch.now();
        let mut ahead = EndingsAhead::default();
        for shard in 0..self.index.shard_count() {
            for entry in self.index.shard_entries(shard) {
                match Life::of(entry, now) {
                    Life::Over => continue,
                    Life::Hidden => {
                        ahead.hidden += 1;
                        continue;
                    }
                    Life::Alive => ahead.sessions += 1,
                }
                // Who ends in exactly an hour ends within the first.
                let left_ms = entry.deadline().as_ms().saturating_sub(now.now_ms);
                let hour = usize::try_from(left_ms.saturating_sub(1) / HOUR_MS).unwrap_or(usize::MAX);
                if let Some(count) = ahead.hours.get_mut(hour) {
                    *count += 1;
                }
            }
        }
        ahead.within_hour = ahead.hours.first().copied().unwrap_or(0);
        ahead.within_day = ahead.hours.iter().sum();
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
                        match segment.readable(place.byte(), stored.record(), &mut None) {
                            Ok(_) => found.sessions += 1,
                            Err(Error::Corrupt(damage)) => found.damage.push(damage),
                            Err(error) => return Err(error),
                        }
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
        let mut records = 0;
        let holes = scan_segment(segment, false, |_, _| records += 1)?;
        found.segments += 1;
        found.bytes += end.saturating_sub(segment.start);
        found.records += records;
        found.damage.extend(holes.iter().map(|hole| Damage {
            file: segment.name(),
            offset: hole.offset,
            what: format!("{} bytes hold no valid record", hole.end - hole.offset),
        }));
        Ok(())
    }
}

fn between(then_ms: u64, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(then_ms))
}

fn misplaced(segment: &Segment, offset: u64) -> Damage {
    Damage {
        file: segment.name(),
        offset,
        what: "another session stands where the index expects this one".to_owned(),
    }
}
