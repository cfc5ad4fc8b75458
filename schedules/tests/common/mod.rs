//! What the schedule tests share: how schedules are explored, and a small machine to run a store on.
//!
//! Every test explores a fixed number of executions from a fixed seed: at random, with long runs ([`runs`]), and with few
//! switches at the worst moments (PCT, of four depths). So one commit gives one outcome.
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

mod runs;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile_schedules::vfs::{CrashPolicy, SimVfs};
use sessile_schedules::{Durability, ManualClock, Options, Store, Write};
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
    if let Ok(which) = std::env::var("WHICH") {
        static N: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        for seed in 1..=6 {
            N.store(0, std::sync::atomic::Ordering::SeqCst);
            let b = Arc::clone(&body);
            let body = Arc::new(move || {
                N.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                b()
            });
            let n = 6000;
            let r = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match which.as_str() {
                "random" => run(RandomScheduler::new_from_seed(seed, n), &body),
                "runs" => run(runs::Runs::new_from_seed(seed, n), &body),
                "urw" => run(shuttle::scheduler::UrwRandomScheduler::new_from_seed(seed, n), &body),
                d => run(PctScheduler::new_from_seed(seed, d.parse().unwrap(), n), &body),
            }));
            eprintln!(
                "WHICH {which} seed {seed}: found {} after {}",
                r.is_err(),
                N.load(std::sync::atomic::Ordering::SeqCst)
            );
        }
        return;
    }
    run(RandomScheduler::new_from_seed(seed, executions.div_ceil(8)), &body);
    run(runs::Runs::new_from_seed(seed, executions.div_ceil(8)), &body);
    // In eighths. What takes four switches at the right moments is found soonest with a few to spare.
    for (depth, share) in [(3, 1), (6, 2), (10, 2), (16, 1)] {
        run(PctScheduler::new_from_seed(seed + depth as u64, depth, (share * executions).div_ceil(8)), &body);
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
            .eager_compaction(true)
            .disk_bytes_max(16 << 20)
            .idle(Duration::from_secs(3600))
            .erase_within(ERASE_WITHIN)
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

/// A number below `n` that the schedule's seed decides.
pub fn below(n: u64) -> u64 {
    shuttle::rand::Rng::gen_range(&mut shuttle::rand::thread_rng(), 0..n)
}

/// Another task of the execution.
pub fn task<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> shuttle::thread::JoinHandle<T> {
    shuttle::thread::spawn(body)
}

/// Time in which something that has died must be erased: compaction has half of it.
pub const ERASE_WITHIN: Duration = Duration::from_secs(60);

/// Makes garbage of which the next [`maintain`](Store::maintain) has to rid the log: what is there by now is moved.
pub fn make_garbage(store: &Store, clock: &ManualClock) {
    store.set("garbage", Write::new("older").durability(Durability::Written)).unwrap();
    store.set("garbage", Write::new("newer").durability(Durability::Written)).unwrap();
    clock.advance(ERASE_WITHIN / 2 + Duration::from_secs(1));
}

/// Upkeep until nothing is left to do.
pub fn maintain(store: &Store) {
    while store.maintain(Duration::from_secs(1)).unwrap().more {}
}

/// The data of a live session as text.
pub fn text(store: &Store, id: &str) -> Option<String> {
    store.get(id).unwrap().map(|session| String::from_utf8(session.data().to_vec()).unwrap())
}
