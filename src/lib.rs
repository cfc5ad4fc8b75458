//! An embedded session store for single-node servers: a log, an index and an expiry wheel in one directory.
//!
//! A [`Store`] is a directory and a cheap handle to it. Sessions are bytes under an id, with a deadline that slides as
//! they are used. They survive restarts, crashes and power loss; what was ended stays ended; expiry needs no cron; memory
//! and disk have limits; a read costs about what a hash map costs.
//!
//! ```
//! use sessile::{Options, SessionId, Write};
//! use std::time::Duration;
//!
//! # let dir = tempfile::tempdir()?;
//! let store = Options::new().idle(Duration::from_secs(30 * 60)).open(dir.path())?;
//!
//! let id = SessionId::generate()?;
//! store.create(&id, Write::new(r#"{"cart":[7]}"#))?;
//!
//! // At login, a new id and a user, in one record.
//! let logged_in = SessionId::generate()?;
//! store.rotate(&id, &logged_in, Some(Write::new(r#"{"cart":[7],"user":42}"#).subject("42")))?;
//!
//! store.touch(&logged_in, Duration::from_secs(30 * 60))?;
//! store.destroy_subject("42", None)?; // log out everywhere
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Goals**: the five promises of `DESIGN.md`; one process on one machine; a few hundred bytes a session, up to tens of
//! millions of them. **Not goals**: several processes on one directory, network file systems, queries over the data.
//!
//! Features: `async` for the store with futures (the module `nonblocking`), `serde` for sessions as Rust values (the module `typed`), `bincode` for its compact codec, `encryption` for
//! payloads that nobody can read without a key, `simulation` for
//! the file system that loses power on demand (in [`vfs`]), for tests of sessile and of what is built on it.

#[macro_use]
mod planted;
#[macro_use]
mod trace;

mod backup;
mod carried;
mod clock;
mod compaction;
mod error;
mod events;
mod expiry;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod id;
mod index;
mod lock;
mod log;
#[cfg(feature = "async")]
pub mod nonblocking;
mod observer;
mod options;
mod place;
mod recovery;
mod sealing;
mod session;
mod stats;
mod store;
mod sync;
#[cfg(feature = "serde")]
pub mod typed;
pub mod vfs;

pub use carried::Carried;
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Damage, Error, Full, Holder, Result, Unknown};
pub use events::{Events, Reason, SessionEvent};
pub use id::{Handle, ID_BYTES_MAX, SUBJECT_BYTES_MAX, Secret, SessionId, SubjectDigest};
pub use log::format::Format;
pub use observer::{Event, Observer};
pub use options::{AtLimit, Options, ReadMode, Recovery};
pub use place::Place;
#[cfg(sessile_planted)]
pub use planted::{Plant, plant};
#[cfg(feature = "encryption")]
pub use sealing::KeyRing;
pub use session::{Deadline, Durability, Session, Subject, Version, Write};
pub use stats::{
    BackupReport, Call, Calls, EndingsAhead, Histogram, Maintenance, RecoveryParts, RecoveryReport,
    RestoreReport, SalvageReport, Stats, Verification,
};
#[cfg(feature = "encryption")]
pub use stats::{KeyUse, KeysInUse, Reencrypted};
pub use store::{Restoring, SessionRef, Sessions, Store, Touched};
pub use vfs::{Keeps, Volume};

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
