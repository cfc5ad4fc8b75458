//! `sessile stats`: how many sessions, how large, how healthy.

use serde::Serialize;
use sessile_control::{Figures, Opening, Request, Volume};

use crate::args::Look;
use crate::door::{self, expect_answer};
use crate::failure::{Failure, describe};
use crate::output::{self, Report, bytes, grouped, moment, or_unknown};

pub(super) fn run(look: &Look) -> Result<(), Failure> {
    let figures = expect_answer!(door::to_look(&look.dir)?.answer(&Request::Stats)?, Stats);
    let directory = look.dir.display().to_string();
    output::show(&StatsReport::new(directory, &figures), look.json)
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
    format: Option<u32>,
    memory_bytes: Option<u64>,
    expiry_backlog: Option<u64>,
    last_sync_micros: Option<u64>,
    health: Option<String>,
    clock_ms: u64,
    clock_unconfirmed: Option<bool>,
    volume: Volume,
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

impl StatsReport {
    /// Figures that live in the memory of the holder are unknown to who only has the files. Where nobody holds the store, this
    /// command's own opening shows what an opening takes; how long the last sync took is then nobody's knowledge.
    fn new(directory: String, figures: &Figures) -> Self {
        let whole = figures.whole;
        Self {
            directory,
            held_by: figures.held_by.as_ref().map(|by| HeldBy {
                words: describe(by),
                pid: by.pid,
                host: by.host.clone(),
                since_ms: by.since_ms,
            }),
            sessions: figures.ahead.sessions,
            ending_within_hour: figures.ahead.within_hour,
            ending_within_day: figures.ahead.within_day,
            disk_bytes: figures.disk_bytes,
            live_bytes: figures.live_bytes,
            dead_bytes: figures.dead_bytes,
            segments: figures.segments,
            format: Some(figures.format).filter(|format| *format != 0),
            memory_bytes: whole.then_some(figures.memory_bytes),
            expiry_backlog: whole.then_some(figures.expiry_backlog),
            last_sync_micros: figures.last_sync_micros.filter(|_| whole),
            health: whole.then(|| health(figures)),
            clock_ms: figures.clock.believed_ms,
            clock_unconfirmed: whole.then_some(figures.clock.unconfirmed),
            volume: figures.volume.clone(),
            opening: figures.opening,
        }
    }
}

/// Whether all is well, in words.
pub(super) fn health(figures: &Figures) -> String {
    match (&figures.latched, figures.damaged_places) {
        (Some(cause), _) => format!("takes no more writes since this failed: {cause}"),
        (None, 0) => "sound".to_owned(),
        (None, places) => format!("damaged in {places} places"),
    }
}

impl Report for StatsReport {
    fn text(&self) -> String {
        let held_by = self.held_by.as_ref().map_or("nobody", |held_by| held_by.words.as_str());
        let clock = match self.clock_unconfirmed {
            Some(true) => format!("{}, not confirmed yet", moment(self.clock_ms)),
            _ => moment(self.clock_ms),
        };
        let mut text = output::facts([
            ("store", self.directory.clone()),
            ("held by", held_by.to_owned()),
            ("live sessions", grouped(self.sessions)),
            ("  end within an hour", grouped(self.ending_within_hour)),
            ("  end within a day", grouped(self.ending_within_day)),
            ("on disk", bytes(self.disk_bytes)),
            ("  live", bytes(self.live_bytes)),
            ("  dead", bytes(self.dead_bytes)),
            ("segments", grouped(self.segments)),
            ("format", or_unknown(self.format.map(|format| format.to_string()))),
            ("memory", or_unknown(self.memory_bytes.map(bytes))),
            ("expiry backlog", or_unknown(self.expiry_backlog.map(grouped))),
            ("last sync took", or_unknown(self.last_sync_micros.map(|micros| format!("{micros} us")))),
            ("health", or_unknown(self.health.clone())),
            ("clock", clock),
            ("file system", or_unknown(self.volume.file_system.clone())),
            ("opened in", format!("{} ms, {}", self.opening.took_ms, source(&self.opening))),
        ]);
        if let Some(warning) = &self.volume.warning {
            text.push_str(&format!("\n\nNote: {warning}."));
        }
        text
    }
}

fn source(opening: &Opening) -> &'static str {
    if opening.from_snapshot { "from a snapshot" } else { "from the log" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_holder_knows_is_unknown_to_who_has_the_files() {
        let mut figures = Figures {
            format: 1,
            memory_bytes: 4096,
            expiry_backlog: 7,
            last_sync_micros: Some(90),
            ..Figures::default()
        };
        figures.held_by = Some(sessile_control::HeldBy::default());
        let held = StatsReport::new("d".to_owned(), &figures);
        let json = serde_json::to_value(&held).unwrap();
        for figure in ["memory_bytes", "expiry_backlog", "last_sync_micros", "health", "clock_unconfirmed"] {
            assert!(json[figure].is_null(), "{figure}");
        }
        assert_eq!(held.text().matches("unknown").count(), 5);
        figures.whole = true;
        figures.volume = Volume { file_system: Some("ext4".to_owned()), warning: None };
        let told = StatsReport::new("d".to_owned(), &figures);
        assert_eq!((told.memory_bytes, told.health.as_deref()), (Some(4096), Some("sound")));
        assert!(told.text().contains("another process") && !told.text().contains("unknown"));
        figures.held_by = None;
        assert!(StatsReport::new("d".to_owned(), &figures).text().contains("nobody"));
    }

    #[test]
    fn what_does_not_last_is_said_below_the_figures() {
        let mut figures = Figures::default();
        assert!(!StatsReport::new("d".to_owned(), &figures).text().contains("Note"));
        figures.volume =
            Volume { file_system: Some("tmpfs".to_owned()), warning: Some("all is lost".to_owned()) };
        let text = StatsReport::new("d".to_owned(), &figures).text();
        assert!(text.contains("tmpfs") && text.ends_with("Note: all is lost."), "{text}");
    }

    #[test]
    fn a_latch_and_damage_show() {
        let figures = Figures { latched: Some("fdatasync of 7.seg".to_owned()), ..Figures::default() };
        assert!(health(&figures).contains("fdatasync of 7.seg"));
    }
}
