//! The program itself, for a fraction of a second: every store answers every page rightly over a real socket, and what came of
//! it is written.

use std::path::PathBuf;
use std::process::Command;

#[path = "../../../tests/process/notes.rs"]
mod notes;

/// Those that need nothing but this program.
const STORES: [&str; 7] = [
    "sqlite-full-pool",
    "sqlite-full-alone",
    "sessile-synced",
    "memory",
    "sessile-written",
    "sqlite-normal-alone",
    "sqlite-normal-pool",
];
/// Those that take part where `redis-server` is installed.
const REDIS: [&str; 2] = ["redis-always", "redis-everysec"];
const PAGES: [&str; 3] = ["read", "slide", "write"];

struct Out(PathBuf);

impl Drop for Out {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_store_answers_every_page_and_the_report_is_written() {
    let out = Out(std::env::temp_dir().join(format!("sessile-bench-http-{}", std::process::id())));
    let mut program = Command::new(env!("CARGO_BIN_EXE_sessile-bench-http"));
    let run = program.args(["--quick", "--out"]).arg(&out.0).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    let read = |name| std::fs::read_to_string(out.0.join(name)).unwrap();
    let results: serde_json::Value = serde_json::from_str(&read("results.json")).unwrap();
    let mut stores = STORES.to_vec();
    if results["left_out"].as_array().unwrap().is_empty() {
        stores.extend(REDIS);
    } else {
        notes::not_checked("Redis in the comparison of servers: there is no redis-server on this machine");
    }
    let rows = results["rows"].as_array().unwrap();
    for page in PAGES {
        for store in &stores {
            let row = rows.iter().find(|row| row["page"] == page && row["contender"] == *store);
            let sample = &row.unwrap_or_else(|| panic!("{store} on {page}"))["samples"][0];
            assert!(sample["requests"].as_u64() > Some(0), "{store} on {page}: {sample}");
            assert!(sample["server_ns"].as_f64() > Some(0.0), "{store} on {page}: {sample}");
        }
    }
    assert_eq!(rows.len(), PAGES.len() * stores.len(), "nobody else takes part");
    assert!(read("report.md").contains("none is judged"), "so short a run judges nothing");
}
