//! Writing ahead: zeros in blocks that the log has not come to.
//!
//! A file system that has only reserved a block notes in its journal that it has been written, when it is; a sync waits for
//! that too. One that goes into a block that was written before writes just the block: on ext4 it takes two thirds of the
//! time. So before a small sync that is near the end of what was written, the next few blocks are written as well: their note
//! goes with this sync, and the hundred after it are spared theirs.
//!
//! Owns: how far. Invariants:
//! 1. Zeros are written only behind the end of the log and with the tail's lock held, so that nothing is appended meanwhile.
//!    They are what is there already, as far as anybody can read: a crash changes nothing by them.
//! 2. Only where syncs are for little: under bulk load a sync is spread over so many bytes that zeros would only be bytes more.

use crate::vfs::{self, VfsFile};

/// Zeros are written in pieces of this size: in larger ones the page cache would keep them in larger folios, into which small
/// writes are slow.
const PIECE_BYTES: usize = 4096;
/// How many bytes are written at a time.
const STEP_BYTES: u64 = 64 << 10;
/// A sync of more than this is not for little.
const GROUP_BYTES_MAX: u64 = 16 << 10;

/// How far the segment in use is written, and how far it was the last time that somebody waited for a sync.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    segment: u32,
    synced: u64,
    written: u64,
}

impl Ahead {
    /// Before a sync of the segment up to `end`. That zeros cannot be written is no harm: then they are not there.
    pub fn before_sync(&mut self, segment: u32, end: u64, capacity: u64, file: &dyn VfsFile) {
        if self.segment != segment {
            *self = Self { segment, synced: end, written: 0 };
        }
        let group_bytes = end.saturating_sub(std::mem::replace(&mut self.synced, end));
        let piece = PIECE_BYTES as u64;
        let from = end.next_multiple_of(piece);
        if from < self.written || group_bytes > GROUP_BYTES_MAX || group_bytes == 0 {
            return;
        }
        let to = (from + STEP_BYTES).min(capacity / piece * piece);
        let all =
            (from..to).step_by(PIECE_BYTES).try_for_each(|at| vfs::write_all_at(file, &[0; PIECE_BYTES], at));
        self.written = if all.is_ok() { to } else { capacity };
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::vfs::{CallKind, Fault, SimVfs, Times, Vfs};

    const CAPACITY: u64 = 256 << 10;

    fn file(vfs: &SimVfs) -> Arc<dyn VfsFile> {
        let file = vfs.create(Path::new("/segment")).unwrap();
        vfs::write_all_at(file.as_ref(), &vec![7; CAPACITY as usize], 0).unwrap();
        file
    }

    /// Where there are zeros: from, to. Everything was sevens.
    fn zeros(file: &dyn VfsFile) -> (u64, u64) {
        let mut bytes = vec![0; CAPACITY as usize];
        vfs::read_exact_at(file, &mut bytes, 0).unwrap();
        let from = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let to = bytes.iter().rposition(|byte| *byte == 0).map_or(from, |last| last + 1);
        assert!(bytes[from..to].iter().all(|byte| *byte == 0), "in one piece");
        (from as u64, to as u64)
    }

    #[test]
    fn nothing_that_was_appended_is_overwritten_and_a_small_sync_pays_for_many() {
        let file = file(&SimVfs::new());
        let mut ahead = Ahead::default();
        ahead.before_sync(1, 5_000, CAPACITY, file.as_ref());
        assert_eq!(
            zeros(file.as_ref()),
            (CAPACITY, CAPACITY),
            "of a new segment nobody knows how much was for this sync"
        );
        ahead.before_sync(1, 5_500, CAPACITY, file.as_ref());
        assert_eq!(zeros(file.as_ref()), (8_192, 8_192 + STEP_BYTES));
        let calls = (6_000..70_000).step_by(500).filter(|end| {
            let before = ahead.written;
            ahead.before_sync(1, *end, CAPACITY, file.as_ref());
            ahead.written != before
        });
        assert_eq!(calls.count(), 0, "as long as there are blocks that were written");
        ahead.before_sync(1, 8_192 + STEP_BYTES - 100, CAPACITY, file.as_ref());
        assert_eq!(zeros(file.as_ref()), (8_192, 8_192 + 2 * STEP_BYTES));
    }

    #[test]
    fn neither_a_large_group_nor_an_idle_log_is_worth_it() {
        let file = file(&SimVfs::new());
        let mut ahead = Ahead::default();
        ahead.before_sync(1, 64, CAPACITY, file.as_ref());
        ahead.before_sync(1, 64, CAPACITY, file.as_ref());
        ahead.before_sync(1, 65 + GROUP_BYTES_MAX, CAPACITY, file.as_ref());
        assert_eq!(zeros(file.as_ref()), (CAPACITY, CAPACITY));
        ahead.before_sync(1, 65 + 2 * GROUP_BYTES_MAX, CAPACITY, file.as_ref());
        assert_ne!(zeros(file.as_ref()), (CAPACITY, CAPACITY));
    }

    #[test]
    fn the_file_grows_by_nothing_and_another_segment_begins_anew() {
        let file = file(&SimVfs::new());
        let mut ahead = Ahead::default();
        let capacity = CAPACITY - 100;
        ahead.before_sync(1, CAPACITY - 20_000, capacity, file.as_ref());
        ahead.before_sync(1, CAPACITY - 19_000, capacity, file.as_ref());
        assert_eq!(zeros(file.as_ref()), (CAPACITY - 16_384, CAPACITY - 4_096));
        ahead.before_sync(1, capacity - 10, capacity, file.as_ref());
        assert_eq!(zeros(file.as_ref()).1, CAPACITY - 4_096);
        ahead.before_sync(2, 64, CAPACITY, file.as_ref());
        ahead.before_sync(2, 164, CAPACITY, file.as_ref());
        assert_eq!(zeros_at(file.as_ref(), 4_096), 0);
    }

    fn zeros_at(file: &dyn VfsFile, offset: u64) -> u8 {
        let mut byte = [1];
        vfs::read_exact_at(file, &mut byte, offset).unwrap();
        byte[0]
    }

    #[test]
    fn a_disk_that_takes_no_zeros_is_not_asked_again() {
        let vfs = SimVfs::new();
        let file = file(&vfs);
        let mut ahead = Ahead::default();
        ahead.before_sync(1, 64, CAPACITY, file.as_ref());
        vfs.fail(CallKind::Write, 1, Fault::Enospc, Times::Once);
        ahead.before_sync(1, 164, CAPACITY, file.as_ref());
        ahead.before_sync(1, 264, CAPACITY, file.as_ref());
        assert_eq!(zeros(file.as_ref()), (CAPACITY, CAPACITY));
    }
}
