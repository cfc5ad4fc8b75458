//! Memory and opening at one million sessions, each in a process of its own, so that nothing else is counted.
//!
//! The parent starts this program again with [`ARGUMENT`], a task and a directory; the child prints `name value` lines.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use sessile::{Durability, Store, Write};

use crate::data::{Id, payload};
use crate::meter;
use crate::outcome::{Measure, median};
use crate::peers;

/// What it is chosen by on the command line.
pub const NAME: &str = "million";
/// What tells the program that it is a child.
pub const ARGUMENT: &str = "--child";
const OPENINGS: usize = 3;
/// How many sessions are written before the process is killed.
const LAST_WRITES: u64 = 10_000;

/// Runs the children one after the other and reports what they found.
#[must_use]
pub fn measure(directory: &Path, sessions: u64) -> Vec<Measure> {
    let store = directory.join("million");
    let child = |task: &str| run(task, &store, sessions);
    let measure = |name: &str, value: f64, unit: &'static str, goal: Option<f64>| Measure {
        name: name.to_owned(),
        value,
        unit,
        goal,
    };
    let each = |bytes: f64| bytes / sessions as f64;

    let loaded = child("load");
    let opened: Vec<Report> = (0..OPENINGS).map(|_| child("open")).collect();
    let killed = child("kill");
    let recovered = child("open");
    let mut subjects = directory.to_owned();
    subjects.push("subjects");
    let with_subject = run("load-with-subject", &subjects, sessions);

    let from_snapshot = opened.iter().all(|report| report.get("from_snapshot") == 1.0);
    let open_ms = median(opened.iter().map(|report| report.get("open_ms")).collect());
    let how = if from_snapshot { "from the snapshot" } else { "NOT from a snapshot" };
    let bytes = "B a session";
    vec![
        measure("memory after loading, RssAnon", each(loaded.get("anonymous_bytes")), bytes, Some(64.0)),
        measure("memory after opening, RssAnon", each(opened[0].get("anonymous_bytes")), bytes, Some(64.0)),
        measure(
            "the same as Stats::memory_bytes says, after loading",
            each(loaded.get("memory_bytes")),
            bytes,
            None,
        ),
        measure("with a subject each, RssAnon", each(with_subject.get("anonymous_bytes")), bytes, None),
        measure("on disk after loading", each(loaded.get("disk_bytes")), bytes, None),
        measure("loaded one by one, Written", loaded.get("per_second"), "sessions a second", None),
        measure("close", loaded.get("close_ms"), "ms", None),
        measure(&format!("open after a clean close, {how}"), open_ms, "ms", Some(1000.0)),
        measure("all of it read once after opening", opened[0].get("read_ms"), "ms", None),
        measure("sessions written before the kill", killed.get("written"), "sessions", None),
        measure("open after the kill", recovered.get("open_ms"), "ms", None),
        measure(
            "sessions missing after the kill",
            killed.get("expected") - recovered.get("sessions"),
            "sessions",
            None,
        ),
    ]
}

struct Report(HashMap<String, f64>);

impl Report {
    fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(f64::NAN)
    }
}

fn run(task: &str, store: &Path, sessions: u64) -> Report {
    eprintln!("  {sessions} sessions: {task}");
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program)
        .args([ARGUMENT, task])
        .arg(store)
        .arg(sessions.to_string())
        .stderr(Stdio::inherit())
        .output()
        .expect("the child starts");
    let aborts = task == "kill";
    assert!(output.status.success() || aborts, "the child that should {task} failed: {}", output.status);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let values = lines.lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Report(values.collect())
}

/// What a child does with its arguments.
pub fn child(arguments: &[String]) {
    let [task, directory, sessions] = arguments else {
        panic!("a child needs a task, a directory and a number")
    };
    let (directory, sessions) = (Path::new(directory), sessions.parse().expect("a number of sessions"));
    match task.as_str() {
        "load" => load(directory, sessions, false),
        "load-with-subject" => load(directory, sessions, true),
        "open" => open(directory, sessions),
        "kill" => kill(directory, sessions),
        task => panic!("no child does {task}"),
    }
}

fn load(directory: &Path, sessions: u64, with_subject: bool) {
    let before = meter::anonymous_bytes();
    let store = peers::options().open(directory).expect("sessile opens");
    let start = Instant::now();
    for number in 0..sessions {
        let mut write = Write::new(payload(number)).durability(Durability::Written);
        if with_subject {
            write = write.subject(number.to_string());
        }
        store.create(Id::of(number).as_str(), write).expect("sessile creates");
    }
    say("per_second", sessions as f64 / start.elapsed().as_secs_f64());
    store.flush().expect("sessile flushes");
    say("anonymous_bytes", (meter::anonymous_bytes() - before) as f64);
    let stats = store.stats();
    say("memory_bytes", stats.memory_bytes as f64);
    say("disk_bytes", stats.disk_bytes as f64);
    assert_eq!(store.len(), sessions);
    close(&store);
}

fn open(directory: &Path, sessions: u64) {
    let before = meter::anonymous_bytes();
    let start = Instant::now();
    let store = peers::options().open(directory).expect("sessile opens");
    say("open_ms", start.elapsed().as_secs_f64() * 1e3);
    say("anonymous_bytes", (meter::anonymous_bytes() - before) as f64);
    let recovery = store.stats().recovery;
    say("from_snapshot", f64::from(u8::from(recovery.from_snapshot)));
    say("segments_scanned", recovery.segments_scanned as f64);
    say("sessions", store.len() as f64);
    let start = Instant::now();
    for number in 0..sessions {
        let found = store.get(Id::of(number).as_str()).expect("sessile gets");
        assert!(found.is_some(), "session {number} is missing");
    }
    say("read_ms", start.elapsed().as_secs_f64() * 1e3);
    close(&store);
}

fn kill(directory: &Path, sessions: u64) {
    let store = peers::options().open(directory).expect("sessile opens");
    for number in sessions..sessions + LAST_WRITES {
        let write = Write::new(payload(number)).durability(Durability::Written);
        store.create(Id::of(number).as_str(), write).expect("sessile creates");
    }
    say("written", LAST_WRITES as f64);
    say("expected", store.len() as f64);
    std::process::abort();
}

fn close(store: &Store) {
    let start = Instant::now();
    store.close().expect("sessile closes");
    say("close_ms", start.elapsed().as_secs_f64() * 1e3);
}

fn say(name: &str, value: f64) {
    println!("{name} {value}");
}
