//! What an operator is told.
//!
//! Owns: [`Answer`] and the facts in it, as they travel. Invariant: no answer holds an id.

mod figures;
mod refused;

use serde::{Deserialize, Serialize};
use sessile::{BackupReport, Damage, Deadline, Session, Stats, Verification};

pub use figures::{Ahead, Call, Calls, Clock, Figures, HeldBy, Opening, Spread, Volume};
pub use refused::{Kind, Refused};

use crate::request::Bytes;

/// One answer to a [`Request`](crate::Request). To a list there are many, and one that says that it is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Answer {
    /// To `Stats`.
    Stats(Box<Figures>),
    /// To `Clock` and `SetClockBack`.
    Clock(Clock),
    /// To `Ls`, once for each session.
    Session(Facts),
    /// To `Ls`, when that was all.
    Listed(u64),
    /// To `Get`: the session, if there is one, and its data, if that was asked for.
    Got(Option<(Facts, Option<Bytes>)>),
    /// To `Destroy`: whether there was one.
    Destroyed(bool),
    /// To `DestroySubject`: how many there were.
    Revoked(u64),
    /// To `Verify`.
    Verified(Verified),
    /// To `Compact`.
    Compacted(Compacted),
    /// To `Upgrade`.
    Upgraded(Upgraded),
    /// To `Backup`.
    BackedUp(BackedUp),
}

impl Answer {
    /// Whether nothing comes behind it.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        !matches!(self, Self::Session(_))
    }
}

/// What is told of one session: everything but its id, which the store does not keep, and its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What names it without being its id.
    pub handle: String,
    /// The version of its last write.
    pub version: u64,
    /// When it was created; like all times in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it was last used.
    pub last_used_ms: u64,
    /// When it ends unless it is used; `None` is never.
    pub deadline_ms: Option<u64>,
    /// When it ends whatever happens; `None` is never.
    pub absolute_deadline_ms: Option<u64>,
    /// Whether it is somebody's.
    pub has_subject: bool,
    /// How much data it holds.
    pub data_bytes: u64,
}

impl From<&Session> for Facts {
    fn from(session: &Session) -> Self {
        Self {
            handle: session.handle().to_string(),
            version: session.version().as_u64(),
            created_ms: session.created_ms(),
            last_used_ms: session.last_used_ms(),
            deadline_ms: unless_never(session.deadline()),
            absolute_deadline_ms: unless_never(session.absolute_deadline()),
            has_subject: session.subject().is_some(),
            data_bytes: session.data().len() as u64,
        }
    }
}

fn unless_never(deadline: Deadline) -> Option<u64> {
    Some(deadline.as_ms()).filter(|ms| *ms != u64::MAX)
}

/// What a test of every record found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Segments read.
    pub segments: u64,
    /// Records whose checksum was tested.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Sound live sessions.
    pub sessions: u64,
    /// What is damaged, at the opening or now.
    pub damage: Vec<Place>,
}

impl Verified {
    pub(crate) fn new(found: Verification, at_opening: Vec<Damage>) -> Self {
        let mut damage = at_opening;
        for one in found.damage {
            if !damage.contains(&one) {
                damage.push(one);
            }
        }
        Self {
            segments: found.segments,
            records: found.records,
            bytes: found.bytes,
            sessions: found.sessions,
            damage: damage.into_iter().map(Place::from).collect(),
        }
    }
}

/// Where something is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, by its name in the store's directory.
    pub file: String,
    /// The byte in it.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl From<Damage> for Place {
    fn from(damage: Damage) -> Self {
        Self { file: damage.file, offset: damage.offset, what: damage.what }
    }
}

/// What maintenance did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// Sessions found expired and dropped.
    pub expired: u64,
    /// Segments removed.
    pub segments_removed: u64,
    /// Segments written anew.
    pub segments_compacted: u64,
    /// Whether there is more to do than the time allowed.
    pub more: bool,
    /// The sizes before.
    pub before: Size,
    /// And after.
    pub after: Size,
    /// Whether sessions are kept that have expired only if the clock is right.
    pub clock_unconfirmed: bool,
    /// How long it took.
    pub wall_ms: u64,
}

/// How large a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Live sessions, and expired ones that nobody has met yet.
    pub sessions: u64,
    /// Bytes of its files.
    pub disk_bytes: u64,
    /// Bytes of records that are the live version of a session.
    pub live_bytes: u64,
    /// Bytes of other records and of structure.
    pub dead_bytes: u64,
    /// Segments.
    pub segments: u64,
}

impl From<&Stats> for Size {
    fn from(stats: &Stats) -> Self {
        Self {
            sessions: stats.sessions,
            disk_bytes: stats.disk_bytes,
            live_bytes: stats.live_bytes,
            dead_bytes: stats.dead_bytes,
            segments: stats.segments,
        }
    }
}

/// From which format to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// The format that the store had.
    pub from: u32,
    /// The newest one that whoever answers knows.
    pub to: u32,
    /// Whether the store has that now.
    pub done: bool,
}

/// What a backup wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackedUp {
    /// Segments in it: those that were there already, linked and copied.
    pub segments: u64,
    /// Segments that an earlier backup in that directory had brought.
    #[serde(default)]
    pub segments_kept: u64,
    /// Segments that are the store's own files under a second name.
    #[serde(default)]
    pub segments_linked: u64,
    /// Segments that were copied.
    #[serde(default)]
    pub segments_copied: u64,
    /// Segments of an earlier backup that were removed.
    #[serde(default)]
    pub segments_removed: u64,
    /// Bytes copied; linked files cost none.
    pub bytes_copied: u64,
    /// Bytes of frames that were read where they stand in the backup, and are sound.
    #[serde(default)]
    pub bytes_verified: u64,
    /// Sessions that a restore of it finds.
    pub sessions: u64,
}

impl From<BackupReport> for BackedUp {
    fn from(report: BackupReport) -> Self {
        Self {
            segments: report.segments,
            segments_kept: report.segments_kept,
            segments_linked: report.segments_linked,
            segments_copied: report.segments_copied,
            segments_removed: report.segments_removed,
            bytes_copied: report.bytes_copied,
            bytes_verified: report.bytes_verified,
            sessions: report.sessions,
        }
    }
}
