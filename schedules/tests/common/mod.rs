//! What the schedule tests share: how schedules are explored, and a small machine to run a store on.
//!
//! Every test explores a fixed number of executions from a fixed seed, half of them at random (`RandomScheduler`), half
//! with few switches at the worst moments (`PctScheduler`), so that one commit gives one outcome.
//! * `SESSILE_SCHEDULES=20` explores twenty times as many, `SESSILE_SCHEDULES_SEED=7` others.
//! * An execution that fails prints its schedule; `SESSILE_SCHEDULE=<that text, or a file with it>` and the test's name
//!   run it again, and nothing else.

#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile_schedules::vfs::{CrashPolicy, SimVfs};
use sessile_schedules::{ManualClock, Options, Store};
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, Runner};

/// The moment at which every machine is switched on.
pub const BOOT_MS: u64 = 1_700_000_000_000;

/// Runs `body` under so many schedules.
pub fn explore(executions: usize, body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    if let Ok(schedule) = std::env::var("SESSILE_SCHEDULE") {
        let schedule = std::fs::read_to_string(&schedule).unwrap_or(schedule);
        return run(ReplayScheduler::new_from_encoded(schedule.trim()), &body);
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("SESSILE_SCHEDULES_SEED").unwrap_or(1);
    let executions = executions * usize::try_from(number("SESSILE_SCHEDULES").unwrap_or(1)).unwrap_or(1);
    run(RandomScheduler::new_from_seed(seed, executions.div_ceil(2)), &body);
    for depth in [2, 3, 5] {
        run(PctScheduler::new_from_seed(seed + depth as u64, depth, executions.div_ceil(6)), &body);
    }
}

fn run(scheduler: impl Scheduler + 'static, body: &Arc<impl Fn() + Send + Sync + 'static>) {
    let body = Arc::clone(body);
    Runner::new(scheduler, config()).run(move || body());
}

/// How an execution is set up: stacks that the engine fits in, and no advice on each run.
pub fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 512 << 10;
    config.silence_warnings = true;
    config
}

/// A machine: a disk that can lose power, and a clock.
#[derive(Clone)]
pub struct Machine {
    pub vfs: SimVfs,
    pub clock: ManualClock,
}

impl Machine {
    pub fn new() -> Self {
        Self { vfs: SimVfs::new(), clock: ManualClock::at_ms(BOOT_MS) }
    }

    /// Small segments, and nobody at work but the test.
    pub fn options(&self) -> Options {
        Options::new()
            .vfs(Arc::new(self.vfs.clone()))
            .clock(Arc::new(self.clock.clone()))
            .segment_bytes(256 << 10)
            .disk_bytes_max(16 << 20)
            .idle(Duration::from_secs(3600))
            .manual_maintenance(true)
    }

    pub fn open(&self) -> Store {
        self.options().open(Path::new("/store")).expect("the store opens")
    }

    /// The power goes; the machine that starts after it.
    pub fn crash(&self, policy: CrashPolicy) -> Self {
        Self { vfs: self.vfs.crash(policy), clock: self.clock.clone() }
    }
}

/// What several tasks write down. Taking its lock is no point of the schedule, so nothing comes between an answer of the
/// store and the note of it.
#[derive(Clone)]
pub struct Notes<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Notes<T> {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::new())))
    }

    pub fn add(&self, note: T) {
        self.0.lock().unwrap().push(note);
    }

    pub fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

/// Waits for all of them; what one of them died of is what the test dies of.
pub fn join<T>(tasks: impl IntoIterator<Item = shuttle::thread::JoinHandle<T>>) -> Vec<T> {
    tasks.into_iter().map(|task| task.join().expect("the task has not failed")).collect()
}
