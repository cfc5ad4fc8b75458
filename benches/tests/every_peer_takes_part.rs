//! The program itself, on a few requests: every store answers every kind of request rightly, every case finds what it looks
//! for, and what came of it is written.

#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Those that need nothing but this program. Redis takes part where it is installed.
const PEERS: [&str; 8] =
    ["sessile", "SQLite", "connect-sqlite3", "redb", "fjall", "LMDB", "HashMap", "dashmap"];
const QUEUES: [&str; 4] = ["SQLite, grouped", "redb, grouped", "fjall, grouped", "LMDB, grouped"];

struct Out(PathBuf);

impl Out {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sessile-bench-{name}-{}", std::process::id())))
    }

    fn results(&self) -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(self.0.join("results.json")).unwrap()).unwrap()
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str], out: &Path) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sessile-bench"));
    let run = program.arg("--trial").args(arguments).arg("--out").arg(out).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

fn labels(results: &serde_json::Value) -> Vec<String> {
    let rows = results["rows"].as_array().unwrap();
    rows.iter().map(|row| row["label"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_peer_takes_part_and_the_report_is_written() {
    let out = Out::new("peers");
    run(
        &["load", "get, missing", "touch, always logged", "web, Synced, 8", "as Redis publishes, Written, 8"],
        &out.0,
    );
    let results = out.results();
    let rows = results["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5);
    for row in rows {
        // How fast it was in so short a time says nothing.
        let takes_part =
            |peer: &str| row["figures"].as_array().unwrap().iter().any(|figure| figure["peer"] == peer);
        assert!(PEERS.iter().all(|peer| takes_part(peer)), "{row}");
        if row["threads"] == 8 {
            assert!(QUEUES.iter().all(|peer| takes_part(peer)), "{row}");
        }
    }
    for name in ["report.md", "readme.md"] {
        let report = std::fs::read_to_string(out.0.join(name)).unwrap();
        let shown = PEERS.iter().filter(|peer| name == "report.md" || !["HashMap", "dashmap"].contains(peer));
        assert!(shown.into_iter().all(|peer| report.contains(peer)), "{name}");
    }
    for name in ["throughput.png", "latency.svg", "readme.svg"] {
        assert!(out.0.join(name).exists(), "{name}");
    }
}

#[test]
fn peers_are_opened_again_after_a_close_and_after_a_kill() {
    let out = Out::new("opened");
    run(&["million, peers"], &out.0);
    let results = out.results();
    assert_eq!(results["failures"].as_array().unwrap().len(), 0, "{}", results["failures"]);
    for size in results["sizes"].as_array().unwrap() {
        assert!(size["memory_bytes"].is_number(), "{size}");
        let keeps = !["HashMap", "dashmap"].iter().any(|peer| size["peer"] == *peer);
        assert!(!keeps || size["open_killed_ms"].is_number(), "{size}");
        // redb does not hand to the system what it was given, and Redis not while a sync of its log runs.
        let holds_back = ["redb", "Redis"].iter().any(|peer| size["peer"] == *peer);
        assert!(!keeps || holds_back || size["missing"] == 0.0, "{size}");
    }
}

#[test]
fn a_case_finds_what_it_looks_for() {
    let out = Out::new("cases");
    run(&["frames", "revocation", "ten million", "touches", "--peers", "fjall"], &out.0);
    let results = out.results();
    assert_eq!(results["failures"].as_array().unwrap().len(), 0, "{}", results["failures"]);
    let figure = |case: &str, name: &str| {
        let measures = results["measures"].as_array().unwrap();
        let is_it = |measure: &&serde_json::Value| measure["case"] == case && measure["name"] == name;
        measures.iter().find(is_it).unwrap_or_else(|| panic!("{case}: {name}"))["value"].as_f64().unwrap()
    };
    assert!((40.0..=64.0).contains(&figure("frames", "frame over the payload, created")));
    assert!(figure("ten million", "sessions missing after the kill") == 0.0);
    assert!(figure("ten million", "openings after a clean close that used the snapshot") > 0.0);
    assert!(figure("revocation", "destroy_subject of 50 sessions, not synced") > 0.0);
}

#[test]
fn a_run_goes_on_where_it_ended_and_a_word_measures_again() {
    let out = Out::new("resumed");
    run(&["get, missing", "--peers", "hashmap"], &out.0);
    run(&["get, uniform, 1 thread", "--peers", "hashmap", "--resume"], &out.0);
    assert_eq!(labels(&out.results()).len(), 3);
    run(&["get, missing", "--peers", "hashmap", "--resume"], &out.0);
    assert_eq!(labels(&out.results()).len(), 3);
}

#[test]
fn a_name_that_nobody_has_is_refused() {
    for arguments in [["--peers", "oracle"], ["--workloads", "coffee"], ["--sessions", "0"]] {
        let run = Command::new(env!("CARGO_BIN_EXE_sessile-bench")).args(arguments).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(run.stdout.is_empty() && run.stderr.starts_with(b"sessile-bench: "));
    }
}
