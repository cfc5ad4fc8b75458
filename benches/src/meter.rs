//! What the process counts by itself, and the allocations, which nobody else counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::ops::Sub;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count of allocations in each thread.
#[derive(Debug)]
pub struct CountingAllocator;

#[expect(
    unsafe_code,
    reason = "an allocator can be written in no other way; it adds a count and nothing else"
)]
// SAFETY: every call is passed on unchanged; the count neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    // A thread that is ending has no count any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

/// Allocations of this thread so far, when the program uses [`CountingAllocator`].
#[must_use]
pub fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// What the process has given to system calls that write, from `/proc/self/io`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Io {
    /// Calls.
    pub write_calls: u64,
    /// Bytes.
    pub written_bytes: u64,
}

impl Io {
    /// The counts so far.
    #[must_use]
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
        Self { write_calls: field(&text, "syscw:"), written_bytes: field(&text, "wchar:") }
    }
}

impl Sub for Io {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            write_calls: self.write_calls - earlier.write_calls,
            written_bytes: self.written_bytes - earlier.written_bytes,
        }
    }
}

/// Processor time that all threads of the process have used so far, in nanoseconds, in steps of 10 ms.
#[must_use]
pub fn processor_ns() -> u64 {
    // Fields 14 and 15 of `/proc/self/stat`; the name before them may contain spaces. Ticks are 1/100 s on Linux.
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks * 10_000_000
}

/// Bytes of memory that hold no file: heap, stacks and private maps.
#[must_use]
pub fn anonymous_bytes() -> u64 {
    anonymous_bytes_of("self")
}

/// The same of the process of this number.
#[must_use]
pub fn anonymous_bytes_of(process: &str) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(process).join("status"));
    field(&status.unwrap_or_default(), "RssAnon:") * 1024
}

/// Processor time that the threads of this name have used so far, in nanoseconds.
#[must_use]
pub fn thread_ns(name: &str) -> u64 {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return 0 };
    let of = |thread: &Path| {
        let is_it = fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim_end() == name);
        let used = fs::read_to_string(thread.join("schedstat")).ok().filter(|_| is_it)?;
        used.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads.flatten().filter_map(|thread| of(&thread.path())).sum()
}

/// Bytes that the files under a directory occupy on the disk.
#[must_use]
pub fn disk_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
