//! The command line: what may be written, its help, and what is said when it is wrong.
//!
//! Owns: [`Cli`]. Invariant: what stands where an id could have been put by mistake is never echoed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::failure::USAGE;

const EXAMPLES: &str = "\
Examples:
  sessile stats DIR                              how many, how large, how sound
  sessile ls DIR --limit 20                      handles, deadlines, never ids
  printf %s \"$ID\" | sessile get DIR              facts about one session
  sessile destroy DIR --handle 1f0e...           end a session that `ls` showed
  sessile replay access.log.gz --dir /tmp/trial  what your traffic would cost

An id or a subject is read from standard input, never from an argument:
arguments are visible to every user of the machine. stats, ls, get and verify
only look, and work while a server holds the store.

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
     a directory that should be empty";

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
    /// Copy the store, as it is at one moment
    #[command(after_help = "\
Example:
  sessile backup DIR /backup/sessions-monday")]
    Backup(Backup),
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
pub(crate) struct Backup {
    #[command(flatten)]
    pub change: Change,
    /// Where to: a directory that is empty or does not exist yet
    pub destination: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The access log, plain or gzip; `-` is standard input
    pub log: PathBuf,
    /// Where to make the store: a directory that is empty or does not exist yet
    #[arg(long)]
    pub dir: PathBuf,
    /// How long a session lives without being used, for example 30m or 2h
    #[arg(long, value_name = "TIME", value_parser = idle, default_value = "30m")]
    pub idle: Duration,
    /// How many bytes of data each session holds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1 << 20), default_value_t = 256)]
    pub data_bytes: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn idle(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(idle) if idle.as_millis() == 0 => Err("must be at least a millisecond".into()),
        Ok(idle) => Ok(idle),
        Err(error) => Err(format!("{error}; write for example 30m or 2h")),
    }
}

/// Prints what clap has to say, except that an argument which may be an id is not echoed.
pub(crate) fn explain(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let takes_id = ["get", "destroy", "destroy-subject"];
    let command = arguments.iter().skip(1).find_map(|word| takes_id.iter().find(|name| **name == *word));
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

    #[test]
    fn an_idle_time_of_nothing_is_refused() {
        assert!(idle("0s").is_err() && idle("").is_err() && idle("-5m").is_err());
        assert_eq!(idle("30m"), Ok(Duration::from_secs(1800)));
    }
}
