//! The command: what it takes, and what it puts where.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::contender::Contender;
use crate::generator::Crowd;
use crate::outcome::Outcome;
use crate::page::Page;
use crate::plan::Scale;
use crate::stores::{self, Pools};
use crate::{Failure, generator, goals, machine, report, server, turns};

/// Measure an axum server under load on loopback, by the store behind its sessions
#[derive(Debug, Parser)]
#[command(name = "sessile-bench-http", max_term_width = 100)]
struct Arguments {
    /// Only these stores
    #[arg(long, value_delimiter = ',', value_name = "STORE")]
    stores: Vec<Contender>,
    /// Only these pages
    #[arg(long, value_delimiter = ',', value_name = "PAGE")]
    pages: Vec<Page>,
    /// How many visitors are logged in; goals are judged at 10,000 only
    #[arg(long, value_name = "N", global = true)]
    sessions: Option<usize>,
    /// Over how many connections they come; goals are judged at 64 only
    #[arg(long, value_name = "N", global = true)]
    connections: Option<usize>,
    /// How often each store has its turn on each page
    #[arg(long, value_name = "N")]
    repetitions: Option<usize>,
    /// Connections in SQLite's pool, where it is not alone
    #[arg(long, value_name = "N", default_value_t = 4, global = true)]
    sqlite_pool: u32,
    /// Connections in Redis's pool
    #[arg(long, value_name = "N", default_value_t = 2, global = true)]
    redis_pool: usize,
    /// Write report.md and results.json into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the stores are put, on the disk that is meant; removed afterwards
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A fraction of a second for each store and page: to see that it runs, not to quote
    #[arg(long)]
    quick: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What the program is for the processes that it starts.
#[derive(Debug, Subcommand)]
enum Role {
    /// A server with this store in this directory
    #[command(hide = true)]
    Serve { store: Contender, directory: PathBuf },
    /// A generator of load on this address
    #[command(hide = true)]
    Ask { address: String },
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("sessile-bench-http: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut scale = if arguments.quick { Scale::QUICK } else { Scale::FULL };
    let usual = scale.crowd;
    scale.crowd = Crowd {
        visitors: arguments.sessions.unwrap_or(usual.visitors),
        connections: arguments.connections.unwrap_or(usual.connections),
    };
    if scale.crowd.connections == 0 || scale.crowd.visitors < scale.crowd.connections {
        return Err("there must be a connection, and a visitor for each".into());
    }
    let pools = Pools { sqlite: arguments.sqlite_pool, redis: arguments.redis_pool };
    match &arguments.role {
        Some(Role::Serve { store, directory }) => server::main(*store, directory, pools),
        Some(Role::Ask { address }) => generator::main(address, scale.crowd),
        None => {
            // Goals are about the numbers that they were set for.
            scale.judges &=
                scale.crowd.visitors == usual.visitors && scale.crowd.connections == usual.connections;
            scale.repetitions = arguments.repetitions.unwrap_or(scale.repetitions).max(1);
            measure(arguments, &scale, pools)
        }
    }
}

fn measure(arguments: &Arguments, scale: &Scale, pools: Pools) -> Result<(), Failure> {
    let scratch = Scratch::new(arguments.dir.as_deref())?;
    let mut outcome = Outcome::new(scale, &scratch.0);
    if machine::is_memory(&machine::file_system(&scratch.0)) {
        eprintln!("WARNING: this file system is memory: nothing about power loss can be learned here");
    }
    let is_chosen = |store: &Contender| arguments.stores.is_empty() || arguments.stores.contains(store);
    let mut contenders: Vec<Contender> = Contender::ALL.into_iter().filter(is_chosen).collect();
    if stores::redis_version().is_none() && contenders.iter().any(|contender| contender.is_redis()) {
        let why = "Redis: there is no redis-server on this machine";
        eprintln!("{why}");
        outcome.left_out.push(why.to_owned());
        contenders.retain(|contender| !contender.is_redis());
    }
    let is_chosen = |page: &Page| arguments.pages.is_empty() || arguments.pages.contains(page);
    let pages: Vec<Page> = Page::ALL.into_iter().filter(is_chosen).collect();
    turns::run(&contenders, &pages, scale, pools, &scratch.0, &mut outcome)?;
    drop(scratch);
    if scale.judges {
        outcome.judged = goals::judge(&outcome);
    }
    let report = report::text(&outcome);
    println!("{report}");
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)?;
        for (name, text) in [("report.md", report), ("results.json", serde_json::to_string_pretty(&outcome)?)]
        {
            let path = out.join(name);
            std::fs::write(&path, text).map_err(|error| format!("writing {}: {error}", path.display()))?;
            println!("written: {}", path.display());
        }
    }
    Ok(())
}

/// A directory on the disk that the build is on, or where it was asked for, which goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: Option<&Path>) -> Result<Self, Failure> {
        let beside_program = std::env::current_exe()?.parent().unwrap_or(Path::new(".")).join("tmp");
        let parent = parent.map_or(beside_program, Path::to_owned);
        let path = parent.join(format!("sessile-bench-http-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("making {}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
