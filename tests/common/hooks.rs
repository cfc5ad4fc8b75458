//! A file system that lets a test act in the middle of the store's own work, so that a race has one outcome.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sessile::vfs::{Map, SimVfs, Vfs, VfsFile};

/// The calls that can be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A file is created: of compaction's output when it has judged all records and has copied none.
    Create,
    /// A file gets its name: of compaction's output when it is complete and nobody knows of it.
    Rename,
    /// A segment of the log is synced. What acts here must not wait for the disk itself.
    SyncSegment,
    /// Something is written to a segment, of the log or of compaction.
    WriteSegment,
    /// A file is removed: of compaction's inputs when they have durably left the roster.
    Remove,
}

type Action = Box<dyn FnOnce() + Send>;

/// Runs an action once, before the next such call.
#[derive(Clone)]
pub struct Interrupting {
    sim: SimVfs,
    armed: Arc<Mutex<Option<(Call, u64, Action)>>>,
}

impl Interrupting {
    pub fn new(sim: SimVfs) -> Self {
        Self { sim, armed: Arc::new(Mutex::new(None)) }
    }

    /// Before the `nth` such call from now, `action` runs.
    pub fn before(&self, call: Call, nth: u64, action: impl FnOnce() + Send + 'static) {
        *self.armed.lock().unwrap() = Some((call, nth, Box::new(action)));
    }

    /// Forgets the action; whether it has run.
    pub fn disarm(&self) -> bool {
        self.armed.lock().unwrap().take().is_none()
    }

    /// Whether the action has run.
    pub fn has_acted(&self) -> bool {
        self.armed.lock().unwrap().is_none()
    }

    fn meet(&self, call: Call) {
        let mut armed = self.armed.lock().unwrap();
        let action = match armed.take() {
            Some((wanted, 1, action)) if wanted == call => action,
            Some((wanted, left, action)) if wanted == call => {
                *armed = Some((wanted, left - 1, action));
                return;
            }
            other => {
                *armed = other;
                return;
            }
        };
        drop(armed);
        action();
    }

    fn wrap(&self, path: &Path, file: Arc<dyn VfsFile>) -> Arc<dyn VfsFile> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Arc::new(InterruptingFile { file, name, vfs: self.clone() })
    }
}

struct InterruptingFile {
    file: Arc<dyn VfsFile>,
    name: String,
    vfs: Interrupting,
}

impl Vfs for Interrupting {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.sim.create_dir(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.sim.list(directory)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        self.meet(Call::Create);
        self.sim.create(path).map(|file| self.wrap(path, file))
    }
    fn open(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn VfsFile>> {
        self.sim.open(path, writable).map(|file| self.wrap(path, file))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Call::Rename);
        self.sim.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.meet(Call::Remove);
        self.sim.remove(path)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.sim.hard_link(from, to)
    }
    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.sim.sync_dir(directory)
    }
    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        self.sim.free_bytes(directory)
    }
    fn network_file_system(&self, directory: &Path) -> io::Result<Option<&'static str>> {
        self.sim.network_file_system(directory)
    }
    fn identity(&self, directory: &Path) -> io::Result<(u64, u64)> {
        self.sim.identity(directory)
    }
}

impl VfsFile for InterruptingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        if self.name != "STORE" {
            self.vfs.meet(Call::WriteSegment);
        }
        self.file.write_at(data, offset)
    }
    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }
    fn release_from(&self, offset: u64) -> io::Result<()> {
        self.file.release_from(offset)
    }
    fn sync(&self) -> io::Result<()> {
        if self.name != "STORE" {
            self.vfs.meet(Call::SyncSegment);
        }
        self.file.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
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
