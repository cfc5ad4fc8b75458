//! Extents: how far a file was ever written, where the file system can be believed.
//!
//! Owns: the list of those that can. A segment is made as long as it may become, and what was never written of it is a hole to
//! `SEEK_DATA` and zeros to who reads, at the speed at which zeros are made. A file system that calls a hole what was written
//! a moment ago would make recovery lose it (OpenZFS did, up to 2.2.1), so only those count whose code looks at the page
//! cache too and is as old as it is plain; on all others one reads.

use std::fs::File;
use std::io;

/// Of a file in more pieces than these, the length is told: a segment is written from front to back.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PIECES_MAX: usize = 64;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn written_end(file: &File) -> io::Result<u64> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;

    let length = file.metadata()?.len();
    // The field is signed on some machines.
    if !is_believed(rustix::fs::fstatfs(file)?.f_type as u64 & 0xFFFF_FFFF) {
        return Ok(length);
    }
    let mut end = 0;
    for _ in 0..PIECES_MAX {
        // Nobody reads or writes at the file's own position.
        match seek(file, SeekFrom::Data(end)) {
            Ok(data) => end = seek(file, SeekFrom::Hole(data))?,
            Err(Errno::NXIO) => return Ok(end.min(length)),
            Err(_) => return Ok(length),
        }
    }
    Ok(length)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn written_end(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

/// ext2 to ext4, XFS and tmpfs, by the magic numbers that Linux reports.
#[cfg(any(target_os = "linux", target_os = "android"))]
const fn is_believed(magic: u64) -> bool {
    matches!(magic, 0xEF53 | 0x5846_5342 | 0x0102_1994)
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn nothing_that_was_written_lies_behind_the_end_synced_or_not() {
        let file = tempfile::tempfile().unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 16 << 20).unwrap();
        for (at, sync) in [(0, false), (5_000, false), (1 << 20, true), (9 << 20, false), (4 << 20, false)] {
            file.write_all_at(b"a frame", at).unwrap();
            if sync {
                file.sync_data().unwrap();
            }
            let end = written_end(&file).unwrap();
            assert!(end >= at + 7);
            let mut rest = vec![1; (16 << 20) - end as usize];
            file.read_exact_at(&mut rest, end).unwrap();
            assert!(rest.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn zfs_and_what_nobody_knows_are_read() {
        assert!(is_believed(0xEF53));
        assert!(!is_believed(0x2FC1_2FC1));
        assert!(!is_believed(0x6573_5546));
    }
}
