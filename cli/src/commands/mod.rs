//! One file a command: each finds who is to be asked, asks for one thing, and reports.

mod backup;
mod clock;
mod compact;
mod destroy;
mod encrypt;
mod facts;
mod get;
mod keys;
mod ls;
mod moves;
mod restore;
mod salvage;
mod stats;
mod upgrade;
mod verify;

use crate::args::Command;
use crate::failure::Failure;
use crate::{bench, replay, top};

/// Runs one command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Stats(look) => stats::run(&look),
        Command::Top(watch) => top::run(&watch),
        Command::Ls(ls) => ls::run(&ls),
        Command::Get(get) => get::run(&get),
        Command::Destroy(destroy) => destroy::one(&destroy),
        Command::DestroySubject(change) => destroy::subject(&change),
        Command::Verify(look) => verify::run(&look),
        Command::Clock(asked) => clock::run(&asked),
        Command::Compact(compact) => compact::run(&compact),
        Command::Upgrade(asked) => upgrade::run(&asked),
        Command::Keys(look) => keys::run(&look),
        Command::Encrypt(asked) => encrypt::whole(&asked),
        Command::Rekey(asked) => encrypt::anew(&asked),
        Command::Backup(backup) => backup::run(&backup),
        Command::Restore(asked) => restore::run(&asked),
        Command::Salvage(asked) => salvage::run(&asked),
        Command::Replay(replay) => replay::run(&replay),
        Command::Import(import) => moves::import(&import),
        Command::Export(export) => moves::export(&export),
        Command::Migrate(migrate) => moves::migrate(&migrate),
        Command::Bench(bench) => bench::run(&bench),
    }
}
