//! The instruction budget: counts the instructions of the hot operations under callgrind and compares them with
//! `benches/budget.toml`. Started by `./scripts/budget`.
//!
//! Instructions do not depend on what else the machine does, so that 5 % more is a finding and no noise. What they do not
//! tell: waiting for memory, for locks and for the disk. For those there are the benchmarks.
//!
//! * `operations` is the fixed script: what runs, and how often.
//! * `callgrind` runs a part of it in a process of its own and reads the count.
//! * `budget` is the file, `judgement` what is made of it and of a count.

mod budget;
mod callgrind;
mod judgement;
mod operations;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use budget::Budget;
use callgrind::Machine;
use judgement::{Recording, Verdict, judge};
use operations::Operation;

/// The file, from the root of the repository.
const FILE: &str = "benches/budget.toml";
/// What the check says by its exit code when there is nothing to compare with here.
const NOT_CHECKED: u8 = 3;

/// Count the instructions of the hot operations and compare them with benches/budget.toml
#[derive(Debug, Parser)]
#[command(name = "sessile-budget", version, max_term_width = 110)]
struct Cli {
    /// Write the counts to the file; one that rose by over 5 % only with a reason
    #[arg(long)]
    record: bool,
    /// Why what rose by over 5 % may
    #[arg(long, requires = "record", value_name = "REASON")]
    because: Option<String>,
    /// Only these
    #[arg(value_name = "OPERATION")]
    operations: Vec<Operation>,
    #[command(subcommand)]
    inner: Option<Inner>,
}

#[derive(Debug, Subcommand)]
enum Inner {
    /// What callgrind runs: one operation in a new directory
    #[command(hide = true)]
    Run { operation: Operation, directory: PathBuf },
    /// What the processor is said to have
    #[command(hide = true)]
    Features,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.inner {
        Some(Inner::Run { operation, directory }) => operations::run(*operation, directory),
        Some(Inner::Features) => println!("{}", operations::features()),
        None => {
            return command(&cli).unwrap_or_else(|error| {
                eprintln!("{error}");
                ExitCode::FAILURE
            });
        }
    }
    ExitCode::SUCCESS
}

fn command(cli: &Cli) -> Result<ExitCode, String> {
    let machine = Machine::look()?;
    let mut budget = Budget::read(FILE.as_ref())?;
    if !budget.is_empty() && budget.recorded.architecture != machine.architecture {
        println!(
            "{FILE} was recorded on {}, and this is {}",
            budget.recorded.architecture, machine.architecture
        );
        return Ok(ExitCode::from(NOT_CHECKED));
    }
    let chosen = if cli.operations.is_empty() { Operation::all() } else { cli.operations.clone() };
    let counts = callgrind::count(&chosen)?;
    let mut refused = false;
    let mut verdicts = Vec::new();
    for (operation, instructions) in counts {
        let entry = budget.entry(operation.name());
        let verdict = judge(entry, instructions);
        println!("{:16} {}", operation.name(), verdict.sentence(instructions));
        verdicts.push(verdict);
        if cli.record {
            match Recording::of(entry, instructions, cli.because.as_deref()) {
                Recording::Written { least, because } => {
                    budget.write_entry(operation, instructions, least, because);
                }
                Recording::Kept => {}
                Recording::Refused => refused = true,
            }
        }
    }
    if cli.record {
        budget.order(&Operation::all());
        budget.recorded = machine;
        budget.write(FILE.as_ref())?;
        if refused {
            println!("what grew was not recorded: it takes a cure, or a reason: --because \"...\"");
        }
        return Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let strangers = budget.strangers(&Operation::all());
    strangers.iter().for_each(|name| println!("{name:16} stands in {FILE} and is no operation"));
    let failed = !strangers.is_empty() || verdicts.iter().any(|verdict| *verdict != Verdict::Within);
    if failed {
        budget.recorded.differences(&machine).iter().for_each(|line| println!("{line}"));
        println!("what grew takes a cure, or a reason: ./scripts/budget --record --because \"...\"");
        println!("anything else is recorded by: ./scripts/budget --record");
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
