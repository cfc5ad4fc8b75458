//! The file `STORE`: the store's header in two copies, and the one place that changes it.
//!
//! Owns: the file. A crash can fall between the two copies: the one that was written first is whole then, and says
//! the same or more; [`Root::read`] takes the copy that says most. A crash within the second leaves the first alone; so
//! whoever writes next begins with the other one, and at every moment one copy is whole.

use std::path::Path;
use std::sync::Arc;

use super::header::{COPY_BYTES, FORMAT, StoreCopy, StoreHeader};
use crate::error::{Error, Result};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::vfs::{self, Vfs, VfsFile};

/// The file's name.
pub(crate) const FILE_NAME: &str = "STORE";
const TMP_NAME: &str = "STORE.tmp";

/// The open `STORE` file.
pub(crate) struct Root {
    file: Arc<dyn VfsFile>,
    header: Mutex<StoreHeader>,
    /// Where the header was read from: the copy there is written last.
    read_at: u64,
    /// What was read may be in the page cache alone, left by a process that died: it is synced before the other copy is
    /// touched.
    known_durable: AtomicBool,
}

impl Root {
    /// Creates the file with this header: under another name, synced, renamed, the directory synced.
    pub fn create(vfs: &dyn Vfs, directory: &Path, header: StoreHeader) -> Result<Self> {
        let failed = |error| Error::io(format!("creating {FILE_NAME} in {}", directory.display()), error);
        let tmp = directory.join(TMP_NAME);
        match vfs.remove(&tmp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = vfs.create(&tmp).map_err(failed)?;
        let known_durable = AtomicBool::new(true);
        let root = Self { file, header: Mutex::new(header), read_at: COPY_BYTES, known_durable };
        root.write_copies(&header).map_err(failed)?;
        vfs.rename(&tmp, &directory.join(FILE_NAME)).map_err(failed)?;
        vfs.sync_dir(directory).map_err(failed)?;
        Ok(root)
    }

    /// Reads the file, or `None` when there is none.
    pub fn read(vfs: &dyn Vfs, directory: &Path, writable: bool) -> Result<Option<Self>> {
        let failed = |error| Error::io(format!("reading {FILE_NAME} in {}", directory.display()), error);
        let file = match vfs.open(&directory.join(FILE_NAME), writable) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut best: Option<(StoreHeader, u64)> = None;
        for offset in [0, COPY_BYTES] {
            let mut bytes = vec![0; 128];
            let read = vfs::read_up_to(file.as_ref(), &mut bytes, offset).map_err(failed)?;
            bytes.truncate(read);
            match StoreHeader::decode(&bytes) {
                StoreCopy::Sound(header) => {
                    let says_more = |(best, _): &(StoreHeader, u64)| {
                        (header.opening, header.durable_lsn) > (best.opening, best.durable_lsn)
                    };
                    if best.as_ref().is_none_or(says_more) {
                        best = Some((header, offset));
                    }
                }
                StoreCopy::Newer(found) => return Err(Error::NewerFormat { found, newest_known: FORMAT }),
                StoreCopy::Damaged => {}
            }
        }
        match best {
            Some((header, read_at)) => {
                let known_durable = AtomicBool::new(false);
                Ok(Some(Self { file, header: Mutex::new(header), read_at, known_durable }))
            }
            None => Err(Error::corrupt(FILE_NAME, 0, "both copies of the store's header are damaged")),
        }
    }

    /// The header as it stands.
    pub fn header(&self) -> StoreHeader {
        *self.header.lock()
    }

    /// Names another root, opening and durable LSN, durably. What it names must be durable already.
    pub fn set(&self, opening: u64, root: u32, durable_lsn: u64) -> Result<()> {
        let mut header = self.header.lock();
        let next = StoreHeader { opening, root, durable_lsn, ..*header };
        self.write_copies(&next).map_err(|error| Error::io(format!("writing {FILE_NAME}"), error))?;
        *header = next;
        Ok(())
    }

    fn write_copies(&self, header: &StoreHeader) -> std::io::Result<()> {
        if !self.known_durable.load(Ordering::Acquire) {
            self.file.sync()?;
            self.known_durable.store(true, Ordering::Release);
        }
        let bytes = header.encode();
        for offset in [COPY_BYTES - self.read_at, self.read_at] {
            vfs::write_all_at(self.file.as_ref(), &bytes, offset)?;
            self.file.sync()?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::vfs::{CallKind, Fault, SimVfs, Times};

    const DIRECTORY: &str = "/store";

    fn begun() -> SimVfs {
        let sim = SimVfs::new();
        sim.create_dir(Path::new(DIRECTORY)).unwrap();
        let header = StoreHeader {
            store_id: [1; 16],
            secret: [2; 32],
            opening: 1,
            durable_lsn: 0,
            root: 1,
            keeps_ids: false,
        };
        Root::create(&sim, Path::new(DIRECTORY), header).unwrap();
        sim
    }

    fn read(sim: &SimVfs) -> Result<Option<Root>> {
        Root::read(sim, Path::new(DIRECTORY), true)
    }

    /// A store that cannot be read now would be begun anew over the one that is there.
    #[test]
    fn a_header_that_cannot_be_opened_is_not_a_header_that_is_not_there() {
        let sim = begun();
        sim.fail(CallKind::Open, 1, Fault::Eio, Times::Once);
        assert!(matches!(read(&sim), Err(Error::Io { .. })));
        assert!(matches!(read(&sim), Ok(Some(_))));
    }

    #[test]
    fn of_two_copies_the_one_that_says_more_counts_wherever_it_stands() {
        let sim = begun();
        let path = Path::new(DIRECTORY).join(FILE_NAME);
        let old = sim.read_file(&path).unwrap();
        read(&sim).unwrap().unwrap().set(1, 2, 70).unwrap();
        let new = sim.read_file(&path).unwrap();
        assert_eq!(old.len(), new.len());
        let middle = COPY_BYTES as usize;
        for mixed in [[&old[..middle], &new[middle..]].concat(), [&new[..middle], &old[middle..]].concat()] {
            sim.write_file(&path, &mixed).unwrap();
            let root = read(&sim).unwrap().unwrap();
            assert_eq!((root.header().root, root.header().durable_lsn), (2, 70));
            root.set(2, 3, 90).unwrap();
            assert_eq!(read(&sim).unwrap().unwrap().header().root, 3);
        }
    }

    /// Of a write that is torn one copy is left: the one that was not read is written first, and both in the end.
    #[test]
    fn a_torn_write_of_one_copy_leaves_the_other() {
        let sim = begun();
        let root = read(&sim).unwrap().unwrap();
        for call in [1, 2] {
            let number = call as u32 + 1;
            sim.fail(CallKind::Write, call, Fault::Eio, Times::Once);
            assert!(root.set(1, number, 10 * call).is_err());
            sim.clear_faults();
            let found = read(&sim).unwrap().unwrap().header().root;
            assert_eq!(found, if call == 1 { 1 } else { number });
        }
        root.set(1, 9, 90).unwrap();
        let bytes = sim.read_file(&Path::new(DIRECTORY).join(FILE_NAME)).unwrap();
        let copy = root.header().encode();
        for at in [0, COPY_BYTES as usize] {
            assert_eq!(bytes[at..at + copy.len()], copy);
        }
    }
}
