//! The contract by example: one test for each row of its table and each sentence below it.
//!
//! `operations` and `deadlines` run on a simulated disk with a clock that is moved by hand; `opening` and `limits` on
//! the real file system.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "contract/deadlines.rs"]
mod deadlines;
#[path = "contract/limits.rs"]
mod limits;
#[path = "contract/opening.rs"]
mod opening;
#[path = "contract/operations.rs"]
mod operations;

use std::sync::Arc;
use std::time::Duration;

use sessile::vfs::SimVfs;
use sessile::{ManualClock, Options, Store};

const START_MS: u64 = 1_800_000_000_000;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A disk and a clock, and stores on them.
struct Bench {
    sim: SimVfs,
    clock: ManualClock,
}

impl Bench {
    fn new() -> Self {
        Self { sim: SimVfs::new(), clock: ManualClock::at_ms(START_MS) }
    }

    fn options(&self) -> Options {
        Options::new()
            .vfs(Arc::new(self.sim.clone()))
            .clock(Arc::new(self.clock.clone()))
            .manual_maintenance(true)
            .segment_bytes(64 << 10)
            .idle(10 * MINUTE)
    }

    fn open(&self, options: Options) -> Store {
        options.open("/store").unwrap()
    }

    fn store(&self) -> Store {
        self.open(self.options())
    }

    /// The machine loses power, and keeps nothing that was not synced.
    fn power_loss(&mut self) {
        self.sim = self.sim.crash(sessile::vfs::CrashPolicy::DropAll);
    }
}
