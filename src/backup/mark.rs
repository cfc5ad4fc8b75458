//! The mark: the file that says what a directory is that holds segments and is no store to be opened.
//!
//! Owns: the files `BACKUP` and `RESTORE`. Each is text for people, and names the store that it is of. It is written under
//! another name, synced, renamed, and the directory synced, so there is a whole one or none.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::vfs::{self, Vfs};

/// What a directory is by its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A backup, or one that is not complete yet.
    Backup,
    /// To become a store, when the restore is finished.
    Restore,
}

const MARK_BYTES_MAX: usize = 1024;

impl Mark {
    /// The file's name.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Backup => "BACKUP",
            Self::Restore => "RESTORE",
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Backup => "This directory is a backup of a session store. It is not opened but restored.",
            Self::Restore => {
                "A session store is being restored here. It can be opened when this file is gone."
            }
        }
    }

    /// The mark among these names.
    pub fn among(names: &[String]) -> Option<Self> {
        // Of a restore first: a directory that has both is one.
        [Self::Restore, Self::Backup]
            .into_iter()
            .find(|mark| names.iter().any(|name| name == mark.file_name()))
    }

    /// Marks a directory, durably, as a copy of that store.
    pub fn set(self, vfs: &dyn Vfs, directory: &Path, store_id: [u8; 16]) -> Result<()> {
        let name = self.file_name();
        let tmp = directory.join(format!("{name}.tmp"));
        let written = remove(vfs, &tmp).and_then(|()| {
            let file = vfs.create(&tmp)?;
            vfs::write_all_at(file.as_ref(), self.text(store_id).as_bytes(), 0)?;
            file.sync()?;
            vfs.rename(&tmp, &directory.join(name))?;
            vfs.sync_dir(directory)
        });
        written.map_err(|error| Error::io(format!("creating {name} in {}", directory.display()), error))
    }

    /// Takes the mark away, durably: then it is a store.
    pub fn clear(self, vfs: &dyn Vfs, directory: &Path) -> Result<()> {
        let name = self.file_name();
        let removed = vfs.remove(&directory.join(name)).and_then(|()| vfs.sync_dir(directory));
        removed.map_err(|error| Error::io(format!("removing {name} in {}", directory.display()), error))
    }

    /// Whether the directory was marked as a copy of that store.
    pub fn is_of(self, vfs: &dyn Vfs, directory: &Path, store_id: [u8; 16]) -> Result<bool> {
        let name = self.file_name();
        let failed = |error| Error::io(format!("reading {name} in {}", directory.display()), error);
        let file = vfs.open(&directory.join(name), false).map_err(failed)?;
        let mut bytes = vec![0; MARK_BYTES_MAX];
        let read = vfs::read_up_to(file.as_ref(), &mut bytes, 0).map_err(failed)?;
        Ok(bytes.get(..read) == Some(self.text(store_id).as_bytes()))
    }

    fn text(self, store_id: [u8; 16]) -> String {
        let mut text = format!("{}\nstore ", self.says());
        for byte in store_id {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
        text
    }
}

/// Removes a file that may not be there.
pub(crate) fn remove(vfs: &dyn Vfs, path: &Path) -> io::Result<()> {
    match vfs.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Refuses to open what is marked: a backup may be looked at, a restore that is not finished is nothing yet.
pub(crate) fn refuse_marked(names: &[String], directory: &Path, read_only: bool) -> Result<()> {
    match Mark::among(names) {
        Some(Mark::Backup) if !read_only => Err(Error::IsBackup(directory.to_owned())),
        Some(Mark::Restore) => Err(Error::RestoreUnfinished(directory.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(all(test, feature = "simulation"))]
mod tests {
    use super::*;
    use crate::vfs::SimVfs;

    #[test]
    fn a_mark_names_what_it_is_and_of_which_store() {
        let (sim, directory) = (SimVfs::new(), Path::new("/copy"));
        sim.create_dir(directory).unwrap();
        for mark in [Mark::Backup, Mark::Restore] {
            mark.set(&sim, directory, [7; 16]).unwrap();
            let names = sim.list(directory).unwrap();
            assert_eq!((names.len(), Mark::among(&names)), (1, Some(mark)));
            assert!(mark.is_of(&sim, directory, [7; 16]).unwrap());
            assert!(!mark.is_of(&sim, directory, [8; 16]).unwrap());
            mark.clear(&sim, directory).unwrap();
            assert_eq!(Mark::among(&sim.list(directory).unwrap()), None);
        }
    }

    #[test]
    fn what_is_marked_is_not_opened_and_a_backup_may_be_looked_at() {
        let directory = Path::new("/copy");
        let names = |name: &str| vec!["STORE".to_owned(), name.to_owned()];
        let refused = |name, read_only| refuse_marked(&names(name), directory, read_only).err();
        assert!(matches!(refused("BACKUP", false), Some(Error::IsBackup(_))));
        assert!(refused("BACKUP", true).is_none());
        assert!(matches!(refused("RESTORE", true), Some(Error::RestoreUnfinished(_))));
        assert!(refused("LOCK", false).is_none());
    }
}
