//! The numbers of log segments must ascend, since `sealed_segments` and `backup` go by them.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "common/hazard.rs"]
mod hazard;

use hazard::DIR;
use sessile::vfs::{Map, SimVfs, Vfs, VfsFile};
use sessile::{Durability, ManualClock, Store, Write};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(PartialEq, Clone, Copy)]
enum Op {
    Create,
    OpenToWrite,
    Sync,
}

type Hook = Box<dyn FnOnce() + Send>;
type Hooks = Arc<Mutex<Vec<(Op, &'static str, Hook)>>>;

/// Runs each hook once, in the middle of the call that it waits for: a deterministic thread switch. They come in order.
#[derive(Clone)]
struct Hooked(SimVfs, Hooks);

impl Hooked {
    fn met(&self, op: Op, name: &str) {
        let mut hooks = self.1.lock().unwrap();
        if hooks.first().is_some_and(|(on, part, _)| *on == op && name.contains(part)) {
            let (_, _, hook) = hooks.remove(0);
            drop(hooks);
            hook();
        }
    }
    fn file(&self, path: &Path, file: Arc<dyn VfsFile>) -> Arc<dyn VfsFile> {
        Arc::new(HookedFile(file, path.to_string_lossy().into_owned(), self.clone()))
    }
}

struct HookedFile(Arc<dyn VfsFile>, String, Hooked);

impl VfsFile for HookedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(data, offset)
    }
    fn allocate(&self, length: u64) -> io::Result<()> {
        self.0.allocate(length)
    }
    fn release_from(&self, offset: u64) -> io::Result<()> {
        self.0.release_from(offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.2.met(Op::Sync, &self.1);
        self.0.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn allocated_bytes(&self) -> io::Result<u64> {
        self.0.allocated_bytes()
    }
    fn map(&self, length: u64) -> io::Result<Option<Map>> {
        self.0.map(length)
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }
}

impl Vfs for Hooked {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.0.list(directory)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        self.met(Op::Create, &path.to_string_lossy());
        Ok(self.file(path, self.0.create(path)?))
    }
    fn open(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn VfsFile>> {
        if writable {
            self.met(Op::OpenToWrite, &path.to_string_lossy());
        }
        Ok(self.file(path, self.0.open(path, writable)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.hard_link(from, to)
    }
    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.0.sync_dir(directory)
    }
    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        self.0.free_bytes(directory)
    }
    fn network_file_system(&self, directory: &Path) -> io::Result<Option<&'static str>> {
        self.0.network_file_system(directory)
    }
    fn identity(&self, directory: &Path) -> io::Result<(u64, u64)> {
        self.0.identity(directory)
    }
}

struct Machine {
    vfs: SimVfs,
    hooks: Hooks,
    clock: ManualClock,
    store: Store,
}

fn machine() -> Machine {
    let ((vfs, clock), hooks) = (hazard::fresh(), Hooks::default());
    let hooked = Arc::new(Hooked(vfs.clone(), Arc::clone(&hooks)));
    let store = hazard::options_on(hooked, &clock).segment_bytes(256 << 10).open(DIR).unwrap();
    for n in 0..60 {
        store.create(format!("half{n}"), Write::new(vec![7; 3000])).unwrap();
    }
    Machine { vfs, hooks, clock, store }
}

impl Machine {
    fn on(&self, op: Op, name: &'static str, hook: impl FnOnce(&Store, &SimVfs) + Send + 'static) {
        let (store, vfs) = (self.store.clone(), self.vfs.clone());
        self.hooks.lock().unwrap().push((op, name, Box::new(move || hook(&store, &vfs))));
    }
}

fn frames_in(vfs: &SimVfs, name: &str) -> bool {
    vfs.read_file(&Path::new(DIR).join(name)).is_ok_and(|bytes| bytes.iter().any(|b| *b != 0))
}

/// Writes until the log goes on in this segment.
fn fill(store: &Store, vfs: &SimVfs, tag: &str, until: &str) {
    // Not for ever: a store that is in order never goes on in that segment.
    for n in 0..200 {
        if frames_in(vfs, until) {
            return;
        }
        let write = Write::new(vec![7; 3000]).durability(Durability::Written);
        store.create(format!("{tag}{n}"), write).unwrap();
    }
}

/// While the keeping thread creates the spare (number 2), the writers fill the tail and create number 3. The spare is
/// then used after it. A backup leaves out number 3.
#[test]
fn a_backup_has_every_segment_when_the_spare_comes_late() {
    let machine = machine();
    machine.on(Op::Create, "00000002", |store, vfs| fill(store, vfs, "race", "00000003.seg"));
    machine.clock.advance(Duration::from_secs(1));
    machine.store.maintain(Duration::from_secs(1)).unwrap();
    assert!(machine.hooks.lock().unwrap().is_empty());
    let report = machine.store.backup("/backup");
    assert!(report.is_ok(), "{:?}", report.err());
}
