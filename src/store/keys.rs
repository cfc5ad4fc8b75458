//! Keys in use: which keys the files of a store need, from their headers alone.
//!
//! Owns: the count, and which files are perhaps plain where none should be. Needs no key and no lock, so it can be asked while a server holds the store: files that come and go
//! meanwhile are counted or not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::root::Root;
use crate::log::segment::number_of;
use crate::options::Options;
use crate::recovery::open::Directory;
use crate::sealing::Sealing;
use crate::sealing::wrapped::{Stage, Wrapped};
use crate::stats::{KeyUse, KeysInUse};

/// Which keys the store in `directory` needs.
pub(crate) fn in_use(directory: &Path, options: &Options) -> Result<KeysInUse> {
    let vfs = Arc::clone(&options.vfs);
    let Some(root) = Root::read(vfs.as_ref(), directory, false)? else {
        return Err(Error::NotAStore(directory.to_owned()));
    };
    let header = root.header();
    let (directory, names) = headers(directory, options, header.store_id)?;
    let wrapped = Wrapped::decode(header.envelope.bytes());
    let unfinished = wrapped.as_ref().is_some_and(|wrapped| wrapped.stage == Stage::Sealing);
    let mut uses: BTreeMap<(bool, String), KeyUse> = BTreeMap::new();
    let mut of = |wrapped: Option<Wrapped>, segments: u64, bytes: u64, has_secret: bool| {
        let name = wrapped.map(|wrapped| wrapped.name);
        let used = uses.entry((name.is_none(), name.clone().unwrap_or_default())).or_default();
        used.name = name;
        used.segments += segments;
        used.bytes += bytes;
        used.has_secret |= has_secret;
    };
    of(wrapped, 0, 0, true);
    for number in names.iter().filter_map(|name| number_of(name)) {
        // Neither one that has not begun nor one that has just gone needs a key.
        if let Some(open) = directory.open_segment(number)? {
            of(Wrapped::decode(open.header.envelope.bytes()), 1, open.length(), false);
        }
    }
    Ok(KeysInUse { uses: uses.into_values().collect(), unfinished })
}

/// The files that nobody may find plain in an encrypted store, and that perhaps are: segments without a key, that could not be removed or
/// whose header cannot be read, what was being written, and what a salvage has put aside.
pub(super) fn perhaps_plain(directory: &Path, options: &Options) -> Result<Vec<String>> {
    let Some(root) = Root::read(options.vfs.as_ref(), directory, false)? else {
        return Err(Error::NotAStore(directory.to_owned()));
    };
    let (directory, names) = headers(directory, options, root.header().store_id)?;
    let is_sealed = |number| {
        let open = directory.open_segment(number).ok().flatten();
        open.is_some_and(|open| !open.header.envelope.bytes().is_empty())
    };
    let perhaps_plain = |name: &String| match number_of(name) {
        Some(number) => !is_sealed(number),
        None => name.contains(".damaged") || name.ends_with(".tmp"),
    };
    Ok(names.into_iter().filter(perhaps_plain).collect())
}

/// The directory with no key to it, and what is in it.
fn headers(directory: &Path, options: &Options, store_id: [u8; 16]) -> Result<(Directory, Vec<String>)> {
    let vfs = Arc::clone(&options.vfs);
    let names =
        vfs.list(directory).map_err(|error| Error::io(format!("listing {}", directory.display()), error))?;
    let (path, sealing) = (directory.to_owned(), Sealing::default());
    Ok((Directory { vfs, path, store_id, read_mode: options.read_mode, sealing }, names))
}
