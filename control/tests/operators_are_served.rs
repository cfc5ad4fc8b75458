//! A process that holds a store does what its operators ask, and is none the worse for who they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sessile::{Error, Options, Store, Write};
use sessile_control::{
    Answer, Bytes, Client, Control, FILE_NAME, Facts, Kind, Name, Refused, Request, Unheard, perform,
};

fn filled(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    for number in 0..10 {
        let write = Write::new(format!("data of {number}"));
        let write = if number < 3 { write.subject("alice") } else { write };
        store.create(format!("SECRET{number}"), write).unwrap();
    }
    store
}

fn asked(dir: &Path, request: &Request) -> Result<Vec<Answer>, Unheard> {
    let mut answers = Vec::new();
    let client = Client::find(dir).unwrap().expect("it is served");
    client
        .ask::<Unheard>(request, |answer| {
            answers.push(answer);
            Ok(())
        })
        .map(|()| answers)
}

fn answer(dir: &Path, request: &Request) -> Answer {
    asked(dir, request).unwrap().pop().unwrap()
}

fn by_id(number: usize) -> Name {
    Name::Id(format!("SECRET{number}").into_bytes().into())
}

/// Sends bytes as they are, and gives all that comes back.
fn sent(dir: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(dir.join(FILE_NAME)).unwrap();
    // It may have been refused before it was read.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8(said).unwrap()
}

#[test]
fn each_command_is_done_by_the_process_that_holds_the_store() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, copy) = (temp.path().join("store"), temp.path().join("copy"));
    let store = filled(&dir);
    let _control = Control::serve(&store).unwrap();

    let Answer::Stats(figures) = answer(&dir, &Request::Stats) else { panic!() };
    assert!(figures.whole && figures.memory_bytes > 0 && figures.syncs >= 10, "{figures:?}");
    assert_eq!((figures.ahead.sessions, figures.created), (10, 10));
    assert_eq!(figures.held_by.unwrap().pid, Some(std::process::id()));
    assert_eq!(figures.sync_micros.histogram().count(), figures.syncs);

    let listed = asked(&dir, &Request::Ls { limit: None }).unwrap();
    assert_eq!((listed.len(), listed.last()), (11, Some(&Answer::Listed(10))));
    assert_eq!(asked(&dir, &Request::Ls { limit: Some(3) }).unwrap().len(), 4);

    let Answer::Got(Some((facts, None))) = answer(&dir, &Request::Get { name: by_id(5), data: false }) else {
        panic!()
    };
    assert_eq!(facts, Facts::from(&store.get("SECRET5").unwrap().unwrap()));
    let handle = Name::Handle(facts.handle.parse().unwrap());
    let Answer::Got(Some((_, data))) = answer(&dir, &Request::Get { name: handle.clone(), data: true })
    else {
        panic!()
    };
    assert_eq!(data, Some(Bytes(b"data of 5".to_vec())));
    assert_eq!(answer(&dir, &Request::Get { name: by_id(77), data: true }), Answer::Got(None));

    assert_eq!(answer(&dir, &Request::Destroy { name: handle.clone() }), Answer::Destroyed(true));
    assert_eq!(answer(&dir, &Request::Destroy { name: handle }), Answer::Destroyed(false));
    assert_eq!(answer(&dir, &Request::Destroy { name: by_id(6) }), Answer::Destroyed(true));
    let subject = b"alice".to_vec().into();
    assert_eq!(answer(&dir, &Request::DestroySubject { subject }), Answer::Revoked(3));
    assert_eq!(store.len(), 5);

    let Answer::Verified(found) = answer(&dir, &Request::Verify) else { panic!() };
    assert!(found.damage.is_empty() && found.sessions == 5, "{found:?}");
    let Answer::Compacted(done) = answer(&dir, &Request::Compact { confirm_clock: true }) else { panic!() };
    assert_eq!((done.after.sessions, done.more, done.clock_unconfirmed), (5, false, false));
    let Answer::Clock(clock) = answer(&dir, &Request::Clock { confirm: false }) else { panic!() };
    assert!(clock.believed_ms > 0 && clock.shown_ms >= clock.believed_ms && clock.hidden == 0);

    let destination = Bytes::from(copy.clone());
    let Answer::BackedUp(done) = answer(&dir, &Request::Backup { destination }) else { panic!() };
    assert_eq!(done.sessions, 5);
    let copy = sessile::Options::new().read_only(true).open(copy).unwrap();
    assert!(copy.get("SECRET9").unwrap().is_some());
    let relative = Bytes::from(std::path::PathBuf::from("copy"));
    let refused = asked(&dir, &Request::Backup { destination: relative }).unwrap_err();
    assert!(matches!(refused, Unheard::Refused(Refused { kind: Kind::Invalid, .. })), "{refused}");
}

#[test]
fn what_is_told_is_what_a_command_with_the_store_would_find() {
    let temp = tempfile::tempdir().unwrap();
    let store = filled(temp.path());
    let _control = Control::serve(&store).unwrap();
    for request in [
        Request::Ls { limit: Some(20) },
        Request::Get { name: by_id(1), data: true },
        Request::Verify,
        Request::Destroy { name: by_id(99) },
    ] {
        let mut here = Vec::new();
        perform::<Refused>(&store, &request, |answer| {
            here.push(answer);
            Ok(())
        })
        .unwrap();
        assert_eq!(asked(temp.path(), &request).unwrap(), here);
    }
    // And an error is the same sentence.
    let subject = sessile_control::Hidden::from(Vec::new());
    let request = Request::DestroySubject { subject };
    let here = perform::<Refused>(&store, &request, |_| Ok(())).unwrap_err();
    assert_eq!(asked(temp.path(), &request).unwrap_err().to_string(), here.to_string());
}

#[test]
fn no_line_of_an_answer_holds_an_id() {
    let temp = tempfile::tempdir().unwrap();
    let store = Options::new().keep_ids(true).open(temp.path()).unwrap();
    store.create("SECRETid", Write::new("data").subject("SECRETuser")).unwrap();
    let _control = Control::serve(&store).unwrap();
    let line = |request: &str| format!("{{\"sessile\":1,\"request\":{request}}}\n");
    for request in [
        "\"stats\"",
        "\"verify\"",
        "{\"ls\":{}}",
        "{\"get\":{\"name\":{\"id\":\"U0VDUkVUaWQ=\"},\"data\":false}}",
        "{\"get\":{\"name\":{\"id\":\"SECRETid\"},\"data\":false}}",
        "{\"SECRETid\":{}}",
    ] {
        let said = sent(temp.path(), line(request).as_bytes());
        assert!(said.starts_with("{\"sessile\":1,\"release\":") && said.lines().count() >= 2, "{said}");
        assert!(!said.contains("SECRET") && !said.contains("U0VDUkV"), "{said}");
    }
}

#[test]
fn another_version_is_told_which_one_this_is() {
    let temp = tempfile::tempdir().unwrap();
    let store = filled(temp.path());
    let _control = Control::serve(&store).unwrap();
    let said = sent(temp.path(), b"{\"sessile\":99,\"do\":\"something new\"}\n");
    assert!(said.contains("\"kind\":\"version\"") && said.contains("version 1 "), "{said}");
}

/// A server of another version, and one that is none.
#[test]
fn a_client_says_what_it_found_instead_of_an_answer() {
    let found = |says: &'static [u8]| {
        let temp = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(temp.path().join(FILE_NAME)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                drop(listener.accept().unwrap());
                let mut stream = listener.accept().unwrap().0;
                BufReader::new(&stream).read_until(b'\n', &mut Vec::new()).unwrap();
                stream.write_all(says).unwrap();
            });
            asked(temp.path(), &Request::Stats).unwrap_err()
        })
    };
    assert!(matches!(found(b"{\"sessile\":7}\n"), Unheard::Version { theirs: 7 }));
    assert!(matches!(found(b"HTTP/1.1 400\n"), Unheard::Nonsense));
    assert!(matches!(found(b"{\"sessile\":1}\n{\"song\":1}\n"), Unheard::Nonsense));
    assert!(matches!(found(b"{\"sessile\":1}\n{\"answer\":{\"destr"), Unheard::Cut));
    assert!(matches!(found(b""), Unheard::Cut));
    assert!(Client::find(tempfile::tempdir().unwrap()).unwrap().is_none());
}

#[test]
fn the_store_lives_as_long_as_it_would_without() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join(FILE_NAME);
    let store = filled(temp.path());
    let control = Control::serve(&store).unwrap();
    // Somebody is in the middle of asking.
    let mut asking = UnixStream::connect(&socket).unwrap();
    asking.write_all(b"{\"sessile\":1,").unwrap();
    let weak = store.weak();
    drop(store);
    assert!(matches!(weak.get("SECRET1"), Err(Error::Closed)));
    assert!(!socket.exists() && !control.is_on());
    // He is told.
    asking.write_all(b"\"request\":\"verify\"}\n").unwrap();
    let mut said = String::new();
    asking.read_to_string(&mut said).unwrap();
    assert!(said.contains("\"kind\":\"closed\""), "{said}");
    assert!(matches!(Control::serve(&weak), Err(sessile_control::Error::Store(Error::Closed))));
    // The next one serves, and what is left of the last one does not take its socket away.
    let store = Store::open(temp.path()).unwrap();
    let next = Control::serve(&store).unwrap();
    drop(control);
    assert!(socket.exists() && next.is_on());
    assert!(matches!(answer(temp.path(), &Request::Verify), Answer::Verified(_)));
    store.close().unwrap();
    assert!(!socket.exists() && !next.is_on());
}

#[test]
fn who_is_served_twice_is_served_by_the_same_until_the_last_lets_go() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join(FILE_NAME);
    let store = filled(temp.path());
    let control = Control::serve(&store).unwrap();
    let same = Control::serve(&Store::open(temp.path()).unwrap()).unwrap();
    drop(control);
    assert!(socket.exists() && same.is_on());
    let third = same.clone();
    drop(same);
    assert!(Client::find(temp.path()).unwrap().is_some());
    drop(third);
    assert!(!socket.exists() && Client::find(temp.path()).unwrap().is_none());
    assert!(store.get("SECRET1").unwrap().is_some(), "the store goes on");
    let _again = Control::serve(&store).unwrap();
    assert!(Client::find(temp.path()).unwrap().is_some());
}

#[test]
fn who_only_looks_serves_nobody() {
    let temp = tempfile::tempdir().unwrap();
    filled(temp.path()).close().unwrap();
    let look = Options::new().read_only(true).open(temp.path()).unwrap();
    assert!(matches!(Control::serve(&look), Err(sessile_control::Error::ReadOnly)));
    assert!(!temp.path().join(FILE_NAME).exists());
}

/// Rubbish of every length, whole and cut, with and without an end; then somebody who asks as one should.
#[test]
fn rubbish_harms_nobody() {
    use proptest::prelude::*;
    let temp = tempfile::tempdir().unwrap();
    let store = filled(temp.path());
    let _control = Control::serve(&store).unwrap();
    let whole = b"{\"sessile\":1,\"request\":{\"get\":{\"name\":{\"id\":\"U0VDUkVUMQ==\"},\"data\":true}}}\n";
    let rubbish = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        // Deep, and long.
        (0..20_000usize)
            .prop_map(|deep| [b"{\"sessile\":1,\"request\":".to_vec(), vec![b'['; deep]].concat()),
        (0..40_000usize).prop_map(|long| vec![b'x'; long]),
        (0..whole.len(), any::<u8>()).prop_map(|(at, byte)| {
            let mut changed = whole.to_vec();
            changed[at] = byte;
            changed
        }),
        (0..whole.len()).prop_map(|cut| whole[..cut].to_vec()),
    ];
    proptest!(ProptestConfig::with_cases(300), |(bytes in rubbish)| {
        let said = sent(temp.path(), &bytes);
        prop_assert!(!said.contains("SECRET"), "{}", said);
        prop_assert!(said.is_empty() || said.starts_with("{\"sessile\":1,"), "{}", said);
    });
    assert!(matches!(answer(temp.path(), &Request::Verify), Answer::Verified(_)));
    assert_eq!(store.len(), 10);
}

#[test]
fn who_goes_in_the_middle_of_an_answer_is_forgotten() {
    let temp = tempfile::tempdir().unwrap();
    let store = Options::new().durability(sessile::Durability::Written).open(temp.path()).unwrap();
    for number in 0..5_000 {
        store.create(format!("{number}"), "x").unwrap();
    }
    let _control = Control::serve(&store).unwrap();
    for _ in 0..50 {
        let mut stream = UnixStream::connect(temp.path().join(FILE_NAME)).unwrap();
        stream.write_all(b"{\"sessile\":1,\"request\":{\"ls\":{\"limit\":null}}}\n").unwrap();
        let mut first = [0; 1];
        // Told that it was one too many is an answer, too.
        stream.read_exact(&mut first).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match asked(temp.path(), &Request::Ls { limit: None }) {
            Ok(listed) => break assert_eq!(listed.len(), 5_001),
            Err(Unheard::Refused(Refused { kind: Kind::Busy, .. })) if Instant::now() < until => {
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// More than are answered at once connect and say nothing. They are told off in time, and then others are heard.
#[test]
fn those_who_hang_are_counted_and_their_time_is_up() {
    let temp = tempfile::tempdir().unwrap();
    let store = filled(temp.path());
    let _control = Control::serve(&store).unwrap();
    let hanging: Vec<_> = (0..8).map(|_| UnixStream::connect(temp.path().join(FILE_NAME)).unwrap()).collect();
    let busy = loop {
        match asked(temp.path(), &Request::Stats) {
            Err(Unheard::Refused(refused)) => break refused,
            // Not all of them have been accepted yet.
            Ok(_) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(busy.kind, Kind::Busy);
    assert!(store.get("SECRET1").unwrap().is_some(), "the server goes on");
    for mut one in hanging {
        let mut said = String::new();
        one.read_to_string(&mut said).unwrap();
        assert!(said.contains("no-request"), "{said}");
    }
    assert!(matches!(answer(temp.path(), &Request::Verify), Answer::Verified(_)));
}

/// What this machine does not allow has not been shown on it.
fn not_checked(what: &str) {
    let line = format!("not checked here: {what}");
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("SESSILE_TEST_NOTES") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}

/// What other processes do: this very program, asked for one of its tests.
fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env("CONTROL_TEST_DIR", dir);
    command
}

/// In the child only: serves until it is killed.
#[test]
fn a_server() {
    let Some(dir) = std::env::var_os("CONTROL_TEST_DIR") else { return };
    let store = filled(dir.as_ref());
    let _control = Control::serve(&store).unwrap();
    println!("serving");
    let _ = std::io::stdin().read_to_string(&mut String::new());
}

#[test]
fn a_socket_that_a_dead_process_left_is_nobody_and_is_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join(FILE_NAME);
    let mut server =
        child("a_server", temp.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("serving")));
    let Answer::Stats(figures) = answer(temp.path(), &Request::Stats) else { panic!() };
    assert_eq!(figures.held_by.unwrap().pid, Some(server.id()));
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(socket.exists(), "it had no time to remove it");
    assert!(Client::find(temp.path()).unwrap().is_none());
    let store = Store::open(temp.path()).unwrap();
    let _control = Control::serve(&store).unwrap();
    let Answer::Stats(figures) = answer(temp.path(), &Request::Stats) else { panic!() };
    assert_eq!(figures.held_by.unwrap().pid, Some(std::process::id()));
}

/// In the child only: asks, as somebody else.
#[test]
fn a_stranger() {
    let Some(dir) = std::env::var_os("CONTROL_TEST_DIR") else { return };
    println!("{}", sent(dir.as_ref(), b"{\"sessile\":1,\"request\":\"stats\"}\n"));
}

/// Even where somebody has opened the directory and the socket to all.
#[test]
fn another_user_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    if chown(temp.path(), Some(65_534), None).is_err() {
        not_checked("another user at the control socket, which takes root");
        return;
    }
    chown(temp.path(), Some(0), None).unwrap();
    let dir = temp.path().join("store");
    let store = filled(&dir);
    let _control = Control::serve(&store).unwrap();
    let program = temp.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [temp.path(), &dir, &dir.join(FILE_NAME), &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let mut stranger = Command::new(&program);
    stranger.args(["--exact", "a_stranger", "--nocapture"]).env("CONTROL_TEST_DIR", &dir).uid(65_534);
    let output = stranger.current_dir("/").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("\"kind\":\"not-permitted\"") && !said.contains("answer\":"), "{output:?}");
    assert!(matches!(answer(&dir, &Request::Verify), Answer::Verified(_)));
}
