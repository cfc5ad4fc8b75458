//! Arguments of the commands that make one directory of another: backup, restore, salvage.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

pub(super) const BACKUP: &str = "\
Examples:
  sessile backup DIR /backup/sessions
  sessile backup --dir DIR /backup/sessions --json | jq .bytes_copied

TO is new, empty, or holds an earlier backup of this store: then only what is not there
yet is brought, and that backup stays what it is until the new one is complete. A
backup that was cut short goes on the next time. All of it is read where it stands
before it counts. Segments are linked where TO is on the same disk, which is quick and
takes no room, and helps against mistakes but not against a disk that dies: for that,
name a directory on another disk.

A backup is not opened but restored; stats, ls, get and verify can look at it.";

pub(super) const RESTORE: &str = "\
Examples:
  sessile restore --from /backup/sessions --dir NEW            explains, and changes nothing
  sessile restore --from /backup/sessions --dir NEW --end
  sessile restore --from /backup/sessions --dir NEW --keep --json

A backup does not know what was ended after it was made, so you decide:
  --keep  keeps its sessions; whoever has logged out since is logged in again
  --end   ends them all; everybody logs in again, and the store stays the same otherwise
Without either it says how old the backup is, changes nothing, and ends with code 9.

NEW is a directory that is empty or does not exist. To restore in the place of a store,
stop its server and move it aside first: mv DIR DIR.old. A restore that was cut short
leaves a directory that no server opens; run it again.";

pub(super) const SALVAGE: &str = "\
Examples:
  sessile salvage DIR                 what would be kept and ended, and why
  sessile salvage --dir DIR --to COPY

It reads a damaged store and never changes it. Damage can have ended a session without a
trace, so every session that it may concern is ended; one whose record cannot be read is
lost. With --to, those that can be trusted are brought to a sound store in COPY, a
directory that is empty or does not exist; then it tells how to put that in the place of
DIR. Stop the server first.";

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The store's directory, where it is not the first of two
    #[arg(long = "dir", value_name = "DIR")]
    pub named: Option<PathBuf>,
    /// The store's directory, which you must own, and where to
    #[arg(value_names = ["DIR", "TO"], required = true, num_args = 1..=2)]
    pub paths: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Wait so long for the process that holds the store to let go of it, for example 10s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "0s")]
    pub wait: Duration,
}

impl Backup {
    /// The store, and where to.
    pub fn ends(&self) -> Option<(&PathBuf, &PathBuf)> {
        match (&self.named, self.paths.as_slice()) {
            (None, [dir, to]) => Some((dir, to)),
            (Some(dir), [to]) => Some((dir, to)),
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup's directory; you must own it
    #[arg(long, value_name = "BACKUP")]
    pub from: PathBuf,
    /// Where to make the store: a directory that is empty or does not exist yet
    #[arg(long, value_name = "NEW")]
    pub dir: PathBuf,
    /// Keep the sessions of the backup, those too that were ended after it was made
    #[arg(long, conflicts_with = "end")]
    pub keep: bool,
    /// End all sessions of the backup
    #[arg(long)]
    pub end: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Salvage {
    /// The damaged store's directory, where it does not stand alone
    #[arg(long = "dir", value_name = "DIR", conflicts_with = "dir")]
    pub named: Option<PathBuf>,
    /// The damaged store's directory; you must own it
    #[arg(value_name = "DIR", required_unless_present = "named")]
    pub dir: Option<PathBuf>,
    /// Where to make a sound store of it: a directory that is empty or does not exist yet
    #[arg(long, value_name = "COPY")]
    pub to: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
