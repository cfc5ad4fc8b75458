//! The file system behind a trait, so that everything above it can be run against a disk that loses power.
//!
//! Owns: the trait [`Vfs`] and its files, and the loops that turn one system call into a whole transfer.
//! Knows nothing of segments or sessions. Two implementations: [`RealVfs`], and (feature `simulation`) `SimVfs`.
//!
//! What a caller may assume is what POSIX and a careful reading of file systems allow, no more:
//! 1. `write_at` reaches the page cache: the next `read_at` sees it, in this process and in others.
//! 2. Nothing is durable before `sync`; unsynced writes may reach the disk in any order, in part, or not at all.
//! 3. `sync` of a file does not make its name durable; `sync_dir` of its directory does.
//! 4. After a `sync` that failed, nothing is known about the writes before it.

#[cfg(test)]
mod conformance;
mod extents;
mod map;
mod real;
#[cfg(feature = "simulation")]
mod sim;
mod volume;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use map::Map;
pub use real::RealVfs;
#[cfg(feature = "simulation")]
pub(crate) use sim::draw_seeded;
#[cfg(feature = "simulation")]
pub use sim::*;
pub use volume::{Keeps, Volume};

/// An open file of a [`Vfs`]. Offsets are explicit, so one handle serves many threads.
#[expect(clippy::len_without_is_empty, reason = "a length that can fail is no collection's")]
pub trait VfsFile: Send + Sync {
    /// Reads at `offset` into `buffer`; returns how many bytes, 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes `data` at `offset`; returns how many bytes were taken, which may be fewer.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize>;

    /// Reserves blocks for the first `length` bytes and makes the file that long, so that a full disk is met here
    /// and not inside a record. The new bytes read as zero.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Gives back the blocks from `offset` to the end, without changing the length; they read as zero. Best effort.
    fn release_from(&self, offset: u64) -> io::Result<()>;

    /// Makes what was written durable, and the length if it changed. Never retried after a failure.
    fn sync(&self) -> io::Result<()>;

    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Where the file ends but for what was never written and reads as zero. Its length where the file system cannot tell,
    /// or cannot be believed: then somebody must read to know.
    fn written_end(&self) -> io::Result<u64> {
        self.len()
    }

    /// Bytes that the file occupies on the disk, which may be fewer than its length.
    fn allocated_bytes(&self) -> io::Result<u64>;

    /// Maps the first `length` bytes for reading, or `None` where this file system offers no maps.
    fn map(&self, length: u64) -> io::Result<Option<Map>>;

    /// Takes the exclusive lock on this file; `false` when another open file has it, in whatever process.
    /// It is held until this handle is dropped.
    fn try_lock(&self) -> io::Result<bool>;

    /// Whether another open file has the lock. A file system that can tell without taking it does so, so that who wants
    /// it in that moment gets it; otherwise it is taken until this handle is dropped.
    fn is_locked(&self) -> io::Result<bool> {
        self.try_lock().map(|taken| !taken)
    }
}

/// A file system: names and files. Paths are absolute or relative as the caller gave them.
pub trait Vfs: Send + Sync {
    /// Creates a directory that only its owner may enter (0700, whatever the umask), and its parents, and makes their
    /// names durable: who calls this cannot know which of them were new. It is no error when it is there already, and
    /// then it keeps its mode.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no order, without those of directories in it. What is no UTF-8 is replaced, so
    /// that a foreign file is seen, though not opened.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Creates a new file for reading and writing that only its owner may open (0600, whatever the umask).
    /// Fails with `AlreadyExists` when the name is taken.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>>;

    /// Opens an existing file, never through a symbolic link.
    fn open(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn VfsFile>>;

    /// Renames a file within a directory, replacing what has the new name. `InvalidInput` across directories.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Who has it open or mapped keeps reading.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file a second name, or fails where the file system has no hard links.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: creations, renames and removals.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Bytes free on the file system that holds the directory, for this user.
    fn free_bytes(&self, directory: &Path) -> io::Result<u64>;

    /// What holds the directory: its file system, and how long that keeps what it was given.
    fn volume(&self, directory: &Path) -> io::Result<Volume>;

    /// What names the directory itself, whatever path led to it: device and inode.
    fn identity(&self, directory: &Path) -> io::Result<(u64, u64)>;
}

/// Whether there was no room for it: on the disk, in a quota, or in a file that may not be that long.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Reads exactly `buffer.len()` bytes at `offset`, across short reads and interrupts.
///
/// # Errors
/// `UnexpectedEof` when the file is shorter, or what the file system said.
pub fn read_exact_at(file: &dyn VfsFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match read_up_to(file, buffer, offset)? {
        read if read == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads until `buffer` is full or the file ends; returns how many bytes.
///
/// # Errors
/// What the file system said.
pub fn read_up_to(file: &dyn VfsFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all of `data` at `offset`, across short writes and interrupts.
///
/// # Errors
/// `WriteZero` when the file takes no more, or what the file system said. Part of `data` may have been written.
pub fn write_all_at(file: &dyn VfsFile, data: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, offset.saturating_add(done as u64)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
