//! A machine with a store on it, and what tests do to its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sessile::vfs::{CrashPolicy, SimVfs, Vfs};
use sessile::{Error, ManualClock, Options, ReadMode, Recovery, Result, Store};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// When the tests begin.
pub const START_MS: u64 = 1_800_000_000_000;

/// The smallest segment that the options allow.
pub const SEGMENT_BYTES: u64 = 64 << 10;

/// A directory on a simulated machine, and the clock on its wall.
#[derive(Clone)]
pub struct Machine {
    pub sim: SimVfs,
    pub clock: ManualClock,
    /// With which the store on it is encrypted.
    #[cfg(feature = "encryption")]
    pub keys: Option<Arc<sessile::KeyRing>>,
}

impl Machine {
    pub fn new() -> Self {
        Self {
            sim: SimVfs::new(),
            clock: ManualClock::at_ms(START_MS),
            #[cfg(feature = "encryption")]
            keys: None,
        }
    }

    /// The same with a store that is encrypted with these keys, or not.
    #[cfg(feature = "encryption")]
    pub fn with_keys(self, keys: Option<sessile::KeyRing>) -> Self {
        Self { keys: keys.map(Arc::new), ..self }
    }

    pub fn options(&self) -> Options {
        let options = Options::new();
        #[cfg(feature = "encryption")]
        let options = match &self.keys {
            Some(keys) => options.encryption(Arc::clone(keys)),
            None => options,
        };
        options
            .vfs(Arc::new(self.sim.clone()))
            .clock(Arc::new(self.clock.clone()))
            .manual_maintenance(true)
            .read_mode(ReadMode::Plain)
            .eager_compaction(true)
            .segment_bytes(SEGMENT_BYTES)
            .idle(HOUR)
    }

    pub fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<Store> {
        self.options().open("/store")
    }

    pub fn salvage(&self) -> Store {
        self.options().recovery(Recovery::Salvage).open("/store").unwrap()
    }

    /// The power goes now; the machine that starts afterwards, its clock going on.
    pub fn crash(&self, policy: CrashPolicy) -> Self {
        Self { sim: self.sim.crash(policy), ..self.clone() }
    }

    /// As [`crash`](Self::crash), but this machine goes on.
    pub fn crashed(&self, policy: CrashPolicy) -> Self {
        Self { sim: self.sim.fork().crash(policy), ..self.clone() }
    }

    /// The same disk in another machine.
    pub fn fork(&self) -> Self {
        Self { sim: self.sim.fork(), ..self.clone() }
    }

    pub fn path(name: &str) -> PathBuf {
        Path::new("/store").join(name)
    }

    pub fn names(&self) -> Vec<String> {
        let mut names = self.sim.list(Path::new("/store")).unwrap();
        names.sort();
        names
    }

    /// The segment files, oldest first.
    pub fn segments(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| name.ends_with(".seg")).collect()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.sim.read_file(&Self::path(name)).unwrap()
    }

    pub fn put_bytes(&self, name: &str, bytes: &[u8]) {
        self.sim.write_file(&Self::path(name), bytes).unwrap();
    }

    pub fn flip(&self, name: &str, offset: usize) {
        self.sim.flip_bit(&Self::path(name), offset as u64, 3).unwrap();
    }

    pub fn remove(&self, name: &str) {
        self.sim.remove_file(&Self::path(name)).unwrap();
    }

    /// The segment that holds these bytes, and where.
    pub fn find(&self, needle: &[u8]) -> Option<(String, usize)> {
        self.segments().into_iter().find_map(|name| {
            let bytes = self.bytes(&name);
            bytes.windows(needle.len()).position(|window| window == needle).map(|at| (name, at))
        })
    }
}

/// Whether a call failed because the machine had crashed, directly or through the latch.
pub fn is_crash(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => SimVfs::is_crash(source),
        Error::Latched { cause, .. } => cause.contains("the simulated machine has crashed"),
        _ => false,
    }
}

/// Payload bytes that can be told apart: `tag` over and over, `bytes` long.
pub fn payload(tag: &str, bytes: usize) -> Vec<u8> {
    tag.bytes().chain(*b"|").cycle().take(bytes).collect()
}

/// Fills the log until it goes on in another segment, with sessions that live so long.
pub fn roll(store: &Store, machine: &Machine, prefix: &str, idle: Duration) {
    let before = beacon(store, machine, &format!("{prefix} first"));
    for number in 0.. {
        assert!(number < 200, "the log does not roll");
        let filler = sessile::Write::new(payload("filler", 3000)).idle(idle);
        store.create(format!("{prefix} {number}"), filler).unwrap();
        if number % 4 == 3 && beacon(store, machine, &format!("{prefix} {number}")) != before {
            return;
        }
    }
}

/// The segment that the log is in now: that of a session which lives for a minute.
pub fn beacon(store: &Store, machine: &Machine, name: &str) -> String {
    let data = format!("beacon<{name}>");
    store.create(format!("beacon {name}"), sessile::Write::new(data.as_bytes()).idle(MINUTE)).unwrap();
    machine.find(data.as_bytes()).unwrap().0
}

/// Lets maintenance do all it can.
pub fn maintain(store: &Store) {
    while store.maintain(HOUR).unwrap().more {}
}

/// Runs a check, and says what was being checked when it fails.
pub fn telling<T>(what: &str, check: impl FnOnce() -> T) -> T {
    struct Telling<'a>(&'a str);
    impl Drop for Telling<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("at {}", self.0);
            }
        }
    }
    let telling = Telling(what);
    let done = check();
    std::mem::forget(telling);
    done
}
