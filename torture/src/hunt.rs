//! Many seeds, on several threads.
//!
//! Owns: which seed is lived by whom, and when it is enough. What comes of a seed does not depend on the thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::generate;
use crate::report::{Outcome, Report, Tally, Violation};
use crate::run::run_life;
use crate::script::{Life, told};
use crate::settings::Settings;
#[cfg(not(torture_scheduled))]
use crate::settings::Switch;
use crate::shrink::shrink;

/// When it is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// After so many seeds.
    Seeds(u64),
    /// After this time.
    Time(Duration),
}

/// Lives the life of one seed.
#[must_use]
pub fn run_seed(seed: u64, settings: &Settings) -> Outcome {
    #[cfg(not(torture_scheduled))]
    if settings.allows(Switch::Schedules) && (seed + 1).is_multiple_of(settings.scheduled_one_in.max(1)) {
        return crate::scheduled::run_seed(seed, settings);
    }
    let life = generate::life(seed, settings);
    let mut outcome = live(&life);
    if let Some(violation) = &outcome.violation {
        let small = if settings.shrink { shrink(&life, violation.cycle) } else { life };
        // The smaller life tells its own story.
        outcome.violation = live(&small).violation.or_else(|| outcome.violation.take());
        outcome.script = Some(told(&small));
        outcome.life = Some(small);
    }
    outcome
}

/// Lives a life under the scheduler that its seed drives.
#[cfg(torture_scheduled)]
fn lived(life: &Life) -> Outcome {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = shuttle::MaxSteps::None;
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.silence_warnings = true;
    let come_to = std::sync::Arc::new(Mutex::new(None));
    let (into, life) = (std::sync::Arc::clone(&come_to), life.clone());
    shuttle::Runner::new(crate::turns::Turns::of(life.seed), config)
        .run(move || *into.lock().unwrap() = Some(run_life(&life)));
    let outcome = come_to.lock().unwrap().take();
    outcome.expect("an execution ends with its body")
}

#[cfg(not(torture_scheduled))]
use run_life as lived;

/// Lives a life; a panic is a violation.
pub(crate) fn live(life: &Life) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| lived(life))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        let what = format!("a panic: {said}");
        let violation = Violation { what, cycle: life.cycles.len().saturating_sub(1), story: Vec::new() };
        Outcome {
            seed: life.seed,
            tally: Tally::default(),
            violation: Some(violation),
            life: None,
            script: None,
        }
    })
}

/// Lives one seed after the other from `first` on, on so many threads, until it is enough or `violations_max` seeds have
/// shown a violation. `told` hears of what was counted now and then.
pub fn hunt(
    first: u64,
    limit: Limit,
    threads: usize,
    violations_max: usize,
    settings: &Settings,
    told: impl Fn(&Tally, usize, Duration) + Sync,
) -> Report {
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let next = AtomicU64::new(first);
    let enough = AtomicBool::new(false);
    let found = Mutex::new((Tally::default(), Vec::<Outcome>::new()));
    let work = || {
        while !enough.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let over = match limit {
                Limit::Seeds(count) => seed - first >= count,
                Limit::Time(time) => began.elapsed() >= time,
            };
            if over {
                break;
            }
            let outcome = run_seed(seed, settings);
            let mut found = found.lock().unwrap();
            found.0.add(&outcome.tally);
            if outcome.violation.is_some() {
                found.1.push(outcome);
                if found.1.len() >= violations_max {
                    enough.store(true, Ordering::Relaxed);
                }
            }
            told(&found.0, found.1.len(), began.elapsed());
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let (tally, mut violations) = found.into_inner().unwrap();
    violations.sort_by_key(|outcome| outcome.seed);
    let cpu_seconds = cpu_seconds() - cpu;
    Report { tally, violations, seconds: began.elapsed().as_secs_f64(), cpu_seconds, threads }
}

/// Processor time of this process so far.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
