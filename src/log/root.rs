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
