//! Told: up to when every expiry has been told to whoever listens.
//!
//! Owns: a file of its own, beside the log, in a store to which somebody has listened. It is made durable once; what it says
//! afterwards is written as time goes on and not waited for: an older moment, or none that can be read, only means that
//! some expiries are told again. A crash can fall anywhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::sync::Mutex;
use crate::vfs::{self, Vfs, VfsFile};

const FILE_NAME: &str = "told";
const MAGIC: [u8; 8] = *b"sesstold";
const BYTES: usize = 20;

/// The file, and what it says.
pub(crate) struct ToldFile {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    open: Mutex<Option<(Arc<dyn VfsFile>, u64)>>,
}

impl ToldFile {
    /// The file of this directory, whether it is there or not.
    pub fn new(vfs: Arc<dyn Vfs>, directory: &Path) -> Self {
        Self { vfs, path: directory.join(FILE_NAME), open: Mutex::new(None) }
    }

    /// What it says, in milliseconds since the Unix epoch; `None` when there is none, so nobody has ever listened.
    pub fn read(&self) -> Result<Option<u64>> {
        let failed = |error| Error::io(format!("reading {}", self.path.display()), error);
        let file = match self.vfs.open(&self.path, true) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = [0; BYTES];
        let read = vfs::read_up_to(file.as_ref(), &mut bytes, 0).map_err(failed)?;
        let told_ms = if read == BYTES { decode(&bytes) } else { 0 };
        *self.open.lock() = Some((file, told_ms));
        Ok(Some(told_ms))
    }

    /// Sees to it that the file is there, durably.
    pub fn create(&self, told_ms: u64) -> Result<()> {
        let mut open = self.open.lock();
        if open.is_some() {
            return Ok(());
        }
        let failed = |error: io::Error| match vfs::is_full(&error) {
            true => Error::Full(crate::error::Full::FileSystem),
            false => Error::io(format!("creating {}", self.path.display()), error),
        };
        let file = self.vfs.create(&self.path).map_err(failed)?;
        let made = vfs::write_all_at(file.as_ref(), &encode(told_ms), 0)
            .and_then(|()| file.sync())
            .and_then(|()| self.path.parent().map_or(Ok(()), |directory| self.vfs.sync_dir(directory)));
        if let Err(error) = made {
            let _ = self.vfs.remove(&self.path);
            return Err(failed(error));
        }
        *open = Some((file, told_ms));
        Ok(())
    }

    /// Says another moment. Best effort: what cannot be written is told again some time.
    pub fn say(&self, told_ms: u64) {
        if let Some((file, said_ms)) = &mut *self.open.lock()
            && *said_ms != told_ms
            && vfs::write_all_at(file.as_ref(), &encode(told_ms), 0).is_ok()
        {
            *said_ms = told_ms;
        }
    }
}

fn encode(told_ms: u64) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &told_ms.to_le_bytes()].concat();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// What was written whole; otherwise the beginning of time.
fn decode(bytes: &[u8]) -> u64 {
    let told_ms = bytes.get(8..16).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes);
    if bytes == encode(told_ms) { told_ms } else { 0 }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::vfs::{CrashPolicy, SimVfs};

    fn told(sim: &SimVfs) -> ToldFile {
        ToldFile::new(Arc::new(sim.clone()), Path::new("/store"))
    }

    #[test]
    fn what_was_said_last_is_read_or_nothing_later() {
        let sim = SimVfs::new();
        sim.create_dir(Path::new("/store")).unwrap();
        let file = told(&sim);
        assert_eq!(file.read().unwrap(), None);
        file.say(5);
        assert_eq!(told(&sim).read().unwrap(), None, "nobody listens");
        file.create(7).unwrap();
        file.say(9);
        assert_eq!(told(&sim).read().unwrap(), Some(9));
        let lost = told(&sim.crash(CrashPolicy::DropAll)).read().unwrap();
        assert_eq!(lost, Some(7));
    }

    #[test]
    fn what_was_not_written_whole_says_the_beginning_of_time() {
        for length in 0..BYTES {
            assert_eq!(decode(&encode(77)[..length]), 0);
        }
        let mut bytes = encode(77);
        bytes[9] ^= 1;
        assert_eq!(decode(&bytes), 0);
        assert_eq!(decode(&encode(77)), 77);
    }
}
