//! The figures, as they travel.
//!
//! Owns: [`Figures`], which is [`Stats`], [`EndingsAhead`] and who holds the store, in one. What the memory of another process
//! knows is not in a look: `whole` says so.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sessile::{EndingsAhead, Histogram, Holder, Stats, Store};

/// Two looks at one clock may be so far apart.
const STRAY_MS: u64 = 5_000;

/// How many, how large, how healthy. Counters count since the store was opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The store's directory.
    pub directory: String,
    /// Who holds the store.
    pub held_by: Option<HeldBy>,
    /// Whether they are of the process that holds the store, or nobody does. Otherwise they come from its files: then counters,
    /// memory, backlog, syncs and health are not the holder's and mean nothing.
    pub whole: bool,
    /// Live sessions, and when they end.
    pub ahead: Ahead,
    /// Sessions created.
    pub created: u64,
    /// Sessions updated, replaced or rotated.
    pub updated: u64,
    /// Touches.
    pub touched: u64,
    /// Touches among them that needed no record.
    pub coalesced: u64,
    /// Sessions whose deadline passed.
    pub expired: u64,
    /// Sessions that were destroyed, revoked or cleared.
    pub ended: u64,
    /// Those among them that ended with their subject's.
    pub revoked: u64,
    /// Those among them that ended with all.
    pub cleared: u64,
    /// Sessions evicted at a limit.
    pub evicted: u64,
    /// Writes refused at a limit.
    pub rejected: u64,
    /// Calls, by what they do.
    pub calls: Calls,
    /// Bytes of the store's files.
    pub disk_bytes: u64,
    /// Bytes of records that are the live version of a session.
    pub live_bytes: u64,
    /// Bytes of other records and of structure.
    pub dead_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Wheel entries whose time has come and that wait.
    pub expiry_backlog: u64,
    /// How far expiry is behind.
    pub expiry_lag_ms: u64,
    /// How far erasing is behind.
    pub erase_lag_ms: u64,
    /// Within how much time that should be done.
    pub erase_within_ms: u64,
    /// Syncs.
    pub syncs: u64,
    /// How long the last one took.
    pub last_sync_micros: Option<u64>,
    /// How long they took.
    pub sync_micros: Spread,
    /// How many frames each made durable.
    pub group_frames: Spread,
    /// Compactions.
    pub compactions: u64,
    /// Bytes that they wrote.
    pub compacted_bytes: u64,
    /// The format that the store has; 0 where whoever answers does not say.
    #[serde(default)]
    pub format: u32,
    /// What latched the store.
    pub latched: Option<String>,
    /// Damaged places that the opening found.
    pub damaged_places: u64,
    /// What time it is.
    pub clock: Clock,
    /// What the directory lies on.
    #[serde(default)]
    pub volume: Volume,
    /// How the store was opened.
    pub opening: Opening,
}

impl Figures {
    /// Asks a store.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let (stats, ahead, holder) = (store.stats(), store.endings_ahead(), store.holder());
        Self {
            directory: store.directory().display().to_string(),
            whole: holder.is_none() || !store.is_read_only(),
            held_by: holder.map(HeldBy::from),
            ahead: ahead.into(),
            created: stats.created,
            updated: stats.updated,
            touched: stats.touched,
            coalesced: stats.coalesced,
            expired: stats.expired,
            ended: stats.ended,
            revoked: stats.revoked,
            cleared: stats.cleared,
            evicted: stats.evicted,
            rejected: stats.rejected,
            calls: (&stats.calls).into(),
            disk_bytes: stats.disk_bytes,
            live_bytes: stats.live_bytes,
            dead_bytes: stats.dead_bytes,
            segments: stats.segments,
            memory_bytes: stats.memory_bytes,
            expiry_backlog: stats.expiry_backlog,
            expiry_lag_ms: millis(stats.expiry_lag),
            erase_lag_ms: millis(stats.erase_lag),
            erase_within_ms: millis(stats.erase_within),
            syncs: stats.syncs,
            last_sync_micros: stats.last_sync.and_then(|took| took.as_micros().try_into().ok()),
            sync_micros: (&stats.sync_micros).into(),
            group_frames: (&stats.group_frames).into(),
            compactions: stats.compactions,
            compacted_bytes: stats.compacted_bytes,
            format: stats.format.number(),
            damaged_places: stats.recovery.damage.len() as u64,
            clock: Clock::new(&stats, ahead),
            volume: Volume::of(&stats),
            opening: Opening::of(&stats),
            latched: stats.latched,
        }
    }
}

/// Calls, by what they do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Reads.
    pub read: Call,
    /// Touches.
    pub touch: Call,
    /// Writes.
    pub write: Call,
    /// Endings.
    pub end: Call,
}

impl Calls {
    /// Each kind, named.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Call); 4] {
        [("read", &self.read), ("touch", &self.touch), ("write", &self.write), ("end", &self.end)]
    }
}

/// One kind of call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// How often.
    pub count: u64,
    /// How long one in 64 took, without its wait for the disk.
    pub nanos: Spread,
}

impl From<&sessile::Calls> for Calls {
    fn from(calls: &sessile::Calls) -> Self {
        let of = |call: &sessile::Call| Call { count: call.count, nanos: (&call.nanos).into() };
        Self { read: of(&calls.read), touch: of(&calls.touch), write: of(&calls.write), end: of(&calls.end) }
    }
}

/// Who holds a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBy {
    /// The process, where that is known.
    pub pid: Option<u32>,
    /// The host that it runs on.
    pub host: Option<String>,
    /// When it opened the store.
    pub since_ms: Option<u64>,
}

impl From<Holder> for HeldBy {
    fn from(holder: Holder) -> Self {
        Self { pid: holder.pid, host: holder.host, since_ms: holder.since_ms }
    }
}

/// What a store's directory lies on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The file system, where it is a known one.
    pub file_system: Option<String>,
    /// What its operator should know of it, where there is something.
    pub warning: Option<String>,
}

impl Volume {
    fn of(stats: &Stats) -> Self {
        let volume = stats.recovery.volume;
        Self {
            file_system: volume.file_system.map(str::to_owned),
            warning: volume.warning().map(str::to_owned),
        }
    }
}

/// How many sessions live, and how many of them end when unless they are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// Live sessions.
    pub sessions: u64,
    /// Those that end within an hour.
    pub within_hour: u64,
    /// Those that end within a day.
    pub within_day: u64,
    /// Those that end in each of the next 24 hours.
    pub hours: [u64; 24],
}

impl From<EndingsAhead> for Ahead {
    fn from(ahead: EndingsAhead) -> Self {
        let EndingsAhead { sessions, within_hour, within_day, hours, .. } = ahead;
        Self { sessions, within_hour, within_day, hours }
    }
}

/// How often something was how large, by upper bounds; see [`Histogram`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    bounds: Vec<u64>,
    counts: Vec<u64>,
    sum: u64,
}

impl Spread {
    /// The same with its arithmetic.
    #[must_use]
    pub fn histogram(&self) -> Histogram {
        Histogram::from_parts(self.bounds.clone(), self.counts.clone(), self.sum)
    }
}

impl From<&Histogram> for Spread {
    fn from(histogram: &Histogram) -> Self {
        let (bounds, counts): (Vec<_>, Vec<_>) = histogram.buckets().unzip();
        Self { bounds: bounds.into_iter().flatten().collect(), counts, sum: histogram.sum() }
    }
}

/// What time it is to a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The time that is believed: what has passed by it has ended.
    pub believed_ms: u64,
    /// The time by which sessions are shown; later than what is believed while a jump waits to be confirmed.
    pub shown_ms: u64,
    /// Whether one does.
    pub unconfirmed: bool,
    /// Sessions that are hidden until it is: past their deadline only if the clock is right.
    pub hidden: u64,
    /// What the machine's clock says; 0 where the server does not tell.
    #[serde(default)]
    pub wall_ms: u64,
}

impl Clock {
    pub(crate) fn new(stats: &Stats, ahead: EndingsAhead) -> Self {
        Self {
            believed_ms: stats.clock_ms,
            shown_ms: stats.clock_shown_ms,
            unconfirmed: stats.clock_unconfirmed,
            hidden: ahead.hidden,
            wall_ms: stats.clock_wall_ms,
        }
    }

    /// How far the machine's clock is behind what is believed, if by more than clocks stray: until it has caught up, time stands
    /// still for the store.
    #[must_use]
    pub fn behind(&self) -> Option<Duration> {
        let behind_ms = self.believed_ms.saturating_sub(self.wall_ms);
        (self.wall_ms > 0 && behind_ms > STRAY_MS).then(|| Duration::from_millis(behind_ms))
    }
}

/// What an opening found, and how long it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Whether a snapshot of a clean close could be used.
    pub from_snapshot: bool,
    /// Segments whose records had to be read.
    pub segments_scanned: u64,
    /// Records at the end of the log that were not known durable.
    pub tail_records: u64,
    /// Bytes behind the end of the log that were dropped.
    pub torn_bytes: u64,
    /// How long it took.
    pub took_ms: u64,
}

impl Opening {
    fn of(stats: &Stats) -> Self {
        let found = &stats.recovery;
        Self {
            from_snapshot: found.from_snapshot,
            segments_scanned: found.segments_scanned,
            tail_records: found.tail_records,
            torn_bytes: found.torn_bytes,
            took_ms: millis(found.took),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
