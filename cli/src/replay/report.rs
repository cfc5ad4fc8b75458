//! What a replay found: every figure for a program, and a page for a reader.

use std::time::Duration;

use serde::Serialize;

use super::chart::{self, Sample};
use super::drive::Outcome;
use super::traffic::Traffic;
use crate::args::Replay;
use crate::output::{self, Report, bytes, counted, grouped, moment};

/// How many of the skipped lines the text names.
const SKIPPED_SHOWN: usize = 10;

/// The report. `expired` and `live` are those at the time of the last request.
#[derive(Debug, Serialize)]
pub(super) struct Replayed {
    lines: u64,
    requests: u64,
    skipped: Vec<u64>,
    visitors: u64,
    first_ms: u64,
    last_ms: u64,
    idle_ms: u64,
    data_bytes: u32,
    created: u64,
    hits: u64,
    touches_coalesced: u64,
    expired: u64,
    live: u64,
    peak_live: u64,
    peak_live_at_ms: u64,
    disk_bytes: u64,
    disk_bytes_peak: u64,
    live_bytes: u64,
    memory_bytes_peak: u64,
    wall_ms: u64,
    live_over_time: Vec<Sample>,
}

impl Replayed {
    pub fn new(replay: &Replay, traffic: &Traffic, outcome: Outcome) -> Self {
        Self {
            lines: traffic.lines,
            requests: count(traffic.requests.len()),
            skipped: traffic.skipped.clone(),
            visitors: count(traffic.visitors.len()),
            first_ms: outcome.first_ms,
            last_ms: outcome.last_ms,
            idle_ms: millis(replay.idle),
            data_bytes: replay.data_bytes,
            created: outcome.created,
            hits: outcome.hits,
            touches_coalesced: outcome.coalesced,
            expired: outcome.expired,
            live: outcome.live,
            peak_live: outcome.peak_live,
            peak_live_at_ms: outcome.peak_live_at_ms,
            disk_bytes: outcome.disk_bytes,
            disk_bytes_peak: outcome.disk_bytes_peak,
            live_bytes: outcome.live_bytes,
            memory_bytes_peak: outcome.memory_bytes_peak,
            wall_ms: millis(outcome.wall),
            live_over_time: outcome.samples,
        }
    }

    fn skipped(&self) -> String {
        let shown: Vec<String> = self.skipped.iter().take(SKIPPED_SHOWN).map(u64::to_string).collect();
        let more = if self.skipped.len() > SKIPPED_SHOWN { ", ..." } else { "" };
        match shown.as_slice() {
            [] => "none".to_owned(),
            [one] => format!("1 line that does not parse: {one}"),
            _ => format!(
                "{} that do not parse: {}{more}",
                counted(count(self.skipped.len()), "line"),
                shown.join(", ")
            ),
        }
    }

    fn pace(&self) -> String {
        let pace = self.requests.saturating_mul(1000) / self.wall_ms.max(1);
        format!("{} ms, {} requests a second", grouped(self.wall_ms), grouped(pace))
    }
}

impl Report for Replayed {
    fn text(&self) -> String {
        let span = Duration::from_millis(self.last_ms - self.first_ms);
        let mut text = output::facts([
            ("requests", grouped(self.requests)),
            ("skipped", self.skipped()),
            ("visitors", grouped(self.visitors)),
            ("from", moment(self.first_ms)),
            ("to", format!("{} ({} later)", moment(self.last_ms), humantime::format_duration(span))),
            ("idle lifetime", humantime::format_duration(Duration::from_millis(self.idle_ms)).to_string()),
            ("sessions created", grouped(self.created)),
            (
                "requests in a session",
                format!("{}, {} without a record", grouped(self.hits), grouped(self.touches_coalesced)),
            ),
            ("expired", grouped(self.expired)),
            ("live at the end", grouped(self.live)),
            ("most at once", format!("{} at {}", grouped(self.peak_live), moment(self.peak_live_at_ms))),
            ("on disk", format!("{}, at most {}", bytes(self.disk_bytes), bytes(self.disk_bytes_peak))),
            (
                "  live records",
                format!(
                    "{}, with {} of data a session",
                    bytes(self.live_bytes),
                    bytes(self.data_bytes.into())
                ),
            ),
            ("memory", format!("at most {}", bytes(self.memory_bytes_peak))),
            ("took", self.pace()),
        ]);
        let chart = chart::draw(&self.live_over_time, self.last_ms);
        if !chart.is_empty() {
            text.push_str("\n\nlive sessions over time\n");
            text.push_str(&chart);
        }
        text
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
