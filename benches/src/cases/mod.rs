//! What no repeated request shows: memory, opening, crowds that go at once, a day, stalls. Each case measures in processes of
//! its own, so that nothing else is counted.
//!
//! | module | owns |
//! |---|---|
//! | [`child`] | such a process: how it is started, and how it says what it found |
//! | [`growth`] | memory and pauses while the store grows |
//! | [`opening`] | opening after a clean close and after a kill |
//! | [`keepers`] | the same of the peers |
//! | [`revocation`] | ending all sessions of a user |
//! | [`expiry`] | a million sessions that run out at once |
//! | [`day`] | a day of traffic in fast forward: space and bytes to the device |
//! | [`touches`] | what of the touches reaches the disk |
//! | [`overwrites`] | space against write amplification |
//! | [`stalls`] | the slowest operations while upkeep works |
//! | [`frames`] | bytes around a payload |

pub mod child;
pub mod day;
pub mod expiry;
pub mod frames;
pub mod growth;
pub mod keepers;
pub mod opening;
pub mod overwrites;
mod paced;
pub mod revocation;
pub mod stalls;
pub mod touches;

use std::path::Path;
use std::time::Duration;

use sessile::{Clock, SystemClock};

use crate::outcome::Measure;
use crate::peers::keeps;
use crate::run::Run;
use child::Report;

/// Why a case has no figures.
pub type Failed = String;

/// See the module.
pub struct Case {
    /// What it is chosen by.
    pub name: &'static str,
    /// About how long it takes, with so many times the usual number of sessions being a million.
    pub seconds: u64,
    run: fn(&mut Run, &Path) -> Result<Vec<Measure>, Failed>,
}

/// The cases in the order in which they run.
pub const CASES: &[Case] = &[
    Case { name: frames::CASE, seconds: 3, run: frames::run },
    Case { name: touches::CASE, seconds: 5, run: touches::run },
    Case { name: revocation::CASE, seconds: 12, run: revocation::run },
    Case { name: expiry::CASE, seconds: 40, run: expiry::run },
    Case { name: stalls::CASE, seconds: 40, run: stalls::run },
    Case { name: day::CASE, seconds: 90, run: day::run },
    Case { name: overwrites::CASE, seconds: 40, run: overwrites::run },
    Case { name: growth::MILLION, seconds: 30, run: growth::million },
    Case { name: growth::TEN_MILLION, seconds: 120, run: growth::ten_million },
    Case { name: keepers::TEN_MILLION, seconds: 90, run: keepers::ten_million },
];

impl Case {
    /// About how long it takes.
    #[must_use]
    pub fn takes(&self, million: u64) -> Duration {
        Duration::from_millis(self.seconds * million / 1000)
    }

    /// Measures, and puts what came of it in the place of what was there.
    pub fn measure(&self, run: &mut Run) {
        run.begin(self.name);
        let directory = run.directory.join("case");
        let outcome = (self.run)(run, &directory);
        let _ = std::fs::remove_dir_all(&directory);
        run.outcome.measures.retain(|measure| measure.case != self.name);
        run.outcome.failures.retain(|failure| !failure.starts_with(self.name));
        match outcome {
            // What is not a number cannot be written down.
            Ok(measures) => {
                run.outcome.measures.extend(measures.into_iter().filter(|measure| measure.value.is_finite()));
            }
            Err(failure) => {
                eprintln!("  {}: {failure}", self.name);
                run.outcome.failures.push(format!("{}: {failure}", self.name));
            }
        }
        run.advance(self.takes(run.scale.million));
        run.keep();
    }
}

/// What a case measured.
pub(crate) struct Measures {
    case: &'static str,
    measures: Vec<Measure>,
}

impl Measures {
    fn of(case: &'static str) -> Self {
        Self { case, measures: Vec::new() }
    }

    fn add(&mut self, name: &str, value: f64, unit: &str) {
        let (case, name, unit) = (self.case.to_owned(), name.to_owned(), unit.to_owned());
        self.measures.push(Measure { case, name, value, unit });
    }

    /// What a child said under the same name.
    fn take(&mut self, report: &Report, name: &str, unit: &str) -> Result<(), Failed> {
        self.add(name, report.get(name)?, unit);
        Ok(())
    }
}

/// The machine's clock, as far ahead as [`keeps::pass`] has let time pass.
#[derive(Debug, Default)]
pub(crate) struct Ahead;

impl Clock for Ahead {
    fn wall_ms(&self) -> u64 {
        keeps::now_ms()
    }

    fn boot_ms(&self) -> u64 {
        SystemClock.boot_ms() + keeps::passed_ms()
    }
}
