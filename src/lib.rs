//! An embedded session store for single-node servers: a log, an index and an expiry wheel in one directory.

mod error;
mod expiry;
mod id;
mod index;
mod session;
pub mod vfs;

pub use error::{Damage, Error, Full, Holder, Result, Unknown};
pub use id::{Handle, ID_BYTES_MAX, SUBJECT_BYTES_MAX, SessionId, SubjectDigest};
pub use session::{Deadline, Durability, Session, Subject, Version, Write};
