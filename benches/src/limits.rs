//! The bare machine: what nobody who keeps sessions can do without, measured in the same run, so that every figure can be given as
//! a multiple of it.
//!
//! Owns: [`Limit`] and how each is measured. Medians of many, since a disk has moods.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::data::Random;
use crate::outcome::median;

/// A record of the benchmark's sessions, with what stands before it.
const RECORD_BYTES: usize = 550;
const APPENDS: usize = 200_000;
const SYNCS: usize = 300;
const CHASED_BYTES: usize = 256 << 20;
const CHASES: usize = 2_000_000;
const READ_BYTES: usize = 512 << 20;
const PIECE_BYTES: usize = 1 << 20;

/// `pwrite` of a record to the end of a file.
pub const PWRITE: &str = "pwrite of 550 B";
/// The cheapest way to make a record durable.
pub const SYNC: &str = "fdatasync of 550 B into blocks that were written before";

/// What the machine takes for something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limit {
    /// What.
    pub name: String,
    /// How long, in nanoseconds.
    pub ns: f64,
}

/// Measures the machine, with files in `directory`; `share` says how thoroughly, and is 1 to quote.
///
/// # Errors
/// What the disk said.
pub fn measure(directory: &Path, share: f64) -> io::Result<Vec<Limit>> {
    let of = |count: usize| ((count as f64 * share) as usize).max(16);
    let limit = |name: &str, ns| Limit { name: name.to_owned(), ns };
    Ok(vec![
        limit("a dependent read of memory, 256 MiB in 4 KiB pages", chase(of(CHASES))),
        limit("reading 1 KiB in order from the page cache", sequential(directory, of(READ_BYTES))?),
        limit(PWRITE, pwrite(directory, of(APPENDS))?),
        limit("fdatasync of 550 B into a growing file", sync(directory, Blocks::None, of(SYNCS))?),
        limit(
            "fdatasync of 550 B into blocks that were only allocated",
            sync(directory, Blocks::Allocated, of(SYNCS))?,
        ),
        limit(SYNC, sync(directory, Blocks::Written, of(SYNCS))?),
    ])
}

/// What the cheapest sync takes now, in nanoseconds.
///
/// # Errors
/// What the disk said.
pub fn sync_now(directory: &Path) -> io::Result<f64> {
    sync(directory, Blocks::Written, SYNCS)
}

/// A walk through memory of which each step says where the next one goes.
fn chase(steps: usize) -> f64 {
    let count = CHASED_BYTES / size_of::<u32>();
    let mut next: Vec<u32> = (0..count as u32).collect();
    let mut random = Random::new(1);
    // One cycle through all (Sattolo 1986).
    for end in (1..count).rev() {
        next.swap(end, random.below(end));
    }
    let (mut at, began) = (0, Instant::now());
    for _ in 0..steps {
        at = next[at as usize];
    }
    black_box(at);
    began.elapsed().as_nanos() as f64 / steps as f64
}

fn sequential(directory: &Path, bytes: usize) -> io::Result<f64> {
    let (file, path) = create(directory)?;
    let mut piece = vec![7; PIECE_BYTES];
    let pieces = bytes.div_ceil(PIECE_BYTES);
    for number in 0..pieces {
        file.write_all_at(&piece, (number * PIECE_BYTES) as u64)?;
    }
    let began = Instant::now();
    for number in 0..pieces {
        file.read_exact_at(&mut piece, (number * PIECE_BYTES) as u64)?;
        black_box(&piece);
    }
    let took = began.elapsed().as_nanos() as f64;
    std::fs::remove_file(path)?;
    Ok(took / (pieces * PIECE_BYTES) as f64 * 1024.0)
}

fn pwrite(directory: &Path, count: usize) -> io::Result<f64> {
    let (file, path) = create(directory)?;
    let record = [7; RECORD_BYTES];
    let began = Instant::now();
    for number in 0..count {
        file.write_all_at(&record, (number * RECORD_BYTES) as u64)?;
    }
    let took = began.elapsed().as_nanos() as f64 / count as f64;
    std::fs::remove_file(path)?;
    Ok(took)
}

/// What the file system has of the file before it is written to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocks {
    None,
    Allocated,
    Written,
}

fn sync(directory: &Path, blocks: Blocks, count: usize) -> io::Result<f64> {
    let (file, path) = create(directory)?;
    let bytes = (count * RECORD_BYTES).next_multiple_of(4096);
    match blocks {
        Blocks::None => {}
        Blocks::Allocated => {
            let flags = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(&file, flags, 0, bytes as u64)?;
        }
        Blocks::Written => file.write_all_at(&vec![0; bytes], 0)?,
    }
    file.sync_all()?;
    let record = [7; RECORD_BYTES];
    let one = |number: usize| {
        let began = Instant::now();
        file.write_all_at(&record, (number * RECORD_BYTES) as u64)?;
        file.sync_data()?;
        Ok(began.elapsed().as_nanos() as f64)
    };
    let took = (0..count).map(one).collect::<io::Result<_>>()?;
    std::fs::remove_file(path)?;
    Ok(median(took))
}

fn create(directory: &Path) -> io::Result<(File, PathBuf)> {
    let path = directory.join("limit");
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(true).open(&path)?;
    Ok((file, path))
}
