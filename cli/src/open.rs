//! How a store is opened: for a look by anybody who can read it, or for a change by the owner of its directory.
//!
//! Invariant: nothing here creates a store; only a replay does that, in a directory of its own.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use sessile::{KeyRing, Options, Recovery, Store};

use crate::failure::Failure;

/// The variable of the environment that says where the keys of an encrypted store are.
pub(crate) const KEYS_VARIABLE: &str = "SESSILE_KEYS";

/// How often a look is tried anew while each try finds another place damaged.
const LOOKS_MAX: usize = 10;

/// Opens for inspection: nothing is changed, and a server may hold the store meanwhile.
///
/// A server that compacts can remove a file between a look at the list of files and one at the file. Such a place is
/// whole, and another one, the next time; real damage stays where it is.
pub(crate) fn for_a_look(dir: &Path, recovery: Recovery) -> Result<Store, Failure> {
    existing(dir)?;
    let options = with_keys(Options::new().create(false).read_only(true).recovery(recovery))?;
    let look = || open(dir, options.clone());
    let mut opened = look();
    for _ in 1..LOOKS_MAX {
        let Err(Failure::Damaged { what: before, .. }) = &opened else { break };
        let again = look();
        let same = matches!(&again, Err(Failure::Damaged { what, .. }) if what == before);
        opened = again;
        if same {
            break;
        }
    }
    opened
}

/// Opens to change something: only for the owner of the directory, and only when nobody else holds the store.
pub(crate) fn for_a_change(dir: &Path, wait: Duration) -> Result<Store, Failure> {
    owned(dir)?;
    open(dir, with_keys(Options::new().create(false).manual_maintenance(true).lock_wait(wait))?)
}

/// The keys that are at this place, or where the environment says that they are.
pub(crate) fn keys(place: Option<&str>) -> Result<Option<KeyRing>, Failure> {
    let said = std::env::var(KEYS_VARIABLE).ok().filter(|place| !place.is_empty());
    let place = place.map(str::to_owned).or(said);
    place.map(|place| KeyRing::from_place(&place).map_err(Failure::Keys)).transpose()
}

/// With the keys, if the environment says where they are.
pub(crate) fn with_keys(options: Options) -> Result<Options, Failure> {
    Ok(match keys(None)? {
        Some(keys) => options.encryption(keys),
        None => options,
    })
}

/// Closes, so that what was changed is on the disk before success is reported.
pub(crate) fn close(dir: &Path, store: &Store) -> Result<(), Failure> {
    store.close().map_err(|error| Failure::store(dir, error))
}

/// Refuses a directory that belongs to another user, root's own rights notwithstanding: what root would write there,
/// the server could not open.
pub(crate) fn owned(dir: &Path) -> Result<(), Failure> {
    let owner = existing(dir)?.uid();
    let user = rustix::process::geteuid().as_raw();
    if owner == user { Ok(()) } else { Err(Failure::NotOwner { dir: dir.to_path_buf(), owner, user }) }
}

/// Refuses what is not an empty directory or nothing at all.
pub(crate) fn vacant(dir: &Path) -> Result<(), Failure> {
    let occupied = || Failure::Occupied(dir.to_path_buf());
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(occupied()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(occupied()),
        Err(error) => Err(Failure::io(format!("looking at {}", dir.display()), error)),
    }
}

/// There is such a directory.
pub(crate) fn existing(dir: &Path) -> Result<fs::Metadata, Failure> {
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Ok(metadata),
        Ok(_) => Err(Failure::NotAStore(dir.to_path_buf())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(Failure::NoDirectory)
        }
        // A name that is too long for one comes here too.
        Err(error) => Err(Failure::io("looking at that directory", error)),
    }
}

fn open(dir: &Path, options: Options) -> Result<Store, Failure> {
    options.open(dir).map_err(|error| Failure::store(dir, error))
}
