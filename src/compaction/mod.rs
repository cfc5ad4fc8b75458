//! Compaction: giving back the space of what is dead, without bringing any of it back to life.
//!
//! Owns: the three decisions, each in a room: which segments ([`pick`]), what of a record must stay ([`fate`]), and
//! the file that it stays in ([`output`]). What drives them, and changes the index, is in the store.
//!
//! The steps, and what a crash between them leaves:
//! 1. The log is synced: whatever the judgement below rests on is durable before anything goes (rule 7).
//! 2. The output is written under a temporary name: of no account.
//! 3. It is complete, synced and named: unlisted, so of no account, and removed at the next opening.
//! 4. An `Enter` frame lists it, durably: old and new copies stand side by side, with equal LSNs, and mean the same.
//! 5. The index moves to the copies, each by compare-and-swap: a write in between wins, and its copy is dead.
//! 6. One `Leave` frame takes all inputs off the roster, durably; only then are they unlinked.

pub(crate) mod fate;
pub(crate) mod output;
pub(crate) mod pick;

use std::collections::HashSet;

use crate::sync::Mutex;
use crate::sync::tally::AtomicU64;

/// What compaction remembers between its steps.
#[derive(Default)]
pub(crate) struct Compactor {
    /// One compaction at a time; also taken by whoever needs that no segment is removed, or that the store is not closed.
    pub running: Mutex<Memory>,
    pub compactions: AtomicU64,
    pub written_bytes: AtomicU64,
}

/// What is known of segments and is not on the disk.
#[derive(Default)]
pub(crate) struct Memory {
    /// Segments whose frames are damaged: they stay as they are.
    pub damaged: HashSet<u32>,
    /// Segments known to have a footer.
    pub sealed: HashSet<u32>,
}

/// How much room is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thrift {
    /// What has room leaves its garbage.
    Usual,
    /// An operator wants the room.
    Eager,
    /// A writer waits for it: then little garbage is worth a rewrite too.
    Pressed,
}

/// What one step did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    pub removed: u64,
    pub compacted: u64,
}
