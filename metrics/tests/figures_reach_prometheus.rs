//! What a store counts arrives at Prometheus as it is, and what is built upon it knows the names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusBuilder;
use sessile::{Options, Store, Write};
use sessile_metrics::{Recording, describe, prometheus_text, record};

/// A store in which something of everything has happened.
fn lived_in(dir: &Path) -> Store {
    let options = Options::new().sessions_max(5).manual_maintenance(true).keep_ids(true);
    let store = options.open(dir).unwrap();
    for number in 0..4 {
        store.create(format!("SECRET{number}"), Write::new("x").subject("SECRETuser")).unwrap();
    }
    store.touch("SECRET1", Duration::from_secs(3600)).unwrap();
    store.update("SECRET1", "y").unwrap();
    store.destroy("SECRET2").unwrap();
    store.destroy_subject("SECRETuser", None).unwrap();
    for number in 4..10 {
        store.create(format!("SECRET{number}"), "x").unwrap();
    }
    store.clear().unwrap();
    store.create("SECRET10", "x").unwrap();
    store
}

/// Each sample, by its name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn the_text_says_what_the_store_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = lived_in(dir.path());
    let stats = store.stats();
    let text = prometheus_text(&stats);
    assert!(!text.contains("SECRET"), "{text}");
    let samples = samples(&text);
    let of = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    assert_eq!(of("sessile_sessions"), 1.0);
    assert_eq!((of("sessile_created_total"), of("sessile_updated_total")), (11.0, 1.0));
    let ended = |cause: &str| of(&format!("sessile_ended_total{{cause=\"{cause}\"}}"));
    assert_eq!((ended("destroyed"), ended("revoked"), ended("expired")), (1.0, 3.0, 0.0));
    assert!(ended("evicted") >= 1.0 && ended("cleared") >= 1.0 && ended("evicted") + ended("cleared") == 6.0);
    assert_eq!(of("sessile_sync_seconds_count"), stats.syncs as f64);
    assert_eq!(of("sessile_sync_seconds_bucket{le=\"+Inf\"}"), stats.syncs as f64);
    assert!(of("sessile_sync_seconds_bucket{le=\"0.00005\"}") <= stats.syncs as f64);
    assert!(of("sessile_sync_seconds_sum") > 0.0 && of("sessile_sync_seconds_sum") < 60.0);
    assert!(of("sessile_group_frames_sum") >= of("sessile_group_frames_count"));
    assert_eq!((of("sessile_latched"), of("sessile_clock_unconfirmed")), (0.0, 0.0));
    assert_eq!(of("sessile_erase_within_seconds"), 86_400.0);
    assert!(of("sessile_recovery_seconds") > 0.0 && samples.len() > 50, "{}", samples.len());
    let calls = |kind: &str| of(&format!("sessile_calls_total{{call=\"{kind}\"}}"));
    assert_eq!((calls("read"), calls("touch"), calls("write"), calls("end")), (0.0, 1.0, 12.0, 3.0));
    assert_eq!(of("sessile_call_seconds_count{call=\"touch\"}"), 1.0);
    assert_eq!(of("sessile_call_seconds_bucket{call=\"touch\",le=\"+Inf\"}"), 1.0);
    // What is cumulative never falls.
    let buckets: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("sessile_sync_seconds_bucket"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(buckets.len() == 15 && buckets.is_sorted(), "{buckets:?}");
}

/// The exporter of a program that has one, and the text: the same samples.
#[test]
fn the_facade_carries_the_same_samples() {
    let dir = tempfile::tempdir().unwrap();
    let stats = lived_in(dir.path()).stats();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        describe();
        record(&stats);
    });
    let (exported, ours) = (samples(&handle.render()), samples(&prometheus_text(&stats)));
    assert_eq!(exported, ours);
}

/// It goes on by itself, keeps no store open, and ends with it.
#[test]
fn a_recording_ends_with_its_store() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    let store = Store::open(dir.path()).unwrap();
    let recording = Recording::every(Duration::from_millis(10), &store).unwrap();
    store.create("an id", "x").unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while samples(&handle.render()).get("sessile_created_total") != Some(&1.0) {
        assert!(Instant::now() < until, "{}", handle.render());
        std::thread::yield_now();
    }
    let weak = store.weak();
    drop(store);
    assert!(matches!(weak.get("an id"), Err(sessile::Error::Closed)));
    assert!(Recording::every(Duration::from_secs(1), &weak).is_err());
    drop(recording);
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/watching")
}

/// Names of figures in a text of expressions.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("sessile_")).map(str::to_owned).collect()
}

/// The expressions of the dashboard.
fn expressions() -> Vec<String> {
    let dashboard: serde_json::Value =
        serde_json::from_slice(&std::fs::read(docs().join("dashboard.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_dashboard_and_the_alerts_know_the_names() {
    let dir = tempfile::tempdir().unwrap();
    let exposed = names_in(&prometheus_text(&lived_in(dir.path()).stats()));
    let alerts = std::fs::read_to_string(docs().join("alerts.yml")).unwrap();
    for (what, text) in [("alerts.yml", alerts), ("dashboard.json", expressions().join("\n"))] {
        let unknown: Vec<_> = names_in(&text).difference(&exposed).cloned().collect();
        assert!(unknown.is_empty(), "{what} asks for {unknown:?}");
        assert!(names_in(&text).len() > 5, "{what}");
    }
    let documented = std::fs::read_to_string(docs().join("../watching.md")).unwrap();
    let plain = |name: &&String| !["_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end));
    for name in exposed.iter().filter(plain) {
        assert!(documented.contains(name.as_str()), "{name} is not in docs/watching.md");
    }
}

/// Prometheus's own tool reads the text, the rules and the dashboard's expressions, and raises each alert in its test.
#[test]
fn promtool_agrees() {
    if Command::new("promtool").arg("--version").output().is_err() {
        let line = "not checked here: metrics, alert rules and the dashboard by promtool (Debian's prometheus has it)";
        eprintln!("{line}");
        if let Some(path) = std::env::var_os("SESSILE_TEST_NOTES") {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            let _ = file.and_then(|mut file| writeln!(file, "{line}"));
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let text = prometheus_text(&lived_in(dir.path()).stats());
    promtool(&["check", "metrics"], text.as_bytes());
    let file = |name: &str| docs().join(name).to_str().unwrap().to_owned();
    promtool(&["check", "rules", &file("alerts.yml")], b"");
    promtool(&["test", "rules", &file("alerts.test.yml")], b"");
    // As rules, so that they are parsed.
    let rules: String = (0..)
        .zip(expressions())
        .map(|(number, expression)| {
            let expression = expression.replace("$__rate_interval", "5m");
            format!(
                "      - {{ record: \"of:{number}\", expr: {} }}\n",
                serde_json::to_string(&expression).unwrap()
            )
        })
        .collect();
    let path = dir.path().join("dashboard.yml");
    std::fs::write(&path, format!("groups:\n  - name: dashboard\n    rules:\n{rules}")).unwrap();
    promtool(&["check", "rules", path.to_str().unwrap()], b"");
}

fn promtool(words: &[&str], stdin: &[u8]) {
    let mut child = Command::new("promtool")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have read enough.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
}
