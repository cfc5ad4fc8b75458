//! What an operation asks of the machine (P4): memory from the allocator, and calls of the system. A read in place and a
//! coalesced touch ask for nothing at all.
//!
//! On real files, because only those are mapped. Calls of the system are listed by strace(1), where it can be used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "process/notes.rs"]
mod notes;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use notes::not_checked;
use sessile::{Durability, ManualClock, Options, Store, Touched, Write};

const IDLE: Duration = Duration::from_secs(14 * 24 * 3600);
/// So few that all of them fit a few times over into the first segment of a store: what beginning another takes is not an
/// operation's.
const SESSIONS: usize = 50;
const DATA: &[u8] = &[b'x'; 490];
const DIRECTORY: &str = "SESSILE_OPERATIONS_DIRECTORY";
const OPERATION: &str = "SESSILE_OPERATION";

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count for each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // A thread that is ending has no count any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator can be written in no other way")]
// SAFETY: every call goes to the system's allocator unchanged; the count neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
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

/// A store in which nothing happens but what is asked of it.
struct Quiet {
    store: Store,
    clock: ManualClock,
    ids: Vec<String>,
}

impl Quiet {
    fn at(directory: &Path) -> Self {
        // The beginning of a step of the slack, so that a second later a touch is in the same one.
        let clock = ManualClock::at_ms(1_800_000_000_000);
        let store = Options::new()
            .durability(Durability::Written)
            .logouts_may_be_lost_on_power_failure(true)
            .manual_maintenance(true)
            .clock(Arc::new(clock.clone()))
            .open(directory)
            .unwrap();
        let ids: Vec<_> = (0..SESSIONS).map(|n| format!("session-id-of-32-characters-{n:04}")).collect();
        let quiet = Self { store, clock, ids };
        quiet.create(data());
        quiet.clock.advance(Duration::from_secs(1));
        quiet
    }

    fn create(&self, data: Vec<Vec<u8>>) {
        for (id, data) in self.ids.iter().zip(data) {
            self.store.create(id, Write::new(data).idle(IDLE)).unwrap();
        }
    }

    fn get(&self) {
        self.ids.iter().for_each(|id| assert_eq!(self.store.get(id).unwrap().unwrap().data(), DATA));
    }

    fn get_in_place(&self) {
        self.ids.iter().for_each(|id| assert_eq!(self.store.get_ref(id).unwrap().unwrap().data(), DATA));
    }

    fn get_missing(&self) {
        self.ids.iter().for_each(|id| assert!(self.store.get(&id[1..]).unwrap().is_none()));
    }

    fn touch_coalesced(&self) {
        let touch = |id| assert_eq!(self.store.touch(id, IDLE).unwrap(), Touched::Coalesced);
        self.ids.iter().for_each(touch);
        // What moves the deadline, and what finds it moved.
        self.ids.iter().for_each(touch);
    }

    fn touch_logged(&self) {
        self.clock.advance(Duration::from_secs(61));
        self.ids.iter().for_each(|id| assert_eq!(self.store.touch(id, IDLE).unwrap(), Touched::Logged));
    }

    fn set(&self, durability: Durability, data: Vec<Vec<u8>>) {
        for (id, data) in self.ids.iter().zip(data) {
            self.store.set(id, Write::new(data).durability(durability)).unwrap();
        }
    }

    fn destroy(&self) {
        self.ids.iter().for_each(|id| assert!(self.store.destroy(id).unwrap()));
    }
}

/// What each session is written with, made beforehand: what the caller allocates is his.
fn data() -> Vec<Vec<u8>> {
    vec![DATA.to_vec(); SESSIONS]
}

/// How often memory was asked for, in all operations together.
fn allocations(operations: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    operations();
    ALLOCATIONS.get() - before
}

#[test]
fn a_read_in_place_a_missing_one_and_a_coalesced_touch_allocate_nothing() {
    let top = tempfile::tempdir().unwrap();
    let quiet = Quiet::at(&top.path().join("store"));
    assert_eq!(allocations(|| quiet.get_in_place()), 0);
    assert_eq!(allocations(|| quiet.get_missing()), 0);
    assert_eq!(allocations(|| quiet.touch_coalesced()), 0);
}

#[test]
fn a_copying_read_allocates_the_copy_and_nothing_else() {
    let top = tempfile::tempdir().unwrap();
    let quiet = Quiet::at(&top.path().join("store"));
    assert_eq!(allocations(|| quiet.get()), SESSIONS as u64);
}

/// The frame is built in a buffer that stays, and index, wheel and the list of endings have grown to what they need. What they
/// grow by is no single operation's: `index::tests` and `expiry::tests::bounds` count it.
#[test]
fn writes_logged_touches_and_endings_allocate_nothing_where_nothing_grows() {
    let top = tempfile::tempdir().unwrap();
    let quiet = Quiet::at(&top.path().join("store"));
    quiet.destroy();
    quiet.create(data());
    // With it the mark is written that repeats the endings.
    quiet.set(Durability::Synced, data());
    let [first, second] = [data(), data()];
    assert_eq!(allocations(|| quiet.set(Durability::Written, first)), 0, "set, Written");
    assert_eq!(allocations(|| quiet.set(Durability::Synced, second)), 0, "set, Synced");
    assert_eq!(allocations(|| quiet.touch_logged()), 0, "touch, logged");
    assert_eq!(allocations(|| quiet.destroy()), 0, "destroy");
    let again = data();
    let growth = allocations(|| quiet.create(again));
    assert!(growth <= 2, "create, of a slot of the wheel that is filled anew: {growth}");
}

/// Not a test: what [`calls`] runs in a process of its own.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn a_child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let quiet = Quiet::at(Path::new(&directory));
    quiet.set(Durability::Synced, data());
    quiet.get();
    let data = data();
    // A call that is not there otherwise: what the trace has between two of them are the operation's.
    let mark = || _ = std::fs::remove_dir("/no such directory");
    let operation = std::env::var(OPERATION).unwrap();
    mark();
    match operation.as_str() {
        "get" => quiet.get(),
        "get in place" => quiet.get_in_place(),
        "get missing" => quiet.get_missing(),
        "touch coalesced" => quiet.touch_coalesced(),
        "touch logged" => quiet.touch_logged(),
        "set Written" => quiet.set(Durability::Written, data),
        "set Synced" => quiet.set(Durability::Synced, data),
        "destroy" => quiet.destroy(),
        other => panic!("{other}"),
    }
    mark();
}

/// The names of the system calls that an operation makes on all sessions together, in order; `None` where processes cannot
/// be traced.
fn calls(operation: &str) -> Option<Vec<String>> {
    let top = tempfile::tempdir().unwrap();
    let trace = top.path().join("trace");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", trace.to_str().unwrap()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_child", "--ignored", "--test-threads", "1"])
        .env(DIRECTORY, top.path().join("store"))
        .env(OPERATION, operation)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let trace = std::fs::read_to_string(&trace).unwrap_or_default();
    let mut parts = trace.split("\"/no such directory\"");
    let (Some(before), Some(between), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        not_checked(&format!(
            "system calls of {operation}: strace is missing, or this process may not trace others"
        ));
        return None;
    };
    assert!(status.unwrap().success(), "{trace}");
    let thread = before.lines().last().unwrap().split_whitespace().next().unwrap();
    // The first line is the rest of the first mark, the last the beginning of the second.
    let lines: Vec<_> = between.lines().filter(|line| line.starts_with(thread)).collect();
    let name = |line: &&str| line[thread.len()..].trim_start().split('(').next().unwrap().to_owned();
    // Now and then the allocator gets itself memory: what is allocated is counted by itself.
    let allocator = |name: &String| ["brk", "mprotect"].contains(&name.as_str());
    Some(lines[..lines.len() - 1].iter().map(name).filter(|name| !allocator(name)).collect())
}

#[test]
fn reads_and_coalesced_touches_make_no_system_call() {
    for operation in ["get", "get in place", "get missing", "touch coalesced"] {
        let Some(calls) = calls(operation) else { return };
        assert!(calls.is_empty(), "{operation}: {calls:?}");
    }
}

#[test]
fn what_is_written_takes_one_write_and_what_is_synced_one_sync_more() {
    for operation in ["set Written", "touch logged", "destroy"] {
        let Some(calls) = calls(operation) else { return };
        assert_eq!(calls, ["pwrite64"].repeat(SESSIONS), "{operation}");
    }
    let Some(calls) = calls("set Synced") else { return };
    assert!(calls.iter().all(|call| ["pwrite64", "fdatasync"].contains(&call.as_str())), "{calls:?}");
    let (between, rest) = calls.split_at(calls.len() - 1);
    let writes: Vec<_> = between.split(|call| call == "fdatasync").map(<[_]>::len).collect();
    assert_eq!((writes.len(), rest), (SESSIONS, &["fdatasync".to_owned()][..]));
    // One in a hundred writes 64 KiB of zeros ahead, a page at a time.
    let (alone, ahead): (Vec<usize>, Vec<usize>) = writes.iter().partition(|writes| **writes == 1);
    assert!(alone.len() >= SESSIONS - 1 && ahead.iter().all(|writes| *writes <= 17), "{writes:?}");
}
