//! A way into the middle of the store's own work: other actors act where the store calls the file system and holds no lock
//! that they need.
//!
//! Owns: [`Hooked`], the file system that a store is given, and where in it is which [`Moment`].

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sessile::vfs::{Map, SimVfs, Vfs, VfsFile};

use crate::script::{Act, Moment};

/// What somebody else does, when its moment comes.
pub type Actor = Box<dyn Fn(Act) + Send>;

/// Who waits for which moment.
#[derive(Default)]
pub struct Hook {
    waiting: Mutex<Vec<(Moment, Act)>>,
    actor: Mutex<Option<Actor>>,
    /// Segments that have been given their names, by their temporary ones.
    named: Mutex<Vec<String>>,
    /// The file that was created last, by the name that it was created under.
    created: Mutex<String>,
    busy: AtomicBool,
    /// An output of compaction was begun since the last step, or a segment removed.
    compacting: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hook {
    /// Who acts.
    pub fn set_actor(&self, actor: Option<Actor>) {
        *locked(&self.actor) = actor;
    }

    /// What is to be done within the next operation.
    pub fn arm(&self, acts: &[(Moment, Act)]) {
        *locked(&self.waiting) = acts.to_vec();
        self.compacting.store(false, Ordering::Relaxed);
    }

    /// Whether compaction has changed anything within this operation.
    pub fn compacts(&self) -> bool {
        self.compacting.load(Ordering::Relaxed)
    }

    fn meet(&self, moment: Moment) {
        if moment != Moment::BeforeSync {
            self.compacting.store(true, Ordering::Relaxed);
        }
        if self.busy.load(Ordering::Relaxed) {
            return;
        }
        let mut waiting = locked(&self.waiting);
        let Some(at) = waiting.iter().position(|(of, _)| *of == moment) else { return };
        let (_, act) = waiting.remove(at);
        drop(waiting);
        self.busy.store(true, Ordering::Relaxed);
        if let Some(actor) = locked(&self.actor).as_ref() {
            actor(act);
        }
        self.busy.store(false, Ordering::Relaxed);
    }
}

/// The simulated file system, with the hook in it.
#[derive(Clone)]
pub struct Hooked {
    pub sim: SimVfs,
    pub hook: Arc<Hook>,
}

impl Hooked {
    fn wrap(&self, path: &Path, file: Arc<dyn VfsFile>) -> Arc<dyn VfsFile> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let written = AtomicBool::new(false);
        Arc::new(HookedFile { file, name, written, hook: Arc::clone(&self.hook) })
    }
}

struct HookedFile {
    file: Arc<dyn VfsFile>,
    name: String,
    written: AtomicBool,
    hook: Arc<Hook>,
}

/// Whether this is the temporary name of a segment.
fn is_unnamed(name: &str) -> bool {
    name.ends_with(".tmp") && name.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

impl HookedFile {
    /// A segment that is part of the log or of its history, and no file in the making.
    fn is_segment(&self) -> bool {
        self.name.ends_with(".seg") || is_unnamed(&self.name) && locked(&self.hook.named).contains(&self.name)
    }
}

impl Vfs for Hooked {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.sim.create_dir(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.sim.list(directory)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        let file = self.wrap(path, self.sim.create(path)?);
        *locked(&self.hook.created) =
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(file)
    }
    fn open(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn VfsFile>> {
        self.sim.open(path, writable).map(|file| self.wrap(path, file))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.sim.rename(from, to)?;
        locked(&self.hook.named).push(name);
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A file that cannot be named is removed while the log waits for it: nobody may write then.
        if name.ends_with(".seg") && *locked(&self.hook.created) != name.replace(".seg", ".tmp") {
            self.hook.meet(Moment::BeforeRemoval);
        }
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

impl VfsFile for HookedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        // A segment of the log is named before anything is written to it; an output of compaction is written first.
        if is_unnamed(&self.name) && !self.is_segment() && !self.written.swap(true, Ordering::Relaxed) {
            self.hook.meet(Moment::BeforeOutput);
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
        if self.is_segment() {
            self.hook.meet(Moment::BeforeSync);
        } else if is_unnamed(&self.name) && self.written.load(Ordering::Relaxed) {
            self.hook.meet(Moment::BeforeNaming);
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
