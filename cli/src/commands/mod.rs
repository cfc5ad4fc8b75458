//! One file a command: each opens the store, asks it one thing, and reports.

mod backup;
mod compact;
mod destroy;
mod facts;
mod get;
mod ls;
mod stats;
mod verify;

use crate::args::Command;
use crate::failure::Failure;
use crate::replay;

/// Runs one command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Stats(look) => stats::run(&look),
        Command::Ls(ls) => ls::run(&ls),
        Command::Get(get) => get::run(&get),
        Command::Destroy(destroy) => destroy::one(&destroy),
        Command::DestroySubject(change) => destroy::subject(&change),
        Command::Verify(look) => verify::run(&look),
        Command::Compact(compact) => compact::run(&compact),
        Command::Backup(backup) => backup::run(&backup),
        Command::Replay(replay) => replay::run(&replay),
    }
}
