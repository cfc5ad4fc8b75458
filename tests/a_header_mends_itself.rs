//! The two copies of the store's header repair each other: one that is damaged, wherever and however, costs nothing and is said.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use std::path::{Path, PathBuf};

use hazard::{DIR, fresh, options, written};
use sessile::vfs::SimVfs;
use sessile::{Error, ManualClock, Recovery, Restoring};

const COPIES: [usize; 2] = [0, 4096];
const BYTES: usize = 92;

fn path() -> PathBuf {
    Path::new(DIR).join("STORE")
}

fn store() -> (SimVfs, ManualClock) {
    let (vfs, clock) = fresh();
    let store = options(&vfs, &clock).open(DIR).unwrap();
    store.create("a", written(100)).unwrap();
    store.close().unwrap();
    (vfs, clock)
}

/// The same store with its header damaged like this.
fn damaged(vfs: &SimVfs, damage: impl Fn(&mut Vec<u8>)) -> SimVfs {
    let vfs = vfs.fork();
    let mut bytes = vfs.read_file(&path()).unwrap();
    damage(&mut bytes);
    vfs.write_file(&path(), &bytes).unwrap();
    vfs
}

fn is_mended(vfs: &SimVfs, clock: &ManualClock, at: usize, when: &str) {
    let look =
        options(vfs, clock).read_only(true).open(DIR).unwrap_or_else(|error| panic!("{when}: {error}"));
    let says =
        |damage: &Option<sessile::Damage>| damage.as_ref().map(|damage| (damage.file.clone(), damage.offset));
    let said = Some(("STORE".to_owned(), at as u64));
    assert_eq!(says(&look.stats().recovery.header_damage), said, "{when}");
    drop(look);
    for recovery in [Recovery::Strict, Recovery::Salvage] {
        let vfs = vfs.fork();
        let store = options(&vfs, clock).recovery(recovery).open(DIR).unwrap();
        assert_eq!(says(&store.stats().recovery.header_damage), said, "{when}");
        assert!(store.stats().recovery.damage.is_empty() && store.get("a").unwrap().is_some(), "{when}");
        let bytes = vfs.fork().crash(sessile::vfs::CrashPolicy::DropAll).read_file(&path()).unwrap();
        assert_eq!(bytes[..BYTES], bytes[4096..4096 + BYTES], "{when}: both are whole, durably");
        store.close().unwrap();
        drop(store);
        let again = options(&vfs, clock).open(DIR).unwrap();
        assert_eq!(again.stats().recovery.header_damage, None, "{when}: it is mended");
    }
}

#[test]
fn every_byte_of_either_copy_may_be_flipped() {
    let (vfs, clock) = store();
    for at in COPIES {
        for byte in 0..BYTES {
            let bad = damaged(&vfs, |bytes| bytes[at + byte] ^= 1 << (byte % 8));
            is_mended(&bad, &clock, at, &format!("byte {byte} of the copy at {at}"));
        }
    }
}

#[test]
fn either_copy_may_be_torn_zeroed_or_cut_off() {
    let (vfs, clock) = store();
    // What a write of another header leaves that is torn anywhere.
    let newer = damaged(&vfs, |_| ());
    options(&newer, &clock).open(DIR).unwrap().close().unwrap();
    let newer = newer.read_file(&path()).unwrap();
    for at in COPIES {
        for torn in 0..BYTES {
            let bad = damaged(&vfs, |bytes| bytes[at..at + torn].copy_from_slice(&newer[at..at + torn]));
            let whole = bad.read_file(&path()).unwrap()[at..at + BYTES]
                == vfs.read_file(&path()).unwrap()[at..at + BYTES];
            if !whole {
                is_mended(&bad, &clock, at, &format!("torn after {torn} of the copy at {at}"));
            }
        }
        is_mended(&damaged(&vfs, |bytes| bytes[at..at + BYTES].fill(0)), &clock, at, "zeroed");
    }
    for length in [0, 1, 91].map(|cut| 4096 + cut).into_iter().chain([BYTES, 1000]) {
        is_mended(&damaged(&vfs, |bytes| bytes.truncate(length)), &clock, 4096, &format!("cut to {length}"));
    }
}

#[test]
fn with_both_damaged_the_error_says_what_to_do() {
    let (vfs, clock) = store();
    options(&vfs, &clock).open(DIR).unwrap().backup("/copy").unwrap();
    for byte in 0..BYTES {
        let bad = damaged(&vfs, |bytes| COPIES.iter().for_each(|at| bytes[at + byte] ^= 4));
        for recovery in [Recovery::Strict, Recovery::Salvage] {
            let error = options(&bad, &clock).recovery(recovery).open(DIR).map(drop).unwrap_err();
            assert!(matches!(&error, Error::Corrupt(damage) if damage.file == "STORE"), "{error}");
            let says = error.to_string();
            assert!(says.ends_with("restore a backup") && says.contains("salvage cannot help"), "{says}");
        }
        assert!(matches!(options(&bad, &clock).salvage(DIR, None), Err(Error::Corrupt(_))));
    }
    let bad = damaged(&vfs, Vec::clear);
    assert!(options(&bad, &clock).open(DIR).is_err());
    // And that works.
    options(&bad, &clock).restore("/copy", "/new", Restoring::Keep).unwrap();
    assert!(options(&bad, &clock).open("/new").unwrap().get("a").unwrap().is_some());
}
