//! An embedded session store for single-node servers: a log, an index and an expiry wheel in one directory.

mod clock;
mod compaction;
mod error;
mod expiry;
mod id;
mod index;
mod lock;
mod log;
mod observer;
mod options;
mod recovery;
mod session;
mod stats;
mod store;
#[cfg(feature = "serde")]
pub mod typed;
pub mod vfs;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Damage, Error, Full, Holder, Result, Unknown};
pub use id::{Handle, ID_BYTES_MAX, SUBJECT_BYTES_MAX, SessionId, SubjectDigest};
pub use observer::{Event, Observer};
pub use options::{AtLimit, Options, ReadMode, Recovery};
pub use session::{Deadline, Durability, Session, Subject, Version, Write};
pub use stats::{BackupReport, EndingsAhead, Maintenance, RecoveryReport, Stats, Verification};
pub use store::{SessionRef, Sessions, Store, Touched};
