//! The torture finds the faults that can be put into the engine, each within a stated number of lives.
//!
//! `cargo test --release -p sessile-planted` runs it; `-- --ignored --nocapture` prints the table anew.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sessile::Plant;
use torture::{Settings, Switch, run_seed};

/// The seed of the first life.
const FIRST: u64 = 1;

/// One fault is in force in the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Faults, the lives within which each must be found, and how many it took when this was written.
const TABLE: &[(Plant, u64, u64)] = &[
    (Plant::TimeOrdersWrites, 20, 1),
    (Plant::LsnsGivenOutTwice, 20, 1),
    (Plant::MovedRecordGetsFreshLsn, 20, 1),
    (Plant::WritersOfOneIdRace, 50, 12),
    (Plant::RotatedIdStaysInMemory, 20, 1),
    (Plant::EndedLeavesNoStub, 20, 1),
    (Plant::ExpiredShadowIsDropped, 80, 20),
    (Plant::StubGoesByItsDeadline, 80, 20),
    (Plant::TombstoneDroppedUnasked, 20, 1),
    (Plant::SupersededByAnotherBirth, 50, 11),
    (Plant::UnlinkedBelowItsCeiling, 40, 8),
    (Plant::RevocationGoesEarly, 450, 111),
    (Plant::RevocationForgets, 80, 18),
    (Plant::RevocationOfAnyVersion, 20, 1),
    (Plant::RotateGoesWithOneEffect, 120, 30),
    (Plant::TouchExtendsAnyRecord, 60, 13),
    (Plant::LastTouchWins, 20, 1),
    (Plant::TouchForgottenInMove, 20, 1),
    (Plant::TouchDroppedUnfolded, 360, 90),
    (Plant::TouchNeverLogged, 20, 1),
    (Plant::UnlinkedBeforeItIsDurable, 60, 13),
    (Plant::RelocatesWithoutCompare, 30, 6),
    (Plant::CompactsPastWritersInFlight, 1_100, 273),
    (Plant::ExpiryBelievesTheWheel, 20, 2),
    (Plant::JumpIsBelieved, 20, 2),
    (Plant::TimeRunsBackwards, 20, 1),
    (Plant::MarkForgetsTheTime, 20, 2),
    (Plant::OpeningBelievesTheClock, 20, 5),
    (Plant::ExpiredIsShown, 20, 2),
    (Plant::DirectorySyncSkipped, 20, 1),
    (Plant::NamedUnsynced, 20, 1),
    (Plant::SegmentNumberReused, 20, 1),
    (Plant::MissingSegmentIgnored, 20, 1),
    (Plant::DamageTakenForTheEnd, 40, 8),
    (Plant::TornTailSteppedOver, 40, 8),
    (Plant::SeamPassedUnsynced, 20, 4),
    (Plant::MarkTellsTooMuch, 20, 4),
    (Plant::AcknowledgesBeforeSync, 20, 1),
    (Plant::WakesWaitersBeforeSync, 80, 18),
    (Plant::RetriesFailedSync, 20, 3),
    (Plant::AppendsBehindAFailedWrite, 40, 8),
    (Plant::UnsyncedTailIsTrusted, 20, 3),
    (Plant::EndingWaitsForTheDisk, 20, 3),
    (Plant::StrictOpensOnDamage, 20, 1),
    (Plant::SalvageTrustsAll, 40, 8),
    (Plant::SalvageForgetsItsVerdict, 20, 1),
    (Plant::EndingsStandOnce, 380, 94),
    (Plant::NarrowingEndsNothing, 380, 94),
    (Plant::EndingsHaveNoReserve, 30, 7),
    (Plant::LogSpendsTheReserve, 190, 46),
    (Plant::OwedEndingIsForgotten, 830, 207),
    (Plant::StaleSnapshotBelieved, 30, 6),
    (Plant::BadLengthIsTrusted, 40, 8),
    (Plant::ChecksumIsNotChecked, 40, 8),
    (Plant::RootNamedFirst, 20, 1),
    (Plant::PanicsOnDamage, 20, 1),
];

const DOCUMENT: &str = include_str!("../../tests/README.md");

/// The rules of the design.
const RULES: u8 = 15;

/// The breaks of the executable model of the rules about records.
const BREAKS: [&str; 7] = [
    "no-stub",
    "deadline-not-ceiling",
    "revocation-forgets",
    "touch-any-base",
    "touch-last-wins",
    "fresh-lsn",
    "rotate-one-effect",
];

/// Faults that only several actors at once can meet: every life is lived under the scheduler.
const CONCURRENT: &[Plant] = &[Plant::WritersOfOneIdRace, Plant::CompactsPastWritersInFlight];

fn settings(plant: Plant) -> Settings {
    let settings = Settings { shrink: false, scheduled_one_in: 1, ..Settings::default() };
    if CONCURRENT.contains(&plant) { settings } else { settings.without(Switch::Schedules) }
}

/// Puts a fault in force, or none, in both engines.
fn put(plant: Option<Plant>) {
    use sessile_planted_schedules::Plant as There;
    sessile::plant(plant);
    let there = |plant: Plant| There::ALL.iter().copied().find(|there| there.name() == plant.name());
    sessile_planted_schedules::plant(plant.and_then(there));
}

/// Puts a fault in force for as long as `hunted` runs.
fn with<T>(plant: Plant, hunted: impl FnOnce() -> T) -> T {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    put(Some(plant));
    let found = hunted();
    put(None);
    found
}

#[test]
fn every_rule_and_every_break_of_the_model_has_its_fault() {
    assert!(Plant::ALL.len() >= 25);
    for rule in 1..=RULES {
        assert!(Plant::ALL.iter().any(|plant| plant.rule() == rule), "rule {rule} is broken by none");
    }
    for named in BREAKS {
        assert!(Plant::ALL.iter().any(|plant| plant.model() == Some(named)), "{named} is none");
    }
    for plant in Plant::ALL {
        assert!((1..=RULES).contains(&plant.rule()) && !plant.hazard().is_empty(), "{plant:?}");
        let row = TABLE.iter().find(|(listed, ..)| listed == plant);
        let (_, allowed, needed) = row.unwrap_or_else(|| panic!("{plant:?} is not looked for"));
        let row = DOCUMENT.lines().find(|line| line.starts_with(&format!("| `{}` |", plant.name())));
        let row = row.unwrap_or_else(|| panic!("tests/README.md lacks {plant:?}"));
        assert!(
            row.replace(',', "").contains(&format!("| {allowed} | {needed} |")),
            "tests/README.md says otherwise: {row}"
        );
    }
}

/// The first life from which on nothing but the fault explains what is found.
fn found(plant: Plant, lives_max: u64) -> Option<(u64, String)> {
    let violation = |seed| run_seed(seed, &settings(plant)).violation;
    (FIRST..FIRST + lives_max).find_map(|seed| {
        let found = with(plant, || violation(seed))?;
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        violation(seed).is_none().then(|| (seed - FIRST + 1, found.what))
    })
}

#[test]
fn the_torture_finds_every_fault_of_the_table() {
    let mut missed = Vec::new();
    for (plant, allowed, _) in TABLE {
        let began = Instant::now();
        let Some((lives, what)) = found(*plant, *allowed) else {
            missed.push(plant.name());
            continue;
        };
        println!("{:30} {lives:5} of {allowed}, {:.1?}: {what:.120}", plant.name(), began.elapsed());
    }
    assert!(missed.is_empty(), "nobody noticed {missed:?}");
}

#[test]
#[ignore = "it measures: how many lives it takes to find each fault, or the one that SESSILE_PLANTED names"]
fn how_many_lives_it_takes() {
    let lives_max = std::env::var("LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(2_000);
    let named = std::env::var("SESSILE_PLANTED").ok();
    for plant in Plant::ALL.iter().filter(|plant| named.as_ref().is_none_or(|named| named == plant.name())) {
        let began = Instant::now();
        match found(*plant, lives_max) {
            Some((lives, what)) => {
                println!("{:30} {lives:5} {:.1?}: {what:.120}", plant.name(), began.elapsed())
            }
            None => println!("{:30}  none in {lives_max}, {:.1?}", plant.name(), began.elapsed()),
        }
    }
}
