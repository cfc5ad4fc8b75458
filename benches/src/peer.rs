//! What a store has to offer to take part.
//!
//! A failure ends the run: a store that answers wrongly or not at all has no speed.

use std::time::Duration;

/// How long a session of the benchmark lives without being used.
pub const IDLE: Duration = Duration::from_secs(14 * 24 * 3600);

/// What a write waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The operating system has it; it survives the death of the process.
    Written,
    /// It is on the disk; it survives power loss.
    Synced,
}

/// A store with its settings, open and shared by the threads of a run.
pub trait Peer: Sync {
    /// What it is called in the table.
    fn name(&self) -> &'static str;

    /// Version and settings, in a line, for whoever wants to check or object.
    fn settings(&self) -> String;

    /// Whether its allocations go through this program's allocator and can be counted.
    fn counts_allocations(&self) -> bool {
        false
    }

    /// Whether it keeps nothing when the process ends, and takes part as the limit only.
    fn forgets(&self) -> bool {
        false
    }

    /// Stores sessions before anything is measured, in whatever way is fastest.
    fn load(&self, sessions: &mut dyn Iterator<Item = (&str, &[u8])>);

    /// From now on writes wait for this.
    fn wait_for(&self, wait: Wait);

    /// What one thread talks to the store with.
    fn client(&self) -> Box<dyn Client + '_>;

    /// Brings to the disk what it has written, so that the next window does not pay for it.
    fn settle(&self);

    /// Whether it is behind a queue, so that only writers that are many have anything of it.
    fn queues(&self) -> bool {
        false
    }

    /// Bytes of memory that hold no file, where the store is a process of its own.
    fn server_bytes(&self) -> Option<u64> {
        None
    }

    /// Where the store is a process of its own, that dies without notice.
    fn kill(&self) {}

    /// Removes what has run out; nothing where the store does that by itself.
    fn prune(&self) {}

    /// How often it has made something durable so far, when it knows.
    fn syncs(&self) -> Option<u64> {
        None
    }
}

/// One thread's access to a store.
pub trait Client: Send {
    /// Copies a live session's data out, and says how many bytes that was.
    fn get(&mut self, id: &str) -> Option<usize>;

    /// Creates or replaces a session that lives for `idle`.
    fn set_for(&mut self, id: &str, data: &[u8], idle: Duration);

    /// The same for [`IDLE`].
    fn set(&mut self, id: &str, data: &[u8]) {
        self.set_for(id, data, IDLE);
    }

    /// Whether a touch that moves a deadline by little costs no write.
    fn coalesces(&self) -> bool {
        false
    }

    /// Lets a session live for `idle` from now on, and says whether there was one.
    fn touch(&mut self, id: &str, idle: Duration) -> bool;

    /// Ends a session, and says whether there was one.
    fn destroy(&mut self, id: &str) -> bool;
}
