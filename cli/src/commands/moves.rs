//! `sessile import`, `export` and `migrate`: sessions from one home to another, with a report of what became of each.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use sessile_porting::{Address, Move};

use crate::args::{Export, Import, Migrate, Moving};
use crate::failure::Failure;
use crate::open;
use crate::output::{self, Report, counted, grouped};
use crate::progress;

pub(super) fn import(import: &Import) -> Result<(), Failure> {
    let (from, to) = (address(&import.from)?, store(&import.dir, &import.moving));
    run(from, to, import.keep_ids, &import.moving)
}

pub(super) fn export(export: &Export) -> Result<(), Failure> {
    open::existing(&export.dir)?;
    run(store(&export.dir, &export.moving), address(&export.to)?, false, &export.moving)
}

pub(super) fn migrate(migrate: &Migrate) -> Result<(), Failure> {
    run(address(&migrate.from)?, address(&migrate.to)?, migrate.keep_ids, &migrate.moving)
}

fn address(text: &str) -> Result<Address, Failure> {
    Address::from_argument(text).map_err(Failure::moving)
}

fn store(dir: &Path, moving: &Moving) -> Address {
    Address::of_store(dir, moving.wait)
}

fn run(from: Address, to: Address, keep_ids: bool, moving: &Moving) -> Result<(), Failure> {
    if let Some(dir) = to.directory().filter(|dir| dir.exists()) {
        open::owned(&dir)?;
    }
    let subject = moving.subject.as_deref().map(str::parse).transpose().map_err(Failure::moving)?;
    // Where sessions go to standard output, the report must not.
    let is_apart = to.is_standard();
    let plan = Move {
        subject,
        dry_run: moving.dry_run,
        verify: !moving.no_verify,
        again: moving.again,
        keep_ids,
        resume: moving.resume.clone(),
        ..Move::new(from, to)
    };
    let start = Instant::now();
    let report = progress::of_passes(|passes| plan.run(passes)).map_err(Failure::moving)?;
    let moved = Moved { report, wall_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX) };
    if is_apart {
        output::show_apart(&moved, moving.json)?
    } else {
        output::show(&moved, moving.json)?
    }
    let (report, skipped) = (&moved.report, moved.report.skipped_count());
    match report.verified {
        Some(found) if !report.is_sound() => {
            let (missing, different, longer) = (found.missing, found.different, found.longer);
            Err(Failure::Unsound { missing, different, longer })
        }
        _ if moving.strict && skipped > 0 => Err(Failure::Skipped(counted(skipped, "session"))),
        _ => Ok(()),
    }
}

#[derive(Debug, Serialize)]
struct Moved {
    #[serde(flatten)]
    report: sessile_porting::Report,
    wall_ms: u64,
}

impl Report for Moved {
    fn text(&self) -> String {
        let report = &self.report;
        let mut rows = vec![
            ("from", report.from.clone()),
            ("to", report.to.clone()),
            ("read", grouped(report.read)),
            (if report.dry_run { "would be written" } else { "written" }, grouped(report.written)),
            ("already there", grouped(report.already_there)),
            ("had run out", grouped(report.expired)),
            ("skipped", grouped(report.skipped_count())),
            ("  of a user", grouped(report.with_subject)),
        ];
        rows.extend(report.verified.map(|found| ("verified", grouped(found.compared))));
        rows.push(("took", format!("{} ms", grouped(self.wall_ms))));
        let mut text = output::facts(rows);
        for skipped in &report.skipped {
            text.push_str(&format!("\n\nskipped {}: {}", grouped(skipped.count), skipped.reason));
            for example in &skipped.examples {
                text.push_str(&format!("\n  {example}"));
            }
        }
        for note in &report.notes {
            text.push_str(&format!("\n\n{} had {}", counted(note.count, "session"), note.what));
        }
        if report.odd_subjects > 0 {
            text.push_str(&format!(
                "\n\n{} belong to nobody: what stands where the user should is neither text nor a number",
                counted(report.odd_subjects, "session")
            ));
        }
        text
    }
}
