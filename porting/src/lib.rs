//! The way in and out of [sessile]: sessions from the stores that people use today, and back, with nobody logged out and
//! nobody's session lengthened. The commands `sessile import`, `export` and `migrate` are this crate on a command line.
//!
//! The rooms, in the order in which a session walks through them:
//!
//! | room | owns |
//! |---|---|
//! | `address` | FROM and TO: a format and a place |
//! | `sources/` | where sessions come from, one file a kind of home, read in pages |
//! | `formats/` | what other stores write of one session: pure functions, tested with hostile bytes |
//! | `session` | a session between two homes, and the reasons why one does not go along |
//! | `subject` | whose a session is, by a key or a JSON pointer into its data |
//! | `servers/` | how Redis and PostgreSQL are reached |
//! | `targets/` | where sessions go, one file a kind of home |
//! | `carry` | the order of steps: check, move, verify |
//! | `bookmark` | how far a move has come, in a file |
//! | `report` | what became of everybody |
//!
//! Invariants:
//! 1. A source is only read.
//! 2. A session that is in the new home is left as it is; one that comes there ends when it would have ended, never later.
//! 3. No id, subject, data or password stands in an error, a report, or a note of how far a move has come.
//! 4. What is wrong with one session is counted, with a reason, and the rest goes on.

#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres", feature = "redis")),
    allow(dead_code, reason = "formats that are left out leave what only they need")
)]

mod address;
mod bookmark;
mod carry;
mod error;
mod formats;
mod report;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod servers;
mod session;
mod sources;
mod subject;
mod targets;

pub use address::{Address, Format};
pub use carry::{Move, Watch};
pub use error::{Error, Result};
pub use report::{Counted, Report, Skipped, Verified};
pub use subject::Pointer;
