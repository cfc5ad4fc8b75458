//! One simulated machine between two crashes: its disk, its faults, and whether the power is on.
//!
//! Owns: [`World`], behind one lock that every call of the file system takes once. Nothing is called under that lock
//! but the rooms below it, so there is no lock order to keep.
//!
//! Crash points: [`World::call`] is the only place where the power goes. A call either had its whole effect before
//! that or none; that the disk then has only parts of what the cache had is the business of `crash`.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

use super::disk::{Disk, split};
use super::faults::{CallKind, Fault, Faults, Verdict};
use crate::vfs::Volume;

/// Set in the device number of every simulated file system; no real device has such a number.
const DEVICE_BASE: u64 = 0x5349_4D00_0000_0000;

/// How much room there is when no capacity was set: enough for anything a test writes.
const FREE_BYTES_DEFAULT: u64 = 1 << 40;

static DEVICES: AtomicU64 = AtomicU64::new(0);

/// The error of every call after the power went.
#[derive(Debug)]
pub(super) struct Crashed;

impl fmt::Display for Crashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated machine has crashed")
    }
}

impl std::error::Error for Crashed {}

pub(super) fn crashed() -> io::Error {
    io::Error::other(Crashed)
}

/// What a call concerns, for the faults that are aimed at names.
#[derive(Clone, Copy)]
pub(super) enum Concern<'a> {
    Inode(u64),
    Path(&'a Path),
    Paths(&'a Path, &'a Path),
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) disk: Disk,
    pub(super) faults: Faults,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) volume: Volume,
    pub(super) device: u64,
    /// The crash point was reached: every call fails from here on.
    pub(super) stopped: bool,
    /// Where the crash point was reached.
    pub(super) crashed_in: Option<(CallKind, String)>,
    /// The last number given to an open file.
    handles: u64,
}

impl World {
    /// A machine that has just started with this disk. It is a device of its own, so that who keeps a list of open
    /// directories does not take it for the one that crashed.
    pub(super) fn booted(disk: Disk) -> World {
        World {
            disk,
            faults: Faults::default(),
            capacity_bytes: None,
            volume: Volume::default(),
            device: DEVICE_BASE + DEVICES.fetch_add(1, Ordering::Relaxed),
            stopped: false,
            crashed_in: None,
            handles: 0,
        }
    }

    /// Another machine with this disk and the settings of this one.
    pub(super) fn rebooted(&self, disk: Disk) -> World {
        World { capacity_bytes: self.capacity_bytes, volume: self.volume, ..World::booted(disk) }
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.stopped { Err(crashed()) } else { Ok(()) }
    }

    /// Runs one call: counts it, lets the power go or a fault strike, and otherwise does `act`.
    ///
    /// A fault that is an error keeps `act` from running, unless the call is a sync: a sync that fails does harm, so
    /// it gets to know the fault.
    pub(super) fn call<T>(
        &mut self,
        kind: CallKind,
        concern: Concern<'_>,
        act: impl FnOnce(&mut World, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.alive()?;
        let disk = &self.disk;
        match self.faults.judge(kind, |text| concern.is_named(disk, text)) {
            Verdict::CrashBefore => {
                self.crashed_in = Some((kind, concern.name(&self.disk)));
                self.stopped = true;
                Err(crashed())
            }
            Verdict::CrashAfter => {
                self.crashed_in = Some((kind, concern.name(&self.disk)));
                let _ = act(self, None);
                self.stopped = true;
                Err(crashed())
            }
            Verdict::Proceed(fault) => match fault.and_then(Fault::error) {
                Some(error) if !kind.syncs() => Err(error),
                _ => act(self, fault),
            },
        }
    }

    /// Opens a file: the number of the new handle.
    pub(super) fn open_handle(&mut self, inode: u64) -> io::Result<u64> {
        self.disk.inode_mut(inode)?.handles += 1;
        self.handles += 1;
        Ok(self.handles)
    }

    pub(super) fn close_handle(&mut self, inode: u64, handle: u64) {
        if let Ok(inode) = self.disk.inode_mut(inode) {
            inode.handles = inode.handles.saturating_sub(1);
            if inode.locked_by == Some(handle) {
                inode.locked_by = None;
            }
        }
    }

    pub(super) fn free_bytes(&self) -> u64 {
        match self.capacity_bytes {
            Some(capacity) => capacity.saturating_sub(self.disk.used_bytes()),
            None => FREE_BYTES_DEFAULT,
        }
    }

    /// Whether new blocks of that size can be had.
    pub(super) fn reserve(&self, bytes: u64) -> io::Result<()> {
        // The sum over all files is taken only where it can matter.
        if bytes == 0 || self.capacity_bytes.is_none() || bytes <= self.free_bytes() {
            Ok(())
        } else {
            Err(Errno::NOSPC.into())
        }
    }
}

impl Concern<'_> {
    /// The last name of what is concerned; of two, the new one.
    fn name(self, disk: &Disk) -> String {
        match self {
            Concern::Inode(number) => {
                disk.inodes.get(&number).map(|inode| inode.name.clone()).unwrap_or_default()
            }
            Concern::Path(path) | Concern::Paths(_, path) => {
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
        }
    }

    fn is_named(self, disk: &Disk, text: &str) -> bool {
        let path_is = |path: &Path| match split(path) {
            Ok((_, name)) => name.contains(text),
            Err(_) => false,
        };
        match self {
            Concern::Inode(number) => disk.inodes.get(&number).is_some_and(|inode| inode.name.contains(text)),
            Concern::Path(path) => path_is(path),
            Concern::Paths(from, to) => path_is(from) || path_is(to),
        }
    }
}
