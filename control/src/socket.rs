//! The socket: where it is, how it is named there, and who may be at its other end.
//!
//! Owns: the file `control.sock`. Invariants:
//! 1. Under its name there is never a socket that others could write to, or on which nobody listens yet: it is made under
//!    another name first. In the directory of a store, which is its owner's alone (0700), it is 0600.
//! 2. Whatever stands there when a process begins to serve is left over: the directory's lock says that nobody else is alive.
//! 3. The address of a socket has at most 107 bytes. A longer path goes over the directory, held open, as
//!    `/proc/self/fd/N/control.sock`.

use std::fs::Metadata;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::net::Shutdown;

/// Its name in the store's directory.
pub const FILE_NAME: &str = "control.sock";
/// And until it is ready; an opening removes what ends like this.
const MAKING_NAME: &str = "control.sock.tmp";
/// The longest path that fits into an address, with the zero behind it.
const ADDRESS_BYTES: usize = 108;

/// A directory in which a socket can be.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Which directory it is, by whatever name.
    pub fn identity(&self) -> io::Result<(u64, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata: Metadata = std::fs::metadata(&self.path)?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Listens, for the owner alone.
    pub fn listen(&self) -> io::Result<UnixListener> {
        self.remove(MAKING_NAME)?;
        let listener = UnixListener::bind(self.address(MAKING_NAME))?;
        let ready = || -> io::Result<()> {
            rustix::fs::chmodat(&self.fd, MAKING_NAME, Mode::RUSR | Mode::WUSR, AtFlags::empty())?;
            rustix::fs::renameat(&self.fd, MAKING_NAME, &self.fd, FILE_NAME)?;
            Ok(())
        };
        ready().inspect_err(|_| drop(self.remove(MAKING_NAME)))?;
        Ok(listener)
    }

    pub fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.address(FILE_NAME))
    }

    /// Takes the socket away.
    pub fn clear(&self) -> io::Result<()> {
        self.remove(FILE_NAME)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn address(&self, name: &str) -> PathBuf {
        let plain = self.path.join(name);
        if plain.as_os_str().as_bytes().len() < ADDRESS_BYTES {
            return plain;
        }
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.fd.as_raw_fd()))
    }
}

/// Wakes who waits for a connection: there will be none.
pub(crate) fn hang_up(listener: &UnixListener) {
    // It fails where that was done before.
    let _ = rustix::net::shutdown(listener, Shutdown::Both);
}

/// Whether the process at the other end may ask: one of this process's user, or of root.
pub(crate) fn may_ask(stream: &UnixStream) -> io::Result<bool> {
    let uid = rustix::net::sockopt::socket_peercred(stream)?.uid;
    Ok(uid.is_root() || uid == rustix::process::geteuid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    fn there_and_back(path: &Path) {
        let dir = Dir::open(path).unwrap();
        std::fs::write(path.join(FILE_NAME), "left over").unwrap();
        let listener = dir.listen().unwrap();
        let metadata = std::fs::metadata(path.join(FILE_NAME)).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let client = Dir::open(path).unwrap().connect().unwrap();
        let server = listener.accept().unwrap().0;
        assert!(may_ask(&client).unwrap() && may_ask(&server).unwrap());
        let again = dir.listen().unwrap();
        hang_up(&listener);
        assert!(listener.accept().is_err());
        assert!(Dir::open(path).unwrap().connect().is_ok(), "the new one listens");
        dir.clear().unwrap();
        assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
        drop(again);
    }

    #[test]
    fn a_socket_takes_the_place_of_what_was_left() {
        there_and_back(tempfile::tempdir().unwrap().path());
    }

    #[test]
    fn a_directory_may_lie_deeper_than_an_address_is_long() {
        let temp = tempfile::tempdir().unwrap();
        let deep = temp.path().join("d".repeat(200)).join("e".repeat(200));
        std::fs::create_dir_all(&deep).unwrap();
        assert!(UnixListener::bind(deep.join(FILE_NAME)).is_err(), "it would be for nothing");
        there_and_back(&deep);
    }

    #[test]
    fn whoever_waits_for_a_connection_is_woken() {
        let temp = tempfile::tempdir().unwrap();
        let listener = Dir::open(temp.path()).unwrap().listen().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| listener.accept().is_err());
            hang_up(&listener);
            assert!(waiting.join().unwrap());
        });
    }
}
