//! A small file system of its own for a test: in a mount namespace that only a process started for it sees, so that
//! nothing is left of it when that process has ended, however that was.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::notes::not_checked;

/// Where the process in the namespace finds the file system.
pub const MOUNTED: &str = "SESSILE_SMALL_FILE_SYSTEM";
/// What the shell ends with when there can be no such file system.
const CANNOT: i32 = 77;

/// Kinds of file system that a full disk is met on in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In memory: blocks are taken by `fallocate` itself.
    Tmpfs,
    /// On a loop device: journal, delayed allocation, extents that are allocated and not written.
    Ext4,
}

/// How often a round is run there, unless `PROCESS_ROUNDS` says otherwise.
const ROUNDS: &str = "PROCESS_ROUNDS";

/// Runs the test `inner` in a process that has a file system of so many bytes; says aloud when it cannot.
pub fn with_file_system(kind: Kind, bytes: u64, rounds: u64, inner: &str) {
    let top = tempfile::tempdir().unwrap();
    let place = top.path().join("mounted");
    std::fs::create_dir(&place).unwrap();
    let mount = match kind {
        Kind::Tmpfs => format!("mount -t tmpfs -o size={bytes} none \"$PLACE\""),
        Kind::Ext4 => {
            let image = top.path().join("image");
            std::fs::File::create(&image).unwrap().set_len(bytes).unwrap();
            "mkfs.ext4 -q -F -m 0 \"$PLACE/../image\" && mount -o loop \"$PLACE/../image\" \"$PLACE\""
                .to_owned()
        }
    };
    let script = format!("{{ {mount}; }} || exit {CANNOT}; exec \"$0\" \"$@\"");
    let rounds = std::env::var(ROUNDS).unwrap_or_else(|_| rounds.to_string());
    let environment = [("PLACE", place.as_path()), (MOUNTED, &place), (ROUNDS, Path::new(&rounds))];
    let status = in_a_namespace(&script, &environment, inner);
    match status {
        Some(0) => {}
        Some(CANNOT) | None => {
            not_checked(&format!("a full disk on {kind:?}: this process may not mount one"));
        }
        Some(code) => panic!("{inner} on {kind:?} ended with {code}"),
    }
}

/// Runs a shell script with its own mounts, and the test `inner` as its arguments; `None` when that is not permitted.
pub fn in_a_namespace(script: &str, environment: &[(&str, &Path)], inner: &str) -> Option<i32> {
    let root = rustix::process::geteuid().is_root();
    let own_mounts: &[&str] = if root { &["--mount"] } else { &["--mount", "--user", "--map-root-user"] };
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(own_mounts).stdin(Stdio::null());
        unshare
    };
    let permitted = unshare().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !permitted {
        return None;
    }
    let mut command = unshare();
    command.args(["sh", "-c", script]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", inner, "--ignored", "--nocapture", "--test-threads=1"]);
    command.envs(environment.iter().copied());
    Some(command.status().unwrap().code().unwrap_or(-1))
}

/// The file system that this process was given, if it was.
pub fn given() -> Option<PathBuf> {
    std::env::var_os(MOUNTED).map(PathBuf::from)
}

/// How many rounds this process is to run.
pub fn rounds() -> u64 {
    std::env::var(ROUNDS).map_or(1, |rounds| rounds.parse().unwrap())
}

/// Other people's data: takes all the room that there is, and gives it back.
pub struct Ballast(PathBuf);

impl Ballast {
    pub fn new(directory: &Path) -> Self {
        Self(directory.join("ballast"))
    }

    /// Leaves at most a few blocks.
    pub fn take_all(&self) {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.0).unwrap();
        for step in [1 << 20, 1 << 16, 1 << 12] {
            while file.write_all(&vec![7; step]).is_ok() {}
        }
        let _ = file.sync_all();
    }

    pub fn give_back(&self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Room that an operator can make, a little at a time, where the store itself has filled the disk.
pub struct Makeable(Vec<PathBuf>);

impl Makeable {
    pub fn new(directory: &Path, times: usize, bytes: usize) -> Self {
        let files: Vec<_> = (0..times).map(|n| directory.join(format!("old log {n}"))).collect();
        files.iter().for_each(|file| std::fs::write(file, vec![7; bytes]).unwrap());
        Self(files)
    }

    pub fn make(&mut self) {
        std::fs::remove_file(self.0.pop().expect("the store has filled the disk so often")).unwrap();
    }
}

/// How many bytes are free there.
pub fn free(directory: &Path) -> u64 {
    let volume = rustix::fs::statvfs(directory).unwrap();
    volume.f_bavail * volume.f_frsize
}
