//! The program itself, on a few requests: every store answers every kind of request rightly, and what came of it is written.

use std::process::Command;

/// Those that need nothing but this program. Redis takes part where it is installed.
const PEERS: [&str; 12] = [
    "sessile",
    "SQLite",
    "connect-sqlite3",
    "SQLite, grouped",
    "redb",
    "redb, grouped",
    "fjall",
    "fjall, grouped",
    "LMDB",
    "LMDB, grouped",
    "HashMap",
    "dashmap",
];

#[test]
fn every_peer_takes_part_and_the_report_is_written() {
    let out = std::env::temp_dir().join(format!("sessile-bench-test-{}", std::process::id()));
    let run = Command::new(env!("CARGO_BIN_EXE_sessile-bench"))
        .args(["--trial", "get, missing, 1", "touch, always logged", "web, Synced", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let results = std::fs::read_to_string(out.join("results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    let rows = results["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        for peer in PEERS {
            // How fast it was in so short a time says nothing.
            let takes_part = row["figures"].as_array().unwrap().iter().any(|figure| figure["peer"] == peer);
            assert!(takes_part, "{peer} in {}", row["label"]);
        }
    }
    let report = std::fs::read_to_string(out.join("report.md")).unwrap();
    assert!(PEERS.iter().all(|peer| report.contains(peer)));
    assert!(out.join("throughput.png").exists() && out.join("latency.svg").exists());
    std::fs::remove_dir_all(&out).unwrap();
}

#[test]
fn a_name_that_nobody_has_is_refused() {
    for arguments in [["--peers", "oracle"], ["--workloads", "coffee"], ["--sessions", "0"]] {
        let run = Command::new(env!("CARGO_BIN_EXE_sessile-bench")).args(arguments).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(run.stdout.is_empty() && run.stderr.starts_with(b"sessile-bench: "));
    }
}
