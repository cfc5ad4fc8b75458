//! The lock file: one process holds a store, and says who it is.
//!
//! Owns: the file `LOCK`. The lock is the operating system's (flock), so it is gone with the process, however that
//! dies; the text in the file is only for people. The file is never removed: a lock on a removed file excludes nobody.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Holder, Result};
use crate::sync::{Instant, pause};
use crate::vfs::{self, Vfs, VfsFile};

/// The file's name.
pub(crate) const FILE_NAME: &str = "LOCK";

/// How often a lock that is waited for is tried.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// How soon a lock that nobody has is tried again.
const LOOK_AGAIN: Duration = Duration::from_micros(100);
/// How long those who only look are put up with: one after the other, each for a moment.
const LOOKS: Duration = Duration::from_secs(10);
/// How long a holder that is this very process is waited for: it is closing.
const OWN_CLOSE: Duration = Duration::from_secs(10);

/// The store is ours while this lives.
pub(crate) struct DirectoryLock {
    #[expect(dead_code, reason = "held, not read")]
    file: Arc<dyn VfsFile>,
    holder: Holder,
}

impl DirectoryLock {
    /// Takes the lock, waiting at most `wait` for who has it.
    pub fn take(vfs: &dyn Vfs, directory: &Path, wait: Duration, clock: &dyn Clock) -> Result<Self> {
        let path = directory.join(FILE_NAME);
        let failed = |error| Error::io(format!("locking {}", path.display()), error);
        let file = open_or_create(vfs, &path).map_err(failed)?;
        let began = Instant::now();
        while !file.try_lock().map_err(failed)? {
            if !file.is_locked().map_err(failed)? && began.elapsed() < LOOKS {
                // Nobody has it: somebody was looking who does, for a moment, and may be again.
                pause(LOOK_AGAIN);
                continue;
            }
            let holder = read_holder(file.as_ref(), directory);
            let own = holder.pid == Some(std::process::id());
            if began.elapsed() >= if own { wait.max(OWN_CLOSE) } else { wait } {
                return Err(Error::Locked(holder));
            }
            pause(TRY_EVERY);
        }
        let (pid, host, since_ms) = (std::process::id(), host(), clock.wall_ms());
        let text = format!("{pid}\n{host}\n{since_ms}\n");
        let mut text = text.into_bytes();
        text.resize(256.max(text.len()), b'\n');
        vfs::write_all_at(file.as_ref(), &text, 0).map_err(failed)?;
        let (pid, host, since_ms) = (Some(pid), Some(host), Some(since_ms));
        Ok(Self { file, holder: Holder { directory: directory.to_owned(), pid, host, since_ms } })
    }

    /// Who took it: this process.
    pub fn taken_by(&self) -> &Holder {
        &self.holder
    }

    /// Who holds the store, if anybody does. Keeps nobody from taking it.
    pub fn holder(vfs: &dyn Vfs, directory: &Path) -> Result<Option<Holder>> {
        let path = directory.join(FILE_NAME);
        let failed = |error| Error::io(format!("reading {}", path.display()), error);
        let file = match vfs.open(&path, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let held = file.is_locked().map_err(failed)?;
        Ok(held.then(|| read_holder(file.as_ref(), directory)))
    }
}

fn open_or_create(vfs: &dyn Vfs, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
    loop {
        match vfs.open(path, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match vfs.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created,
        }
    }
}

/// Reads who wrote the file; what cannot be read is left out.
fn read_holder(file: &dyn VfsFile, directory: &Path) -> Holder {
    let mut bytes = vec![0; 256];
    let read = vfs::read_up_to(file, &mut bytes, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned();
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.parse().ok());
    let host = lines.next().filter(|host| !host.is_empty()).map(str::to_owned);
    let since_ms = lines.next().and_then(|line| line.parse().ok());
    Holder { directory: directory.to_owned(), pid, host, since_ms }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
