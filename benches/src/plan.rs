//! What is measured, in which order, for how long, and what is to be reached in it.

use std::time::Duration;

use crate::limits;
use crate::measure::Window;
use crate::peer::Wait;
use crate::workload::{Kind, Workload};

/// The workloads, in the order in which they run.
pub const WORKLOADS: &[Workload] = &[
    workload("get, Zipf 0.99", Kind::GetZipf, 1, Wait::Written),
    workload("get, Zipf 0.99", Kind::GetZipf, 2, Wait::Written),
    workload("get, Zipf 0.99", Kind::GetZipf, 8, Wait::Written),
    workload("get, uniform", Kind::GetUniform, 1, Wait::Written),
    workload("get, uniform", Kind::GetUniform, 2, Wait::Written),
    workload("get, missing", Kind::GetMissing, 1, Wait::Written),
    workload("touch", Kind::Touch, 1, Wait::Written),
    workload("touch, always logged", Kind::TouchFurther, 1, Wait::Written),
    workload("set, Written", Kind::Set, 1, Wait::Written),
    workload("set, Written", Kind::Set, 8, Wait::Written),
    workload("set, Synced", Kind::Set, 1, Wait::Synced),
    workload("set, Synced", Kind::Set, 8, Wait::Synced),
    workload("set, Synced", Kind::Set, 32, Wait::Synced),
    workload("set, Synced", Kind::Set, 64, Wait::Synced),
    workload("web, Written", Kind::Web, 1, Wait::Written),
    workload("web, Written", Kind::Web, 8, Wait::Written),
    workload("web, Synced", Kind::Web, 8, Wait::Synced),
];

const fn workload(name: &'static str, kind: Kind, threads: usize, wait: Wait) -> Workload {
    Workload { name, kind, threads, wait }
}

/// What sessile's speed in a workload is measured against.
#[derive(Debug, Clone, Copy)]
pub enum Against {
    /// A peer's: at least so many times as fast.
    Peer(&'static str),
    /// That of the fastest peer that keeps what it is given, queues included: at least so many times as fast.
    Fastest,
    /// Its own in another workload: at least so many times as fast.
    Own(&'static str),
    /// The bare machine: at most so many times as slow.
    Limit(&'static str),
}

/// What is to be reached in a workload.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// The workload, by its [`label`](Workload::label).
    pub workload: &'static str,
    /// What it is measured against.
    pub against: Against,
    /// How many times.
    pub times: f64,
}

/// What is to be reached.
pub const GOALS: &[Goal] = &[
    goal("get, Zipf 0.99, 1 thread", Against::Peer("SQLite"), 8.0),
    goal("get, Zipf 0.99, 1 thread", Against::Peer("LMDB"), 1.5),
    goal("get, Zipf 0.99, 2 threads", Against::Own("get, Zipf 0.99, 1 thread"), 1.8),
    goal("get, uniform, 2 threads", Against::Own("get, uniform, 1 thread"), 1.8),
    goal("touch, 1 thread", Against::Peer("SQLite"), 100.0),
    goal("touch, 1 thread", Against::Fastest, 10.0),
    // A touch takes at most 1.5 times as long as a get.
    goal("touch, 1 thread", Against::Own("get, uniform, 1 thread"), 1.0 / 1.5),
    goal("set, Written, 1 thread", Against::Peer("SQLite"), 50.0),
    goal("set, Written, 1 thread", Against::Fastest, 3.0),
    goal("set, Written, 1 thread", Against::Limit(limits::PWRITE), 1.6),
    goal("set, Synced, 1 thread", Against::Fastest, 1.0),
    goal("set, Synced, 1 thread", Against::Limit(limits::SYNC), 1.15),
    goal("set, Synced, 32 threads", Against::Peer("SQLite"), 8.0),
    goal("set, Synced, 64 threads", Against::Peer("SQLite"), 20.0),
    goal("set, Synced, 64 threads", Against::Fastest, 1.5),
    goal("web, Synced, 8 threads", Against::Peer("SQLite"), 20.0),
    goal("web, Synced, 8 threads", Against::Fastest, 5.0),
];

const fn goal(workload: &'static str, against: Against, times: f64) -> Goal {
    Goal { workload, against, times }
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Sessions that are stored before anything is measured.
    pub sessions: usize,
    /// Sessions where memory and opening are measured.
    pub million: u64,
    /// How often each peer has its turn in each workload.
    pub repetitions: usize,
    /// Whether enough is measured to say which goals were reached.
    pub judges: bool,
    /// How long a peer is warmed up.
    pub warm_up: Duration,
    /// How thoroughly the bare machine is measured; 1 to quote.
    pub limits: f64,
    /// The windows of workloads that only read.
    pub reads: Window,
    /// Those of workloads that write.
    pub writes: Window,
}

impl Scale {
    /// To be quoted.
    pub const FULL: Self = Self {
        sessions: 100_000,
        million: 1_000_000,
        repetitions: 3,
        judges: true,
        warm_up: Duration::from_millis(300),
        limits: 1.0,
        reads: window(500, 250),
        // Longer than the interval at which sessile syncs by itself, so that the throughput includes that.
        writes: window(1100, 400),
    };
    /// To see that it runs, and roughly where it stands.
    pub const QUICK: Self = Self {
        warm_up: Duration::from_millis(100),
        limits: 0.2,
        reads: window(100, 50),
        writes: window(300, 100),
        million: 100_000,
        judges: false,
        ..Self::FULL
    };
    /// A test of the harness.
    pub const TRIAL: Self = Self {
        sessions: 1000,
        million: 1000,
        repetitions: 1,
        judges: false,
        warm_up: Duration::from_millis(5),
        limits: 0.001,
        reads: window(5, 5),
        writes: window(5, 5),
    };

    /// The windows of a workload.
    #[must_use]
    pub fn window(&self, kind: Kind) -> Window {
        if kind.writes() { self.writes } else { self.reads }
    }

    /// About how long one peer takes in one workload.
    #[must_use]
    pub fn turn(&self, kind: Kind) -> Duration {
        let window = self.window(kind);
        self.warm_up + (window.throughput + window.latency) * self.repetitions as u32
    }
}

const fn window(throughput_ms: u64, latency_ms: u64) -> Window {
    Window { throughput: Duration::from_millis(throughput_ms), latency: Duration::from_millis(latency_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_goal_is_of_a_workload_that_runs() {
        let runs = |label: &str| WORKLOADS.iter().any(|workload| workload.label() == label);
        for goal in GOALS {
            assert!(runs(goal.workload), "{goal:?}");
            assert!(!matches!(goal.against, Against::Own(other) if !runs(other)), "{goal:?}");
        }
    }
}
