//! What can go wrong, in any home.
//!
//! Owns: [`Error`]. Invariant: no variant carries an id, a subject, a payload or a password; what a server says is passed on
//! only where it cannot hold one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. `Display` is a sentence that says what happened, to what, and what to do next.
///
/// ```
/// # use sessile::Write;
/// # use sessile_backends::{Backend, Error, Memory, Settings};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// # let home = Memory::new(Settings::new())?;
/// match home.update(b"not there", Write::new("data")).await {
///     Err(Error::Store(sessile::Error::Unknown(_))) => println!("no such session"),
///     Err(Error::Unreachable { .. } | Error::TimedOut { .. }) => println!("try again: 503"),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// What the contract has a word for, whichever the home.
    Store(sessile::Error),
    /// The home cannot be reached, or the connection broke: then the call may have taken effect, and only its answer is lost.
    Unreachable {
        /// Which home, without a password.
        home: Arc<str>,
        /// What the system or the driver said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The home did not answer in time. The call may have taken effect; a write that has not by now never will.
    TimedOut {
        /// Which home, without a password.
        home: Arc<str>,
        /// How long was waited.
        after: Duration,
    },
    /// The server is there and said no: a wrong password, a missing right, no memory left, a role that takes no writes.
    Refused {
        /// Which home, without a password.
        home: Arc<str>,
        /// What the server said.
        said: Arc<str>,
    },
    /// What stands in the home is not what was written there.
    Damaged {
        /// Which home, without a password.
        home: Arc<str>,
        /// What is wrong.
        what: Arc<str>,
    },
    /// The sessions that this process knew are gone: the home was emptied, or made anew, and others have begun there since with
    /// another secret.
    Replaced {
        /// Which home, without a password.
        home: Arc<str>,
    },
    /// What was to be made is there already.
    Occupied {
        /// Which home, without a password.
        home: Arc<str>,
        /// What is there.
        what: Arc<str>,
    },
    /// An address that cannot be understood; the text says what to write instead.
    Address(Arc<str>),
}

impl Error {
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Store(sessile::Error::Invalid(what.into()))
    }

    /// What the contract calls it, if it has a word for it.
    ///
    /// ```
    /// use sessile_backends::Error;
    ///
    /// let error = Error::from(sessile::Error::Closed);
    /// assert!(matches!(error.of_store(), Some(sessile::Error::Closed)));
    /// ```
    #[must_use]
    pub fn of_store(&self) -> Option<&sessile::Error> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }

    /// Whether there is no live session of that id or handle.
    ///
    /// ```
    /// use sessile_backends::Error;
    ///
    /// assert!(!Error::from(sessile::Error::Closed).is_unknown());
    /// ```
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Store(sessile::Error::Unknown(_)))
    }
}

impl From<sessile::Error> for Error {
    fn from(error: sessile::Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(out),
            Self::Unreachable { home, source } => {
                write!(
                    out,
                    "{home} cannot be reached: {source}; check that it runs and that its address is right"
                )
            }
            Self::TimedOut { home, after } => write!(
                out,
                "{home} did not answer within {after:?}, and the call may have taken effect; check the server's load \
                 and the network"
            ),
            Self::Refused { home, said } => {
                write!(out, "{home} refused: {said}; check the server's settings and this user's rights")
            }
            Self::Damaged { home, what } => write!(
                out,
                "what stands in {home} is not what was written there: {what}; see who else writes to it"
            ),
            Self::Replaced { home } => write!(
                out,
                "{home} was emptied, or made anew, since this process connected, and others keep sessions there by now that it \
                 does not know; start it again"
            ),
            Self::Occupied { home, what } => {
                write!(out, "in {home} there is {what} already; choose another name, or remove that first")
            }
            Self::Address(what) => out.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Unreachable { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
