//! What is measured, in which order and for how long.

use std::time::Duration;

use crate::measure::Window;
use crate::peer::Wait;
use crate::workload::{Kind, Workload};

/// The workloads, in the order in which they run: first those over the usual number of sessions, then those over a million.
pub const WORKLOADS: &[Workload] = &[
    workload("load, Written", Kind::Load, 1, Wait::Written),
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
    workload("set, Written", Kind::Set, 32, Wait::Written),
    workload("set, Written", Kind::Set, 64, Wait::Written),
    workload("set, Synced", Kind::Set, 1, Wait::Synced),
    workload("set, Synced", Kind::Set, 8, Wait::Synced),
    workload("set, Synced", Kind::Set, 32, Wait::Synced),
    workload("set, Synced", Kind::Set, 64, Wait::Synced),
    workload("web, Written", Kind::Web, 1, Wait::Written),
    workload("web, Written", Kind::Web, 8, Wait::Written),
    workload("web, Synced", Kind::Web, 1, Wait::Synced),
    workload("web, Synced", Kind::Web, 8, Wait::Synced),
    workload("web, coalesced by the application, Written", Kind::WebCoalesced, 8, Wait::Written),
    workload("web, coalesced by the application, Synced", Kind::WebCoalesced, 8, Wait::Synced),
    workload("as Redis publishes, Written", Kind::Published, 1, Wait::Written),
    workload("as Redis publishes, Written", Kind::Published, 8, Wait::Written),
    over_a_million("get, uniform", Kind::GetUniform, 1),
    over_a_million("get, uniform", Kind::GetUniform, 2),
    over_a_million("get, Zipf 0.99", Kind::GetZipf, 1),
    over_a_million("get, Zipf 0.99", Kind::GetZipf, 2),
    over_a_million("set, Written", Kind::Set, 1),
];

const fn workload(name: &'static str, kind: Kind, threads: usize, wait: Wait) -> Workload {
    Workload { name, kind, threads, wait, million: false }
}

const fn over_a_million(name: &'static str, kind: Kind, threads: usize) -> Workload {
    Workload { name, kind, threads, wait: Wait::Written, million: true }
}

/// In so many turns the sessions are stored that are stored one by one.
pub const LOAD_SLICES: usize = 3;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Sessions that are stored before anything is measured.
    pub sessions: usize,
    /// What a million is.
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
        reads: window(500, 250, 3_000),
        // Longer than the interval at which sessile syncs by itself, so that the throughput includes that.
        writes: window(1100, 300, 3_000),
    };
    /// To see that it runs, and roughly where it stands.
    pub const QUICK: Self = Self {
        warm_up: Duration::from_millis(100),
        limits: 0.2,
        reads: window(100, 50, 200),
        writes: window(300, 100, 200),
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
        reads: window(5, 5, 0),
        writes: window(5, 5, 0),
    };

    /// The windows of a workload.
    #[must_use]
    pub fn window(&self, kind: Kind) -> Window {
        if kind.writes() { self.writes } else { self.reads }
    }

    /// About how long one peer takes in one workload.
    #[must_use]
    pub fn turn(&self, kind: Kind) -> Duration {
        self.warm_up + self.repetition(kind) * self.repetitions as u32
    }

    /// About how long one repetition takes, with the rests before its passes.
    #[must_use]
    pub fn repetition(&self, kind: Kind) -> Duration {
        let window = self.window(kind);
        window.throughput + window.latency + 2 * window.rest_max.min(REST_LEAST)
    }

    /// About how long it takes to store all sessions in a peer.
    #[must_use]
    pub fn loading(&self, million: bool) -> Duration {
        let sessions = if million { self.million } else { self.sessions as u64 };
        Duration::from_micros(sessions * 25)
    }
}

/// What a rest takes on a machine that is at rest.
const REST_LEAST: Duration = Duration::from_millis(100);

const fn window(throughput_ms: u64, latency_ms: u64, rest_max_ms: u64) -> Window {
    Window {
        throughput: Duration::from_millis(throughput_ms),
        latency: Duration::from_millis(latency_ms),
        rest_max: Duration::from_millis(rest_max_ms),
    }
}
