//! `sessile stats`: how many sessions, how large, how healthy.

use std::path::Path;

use serde::Serialize;
use sessile::{EndingsAhead, Holder, Recovery, Stats};

use crate::args::Look;
use crate::failure::{Failure, describe};
use crate::open;
use crate::output::{self, Report, bytes, grouped, moment, or_unknown};

pub(super) fn run(look: &Look) -> Result<(), Failure> {
    let store = open::for_a_look(&look.dir, Recovery::Strict)?;
    let report = StatsReport::new(&look.dir, &store.stats(), store.endings_ahead(), store.holder());
    output::show(&report, look.json)
}

#[derive(Debug, Serialize)]
struct StatsReport {
    directory: String,
    held_by: Option<HeldBy>,
    sessions: u64,
    ending_within_hour: u64,
    ending_within_day: u64,
    disk_bytes: u64,
    live_bytes: u64,
    dead_bytes: u64,
    segments: u64,
    memory_bytes: Option<u64>,
    expiry_backlog: Option<u64>,
    last_sync_micros: Option<u64>,
    health: Option<String>,
    clock_ms: u64,
    clock_unconfirmed: Option<bool>,
    opening: Opening,
}

/// The process that holds the store.
#[derive(Debug, Serialize)]
struct HeldBy {
    pid: Option<u32>,
    host: Option<String>,
    since_ms: Option<u64>,
    #[serde(skip)]
    words: String,
}

/// What this command found when it opened the store.
#[derive(Debug, Serialize)]
struct Opening {
    from_snapshot: bool,
    segments_scanned: u64,
    tail_records: u64,
    torn_bytes: u64,
    took_ms: u64,
}

impl StatsReport {
    /// Figures that live in the memory of the holder are unknown while there is one. Without one, this command's own
    /// opening shows what an opening takes; how long the last sync took is then nobody's knowledge.
    fn new(directory: &Path, stats: &Stats, ahead: EndingsAhead, holder: Option<Holder>) -> Self {
        let alone = holder.is_none();
        let recovery = &stats.recovery;
        Self {
            directory: directory.display().to_string(),
            held_by: holder.map(|holder| HeldBy {
                words: describe(&holder),
                pid: holder.pid,
                host: holder.host,
                since_ms: holder.since_ms,
            }),
            sessions: ahead.sessions,
            ending_within_hour: ahead.within_hour,
            ending_within_day: ahead.within_day,
            disk_bytes: stats.disk_bytes,
            live_bytes: stats.live_bytes,
            dead_bytes: stats.dead_bytes,
            segments: stats.segments,
            memory_bytes: alone.then_some(stats.memory_bytes),
            expiry_backlog: alone.then_some(stats.expiry_backlog),
            last_sync_micros: stats
                .last_sync
                .filter(|_| alone)
                .and_then(|took| took.as_micros().try_into().ok()),
            health: alone.then(|| health(stats)),
            clock_ms: stats.clock_ms,
            clock_unconfirmed: alone.then_some(stats.clock_unconfirmed),
            opening: Opening {
                from_snapshot: recovery.from_snapshot,
                segments_scanned: recovery.segments_scanned,
                tail_records: recovery.tail_records,
                torn_bytes: recovery.torn_bytes,
                took_ms: u64::try_from(recovery.took.as_millis()).unwrap_or(u64::MAX),
            },
        }
    }
}

fn health(stats: &Stats) -> String {
    match (&stats.latched, stats.recovery.damage.len()) {
        (Some(cause), _) => format!("takes no more writes since this failed: {cause}"),
        (None, 0) => "sound".to_owned(),
        (None, damages) => format!("damaged in {damages} places"),
    }
}

impl Report for StatsReport {
    fn text(&self) -> String {
        let held_by = self.held_by.as_ref().map_or("nobody", |held_by| held_by.words.as_str());
        let clock = match self.clock_unconfirmed {
            Some(true) => format!("{}, not confirmed yet", moment(self.clock_ms)),
            _ => moment(self.clock_ms),
        };
        output::facts([
            ("store", self.directory.clone()),
            ("held by", held_by.to_owned()),
            ("live sessions", grouped(self.sessions)),
            ("  end within an hour", grouped(self.ending_within_hour)),
            ("  end within a day", grouped(self.ending_within_day)),
            ("on disk", bytes(self.disk_bytes)),
            ("  live", bytes(self.live_bytes)),
            ("  dead", bytes(self.dead_bytes)),
            ("segments", grouped(self.segments)),
            ("memory", or_unknown(self.memory_bytes.map(bytes))),
            ("expiry backlog", or_unknown(self.expiry_backlog.map(grouped))),
            ("last sync took", or_unknown(self.last_sync_micros.map(|micros| format!("{micros} us")))),
            ("health", or_unknown(self.health.clone())),
            ("clock", clock),
            ("opened in", format!("{} ms, {}", self.opening.took_ms, self.opening.source())),
        ])
    }
}

impl Opening {
    fn source(&self) -> &'static str {
        if self.from_snapshot { "from a snapshot" } else { "from the log" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_holder_knows_is_unknown_while_there_is_one() {
        let mut stats = Stats::default();
        (stats.memory_bytes, stats.expiry_backlog) = (4096, 7);
        stats.last_sync = Some(std::time::Duration::from_micros(90));
        let ahead = EndingsAhead::default();
        let held = StatsReport::new("d".as_ref(), &stats, ahead, Some(Holder::default()));
        let json = serde_json::to_value(&held).unwrap();
        for figure in ["memory_bytes", "expiry_backlog", "last_sync_micros", "health", "clock_unconfirmed"] {
            assert!(json[figure].is_null(), "{figure}");
        }
        assert_eq!(held.text().matches("unknown").count(), 4);
        let alone = StatsReport::new("d".as_ref(), &stats, ahead, None);
        assert_eq!((alone.memory_bytes, alone.health.as_deref()), (Some(4096), Some("sound")));
        assert!(alone.text().contains("nobody") && !alone.text().contains("unknown"));
    }

    #[test]
    fn a_latch_and_damage_show() {
        let mut stats = Stats::default();
        stats.latched = Some("fdatasync of 7.seg".into());
        assert!(health(&stats).contains("fdatasync of 7.seg"));
    }
}
