//! A Clear must outlive every deadline that it ends (P2, rule 4; invariant 3 of store/core.rs).
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use hazard::{DIR, roll};
use sessile::vfs::SimVfs;
use sessile::{ManualClock, Options, Touched, Write};
use std::time::Duration;

const START: u64 = 1_200_000_000;

fn options(vfs: &SimVfs, clock: &ManualClock) -> Options {
    hazard::options(vfs, clock).touch_slack(Duration::from_secs(600))
}

/// A touch that was only coalesced is in memory and, by way of the snapshot, in the memory of the next opening, whose
/// `ceiling_ms` comes from the segments alone. Compaction folds it into the record, `clear` takes the smaller
/// ceiling, and is dropped before the record that it ended.
#[test]
fn a_clear_stays_until_what_it_ended_would_have_expired() {
    let (vfs, clock) = (SimVfs::new(), ManualClock::at_ms(START));
    let store = options(&vfs, &clock).open(DIR).unwrap();
    let hour = Duration::from_secs(6000);
    store.create("X", Write::new("x").idle(hour)).unwrap();
    // Garbage beside it, so that its segment is worth rewriting, and all of it shorter lived.
    roll(&store, &vfs, "a", Duration::from_secs(60));
    clock.advance(Duration::from_secs(400));
    assert_eq!(store.touch("X", hour).unwrap(), Touched::Coalesced);
    let deadline = store.get("X").unwrap().unwrap().deadline().as_ms();
    assert_eq!(deadline, START + 6_400_000);
    store.close().unwrap();
    drop(store);

    let store = options(&vfs, &clock).open(DIR).unwrap();
    assert!(store.stats().recovery.from_snapshot);
    assert_eq!(store.get("X").unwrap().unwrap().deadline().as_ms(), deadline);
    store.create("filler", Write::new("x").idle(Duration::from_secs(10))).unwrap();
    clock.advance(Duration::from_secs(30));
    while store.maintain(Duration::from_secs(60)).unwrap().more {}
    assert!(store.stats().compactions > 0, "X was moved, and its touch folded into it");
    store.clear().unwrap();
    roll(&store, &vfs, "b", Duration::from_secs(60));
    // The Clear's ceiling passes; X's deadline does not.
    clock.advance(Duration::from_secs(5_700));
    assert!(START + 6_000_000 < store.stats().clock_ms.max(START + 6_130_000));
    while store.maintain(Duration::from_secs(60)).unwrap().more {}
    store.create("later", Write::new("x").idle(Duration::from_secs(600))).unwrap();
    let vfs = vfs.fork();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    assert!(store.get("X").unwrap().is_none(), "X was cleared, durably, and is back");
}
