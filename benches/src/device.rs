//! The device under the stores, and the machine at rest: what the system counts of both.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the machine is looked at to see whether it is at rest, and how much of that may be in use.
const REST_LOOK: Duration = Duration::from_millis(60);
const REST_TICKS: u64 = 1;

/// The block device under a directory.
#[derive(Debug)]
pub struct Device {
    directory: PathBuf,
    counts: PathBuf,
}

impl Device {
    /// The device that `directory` is on.
    #[must_use]
    pub fn under(directory: &Path) -> Self {
        let number = fs::metadata(directory).map_or(0, |metadata| metadata.dev());
        let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
        let counts = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        Self { directory: directory.to_owned(), counts }
    }

    /// Brings everything that was written to the file system to the device.
    pub fn settle(&self) {
        if let Ok(directory) = fs::File::open(&self.directory) {
            let _ = rustix::fs::syncfs(directory);
        }
    }

    /// Waits until the machine has come to rest: for some time nobody has used a processor much, and the device has nothing to
    /// do. Stores work on in threads of their own when a window is over, and the next window may be another store's. One
    /// that never rests is waited for no longer than `at_most`.
    pub fn rest(&self, at_most: Duration) {
        let began = Instant::now();
        let mut used = used_ticks();
        while began.elapsed() < at_most {
            std::thread::sleep(REST_LOOK);
            let before = std::mem::replace(&mut used, used_ticks());
            if used - before <= REST_TICKS && self.count(8).is_none_or(|under_way| under_way == 0) {
                return;
            }
        }
    }

    /// Bytes written to the device so far, by anyone; 0 when the system does not say.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.count(6).unwrap_or(0) * 512
    }

    /// The `nth` count of the device (`Documentation/block/stat.rst` of Linux).
    fn count(&self, nth: usize) -> Option<u64> {
        fs::read_to_string(&self.counts).ok()?.split_whitespace().nth(nth)?.parse().ok()
    }
}

/// Ticks of 10 ms that programs and the kernel have used of all processors so far; those that neighbours took are not among
/// them, nor is waiting.
fn used_ticks() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let of_all = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = of_all.filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq
    [0, 1, 2, 5, 6].iter().filter_map(|at| ticks.get(*at)).sum()
}
