//! The volume: which file system holds a directory, and how long that keeps what it was given.
//!
//! Owns: [`Volume`], and the list of file systems by the magic numbers that Linux reports. Where the system does not tell, a
//! file system is taken for local and lasting.

use std::io;
use std::path::Path;

/// What holds a store's directory.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path())?;
/// let volume = store.stats().recovery.volume;
/// if let Some(warning) = volume.warning() {
///     eprintln!("session store: {warning}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Volume {
    /// Its file system, where that is a known one.
    pub file_system: Option<&'static str>,
    /// How long it keeps what was synced.
    pub keeps: Keeps,
}

/// How long a file system keeps what was synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Keeps {
    /// As long as its disk lasts, as far as anybody can tell.
    #[default]
    Lastingly,
    /// Until the machine starts anew: it is memory.
    UntilReboot,
    /// As long as its container: it is what is written over an image, and goes when the container is made anew.
    WithContainer,
    /// On another machine: locks may be local, syncs may lie, and a map may fault when the network does. A store is not
    /// opened there unless [`Options::allow_network_file_system`](crate::Options::allow_network_file_system) says so.
    Elsewhere,
}

impl Volume {
    /// A volume with a file system of that name.
    #[must_use]
    pub const fn new(file_system: Option<&'static str>, keeps: Keeps) -> Self {
        Self { file_system, keeps }
    }

    /// Whether everybody is logged out when a machine or a container that works as it should begins anew.
    #[must_use]
    pub const fn is_volatile(&self) -> bool {
        matches!(self.keeps, Keeps::UntilReboot | Keeps::WithContainer)
    }

    /// What whoever runs the store should know of it, and do: a sentence; `None` where there is nothing to say.
    #[must_use]
    pub const fn warning(&self) -> Option<&'static str> {
        match self.keeps {
            Keeps::Lastingly => None,
            Keeps::UntilReboot => Some(
                "the directory lies in memory, so all sessions are lost when the machine starts anew; put the store on a disk",
            ),
            Keeps::WithContainer => Some(
                "the directory lies in the container's own layer, so all sessions are lost when the container is made anew; \
                 mount a volume and put the store there",
            ),
            Keeps::Elsewhere => Some(
                "the directory lies on another machine, where locks and syncs cannot be relied on; put the store on a local disk",
            ),
        }
    }

    /// The volume that holds `directory`. FUSE is taken for lasting: nothing tells what is behind it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statfs(directory)?;
        // The field is signed on some machines, and CIFS and SMB2 have the top bit set.
        Ok(Self::of_magic(stat.f_type as u64 & 0xFFFF_FFFF))
    }

    /// The volume that holds `directory`.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn of(_: &Path) -> io::Result<Self> {
        Ok(Self::default())
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn of_magic(magic: u64) -> Self {
        let (name, keeps) = match magic {
            0xEF53 => ("ext4", Keeps::Lastingly),
            0x5846_5342 => ("XFS", Keeps::Lastingly),
            0x9123_683E => ("Btrfs", Keeps::Lastingly),
            0x2FC1_2FC1 => ("ZFS", Keeps::Lastingly),
            0xF2F5_2010 => ("F2FS", Keeps::Lastingly),
            0x6573_5546 => ("FUSE", Keeps::Lastingly),
            0x0102_1994 => ("tmpfs", Keeps::UntilReboot),
            0x8584_58F6 => ("ramfs", Keeps::UntilReboot),
            0x794C_7630 => ("overlay", Keeps::WithContainer),
            0x6175_6673 => ("AUFS", Keeps::WithContainer),
            0x6969 => ("NFS", Keeps::Elsewhere),
            0x517B => ("SMB", Keeps::Elsewhere),
            0xFE53_4D42 => ("SMB2", Keeps::Elsewhere),
            0xFF53_4D42 => ("CIFS", Keeps::Elsewhere),
            0x0102_1997 => ("9P", Keeps::Elsewhere),
            0x00C3_6400 => ("Ceph", Keeps::Elsewhere),
            0x5346_414F | 0x6B41_4653 => ("AFS", Keeps::Elsewhere),
            0x7375_7245 => ("Coda", Keeps::Elsewhere),
            0x564C => ("NCP", Keeps::Elsewhere),
            0x0BD0_0BD0 => ("Lustre", Keeps::Elsewhere),
            _ => return Self::default(),
        };
        Self::new(Some(name), keeps)
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn file_systems_are_told_by_their_magic() {
        for (magic, name, keeps) in [
            (0x6969, "NFS", Keeps::Elsewhere),
            (0xFF53_4D42, "CIFS", Keeps::Elsewhere),
            (0x0102_1994, "tmpfs", Keeps::UntilReboot),
            (0x794C_7630, "overlay", Keeps::WithContainer),
            (0xEF53, "ext4", Keeps::Lastingly),
            (0x6573_5546, "FUSE", Keeps::Lastingly),
        ] {
            assert_eq!(Volume::of_magic(magic), Volume::new(Some(name), keeps));
        }
        assert_eq!(Volume::of_magic(7), Volume::default());
    }

    /// The test machine has both, whatever else it has.
    #[test]
    fn real_mounts_are_what_they_are() {
        assert_eq!(Volume::of(Path::new("/proc")).unwrap(), Volume::default());
        if Path::new("/dev/shm").is_dir() {
            assert_eq!(Volume::of(Path::new("/dev/shm")).unwrap().keeps, Keeps::UntilReboot);
        }
    }

    #[test]
    fn only_what_does_not_last_is_warned_of() {
        for keeps in [Keeps::UntilReboot, Keeps::WithContainer, Keeps::Elsewhere] {
            let volume = Volume::new(None, keeps);
            assert!(volume.warning().is_some_and(|warning| warning.contains("put the store")), "{volume:?}");
            assert_eq!(volume.is_volatile(), keeps != Keeps::Elsewhere);
        }
        assert!(!Volume::default().is_volatile() && Volume::default().warning().is_none());
    }
}
