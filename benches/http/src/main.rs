//! What a session costs in an axum server, by the store behind it: `--help` says how to ask.
//!
//! | module | owns |
//! |---|---|
//! | [`command`] | the arguments, and what is put where |
//! | [`plan`] | how much is measured, and for how long |
//! | [`contender`] | which stores take part, and what their writes survive |
//! | [`page`] | the three pages, as both sides know them |
//! | [`pages`] | the pages as handlers: one source for each version of tower-sessions |
//! | [`stores`] | opening each store |
//! | [`server`] | the process that answers |
//! | [`generator`] | the process that asks: its passes, and what they came to |
//! | [`connection`] | one connection that is kept alive, and the answers that come on it |
//! | [`visitor`] | one logged-in visitor, who knows what each page must say |
//! | [`pair`] | a server and its generator, as the command sees them |
//! | [`turns`] | the stores taking turns |
//! | [`outcome`] | medians, ratios: what `results.json` holds |
//! | [`goals`] | what is to be reached, and whether it was |
//! | [`report`] | the same as Markdown |
//!
//! The server and what asks it are processes of their own, so that neither's work is in the other's figures. Sessions,
//! machine, device and tables are those of the other comparison, from its sources: the package itself cannot be had here
//! (see `Cargo.toml`).

mod command;
mod connection;
mod contender;
mod generator;
mod goals;
mod outcome;
mod page;
mod pages;
mod pair;
mod plan;
mod report;
mod server;
mod stores;
mod turns;
mod visitor;

#[expect(
    dead_code,
    clippy::indexing_slicing,
    reason = "shared with the other comparison, which uses all of it"
)]
#[path = "../../src/data.rs"]
mod data;
#[expect(dead_code, reason = "shared with the other comparison, which uses all of it")]
#[path = "../../src/device.rs"]
mod device;
#[path = "../../src/machine.rs"]
mod machine;
#[expect(dead_code, reason = "shared with the other comparison, which uses all of it")]
#[path = "../../src/table.rs"]
mod table;

/// Why a run ended. A store that answers wrongly or not at all has no speed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> std::process::ExitCode {
    command::main()
}
