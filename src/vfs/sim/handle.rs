//! The calls: how the simulated machine answers as a [`Vfs`] and as an open [`VfsFile`].
//!
//! Owns: the translation of each call into a change of the world. After the crash every call fails, those that are
//! not counted too, so that nothing of the old process can leak into the new world.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::SimVfs;
use super::content::{Change, Data, PAGE_BYTES};
use super::disk::Disk;
use super::faults::{CallKind, Fault};
use super::world::{Concern, World};
use crate::sync::Mutex;
use crate::vfs::{Map, Vfs, VfsFile, Volume};

/// Offsets are signed in POSIX; no file reaches behind this.
const LENGTH_MAX: u64 = i64::MAX.cast_unsigned();

struct SimFile {
    world: Arc<Mutex<World>>,
    inode: u64,
    handle: u64,
    writable: bool,
}

impl SimVfs {
    /// Opens what `find` finds. The file object comes into being after the lock is given up, since dropping it, as
    /// the call does whose effect nobody learns of, takes the lock again.
    fn opened(
        &self,
        kind: CallKind,
        path: &Path,
        writable: bool,
        find: impl FnOnce(&mut Disk) -> io::Result<u64>,
    ) -> io::Result<Arc<dyn VfsFile>> {
        let opened = self.world.lock().call(kind, Concern::Path(path), |world, _| {
            let inode = find(&mut world.disk)?;
            Ok((inode, world.open_handle(inode)?))
        });
        let (inode, handle) = opened?;
        Ok(Arc::new(SimFile { world: Arc::clone(&self.world), inode, handle, writable }))
    }
}

impl Vfs for SimVfs {
    /// Directories are durable at once, as [`Vfs::create_dir`] promises.
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.call(CallKind::CreateDir, Concern::Path(path), |world, _| world.disk.create_dir(path))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut world = self.world.lock();
        world.call(CallKind::List, Concern::Path(directory), |world, _| {
            Ok(world.disk.directory(directory)?.cache.keys().cloned().collect())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        self.opened(CallKind::Create, path, true, |disk| disk.create(path))
    }

    fn open(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn VfsFile>> {
        self.opened(CallKind::Open, path, writable, |disk| disk.find(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.call(CallKind::Rename, Concern::Paths(from, to), |world, _| world.disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.call(CallKind::Remove, Concern::Path(path), |world, _| world.disk.remove(path))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.call(CallKind::HardLink, Concern::Paths(from, to), |world, _| world.disk.hard_link(from, to))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.call(CallKind::SyncDir, Concern::Path(directory), |world, fault| {
            let names = world.disk.directory_mut(directory)?;
            if let Some(error) = fault.and_then(Fault::error) {
                if fault != Some(Fault::Interrupted) {
                    names.fail_sync();
                }
                return Err(error);
            }
            names.sync();
            world.disk.collect();
            Ok(())
        })
    }

    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        let world = self.world.lock();
        world.alive()?;
        world.disk.directory(directory)?;
        Ok(world.free_bytes())
    }

    fn volume(&self, directory: &Path) -> io::Result<Volume> {
        let world = self.world.lock();
        world.alive()?;
        world.disk.directory(directory)?;
        Ok(world.volume)
    }

    fn identity(&self, directory: &Path) -> io::Result<(u64, u64)> {
        let world = self.world.lock();
        world.alive()?;
        Ok((world.device, world.disk.directory(directory)?.number))
    }
}

impl SimFile {
    fn call<T>(
        &self,
        kind: CallKind,
        act: impl FnOnce(&mut World, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.world.lock().call(kind, Concern::Inode(self.inode), act)
    }

    fn change(
        &self,
        kind: CallKind,
        growth_bytes: impl FnOnce(&World) -> u64,
        change: Change,
    ) -> io::Result<()> {
        self.call(kind, |world, _| {
            self.check_writable()?;
            world.reserve(growth_bytes(world))?;
            world.disk.inode_mut(self.inode)?.change(change);
            Ok(())
        })
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(Errno::BADF.into()) }
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(CallKind::Read, |world, fault| {
            let count = world.faults.count(CallKind::Read);
            let inode = world.disk.inode(self.inode)?;
            let wanted = match fault {
                Some(Fault::ShortRead) => half(buffer.len()),
                _ => buffer.len(),
            };
            let Some(buffer) = buffer.get_mut(..wanted) else { return Ok(0) };
            let read = inode.cache.read(buffer, offset);
            match fault {
                Some(Fault::StaleRead) => {
                    // What the disk has not yet reads as zero; the length is the file's own.
                    let old = inode.durable.read(buffer, offset);
                    if let Some(rest) = buffer.get_mut(old..read) {
                        rest.fill(0);
                    }
                }
                Some(Fault::FlipBit) => flip_some_bit(buffer.get_mut(..read).unwrap_or_default(), count),
                _ => {}
            }
            Ok(read)
        })
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        self.call(CallKind::Write, |world, fault| {
            self.check_writable()?;
            if offset.saturating_add(data.len() as u64) > LENGTH_MAX {
                return Err(Errno::FBIG.into());
            }
            let taken = match fault {
                Some(Fault::ShortWrite) => half(data.len()),
                _ => data.len(),
            };
            let taken = taken.min(room_for(world, self.inode, offset, taken)?);
            if taken > 0 {
                let data = Data::of(data.get(..taken).unwrap_or_default());
                world.disk.inode_mut(self.inode)?.change(Change::Write { offset, data });
            }
            Ok(taken)
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if length > LENGTH_MAX {
            return Err(Errno::FBIG.into());
        }
        let growth = |world: &World| match world.disk.inode(self.inode) {
            Ok(inode) => inode.cache.growth_bytes(0, length),
            Err(_) => 0,
        };
        self.change(CallKind::Allocate, growth, Change::Grow { length })
    }

    fn release_from(&self, offset: u64) -> io::Result<()> {
        self.change(CallKind::Release, |_| 0, Change::Release { offset })
    }

    fn sync(&self) -> io::Result<()> {
        self.call(CallKind::Sync, |world, fault| {
            let inode = world.disk.inode_mut(self.inode)?;
            match (fault, fault.and_then(Fault::error)) {
                (Some(Fault::Interrupted), Some(error)) => Err(error),
                (_, Some(error)) => {
                    inode.fail_sync();
                    Err(error)
                }
                (_, None) => {
                    inode.sync();
                    Ok(())
                }
            }
        })
    }

    fn len(&self) -> io::Result<u64> {
        let world = self.world.lock();
        world.alive()?;
        Ok(world.disk.inode(self.inode)?.cache.length())
    }

    fn written_end(&self) -> io::Result<u64> {
        let world = self.world.lock();
        world.alive()?;
        Ok(world.disk.inode(self.inode)?.cache.written_end())
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        let world = self.world.lock();
        world.alive()?;
        Ok(world.disk.inode(self.inode)?.cache.allocated_bytes())
    }

    /// There is nothing to map: the pages are a simulation's.
    fn map(&self, _length: u64) -> io::Result<Option<Map>> {
        self.world.lock().alive()?;
        Ok(None)
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut world = self.world.lock();
        world.alive()?;
        let inode = world.disk.inode_mut(self.inode)?;
        Ok(*inode.locked_by.get_or_insert(self.handle) == self.handle)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.world.lock().close_handle(self.inode, self.handle);
    }
}

/// Half of a transfer, but at least a byte of one that has any.
fn half(length: usize) -> usize {
    length.div_ceil(2)
}

/// Flips one bit, another one with each read.
fn flip_some_bit(bytes: &mut [u8], count: u64) {
    let place = super::dice::Dice::new(count).below((bytes.len() as u64).saturating_mul(8));
    if let Some(byte) = usize::try_from(place / 8).ok().and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1 << (place % 8);
    }
}

/// How many bytes of a write fit on the disk: all, or the front of it up to the last block to be had.
fn room_for(world: &World, inode: u64, offset: u64, length: usize) -> io::Result<usize> {
    let content = &world.disk.inode(inode)?.cache;
    if world.reserve(content.growth_bytes(offset, length as u64)).is_ok() {
        return Ok(length);
    }
    let page = PAGE_BYTES as u64;
    let mut fits = 0;
    loop {
        let next = page - offset.saturating_add(fits) % page + fits;
        if next >= length as u64 || world.reserve(content.growth_bytes(offset, next)).is_err() {
            break;
        }
        fits = next;
    }
    match fits {
        0 => Err(Errno::NOSPC.into()),
        some => Ok(usize::try_from(some).unwrap_or(length).min(length)),
    }
}
