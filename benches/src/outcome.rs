//! What came of a run: medians, ratios, and whether the goals were reached. It is what `results.json` holds.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::limits::Limit;
use crate::machine;
use crate::measure::Sample;
use crate::plan::Scale;
use crate::workload::Workload;

/// The peer that the goals are about.
pub const OURS: &str = "sessile";

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// When it began, UTC.
    pub began: String,
    /// Where it was measured.
    pub machine: String,
    /// Sessions that were stored before anything was measured.
    pub sessions: usize,
    /// How often each peer had its turn.
    pub repetitions: usize,
    /// Sessions where memory and opening were measured.
    pub million: u64,
    /// Whether enough was measured to quote.
    pub judges: bool,
    /// The bare machine.
    pub limits: Vec<Limit>,
    /// Who took part.
    pub peers: Vec<Taking>,
    /// What they did.
    pub rows: Vec<Row>,
    /// What the peers take of disk, memory and time to open.
    pub sizes: Vec<Size>,
    /// What is measured in cases of its own.
    pub measures: Vec<Measure>,
    /// The goals, and what was reached.
    pub judged: Vec<Judged>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
}

/// A peer that takes part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Taking {
    /// Its name.
    pub name: String,
    /// Its version and settings.
    pub settings: String,
    /// Whether it keeps nothing when the process ends.
    pub forgets: bool,
}

/// A workload and what each peer did in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The workload, by its label.
    pub label: String,
    /// By its name.
    pub name: String,
    /// How many threads there were.
    pub threads: usize,
    /// Whether it was over a million sessions.
    pub million: bool,
    /// Whether it changes the store.
    pub writes: bool,
    /// The peers' figures.
    pub figures: Vec<Figure>,
    /// What the cheapest sync took in between, where it is about syncs: a disk has moods.
    #[serde(default)]
    pub sync_ns: Option<f64>,
}

/// What a peer did in a workload: the median of each figure over the repetitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    /// The peer.
    pub peer: String,
    /// Whether its allocations were counted.
    pub counts_allocations: bool,
    /// The medians.
    pub median: Sample,
    /// The fastest repetition's speed by the slowest one's: below it, a difference means nothing.
    pub spread: f64,
}

/// What a peer takes with so many sessions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Size {
    /// The peer.
    pub peer: String,
    /// How many sessions.
    pub sessions: u64,
    /// Sessions that are stored a second in whatever way is fastest.
    pub loaded_per_second: Option<f64>,
    /// Bytes that its files occupy after that.
    pub disk_bytes: Option<f64>,
    /// Memory that holds no file, after it was opened and every session was read once.
    pub memory_bytes: Option<f64>,
    /// Opening after a clean close, until a session was read, in milliseconds.
    pub open_closed_ms: Option<f64>,
    /// The same after a kill.
    pub open_killed_ms: Option<f64>,
    /// Of the sessions that were written just before the kill, those that were not found after it.
    pub missing: Option<f64>,
}

/// A figure from a case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measure {
    /// The case.
    pub case: String,
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it is counted in.
    pub unit: String,
}

/// How it stands with a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It was reached.
    Reached,
    /// It was not.
    NotReached,
    /// This run cannot say.
    NotMeasured,
}

/// A goal, and what was reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judged {
    /// What it is about.
    pub what: String,
    /// What was to be reached.
    pub goal: String,
    /// What was measured.
    pub measured: String,
    /// Whether that is enough.
    pub verdict: Verdict,
}

impl Outcome {
    /// A run that begins, in this directory.
    #[must_use]
    pub fn new(scale: &Scale, directory: &Path) -> Self {
        Self {
            began: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: machine::description(directory),
            sessions: scale.sessions,
            repetitions: scale.repetitions,
            million: scale.million,
            judges: scale.judges,
            limits: Vec::new(),
            peers: Vec::new(),
            rows: Vec::new(),
            sizes: Vec::new(),
            measures: Vec::new(),
            judged: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Whether it is of the same machine and the same numbers as `other`.
    #[must_use]
    pub fn is_about(&self, other: &Self) -> bool {
        let numbers =
            |outcome: &Self| (outcome.sessions, outcome.million, outcome.repetitions, outcome.judges);
        self.machine == other.machine && numbers(self) == numbers(other)
    }

    /// What was measured in this workload.
    #[must_use]
    pub fn row(&self, label: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.label == label)
    }

    /// The figure of this name from this case.
    #[must_use]
    pub fn measure(&self, case: &str, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.case == case && measure.name == name)
    }

    /// A peer's speed in a workload, or in the same with fewer threads where it writes and that is faster: a store that
    /// writes with one connection is not to be judged by how its callers queue.
    #[must_use]
    pub fn best_speed(&self, row: &Row, peer: &str) -> Option<f64> {
        let fewer = self.rows.iter().filter(|other| {
            let alike = other.name == row.name && other.million == row.million;
            alike && row.writes && other.threads <= row.threads || other.label == row.label
        });
        fewer.filter_map(|row| row.speed_of(peer)).reduce(f64::max)
    }
}

impl Row {
    /// What these peers did in this workload.
    #[must_use]
    pub fn new(workload: Workload, figures: Vec<Figure>) -> Self {
        let Workload { name, kind, threads, million, .. } = workload;
        Self {
            label: workload.label(),
            name: name.to_owned(),
            threads,
            million,
            writes: kind.writes(),
            figures,
            sync_ns: None,
        }
    }

    /// What this peer did in it.
    #[must_use]
    pub fn of(&self, peer: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.peer == peer)
    }

    /// A peer's speed in it.
    #[must_use]
    pub fn speed_of(&self, peer: &str) -> Option<f64> {
        self.of(peer).map(|figure| figure.median.per_second)
    }
}

impl Figure {
    /// The medians of `samples`, of which there is at least one.
    #[must_use]
    pub fn of(peer: &str, counts_allocations: bool, samples: &[Sample]) -> Self {
        let median_of = |get: fn(&Sample) -> f64| median(samples.iter().map(get).collect());
        let per_sync: Vec<f64> = samples.iter().filter_map(|sample| sample.per_sync).collect();
        let speeds = || samples.iter().map(|sample| sample.per_second);
        Self {
            peer: peer.to_owned(),
            counts_allocations,
            median: Sample {
                per_second: median_of(|sample| sample.per_second),
                p50_ns: median_of(|sample| sample.p50_ns),
                p90_ns: median_of(|sample| sample.p90_ns),
                p95_ns: median_of(|sample| sample.p95_ns),
                p99_ns: median_of(|sample| sample.p99_ns),
                p999_ns: median_of(|sample| sample.p999_ns),
                max_ns: median_of(|sample| sample.max_ns),
                processor_ns: median_of(|sample| sample.processor_ns),
                allocations: median_of(|sample| sample.allocations),
                write_calls: median_of(|sample| sample.write_calls),
                written_bytes: median_of(|sample| sample.written_bytes),
                device_bytes: median_of(|sample| sample.device_bytes),
                per_sync: (!per_sync.is_empty()).then(|| median(per_sync)),
            },
            spread: speeds().fold(0.0, f64::max) / speeds().fold(f64::INFINITY, f64::min),
        }
    }
}

/// The value in the middle; of an even number of values, the greater one of the two.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn a_run_can_be_continued_from_what_it_wrote_down() {
        let mut outcome = Outcome::new(&Scale::TRIAL, Path::new("/"));
        outcome.sizes.push(Size { missing: Some(3.0), ..Size::default() });
        let json = serde_json::to_string(&outcome).unwrap();
        let again: Outcome = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), json);
    }
}
