//! A read-only, shared map of the front of a file: the one place in this crate with `unsafe`.
//!
//! Owns: the mapping, which lives as long as the [`Map`] and outlives the file's name and its handle.
//!
//! Invariants, on which every reference handed out here rests:
//! 1. A caller asks only for bytes that are written already and that nobody will write again. Other bytes of the same
//!    file may still be written while the map lives, so no reference is ever formed to more than the range asked for.
//! 2. A mapped file is never truncated: touching a page behind the end of its file is a signal, not an error.
//! 3. The map is no longer than the file was when it was made.
//!
//! What a map cannot do: report a read error of the medium as an error. That too arrives as a signal, for which reason
//! the engine offers plain reads as well.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::{Advice, MmapOptions, MmapRaw};

/// A read-only map of the first bytes of a file, shared with the page cache. Any thread may read through it.
///
/// Dropping it unmaps; removing or renaming the file does not disturb it.
#[derive(Debug)]
pub struct Map {
    raw: MmapRaw,
}

impl Map {
    /// Maps the first `length` bytes of a file. Look-ups go where a digest leads them, so the system is told not to
    /// read ahead.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file is shorter, `InvalidInput` when the length does not fit an address, or what the
    /// system said.
    pub(super) fn of(file: &File, length: u64) -> io::Result<Map> {
        if file.metadata()?.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        let raw = MmapOptions::new().len(length).map_raw_read_only(file)?;
        let map = Map { raw };
        map.advise(Advice::Random);
        Ok(map)
    }

    /// How many bytes are mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `length` bytes at `offset`, or `None` when they are not all inside the map.
    ///
    /// Ask only for bytes that were written before and that never change again, of a file that is never truncated:
    /// in this crate, for whole records below the written mark of a segment. A file that somebody else changes or
    /// truncates underneath is outside what the map can defend against.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Option<&[u8]> {
        let end = offset.checked_add(length)?;
        if end > self.len() {
            return None;
        }
        // SAFETY: `offset + length` was found to lie inside the mapping just above, and `raw` keeps it mapped for as
        // long as `self`, which the returned reference borrows. The bytes are initialised, as those of any file are.
        // The reference covers the range alone, which by invariant 1 is never written again, so the writes that go on
        // elsewhere in the file (through the file descriptor, never through this map) do not alias it. By
        // invariants 2 and 3 each of its pages is backed by the file.
        Some(unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(offset), length) })
    }

    /// Tells the system that the map will be read from front to back, as recovery and compaction do.
    pub fn advise_sequential(&self) {
        self.advise(Advice::Sequential);
    }

    /// Tells the system that reads will come in no order, which is what a new map starts with.
    pub fn advise_random(&self) {
        self.advise(Advice::Random);
    }

    /// Asks the system to start reading a range, so that a first touch of it need not wait. Out of bounds is ignored.
    pub fn will_need(&self, offset: usize, length: usize) {
        if offset.checked_add(length).is_some_and(|end| end <= self.len()) && length > 0 {
            // Advice only: a system that does not take it reads the same bytes, later.
            let _ = self.raw.advise_range(Advice::WillNeed, offset, length);
        }
    }

    fn advise(&self, advice: Advice) {
        if !self.is_empty() {
            // Advice only, as above.
            let _ = self.raw.advise(advice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file_with(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_slice_is_exactly_the_range_asked_for() {
        let map = Map::of(&file_with(b"0123456789"), 10).unwrap();
        assert_eq!(map.slice(3, 4), Some(&b"3456"[..]));
        assert_eq!(map.slice(0, 10), Some(&b"0123456789"[..]));
        assert_eq!(map.slice(10, 0), Some(&b""[..]));
    }

    #[test]
    fn a_range_outside_the_map_is_refused() {
        let map = Map::of(&file_with(b"0123456789"), 8).unwrap();
        assert_eq!(map.len(), 8);
        assert_eq!(map.slice(5, 4), None);
        assert_eq!(map.slice(9, 0), None);
        assert_eq!(map.slice(usize::MAX, 2), None);
        assert_eq!(map.slice(2, usize::MAX), None);
    }

    #[test]
    fn a_map_longer_than_its_file_is_refused() {
        assert_eq!(Map::of(&file_with(b"abc"), 4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_empty_map_has_nothing_to_give() {
        let map = Map::of(&file_with(b"abc"), 0).unwrap();
        assert!(map.is_empty());
        assert_eq!(map.slice(0, 0), Some(&b""[..]));
        assert_eq!(map.slice(0, 1), None);
    }

    #[test]
    fn bytes_written_after_mapping_are_seen() {
        use std::os::unix::fs::FileExt as _;
        let file = file_with(&[0; 8192]);
        let map = Map::of(&file, 8192).unwrap();
        file.write_all_at(b"later", 5000).unwrap();
        assert_eq!(map.slice(5000, 5), Some(&b"later"[..]));
        map.advise_sequential();
        map.will_need(4096, 4096);
        map.will_need(usize::MAX, 1);
        map.advise_random();
        assert_eq!(map.slice(5000, 5), Some(&b"later"[..]));
    }

    #[test]
    fn a_map_is_for_any_thread() {
        fn shared<T: Send + Sync>() {}
        shared::<Map>();
    }
}
