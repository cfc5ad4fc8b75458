//! What is to be reached, and whether it was: a line for each goal, also where nothing was measured.

use crate::cases::{day, expiry, frames, growth, opening, revocation, stalls, touches};
use crate::limits;
use crate::outcome::{Judged, Measure, OURS, Outcome, Row, Verdict};

/// What is measured against what.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// Our speed in this workload by this peer's: at least so many times.
    Peer(&'static str, &'static str),
    /// Our speed by that of the fastest peer that keeps what it is given, queues included: at least so many times.
    Fastest(&'static str),
    /// Our speed by our own in another workload: at least so many times.
    Own(&'static str, &'static str),
    /// Our time by this peer's: at most so many times.
    Time(&'static str, &'static str),
    /// Our time by that of the bare machine: at most so many times.
    Limit(&'static str, &'static str),
    /// A figure from a case: at most so much.
    Figure(&'static str, &'static str),
    /// A figure from a case by another one from there: at most so many times.
    Figures(&'static str, &'static str, &'static str),
}

/// A line of what is to be reached.
#[derive(Debug, Clone, Copy)]
struct Goal {
    about: &'static str,
    of: Of,
    times: f64,
}

const fn goal(about: &'static str, of: Of, times: f64) -> Goal {
    Goal { about, of, times }
}

const UNIFORM: &str = "get, uniform, 1 thread";
const UNIFORM_MILLION: &str = "get, uniform, 1 thread, million";
const ZIPF: &str = "get, Zipf 0.99, 1 thread";
const WRITTEN: &str = "set, Written, 1 thread";
const SYNCED: &str = "set, Synced, 1 thread";
const SYNCED_64: &str = "set, Synced, 64 threads";
const TOUCH: &str = "touch, 1 thread";
const WEB: &str = "web, Synced, 8 threads";
const COALESCED: &str = "web, coalesced by the application, Synced, 8 threads";

const GOALS: &[Goal] = &[
    goal("get hit, uniform, 1 thread, a million", Of::Time(UNIFORM_MILLION, "HashMap"), 1.6),
    goal("get hit, uniform, 1 thread, a million", Of::Peer(UNIFORM_MILLION, "LMDB"), 2.0),
    goal("get hit, uniform, 1 thread, a million", Of::Peer(UNIFORM_MILLION, "SQLite"), 7.0),
    goal("get hit, Zipf 0.99", Of::Peer(ZIPF, "LMDB"), 1.5),
    goal("get hit, Zipf 0.99", Of::Peer(ZIPF, "SQLite"), 8.0),
    goal("get, 2 threads, uniform", Of::Own("get, uniform, 2 threads", UNIFORM), 1.8),
    goal("get, 2 threads, Zipf", Of::Own("get, Zipf 0.99, 2 threads", ZIPF), 1.8),
    goal("set Written, 1 thread", Of::Limit(WRITTEN, limits::PWRITE), 1.6),
    goal("set Written, 1 thread", Of::Peer(WRITTEN, "SQLite"), 50.0),
    goal("set Written, 1 thread", Of::Fastest(WRITTEN), 3.0),
    goal("set Synced, 1 thread", Of::Limit(SYNCED, limits::SYNC), 1.15),
    goal("set Synced, 1 thread", Of::Fastest(SYNCED), 1.0),
    goal("set Synced, 64 threads", Of::Peer(SYNCED_64, "SQLite"), 20.0),
    goal("set Synced, 64 threads", Of::Fastest(SYNCED_64), 1.5),
    goal("touch, coalesced", Of::Own(TOUCH, UNIFORM), 1.0 / 1.5),
    goal("touch, coalesced", Of::Peer(TOUCH, "SQLite"), 100.0),
    goal("touch, coalesced", Of::Fastest(TOUCH), 10.0),
    goal("touch, coalesced", Of::Figure(touches::CASE, touches::BYTES), 2.0),
    goal("web mix, Synced, 8 threads", Of::Peer(WEB, "SQLite"), 20.0),
    goal("web mix, Synced, 8 threads", Of::Fastest(WEB), 5.0),
    goal("web mix, touches coalesced by all", Of::Fastest(COALESCED), 3.0),
    goal("p99.9 of get", Of::Figures(stalls::CASE, stalls::GET_COMPACTION, stalls::GET_QUIET), 3.0),
    goal("p99.9 of get", Of::Figures(stalls::CASE, stalls::GET_SEALING, stalls::GET_QUIET), 3.0),
    goal("p99.9 of get", Of::Figures(stalls::CASE, stalls::GET_SNAPSHOT, stalls::GET_QUIET), 3.0),
    goal("p99.9 of get", Of::Figures(expiry::CASE, expiry::GET_EXPIRY, expiry::GET_QUIET), 3.0),
    goal("p99.9 of set Written", Of::Figures(stalls::CASE, stalls::SET_COMPACTION, stalls::SET_QUIET), 3.0),
    goal("p99.9 of set Written", Of::Figures(stalls::CASE, stalls::SET_SEALING, stalls::SET_QUIET), 3.0),
    goal("p99.9 of set Written", Of::Figures(stalls::CASE, stalls::SET_SNAPSHOT, stalls::SET_QUIET), 3.0),
    goal("p99.9 of set Written", Of::Figures(expiry::CASE, expiry::SET_EXPIRY, expiry::SET_QUIET), 3.0),
    goal("stalls", Of::Figure(stalls::CASE, stalls::LONGEST), 5.0),
    goal("expiring 1 of 2 million", Of::Figure(expiry::CASE, expiry::WORK), 1.0),
    goal("expiring 1 of 2 million", Of::Figure(expiry::CASE, expiry::LONGEST), 1.0),
    goal("expiring 1 of 2 million", Of::Figure(expiry::CASE, expiry::GIVEN_BACK), 60.0),
    goal("expiring 1 of 2 million: no full scan", Of::Figure(expiry::CASE, expiry::ONE), 1000.0),
    goal("RAM at 10 million sessions", Of::Figure(growth::TEN_MILLION, growth::BEST), 40.0),
    goal("RAM at 10 million sessions", Of::Figure(growth::TEN_MILLION, growth::WORST), 40.0),
    goal("RAM at 10 million sessions", Of::Figure(growth::TEN_MILLION, growth::PAUSE), 0.5),
    goal("disk", Of::Figure(frames::CASE, frames::CREATED), 64.0),
    goal("disk", Of::Figure(frames::CASE, frames::UPDATED), 64.0),
    goal("disk", Of::Figure(frames::CASE, frames::FOOTER), 40.0),
    goal("disk", Of::Figure(day::CASE, day::SPACE), 1.0),
    goal("disk", Of::Figure(day::CASE, day::DEVICE), 1.5),
    goal("open", Of::Figure(growth::MILLION, opening::CLOSED), 60.0),
    goal("open", Of::Figure(growth::TEN_MILLION, opening::CLOSED), 700.0),
    goal("open", Of::Figure(growth::MILLION, opening::KILLED), 100.0),
    goal("open", Of::Figure(growth::TEN_MILLION, opening::KILLED), 1200.0),
    goal("destroy_subject, 50 of a million", Of::Figure(revocation::CASE, revocation::RECORDS), 1.0),
    goal("destroy_subject, 50 of a million", Of::Figure(revocation::CASE, revocation::UNSYNCED), 20.0),
];

/// Compares what was measured with what is to be reached.
#[must_use]
pub fn judge(outcome: &Outcome) -> Vec<Judged> {
    GOALS.iter().map(|goal| goal.judge(outcome)).collect()
}

impl Goal {
    fn judge(&self, outcome: &Outcome) -> Judged {
        let times = (self.times * 100.0).round() / 100.0;
        let at_least = |than: String| format!("at least {times}x {than}");
        let at_most = |than: String| format!("at most {times}x {than}");
        let (goal, measured) = match self.of {
            Of::Peer(workload, peer) => {
                (at_least(format!("{peer}: {workload}")), outcome.by_peer(workload, peer))
            }
            Of::Fastest(workload) => (
                at_least(format!("the fastest peer that keeps anything: {workload}")),
                outcome.by_fastest(workload),
            ),
            Of::Own(workload, other) => {
                (at_least(format!("{other}: {workload}")), outcome.by_own(workload, other))
            }
            Of::Time(workload, peer) => {
                let slower = outcome.by_peer(workload, peer).map(|faster| 1.0 / faster);
                (at_most(format!("the time of {peer}: {workload}")), slower)
            }
            Of::Limit(workload, limit) => {
                (at_most(format!("the time of {limit}: {workload}")), outcome.by_limit(workload, limit))
            }
            Of::Figure(case, name) => return self.judge_figure(outcome.measure(case, name), case, name),
            Of::Figures(case, name, other) => {
                let value = |name| outcome.measure(case, name).map(|measure| measure.value);
                let ratio = value(name).zip(value(other)).map(|(value, other)| value / other);
                (at_most(format!("{other}: {name}")), ratio)
            }
        };
        let is_least = matches!(self.of, Of::Peer(..) | Of::Fastest(_) | Of::Own(..));
        let enough = |ratio: f64| if is_least { ratio >= self.times } else { ratio <= self.times };
        self.line(goal, measured.map(|ratio| (format!("{ratio:.2}x"), enough(ratio))))
    }

    fn judge_figure(&self, measure: Option<&Measure>, case: &str, name: &str) -> Judged {
        let unit = measure.map_or_else(String::new, |measure| format!(" {}", measure.unit));
        let measured = measure.map(|measure| {
            let digits = if measure.value.abs() < 10.0 { 2 } else { 1 };
            (format!("{:.digits$}{unit}", measure.value), measure.value <= self.times)
        });
        self.line(format!("at most {}{unit}: {case}, {name}", self.times), measured)
    }

    fn line(&self, goal: String, measured: Option<(String, bool)>) -> Judged {
        let (measured, verdict) = match measured {
            Some((measured, true)) => (measured, Verdict::Reached),
            Some((measured, false)) => (measured, Verdict::NotReached),
            None => ("-".to_owned(), Verdict::NotMeasured),
        };
        Judged { what: self.about.to_owned(), goal, measured, verdict }
    }
}

impl Outcome {
    fn ours(&self, workload: &str) -> Option<(&Row, f64)> {
        let row = self.row(workload)?;
        Some((row, row.speed_of(OURS)?))
    }

    fn by_peer(&self, workload: &str, peer: &str) -> Option<f64> {
        let (row, ours) = self.ours(workload)?;
        Some(ours / self.best_speed(row, peer)?)
    }

    fn by_fastest(&self, workload: &str) -> Option<f64> {
        let (row, ours) = self.ours(workload)?;
        let keeping = self.peers.iter().filter(|peer| !peer.forgets && peer.name != OURS);
        let fastest = keeping.filter_map(|peer| self.best_speed(row, &peer.name)).reduce(f64::max)?;
        Some(ours / fastest)
    }

    fn by_own(&self, workload: &str, other: &str) -> Option<f64> {
        let (_, ours) = self.ours(workload)?;
        Some(ours / self.row(other)?.speed_of(OURS)?)
    }

    fn by_limit(&self, workload: &str, limit: &str) -> Option<f64> {
        let (row, ours) = self.ours(workload)?;
        let known = self.limits.iter().find(|known| known.name == limit).map(|known| known.ns);
        let beside = row.sync_ns.filter(|_| limit == limits::SYNC);
        Some(1e9 / ours / beside.or(known)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cases::CASES;
    use crate::measure::Sample;
    use crate::outcome::Figure;
    use crate::peer::Wait;
    use crate::plan::{Scale, WORKLOADS};
    use crate::workload::{Kind, Workload};

    fn row(kind: Kind, threads: usize, ours: f64, theirs: f64) -> Row {
        let figure = |peer: &str, per_second| Figure {
            peer: peer.to_owned(),
            counts_allocations: false,
            median: Sample { per_second, ..Sample::default() },
            spread: 1.0,
        };
        let workload = Workload { name: "w", kind, threads, wait: Wait::Written, million: false };
        Row::new(workload, vec![figure(OURS, ours), figure("SQLite", theirs)])
    }

    fn judged(kind: Kind) -> Verdict {
        let mut outcome = Outcome::new(&Scale::TRIAL, Path::new("/"));
        outcome.rows = vec![row(kind, 1, 50.0, 10.0), row(kind, 8, 60.0, 6.0)];
        goal("w", Of::Peer("w, 8 threads", "SQLite"), 7.0).judge(&outcome).verdict
    }

    #[test]
    fn a_peer_whose_writers_queue_is_judged_by_its_one_writer() {
        assert_eq!(judged(Kind::Set), Verdict::NotReached, "6x and not 10x");
        assert_eq!(judged(Kind::GetZipf), Verdict::Reached, "10x");
    }

    #[test]
    fn a_sync_is_judged_by_what_the_disk_took_beside_it() {
        let mut outcome = Outcome::new(&Scale::TRIAL, Path::new("/"));
        outcome.limits = vec![limits::Limit { name: limits::SYNC.to_owned(), ns: 1e6 }];
        outcome.rows = vec![row(Kind::Set, 1, 100.0, 100.0)];
        let times = |outcome: &Outcome| outcome.by_limit("w, 1 thread", limits::SYNC);
        assert_eq!(times(&outcome), Some(10.0));
        outcome.rows[0].sync_ns = Some(5e6);
        assert_eq!(times(&outcome), Some(2.0));
    }

    #[test]
    fn what_was_not_measured_is_said_to_be_so() {
        let judged = judge(&Outcome::new(&Scale::TRIAL, Path::new("/")));
        assert_eq!(judged.len(), GOALS.len());
        assert!(judged.iter().all(|judged| judged.verdict == Verdict::NotMeasured));
    }

    #[test]
    fn every_goal_is_of_something_that_runs() {
        let runs = |label: &str| WORKLOADS.iter().any(|workload| workload.label() == label);
        let is_case = |name: &str| CASES.iter().any(|case| case.name == name);
        for goal in GOALS {
            let sound = match goal.of {
                Of::Peer(workload, _)
                | Of::Fastest(workload)
                | Of::Time(workload, _)
                | Of::Limit(workload, _) => runs(workload),
                Of::Own(workload, other) => runs(workload) && runs(other),
                Of::Figure(case, _) | Of::Figures(case, ..) => is_case(case),
            };
            assert!(sound, "{goal:?}");
        }
    }
}
