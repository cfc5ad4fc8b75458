//! The directory's segment files: their numbers, their creation, the room they may take.
//!
//! Owns: the next number and the bytes in use. Invariants:
//! 1. A number is never given out twice, and no name is ever reused: a file is created under another name,
//!    allocated, synced and renamed, and the directory synced, before anything refers to it (rule 9).
//! 2. Blocks are allocated before the first frame, so a full disk is met here and not inside a record (rule 13).
//! 3. Below the limit ordinary records leave room for a segment of endings, and both for an output of compaction and its
//!    footer, which may be a little larger than what it was made from, and which has its room also where openings, each of
//!    which begins a segment, have gone beyond the limit; a file of a segment's size, the reserve, holds
//!    blocks that only compaction may have when the disk itself is full (rule 13).

use std::path::PathBuf;
use std::sync::Arc;

use super::segment::file_name;

use crate::error::{Error, Full, Result};
use crate::options::ReadMode;
use crate::sealing::Sealing;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::vfs::{self, Vfs, VfsFile};

/// The smallest segment of the log.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 256 << 10;

/// What is left free behind the copies that an opening begins with.
pub(crate) const FREE_BEHIND_COPIES: u64 = SEGMENT_BYTES_MIN / 2;

/// For whom a file is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Log,
    /// A segment of the log, begun for an ending or for the roster when there is no room for anything else.
    Ending,
    Compaction,
    /// The first segment of an opening: a store at its limit must still open.
    Opening,
}

/// Creates and removes segment files.
pub(crate) struct Files {
    pub vfs: Arc<dyn Vfs>,
    pub directory: PathBuf,
    pub read_mode: ReadMode,
    /// What new segments are sealed with.
    pub sealing: Sealing,
    segment_bytes: u64,
    disk_bytes_max: u64,
    disk_bytes: AtomicU64,
    /// What was in use when the opening had begun its first segment, which the limit does not forbid.
    opened_bytes: AtomicU64,
    next_number: AtomicU32,
    reserved: Mutex<bool>,
}

/// Holds blocks for compaction. A `.tmp`, so it is of no account after a crash.
const RESERVE_NAME: &str = "reserve.tmp";

impl Files {
    /// Files of a directory in which `disk_bytes` are in use and all numbers below `next_number` are taken.
    pub fn new(
        vfs: Arc<dyn Vfs>,
        directory: PathBuf,
        read_mode: ReadMode,
        limits: (u64, u64),
        in_use: (u64, u32),
    ) -> Self {
        Self {
            vfs,
            directory,
            read_mode,
            sealing: Sealing::default(),
            segment_bytes: limits.0,
            disk_bytes_max: limits.1,
            disk_bytes: AtomicU64::new(in_use.0),
            opened_bytes: AtomicU64::new(0),
            next_number: AtomicU32::new(in_use.1),
            reserved: Mutex::new(false),
        }
    }

    /// The same, with new segments sealed with this.
    pub fn sealed_with(self, sealing: Sealing) -> Self {
        Self { sealing, ..self }
    }

    /// Bytes that segments take.
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes.load(Ordering::Relaxed)
    }

    /// The most that they may take.
    pub fn disk_bytes_max(&self) -> u64 {
        self.disk_bytes_max
    }

    /// The largest that a segment gets.
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Whether the log will soon meet the limit: then room is made while there still is some to work in.
    pub fn is_nearly_full(&self) -> bool {
        let ahead =
            self.next_capacity(0).saturating_mul(2).saturating_add(self.segment_bytes.saturating_mul(5) / 2);
        self.disk_bytes().saturating_add(ahead) > self.disk_bytes_max
    }

    /// How large the next segment of the log should be: a small store has small ones.
    pub fn next_capacity(&self, at_least: u64) -> u64 {
        self.capacity_beside(self.disk_bytes(), at_least)
    }

    /// The same in a store of which so many bytes are written. An opening goes by that: by the room that was only allocated,
    /// openings that write little, as in a restart loop, would make each other's segments ever larger.
    pub fn capacity_beside(&self, written_bytes: u64, at_least: u64) -> u64 {
        let eighth = (written_bytes / 8).next_power_of_two();
        eighth.clamp(SEGMENT_BYTES_MIN.min(self.segment_bytes), self.segment_bytes).max(at_least)
    }

    /// A number that no segment has had.
    pub fn next_number(&self) -> Result<u32> {
        self.next_number
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| number.checked_add(1))
            .map_err(|_| {
                Error::invalid("the store has used up its segment numbers; export it and import it anew")
            })
    }

    /// A new file of `capacity` bytes under its final name, durable but for what will be written to it.
    pub fn create(&self, number: u32, capacity: u64, purpose: Use) -> Result<Arc<dyn VfsFile>> {
        let file = self.create_unnamed(number, capacity, purpose)?;
        let named = self.name(number, file.as_ref());
        if named.is_err() {
            // It may have got its name before the directory could not be synced.
            let _ = self.vfs.remove(&self.directory.join(file_name(number)));
            self.discard(number, capacity);
        }
        named.map(|()| file)
    }

    /// A new file that has only its temporary name: what is in it counts for nothing until [`name`](Self::name).
    pub fn create_unnamed(&self, number: u32, capacity: u64, purpose: Use) -> Result<Arc<dyn VfsFile>> {
        let kept_free = match purpose {
            _ if planted!(LogSpendsTheReserve) => 0,
            Use::Log => self.segment_bytes.saturating_mul(5) / 2,
            Use::Ending => self.segment_bytes.saturating_mul(3) / 2,
            Use::Compaction | Use::Opening => 0,
        };
        let would_use = self.disk_bytes().saturating_add(capacity).saturating_add(kept_free);
        if would_use > self.limit_of(purpose) {
            return Err(Error::Full(Full::DiskBytes));
        }
        let tmp = self.directory.join(format!("{number:08}.tmp"));
        let failed = |error: std::io::Error| match vfs::is_full(&error) {
            true => Error::Full(Full::FileSystem),
            false => Error::io(format!("creating {}", tmp.display()), error),
        };
        let file = self.vfs.create(&tmp).map_err(failed)?;
        let mut allocated = file.allocate(capacity);
        if allocated.is_err() && purpose == Use::Compaction && self.give_up_reserve() {
            allocated = file.allocate(capacity);
        }
        if let Err(error) = allocated {
            let _ = self.vfs.remove(&tmp);
            return Err(failed(error));
        }
        let before = self.disk_bytes.fetch_add(capacity, Ordering::Relaxed);
        if purpose == Use::Opening {
            self.opened_bytes.store(before.saturating_add(capacity), Ordering::Relaxed);
        }
        Ok(file)
    }

    /// The most that may be in use behind a file for this. Openings begin a segment each, at the limit too, and a process
    /// that dies there again and again leaves one behind each time: then compaction, which alone leads back below the limit,
    /// has as much room beyond what the opening has found.
    fn limit_of(&self, purpose: Use) -> u64 {
        let opened_bytes = self.opened_bytes.load(Ordering::Relaxed);
        match purpose {
            Use::Log | Use::Ending => self.disk_bytes_max,
            Use::Compaction => {
                self.disk_bytes_max.max(opened_bytes.saturating_add(self.segment_bytes * 3 / 2))
            }
            Use::Opening => u64::MAX,
        }
    }

    /// Sees to it that the reserve is there. Best effort: where there is no room for it, there is none.
    pub fn keep_reserve(&self) {
        let mut reserved = self.reserved.lock();
        if *reserved {
            return;
        }
        let path = self.directory.join(RESERVE_NAME);
        let _ = self.vfs.remove(&path);
        let made = self.vfs.create(&path).and_then(|file| file.allocate(self.next_capacity(0)));
        *reserved = made.is_ok();
        if made.is_err() {
            let _ = self.vfs.remove(&path);
        }
    }

    /// Gives the reserve's blocks back to the disk; `false` when there are none.
    pub fn give_up_reserve(&self) -> bool {
        let mut reserved = self.reserved.lock();
        std::mem::take(&mut *reserved) && self.vfs.remove(&self.directory.join(RESERVE_NAME)).is_ok()
    }

    /// Syncs a file and gives it its final name, durably.
    pub fn name(&self, number: u32, file: &dyn VfsFile) -> Result<()> {
        let name = file_name(number);
        let failed = |error| Error::io(format!("naming {name}"), error);
        if !planted!(NamedUnsynced) {
            file.sync().map_err(failed)?;
        }
        let tmp = self.directory.join(format!("{number:08}.tmp"));
        self.vfs.rename(&tmp, &self.directory.join(&name)).map_err(failed)?;
        if planted!(DirectorySyncSkipped) {
            return Ok(());
        }
        self.vfs.sync_dir(&self.directory).map_err(failed)
    }

    /// A file that never got its final name is not wanted after all.
    pub fn discard(&self, number: u32, capacity: u64) {
        let _ = self.vfs.remove(&self.directory.join(format!("{number:08}.tmp")));
        self.release(capacity);
    }

    /// Unlinks a segment that has left the roster, durably. The caller need not care when it fails: an unlisted file
    /// is removed at the next opening.
    pub fn remove(&self, number: u32, capacity: u64) -> Result<()> {
        let name = file_name(number);
        let removed = self.vfs.remove(&self.directory.join(&name));
        self.release(capacity);
        removed.map_err(|error| Error::io(format!("removing {name}"), error))
    }

    /// A file has grown by a footer.
    pub fn grown(&self, bytes: u64) {
        self.disk_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn release(&self, capacity: u64) {
        let _ = self
            .disk_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bytes| Some(bytes.saturating_sub(capacity)));
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::vfs::SimVfs;

    const MIB: u64 = 1 << 20;

    fn files(sim: &SimVfs, in_use: u64, max: u64) -> Files {
        let directory = std::path::PathBuf::from("/store");
        sim.create_dir(&directory).unwrap();
        Files::new(Arc::new(sim.clone()), directory, ReadMode::Plain, (MIB, max), (in_use, 0))
    }

    fn is_refused(files: &Files, purpose: Use, why: Full) -> bool {
        match files.create_unnamed(files.next_number().unwrap(), MIB, purpose) {
            Err(Error::Full(full)) => full == why,
            Err(error) => panic!("{error:?}"),
            Ok(_) => false,
        }
    }

    #[test]
    fn a_segment_is_an_eighth_of_the_store_within_its_bounds() {
        let capacity = |in_use, at_least| files(&SimVfs::new(), in_use, 64 * MIB).next_capacity(at_least);
        assert_eq!(capacity(0, 0), SEGMENT_BYTES_MIN);
        assert_eq!(capacity(4 * MIB, 0), MIB / 2);
        assert_eq!(capacity(16 * MIB, 0), MIB);
        assert_eq!(capacity(16 * MIB, 2 * MIB), 2 * MIB);
    }

    #[test]
    fn each_use_leaves_the_room_that_what_comes_after_it_needs() {
        for (purpose, kept_free) in
            [(Use::Log, 5 * MIB / 2), (Use::Ending, 3 * MIB / 2), (Use::Compaction, 0)]
        {
            let max = 8 * MIB + MIB + kept_free;
            assert!(!is_refused(&files(&SimVfs::new(), 8 * MIB, max), purpose, Full::DiskBytes));
            assert!(is_refused(&files(&SimVfs::new(), 8 * MIB, max - 1), purpose, Full::DiskBytes));
        }
        assert!(!is_refused(&files(&SimVfs::new(), 8 * MIB, MIB), Use::Opening, Full::DiskBytes));
    }

    #[test]
    fn it_is_nearly_full_while_there_is_still_room_to_work_in() {
        let ahead = 2 * MIB + 5 * MIB / 2;
        let nearly = |max| files(&SimVfs::new(), 16 * MIB, max).is_nearly_full();
        assert!(!nearly(16 * MIB + ahead));
        assert!(nearly(16 * MIB + ahead - 1));
    }

    #[test]
    fn only_compaction_is_given_the_reserve() {
        let sim = SimVfs::new();
        let files = files(&sim, 16 * MIB, 64 * MIB);
        assert!(!files.give_up_reserve(), "there is none yet");
        files.keep_reserve();
        sim.set_capacity(Some(MIB + MIB / 2));
        assert!(is_refused(&files, Use::Log, Full::FileSystem));
        assert!(is_refused(&files, Use::Ending, Full::FileSystem));
        assert!(sim.list(&files.directory).unwrap().contains(&RESERVE_NAME.to_owned()));
        assert!(!is_refused(&files, Use::Compaction, Full::FileSystem));
        assert!(!files.give_up_reserve(), "it is gone");
    }

    #[test]
    fn what_is_counted_is_what_is_there() {
        let sim = SimVfs::new();
        let files = files(&sim, 0, 64 * MIB);
        files.create_unnamed(1, MIB, Use::Log).unwrap();
        files.grown(100);
        assert_eq!(files.disk_bytes(), MIB + 100);
        files.discard(1, MIB);
        assert_eq!(files.disk_bytes(), 100);
        assert_eq!(sim.list(&files.directory).unwrap(), Vec::<String>::new());
    }
}
