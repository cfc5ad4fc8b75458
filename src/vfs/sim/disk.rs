//! Everything a simulated machine has stored: directories and files, in the page cache and on the medium.
//!
//! Owns: [`Disk`], with the numbers it gives out. Knows nothing of faults: what is asked of it here, it does.
//!
//! Invariant: a file stays as long as a name leads to it, or may lead to it after a crash, or somebody has it open.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::inode::Inode;
use super::names::{Directory, NameChange};

#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) directories: BTreeMap<PathBuf, Directory>,
    /// The last number given to a file or a directory.
    numbers: u64,
}

impl Disk {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        for directory in path.ancestors() {
            if self.find(directory).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if !self.directories.contains_key(directory) {
                let number = self.number();
                self.directories.insert(directory.to_owned(), Directory { number, ..Directory::default() });
            }
        }
        Ok(())
    }

    pub(super) fn directory(&self, path: &Path) -> io::Result<&Directory> {
        self.directories.get(path).ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn directory_mut(&mut self, path: &Path) -> io::Result<&mut Directory> {
        self.directories.get_mut(path).ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn inode(&self, number: u64) -> io::Result<&Inode> {
        self.inodes.get(&number).ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn inode_mut(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| Errno::NOENT.into())
    }

    /// The number of the file that a path leads to.
    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        let (directory, name) = split(path)?;
        self.directory(directory)?.cache.get(name).copied().ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        let (directory, name) = split(path)?;
        let taken =
            self.directories.contains_key(path) || self.directory(directory)?.cache.contains_key(name);
        if taken {
            return Err(Errno::EXIST.into());
        }
        let inode = self.number();
        self.inodes.insert(inode, Inode::named(name));
        self.directory_mut(directory)?.change(NameChange::Link { name: name.to_owned(), inode });
        Ok(inode)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        let (directory, old) = split(from)?;
        let (target, new) = split(to)?;
        if directory != target {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a rename stays within its directory"));
        }
        if self.directories.contains_key(to) {
            return Err(Errno::ISDIR.into());
        }
        let replaced = self.directory(directory)?.cache.get(new).copied();
        if replaced == Some(inode) {
            // Two names of one file: POSIX leaves both.
            return Ok(());
        }
        new.clone_into(&mut self.inode_mut(inode)?.name);
        let change = NameChange::Rename { from: old.to_owned(), to: new.to_owned(), inode, replaced };
        self.directory_mut(directory)?.change(change);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let inode = self.find(path)?;
        let (directory, name) = split(path)?;
        self.directory_mut(directory)?.change(NameChange::Unlink { name: name.to_owned(), inode });
        Ok(())
    }

    pub(super) fn hard_link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        let (directory, name) = split(to)?;
        if self.directories.contains_key(to) || self.directory(directory)?.cache.contains_key(name) {
            return Err(Errno::EXIST.into());
        }
        name.clone_into(&mut self.inode_mut(inode)?.name);
        self.directory_mut(directory)?.change(NameChange::Link { name: name.to_owned(), inode });
        Ok(())
    }

    /// Bytes that files occupy which have a name or are open.
    pub(super) fn used_bytes(&self) -> u64 {
        let named: BTreeSet<u64> =
            self.directories.values().flat_map(|directory| directory.cache.values().copied()).collect();
        self.inodes
            .iter()
            .filter(|(number, inode)| inode.handles > 0 || named.contains(number))
            .map(|(_, inode)| inode.cache.allocated_bytes())
            .sum()
    }

    /// Forgets the files that nothing leads to any more.
    pub(super) fn collect(&mut self) {
        let reachable: BTreeSet<u64> = self.directories.values().flat_map(Directory::inodes).collect();
        self.inodes.retain(|number, inode| inode.handles > 0 || reachable.contains(number));
    }

    /// Nobody has anything open any more: the process is gone.
    pub(super) fn forget_handles(&mut self) {
        self.inodes.values_mut().for_each(Inode::forget_handles);
        self.collect();
    }
}

/// The directory of a path and the name in it.
pub(super) fn split(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    path.parent().zip(name).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
