//! A simulated file: what the page cache shows of it, what the disk has of it, and the changes in between.
//!
//! Owns: [`Inode`]. Its name is not its own; see `names`.
//!
//! Invariants:
//! 1. `cache` is what every read sees. `durable` is what is left when the power goes and every change is lost.
//! 2. Without `lost`, `durable` with all of `unsynced` applied, in order, is `cache`.
//! 3. What a failed sync has lost is neither in `durable` nor in `unsynced` any more: no later sync can save it.

use super::content::{Change, Content};

#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) cache: Content,
    pub(super) durable: Content,
    pub(super) unsynced: Vec<Change>,
    /// A sync has failed since the last crash, so the cache holds what the disk never will.
    pub(super) lost: bool,
    /// The name it was last given, for faults that are aimed at names.
    pub(super) name: String,
    /// How many open files there are on it.
    pub(super) handles: u64,
    /// Which of them holds the lock.
    pub(super) locked_by: Option<u64>,
}

impl Inode {
    pub(super) fn named(name: &str) -> Inode {
        Inode { name: name.to_owned(), ..Inode::default() }
    }

    pub(super) fn change(&mut self, change: Change) {
        self.cache.apply(&change);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            self.durable.apply(&change);
        }
    }

    /// What Linux does when a write-back fails: the pages are marked clean, so that they are never tried again.
    pub(super) fn fail_sync(&mut self) {
        self.lost |= !self.unsynced.is_empty();
        self.unsynced.clear();
    }

    /// Makes a content the only one, in the cache and on the disk.
    pub(super) fn settle(&mut self, content: Content) {
        self.cache = content.clone();
        self.durable = content;
        self.unsynced.clear();
        self.lost = false;
    }

    /// Nobody has it open any more: the process is gone.
    pub(super) fn forget_handles(&mut self) {
        self.handles = 0;
        self.locked_by = None;
    }
}
