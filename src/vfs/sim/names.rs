//! A simulated directory: which names lead to which files, for processes and on the disk.
//!
//! Owns: [`Directory`] and the [`NameChange`]s that wait in it for a `sync_dir`.
//!
//! Invariants:
//! 1. `cache` is what every call sees; `durable` is what is left when the power goes and every change is lost.
//! 2. A name is durable only by `sync_dir`. Syncing the file that it leads to does nothing for it.
//! 3. A rename is one step: at no crash does a file that had a durable name lose both the old one and the new one.

use std::collections::BTreeMap;

/// Names and the numbers of the files they lead to.
pub(super) type Names = BTreeMap<String, u64>;

/// One change to a directory.
#[derive(Debug, Clone)]
pub(super) enum NameChange {
    /// A file was created under a name, or was given another one.
    Link { name: String, inode: u64 },
    /// A file changed its name, and took that of another if there was one.
    Rename { from: String, to: String, inode: u64, replaced: Option<u64> },
    /// A name was removed.
    Unlink { name: String, inode: u64 },
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Link { name, inode } => {
                names.insert(name.clone(), *inode);
            }
            NameChange::Rename { from, to, inode, .. } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            NameChange::Unlink { name, inode } => {
                if names.get(name) == Some(inode) {
                    names.remove(name);
                }
            }
        }
    }

    /// Whether a disk that has these names can have seen this change.
    ///
    /// Changes survive a crash independently of each other, but one that needed a name to be free needs it still: had
    /// the removal before it not happened, neither had it. Otherwise a file would vanish that nobody removed.
    pub(super) fn possible(&self, names: &Names) -> bool {
        match self {
            NameChange::Link { name, .. } => !names.contains_key(name),
            NameChange::Rename { from, to, inode, replaced } => {
                let free = names.get(to).is_none_or(|there| Some(there) == replaced.as_ref());
                // A rename proves that the file exists even where the entry that created it was lost, but it cannot
                // move a file away from a name that it does not have there.
                let movable = names.get(from) == Some(inode) || !names.values().any(|there| there == inode);
                free && movable
            }
            NameChange::Unlink { .. } => true,
        }
    }

    pub(super) fn inode(&self) -> u64 {
        match self {
            NameChange::Link { inode, .. }
            | NameChange::Rename { inode, .. }
            | NameChange::Unlink { inode, .. } => *inode,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    /// The number of the directory itself.
    pub(super) number: u64,
    pub(super) cache: Names,
    pub(super) durable: Names,
    pub(super) unsynced: Vec<NameChange>,
    /// A `sync_dir` has failed since the last crash, so the cache has names that the disk never will.
    pub(super) lost: bool,
}

impl Directory {
    pub(super) fn change(&mut self, change: NameChange) {
        change.apply(&mut self.cache);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// As with a file: what was to be saved is forgotten, and no later sync will try again.
    pub(super) fn fail_sync(&mut self) {
        self.lost |= !self.unsynced.is_empty();
        self.unsynced.clear();
    }

    /// Makes these names the only ones, in the cache and on the disk.
    pub(super) fn settle(&mut self, names: Names) {
        self.cache = names.clone();
        self.durable = names;
        self.unsynced.clear();
        self.lost = false;
    }

    /// The files that some name leads to, or may lead to after a crash.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u64> {
        let waiting = self.unsynced.iter().map(NameChange::inode);
        self.cache.values().chain(self.durable.values()).copied().chain(waiting)
    }
}
