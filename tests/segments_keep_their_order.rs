//! The numbers of log segments must ascend, since `sealed_segments` and `backup` go by them.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

#[path = "common/hooks.rs"]
#[allow(dead_code, reason = "each test file uses its part of this")]
mod hooks;

use hazard::DIR;
use hooks::Interrupting;
use sessile::vfs::{CallKind, SimVfs};
use sessile::{Durability, Store, Write};
use std::path::Path;
use std::time::Duration;

fn frames_in(vfs: &SimVfs, name: &str) -> bool {
    vfs.read_file(&Path::new(DIR).join(name)).is_ok_and(|bytes| bytes.iter().any(|b| *b != 0))
}

/// Writes until the log goes on in this segment.
fn fill(store: &Store, vfs: &SimVfs, tag: &str, until: &str) {
    // Not for ever: a store that is in order never goes on in that segment.
    for n in 0..200 {
        if frames_in(vfs, until) {
            return;
        }
        let write = Write::new(vec![7; 3000]).durability(Durability::Written);
        store.create(format!("{tag}{n}"), write).unwrap();
    }
}

/// While the keeping thread creates the spare (number 2), the writers fill the tail and create number 3. The spare is
/// then used after it. A backup leaves out number 3.
#[test]
fn a_backup_has_every_segment_when_the_spare_comes_late() {
    let ((sim, clock), hooks) = (hazard::fresh(), Interrupting::default());
    let store = hazard::options_on(hooks.over(&sim), &clock).segment_bytes(256 << 10).open(DIR).unwrap();
    for n in 0..60 {
        store.create(format!("half{n}"), Write::new(vec![7; 3000])).unwrap();
    }
    let (writing, disk) = (store.clone(), sim.clone());
    hooks.before_on("00000002", CallKind::Create, 1, move || fill(&writing, &disk, "race", "00000003.seg"));
    clock.advance(Duration::from_secs(1));
    store.maintain(Duration::from_secs(1)).unwrap();
    assert!(hooks.has_acted());
    let report = store.backup("/backup");
    assert!(report.is_ok(), "{:?}", report.err());
}
