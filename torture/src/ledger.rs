//! The ledger: what was run on which commit, so that long runs add up.
//!
//! Owns: one line of a table for each run. An entry stays valid until a module that it exercises changes.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use crate::report::Report;

/// Appends a run to the ledger.
///
/// # Errors
/// What the file system said.
pub fn append(ledger: &Path, report: &Report, command: &str) -> io::Result<()> {
    let tally = &report.tally;
    let faults: u64 = tally.faults.values().sum();
    let mut file = OpenOptions::new().append(true).create(true).open(ledger)?;
    writeln!(
        file,
        "| {} | `{command}` | {} | {:.0} | {} | {} | {} | {faults} | {} | {} |",
        commit(),
        tally.seeds,
        report.seconds,
        tally.cycles,
        tally.operations,
        tally.crash_points,
        tally.states,
        report.violations.len(),
    )
}

/// The commit that the sources are at, and whether they differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", "src", "torture/src"]);
    if changed.is_some_and(|changed| !changed.is_empty()) { format!("{commit} and changes") } else { commit }
}
