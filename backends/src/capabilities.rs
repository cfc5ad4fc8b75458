//! What a home promises, and what not, as values that a program can ask for.
//!
//! Owns: [`Capabilities`]. The table in DESIGN.md says the same in words; the tests hold each home to its own.

use std::time::Duration;

/// What is left of an acknowledged write when everything fails that the home runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Survives {
    /// Nothing: it is in the memory of one process.
    Nothing,
    /// As much as the server at the other end is configured to keep.
    AsConfigured,
    /// The write: it is on the disk.
    PowerLoss,
}

/// What becomes of an acknowledged write when another machine takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failover {
    /// No other machine does.
    None,
    /// The last ones can be lost, endings among them: who logged out just before may be logged in again.
    LosesTheLast,
    /// As the server at the other end is configured: with synchronous replication nothing is lost.
    AsConfigured,
}

/// How [`len`](crate::Backend::len) comes by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counting {
    /// It is known at once; sessions that have run out may be in it until [`maintain`](crate::Backend::maintain).
    AtOnce,
    /// All are visited, without those that have run out.
    ByVisiting,
}

/// What a home promises beyond the contract, and where it falls short of it.
///
/// ```
/// use sessile_backends::{Backend, Memory, Settings, Survives};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// let home = Memory::new(Settings::new())?;
/// if home.capabilities().survives == Survives::Nothing {
///     println!("whoever is logged in is logged out by a restart");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// What a power loss leaves of an acknowledged write.
    pub survives: Survives,
    /// What a failover leaves of it.
    pub failover: Failover,
    /// Whether several processes, on several machines, can use the home at a time.
    pub shared: bool,
    /// A session is shown for no longer than this after its deadline.
    pub expiry_granularity: Duration,
    /// Whether, when a rotate is cut short, one id works and the other does not.
    pub atomic_rotate: bool,
    /// Whether `destroy_subject` ends all of a subject's sessions at one moment, or none when it is cut short.
    pub atomic_destroy_subject: bool,
    /// Whether `clear` ends all sessions at one moment, or none when it is cut short. Where it does not, it has ended all that
    /// there were when it was called by the time it returns.
    pub atomic_clear: bool,
    /// How `len` comes by its number.
    pub counting: Counting,
    /// Whether `Unknown` can tell `Expired` and `Ended` from `Never`.
    pub tells_why_unknown: bool,
    /// Whether the home removes what has run out by itself. Where it does not, `maintain` must be called now and then.
    pub removes_expired: bool,
    /// Whether `iter` shows a session that lives throughout exactly once, and `len` counts it once; otherwise at least once.
    pub lists_once: bool,
    /// How often the home is asked to read a session with a subject, one after the other.
    pub round_trips_to_read: u32,
}
