//! The command: what it takes, and what it puts where.

use std::path::{Path, PathBuf};
use std::process::exit;
use std::time::Duration;

use clap::Parser;

use crate::cases::{CASES, Case, child, keepers};
use crate::outcome::Outcome;
use crate::plan::{Scale, WORKLOADS};
use crate::run::{RESULTS, Run};
use crate::workload::Workload;
use crate::{chart, goals, limits, machine, peers, readme, report, side_by_side};

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
    /// Only workloads and cases whose name contains one of these, as in "set, Synced, 32 threads"
    #[arg(long, value_name = "WORD")]
    workloads: Vec<String>,
    /// The same
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Sessions that are stored before anything is measured
    #[arg(long, value_name = "N")]
    sessions: Option<usize>,
    /// Write report.md, readme.md, results.json and charts as SVG and PNG into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the stores are put while they are measured, on the disk that is meant; removed afterwards
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Go on with the run whose results are in --out: what is there is not measured again, unless it is asked for by a word
    #[arg(long, requires = "out")]
    resume: bool,
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
        && first == child::ARGUMENT
    {
        return child::main(rest);
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
    let scratch = Scratch::new(arguments.dir.as_deref());
    let mut outcome = Outcome::new(&scale, &scratch.0);
    if let (true, Some(out)) = (arguments.resume, &arguments.out) {
        outcome = resumed(out, outcome);
    }
    let plan = Plan::new(&arguments, &outcome);
    if plan.is_empty() && !arguments.resume {
        drop(scratch);
        refuse("nothing has such a name; --list says what there is");
    }
    println!("\n{}", report::head(&outcome));
    if machine::is_memory(&machine::file_system(&scratch.0)) {
        println!("WARNING: this file system is memory: nothing about Synced can be learned here\n");
    }
    let (out, total) = (arguments.out.as_deref(), plan.takes(&scale, &arguments.peers));
    let mut run = Run::new(scale, arguments.peers.clone(), &scratch.0, outcome, out, total);
    if let Err(failure) = measure(&mut run, &plan) {
        drop(scratch);
        refuse(&failure);
    }
    run.end();
    drop(scratch);
    if run.scale.judges {
        run.outcome.judged = goals::judge(&run.outcome);
    }
    run.keep();
    println!("{}", report::body(&run.outcome));
    if let Some(out) = out {
        keep(&run.outcome, out);
    }
}

/// What is to be measured.
struct Plan {
    limits: bool,
    usual: Vec<Workload>,
    million: Vec<Workload>,
    keepers: bool,
    cases: Vec<&'static Case>,
}

impl Plan {
    fn new(arguments: &Arguments, known: &Outcome) -> Self {
        let words: Vec<&String> = arguments.workloads.iter().chain(&arguments.words).collect();
        let chosen = |name: &str, is_known: bool| match words.as_slice() {
            [] => !is_known,
            words => words.iter().any(|word| name.contains(word.as_str())),
        };
        let workloads = |million: bool| {
            let of = WORKLOADS.iter().filter(move |workload| workload.million == million);
            of.filter(|workload| chosen(&workload.label(), known.row(&workload.label()).is_some()))
                .copied()
                .collect()
        };
        let is_known = |case: &str| known.measures.iter().any(|measure| measure.case == case);
        Self {
            limits: known.limits.is_empty(),
            usual: workloads(false),
            million: workloads(true),
            keepers: chosen(keepers::NAME, known.sizes.iter().any(|size| size.open_closed_ms.is_some())),
            cases: CASES.iter().filter(|case| chosen(case.name, is_known(case.name))).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.usual.is_empty() && self.million.is_empty() && !self.keepers && self.cases.is_empty()
    }

    /// About how long it takes.
    fn takes(&self, scale: &Scale, peers: &[String]) -> Duration {
        let queues = peers::chosen(peers).filter(|known| known.is_queue()).count();
        let all = peers::chosen(peers).count();
        let mut total: Duration = self.cases.iter().map(|case| case.takes(scale.million)).sum();
        if !self.usual.is_empty() {
            total += side_by_side::takes(scale, &self.usual, all, queues);
        }
        if !self.million.is_empty() || self.keepers {
            total += side_by_side::takes(scale, &self.million, all - queues, 0);
        }
        total
    }
}

fn measure(run: &mut Run, plan: &Plan) -> Result<(), String> {
    if plan.limits {
        run.begin("the bare machine");
        let limits = limits::measure(&run.directory, run.scale.limits);
        run.outcome.limits = limits
            .map_err(|error| format!("measuring the disk under {}: {error}", run.directory.display()))?;
    }
    if !plan.usual.is_empty() {
        let directory = run.directory.join("usual");
        side_by_side::run(run, &plan.usual, false, &directory);
        let _ = std::fs::remove_dir_all(&directory);
    }
    if !plan.million.is_empty() || plan.keepers {
        let directory = run.directory.join("million");
        side_by_side::run(run, &plan.million, true, &directory);
        if plan.keepers {
            keepers::measure(run, &directory);
        }
        let _ = std::fs::remove_dir_all(&directory);
    }
    for case in &plan.cases {
        case.measure(run);
    }
    Ok(())
}

/// What an earlier run has left in `out`, if it was about the same; else what begins here.
fn resumed(out: &Path, begins: Outcome) -> Outcome {
    let path = out.join(RESULTS);
    let Ok(text) = std::fs::read_to_string(&path) else { return begins };
    match serde_json::from_str::<Outcome>(&text) {
        Ok(known) if known.is_about(&begins) => known,
        Ok(_) => refuse(&format!("{} is of another machine or of other numbers", path.display())),
        Err(error) => refuse(&format!("{} cannot be continued: {error}", path.display())),
    }
}

fn list() {
    println!("peers: {}", peers::names().collect::<Vec<_>>().join(", "));
    println!("workloads and cases:");
    for workload in WORKLOADS {
        println!("  {}", workload.label());
    }
    println!("  {}", keepers::NAME);
    for case in CASES {
        println!("  {}", case.name);
    }
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
    if !outcome.rows.is_empty()
        && let Err(error) = chart::draw(outcome, out)
    {
        refuse(&format!("drawing into {}: {error}", out.display()));
    }
    write("readme.md", readme::text(outcome));
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
