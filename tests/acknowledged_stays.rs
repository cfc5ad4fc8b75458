//! P1: what was acknowledged stays. A write acknowledged as `Synced` survives power loss, one acknowledged as
//! `Written` survives the death of the process, and a touch loses at most the slack.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use common::machine::{Machine, telling};
use common::script::Runner;
use common::workload::{Step, workload};
use sessile::vfs::CrashPolicy;

const IDS: usize = 24;
const SUBJECTS: usize = 3;

fn policies(seed: u64) -> [CrashPolicy; 4] {
    [
        CrashPolicy::KeepAll,
        CrashPolicy::DropAll,
        CrashPolicy::Random(seed),
        CrashPolicy::Random(seed ^ 0xffff_0000),
    ]
}

/// A workload that rotates segments, seals, compacts, expires, closes and opens again.
fn script() -> Vec<Step> {
    workload(11, 260, IDS, SUBJECTS, false)
}

#[test]
fn the_workload_does_all_that_it_is_for() {
    let mut runner = Runner::new(Machine::new(), IDS, SUBJECTS);
    runner.run(&script()).unwrap();
    let seen = &runner.seen;
    println!("{seen:?} {} calls, {} syncs", runner.machine.sim.calls(), runner.machine.sim.syncs());
    assert!(seen.removed > 3 && seen.compacted > 1 && seen.expired > 5, "{seen:?}");
    assert!(seen.coalesced > 1 && seen.logged > 1 && seen.from_snapshot > 1, "{seen:?}");
}

/// Runs the steps again and again, with the power going at each point in turn, and checks what is left of each.
fn crash_everywhere(steps: &[Step], stride: u64, point: impl Fn(&Machine, u64)) -> u64 {
    let mut crashes = 0;
    for nth in (1..).step_by(usize::try_from(stride).unwrap()) {
        let mut runner = Runner::new(Machine::new(), IDS, SUBJECTS);
        point(&runner.machine, nth);
        if runner.run(steps).is_ok() {
            break;
        }
        crashes += 1;
        for policy in policies(nth) {
            telling(&format!("crash point {nth}, {policy:?}"), || runner.check_after(policy));
        }
    }
    crashes
}

#[test]
fn a_crash_at_any_sync_takes_back_nothing_that_was_acknowledged() {
    let crashes = crash_everywhere(&script(), 1, |machine, nth| machine.sim.crash_at_sync(nth));
    assert!(crashes > 150, "{crashes}");
}

#[test]
fn a_crash_just_after_any_sync_takes_back_nothing_that_was_acknowledged() {
    let crashes = crash_everywhere(&script(), 1, |machine, nth| machine.sim.crash_after_sync(nth));
    assert!(crashes > 150, "{crashes}");
}

#[test]
fn a_crash_at_any_call_takes_back_nothing_that_was_acknowledged() {
    let crashes = crash_everywhere(&script(), 1, |machine, nth| machine.sim.crash_at_call(nth));
    assert!(crashes > 300, "{crashes}");
}

#[test]
fn a_crash_at_any_call_of_a_longer_life_takes_back_nothing_that_was_acknowledged() {
    let steps = workload(12, 700, IDS, SUBJECTS, false);
    let crashes = crash_everywhere(&steps, 7, |machine, nth| machine.sim.crash_at_call(nth));
    assert!(crashes > 100, "{crashes}");
}

/// Recovery decides first and writes after, so it may lose the power at each of its own calls, and again.
#[test]
fn a_crash_within_recovery_takes_back_nothing_that_was_acknowledged() {
    let mut crashes = 0;
    for nth in (1..).step_by(9) {
        let mut runner = Runner::new(Machine::new(), IDS, SUBJECTS);
        runner.machine.sim.crash_at_call(nth);
        if runner.run(&script()).is_ok() {
            break;
        }
        for policy in policies(nth) {
            let left = runner.machine.crashed(policy);
            for call in 1.. {
                let recovering = left.fork();
                recovering.sim.crash_at_call(call);
                if recovering.try_open().is_ok() {
                    break;
                }
                crashes += 1;
                let then = if call % 2 == 0 { policy } else { CrashPolicy::DropAll };
                let again = recovering.crash(then);
                let told = format!("crash point {nth}, {policy:?}, then {then:?} at call {call} of recovery");
                telling(&told, || runner.check_machine(&again, if call % 2 == 0 { policy } else { then }));
            }
        }
    }
    assert!(crashes > 500, "{crashes}");
}
