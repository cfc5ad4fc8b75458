//! Where it was measured: a figure without its machine means nothing.

use std::fs;
use std::path::Path;

/// Processor, memory, kernel and the file system under `directory`, in a line.
#[must_use]
pub fn description(directory: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_kib: u64 = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    format!(
        "{cores} cores of {processor}, {} GiB of memory, Linux {}, {}",
        memory_kib >> 20,
        read("/proc/sys/kernel/osrelease").trim(),
        file_system(directory),
    )
}

/// The type of the file system that `directory` is on, as the system calls it.
#[must_use]
pub fn file_system(directory: &Path) -> String {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    fs::read_to_string("/proc/self/mounts")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
        })
        .filter(|(mounted, _)| directory.starts_with(mounted))
        .max_by_key(|(mounted, _)| mounted.len())
        .map_or_else(|| "unknown file system".to_owned(), |(_, kind)| kind)
}

/// Whether what is on this file system is only in memory, so that a sync costs nothing and means nothing.
#[must_use]
pub fn is_memory(file_system: &str) -> bool {
    matches!(file_system, "tmpfs" | "ramfs")
}
