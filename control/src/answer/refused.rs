//! Why a request was not done.
//!
//! Owns: how errors of the engine travel. An older or newer release understands the shape; what kind it does not know is
//! [`Kind::Other`] to it.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use super::Place;

/// Why a request was not done, as a sentence that says what to do, and as a kind for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Of what kind it is.
    pub kind: Kind,
    /// The sentence.
    pub says: String,
    /// Where the damage is, when that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Both speak other versions of the protocol.
    Version,
    /// What was sent is no request.
    NoRequest,
    /// As many are being answered as may be at once.
    Busy,
    /// Whoever asks is another user.
    NotPermitted,
    /// An id, a subject, a directory is not as it must be.
    Invalid,
    /// A limit or the disk is reached.
    Full,
    /// A file is not what was written.
    Damaged,
    /// A write failed earlier.
    Latched,
    /// The store was closed meanwhile.
    Closed,
    /// Something else failed.
    #[serde(other)]
    Other,
}

impl Refused {
    pub(crate) fn new(kind: Kind, says: impl Into<String>) -> Self {
        Self { kind, says: says.into(), place: None }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.says)
    }
}

impl std::error::Error for Refused {}

impl From<sessile::Error> for Refused {
    fn from(error: sessile::Error) -> Self {
        use sessile::Error;
        let kind = match &error {
            Error::Invalid(_) => Kind::Invalid,
            Error::Full(_) | Error::FullAtOpening(_) => Kind::Full,
            Error::Corrupt(_) => Kind::Damaged,
            Error::Latched { .. } => Kind::Latched,
            Error::Closed => Kind::Closed,
            Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Kind::NotPermitted
            }
            _ => Kind::Other,
        };
        let says = error.to_string();
        let place = if let Error::Corrupt(damage) = error { Some(damage.into()) } else { None };
        Self { kind, says, place }
    }
}
