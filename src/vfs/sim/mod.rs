//! A file system in memory that loses power on demand, forgets what was not synced, and fails where it is told to.
//!
//! Owns: [`SimVfs`], what a test says to it. The rooms behind it: `content` and `inode` (a file, in the cache and on
//! the disk), `names` (a directory, likewise), `disk` (all of them), `crash` (what is left of them), `faults` (which
//! call fails), `world` (one machine between two crashes), `handle` (the calls), `dice` (a seed's numbers),
//! `entropy` (what a store draws instead of the system's random bytes), `watched` (somebody who acts between two calls).
//!
//! What holds, and each is a test in `tests`:
//! 1. Every call sees all that was written. What survives a power loss for certain is only what was synced: bytes and
//!    length by the file's `sync`, names by `sync_dir` of their directory, neither by the other.
//! 2. Of everything else, each write, each length and each name is decided on by itself.
//! 3. After a crash the old world is dead: all its handles fail, its locks are released.
//! 4. The same calls and the same seed give the same world. There is no clock and no other source of chance in it.

mod content;
mod crash;
mod dice;
mod disk;
mod entropy;
mod faults;
mod handle;
mod inode;
mod names;
#[cfg(test)]
mod tests;
mod watched;
mod world;

use std::fmt;
use std::io;
use std::mem;
use std::path::Path;
use std::sync::Arc;

pub use crash::{CrashPolicy, Hazards};
pub(crate) use entropy::draw_seeded;
pub use entropy::seed_entropy;
pub use faults::{CallKind, Fault, Times};
pub use watched::{CallWatcher, WatchedVfs};

use content::{Content, Data};
use disk::{Disk, split};
use faults::{CrashPoint, Rule};
use world::{Crashed, World};

use super::Volume;
use crate::sync::Mutex;

/// A simulated file system. Clones are handles to the same one.
///
/// A test sets a crash point, runs its workload until a call fails with an error that [`SimVfs::is_crash`] knows,
/// lets the power go, and opens what is left:
///
/// ```
/// use sessile::vfs::{CrashPolicy, SimVfs, Vfs, VfsFile};
/// use std::path::Path;
///
/// let machine = SimVfs::new();
/// machine.create_dir(Path::new("/store"))?;
/// machine.crash_at_sync(2);
/// let file = machine.create(Path::new("/store/log"))?;
/// file.write_at(b"record", 0)?;
/// file.sync()?;
/// let error = machine.sync_dir(Path::new("/store")).unwrap_err();
/// assert!(SimVfs::is_crash(&error));
///
/// // The record was durable; the name of its file was not.
/// let machine = machine.crash(CrashPolicy::DropAll);
/// assert!(machine.list(Path::new("/store"))?.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SimVfs {
    world: Arc<Mutex<World>>,
}

impl SimVfs {
    /// An empty file system with the directories `/` and the current one, unlimited and local.
    #[must_use]
    pub fn new() -> SimVfs {
        let mut disk = Disk::default();
        for directory in ["/", ""] {
            // Nothing is there yet that could be in the way.
            let _ = disk.create_dir(Path::new(directory));
        }
        SimVfs::of(World::booted(disk))
    }

    fn of(world: World) -> SimVfs {
        SimVfs { world: Arc::new(Mutex::new(world)) }
    }

    /// Ends this world, and returns the one that starts from what is left on its disk. All handles to the old one
    /// fail from here on. The new one has no faults, counts from zero, keeps the capacity and the volume,
    /// and its directories have another [`identity`](super::Vfs::identity), so that a process-wide list of open
    /// stores does not mistake it for the old one. A world ends once: what follows a second crash of it is empty.
    #[must_use]
    pub fn crash(&self, policy: CrashPolicy) -> SimVfs {
        let mut world = self.world.lock();
        world.stopped = true;
        let disk = mem::take(&mut world.disk);
        SimVfs::of(world.rebooted(disk.after(policy)))
    }

    /// A second world with the same disk and page cache, nothing open in it and no faults set; this one goes on.
    /// With it one moment can be crashed in many ways: `machine.fork().crash(policy)`.
    #[must_use]
    pub fn fork(&self) -> SimVfs {
        let world = self.world.lock();
        SimVfs::of(world.rebooted(world.disk.clone().after(CrashPolicy::KeepAll)))
    }

    /// Whether an error says that the simulated machine has crashed, and not that something failed in it.
    #[must_use]
    pub fn is_crash(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Crashed>())
    }

    /// Whether the crash point was reached, or the world ended by [`SimVfs::crash`].
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.world.lock().stopped
    }

    /// The call at which the power went by a crash point, and the last name of the file or directory that it concerned.
    #[must_use]
    pub fn crashed_in(&self) -> Option<(CallKind, String)> {
        self.world.lock().crashed_in.clone()
    }

    /// The power goes at the `nth` call from now that changes or syncs anything (see [`CallKind::changes`]; 1 is the
    /// next one). That call has no effect; it and every later one fail.
    pub fn crash_at_call(&self, nth: u64) {
        self.crash_point(nth, false, false);
    }

    /// As [`SimVfs::crash_at_call`], but that call still takes effect, though its caller is told of the crash.
    pub fn crash_after_call(&self, nth: u64) {
        self.crash_point(nth, false, true);
    }

    /// As [`SimVfs::crash_at_call`], counting only `sync` and `sync_dir`.
    pub fn crash_at_sync(&self, nth: u64) {
        self.crash_point(nth, true, false);
    }

    /// As [`SimVfs::crash_at_sync`], but that sync still makes durable what it should, though its caller is told of
    /// the crash.
    pub fn crash_after_sync(&self, nth: u64) {
        self.crash_point(nth, true, true);
    }

    fn crash_point(&self, nth: u64, syncs_only: bool, takes_effect: bool) {
        let point = CrashPoint { syncs_only, takes_effect, left: nth.max(1) };
        self.world.lock().faults.crash = Some(point);
    }

    /// Lets the `nth` call of that kind from now (1 is the next one) fail, and as many after it as `times` says.
    /// Of several faults that strike the same call, the one set first does.
    pub fn fail(&self, kind: CallKind, nth: u64, fault: Fault, times: Times) {
        self.world.lock().faults.rules.push(Rule::new(Some(kind), nth, fault, times));
    }

    /// As [`SimVfs::fail`], counting only calls that concern a file whose last name contains `name`. For a rename or
    /// a link either name will do; for `sync_dir`, `list` and `create_dir` it is the directory's own.
    pub fn fail_named(&self, name: &str, kind: CallKind, nth: u64, fault: Fault, times: Times) {
        let rule = Rule::new(Some(kind), nth, fault, times).for_names_with(name);
        self.world.lock().faults.rules.push(rule);
    }

    /// As [`SimVfs::fail`], counting calls of every kind.
    pub fn fail_any(&self, nth: u64, fault: Fault, times: Times) {
        self.world.lock().faults.rules.push(Rule::new(None, nth, fault, times));
    }

    /// Removes the crash point and every fault. What they did stays done.
    pub fn clear_faults(&self) {
        let mut world = self.world.lock();
        world.faults.rules.clear();
        world.faults.crash = None;
    }

    /// How often each fault has struck, by the kind of the call.
    #[must_use]
    pub fn struck(&self) -> Vec<(CallKind, Fault, u64)> {
        let world = self.world.lock();
        world.faults.struck.iter().map(|((kind, fault), count)| (*kind, *fault, *count)).collect()
    }

    /// How many calls of that kind there were, failed ones included.
    #[must_use]
    pub fn count(&self, kind: CallKind) -> u64 {
        self.world.lock().faults.count(kind)
    }

    /// How many calls there were that [`SimVfs::crash_at_call`] counts.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.world.lock().faults.count_where(CallKind::changes)
    }

    /// How many calls there were that [`SimVfs::crash_at_sync`] counts.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.world.lock().faults.count_where(CallKind::syncs)
    }

    /// Limits the blocks of all files to so many bytes; a write or reservation behind that is `StorageFull`. What is
    /// there already stays, even if it is more. `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world.lock().capacity_bytes = bytes;
    }

    /// What [`volume`](super::Vfs::volume) is to say.
    pub fn set_volume(&self, volume: Volume) {
        self.world.lock().volume = volume;
    }

    /// The bytes of a file as a process would read them. Not counted, not failed.
    ///
    /// # Errors
    /// `NotFound`, or the crash.
    pub fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let world = self.world.lock();
        world.alive()?;
        let content = &world.disk.inode(world.disk.find(path)?)?.cache;
        let length = usize::try_from(content.length()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; length];
        content.read(&mut bytes, 0);
        Ok(bytes)
    }

    /// Puts a file there, with these bytes and no others, durably; its directory is created if need be, and every
    /// name in it becomes durable. A file that has the name is overwritten in place.
    ///
    /// # Errors
    /// `AlreadyExists` when the path is a directory's, or the crash.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.world.lock();
        world.alive()?;
        let (directory, _) = split(path)?;
        world.disk.create_dir(directory)?;
        let number = world.disk.find(path).or_else(|_| world.disk.create(path))?;
        world.disk.directory_mut(directory)?.sync();
        let mut content = Content::default();
        content.write(0, &Data::of(bytes));
        world.disk.inode_mut(number)?.settle(content);
        Ok(())
    }

    /// Flips a bit (0 to 7) of a byte, in the cache and on the disk, and makes everything else in the file durable.
    ///
    /// # Errors
    /// `NotFound`, `UnexpectedEof` when the byte is behind the end, or the crash.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        self.damage(path, |content| {
            let mut byte = [0];
            if content.read(&mut byte, offset) == 1 {
                content.write(offset, &Data::of(&byte.map(|byte| byte ^ (1 << (bit % 8)))));
                Ok(())
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        })
    }

    /// Makes a file this long, shorter or longer with zeros, and makes everything in it durable.
    ///
    /// # Errors
    /// `NotFound`, or the crash.
    pub fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.damage(path, |content| {
            content.set_length(length);
            Ok(())
        })
    }

    /// Makes everything in a file durable and changes it.
    fn damage(&self, path: &Path, change: impl FnOnce(&mut Content) -> io::Result<()>) -> io::Result<()> {
        let mut world = self.world.lock();
        world.alive()?;
        let number = world.disk.find(path)?;
        let inode = world.disk.inode_mut(number)?;
        let mut content = inode.cache.clone();
        change(&mut content)?;
        inode.settle(content);
        Ok(())
    }

    /// Removes a file, durably, and makes every name in its directory durable.
    ///
    /// # Errors
    /// `NotFound`, or the crash.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.alive()?;
        world.disk.remove(path)?;
        let (directory, _) = split(path)?;
        world.disk.directory_mut(directory)?.sync();
        world.disk.collect();
        Ok(())
    }
}

impl Default for SimVfs {
    fn default() -> SimVfs {
        SimVfs::new()
    }
}

impl fmt::Debug for SimVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.world.lock();
        f.debug_struct("SimVfs")
            .field("files", &world.disk.inodes.len())
            .field("has_crashed", &world.stopped)
            .finish_non_exhaustive()
    }
}
