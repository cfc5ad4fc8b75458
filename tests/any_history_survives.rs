//! Histories that nobody thought of: random operations, random crashes, and recovery from what they leave, for as long
//! as the time allows. `SESSILE_SEED=n` runs one seed, `SESSILE_SECONDS=n` runs longer than the 20 s of every build.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::time::{Duration, Instant};

use common::dice::Dice;
use common::machine::{Machine, telling};
use common::script::Runner;
use common::workload::workload;
use sessile::vfs::CrashPolicy;

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Lives through ten crashes; returns how many came while something was going on.
fn live(seed: u64) -> u64 {
    let mut dice = Dice::new(seed);
    let ids = usize::try_from(dice.pick(&[3, 8, 30])).unwrap();
    let mut runner = Runner::new(Machine::new(), ids, 2);
    let mut crashes = 0;
    for _ in 0..10 {
        let steps =
            workload(dice.next(), usize::try_from(20 + dice.below(150)).unwrap(), ids, 2, dice.one_in(3));
        if dice.one_in(2) {
            runner.machine.sim.crash_at_call(1 + dice.below(300));
        } else {
            runner.machine.sim.crash_after_call(1 + dice.below(300));
        }
        crashes += u64::from(runner.run(&steps).is_err());
        let policy = match dice.below(6) {
            0 => CrashPolicy::KeepAll,
            1 => CrashPolicy::DropAll,
            _ => CrashPolicy::Random(dice.next()),
        };
        let found = telling(&format!("{policy:?}"), || runner.check_after(policy));
        runner.machine = runner.machine.crash(policy);
        drop(runner.store.take());
        runner.oracle.begin_again(found);
        runner.run(&[]).unwrap();
        runner.store.as_ref().unwrap().confirm_clock().unwrap();
    }
    crashes
}

#[test]
fn any_history_survives() {
    if let Some(seed) = from_env("SESSILE_SEED") {
        live(seed);
        return;
    }
    let until = Instant::now() + Duration::from_secs(from_env("SESSILE_SECONDS").unwrap_or(20));
    let mut crashes = 0;
    for seed in 0.. {
        crashes += telling(&format!("SESSILE_SEED={seed}"), || live(seed));
        if Instant::now() > until {
            println!("{seed} seeds, {crashes} crashes");
            break;
        }
    }
    assert!(crashes > 10, "{crashes}");
}
