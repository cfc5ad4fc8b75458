//! Figures about a store: counted as it runs, read at any time, free of ids.

mod calls;
mod histogram;
#[cfg(feature = "encryption")]
mod keys;

use std::time::Duration;

pub(crate) use calls::CountedCalls;
pub use calls::{Call, Calls};
pub(crate) use histogram::Counting;
pub use histogram::Histogram;
#[cfg(feature = "encryption")]
pub use keys::{KeyUse, KeysInUse, Reencrypted};

use crate::log::format::Format;
use crate::vfs::Volume;

/// What [`Store::stats`](crate::Store::stats) gives. Counters count since the store was opened.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Live sessions, and expired ones that maintenance has not met yet.
    pub sessions: u64,
    /// Sessions created.
    pub created: u64,
    /// Sessions updated, replaced or rotated.
    pub updated: u64,
    /// Touches of live sessions.
    pub touched: u64,
    /// Touches among them that needed no record, because the log is behind by less than the slack.
    pub coalesced: u64,
    /// Sessions that ended because their deadline passed.
    pub expired: u64,
    /// Sessions that were destroyed, revoked or cleared. One that was rotated lives on under another id.
    pub ended: u64,
    /// Those among them that ended with all sessions of their subject.
    pub revoked: u64,
    /// Those among them that ended with all sessions.
    pub cleared: u64,
    /// Sessions that were evicted at a limit.
    pub evicted: u64,
    /// Writes that were refused at a limit.
    pub rejected: u64,
    /// Calls, by what they do, and how long they took.
    pub calls: Calls,
    /// Bytes the store's files occupy.
    pub disk_bytes: u64,
    /// Bytes of records that are the live version of a session.
    pub live_bytes: u64,
    /// Bytes of other records and of structure, not reclaimed yet.
    pub dead_bytes: u64,
    /// Segments, the open one among them.
    pub segments: u64,
    /// Bytes of memory that index, wheel, subjects and recent endings hold.
    pub memory_bytes: u64,
    /// Wheel entries whose time has come and that wait for maintenance.
    pub expiry_backlog: u64,
    /// How far expiry is behind: how long ago it last met all that had run out. Nothing is shown meanwhile that has.
    pub expiry_lag: Duration,
    /// How far erasing is behind: how long ago the oldest record died that is on the disk still.
    pub erase_lag: Duration,
    /// Within how much time that should be gone: [`Options::erase_within`](crate::Options::erase_within).
    pub erase_within: Duration,
    /// Groups synced, and how long the last sync took.
    pub syncs: u64,
    /// See [`syncs`](Self::syncs).
    pub last_sync: Option<Duration>,
    /// How long syncs took, in microseconds.
    pub sync_micros: Histogram,
    /// How many frames of the log each sync made durable: the size of its group. A write is one frame, a mark another.
    pub group_frames: Histogram,
    /// Compactions that replaced or removed segments.
    pub compactions: u64,
    /// Bytes that compaction wrote.
    pub compacted_bytes: u64,
    /// The format that the store has.
    pub format: Format,
    /// What latched the store, when something did.
    pub latched: Option<String>,
    /// Whether a clock jump waits to be confirmed.
    pub clock_unconfirmed: bool,
    /// The time that is believed, in milliseconds since the Unix epoch.
    pub clock_ms: u64,
    /// The time by which sessions are shown: later than [`clock_ms`](Self::clock_ms) while a jump waits to be confirmed.
    pub clock_shown_ms: u64,
    /// What the machine's clock says. Behind [`clock_ms`](Self::clock_ms), time stands still until it has caught up:
    /// nothing runs out. See [`Store::set_clock_back`](crate::Store::set_clock_back).
    pub clock_wall_ms: u64,
    /// How the store was opened.
    pub recovery: RecoveryReport,
}

/// How many sessions end soon unless they are used: see [`Store::endings_ahead`](crate::Store::endings_ahead).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndingsAhead {
    /// Live sessions, exactly.
    pub sessions: u64,
    /// Those that end within an hour.
    pub within_hour: u64,
    /// Those that end within a day.
    pub within_day: u64,
    /// Those that end within the first hour, within the second and not the first, and so on for a day.
    pub hours: [u64; 24],
    /// Sessions beside these that are past their deadline only by a clock that is not confirmed yet.
    pub hidden: u64,
}

/// What was found when the store was opened, and how long it took.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Whether there was no store before, so that one was created.
    pub created: bool,
    /// Whether a snapshot of a clean close could be used instead of the log.
    pub from_snapshot: bool,
    /// What the directory lies on, and whether that keeps it.
    pub volume: Volume,
    /// Segments that make up the store.
    pub segments: u64,
    /// Segments whose records had to be read because they had no sound footer.
    pub segments_scanned: u64,
    /// Sessions found alive.
    pub sessions: u64,
    /// Records at the end of the log that were not known durable and were written anew.
    pub tail_records: u64,
    /// Bytes behind the end of the log that were dropped: a torn tail.
    pub torn_bytes: u64,
    /// Files that belonged to nothing and were removed.
    pub files_removed: u64,
    /// Sessions that were ended because damage may have ended them (only under `Salvage`).
    pub salvage_ended: u64,
    /// Which of the two copies of the store's header was not whole, torn by a crash or damaged: it was written anew from the other.
    /// Who opens for reading only leaves it as it is.
    pub header_damage: Option<crate::error::Damage>,
    /// What was damaged (only under `Salvage`).
    pub damage: Vec<crate::error::Damage>,
    /// How long opening took.
    pub took: Duration,
    /// What it took the time for.
    pub parts: RecoveryParts,
}

/// What opening took its time for. Each part is measured by the clock on the wall, from its beginning to its end; what is in
/// none of them (locking the directory, reading the store's header) is little.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryParts {
    /// Reading the end of the log, from the root on: every frame there is checked.
    pub log: Duration,
    /// Reading the snapshot and checking it; nothing where there is none.
    pub snapshot: Duration,
    /// Opening the other segments and, without a snapshot, reading and checking what they say of themselves.
    pub segments: Duration,
    /// Writing the new segment, syncing and naming it, and naming it in the store's header. A large store is read meanwhile, so
    /// this overlaps [`memory`](Self::memory).
    pub begin: Duration,
    /// Making index, wheel and subjects, from the snapshot or from what the segments say.
    pub memory: Duration,
}

impl RecoveryParts {
    /// The parts with their names, in the order in which they begin.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// for (name, took) in store.stats().recovery.parts.named() {
    ///     println!("{name}: {} us", took.as_micros());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Duration); 5] {
        [
            ("log", self.log),
            ("snapshot", self.snapshot),
            ("segments", self.segments),
            ("begin", self.begin),
            ("memory", self.memory),
        ]
    }
}

/// What one call of [`Store::maintain`](crate::Store::maintain) did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintenance {
    /// Sessions found expired and dropped.
    pub expired: u64,
    /// Segments removed.
    pub segments_removed: u64,
    /// Segments written anew by compaction.
    pub segments_compacted: u64,
    /// Whether there is more to do than the budget allowed.
    pub more: bool,
}

/// What [`Store::verify`](crate::Store::verify) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Segments read.
    pub segments: u64,
    /// Records whose checksum was tested.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Live sessions whose record is sound and is what the index says.
    pub sessions: u64,
    /// What is damaged; empty when all is well.
    pub damage: Vec<crate::error::Damage>,
}

/// What [`Store::backup`](crate::Store::backup) wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// Segments in the backup: those that were there already, linked and copied.
    pub segments: u64,
    /// Segments that an earlier backup in that directory had brought.
    pub segments_kept: u64,
    /// Segments that are linked: the store's own files, under a second name.
    pub segments_linked: u64,
    /// Segments that were copied.
    pub segments_copied: u64,
    /// Segments of an earlier backup that this one does not list, and that were removed.
    pub segments_removed: u64,
    /// Bytes copied; linked files cost none.
    pub bytes_copied: u64,
    /// Bytes of frames that were read where they stand in the backup, and are sound: all of them.
    pub bytes_verified: u64,
    /// How many frames that are.
    pub frames_verified: u64,
    /// Sessions that a restore of the backup finds.
    pub sessions: u64,
}

/// What [`Options::restore`](crate::Options::restore) did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreReport {
    /// When the backup was made, in milliseconds since the Unix epoch, by the time that the store believed.
    pub made_ms: u64,
    /// Sessions that were kept, or that were ended; `None` where the backup is damaged, so that nobody knows.
    pub sessions: Option<u64>,
    /// Segments copied.
    pub segments: u64,
    /// Bytes copied.
    pub bytes_copied: u64,
    /// Bytes of frames that were read where they stand now, and are sound: all of them.
    pub bytes_verified: u64,
}

/// What [`Options::salvage`](crate::Options::salvage) would keep, or has kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// Sessions that can be trusted, and are kept.
    pub kept: u64,
    /// Sessions that are ended because damage may have ended them.
    pub ended: u64,
    /// Sessions that are lost because their record cannot be read. What was lost without anything else that tells of it is not
    /// among them: nobody knows of it.
    pub unreadable: u64,
    /// What is damaged; empty when all is well.
    pub damage: Vec<crate::error::Damage>,
}
