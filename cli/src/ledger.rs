//! The ledger of connect-sessile: a store beside the segments of another, in the directory `moving`, which knows what has ended
//! of the store that is being left.
//!
//! Owns: where it is. A copy of the sessions without it would ask the old store for whoever has logged out.

use std::path::{Path, PathBuf};

const NAME: &str = "moving";

/// Where the ledger of a store in this directory would be.
pub fn place(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// Where it is, if the store has one.
pub fn of(dir: &Path) -> Option<PathBuf> {
    Some(place(dir)).filter(|ledger| ledger.join("STORE").is_file())
}
