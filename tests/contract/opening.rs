//! The two ends of a store: who may open it, and what is left when it is closed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sessile::{Error, Options, Result, Store, Write};

const HOLD: &str = "SESSILE_TEST_HOLD";

fn closed<T>(result: Result<T>) {
    assert!(matches!(result, Err(Error::Closed)), "{:?}", result.err());
}

#[test]
fn after_close_every_call_says_closed_and_closing_again_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let other = store.clone();
    let version = store.create("id", Write::new("x").subject("alice")).unwrap();
    let handle = store.handle_of("id").unwrap();
    let in_place = store.get_ref("id").unwrap().unwrap();
    let mut stream = store.iter().unwrap();
    store.close().unwrap();
    store.close().unwrap();
    other.close().unwrap();
    for id in ["id", "never"] {
        closed(other.create(id, "x"));
        closed(other.update(id, "x"));
        closed(other.set(id, "x"));
        closed(other.get(id));
        closed(other.get_ref(id));
        closed(other.touch(id, Duration::from_secs(1)));
        closed(other.replace_if(id, version, "x"));
        closed(other.update_with(id, |_| None));
        closed(other.destroy(id));
        closed(other.rotate(id, "new", None));
        closed(other.destroy_subject("alice", Some(id.as_bytes())));
    }
    closed(other.get_handle(&handle));
    closed(other.destroy_handle(&handle));
    closed(other.sessions_of("alice"));
    closed(other.iter());
    closed(other.clear());
    closed(other.verify());
    closed(other.backup(dir.path().join("backup")));
    closed(other.maintain(Duration::ZERO));
    closed(other.flush());
    closed(other.confirm_clock());
    assert!(stream.all(|session| matches!(session, Err(Error::Closed))), "a stream ends with the store");
    assert_eq!(in_place.data(), b"x", "who reads in place keeps the place");
    assert!(Store::open(dir.path()).unwrap().get("id").unwrap().is_some());
}

#[test]
fn a_second_open_in_the_same_process_shares_and_the_last_handle_closes() {
    let dir = tempfile::tempdir().unwrap();
    let one = Store::open(dir.path()).unwrap();
    let two = Options::new().idle(Duration::from_secs(1)).open(dir.path().join(".")).unwrap();
    one.create("id", "x").unwrap();
    assert!(two.get("id").unwrap().is_some());
    drop(one);
    assert!(two.get("id").unwrap().is_some());
    drop(two);
    let again = Store::open(dir.path()).unwrap();
    assert!(again.stats().recovery.from_snapshot, "the last handle closed it cleanly");
    assert!(again.get("id").unwrap().is_some());
    again.close().unwrap();
    let after = Store::open(dir.path()).unwrap();
    assert!(after.get("id").unwrap().is_some(), "a closed store is opened anew, not shared");
    assert!(matches!(again.get("id"), Err(Error::Closed)));
}

/// Not a test: what `with_a_holder` runs in another process. Holds a store until its input ends.
#[test]
fn holds_a_store_for_another_process() {
    let Ok(directory) = std::env::var(HOLD) else { return };
    let store = Store::open(directory).unwrap();
    store.create("theirs", Write::new("x").subject("alice")).unwrap();
    println!("\nholding");
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(store);
}

/// Runs `test` while another process holds the store.
fn with_a_holder(directory: &Path, test: impl FnOnce(u32)) {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "opening::holds_a_store_for_another_process", "--nocapture"])
        .env(HOLD, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(IoResult::unwrap);
    assert!(lines.any(|line| line == "holding"), "the other process could not open the store");
    test(holder.id());
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
}

type IoResult<T> = std::io::Result<T>;

fn names(directory: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(directory).unwrap().map(IoResult::unwrap);
    let mut names: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    names.sort();
    names
}

#[test]
fn locked_names_who_has_it_and_lock_wait_waits() {
    let dir = tempfile::tempdir().unwrap();
    with_a_holder(dir.path(), |pid| {
        let Err(Error::Locked(holder)) = Store::open(dir.path()) else { panic!("it is held") };
        assert_eq!((holder.pid, holder.directory.as_path()), (Some(pid), dir.path()));
        assert!(holder.host.is_some_and(|host| !host.is_empty()));
        let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        assert!(holder.since_ms.is_some_and(|since| now_ms.abs_diff(u128::from(since)) < 60_000));
        let shown = Store::open(dir.path()).unwrap_err().to_string();
        assert!(shown.contains(&pid.to_string()) && shown.contains("lock_wait"), "{shown}");
    });
    assert!(Store::open(dir.path()).unwrap().get("theirs").unwrap().is_some());
    let other = tempfile::tempdir().unwrap();
    let path = other.path().to_owned();
    let mut waiting = None;
    with_a_holder(other.path(), |_| {
        waiting = Some(std::thread::spawn(move || {
            Options::new().lock_wait(Duration::from_secs(30)).open(path).map(|store| store.len())
        }));
    });
    assert_eq!(waiting.unwrap().join().unwrap().unwrap(), 1);
}

#[test]
fn a_look_at_a_held_store_changes_no_file_and_sees_a_consistent_state() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    assert!(Options::new().read_only(true).open(&absent).is_err());
    assert!(!absent.exists(), "a look creates nothing");
    with_a_holder(dir.path(), |pid| {
        let before = names(dir.path());
        let look = Options::new().read_only(true).open(dir.path()).unwrap();
        assert_eq!(look.holder().unwrap().pid, Some(pid));
        assert_eq!(look.get("theirs").unwrap().unwrap().data(), b"x");
        assert_eq!((look.len(), look.sessions_of("alice").unwrap().count()), (1, 1));
        assert!(look.verify().unwrap().damage.is_empty());
        let read_only = |result: Result<()>| assert!(matches!(result, Err(Error::ReadOnly)), "{result:?}");
        for id in ["theirs", "never"] {
            read_only(look.create(id, "x").map(drop));
            read_only(look.update(id, "x").map(drop));
            read_only(look.set(id, "x").map(drop));
            read_only(look.touch(id, Duration::from_secs(1)).map(drop));
            read_only(look.destroy(id).map(drop));
            read_only(look.rotate(id, "new", None).map(drop));
        }
        read_only(look.destroy_subject("alice", None).map(drop));
        read_only(look.clear().map(drop));
        read_only(look.maintain(Duration::ZERO).map(drop));
        look.close().unwrap();
        assert_eq!(names(dir.path()), before);
    });
    let look = Options::new().read_only(true).open(dir.path()).unwrap();
    assert!(look.holder().is_none() && look.get("theirs").unwrap().is_some());
    let writer = Store::open(dir.path()).unwrap();
    writer.destroy("theirs").unwrap();
    assert!(look.get("theirs").unwrap().is_some(), "a look shows the store as it was");
}
