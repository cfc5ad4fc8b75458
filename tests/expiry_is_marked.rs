//! What has expired stays expired when the clock is set back (P2, rule 8).
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use hazard::{DIR, fresh, options};
use sessile::Write;
use std::time::Duration;

/// A session that an operation, and not the reaper, finds expired is taken out of memory without a mark: maintenance
/// has nothing to reap, so the log never learns what time it is.
#[test]
fn an_expiry_met_by_a_destroy_leaves_a_clock_mark() {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("X", Write::new("x").idle(Duration::from_secs(10))).unwrap();
    store.create("Y", Write::new("y").idle(Duration::from_secs(86_400))).unwrap();
    store.maintain(Duration::from_secs(60)).unwrap();
    store.maintain(Duration::from_secs(60)).unwrap();
    clock.advance(Duration::from_secs(20));
    assert!(!store.destroy("X").unwrap(), "it has expired");
    clock.advance(Duration::from_secs(3600));
    while store.maintain(Duration::from_secs(60)).unwrap().more {}
    store.flush().unwrap();
    let vfs = vfs.fork();
    clock.set_wall_ms(1_005_000);
    let store = options(&vfs, &clock).open(DIR).unwrap();
    assert!(store.get("X").unwrap().is_none(), "X had expired for an hour, and the log was flushed");
}
