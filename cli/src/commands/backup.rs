//! `sessile backup`: a copy that opens as a store of its own.

use serde::Serialize;

use crate::args::Backup;
use crate::failure::Failure;
use crate::open;
use crate::output::{self, Report, bytes, grouped};
use crate::progress;

pub(super) fn run(backup: &Backup) -> Result<(), Failure> {
    let (dir, destination) = (&backup.change.dir, &backup.destination);
    open::vacant(destination)?;
    let store = open::for_a_change(dir, backup.change.wait)?;
    let done = progress::during("copying", || store.backup(destination))
        .map_err(|error| Failure::store(dir, error))?;
    open::close(dir, &store)?;
    let report = BackedUp {
        destination: destination.display().to_string(),
        segments: done.segments,
        bytes_copied: done.bytes_copied,
        sessions: done.sessions,
    };
    output::show(&report, backup.change.json)
}

#[derive(Debug, Serialize)]
struct BackedUp {
    destination: String,
    segments: u64,
    bytes_copied: u64,
    sessions: u64,
}

impl Report for BackedUp {
    fn text(&self) -> String {
        output::facts([
            ("backup", self.destination.clone()),
            ("sessions", grouped(self.sessions)),
            ("segments", grouped(self.segments)),
            ("copied", bytes(self.bytes_copied)),
        ])
    }
}
