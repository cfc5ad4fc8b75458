//! Numbers in files whose checksums are right and that no release has written (rules 14 and 15): a typed error or a
//! store that works, and no overflow.

#![cfg(all(feature = "fuzzing", feature = "simulation"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use sessile::fuzzing::{Body, Listed, SegmentHeader, SnapshotParts, StoreHeader, frame_bytes};
use sessile::vfs::SimVfs;
use sessile::{Error, ManualClock, Options, Recovery, Result, Store};

const NOW_MS: u64 = 1_800_000_000_000;
const STORE_ID: [u8; 16] = [9; 16];
const SALT: u64 = 7;
const FIRST_LSN: u64 = (1 << 40) + 1;

/// A store of one segment of the log with one mark, and what a test changes in it.
struct Parts {
    store: StoreHeader,
    header: SegmentHeader,
    lsn: u64,
    /// What stands behind the mark.
    frames: Vec<Body>,
    snapshot: Option<SnapshotParts>,
}

fn parts() -> Parts {
    let store = StoreHeader {
        store_id: STORE_ID,
        secret: [7; 32],
        opening: 1,
        durable_lsn: FIRST_LSN,
        root: 1,
        keeps_ids: false,
        envelope: None,
    };
    let header = SegmentHeader {
        number: 1,
        compacted: false,
        store_id: STORE_ID,
        salt: SALT,
        opening: 1,
        clock_ms: NOW_MS,
        lsn_first: FIRST_LSN,
        copied_to: 0,
        capacity: 4096,
        envelope: None,
        roster: Vec::new(),
    };
    Parts { store, header, lsn: FIRST_LSN, frames: Vec::new(), snapshot: None }
}

impl Parts {
    fn open(&self, recovery: Recovery) -> Result<Store> {
        let machine = SimVfs::new();
        let put =
            |name: &str, bytes: &[u8]| machine.write_file(&Path::new("/store").join(name), bytes).unwrap();
        let mut store = self.store.bytes();
        store.resize(4096, 0);
        store.extend(self.store.bytes());
        put("STORE", &store);
        let mut segment = self.header.bytes();
        let (durable_lsn, since_lsn) = (FIRST_LSN - 1, FIRST_LSN - 1);
        let mark = Body::Mark {
            durable_lsn,
            since_lsn,
            roster_lsn: since_lsn,
            clock_ms: NOW_MS,
            endings: Vec::new(),
        };
        for (nth, body) in std::iter::once(&mark).chain(&self.frames).enumerate() {
            segment.extend(frame_bytes(SALT, segment.len() as u64, self.lsn + nth as u64, body));
        }
        segment.resize(4096, 0);
        put("00000001.seg", &segment);
        if let Some(snapshot) = &self.snapshot {
            put("SNAPSHOT", &snapshot.bytes());
        }
        Options::new()
            .vfs(Arc::new(machine))
            .clock(Arc::new(ManualClock::at_ms(NOW_MS)))
            .manual_maintenance(true)
            .segment_bytes(64 << 10)
            .recovery(recovery)
            .open("/store")
    }

    fn snapshot_of(&mut self, segments: Vec<(u32, u64, u64)>) {
        let entries = Vec::new();
        let snapshot =
            SnapshotParts { store_id: STORE_ID, opening: 1, last_lsn: self.lsn, segments, entries };
        self.snapshot = Some(snapshot);
    }
}

#[test]
fn such_a_store_opens_while_its_numbers_are_right() {
    let mut parts = parts();
    parts.snapshot_of(vec![(1, SALT, 0)]);
    let store = parts.open(Recovery::Strict).unwrap();
    assert!(store.stats().recovery.from_snapshot);
}

#[test]
fn the_last_lsn_of_all_before_a_hole_is_damage() {
    let mut parts = parts();
    parts.lsn = u64::MAX;
    parts.header.copied_to = u64::MAX;
    assert!(matches!(parts.open(Recovery::Strict), Err(Error::Corrupt(_))));
    assert_eq!(parts.open(Recovery::Salvage).unwrap().len(), 0);
}

#[test]
fn openings_that_are_used_up_are_an_error() {
    for opening in [u64::MAX, 1 << 24, (1 << 24) - 1] {
        let mut parts = parts();
        parts.store.opening = opening;
        parts.store.durable_lsn = 0;
        let opened = parts.open(Recovery::Salvage);
        assert!(matches!(opened, Err(Error::Invalid(_))), "{opening}: {opened:?}");
    }
}

fn listed(number: u32) -> Listed {
    Listed {
        number,
        compacted: true,
        salt: SALT,
        end: u64::MAX,
        lsn_min: 1,
        lsn_max: 1,
        ceiling_ms: u64::MAX,
    }
}

#[test]
fn a_roster_that_lists_a_segment_twice_is_damage() {
    for roster in [vec![listed(2), listed(3), listed(2)], vec![listed(1)]] {
        let mut parts = parts();
        parts.header.roster = roster;
        assert!(matches!(parts.open(Recovery::Strict), Err(Error::Corrupt(_))));
        let salvaged = parts.open(Recovery::Salvage).unwrap();
        assert_eq!((salvaged.len(), salvaged.stats().recovery.damage.len()), (0, 1));
    }
}

/// The walk from the root to the end of the log came back to where it was, for ever.
#[test]
fn a_log_that_goes_on_where_it_began_has_an_end() {
    let mut parts = parts();
    parts.frames = vec![Body::Enter(Listed { compacted: false, end: 0, ..listed(1) })];
    assert_eq!(parts.open(Recovery::Strict).unwrap().len(), 0);
}

#[test]
fn a_roster_of_segments_without_end_is_damage() {
    let mut parts = parts();
    parts.header.roster = vec![listed(2), listed(3)];
    parts.snapshot_of(vec![(1, SALT, 0), (2, SALT, 0), (3, SALT, 0)]);
    assert!(matches!(parts.open(Recovery::Strict), Err(Error::Corrupt(_))));
}

#[test]
fn a_snapshot_cannot_make_more_bytes_live_than_there_are() {
    let mut parts = parts();
    parts.snapshot_of(vec![(1, SALT, u64::MAX)]);
    let store = parts.open(Recovery::Strict).unwrap();
    assert!(store.stats().recovery.from_snapshot);
    assert!(store.stats().live_bytes < 4096, "{:?}", store.stats());
}
