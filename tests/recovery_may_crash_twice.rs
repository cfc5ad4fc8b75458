//! Recovery loses the power, and the recovery after it loses the power again: whatever the first has left half written, the
//! second must not touch the half that is whole (rule 14).

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use common::machine::Machine;
use sessile::vfs::{CrashPolicy, Hazards};

/// What was not synced is garbage, wherever it stands.
fn garbage(seed: u64) -> CrashPolicy {
    CrashPolicy::Chosen(seed, Hazards { garbage: true, ..Hazards::NONE })
}

/// The header stands twice. A power loss within the writing of the second copy left the first one whole; the next recovery
/// wrote that one first, and a power loss within this left none: the store could not be opened any more.
#[test]
fn two_power_losses_leave_one_copy_of_the_header() {
    let machine = Machine::new();
    machine.open().create("K", "data").unwrap();
    let machine = machine.crash(CrashPolicy::DropAll);
    let mut crashes = 0;
    for (first, second) in (1..20).flat_map(|first| (1..20).map(move |second| (first, second))) {
        for seed in 0..6 {
            let mut left = machine.fork();
            for (call, seed) in [(first, seed), (second, seed + 100)] {
                left.sim.crash_after_call(call);
                let opened = left.try_open();
                crashes += u64::from(opened.is_err());
                drop(opened);
                left = left.crash(garbage(seed));
            }
            let store = left.try_open();
            let store =
                store.unwrap_or_else(|error| panic!("crashes at calls {first} and {second}: {error}"));
            assert_eq!(store.get("K").unwrap().unwrap().data(), b"data");
        }
    }
    assert!(crashes > 1000, "{crashes}");
}

/// The same where the first two crashes are only the process's: what they have written is in the page cache, and was read
/// there as if it were on the disk. One recovery left one copy unsynced, the next the other, and then the power went.
#[test]
fn two_deaths_and_a_power_loss_leave_one_copy_of_the_header() {
    let machine = Machine::new();
    machine.open().create("K", "data").unwrap();
    let machine = machine.crash(CrashPolicy::DropAll);
    let mut crashes = 0;
    for (first, second) in (1..20).flat_map(|first| (1..20).map(move |second| (first, second))) {
        let mut left = machine.fork();
        for call in [first, second] {
            left.sim.crash_at_call(call);
            let opened = left.try_open();
            crashes += u64::from(opened.is_err());
            drop(opened);
            left = left.crash(CrashPolicy::KeepAll);
        }
        for seed in 0..8 {
            let store = left.crashed(garbage(seed)).try_open();
            let store = store.unwrap_or_else(|error| panic!("deaths at calls {first} and {second}: {error}"));
            assert_eq!(store.get("K").unwrap().unwrap().data(), b"data");
        }
    }
    assert!(crashes > 300, "{crashes}");
}
