//! The torture command in small: seeds without a violation, and a run that means the same each time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use torture::{Limit, Settings, Switch, hunt, run_seed};

fn settings() -> Settings {
    Settings { shrink: false, ..Settings::default() }
}

#[test]
fn no_seed_shows_a_violation() {
    let report = hunt(0, Limit::Seeds(60), 2, 1, &settings(), |_, _, _| ());
    println!("{report}");
    if let Some(outcome) = report.violations.first() {
        panic!("seed {}: {:?}", outcome.seed, outcome.violation);
    }
    assert!(report.tally.cycles > 300 && report.tally.states > 900, "{report}");
}

/// Everything that was counted, down to which call was struck by which fault, is the same; so is what is violated.
#[test]
fn a_seed_means_the_same_whenever_it_is_lived() {
    let once: Vec<_> = (200..230).map(|seed| run_seed(seed, &settings())).collect();
    let again: Vec<_> = (200..230).rev().map(|seed| run_seed(seed, &settings())).collect();
    for (first, second) in once.iter().zip(again.iter().rev()) {
        assert_eq!(first, second, "seed {}", first.seed);
    }
    let alone = hunt(200, Limit::Seeds(30), 1, 1, &settings(), |_, _, _| ());
    let together = hunt(200, Limit::Seeds(30), 3, 1, &settings(), |_, _, _| ());
    assert_eq!(alone.tally, together.tally, "whatever thread it is lived on");
}

/// Each hazard, alone, does what it is there for; and none of it happens when it is switched off.
#[test]
fn each_switch_is_felt() {
    for switch in Switch::ALL {
        let on =
            hunt(0, Limit::Seeds(40), 2, 1, &settings().only(&[Switch::PowerLoss, switch]), |_, _, _| ());
        let off = hunt(0, Limit::Seeds(40), 2, 1, &settings().without(switch), |_, _, _| ());
        let [on, off] = [on, off].map(|report| {
            let wronged = report.violations.first().map(|outcome| (outcome.seed, &outcome.violation));
            assert!(wronged.is_none(), "{switch}: {wronged:?}");
            let tally = report.tally;
            let faults = |of: &[&str]| {
                tally
                    .faults
                    .iter()
                    .filter(|(kind, _)| of.iter().any(|part| kind.contains(part)))
                    .map(|(_, n)| n)
                    .sum()
            };
            match switch {
                Switch::PowerLoss => tally.power_losses,
                Switch::Faults => {
                    faults(&["of Write", "of Create", "of Rename", "of Allocate", "of Open", "of Remove"])
                }
                Switch::LyingSync => faults(&["Eio of Sync"]),
                Switch::BadReads => faults(&["FlipBit", "StaleRead"]),
                Switch::FullDisk => faults(&["disk"]),
                Switch::Clocks => {
                    tally.clocks.iter().filter(|(how, _)| how.contains("jumped")).map(|(_, n)| n).sum()
                }
                Switch::CrashInRecovery => tally.nesting.get(&3).copied().unwrap_or(0),
                Switch::Damage => tally.damage.values().sum(),
                Switch::Interleaving => tally.interleaved,
                Switch::Limits => tally.evictions,
                Switch::Schedules => tally.scheduled_cycles,
                _ => panic!("{switch} is not looked at"),
            }
        });
        println!("{switch}: {on} with it, {off} without");
        assert!(on > 0, "{switch} does nothing");
        // Faults of all kinds strike syncs too, and on a full disk is evicted as at a limit.
        let rarer = matches!(switch, Switch::LyingSync | Switch::Limits) && off < on;
        assert!(off == 0 || rarer, "{switch} cannot be switched off: {off} without it, {on} with it");
    }
}
