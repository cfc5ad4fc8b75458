//! What the tests of events begin with: a store on a simulated disk that does its upkeep when it is told to, a clock that stands,
//! and a listener who takes all there is.

#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sessile::vfs::{CrashPolicy, SimVfs, Vfs};
use sessile::{Events, Handle, ManualClock, Options, SessionEvent, Store};

pub const SECOND: Duration = Duration::from_secs(1);
pub const HOUR: Duration = Duration::from_secs(3600);

pub struct Bench {
    pub sim: SimVfs,
    pub clock: ManualClock,
}

impl Bench {
    pub fn new() -> Self {
        Self { sim: SimVfs::new(), clock: ManualClock::at_ms(1_800_000_000_000) }
    }

    pub fn options(&self) -> Options {
        self.options_over(Arc::new(self.sim.clone()))
    }

    pub fn options_over(&self, vfs: Arc<dyn Vfs>) -> Options {
        Options::new()
            .vfs(vfs)
            .clock(Arc::new(self.clock.clone()))
            .manual_maintenance(true)
            .eager_compaction(true)
            .segment_bytes(64 << 10)
            .idle(HOUR)
    }

    /// Opens; after some downtime the clock is not believed yet.
    pub fn open(&self) -> Store {
        self.options().open("/store").unwrap()
    }

    /// Opens, and believes the clock.
    pub fn store(&self) -> Store {
        let store = self.open();
        store.confirm_clock().unwrap();
        store
    }

    /// The power goes; what was not synced is gone.
    pub fn crash(&mut self, store: Store) {
        self.sim = self.sim.crash(CrashPolicy::DropAll);
        drop(store);
    }

    /// Time passes, and the store does its work.
    pub fn pass(&self, store: &Store, time: Duration) {
        self.clock.advance(time);
        while store.maintain(HOUR).unwrap().more {}
    }
}

/// Whatever there is for a listener.
pub fn all(events: &mut Events) -> Vec<SessionEvent> {
    std::iter::from_fn(|| events.try_next()).collect()
}

/// Whose expiry he is told.
pub fn expired(events: &mut Events) -> Vec<Handle> {
    let expired = all(events).into_iter().filter(|event| matches!(event, SessionEvent::Expired { .. }));
    expired.map(|event| event.handle().unwrap()).collect()
}

pub fn handles(store: &Store, ids: &[&str]) -> BTreeSet<Handle> {
    ids.iter().map(|id| store.handle_of(id).unwrap()).collect()
}
