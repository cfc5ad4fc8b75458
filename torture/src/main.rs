//! The command `sessile-torture`: lives lives until the time is up, and says what it tried.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use torture::{Limit, Report, Settings, Switch, hunt};

/// Run sessile on a simulated machine that loses power, fails and lies, and check what is left
#[derive(Debug, Parser)]
#[command(name = "sessile-torture", version, max_term_width = 110)]
struct Cli {
    /// How long to go on
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u64,
    /// Live this one seed, and no other
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Begin with this seed
    #[arg(long, default_value_t = 0, value_name = "N", conflicts_with = "seed")]
    first: u64,
    /// Live so many seeds, however long it takes
    #[arg(long, value_name = "N", conflicts_with = "seed")]
    seeds: Option<u64>,
    /// Crashes in the life of one store
    #[arg(long, default_value_t = 8, value_name = "N")]
    cycles: usize,
    /// Live one seed of so many under the scheduler, with several actors at once
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    scheduled_one_in: u64,
    /// Threads; as many as there are cores unless said otherwise
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Switch a hazard off; may be given several times
    #[arg(long, value_name = "HAZARD")]
    without: Vec<Switch>,
    /// Switch all hazards off but this; may be given several times
    #[arg(long, value_name = "HAZARD")]
    only: Vec<Switch>,
    /// Print a violation as it was met, without making it smaller
    #[arg(long)]
    no_shrink: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Append what was done to a ledger
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

impl Cli {
    fn settings(&self) -> Settings {
        let mut settings = Settings {
            cycles: self.cycles,
            scheduled_one_in: self.scheduled_one_in,
            shrink: !self.no_shrink,
            ..Settings::default()
        };
        if !self.only.is_empty() {
            settings = settings.only(&self.only);
        }
        self.without.iter().fold(settings, |settings, switch| settings.without(*switch))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let report = run(&cli);
    let mut out = std::io::stdout().lock();
    let printed = if cli.json {
        writeln!(out, "{:#}", report.json())
    } else {
        write!(out, "{report}").and_then(|()| violations(&mut out, &report))
    };
    let mut code = if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if let Some(ledger) = &cli.ledger
        && let Err(error) = torture::ledger::append(ledger, &report, &command_line())
    {
        eprintln!("the ledger {} cannot be written: {error}", ledger.display());
        code = ExitCode::FAILURE;
    }
    if printed.is_err() { ExitCode::FAILURE } else { code }
}

fn run(cli: &Cli) -> Report {
    let settings = cli.settings();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (first, limit, threads) = match (cli.seed, cli.seeds) {
        (Some(seed), _) => (seed, Limit::Seeds(1), 1),
        (None, Some(seeds)) => (cli.first, Limit::Seeds(seeds), cli.threads.unwrap_or(cores)),
        (None, None) => {
            (cli.first, Limit::Time(Duration::from_secs(cli.seconds)), cli.threads.unwrap_or(cores))
        }
    };
    // A panic of the engine is a violation and is told as one.
    std::panic::set_hook(Box::new(|_| {}));
    let bar = bar(limit);
    let last = Mutex::new(Duration::ZERO);
    let report = hunt(first, limit, threads, 5, &settings, |tally, violations, elapsed| {
        let Ok(mut last) = last.lock() else { return };
        if elapsed.saturating_sub(*last) < Duration::from_millis(100) {
            return;
        }
        *last = elapsed;
        bar.set_position(if matches!(limit, Limit::Seeds(_)) { tally.seeds } else { elapsed.as_secs() });
        bar.set_message(format!("{} cycles, {violations} violations", tally.cycles));
    });
    bar.finish_and_clear();
    report
}

fn bar(limit: Limit) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = match limit {
        Limit::Seeds(seeds) => seeds,
        Limit::Time(time) => time.as_secs(),
    };
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn violations(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    for outcome in &report.violations {
        let Some(violation) = &outcome.violation else { continue };
        writeln!(
            out,
            "\nVIOLATION with seed {} in cycle {}: {}",
            outcome.seed, violation.cycle, violation.what
        )?;
        if let Some(script) = &outcome.script {
            writeln!(out, "the smallest life that shows it:\n{script}")?;
        }
        writeln!(out, "what the oracle heard since the last opening:")?;
        violation.story.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        writeln!(out, "to see it again: cargo run --release -p sessile-torture -- --seed {}", outcome.seed)?;
    }
    Ok(())
}

/// The command as it was given, for the ledger.
fn command_line() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo run --release -p sessile-torture -- {}", arguments.join(" "))
}
