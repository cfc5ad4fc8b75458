//! What the store tells of itself through the crate `tracing`, where the feature of that name is on.
//!
//! Owns: which spans and events there are, with their fields. Without the feature nothing of it is compiled. Invariants:
//! 1. No field is or holds an id, a subject, a handle or a payload. Counts, times, sizes, names of files and of operations, and
//!    the errors that an observer hears.
//! 2. An [`Event`](crate::Event) that an observer hears is told here too, at the same moment.
//!
//! | what | level | a span, or an event in it |
//! |---|---|---|
//! | `open` | INFO | span; ends with `opened` and the report; a volume that does not last is a WARN |
//! | `compact` | DEBUG | span of one rewrite; ends with `compacted` |
//! | `backup`, `close`, `set_clock_back` | INFO | spans; `backed up`, `closed` |
//! | `slow sync` | WARN | event, above 100 ms |
//! | `reaped` | DEBUG | event of a tick that dropped something or left something undone |
//! | what an observer hears | ERROR to INFO | events |
//! | each operation | TRACE | span, by its name alone |

/// A span to the end of the block, of what happens now and then.
#[cfg(feature = "tracing")]
macro_rules! activity {
    ($level:ident, $name:literal $(, $field:ident = $value:expr)*) => {
        let _activity = ::tracing::span!(target: "sessile", ::tracing::Level::$level, $name $(, $field = $value)*).entered();
    };
}

/// A span to the end of the block, of what happens now and then.
#[cfg(not(feature = "tracing"))]
macro_rules! activity {
    ($level:ident, $name:literal $(, $field:ident = $value:expr)*) => {};
}

/// A span to the end of the block, of one operation.
#[cfg(feature = "tracing")]
macro_rules! operation {
    ($name:literal) => {
        let _operation = ::tracing::trace_span!(target: "sessile", $name).entered();
    };
}

/// A span to the end of the block, of one operation.
#[cfg(not(feature = "tracing"))]
macro_rules! operation {
    ($name:literal) => {};
}

/// Tells of something, by a function of [`told`].
#[cfg(feature = "tracing")]
macro_rules! tell {
    ($what:ident($($field:expr),*)) => {
        $crate::trace::told::$what($($field),*)
    };
}

/// Tells of something, by a function of [`told`].
#[cfg(not(feature = "tracing"))]
macro_rules! tell {
    ($what:ident($($field:expr),*)) => {};
}

/// The events, each with its fields.
#[cfg(feature = "tracing")]
pub(crate) mod told {
    use std::path::Path;
    use std::time::Duration;

    use tracing::{debug, error, info, warn};

    use crate::observer::Event;
    use crate::stats::{BackupReport, RecoveryReport};

    /// A sync that took longer keeps somebody waiting who notices.
    const SLOW_SYNC: Duration = Duration::from_millis(100);

    fn micros(time: Duration) -> u64 {
        u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn opened(directory: &Path, report: &RecoveryReport) {
        info!(
            target: "sessile",
            directory = %directory.display(),
            file_system = report.volume.file_system,
            created = report.created,
            from_snapshot = report.from_snapshot,
            sessions = report.sessions,
            segments = report.segments,
            segments_scanned = report.segments_scanned,
            tail_records = report.tail_records,
            torn_bytes = report.torn_bytes,
            files_removed = report.files_removed,
            salvage_ended = report.salvage_ended,
            damaged_places = report.damage.len(),
            log_us = micros(report.parts.log),
            snapshot_us = micros(report.parts.snapshot),
            segments_us = micros(report.parts.segments),
            begin_us = micros(report.parts.begin),
            memory_us = micros(report.parts.memory),
            took_us = micros(report.took),
            "opened"
        );
        if let Some(warning) = report.volume.warning() {
            warn!(target: "sessile", "{warning}");
        }
        for damage in &report.damage {
            error!(target: "sessile", file = damage.file, offset = damage.offset, what = damage.what, "damaged");
        }
    }

    pub(crate) fn synced(took: Duration, frames: u64) {
        if took >= SLOW_SYNC {
            warn!(target: "sessile", took_us = micros(took), frames, "slow sync");
        }
    }

    pub(crate) fn reaped(expired: u64, backlog: usize) {
        if expired > 0 || backlog > 0 {
            debug!(target: "sessile", expired, backlog, "reaped");
        }
    }

    pub(crate) fn compacted(removed: u64, bytes: u64) {
        debug!(target: "sessile", removed, bytes, "compacted");
    }

    pub(crate) fn backed_up(report: &BackupReport) {
        let BackupReport { segments, bytes_copied, sessions, .. } = *report;
        info!(target: "sessile", segments, bytes_copied, sessions, "backed up");
    }

    pub(crate) fn closed(is_sound: bool) {
        info!(target: "sessile", is_sound, "closed");
    }

    /// What an observer hears.
    pub(crate) fn event(event: &Event) {
        match event {
            Event::Latched { cause } => error!(target: "sessile", cause, "latched: no more writes"),
            Event::Damaged(at) => {
                error!(target: "sessile", file = at.file, offset = at.offset, what = at.what, "damaged");
            }
            Event::DiskFull => warn!(target: "sessile", "a limit or the disk is reached"),
            Event::ClockJumped { by_ms } => warn!(target: "sessile", by_ms, "the clock jumped"),
            Event::ClockConfirmed => info!(target: "sessile", "the clock is confirmed"),
            Event::ClockSetBack { by_ms } => info!(target: "sessile", by_ms, "the clock was set back"),
            Event::EventsNotKept { cause } => {
                warn!(target: "sessile", cause, "what listeners were told could not be kept");
            }
            Event::Backlog { entries } => warn!(target: "sessile", entries, "expiry is behind"),
        }
    }
}
