//! Which file systems are not on this machine: there locks may be local, syncs may lie, and a map may fault when the
//! network does.
//!
//! Owns: the list of them. Where the system does not tell, a file system is taken for local.

use std::io;
use std::path::Path;

/// The network file system that holds `directory`, by the magic number that Linux reports. FUSE is taken for local:
/// nothing tells what is behind it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn name_of(directory: &Path) -> io::Result<Option<&'static str>> {
    let stat = rustix::fs::statfs(directory)?;
    // The field is signed on some machines, and CIFS and SMB2 have the top bit set.
    Ok(name_of_magic(stat.f_type as u64 & 0xFFFF_FFFF))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn name_of(_: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn name_of_magic(magic: u64) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517B => Some("SMB"),
        0xFE53_4D42 => Some("SMB2"),
        0xFF53_4D42 => Some("CIFS"),
        0x0102_1997 => Some("9P"),
        0x00C3_6400 => Some("Ceph"),
        0x5346_414F | 0x6B41_4653 => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x564C => Some("NCP"),
        0x0BD0_0BD0 => Some("Lustre"),
        _ => None,
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_by_their_magic() {
        assert_eq!(name_of_magic(0x6969), Some("NFS"));
        assert_eq!(name_of_magic(0xFF53_4D42), Some("CIFS"));
        assert_eq!(name_of_magic(0xEF53), None, "ext4 is local");
        assert_eq!(name_of_magic(0x6573_5546), None, "FUSE is taken for local");
    }
}
