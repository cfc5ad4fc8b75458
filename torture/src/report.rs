//! What a run tried and what came of it.
//!
//! Owns: the counts, their sum over many seeds, and how they are printed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::script::Life;

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Seeds that were lived to their end, or to a violation.
    pub seeds: u64,
    /// Cycles of at least 50 operations on at least 20 ids, from one crash to the next, each checked.
    pub cycles: u64,
    /// Cycles among them in which several actors were on the store at once, under a scheduler.
    pub scheduled_cycles: u64,
    /// Cycles that were shorter: the crash came early.
    pub short_cycles: u64,
    /// Operations of the store, those of checks not counted.
    pub operations: u64,
    /// Operations that other actors began within another operation.
    pub interleaved: u64,
    /// Power losses among the crashes; at the others only the process died.
    pub power_losses: u64,
    /// Sessions that were evicted at a limit.
    pub evictions: u64,
    /// Crashes: of running stores, of recoveries, of salvages.
    pub crash_points: u64,
    /// Openings that found something to recover from, those that crashed included.
    pub recoveries: u64,
    /// Recovered states that were compared with the oracle.
    pub states: u64,
    /// Faults that struck, by kind of call and fault.
    pub faults: BTreeMap<String, u64>,
    /// Damage that was done, by kind and what came of it.
    pub damage: BTreeMap<String, u64>,
    /// Moves of the clocks, by kind.
    pub clocks: BTreeMap<String, u64>,
    /// What the cycles that count had in flight when the power went.
    pub in_flight: BTreeMap<String, u64>,
    /// Which calls of recovery were crash points, by their number.
    pub recovery_calls: BTreeMap<u64, u64>,
    /// How deep recoveries were nested.
    pub nesting: BTreeMap<u64, u64>,
}

/// Counts one more.
pub fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, what: K) {
    *counts.entry(what).or_default() += 1;
}

fn sum<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (what, counted) in from {
        *into.entry(what.clone()).or_default() += counted;
    }
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.cycles += other.cycles;
        self.scheduled_cycles += other.scheduled_cycles;
        self.short_cycles += other.short_cycles;
        self.operations += other.operations;
        self.interleaved += other.interleaved;
        self.power_losses += other.power_losses;
        self.evictions += other.evictions;
        self.crash_points += other.crash_points;
        self.recoveries += other.recoveries;
        self.states += other.states;
        sum(&mut self.faults, &other.faults);
        sum(&mut self.damage, &other.damage);
        sum(&mut self.clocks, &other.clocks);
        sum(&mut self.in_flight, &other.in_flight);
        sum(&mut self.recovery_calls, &other.recovery_calls);
        sum(&mut self.nesting, &other.nesting);
    }

    /// The share of counted cycles that had this in flight, in percent.
    #[must_use]
    pub fn share(&self, what: &str) -> f64 {
        let counted = self.in_flight.get(what).copied().unwrap_or(0);
        if self.cycles == 0 { 0.0 } else { counted as f64 * 100.0 / self.cycles as f64 }
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What does not hold.
    pub what: String,
    /// The cycle of the life in which it was found, from 0.
    pub cycle: usize,
    /// What the oracle had heard.
    pub story: Vec<String>,
}

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was counted.
    pub tally: Tally,
    /// What was violated, if anything was.
    pub violation: Option<Violation>,
    /// The smallest life that was found to show it.
    pub life: Option<Life>,
    /// The same as text, one line for each step.
    pub script: Option<String>,
}

/// What came of many seeds.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was counted.
    pub tally: Tally,
    /// The outcomes with violations, in the order of their seeds.
    pub violations: Vec<Outcome>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long the processors worked for it, in seconds: on a machine with other work that is what counts.
    pub cpu_seconds: f64,
    /// How many threads there were.
    pub threads: usize,
}

/// What must have been in flight in at least one cycle of a hundred.
pub const IN_FLIGHT: [&str; 9] = [
    "segment change",
    "compaction",
    "expiry",
    "snapshot",
    "rotate",
    "revocation",
    "clear",
    "salvage",
    "nested crash",
];

impl Report {
    /// Counted cycles a second.
    #[must_use]
    pub fn cycles_a_second(&self) -> f64 {
        self.tally.cycles as f64 / self.seconds.max(1e-9)
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let violations: Vec<_> = self
            .violations
            .iter()
            .map(|outcome| {
                serde_json::json!({
                    "seed": outcome.seed,
                    "violation": outcome.violation,
                    "script": outcome.script,
                })
            })
            .collect();
        let shares: BTreeMap<_, _> = IN_FLIGHT.map(|what| (what, self.tally.share(what))).into();
        serde_json::json!({
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "threads": self.threads,
            "tried": self.tally,
            "cycles_a_second": self.cycles_a_second(),
            "states_a_second": self.tally.states as f64 / self.seconds.max(1e-9),
            "in_flight_percent": shares,
            "violations": violations,
        })
    }
}

fn lines<K: fmt::Display>(
    out: &mut fmt::Formatter<'_>,
    title: &str,
    counts: &BTreeMap<K, u64>,
) -> fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    writeln!(out, "{title:<16} {}", told.join(", "))
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        let each = [
            ("seeds", tally.seeds),
            ("operations", tally.operations),
            ("interleaved", tally.interleaved),
            ("crash points", tally.crash_points),
            ("power losses", tally.power_losses),
            ("recoveries", tally.recoveries),
            ("states checked", tally.states),
            ("cycles", tally.cycles),
            ("scheduled", tally.scheduled_cycles),
            ("short cycles", tally.short_cycles),
        ];
        for (what, counted) in each {
            writeln!(out, "{what:<16} {counted}")?;
        }
        lines(out, "faults", &tally.faults)?;
        lines(out, "damage", &tally.damage)?;
        lines(out, "clocks", &tally.clocks)?;
        lines(out, "recovery calls", &tally.recovery_calls)?;
        lines(out, "nested crashes", &tally.nesting)?;
        let shares: Vec<_> =
            IN_FLIGHT.iter().map(|what| format!("{what} {:.1} %", tally.share(what))).collect();
        writeln!(out, "{:<16} {}", "in flight", shares.join(", "))?;
        let states = tally.states as f64 / self.seconds.max(1e-9);
        writeln!(
            out,
            "{:<16} {:.1} s on {} threads, {:.1} s of processor time",
            "time", self.seconds, self.threads, self.cpu_seconds
        )?;
        writeln!(
            out,
            "{:<16} {:.0} cycles and {states:.0} states a second, {:.0} cycles a second of one processor",
            "speed",
            self.cycles_a_second(),
            tally.cycles as f64 / self.cpu_seconds.max(1e-9)
        )?;
        writeln!(out, "{:<16} {}", "violations", self.violations.len())
    }
}
