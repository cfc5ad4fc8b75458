//! What the tests of single hazards begin with: a store on a simulated disk, with small segments and no threads.

#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(clippy::unwrap_used, clippy::unreachable, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sessile::vfs::{SimVfs, Vfs};
use sessile::{Durability, ManualClock, Options, Store, Write};

pub const DIR: &str = "/store";
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// A disk, and a clock that stands at a thousand seconds.
pub fn fresh() -> (SimVfs, ManualClock) {
    (SimVfs::new(), ManualClock::at_ms(1_000_000))
}

/// The smallest segments, and room for a thousand of them.
pub fn options(vfs: &SimVfs, clock: &ManualClock) -> Options {
    options_on(Arc::new(vfs.clone()), clock)
}

/// The same on any file system.
pub fn options_on(vfs: Arc<dyn Vfs>, clock: &ManualClock) -> Options {
    Options::new()
        .vfs(vfs)
        .clock(Arc::new(clock.clone()))
        .manual_maintenance(true)
        .eager_compaction(true)
        .segment_bytes(64 << 10)
        .disk_bytes_max(64 << 20)
}

/// The segment files, oldest first.
pub fn segments(vfs: &SimVfs) -> Vec<String> {
    let mut names: Vec<_> =
        vfs.list(Path::new(DIR)).unwrap().into_iter().filter(|n| n.ends_with(".seg")).collect();
    names.sort();
    names
}

/// So much data, for a day, not waited for.
pub fn written(bytes: usize) -> Write {
    Write::new(vec![7; bytes]).idle(DAY).durability(Durability::Written)
}

/// Fills the tail with sessions that live so long, until the log goes on in another segment, and syncs; the segments then.
pub fn roll(store: &Store, vfs: &SimVfs, tag: &str, life: Duration) -> Vec<String> {
    let before = segments(vfs).len();
    for n in 0.. {
        store.create(format!("{tag}{n}"), written(8 << 10).idle(life)).unwrap();
        if segments(vfs).len() > before {
            store.flush().unwrap();
            return segments(vfs);
        }
    }
    unreachable!()
}
