//! P1, P2 and rule 11 with the real kernel: a process with real files, of whose system calls one fails, or all from one on, or
//! in which it is killed. The store latches where it must and goes on where it may, says so, and has lost nothing that was
//! acknowledged when it is opened again.
//!
//! The calls are made to fail by strace(1). What it cannot do: let `pwrite64` write a part (it can only lie about what was
//! written, which no kernel does; `a_real_disk_fills_up` has a real short write), and drop the page cache after a failed
//! `fdatasync` (the simulated file system does that).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod process;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use process::child::Orders;
use process::expected::Expected;
use process::notes::{not_checked, say};
use process::protocol::{Line, Op, Outcome};
use process::supervisor::{Start, Then, directory, settle, watch};

const CHILD: &str = "a_child";
const SEGMENT_BYTES: u64 = 64 << 10;
/// The calls that change files or make them durable.
const CALLS: [&str; 7] = ["pwrite64", "fdatasync", "fsync", "fallocate", "rename", "unlink", "openat"];

/// Not a test: what the others run in a process of its own.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn a_child() {
    process::child::run();
}

/// A store that goes from one failure to the next, and what is known of it.
struct Patient {
    _top: tempfile::TempDir,
    path: PathBuf,
    trace: PathBuf,
    expected: Expected,
    run: u64,
}

/// What a run with an injected failure came to.
#[derive(Debug, Default)]
struct Run {
    met: bool,
    told: bool,
    opened: bool,
    closed: bool,
    latched: u64,
    full: u64,
    failed: u64,
    done_after: u64,
    killed: bool,
}

impl Patient {
    /// `None` where processes cannot be traced.
    fn new(what: &str) -> Option<Self> {
        let probe =
            ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true"];
        let probed = Command::new("strace").args(probe).stderr(Stdio::null()).status();
        if !probed.is_ok_and(|status| status.success()) {
            not_checked(&format!("{what}: strace is missing, or this process may not trace others"));
            return None;
        }
        let (top, path) = directory();
        let trace = top.path().join("trace");
        let mut expected = Expected::new(1);
        expected.errors_allowed = true;
        let seed = process::seed();
        println!("PROCESS_SEED={seed}");
        Some(Self { _top: top, path, trace, expected, run: seed })
    }

    fn run(&mut self, inject: &[String]) -> Run {
        self.run += 1;
        let mut orders = Orders::new(&self.path, self.run);
        (orders.threads, orders.manual, orders.calls, orders.data_bytes_max) = (1, true, Some(120), 5_000);
        orders.relaxed = false;
        let mut before = vec!["strace", "-f", "-qq", "-o", self.trace.to_str().unwrap()];
        let traced = format!("trace={}", CALLS.join(","));
        // A tracer that injects stops at nothing else.
        let call = inject.first().map(|inject| format!("trace={}", inject.split([':', '=']).nth(1).unwrap()));
        before.extend(["-e", call.as_deref().unwrap_or(&traced)]);
        inject.iter().for_each(|inject| before.extend(["-e", inject]));
        let start = Start { body: CHILD, before: before.into_iter().map(str::to_owned).collect() };
        let mut run = Run::default();
        // A touch may move a deadline in memory only.
        let mut touching = false;
        let end = watch(&start, &orders, &mut self.expected, |line, expected, _| {
            match line {
                Line::Try { op, .. } => touching = matches!(op, Op::Touch(..)),
                Line::Looked { .. } => run.opened = true,
                Line::Closed => run.closed = true,
                Line::Event(event) => run.told |= event.starts_with("Latched"),
                Line::Did { outcome, .. } => {
                    if *outcome == Outcome::Latched && !run.told {
                        expected.fail("latched, and the observer was not told");
                    }
                    let failed_before = run.full + run.failed + run.latched > 0;
                    run.done_after += u64::from(failed_before && !touching && *outcome == Outcome::Done);
                    run.latched += u64::from(*outcome == Outcome::Latched);
                    run.full += u64::from(*outcome == Outcome::Full);
                    run.failed += u64::from(matches!(outcome, Outcome::Failed(_)));
                }
                _ => {}
            }
            Then::GoOn
        });
        let trace = std::fs::read_to_string(&self.trace).unwrap();
        run.killed = trace.contains("killed by SIGKILL");
        run.met = run.killed || trace.contains("(INJECTED)");
        if !run.killed && !end.status.success() {
            self.expected.fail(&format!("the child ended with {:?}", end.status));
        }
        run
    }

    /// How often each call is made in a run without a failure, in the thread that does the work.
    fn counts(&mut self) -> BTreeMap<&'static str, usize> {
        assert!(self.run(&[]).closed);
        let trace = std::fs::read_to_string(&self.trace).unwrap();
        let made = |call: &str| trace.lines().filter(|line| line.contains(&format!(" {call}("))).count();
        CALLS.iter().map(|call| (*call, made(call))).collect()
    }

    /// A run without a failure finds everything as it must be; so does this process.
    fn recovers(&mut self) {
        let run = self.run(&[]);
        assert!(run.opened && run.closed, "{run:?}");
        settle(&self.path, SEGMENT_BYTES);
    }
}

/// So many of the first `count` numbers, the first among them.
fn spread(count: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let wanted = wanted.min(count);
    (0..wanted).map(move |n| 1 + n * count / wanted)
}

fn inject(call: &str, what: &str, when: impl std::fmt::Display) -> Vec<String> {
    vec![format!("inject={call}:{what}:when={when}")]
}

/// Once, or from then on.
fn fails(patient: &mut Patient, call: &str, error: &str, count: usize, wanted: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    for nth in spread(count, wanted) {
        for when in [nth.to_string(), format!("{nth}+")] {
            let run = patient.run(&inject(call, &format!("error={error}"), &when));
            println!("{call} {error} when={when}: {run:?}");
            assert!(!run.killed);
            runs.push(run);
        }
    }
    runs
}

fn sum(runs: &[Run], of: impl Fn(&Run) -> u64) -> u64 {
    runs.iter().map(of).sum()
}

fn summary(what: &str, runs: &[Run], patient: &Patient) {
    say(&format!(
        "{what}: {} of {} failures met; {} stores latched and told, {} did not open; {} calls refused as latched, {} as full, {} \
         with the error; {} recoveries checked, {} calls acknowledged",
        sum(runs, |run| u64::from(run.met)),
        runs.len(),
        sum(runs, |run| u64::from(run.told)),
        sum(runs, |run| u64::from(!run.opened)),
        sum(runs, |run| run.latched),
        sum(runs, |run| run.full),
        sum(runs, |run| run.failed),
        patient.expected.counts.looks,
        patient.expected.counts.acknowledged,
    ));
}

#[test]
fn a_failed_fdatasync_or_fsync_latches_and_loses_nothing() {
    let Some(mut patient) = Patient::new("a failing fdatasync") else { return };
    let counts = patient.counts();
    let mut runs = fails(&mut patient, "fdatasync", "EIO", counts["fdatasync"], 6);
    runs.extend(fails(&mut patient, "fdatasync", "ENOSPC", counts["fdatasync"], 2));
    let latched = |run: &&Run| run.latched > 0;
    assert!(runs.iter().any(|run| latched(&run)), "{runs:?}");
    assert!(
        runs.iter().filter(latched).all(|run| run.done_after == 0),
        "a write after a failed sync: {runs:?}"
    );
    runs.extend(fails(&mut patient, "fsync", "EIO", counts["fsync"], 3));
    patient.recovers();
    summary("fdatasync and fsync that fail", &runs, &patient);
}

#[test]
fn a_failed_write_latches_and_loses_nothing_and_an_interrupted_one_is_tried_again() {
    let Some(mut patient) = Patient::new("a failing pwrite64") else { return };
    let counts = patient.counts();
    let mut runs = fails(&mut patient, "pwrite64", "EIO", counts["pwrite64"], 5);
    runs.extend(fails(&mut patient, "pwrite64", "ENOSPC", counts["pwrite64"], 2));
    assert!(runs.iter().any(|run| run.latched > 0), "{runs:?}");
    for nth in spread(counts["pwrite64"], 4) {
        // Every second call from there on: a signal in the middle of everything.
        let run = patient.run(&inject("pwrite64", "error=EINTR", format!("{nth}+2")));
        assert!(run.met && run.closed && run.latched + run.failed + run.full == 0, "{run:?}");
    }
    patient.recovers();
    summary("pwrite64 that fails", &runs, &patient);
}

#[test]
fn a_failed_fallocate_latches_nothing() {
    let Some(mut patient) = Patient::new("a failing fallocate") else { return };
    let counts = patient.counts();
    let mut runs = fails(&mut patient, "fallocate", "EIO", counts["fallocate"], 4);
    runs.extend(fails(&mut patient, "fallocate", "ENOSPC", counts["fallocate"], 4));
    assert_eq!(sum(&runs, |run| run.latched), 0, "{runs:?}");
    // Who meets it depends on who is faster: an opening, a writer, or the keeper, who tries again and tells nobody.
    assert!(runs.iter().any(|run| !run.opened || run.full + run.failed > 0), "{runs:?}");
    for error in ["EOPNOTSUPP", "ENOSYS"] {
        // A file system that has no such call: the blocks are taken by writing them.
        let run = patient.run(&inject("fallocate", &format!("error={error}"), "1+"));
        assert!(run.met && run.closed && run.failed + run.full == 0, "{error}: {run:?}");
    }
    let run = patient.run(&inject("fallocate", "error=EINTR", "1+2"));
    assert!(run.met && run.closed && run.failed + run.full == 0, "{run:?}");
    patient.recovers();
    summary("fallocate that fails", &runs, &patient);
}

#[test]
fn a_name_that_cannot_be_changed_loses_nothing() {
    let Some(mut patient) = Patient::new("a failing rename or unlink") else { return };
    let counts = patient.counts();
    let mut runs = fails(&mut patient, "rename", "EIO", counts["rename"], 3);
    runs.extend(fails(&mut patient, "unlink", "EIO", counts["unlink"], 3));
    runs.extend(fails(&mut patient, "unlink", "EACCES", counts["unlink"], 1));
    patient.recovers();
    summary("rename and unlink that fail", &runs, &patient);
}

/// A crash at each kind of call, wherever it stands: in opening, at work, in compaction, in closing.
#[test]
fn a_process_that_is_killed_in_a_call_loses_nothing() {
    let Some(mut patient) = Patient::new("kill -9 inside a system call") else { return };
    let counts = patient.counts();
    let (mut killed, mut met) = (0, BTreeMap::new());
    for call in CALLS.into_iter().filter(|call| *call != "openat") {
        for nth in spread(counts[call], 8) {
            let run = patient.run(&inject(call, "signal=SIGKILL", nth));
            killed += u64::from(run.killed);
            *met.entry(call).or_insert(0) += u64::from(run.killed);
        }
    }
    patient.recovers();
    say(&format!(
        "kill -9 inside a call: {killed} processes ({met:?}); {} recoveries checked, {} calls acknowledged",
        patient.expected.counts.looks, patient.expected.counts.acknowledged
    ));
    assert!(met.values().all(|killed| *killed > 0), "{met:?}");
}
