//! Acting on a running server: a process that holds a [sessile] store serves its operators over a socket in the store's
//! directory.
//!
//! A store is embedded, and one process has it: nobody else can change it. So the command `sessile` asks that process, over
//! `control.sock`. The server needs one line, and without it there is no socket and no thread:
//!
//! ```
//! use sessile_control::Control;
//!
//! # let dir = tempfile::tempdir()?;
//! let store = sessile::Store::open(dir.path())?;
//! let control = Control::serve(&store)?;
//! // From now on `sessile stats DIR`, `sessile destroy DIR` and the others go to this process.
//! # drop(control);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The rooms:
//!
//! | room | owns |
//! |---|---|
//! | `request`, `answer` | what may be asked, and what is told |
//! | `perform` | from a store and a request to its answers: the same in a server and in a command |
//! | `wire` | lines of JSON, their version and their limits |
//! | `socket` | where the socket is, and who may be at its other end |
//! | `server`, `client` | the two ends |
//!
//! Invariants:
//! 1. The store lives as long as it would without: nothing here keeps it open, and its last handle closes it.
//! 2. Only processes of the same user and of root are answered (`SO_PEERCRED`), and only they can reach the socket (0600).
//! 3. A client that hangs, goes away or sends rubbish harms nobody: what it can take is counted and timed (in `server`).
//! 4. No answer holds an id, and no refusal repeats what was asked.

mod answer;
mod client;
mod perform;
mod request;
mod server;
mod socket;
mod wire;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sessile::Store;

pub use answer::{
    Ahead, Answer, BackedUp, Call, Calls, Clock, Compacted, Facts, Figures, HeldBy, Kind, Opening, Place,
    Refused, Size, Spread, Upgraded, Verified, Volume,
};
pub use client::{Client, Unheard};
pub use perform::perform;
pub use request::{Bytes, Hidden, Name, Request};
pub use socket::FILE_NAME;

/// The operators of a store are served while a handle of this lives, or until the store closes.
#[derive(Debug, Clone)]
#[must_use = "the socket goes when this is dropped"]
pub struct Control(Arc<server::Serving>);

/// Why operators cannot be served. The store works without.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Who only looks has nothing to serve: the commands can look themselves.
    #[error("a store that is open for reading only serves no operators")]
    ReadOnly,
    /// The store is closed.
    #[error(transparent)]
    Store(#[from] sessile::Error),
    /// There is no socket.
    #[error(
        "making {} in {} failed: {source}; the store works without it, and operators cannot act on it while it is held",
        FILE_NAME, .dir.display()
    )]
    Socket {
        /// The store's directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Control {
    /// Serves the operators of this store, from a thread of its own. Called again for the same store, both mean the same.
    ///
    /// # Errors
    /// [`Error`]: a server goes on without and tells its log.
    pub fn serve(store: &Store) -> Result<Self, Error> {
        server::serve(store)
    }

    /// Whether they are served still: not after the store has closed.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_on()
    }
}

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
