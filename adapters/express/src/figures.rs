//! Figures for operators, as JavaScript gets them.

use napi_derive::napi;
use sessile::{BackupReport, Maintenance, Stats};

use crate::answer::{Answer, count, report};

/// The store's figures: see `Stats` of the engine for their meaning.
#[napi(object)]
pub struct Figures {
    /// Live sessions, and expired ones that maintenance has not met yet.
    pub sessions: f64,
    /// Sessions created since the store was opened.
    pub created: f64,
    /// Sessions written anew.
    pub updated: f64,
    /// Touches.
    pub touched: f64,
    /// Touches among them that wrote nothing.
    pub coalesced: f64,
    /// Sessions whose time ran out.
    pub expired: f64,
    /// Sessions that were ended.
    pub ended: f64,
    /// Sessions that were evicted at a limit.
    pub evicted: f64,
    /// Writes that were refused at a limit.
    pub rejected: f64,
    /// Bytes of the store's files.
    pub disk_bytes: f64,
    /// Bytes of live sessions among them.
    pub live_bytes: f64,
    /// Bytes of memory that the index and what belongs to it hold.
    pub memory_bytes: f64,
    /// Groups of writes synced.
    pub syncs: f64,
    /// How long opening took, in milliseconds.
    pub opening_ms: f64,
    /// What latched the store, when something did.
    pub latched: Option<String>,
    /// Whether a jump of the clock waits to be confirmed.
    pub clock_unconfirmed: bool,
    /// The file system that holds the store, where that is a known one.
    pub file_system: Option<String>,
    /// What its operator should know of it, where there is something.
    pub volume_warning: Option<String>,
}

impl Figures {
    /// The engine's figures.
    pub fn of(stats: Stats) -> Self {
        Self {
            sessions: count(stats.sessions),
            created: count(stats.created),
            updated: count(stats.updated),
            touched: count(stats.touched),
            coalesced: count(stats.coalesced),
            expired: count(stats.expired),
            ended: count(stats.ended),
            evicted: count(stats.evicted),
            rejected: count(stats.rejected),
            disk_bytes: count(stats.disk_bytes),
            live_bytes: count(stats.live_bytes),
            memory_bytes: count(stats.memory_bytes),
            syncs: count(stats.syncs),
            opening_ms: stats.recovery.took.as_secs_f64() * 1000.0,
            latched: stats.latched,
            clock_unconfirmed: stats.clock_unconfirmed,
            file_system: stats.recovery.volume.file_system.map(str::to_owned),
            volume_warning: stats.recovery.volume.warning().map(str::to_owned),
        }
    }
}

/// What maintenance did; `more` is 1 when there is more to do.
pub fn of_maintenance(done: Maintenance) -> Answer {
    report([
        ("expired", done.expired),
        ("segmentsRemoved", done.segments_removed),
        ("segmentsCompacted", done.segments_compacted),
        ("more", u64::from(done.more)),
    ])
}

/// What a backup holds.
pub fn of_backup(made: BackupReport) -> Answer {
    report([("segments", made.segments), ("bytesCopied", made.bytes_copied), ("sessions", made.sessions)])
}
