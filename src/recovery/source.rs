//! The source: where bytes that are read again and again come from, a file or memory.
//!
//! Owns: the reading of a stretch whose checksum is known from an earlier reading. A reading that shows something else is
//! tried once more: what one reading shows may be the reading's fault.

use std::io;
use std::sync::Arc;

use crate::vfs::{self, VfsFile};

/// Where bytes come from.
pub(crate) enum Source {
    /// A file, from this offset on.
    File(Arc<dyn VfsFile>, u64),
    Memory(Vec<u8>),
}

impl Source {
    /// How many bytes there are.
    pub fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file, from) => Ok(file.len()?.saturating_sub(*from)),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` where there are fewer, or what the file system said.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file, from) => vfs::read_exact_at(file.as_ref(), buffer, from.saturating_add(offset)),
            Self::Memory(bytes) => {
                let there = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len()));
                buffer.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// The same, of bytes that are right when `is_right` says so; looks twice.
    ///
    /// # Errors
    /// `InvalidData` where they are wrong both times.
    pub fn read_checked(
        &self,
        buffer: &mut [u8],
        offset: u64,
        is_right: impl Fn(&[u8]) -> bool,
    ) -> io::Result<()> {
        for _ in 0..2 {
            self.read(buffer, offset)?;
            if is_right(buffer) {
                return Ok(());
            }
        }
        let what = format!("byte {offset} was not the same when it was read again");
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::vfs::{CallKind, Fault, SimVfs, Times, Vfs};
    use std::path::Path;

    /// One bad reading is nobody's business; what stays bad must not be taken for what was there.
    #[test]
    fn a_reading_that_shows_something_else_is_tried_once_more() {
        for (times, is_read) in [(Times::Once, true), (Times::N(2), false)] {
            let sim = SimVfs::new();
            sim.write_file(Path::new("/store/file"), b"..what was written").unwrap();
            let file = sim.open(Path::new("/store/file"), false).unwrap();
            let source = Source::File(file, 2);
            assert_eq!(source.len().unwrap(), 16);
            sim.fail(CallKind::Read, 1, Fault::FlipBit, times);
            let mut buffer = [0; 16];
            let read = source.read_checked(&mut buffer, 0, |bytes| bytes == b"what was written");
            assert_eq!(read.is_ok(), is_read);
            assert!(read.is_ok() || read.unwrap_err().kind() == io::ErrorKind::InvalidData);
        }
        assert!(Source::Memory(vec![1, 2]).read(&mut [0; 2], 1).is_err());
    }
}
