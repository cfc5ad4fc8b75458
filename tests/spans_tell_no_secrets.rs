//! P5 in what a program's logs hear through `tracing`: a real subscriber takes down everything, at the finest level and from
//! every thread, and nothing of an id, a subject, a handle or data is in it; and what is promised to be told is.

#![cfg(all(feature = "tracing", feature = "simulation"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::hooks::Interrupting;
use common::machine::{DAY, HOUR, Machine, SECOND, START_MS, maintain, roll};
use sessile::vfs::{CallKind, Fault, Times};
use sessile::{Durability, Error, Keeps, Options, Recovery, Store, Volume, Write};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Every id, subject and payload of this test contains one of these, and nothing else does.
const SECRETS: [&str; 3] = ["bearer-token", "alice-liddell", "hunter2-payload"];

/// All that was written down.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// A line with all of these words.
    fn has(&self, words: &[&str]) {
        let text = self.text();
        assert!(
            text.lines().any(|line| words.iter().all(|word| line.contains(word))),
            "no line has {words:?}"
        );
    }
}

fn id(name: &str) -> String {
    format!("{}-{name}", SECRETS[0])
}

fn write(name: &str) -> Write {
    Write::new(format!("{}-{name}", SECRETS[2]).repeat(20)).subject(format!("{}-{name}", SECRETS[1]))
}

/// Each operation, well and not. Says the handles.
fn use_everything(store: &Store) -> Vec<String> {
    let mut handles = Vec::new();
    for name in ["a", "b", "c", "d"] {
        store.create(id(name), write(name)).unwrap();
        handles.push(store.handle_of(id(name)).unwrap().to_string());
    }
    assert!(matches!(store.create(id("a"), write("a")), Err(Error::Duplicate)));
    store.update(id("a"), write("a2")).unwrap();
    store.set(id("b"), write("b2").durability(Durability::Written)).unwrap();
    store.touch(id("a"), HOUR * 5).unwrap();
    store.rotate(id("a"), id("e"), Some(write("e"))).unwrap();
    assert!(store.get(id("e")).unwrap().is_some() && store.get(id("a")).unwrap().is_none());
    assert!(store.get_ref(id("e")).unwrap().is_some());
    assert_eq!(store.sessions_of(format!("{}-c", SECRETS[1])).unwrap().count(), 1);
    assert!(store.destroy(id("b")).unwrap());
    assert_eq!(store.destroy_subject(format!("{}-c", SECRETS[1]), None).unwrap(), 1);
    assert_eq!(store.iter().unwrap().count(), 2);
    handles
}

/// A store on the machine's own disk, with its threads.
fn on_a_real_disk() -> Vec<String> {
    let top = tempfile::tempdir().unwrap();
    let store = Options::new().segment_bytes(64 << 10).keep_ids(true).open(top.path().join("store")).unwrap();
    let handles = use_everything(&store);
    store.backup(top.path().join("copy")).unwrap();
    store.clear().unwrap();
    store.close().unwrap();
    handles
}

/// A store that meets all that can go wrong.
fn on_a_bad_day() -> Vec<String> {
    let (machine, interrupting) = (Machine::new(), Interrupting::default());
    machine.sim.set_volume(Volume::new(Some("overlay"), Keeps::WithContainer));
    let options = || machine.options().vfs(interrupting.over(&machine.sim));
    let store = options().open("/store").unwrap();
    let handles = use_everything(&store);
    store.create(id("brief"), write("brief").idle(SECOND)).unwrap();
    // Enough to be compacted, and something to be copied.
    store.create(id("lasting"), write("lasting").idle(DAY * 90)).unwrap();
    roll(&store, &machine, &id("filler"), SECOND);
    roll(&store, &machine, &id("filler again"), SECOND);
    machine.clock.advance(HOUR * 30);
    maintain(&store);
    // A slow disk: the time is the real one.
    interrupting.before(CallKind::Sync, 1, || {
        let until = Instant::now() + Duration::from_millis(120);
        while Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(120));
        }
    });
    store.create(id("slow"), write("slow").idle(DAY * 3)).unwrap();
    // A clock that is wrong, believed, and set back.
    machine.clock.set_wall_ms(START_MS + 365 * 24 * 3_600_000);
    maintain(&store);
    store.confirm_clock().unwrap();
    machine.clock.set_wall_ms(START_MS + 40 * 3_600_000);
    store.set_clock_back().unwrap();
    // Damage that an opening salvages.
    store.create(id("harmed"), write("harmed").idle(DAY * 90)).unwrap();
    store.close().unwrap();
    drop(store);
    let (name, at) = machine.find(format!("{}-harmed", SECRETS[2]).as_bytes()).unwrap();
    machine.flip(&name, at);
    let store = options().recovery(Recovery::Salvage).open("/store").unwrap();
    assert!(!store.stats().recovery.damage.is_empty());
    // And the disk fails.
    machine.sim.fail(CallKind::Sync, 1, Fault::Eio, Times::Forever);
    assert!(matches!(store.create(id("z"), write("z")), Err(Error::Latched { .. })));
    let _ = store.close();
    handles
}

#[test]
fn everything_is_told_and_nothing_that_is_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_thread_names(true)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let handles = [on_a_real_disk(), on_a_bad_day()].concat();

    log.has(&["INFO", "open", "opened", "created=true", "sessions=0", "took_us="]);
    log.has(&["WARN", "the container's own layer"]);
    log.has(&["DEBUG", "compact{segments=", "compacted", "removed="]);
    log.has(&["WARN", "slow sync", "took_us=1", "frames="]);
    log.has(&["DEBUG", "reaped", "expired="]);
    log.has(&["INFO", "backup", "backed up", "sessions=2"]);
    log.has(&["INFO", "close", "closed", "is_sound=true"]);
    log.has(&["INFO", "close", "closed", "is_sound=false"]);
    log.has(&["WARN", "the clock jumped", "by_ms="]);
    log.has(&["INFO", "set_clock_back", "the clock was set back"]);
    log.has(&["ERROR", "damaged", ".seg", "offset="]);
    log.has(&["ERROR", "latched: no more writes", "syncing"]);
    for operation in ["put", "get", "get_ref", "touch", "rotate", "destroy", "destroy_subject", "clear"] {
        log.has(&["TRACE", &format!(" {operation}: "), "close"]);
    }

    let text = log.text();
    assert!(text.lines().count() > 200);
    for secret in SECRETS {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let bytes = format!("{:?}", &secret.as_bytes()[..4]);
        for shown in [secret, &hex, bytes.trim_matches(['[', ']'])] {
            assert!(!text.to_lowercase().contains(shown), "{shown} is in the log");
        }
    }
    for handle in handles {
        assert!(!text.contains(&handle), "a handle is in the log");
    }
}
