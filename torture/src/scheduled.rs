//! Seeds that are lived under a scheduler: several actors at once on one store, every lock and atomic of the engine a point
//! at which another of them may go on.
//!
//! Owns: the way to the library that is made of these same sources over the engine of `sessile-schedules`. Its types are its
//! own, so what it says is carried over.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::report::Outcome;
use crate::settings::Settings;

/// Lives one seed under the scheduler.
pub(crate) fn run_seed(seed: u64, settings: &Settings) -> Outcome {
    let switches = settings.switches.iter().filter_map(|switch| switch.name().parse().ok());
    let there = torture_scheduled::Settings {
        cycles: settings.cycles,
        scheduled_one_in: settings.scheduled_one_in,
        switches: switches.collect(),
        shrink: settings.shrink,
    };
    let outcome = torture_scheduled::run_seed(seed, &there);
    Outcome {
        seed,
        tally: carried(&outcome.tally).unwrap_or_default(),
        violation: outcome.violation.as_ref().and_then(carried),
        life: None,
        script: outcome.script,
    }
}

fn carried<T: DeserializeOwned>(there: &impl Serialize) -> Option<T> {
    serde_json::from_value(serde_json::to_value(there).ok()?).ok()
}
