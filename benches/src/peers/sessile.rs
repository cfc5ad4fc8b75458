//! sessile, with default options but for limits that the benchmark cannot meet.

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::peer::{Client, IDLE, Peer, Wait};
use sessile::{Durability, Options, Store, Write};

/// A store, and what its writes wait for at present.
pub struct Sessile {
    store: Store,
    synced: AtomicBool,
}

/// The options that every measurement uses.
pub fn options() -> Options {
    Options::new().idle(IDLE).sessions_max(16_000_000).disk_bytes_max(32 << 30)
}

impl Sessile {
    /// Opens a store in `directory`.
    pub fn open(directory: &Path) -> Self {
        Self::with(options(), directory)
    }

    /// Opens a store in `directory` with these options.
    pub fn with(options: Options, directory: &Path) -> Self {
        let store = options.open(directory).expect("sessile opens");
        Self { store, synced: AtomicBool::new(false) }
    }

    /// The store itself.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl Peer for Sessile {
    fn name(&self) -> &'static str {
        "sessile"
    }

    fn settings(&self) -> String {
        "default options with sessions_max 16 million, disk_bytes_max 32 GiB, idle 14 days; `get` gives a copy of its own; \
         touches wait as writes do when they are logged; endings always wait for the disk"
            .to_owned()
    }

    fn counts_allocations(&self) -> bool {
        true
    }

    fn load(&self, sessions: &mut dyn Iterator<Item = (&str, &[u8])>) {
        for (id, data) in sessions {
            self.store.set(id, Write::new(data).durability(Durability::Written)).expect("sessile sets");
        }
    }

    fn wait_for(&self, wait: Wait) {
        self.synced.store(wait == Wait::Synced, Ordering::Relaxed);
    }

    fn client(&self) -> Box<dyn Client + '_> {
        Box::new(SessileClient(self))
    }

    fn settle(&self) {
        self.store.flush().expect("sessile flushes");
    }

    fn syncs(&self) -> Option<u64> {
        Some(self.store.stats().syncs)
    }
}

struct SessileClient<'a>(&'a Sessile);

impl Client for SessileClient<'_> {
    fn get(&mut self, id: &str) -> Option<usize> {
        let session = self.0.store.get(id).expect("sessile gets")?;
        Some(black_box(session.into_data()).len())
    }

    fn set_for(&mut self, id: &str, data: &[u8], idle: Duration) {
        let synced = self.0.synced.load(Ordering::Relaxed);
        let durability = if synced { Durability::Synced } else { Durability::Written };
        let write = Write::new(data).durability(durability);
        let write = if idle == IDLE { write } else { write.idle(idle) };
        self.0.store.set(id, write).expect("sessile sets");
    }

    fn coalesces(&self) -> bool {
        true
    }

    fn touch(&mut self, id: &str, idle: Duration) -> bool {
        match self.0.store.touch(id, idle) {
            Ok(_) => true,
            Err(sessile::Error::Unknown(_)) => false,
            Err(error) => panic!("sessile touches: {error}"),
        }
    }

    fn destroy(&mut self, id: &str) -> bool {
        self.0.store.destroy(id).expect("sessile destroys")
    }
}
