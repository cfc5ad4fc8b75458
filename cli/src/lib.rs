//! The command `sessile`: look at a session store, act on it, replay an access log into one, and move sessions in and out.
//!
//! The rooms, in the order in which a call walks through them:
//!
//! | room | owns |
//! |---|---|
//! | `args` | what may be written on the command line, and its help |
//! | `commands/` | one file a command: ask, report |
//! | `top/` | a store while it works, in a terminal |
//! | `replay/` | an access log turned into session traffic |
//! | `bench/` | the same requests for any home of sessions, measured |
//! | `door` | whom a command goes to: the process that holds the store, or the store itself |
//! | `ledger` | the store of connect-sessile that goes along with another |
//! | `open` | how a store is opened: for a look, or by its owner for a change |
//! | `secret` | ids and subjects, from standard input only |
//! | `progress` | bars and spinners, for what takes longer than a second on a terminal |
//! | `output` | reports as text or JSON |
//! | `failure` | what can go wrong, as sentences and exit codes |
//!
//! Invariants:
//! 1. No session id is printed, on either stream, in any format, nor echoed from a mistaken argument. Handles are.
//! 2. A command that looks creates and changes no file, and works while a server holds the store.
//! 3. A command that changes a store goes to the process that holds it; without one, it refuses when the caller does not own
//!    its directory.
//! 4. No input panics.
//!
//! # Exit codes
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed: the file system, a full disk, a store that takes no more writes |
//! | 2 | the command line is wrong |
//! | 3 | there is no live session of that id or handle |
//! | 4 | another process holds the store |
//! | 5 | the store is damaged |
//! | 6 | the directory holds no store that this release can open here |
//! | 7 | not permitted: the directory belongs to somebody else |
//! | 8 | unusable input: the id or subject on standard input, the access log, a directory that should be empty, sessions that cannot be moved, keys that cannot be read or do not fit |
//! | 9 | nothing was done: there is a choice to be made, as explained |

mod args;
mod bench;
mod commands;
mod door;
mod failure;
mod ledger;
mod open;
mod output;
mod progress;
pub mod replay;
mod secret;
mod top;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

/// Runs the command line `arguments` (the first is the program's name) and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let done = match args::Cli::try_parse_from(&arguments) {
        Ok(cli) => commands::run(cli.command),
        Err(error) => return args::explain(&error, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough: `sessile ls DIR | head`.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(failure.code())
        }
    }
}
