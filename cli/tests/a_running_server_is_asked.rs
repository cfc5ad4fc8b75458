//! While a process holds a store and serves its operators, each command goes to it, and says what it says without one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use common::{Ran, fill, filled, id, sessile, sessile_with, shows_an_id};
use sessile::{Options, Store};
use sessile_control::{Control, FILE_NAME};

fn served(dir: &Path) -> (Store, Control) {
    let store = fill(dir);
    let control = Control::serve(&store).unwrap();
    (store, control)
}

/// What looks, in both forms.
fn looks(dir: &str, handle: &str) -> Vec<Ran> {
    let secret = id(3);
    let with = |words: &[&str]| sessile_with(secret.as_bytes(), [words[0], dir].iter().chain(&words[1..]));
    vec![
        with(&["ls"]),
        with(&["ls", "--json"]),
        with(&["ls", "--json", "--limit", "3"]),
        with(&["get", "--handle", handle]),
        with(&["get", "--handle", "00112233445566778899aabbccddeeff"]),
        with(&["get"]),
        with(&["get", "--json", "--data"]),
        with(&["get", "--data"]),
    ]
}

#[test]
fn what_is_told_over_the_socket_is_what_the_files_tell() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let (store, control) = served(temp.path());
    let handle = store.handle_of(id(5)).unwrap().to_string();
    let over_the_socket = looks(dir, &handle);
    let verified = sessile(["verify", dir, "--json"]).json();
    drop(control);
    for (there, here) in over_the_socket.iter().zip(looks(dir, &handle)) {
        assert!(!shows_an_id(&there.stdout) && !shows_an_id(there.stderr.as_bytes()), "{there:?}");
        // Streams have no order of their own.
        let sorted = |ran: &Ran| {
            let mut lines: Vec<_> = ran.stdout.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            lines.sort();
            lines
        };
        assert_eq!((there.code, &there.stderr, sorted(there)), (here.code, &here.stderr, sorted(&here)));
    }
    assert_eq!(sessile(["verify", dir, "--json"]).json(), verified);
    drop(store);
}

#[test]
fn stats_of_a_served_store_are_complete() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let (store, control) = served(temp.path());
    let stats = sessile(["stats", dir, "--json"]).json();
    assert_eq!(stats["held_by"]["pid"], std::process::id());
    assert!(stats.as_object().unwrap().values().all(|figure| !figure.is_null()), "{stats}");
    assert_eq!((&stats["sessions"], &stats["health"]), (&10.into(), &"sound".into()));
    let text = sessile(["stats", dir]).text();
    assert!(text.contains(&format!("process {}", std::process::id())) && !text.contains("unknown"), "{text}");
    drop(control);
    assert!(sessile(["stats", dir, "--json"]).json()["health"].is_null(), "without the socket it is a look");
    drop(store);
}

#[test]
fn changes_are_done_by_the_process_that_holds_the_store() {
    let temp = tempfile::tempdir().unwrap();
    let (path, copy) = (temp.path().join("store"), temp.path().join("copy"));
    let dir = path.to_str().unwrap();
    let (store, _control) = served(&path);
    let live = |number: usize| store.get(id(number)).unwrap().is_some();
    let handle = store.handle_of(id(5)).unwrap().to_string();

    let secret = id(4);
    assert_eq!(sessile_with(secret.as_bytes(), ["destroy", dir, "--json"]).json()["destroyed"], true);
    let again = sessile_with(secret.as_bytes(), ["destroy", dir, "--json"]);
    again.fails(3, "no live session of that id");
    assert_eq!(again.json_whatever_the_code()["destroyed"], false);
    assert_eq!(sessile(["destroy", dir, "--handle", &handle]).text(), "The session is ended.\n");
    assert_eq!(sessile_with(b"alice\n", ["destroy-subject", dir]).text(), "3 sessions ended.\n");
    assert!((0..6).all(|number| live(number) == (number == 3)) && (6..10).all(live));

    let compacted = sessile(["compact", dir, "--json"]).json();
    assert_eq!(compacted["after"]["sessions"], 5, "{compacted}");
    // From another directory than the server's.
    let backup = std::process::Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["backup", dir, "copy", "--json"])
        .current_dir(temp.path())
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&backup.stdout).unwrap();
    assert_eq!((&report["sessions"], &report["destination"]), (&5.into(), &"copy".into()));
    assert_eq!(Options::new().read_only(true).open(&copy).unwrap().len(), 5);
    let own = sessile(["backup".as_ref(), path.as_os_str(), path.as_os_str()]);
    own.fails(8, "is not empty");
    for arguments in [&["clock", dir][..], &["clock", dir, "--confirm"]] {
        assert!(sessile(arguments).text().contains("believed"));
    }
    assert_eq!(sessile(["clock", dir, "--json"]).json()["hidden"], 0);
}

#[test]
fn top_shows_a_server_at_work_a_held_store_and_one_at_rest() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let (store, control) = served(temp.path());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let live = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                store.create(format!("SECRET of {number}"), "x").unwrap();
            }
        });
        let live = sessile(["top", dir, "--once", "--json", "--every", "200ms"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        live.json()
    });
    assert!(live["per_second"]["created"].as_f64().unwrap() > 1.0, "{live}");
    let figures = &live["figures"];
    assert_eq!((&figures["whole"], &figures["held_by"]["pid"]), (&true.into(), &std::process::id().into()));
    assert!(figures["created"].as_u64() > Some(10), "{live}");
    assert_eq!(figures["ahead"]["hours"].as_array().unwrap().len(), 24);
    let text = sessile(["top", dir, "--once", "--every", "100ms"]).text();
    assert!(text.lines().count() == 24 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("sound") && text.contains("created") && !text.contains("SECRET"), "{text}");

    drop(control);
    let held = sessile(["top", dir, "--once"]).text();
    assert!(held.contains("serves no operators"), "{held}");
    store.close().unwrap();
    let rest = sessile(["top", dir, "--once"]).text();
    assert!(rest.contains("nobody") && rest.contains("sound"), "{rest}");

    sessile(["top", dir]).fails(2, "--once");
    sessile(["top", dir, "--json"]).fails(2, "--once");
    sessile(["top", dir, "--once", "--every", "1ms"]).fails(2, "at least 100ms");
}

#[test]
fn without_a_socket_the_holder_is_named_and_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let (_store, control) = served(temp.path());
    drop(control);
    let ran = sessile(["compact", dir]);
    ran.fails(4, &format!("held by process {}", std::process::id()));
    assert!(ran.stderr.contains("Control::serve"), "{ran:?}");
    // What a dead process left behind is nobody.
    fs::write(temp.path().join(FILE_NAME), "").unwrap();
    sessile(["compact", dir]).fails(4, "held by process");
    assert_eq!(sessile(["stats", dir]).code, 0);
}

/// Root has no need to be somebody else: the files that are written are the server's.
#[test]
fn root_may_ask_where_he_may_not_write() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let (store, control) = served(temp.path());
    if chown(temp.path(), Some(4711), None).is_err() {
        return; // Only root can give a directory away.
    }
    let secret = id(6);
    assert_eq!(sessile_with(secret.as_bytes(), ["destroy", dir]).code, 0);
    assert!(store.get(id(6)).unwrap().is_none());
    drop(control);
    sessile_with(secret.as_bytes(), ["destroy", dir]).fails(7, "belongs to user 4711");
}

#[test]
fn what_the_server_refuses_has_its_exit_code_and_no_id() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_str().unwrap();
    let (_store, _control) = served(temp.path());
    let long = "x".repeat(4096);
    sessile_with(long.as_bytes(), ["get", dir]).fails(3, "no live session");
    sessile_with(b"", ["destroy", dir]).fails(8, "standard input");
    // Nobody can make a directory there.
    sessile(["backup", dir, "/proc/sessile/copy"]).fails(1, "/proc/sessile/copy");
}

#[test]
fn the_clock_is_shown_and_confirmed_without_a_server() {
    let temp = tempfile::tempdir().unwrap();
    let (log, path) = (temp.path().join("log"), temp.path().join("store"));
    let dir = path.to_str().unwrap();
    fs::write(&log, "a - - [17/May/2015:10:05:03 +0000] \"GET /\" 200 1\n").unwrap();
    assert_eq!(sessile(["replay", log.to_str().unwrap(), "--dir", dir]).code, 0);
    let clock = sessile(["clock", dir, "--json"]).json();
    assert_eq!((&clock["unconfirmed"], &clock["hidden"]), (&true.into(), &1.into()), "{clock}");
    assert!(clock["shown_ms"].as_u64() > clock["believed_ms"].as_u64());
    assert!(sessile(["clock", dir]).text().contains("--confirm"));
    let confirmed = sessile(["clock", dir, "--confirm", "--json"]).json();
    assert_eq!((&confirmed["unconfirmed"], &confirmed["hidden"]), (&false.into(), &0.into()));
    assert_eq!(sessile(["clock", dir, "--json"]).json()["unconfirmed"], false, "it lasts");
    filled(&temp.path().join("another"));
    assert!(Options::new().read_only(true).open(path).unwrap().endings_ahead().sessions == 0);
}
