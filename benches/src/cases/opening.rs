//! Opening after a clean close and after a kill, with what each part of it took as far as the store says.

use std::path::Path;
use std::time::Instant;

use sessile::{Durability, Write};

use super::child::{self, Report, given, number, say};
use super::{Failed, Measures};
use crate::data::{Id, payload};
use crate::meter;
use crate::outcome::median;
use crate::peers;

/// After a clean close.
pub const CLOSED: &str = "open after a clean close";
/// After a kill.
pub const KILLED: &str = "open after a kill";
const MEMORY: &str = "memory after opening, RssAnon";
const FROM_SNAPSHOT: &str = "openings after a clean close that used the snapshot";
const FIRST: &str = "the first read after opening";
const READ: &str = "all read once after opening";
const MISSING: &str = "sessions missing after the kill";
const PART: &str = "part: ";
const SESSIONS: &str = "sessions";
/// How many sessions are written before the process is killed.
const LAST_WRITES: u64 = 10_000;

/// Opens the store in `store`, which holds so many sessions and was closed, so many times after each kind of end.
pub(super) fn measure(
    measures: &mut Measures,
    store: &Path,
    sessions: u64,
    openings: usize,
) -> Result<(), Failed> {
    let count = sessions.to_string();
    let open = |reads: bool| child::run("open", store, &[&count, if reads { "read" } else { "" }]);
    let closed = (0..openings).map(|at| open(at == 0)).collect::<Result<Vec<Report>, Failed>>()?;
    let mut killed = Vec::new();
    let mut missing = 0.0;
    for round in 0..openings {
        let written = child::run("kill", store, &[&count, &round.to_string()])?;
        let report = open(false)?;
        missing += written.get(SESSIONS)? - report.get(SESSIONS)?;
        killed.push(report);
    }
    let all = |reports: &[Report], name: &str| {
        reports.iter().map(|report| report.get(name)).collect::<Result<Vec<f64>, Failed>>()
    };
    measures.add(CLOSED, median(all(&closed, CLOSED)?), "ms");
    parts(measures, CLOSED, &closed);
    measures.add(FROM_SNAPSHOT, all(&closed, FROM_SNAPSHOT)?.iter().sum(), "openings");
    measures.add(KILLED, median(all(&killed, CLOSED)?), "ms");
    parts(measures, KILLED, &killed);
    measures.add(MISSING, missing, "sessions");
    measures.add(FIRST, median(all(&closed, FIRST)?), "ms");
    for (name, unit) in [(MEMORY, "B a session"), (READ, "ms")] {
        if let Some(report) = closed.first() {
            measures.take(report, name, unit)?;
        }
    }
    Ok(())
}

fn parts(measures: &mut Measures, name: &str, reports: &[Report]) {
    let Some(first) = reports.first() else { return };
    for (part, _) in first.all(PART) {
        let of = |report: &Report| report.all(PART).find(|(other, _)| *other == part).map(|(_, ms)| ms);
        measures.add(&format!("{name}, {part}"), median(reports.iter().filter_map(of).collect()), "ms");
    }
}

/// A child: opens, and closes.
pub fn open(arguments: &[String]) {
    let (directory, sessions) = (given(arguments, 0), number(arguments, 1));
    let before = meter::anonymous_bytes();
    let start = Instant::now();
    let store = peers::options().open(directory).expect("sessile opens");
    say(CLOSED, start.elapsed().as_secs_f64() * 1e3);
    say(MEMORY, meter::anonymous_bytes().saturating_sub(before) as f64 / sessions as f64);
    let recovery = store.stats().recovery;
    say(FROM_SNAPSHOT, f64::from(u8::from(recovery.from_snapshot)));
    for (name, ms) in durations(&format!("{recovery:?}")) {
        say(&format!("{PART}{name}"), ms);
    }
    say(SESSIONS, store.len() as f64);
    let start = Instant::now();
    assert!(store.get(Id::of(0).as_str()).expect("sessile gets").is_some(), "session 0 is missing");
    say(FIRST, start.elapsed().as_secs_f64() * 1e3);
    if given(arguments, 2) == "read" {
        let start = Instant::now();
        for number in 0..sessions {
            let found = store.get(Id::of(number).as_str()).expect("sessile gets");
            assert!(found.is_some(), "session {number} is missing");
        }
        say(READ, start.elapsed().as_secs_f64() * 1e3);
    }
    store.close().expect("sessile closes");
}

/// A child: opens, writes, and is gone.
pub fn kill(arguments: &[String]) {
    let (directory, sessions, round) = (given(arguments, 0), number(arguments, 1), number(arguments, 2));
    let store = peers::options().open(directory).expect("sessile opens");
    let first = sessions + round * LAST_WRITES;
    for number in first..first + LAST_WRITES {
        let write = Write::new(payload(number)).durability(Durability::Written);
        store.create(Id::of(number).as_str(), write).expect("sessile creates");
    }
    say(SESSIONS, store.len() as f64);
    std::process::abort();
}

/// The durations among the fields of what a `Debug` wrote, in milliseconds: whichever parts the store tells of.
fn durations(debug: &str) -> Vec<(String, f64)> {
    let fields = debug.split([',', '{', '}']);
    let duration = |field: &str| {
        let (name, value) = field.split_once(": ")?;
        let value = value.trim();
        let unit = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let factor = match unit {
            "s" => 1e3,
            "ms" => 1.0,
            "µs" => 1e-3,
            "ns" => 1e-6,
            _ => return None,
        };
        let number: f64 = value.strip_suffix(unit)?.parse().ok()?;
        Some((name.trim().replace('_', " "), number * factor))
    };
    fields.filter_map(duration).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_opening_are_read_from_what_it_reports() {
        let debug =
            "RecoveryReport { created: false, segments: 9, damage: [], survey_took: 1.5s, took: 12.25µs }";
        let expected = vec![("survey took".to_owned(), 1500.0), ("took".to_owned(), 0.01225)];
        assert_eq!(durations(debug), expected);
    }
}
