//! The command line: what may be written, its help, and what is said when it is wrong.
//!
//! Owns: [`Cli`]. Invariant: what stands where an id could have been put by mistake is never echoed.

mod bench;
mod copies;
mod formats;
mod moves;
mod replay;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::failure::USAGE;

use bench::BENCH;
pub(crate) use bench::Bench;
use copies::{BACKUP, RESTORE, SALVAGE};
pub(crate) use copies::{Backup, Restore, Salvage};
use formats::{ENCRYPT, REKEY, UPGRADE};
pub(crate) use formats::{Encrypt, Upgrade};
use moves::{EXPORT, IMPORT, MIGRATE};
pub(crate) use moves::{Export, Import, Migrate, Moving};
pub(crate) use replay::Replay;

const EXAMPLES: &str = "\
Examples:
  sessile stats DIR                              how many, how large, how sound
  sessile top DIR                                the same, live
  sessile ls DIR --limit 20                      handles, deadlines, never ids
  printf %s \"$ID\" | sessile get DIR              facts about one session
  sessile destroy DIR --handle 1f0e...           end a session that `ls` showed
  sessile replay access.log.gz --dir /tmp/trial  what your traffic would cost
  sessile import connect-sqlite3:./sessions.db --dir DIR   move in, with nobody logged out

An id or a subject is read from standard input, never from an argument:
arguments are visible to every user of the machine. While a server holds the
store, commands go to it over DIR/control.sock, if it serves its operators;
without that, stats, ls, get, verify, keys, clock and upgrade --dry-run can look, and
the others refuse. Where the keys of an encrypted store are, SESSILE_KEYS in the
environment says: file:/etc/sessile/keys, for example. A server that is asked needs
no telling.

Exit codes:
  0  done
  1  failed: the file system, a full disk, a store that takes no more writes
  2  the command line is wrong
  3  there is no live session of that id or handle
  4  another process holds the store
  5  the store is damaged
  6  the directory holds no store that this release can open here
  7  not permitted: the directory belongs to somebody else
  8  unusable input: the id or subject on standard input, the access log,
     a directory that should be empty, sessions that cannot be moved, keys that
     cannot be read or do not fit
  9  nothing was done: you have to choose, as explained";

/// The command `sessile`.
#[derive(Debug, Parser)]
#[command(
    name = "sessile",
    version,
    about = "Look at a session store, act on it, or try one on your own traffic."
)]
#[command(after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show live sessions, sizes, memory, backlog and health
    #[command(after_help = "\
Examples:
  sessile stats DIR
  sessile stats DIR --json | jq .sessions

Works while a server holds the store. Figures that only the process which holds
it knows print as `unknown`, as null in JSON.")]
    Stats(Look),
    /// Watch the store while it works, in the terminal
    #[command(after_help = "\
Examples:
  sessile top DIR
  sessile top DIR --every 5s
  sessile top DIR --once --json | jq .per_second

Leave with q. Of a store whose process serves no operators only the files are seen,
and what happens in a second is not. Reads are not counted, nor how long single
calls take: counting would cost each of them. What writes wait for is the sync.")]
    Top(Top),
    /// List the live sessions: handles, deadlines and sizes
    #[command(after_help = "\
Examples:
  sessile ls DIR --limit 20
  sessile ls DIR --json | jq -r 'select(.data_bytes > 10000) | .handle'

Works while a server holds the store. With --json, one object a line.")]
    Ls(Ls),
    /// Show one session; its id is read from standard input
    #[command(after_help = "\
Examples:
  printf %s \"$ID\" | sessile get DIR
  sessile get DIR --handle 1f0e... --data > session.bin
  sessile get DIR --json < id-file

Works while a server holds the store. One newline behind the id is dropped. With
--data the bytes of the session are written as they are and nothing else; in JSON
they are `data`, or `data_base64` where they are no UTF-8.")]
    Get(Get),
    /// End one session; its id is read from standard input
    #[command(after_help = "\
Examples:
  printf %s \"$ID\" | sessile destroy DIR
  sessile destroy DIR --handle 1f0e...

Exit code 3 says that there was no such live session.")]
    Destroy(Destroy),
    /// End all sessions of the subject on standard input
    #[command(after_help = "\
Example:
  printf %s alice | sessile destroy-subject DIR

It logs a user out everywhere, and is one record in the log.
Ending no session is no failure: then the subject had none.")]
    DestroySubject(Change),
    /// Test every checksum, and the index against the records
    #[command(after_help = "\
Examples:
  sessile verify DIR
  sessile verify DIR --json | jq .damage

Works while a server holds the store. Exit code 5 says that something is damaged;
all of it is listed.")]
    Verify(Look),
    /// Drop what has expired and reclaim dead records
    #[command(after_help = "\
Examples:
  sessile compact DIR
  sessile compact DIR --confirm-clock

It works until nothing is left to do. A store that was closed for a while does
not believe at once a clock that has jumped ahead, lest one bad reading end every
session. --confirm-clock is your word that the machine's clock is right.")]
    Compact(Compact),
    /// Show what time it is to the store, and which sessions that hides
    #[command(after_help = "\
Examples:
  sessile clock DIR
  sessile clock DIR --confirm
  sessile clock DIR --set-back

A store does not believe at once a clock that has jumped ahead: what has run out by
it is hidden, and ends when both clocks of the machine have agreed for ten minutes.
Nor one that is behind what it believes: no session runs out until it has caught up.
--confirm and --set-back are your word that the machine's clock is right; the command
without them says which it is, and what users will notice.")]
    Clock(Clock),
    /// Move the store to the newest format; there is no way back
    #[command(after_help = UPGRADE)]
    Upgrade(Upgrade),
    /// Show which keys the files of an encrypted store still need
    #[command(after_help = "\
Examples:
  sessile keys DIR
  sessile keys DIR --json | jq '.uses[] | select(.key == null)'

Works while a server holds the store, and without its keys. A key that is not listed
is needed by no file of the store any more; backups may still need it.")]
    Keys(Look),
    /// Encrypt a store that is plain
    #[command(after_help = ENCRYPT)]
    Encrypt(Encrypt),
    /// Bring all of an encrypted store under its newest key
    #[command(after_help = REKEY)]
    Rekey(Encrypt),
    /// Copy the store, as it is at one moment, or what is new since the last time
    #[command(after_help = BACKUP)]
    Backup(Backup),
    /// Make a store of a backup
    #[command(after_help = RESTORE)]
    Restore(Restore),
    /// Bring what can be trusted of a damaged store to a sound one
    #[command(after_help = SALVAGE)]
    Salvage(Salvage),
    /// Turn an access log into session traffic, to see its cost
    #[command(after_help = "\
Examples:
  sessile replay /var/log/nginx/access.log --dir /tmp/trial --idle 30m
  sessile replay access.log.2.gz --dir /tmp/trial --json
  zcat access.log.*.gz | sessile replay - --dir /tmp/trial --idle 2h

The log is in Common or Combined Log Format, plain or gzip. A client address with
its user agent is a visitor; requests are taken in the order of their time; a
request finds its live session and touches it, or creates one that ends when it
is not used for --idle. DIR must be empty or new, and holds the store afterwards.")]
    Replay(Replay),
    /// Move sessions in from another store, with nobody logged out
    #[command(after_help = IMPORT)]
    Import(Import),
    /// Write the sessions of a store to a file, or into another store
    #[command(after_help = EXPORT)]
    Export(Export),
    /// Move sessions from any home to any other
    #[command(after_help = MIGRATE)]
    Migrate(Migrate),
    /// Measure any home of sessions with the same requests
    #[command(after_help = BENCH)]
    Bench(Bench),
}

/// A command that looks.
#[derive(Debug, Args)]
pub(crate) struct Look {
    /// The store's directory
    pub dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A command that changes the store.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// The store's directory; you must own it
    pub dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Wait so long for the process that holds the store to let go of it, for example 10s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "0s")]
    pub wait: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub look: Look,
    /// Print what is shown, once
    #[arg(long)]
    pub once: bool,
    /// How often to look, for example 5s
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "1s")]
    pub every: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub look: Look,
    /// Show at most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub look: Look,
    /// Name the session by its handle, as `ls` prints it, instead of an id on standard input
    #[arg(long, value_name = "HANDLE")]
    pub handle: Option<String>,
    /// Write the session's data
    #[arg(long)]
    pub data: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub change: Change,
    /// Name the session by its handle, as `ls` prints it, instead of an id on standard input
    #[arg(long, value_name = "HANDLE")]
    pub handle: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    pub change: Change,
    /// Believe the machine's clock, even if it has jumped
    #[arg(long)]
    pub confirm_clock: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Clock {
    #[command(flatten)]
    pub change: Change,
    /// Believe the machine's clock, even if it has jumped ahead
    #[arg(long)]
    pub confirm: bool,
    /// Believe the machine's clock, although it is behind what the store believed
    #[arg(long, conflicts_with = "confirm")]
    pub set_back: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(every) if every < Duration::from_millis(100) => Err("must be at least 100ms".into()),
        Ok(every) => Ok(every),
        Err(error) => Err(format!("{error}; write for example 1s")),
    }
}

/// Prints what clap has to say, except that an argument which may be an id is not echoed.
pub(crate) fn explain(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let among = |names: &[&'static str]| {
        arguments.iter().skip(1).find_map(|word| names.iter().copied().find(|name| *name == *word))
    };
    let command = among(&["get", "destroy", "destroy-subject"]);
    let moves = among(&["import", "export", "migrate", "bench"]);
    match (error.kind(), command) {
        (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, _) => {
            // Nobody is left to tell when standard output is closed.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        (ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand, Some(name)) => {
            crate::output::complain(&format_args!(
                "`sessile {name}` takes no such argument (it is not shown here, since it may be an id); \
                 an id or a subject is read from standard input: printf %s \"$ID\" | sessile {name} DIR"
            ));
            ExitCode::from(USAGE)
        }
        (ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand, None) if moves.is_some() => {
            let name = moves.unwrap_or_default();
            crate::output::complain(&format_args!(
                "`sessile {name}` takes no such argument (it is not shown here, since it may be an address with a \
                 password); `sessile {name} --help` lists those it takes"
            ));
            ExitCode::from(USAGE)
        }
        _ => {
            let _ = error.print();
            ExitCode::from(USAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
