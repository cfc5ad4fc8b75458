//! A way into the middle of the store's own work: somebody is told of each call to the file system, and may act there,
//! so that a race has one outcome.
//!
//! Owns: [`WatchedVfs`], which passes every call on, and [`CallWatcher`], who is told.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{CallKind, SimVfs};
use crate::vfs::{Map, Vfs, VfsFile, Volume};

/// Is told of the calls to a [`WatchedVfs`], by the thread that makes them. Whatever it does in `before` happens just
/// before the call has its effect; it must not wait for a lock that the caller holds.
///
/// `name` is the last name of the file or directory that the call concerns: of an open file the one under which it
/// was created or opened, of a rename or a link the one that was there before.
pub trait CallWatcher: Send + Sync {
    /// The call is about to be made.
    fn before(&self, kind: CallKind, name: &str) {
        let _ = (kind, name);
    }

    /// The call has succeeded.
    fn after(&self, kind: CallKind, name: &str) {
        let _ = (kind, name);
    }
}

/// A simulated file system whose calls are watched. What [`SimVfs`] does not count, as asking for a length, is not told.
///
/// ```
/// use sessile::vfs::{CallKind, CallWatcher, SimVfs, Vfs, WatchedVfs};
/// use std::path::Path;
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Default)]
/// struct Names(Mutex<Vec<String>>);
///
/// impl CallWatcher for Names {
///     fn after(&self, kind: CallKind, name: &str) {
///         if kind == CallKind::Create {
///             self.0.lock().unwrap().push(name.to_owned());
///         }
///     }
/// }
///
/// let names = Arc::new(Names::default());
/// let vfs = WatchedVfs::new(SimVfs::new(), names.clone());
/// vfs.create(Path::new("/log"))?;
/// assert_eq!(*names.0.lock().unwrap(), ["log"]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct WatchedVfs {
    sim: SimVfs,
    watcher: Arc<dyn CallWatcher>,
}

struct WatchedFile {
    file: Arc<dyn VfsFile>,
    name: String,
    watcher: Arc<dyn CallWatcher>,
}

impl WatchedVfs {
    /// This file system, and who is told of its calls.
    #[must_use]
    pub fn new(sim: SimVfs, watcher: Arc<dyn CallWatcher>) -> Self {
        Self { sim, watcher }
    }

    fn opened(&self, path: &Path, file: Arc<dyn VfsFile>) -> Arc<dyn VfsFile> {
        Arc::new(WatchedFile { file, name: last_name(path), watcher: Arc::clone(&self.watcher) })
    }

    fn tell<T>(&self, kind: CallKind, path: &Path, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        tell(self.watcher.as_ref(), kind, &last_name(path), call)
    }
}

impl std::fmt::Debug for WatchedVfs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("WatchedVfs").field(&self.sim).finish()
    }
}

fn last_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn tell<T>(
    watcher: &dyn CallWatcher,
    kind: CallKind,
    name: &str,
    call: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    watcher.before(kind, name);
    let done = call()?;
    watcher.after(kind, name);
    Ok(done)
}

impl Vfs for WatchedVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.tell(CallKind::CreateDir, path, || self.sim.create_dir(path))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.tell(CallKind::List, directory, || self.sim.list(directory))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        self.tell(CallKind::Create, path, || self.sim.create(path)).map(|file| self.opened(path, file))
    }

    fn open(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn VfsFile>> {
        let file = self.tell(CallKind::Open, path, || self.sim.open(path, writable))?;
        Ok(self.opened(path, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.tell(CallKind::Rename, from, || self.sim.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.tell(CallKind::Remove, path, || self.sim.remove(path))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.tell(CallKind::HardLink, from, || self.sim.hard_link(from, to))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.tell(CallKind::SyncDir, directory, || self.sim.sync_dir(directory))
    }

    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        self.sim.free_bytes(directory)
    }

    fn volume(&self, directory: &Path) -> io::Result<Volume> {
        self.sim.volume(directory)
    }

    fn identity(&self, directory: &Path) -> io::Result<(u64, u64)> {
        self.sim.identity(directory)
    }
}

impl WatchedFile {
    fn tell<T>(&self, kind: CallKind, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        tell(self.watcher.as_ref(), kind, &self.name, call)
    }
}

impl VfsFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.tell(CallKind::Read, || self.file.read_at(buffer, offset))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        self.tell(CallKind::Write, || self.file.write_at(data, offset))
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.tell(CallKind::Allocate, || self.file.allocate(length))
    }

    fn release_from(&self, offset: u64) -> io::Result<()> {
        self.tell(CallKind::Release, || self.file.release_from(offset))
    }

    fn sync(&self) -> io::Result<()> {
        self.tell(CallKind::Sync, || self.file.sync())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn written_end(&self) -> io::Result<u64> {
        self.file.written_end()
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        self.file.allocated_bytes()
    }

    fn map(&self, length: u64) -> io::Result<Option<Map>> {
        self.file.map(length)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }
}
