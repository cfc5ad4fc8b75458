//! The file system of the machine.
//!
//! Owns: the translation of [`Vfs`] into system calls, nothing else; it keeps no state.
//!
//! Invariants:
//! 1. What is created here is for its owner alone, 0700 and 0600, whatever the umask and whatever a crash leaves.
//! 2. A file is opened only if its name is a regular file's: a symbolic link or a pipe put there by somebody else is
//!    refused, not followed or waited for.
//! 3. A full disk is an error wherever the system tells of it; only "not supported" is ever worked around.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

use super::{Map, Vfs, VfsFile, Volume, extents, write_all_at};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A block as `stat` counts them, whatever the file system's own.
const STAT_BLOCK_BYTES: u64 = 512;

/// The file system of the machine this runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealVfs;

struct RealFile {
    file: File,
}

/// Makes one directory, whose parent is there.
fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Ok(()) => {
            fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))?;
            sync_parent(path)
        }
        // Somebody may have made it and died before its name was durable. Where the parent cannot be opened, it
        // was not made by us and is as durable as its owner left it.
        Err(_) if path.is_dir() => sync_parent(path).or(Ok(())),
        Err(error) => Err(error),
    }
}

impl Vfs for RealVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match make_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // `parent` is empty for a bare name, and there is nothing to create then.
                let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
                    return Err(error);
                };
                self.create_dir(parent)?;
                // What is not found now is not the parent: in /proc and its like nothing can be made.
                make_dir(path)
            }
            made => made,
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn open(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn VfsFile>> {
        // A pipe of that name would otherwise hold the opener until somebody writes to it.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).write(writable).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Arc::new(RealFile { file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if from.parent() != to.parent() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a rename stays within its directory"));
        }
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        File::open(or_here(directory))?.sync_all()
    }

    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(or_here(directory))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn volume(&self, directory: &Path) -> io::Result<Volume> {
        Volume::of(or_here(directory))
    }

    fn identity(&self, directory: &Path) -> io::Result<(u64, u64)> {
        let metadata = fs::metadata(or_here(directory))?;
        Ok((metadata.dev(), metadata.ino()))
    }
}

impl VfsFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(data, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match reserve(&self.file, length) {
            Err(error) if unsupported(&error) => self.write_zeros_up_to(length),
            other => other,
        }
    }

    fn release_from(&self, offset: u64) -> io::Result<()> {
        let length = self.len()?;
        if offset >= length {
            return Ok(());
        }
        match punch(&self.file, offset, length - offset) {
            Err(error) if unsupported(&error) => Ok(()),
            other => other,
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn written_end(&self) -> io::Result<u64> {
        extents::written_end(&self.file)
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.blocks().saturating_mul(STAT_BLOCK_BYTES))
    }

    fn map(&self, length: u64) -> io::Result<Option<Map>> {
        Map::of(&self.file, length).map(Some)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes it shared for a moment: that excludes nobody who looks too, and who wants it for himself can see by the same
    /// means that nobody has it.
    fn is_locked(&self) -> io::Result<bool> {
        match self.file.try_lock_shared() {
            Ok(()) => self.file.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl RealFile {
    /// Reserves blocks where the file system cannot: by writing them. A longer length alone would reserve nothing,
    /// and the full disk would be met inside a record after all.
    fn write_zeros_up_to(&self, length: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        let mut at = self.len()?;
        while at < length {
            let step = usize::try_from(length - at).unwrap_or(usize::MAX).min(ZEROS.len());
            write_all_at(self, ZEROS.get(..step).unwrap_or_default(), at)?;
            at = at.saturating_add(step as u64);
        }
        Ok(())
    }
}

/// A bare file name has an empty parent, which no system call takes for the current directory.
fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

/// Makes the name of a directory durable in the one that holds it.
fn sync_parent(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    match File::open(or_here(parent)) {
        Ok(parent) => parent.sync_all(),
        // One may create names in a directory that one may not read; then it cannot be synced either.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the file system said that it does not offer this, rather than that it failed.
fn unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || rustix::io::Errno::from_io_error(error)
            .is_some_and(|errno| errno == rustix::io::Errno::OPNOTSUPP || errno == rustix::io::Errno::NOSYS)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn reserve(file: &File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let flags = rustix::fs::FallocateFlags::empty();
    Ok(rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, flags, 0, length))?)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    Ok(rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, flags, offset, length))?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reserve(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::read_up_to;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_created_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("a/b/store");
        RealVfs.create_dir(&store).unwrap();
        RealVfs.create(&store.join("log")).unwrap();
        assert_eq!(mode(&store), 0o700);
        assert_eq!(mode(&dir.path().join("a")), 0o700);
        assert_eq!(mode(&store.join("log")), 0o600);
    }

    /// It was tried for ever, until the stack of the process was used up.
    #[test]
    fn where_nothing_can_be_made_it_is_tried_once() {
        assert!(RealVfs.create_dir(Path::new("/proc/sessile/store")).is_err());
    }

    /// Names the directory in which [`under_a_hostile_umask`] works.
    const UMASK_DIRECTORY: &str = "SESSILE_TEST_UMASK_DIRECTORY";

    #[test]
    fn modes_do_not_depend_on_the_umask() {
        // The umask is the whole process's, so the test runs itself again in one of its own.
        let dir = tempfile::tempdir().unwrap();
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                "umask 0777 && exec \"$0\" --exact vfs::real::tests::under_a_hostile_umask --ignored",
            ])
            .arg(std::env::current_exe().unwrap())
            .env(UMASK_DIRECTORY, dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(mode(&dir.path().join("a")), 0o700);
        assert_eq!(mode(&dir.path().join("a/store")), 0o700);
        assert_eq!(mode(&dir.path().join("a/store/log")), 0o600);
    }

    #[test]
    #[ignore = "run by modes_do_not_depend_on_the_umask, in a process of its own"]
    fn under_a_hostile_umask() {
        let Some(dir) = std::env::var_os(UMASK_DIRECTORY) else { return };
        let store = Path::new(&dir).join("a/store");
        RealVfs.create_dir(&store).unwrap();
        RealVfs.create(&store.join("log")).unwrap();
    }

    #[test]
    fn a_directory_that_exists_keeps_the_mode_its_owner_gave_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o750)).unwrap();
        RealVfs.create_dir(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), 0o750);
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, b"somebody else's").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(RealVfs.open(&link, false).is_err());
        assert!(RealVfs.open(&link, true).is_err());
        assert_eq!(RealVfs.create(&link).err().map(|error| error.kind()), Some(io::ErrorKind::AlreadyExists));
        assert!(RealVfs.open(&target, true).is_ok());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(RealVfs.open(&pipe, false).is_err());
        assert!(RealVfs.open(dir.path(), false).is_err());
    }

    #[test]
    fn blocks_are_reserved_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealVfs.create(&dir.path().join("segment")).unwrap();
        file.allocate(1 << 20).unwrap();
        assert!(file.allocated_bytes().unwrap() >= 1 << 20, "a length without blocks is no reservation");
        file.release_from(64 * 1024).unwrap();
        assert_eq!(file.len().unwrap(), 1 << 20);
        assert!(file.allocated_bytes().unwrap() < 1 << 20);
    }

    #[test]
    fn zeros_reserve_where_the_file_system_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        fs::write(&path, b"head").unwrap();
        let file = RealFile { file: OpenOptions::new().read(true).write(true).open(&path).unwrap() };
        file.write_zeros_up_to(200_000).unwrap();
        file.write_zeros_up_to(10).unwrap();
        assert_eq!(file.len().unwrap(), 200_000);
        assert!(file.allocated_bytes().unwrap() >= 200_000);
        let mut head = [1; 8];
        read_up_to(&file, &mut head, 0).unwrap();
        assert_eq!(&head, b"head\0\0\0\0");
    }

    #[test]
    fn a_map_shows_what_is_written_and_outlives_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        let file = RealVfs.create(&path).unwrap();
        file.allocate(4096).unwrap();
        let map = file.map(4096).unwrap().unwrap();
        write_all_at(&*file, b"record", 100).unwrap();
        drop(file);
        RealVfs.remove(&path).unwrap();
        assert_eq!(map.slice(100, 6), Some(&b"record"[..]));
    }

    #[test]
    fn a_local_directory_is_local_and_two_paths_to_it_are_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_ne!(RealVfs.volume(dir.path()).unwrap().keeps, crate::vfs::Keeps::Elsewhere);
        let detour = dir.path().join(".");
        assert_eq!(RealVfs.identity(dir.path()).unwrap(), RealVfs.identity(&detour).unwrap());
        assert!(RealVfs.free_bytes(dir.path()).unwrap() > 0);
    }
}
