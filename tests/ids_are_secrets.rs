//! P5: a session id is a bearer token. Neither the files of a store nor anything that can be printed shows one, unless
//! the user has asked to keep ids; and subjects, being people, are kept from both in any case.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile::vfs::{SimVfs, Vfs};
use sessile::{Deadline, Event, ManualClock, Observer, Options, SessionId, Store, Write};

/// Every id, subject and payload of this test contains one of these, and nothing else does.
const ID: &str = "bearer-token";
const SUBJECT: &str = "alice-liddell";
const PAYLOAD: &str = "hunter2-payload";
const DIRECTORY: &str = "/store";

fn id(name: &str) -> String {
    format!("{ID}-{name}")
}

fn write(name: &str) -> Write {
    Write::new(format!("{PAYLOAD}-{name}")).subject(format!("{SUBJECT}-{name}"))
}

/// What has been printed, to be searched.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<String>>);

impl Shown {
    fn debug(&self, value: impl Debug) {
        let mut shown = self.0.lock().unwrap();
        shown.push_str(&format!("{value:?}\n{value:#?}\n"));
    }

    fn display(&self, value: impl Display) {
        self.0.lock().unwrap().push_str(&format!("{value}\n"));
    }

    fn error<T>(&self, result: sessile::Result<T>) {
        let error = result.err().expect("it should fail");
        self.display(&error);
        self.debug(&error);
    }
}

impl Observer for Shown {
    fn event(&self, event: &Event) {
        self.debug(event);
    }
}

fn open(sim: &SimVfs, clock: &ManualClock, shown: &Shown, keep_ids: bool) -> Store {
    let options = Options::new()
        .vfs(Arc::new(sim.clone()))
        .clock(Arc::new(clock.clone()))
        .observer(Arc::new(shown.clone()))
        .manual_maintenance(true)
        .segment_bytes(64 << 10)
        .session_bytes_max(1_000)
        .erase_within(Duration::from_secs(60))
        .keep_ids(keep_ids);
    shown.debug(&options);
    options.open(DIRECTORY).unwrap()
}

/// Uses every operation there is, prints whatever can be printed, and closes the store.
fn use_everything(sim: &SimVfs, shown: &Shown, keep_ids: bool) {
    let clock = ManualClock::at_ms(1_800_000_000_000);
    let store = open(sim, &clock, shown, keep_ids);
    shown.debug(&store);
    shown.debug(write("x"));
    let version = store.create(id("a"), write("a")).unwrap();
    shown.debug(version);
    shown.error(store.create(id("a"), write("a")));
    shown.error(store.update(id("none"), write("a")));
    shown.error(store.replace_if(id("a"), sessile::Version::from_u64(1), write("a")));
    shown.error(store.create(id("big"), Write::new(PAYLOAD.repeat(1_000))));
    shown.error(store.create(id("long").repeat(1_000), write("a")));
    shown.error(store.create(id("x"), Write::new("").subject(SUBJECT.repeat(1_000))));
    store.set(id("b"), write("b")).unwrap();
    store.update(id("b"), write("b2")).unwrap();
    store.replace_if(id("a"), version, write("a2")).unwrap();
    store
        .update_with(id("a"), |session| {
            shown.debug(session);
            Some(write("a3"))
        })
        .unwrap();
    shown.debug(store.touch(id("a"), Duration::from_secs(30 * 86_400)).unwrap());
    let session = store.get(id("a")).unwrap().unwrap();
    shown.debug(&session);
    shown.debug(session.subject());
    shown.debug(session.handle());
    shown.display(session.handle());
    shown.debug(store.get_ref(id("a")).unwrap());
    store.rotate(id("a"), id("c"), Some(write("c"))).unwrap();
    store.rotate(id("c"), id("d"), None).unwrap();
    let stream = store.sessions_of(format!("{SUBJECT}-c")).unwrap();
    shown.debug(&stream);
    stream.for_each(|session| shown.debug(session));
    store.iter().unwrap().for_each(|session| shown.debug(session));
    store.destroy(id("b")).unwrap();
    for name in ["e", "f", "g"] {
        store.create(id(name), write("shared")).unwrap();
    }
    store.create(id("short"), write("h").idle_until(Deadline::at_ms(1_800_000_001_000))).unwrap();
    let keep = id("e");
    store.destroy_subject(format!("{SUBJECT}-shared"), Some(keep.as_bytes())).unwrap();
    clock.advance(Duration::from_secs(40));
    shown.debug(store.maintain(Duration::from_secs(10)).unwrap());
    clock.set_wall_ms(1_900_000_000_000);
    shown.debug(store.maintain(Duration::from_secs(10)).unwrap());
    clock.set_wall_ms(1_800_000_050_000);
    shown.error(store.backup(DIRECTORY));
    shown.debug(store.backup("/backup").unwrap());
    shown.debug(store.verify().unwrap());
    shown.debug(store.stats());
    shown.debug(store.endings_ahead());
    shown.debug(store.subject_digest(SUBJECT).unwrap());
    shown.debug(SessionId::generate().unwrap());
    store.close().unwrap();
    shown.error(store.get(id("a")));
    let store = open(sim, &clock, shown, keep_ids);
    assert!(store.get(id("d")).unwrap().is_some() && store.get(id("e")).unwrap().is_some());
    shown.debug(store.stats());
    store.close().unwrap();
}

fn files(sim: &SimVfs) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for directory in [DIRECTORY, "/backup"] {
        for name in sim.list(Path::new(directory)).unwrap() {
            let path = Path::new(directory).join(&name);
            files.push((format!("{directory}/{name}"), sim.read_file(&path).unwrap()));
        }
    }
    files
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn no_file_holds_an_id_or_a_subject() {
    let sim = SimVfs::new();
    use_everything(&sim, &Shown::default(), false);
    let files = files(&sim);
    assert!(files.iter().any(|(_, bytes)| contains(bytes, PAYLOAD)), "the search finds what is there");
    assert!(files.iter().any(|(name, _)| name.ends_with("SNAPSHOT")));
    for (name, bytes) in &files {
        assert!(!name.contains(ID) && !contains(bytes, ID), "{name} holds an id");
        assert!(!name.contains(SUBJECT) && !contains(bytes, SUBJECT), "{name} holds a subject");
    }
}

#[test]
fn ids_are_kept_when_the_user_asks_for_it_and_subjects_never() {
    let sim = SimVfs::new();
    use_everything(&sim, &Shown::default(), true);
    let files = files(&sim);
    assert!(files.iter().any(|(name, bytes)| name.ends_with(".seg") && contains(bytes, &id("d"))));
    assert!(!files.iter().any(|(_, bytes)| contains(bytes, SUBJECT)));
}

#[test]
fn nothing_that_can_be_printed_shows_an_id_a_subject_or_a_payload() {
    for keep_ids in [false, true] {
        let shown = Shown::default();
        use_everything(&SimVfs::new(), &shown, keep_ids);
        let shown = shown.0.lock().unwrap();
        for word in ["Session {", "Store {", "Write {", "Stats {", "ClockJumped", "Handle(", "Sessions {"] {
            assert!(shown.contains(word), "{word} was not printed");
        }
        for secret in [ID, SUBJECT, PAYLOAD] {
            let at = shown.find(secret).map(|at| &shown[at.saturating_sub(80)..at + 20]);
            assert_eq!(at, None);
            let bytes: Vec<String> = secret.bytes().take(6).map(|byte| byte.to_string()).collect();
            assert!(!shown.contains(&bytes.join(", ")), "{secret} as a list of bytes");
        }
    }
}
