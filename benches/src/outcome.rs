//! What came of a run: medians, ratios, and whether the goals were reached. It is what `results.json` holds.

use std::path::Path;

use serde::Serialize;

use crate::limits::Limit;
use crate::machine;
use crate::measure::Sample;
use crate::plan::{Against, Goal, Scale};
use crate::workload::Workload;

/// The peer that the goals are about.
pub const OURS: &str = "sessile";

/// A run.
#[derive(Debug, Serialize)]
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
    /// What is not compared.
    pub measures: Vec<Measure>,
    /// The goals, and what was reached.
    pub judged: Vec<Judged>,
}

/// A peer that takes part.
#[derive(Debug, Serialize)]
pub struct Taking {
    /// Its name.
    pub name: &'static str,
    /// Its version and settings.
    pub settings: String,
    /// Whether it keeps nothing when the process ends.
    pub forgets: bool,
}

/// A workload and what each peer did in it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The workload, by its label.
    pub label: String,
    /// By its name.
    pub name: &'static str,
    /// How many threads there were.
    pub threads: usize,
    /// Whether it changes the store.
    pub writes: bool,
    /// The peers' figures.
    pub figures: Vec<Figure>,
}

/// What a peer did in a workload: the median of each figure over the repetitions.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The peer.
    pub peer: &'static str,
    /// Whether its allocations were counted.
    pub counts_allocations: bool,
    /// The medians.
    pub median: Sample,
    /// The fastest repetition's speed by the slowest one's: below it, a difference means nothing.
    pub spread: f64,
}

/// A figure that is not compared, with the most that it should be.
#[derive(Debug, Clone, Serialize)]
pub struct Measure {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it is counted in.
    pub unit: &'static str,
    /// The most that it should be.
    pub goal: Option<f64>,
}

/// A goal, and what was reached.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// What it is about.
    pub what: String,
    /// What was to be reached.
    pub goal: String,
    /// What was measured.
    pub measured: String,
    /// Whether that is enough.
    pub reached: bool,
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
            measures: Vec::new(),
            judged: Vec::new(),
        }
    }

    /// Compares what was measured with what was to be reached, as far as it was measured.
    pub fn judge(&mut self, goals: &[Goal]) {
        for goal in goals {
            let Some(row) = self.rows.iter().find(|row| row.label == goal.workload) else { continue };
            let Some((ratio, reached)) = self.ratio(row, goal) else { continue };
            let (least, than) = match goal.against {
                Against::Peer(peer) => ("at least", peer),
                Against::Fastest => ("at least", "the fastest peer that keeps anything"),
                Against::Own(other) => ("at least", other),
                Against::Limit(limit) => ("at most the time of", limit),
            };
            self.judged.push(Judged {
                what: goal.workload.to_owned(),
                goal: format!("{least} {}x {than}", (goal.times * 100.0).round() / 100.0),
                measured: format!("{ratio:.2}x"),
                reached,
            });
        }
        for measure in &self.measures {
            if let Some(goal) = measure.goal {
                self.judged.push(Judged {
                    what: measure.name.clone(),
                    goal: format!("at most {goal} {}", measure.unit),
                    measured: format!("{:.1} {}", measure.value, measure.unit),
                    reached: measure.value <= goal,
                });
            }
        }
    }

    /// What was measured against what, if both were, and whether that is enough.
    fn ratio(&self, row: &Row, goal: &Goal) -> Option<(f64, bool)> {
        let ours = row.speed_of(OURS)?;
        let than = match goal.against {
            Against::Peer(peer) => self.best_speed(row, peer)?,
            Against::Fastest => {
                let keeping = self.peers.iter().filter(|peer| !peer.forgets && peer.name != OURS);
                keeping.filter_map(|peer| self.best_speed(row, peer.name)).reduce(f64::max)?
            }
            Against::Own(other) => self.rows.iter().find(|row| row.label == other)?.speed_of(OURS)?,
            Against::Limit(limit) => {
                let limit = self.limits.iter().find(|known| known.name == limit)?;
                let slower = 1e9 / ours / limit.ns;
                return Some((slower, slower <= goal.times));
            }
        };
        Some((ours / than, ours / than >= goal.times))
    }

    /// A peer's speed in a workload, or in the same with fewer threads where it writes and that is faster: a store that
    /// writes with one connection is not to be judged by how its callers queue.
    #[must_use]
    pub fn best_speed(&self, row: &Row, peer: &str) -> Option<f64> {
        let fewer = self.rows.iter().filter(|other| {
            other.name == row.name && row.writes && other.threads <= row.threads || other.label == row.label
        });
        fewer.filter_map(|row| row.speed_of(peer)).reduce(f64::max)
    }
}

impl Row {
    /// What these peers did in this workload.
    #[must_use]
    pub fn new(workload: Workload, figures: Vec<Figure>) -> Self {
        let Workload { name, kind, threads, .. } = workload;
        Self { label: workload.label(), name, threads, writes: kind.writes(), figures }
    }

    /// What this peer did in it.
    #[must_use]
    pub fn of(&self, peer: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.peer == peer)
    }

    fn speed_of(&self, peer: &str) -> Option<f64> {
        self.of(peer).map(|figure| figure.median.per_second)
    }
}

impl Figure {
    /// The medians of `samples`, of which there is at least one.
    #[must_use]
    pub fn of(peer: &'static str, counts_allocations: bool, samples: &[Sample]) -> Self {
        let median_of = |get: fn(&Sample) -> f64| median(samples.iter().map(get).collect());
        let per_sync: Vec<f64> = samples.iter().filter_map(|sample| sample.per_sync).collect();
        let speeds = || samples.iter().map(|sample| sample.per_second);
        Self {
            peer,
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
    use crate::peer::Wait;
    use crate::workload::Kind;

    fn row(kind: Kind, threads: usize, ours: f64, theirs: f64) -> Row {
        let figure = |peer, per_second| Figure {
            peer,
            counts_allocations: false,
            median: Sample { per_second, ..Sample::default() },
            spread: 1.0,
        };
        let workload = Workload { name: "w", kind, threads, wait: Wait::Written };
        Row::new(workload, vec![figure(OURS, ours), figure("SQLite", theirs)])
    }

    fn judged(kind: Kind) -> Vec<Judged> {
        let mut outcome = Outcome::new(&Scale::TRIAL, Path::new("/"));
        outcome.rows = vec![row(kind, 1, 50.0, 10.0), row(kind, 8, 60.0, 6.0)];
        outcome.judge(&[Goal { workload: "w, 8 threads", against: Against::Peer("SQLite"), times: 7.0 }]);
        outcome.judged
    }

    #[test]
    fn a_peer_whose_writers_queue_is_judged_by_its_one_writer() {
        assert!(!judged(Kind::Set)[0].reached, "6x and not 10x");
        assert!(judged(Kind::GetZipf)[0].reached, "10x");
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let mut outcome = Outcome::new(&Scale::TRIAL, Path::new("/"));
        outcome.judge(&[Goal { workload: "w, 8 threads", against: Against::Peer("SQLite"), times: 7.0 }]);
        assert!(outcome.judged.is_empty());
    }

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(vec![]).is_nan());
    }
}
