//! What keeps a move from going on: each a sentence that says what to do.
//!
//! Invariant: no variant carries an id, a subject, data or a password. What is wrong with one session is no error; it is
//! skipped, and [`Why`](crate::Why) says why.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a move does not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// FROM or TO is not written as it should be.
    #[error("{0}")]
    Address(String),
    /// This build leaves that format out.
    #[error("this build of sessile leaves out `{format}`; build it with --features {feature}")]
    LeftOut {
        /// The format.
        format: &'static str,
        /// The cargo feature that has it.
        feature: &'static str,
    },
    /// The two ends do not go together; nothing has been read or written.
    #[error("{0}")]
    Unfit(String),
    /// There is a database, but it does not hold what the format says.
    #[error("{0}")]
    Shape(String),
    /// A file cannot be read or written.
    #[error("{doing} {} failed: {source}", .path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A database or server cannot be reached, or does not answer as it should.
    #[error("{home}: {why}")]
    Server {
        /// Which one, without user and password.
        home: String,
        /// What it said.
        why: String,
    },
    /// The store in a directory.
    #[error("{}: {source}", .dir.display())]
    Store {
        /// Its directory.
        dir: PathBuf,
        /// What it answered.
        source: sessile::Error,
    },
    /// Whoever reads the output has gone away.
    #[error("writing to standard output failed: {0}")]
    Output(io::Error),
}

impl Error {
    pub(crate) fn address(what: impl Into<String>) -> Self {
        Self::Address(what.into())
    }

    pub(crate) fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { doing, path: path.to_path_buf(), source }
    }

    pub(crate) fn store(dir: &Path, source: sessile::Error) -> Self {
        Self::Store { dir: dir.to_path_buf(), source }
    }
}
