//! `bench`, on every home: what it reports, that it refuses a name that is taken, and that nothing is left of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod common;
mod servers;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{fill, id, sessile};
use serde_json::Value;
use servers::{Database, Redis};

/// A small bench of a home; checks what every report must hold.
fn small(backend: &str, users: &str) -> Value {
    let ran = sessile([
        "bench",
        "--backend",
        backend,
        "--sessions",
        "200",
        "--users",
        users,
        "--seconds",
        "1",
        "--workers",
        "8",
        "--json",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stderr.contains("hunter2") && !ran.text().contains("hunter2"), "{ran:?}");
    let report = ran.json();
    let phases = report["phases"].as_array().unwrap();
    let names: Vec<_> = phases.iter().map(|phase| phase["phase"].as_str().unwrap()).collect();
    assert_eq!(names, ["create", "get", "touch", "update", "create and destroy", "web mix"]);
    assert_eq!(phases[0]["requests"], 200);
    for phase in phases {
        let figure = |name: &str| phase[name].as_f64().unwrap();
        assert!(phase["errors"].as_object().unwrap().is_empty(), "{phase}");
        let rate = figure("requests") / figure("seconds");
        assert!((figure("per_second") - rate).abs() < 1e-6 * rate, "{phase}");
        assert!(0.0 < figure("p50_us") && figure("p50_us") <= figure("p99_us"), "{phase}");
        assert!(figure("p99_us") <= figure("p999_us") && figure("p999_us") <= figure("max_us"), "{phase}");
        // Eight workers wait for one answer each: so many fit into the time (Little's law).
        let mean_at_most = 8e6 / figure("per_second");
        assert!(figure("p50_us") < 3.0 * mean_at_most, "{phase}");
        assert!(phase["phase"] == "create" || figure("seconds") >= 1.0, "{phase}");
    }
    report
}

fn a_session(report: &Value, what: &str) -> f64 {
    report["a_session"][what].as_f64().unwrap()
}

#[test]
fn a_directory_stays_as_it_was() {
    let temp = tempfile::tempdir().unwrap();
    // A server has its sessions there.
    let server = fill(temp.path());
    let address = format!("sessile:{}?durability=written", temp.path().display());
    let report = small(&address, "100");
    assert!((20.0..2000.0).contains(&a_session(&report, "memory")), "{report}");
    assert!(!temp.path().join("sessile_bench").exists());
    assert_eq!((server.len(), server.get(id(4)).unwrap().is_some()), (10, true));

    fs::create_dir(temp.path().join("sessile_bench")).unwrap();
    sessile(["bench", "--backend", &address]).fails(8, "a directory sessile_bench already");
    assert!(temp.path().join("sessile_bench").exists());

    // One that was made is removed, too.
    let new = temp.path().join("new");
    small(&format!("sessile:{}", new.display()), "0");
    assert!(!new.exists());
}

#[test]
fn memory_is_measured() {
    let report = small("memory:", "100");
    assert_eq!((&report["home"], &report["a_session"]["memory"]), (&"memory:".into(), &Value::Null));
}

#[test]
fn a_redis_server_stays_as_it_was() {
    let Some(redis) = Redis::start() else { return };
    redis.ask(&["SET", "sessile_bench:somebody's", "1"]);
    let report = small(&redis.address(), "100");
    // A hash with its fields and 490 bytes of data.
    assert!((490.0..5000.0).contains(&a_session(&report, "memory")), "{report}");
    assert!(report["phases"][2]["logged_bytes"].as_f64().unwrap() > 50.0, "a touch is in the log: {report}");
    assert_eq!(redis.ask(&["KEYS", "*"]), "sessile_bench:somebody's");

    redis.ask(&["SET", "sessile_bench:secret", "1"]);
    sessile(["bench", "--backend", &redis.address()]).fails(8, "with the prefix sessile_bench already");
    assert_eq!(redis.ask(&["DBSIZE"]), "2");
}

#[test]
fn a_server_that_goes_away_is_told_by_errors() {
    let Some(redis) = Redis::start() else { return };
    let child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["bench", "--backend", &redis.address(), "--sessions", "200", "--seconds", "1", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while redis.ask(&["DBSIZE"]).parse::<u64>().unwrap_or_default() < 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    drop(redis);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("what was made is still in redis://"), "{said}");
    assert!(said.contains("cannot be reached") && !said.contains("hunter2"), "{said}");
}

#[test]
fn an_interrupted_bench_cleans_up() {
    let Some(redis) = Redis::start() else { return };
    let child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["bench", "--backend", &redis.address(), "--sessions", "200", "--seconds", "100"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while redis.ask(&["DBSIZE"]).parse::<u64>().unwrap_or_default() < 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("interrupted"));
    assert_eq!(redis.ask(&["DBSIZE"]), "0");
}

#[test]
fn a_database_stays_as_it_was() {
    let Some(database) = Database::start() else { return };
    let schemas =
        "SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'";
    let report = small(&database.address(), "100");
    assert!((490.0..50_000.0).contains(&a_session(&report, "disk")), "{report}");
    assert!(a_session(&report, "indexes") < a_session(&report, "disk"), "{report}");
    assert!(report["phases"][2]["logged_bytes"].as_f64().unwrap() > 50.0, "a touch is in the log: {report}");
    assert_eq!(database.ask(schemas), "information_schema public");

    database.ask("CREATE SCHEMA sessile_bench");
    sessile(["bench", "--backend", &database.address()]).fails(8, "a schema sessile_bench already");
    assert_eq!(database.ask(schemas), "information_schema public sessile_bench");
}

#[test]
fn mistakes_are_sentences_without_a_password() {
    for (backend, code, words) in [
        ("nothing://:hunter2@there", 2, "begins with one of sessile:"),
        ("hunter2", 2, "begins with one of sessile:"),
        ("sessile:", 2, "names its directory"),
        ("redis://:hunter2@127.0.0.1:1", 1, "cannot be reached"),
        ("postgres://sessile:hunter2@127.0.0.1:1/x", 1, "cannot be reached"),
        ("env:NO_SUCH_VARIABLE", 2, "name of a variable"),
    ] {
        let ran = sessile(["bench", "--backend", backend, "--sessions", "1"]);
        ran.fails(code, words);
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    }
    sessile(["bench", "--backend", "memory:", "--namespace", "No name"]).fails(2, "the name of a set");
    let extra = sessile(["bench", "redis://:hunter2@there"]);
    extra.fails(2, "takes no such argument");
    assert!(!extra.stderr.contains("hunter2"));
}
