//! The simulation's own promises: were it kinder than a disk, all that is proven above it would be worth nothing, and
//! were it crueler than one may be, nothing could be.

mod bytes;
mod faults;
mod names;
mod worlds;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SimVfs;
use crate::vfs::{Vfs, VfsFile, write_all_at};

const SEEDS: u64 = 400;

fn at(name: &str) -> PathBuf {
    Path::new("/store").join(name)
}

/// A machine with an empty directory `/store`.
fn machine() -> SimVfs {
    let machine = SimVfs::new();
    machine.create_dir(Path::new("/store")).unwrap();
    machine
}

/// A machine on which `name` holds `bytes`, durably, and the file.
fn machine_with(name: &str, bytes: &[u8]) -> (SimVfs, Arc<dyn VfsFile>) {
    let machine = machine();
    machine.write_file(&at(name), bytes).unwrap();
    let file = machine.open(&at(name), true).unwrap();
    (machine, file)
}

fn put(machine: &SimVfs, name: &str, bytes: &[u8]) -> Arc<dyn VfsFile> {
    let file = machine.create(&at(name)).unwrap();
    write_all_at(&*file, bytes, 0).unwrap();
    file
}

fn names(machine: &SimVfs) -> Vec<String> {
    machine.list(Path::new("/store")).unwrap()
}

fn sync_names(machine: &SimVfs) {
    machine.sync_dir(Path::new("/store")).unwrap();
}

fn read(machine: &SimVfs, name: &str) -> Vec<u8> {
    machine.read_file(&at(name)).unwrap()
}
