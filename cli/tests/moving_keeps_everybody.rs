//! `import`, `export` and `migrate` as an operator calls them: reports, exit codes, secrets, and a process that dies midway.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{fill, filled, id, sessile, sessile_with, shows_an_id};
use sessile::{Options, Store};

const FAR_MS: u64 = 4_000_000_000_000;

fn lines(count: usize) -> String {
    (0..count)
        .map(|number| {
            let user = number % 3;
            format!(
                "{{\"id\":\"{}\",\"data\":\"{{\\\"user\\\":{user}}}\",\"deadline_ms\":{FAR_MS}}}\n",
                id(number)
            )
        })
        .collect()
}

#[test]
fn an_import_reports_and_shows_no_id() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("new");
    let dir = dir.to_str().unwrap();
    let text = format!("{}nonsense {}\n", lines(10), id(3));
    let look = ["import", "jsonl:-", "--dir", dir, "--subject", "/user", "--dry-run", "--json"];
    let report = sessile_with(text.as_bytes(), look).json();
    assert_eq!((&report["written"], &report["dry_run"]), (&10.into(), &true.into()));
    assert!(!Path::new(dir).exists());

    let ran = sessile_with(text.as_bytes(), ["import", "jsonl:-", "--dir", dir, "--subject", "/user"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.text().contains("skipped 1: damaged data\n  line 11: is no JSON"), "{}", ran.text());
    assert!(!shows_an_id(&ran.stdout) && !shows_an_id(ran.stderr.as_bytes()));
    assert_eq!(sessile_with(b"1", ["destroy-subject", dir, "--json"]).json()["destroyed"], 3);

    let strict =
        sessile_with(text.as_bytes(), ["import", "jsonl:-", "--dir", dir, "--again", "--strict", "--json"]);
    strict.fails(8, "4 sessions could not be moved");
    let report = strict.json_whatever_the_code();
    assert_eq!(
        (&report["already_there"], &report["written"]),
        (&7.into(), &0.into()),
        "three have logged out"
    );
}

#[test]
fn a_store_in_use_and_a_store_that_is_there_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let import = |more: &[&str]| {
        let arguments = ["import", "jsonl:-", "--dir", dir].into_iter().chain(more.iter().copied());
        sessile_with(lines(12).as_bytes(), arguments)
    };
    let server = fill(temp.path());
    import(&[]).fails(8, "--again");
    import(&["--again"]).fails(4, "is held by");
    server.close().unwrap();
    drop(server);
    let report = import(&["--again", "--json"]).json();
    assert_eq!((&report["already_there"], &report["written"]), (&10.into(), &2.into()));
    assert_eq!(sessile_with(id(0).as_bytes(), ["get", dir, "--data"]).text(), "data of 0");
}

#[test]
fn a_store_goes_out_and_in_again() {
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    let (old, new, third) = (path("old"), path("new"), path("third"));
    filled(Path::new(&old));
    // The sessions go to standard output, and the report beside them.
    let out = sessile(["export", "--dir", &old, "jsonl:-", "--json"]);
    assert_eq!((out.code, out.text().lines().count()), (0, 11), "{out:?}");
    assert!(out.stderr.contains("\"written\":10") && !shows_an_id(&out.stdout));
    let report = sessile_with(&out.stdout, ["import", "jsonl:-", "--dir", &new, "--json"]).json();
    assert_eq!((&report["written"], &report["with_subject"]), (&10.into(), &3.into()));

    let (from, to) = (format!("sessile:{new}"), format!("sessile:{third}"));
    let report = sessile(["migrate", &from, &to, "--json"]).json();
    assert_eq!((&report["written"], &report["verified"]["compared"]), (&10.into(), &10.into()));
    let store = Store::open(&third).unwrap();
    assert!((0..10).all(|number| store.get(id(number)).unwrap().is_some()));
    assert_eq!(store.destroy_subject("alice", None).unwrap(), 3);
}

#[test]
fn a_mistake_is_a_sentence_without_a_password() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("new");
    let dir = dir.to_str().unwrap();
    for (from, code, words) in [
        ("mysql://app:hunter2@db/app", 2, "the formats are connect-sqlite3"),
        ("connect-sqlite3:./x?hunter2", 2, "table=sessions"),
        ("connect-sqlite3:/nowhere/x.db", 1, "/nowhere/x.db"),
        ("jsonl:", 2, "behind the colon"),
        ("env:NO_SUCH_VARIABLE", 2, "name of a variable"),
        ("sessile:/nowhere/at/all", 1, "/nowhere/at/all"),
    ] {
        let ran = sessile(["import", from, "--dir", dir]);
        ran.fails(code, words);
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    }
    let extra = sessile(["import", "jsonl:-", "postgres://app:hunter2@db/app", "--dir", dir]);
    extra.fails(2, "may be an address with a password");
    assert!(!extra.stderr.contains("hunter2"));
    assert!(!Path::new(dir).exists());
}

/// Killed in the middle, it goes on from its note; each session is there once, and nobody twice.
#[test]
fn an_import_that_was_killed_goes_on() {
    const SESSIONS: usize = 60_000;
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    let (file, dir, note) = (path("old.jsonl"), path("new"), path("note"));
    let text: String = (0..SESSIONS)
        .map(|n| format!("{{\"id\":\"id{n}\",\"data\":\"x\",\"deadline_ms\":{FAR_MS}}}\n"))
        .collect();
    fs::write(&file, text).unwrap();
    let from = format!("jsonl:{file}");
    let arguments = ["import", &from, "--dir", &dir, "--resume", &note, "--json"];
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_sessile")).args(arguments).stdout(Stdio::null()).spawn().unwrap();
    while !Path::new(&note).exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was killed, and had not ended before");
    let noted = fs::read_to_string(&note).unwrap();
    assert!(!noted.contains(&file), "{noted}");

    let report = sessile(arguments).json();
    assert_eq!((&report["resumed"], &report["read"]), (&true.into(), &SESSIONS.into()));
    let [written, there] = ["written", "already_there"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(written + there, SESSIONS as u64);
    assert_eq!(report["verified"]["compared"], SESSIONS);
    assert!(!Path::new(&note).exists());
    assert_eq!(Options::new().read_only(true).create(false).open(&dir).unwrap().len(), SESSIONS as u64);
}
