//! The command: what it takes, and what it puts where.

use std::path::{Path, PathBuf};
use std::process::exit;

use clap::Parser;

use crate::chart;
use crate::million;
use crate::outcome::Outcome;
use crate::peers;
use crate::plan::{GOALS, Scale, WORKLOADS};
use crate::side_by_side;
use crate::workload::Workload;
use crate::{limits, machine, report};

/// How much the program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Figures.
    Full,
    /// A test of the harness.
    Trial,
}

/// Measure sessile beside the stores that people keep sessions in, in one run on one machine
#[derive(Debug, Parser)]
#[command(name = "sessile-bench", max_term_width = 100)]
struct Arguments {
    /// Only these peers, by name; sessile always takes part
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    peers: Vec<String>,
    /// Only workloads whose label contains one of these, as in "set, Synced, 32 threads"; `million` is memory and opening
    #[arg(long, value_name = "WORD")]
    workloads: Vec<String>,
    /// The same
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Sessions that are stored before anything is measured
    #[arg(long, value_name = "N")]
    sessions: Option<usize>,
    /// Write report.md, results.json and charts as SVG and PNG into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the stores are put while they are measured, on the disk that is meant; removed afterwards
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Short windows, to see that it runs and not to quote
    #[arg(long)]
    quick: bool,
    /// Say which peers and workloads there are, and measure nothing
    #[arg(long)]
    list: bool,
    /// A few requests of each workload: a test of the program
    #[arg(long, hide = true)]
    trial: bool,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// Runs the program with the arguments of the process.
pub fn main(length: Length) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == million::ARGUMENT
    {
        return million::child(rest);
    }
    let arguments = Arguments::parse();
    if arguments.list {
        return list();
    }
    let mut scale = match length {
        Length::Trial => Scale::TRIAL,
        Length::Full if arguments.trial => Scale::TRIAL,
        Length::Full if arguments.quick => Scale::QUICK,
        Length::Full => Scale::FULL,
    };
    if let Some(sessions) = arguments.sessions {
        if sessions == 0 {
            refuse("--sessions is at least 1");
        }
        // Goals are about the number that they were set for.
        (scale.judges, scale.sessions) = (scale.judges && sessions == scale.sessions, sessions);
    }
    if let Some(unknown) = arguments.peers.iter().find(|name| !peers::is_known(name)) {
        refuse(&format!("there is no peer {unknown}; --list names them"));
    }
    let words: Vec<&String> = arguments.workloads.iter().chain(&arguments.words).collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let workloads: Vec<Workload> =
        WORKLOADS.iter().filter(|workload| chosen(&workload.label())).copied().collect();
    if workloads.is_empty() && !chosen(million::NAME) {
        refuse("no workload has such a name; --list names them");
    }
    let scratch = Scratch::new(arguments.dir.as_deref());
    let mut outcome = Outcome::new(&scale, &scratch.0);
    println!("\n{}", report::head(&outcome));
    if machine::is_memory(&machine::file_system(&scratch.0)) {
        println!("WARNING: this file system is memory: nothing about Synced can be learned here\n");
    }
    match limits::measure(&scratch.0, scale.limits) {
        Ok(limits) => outcome.limits = limits,
        Err(error) => {
            let place = scratch.0.display().to_string();
            drop(scratch);
            refuse(&format!("measuring the disk under {place}: {error}"))
        }
    }
    if !workloads.is_empty() {
        side_by_side::run(&scale, &workloads, &arguments.peers, &scratch.0, &mut outcome);
    }
    if chosen(million::NAME) {
        outcome.measures = million::measure(&scratch.0, scale.million);
    }
    if scale.judges {
        outcome.judge(GOALS);
    }
    drop(scratch);
    println!("{}", report::body(&outcome));
    if let Some(out) = &arguments.out {
        keep(&outcome, out);
    }
}

fn list() {
    println!("peers: {}", peers::names().collect::<Vec<_>>().join(", "));
    println!("workloads:");
    for workload in WORKLOADS {
        println!("  {}", workload.label());
    }
    println!("  {}", million::NAME);
}

fn refuse(what: &str) -> ! {
    eprintln!("sessile-bench: {what}");
    exit(2)
}

fn keep(outcome: &Outcome, out: &Path) {
    let write = |name: &str, text: String| {
        let path = out.join(name);
        match std::fs::create_dir_all(out).and_then(|()| std::fs::write(&path, text)) {
            Ok(()) => println!("written: {}", path.display()),
            Err(error) => refuse(&format!("writing {}: {error}", path.display())),
        }
    };
    match serde_json::to_string_pretty(outcome) {
        Ok(json) => write("results.json", json),
        Err(error) => refuse(&format!("writing down what was measured: {error}")),
    }
    if !outcome.rows.is_empty()
        && let Err(error) = chart::draw(outcome, out)
    {
        refuse(&format!("drawing into {}: {error}", out.display()));
    }
    write("report.md", format!("{}\n{}", report::head(outcome), report::body(outcome)));
}

/// A directory on the disk that the build is on, or where it was asked for, which goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: Option<&Path>) -> Self {
        let beside_program = || Some(std::env::current_exe().ok()?.parent()?.join("tmp"));
        let parent = parent.map(Path::to_owned).or_else(beside_program).unwrap_or_default();
        let path = parent.join(format!("sessile-bench-{}", std::process::id()));
        if let Err(error) = std::fs::create_dir_all(&path) {
            refuse(&format!("making {}: {error}", path.display()));
        }
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
