//! What an operator may ask for.
//!
//! Owns: [`Request`], and how an id, a subject and a path travel: as base64, since they are any bytes. Invariant: `Debug` shows
//! neither ids nor subjects.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sessile::Handle;

/// One command, as it is carried to the process that holds the store, or done without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// The figures.
    Stats,
    /// What time it is to the store; `confirm` says that the machine's clock is right.
    Clock {
        /// Whether to believe the machine's clock.
        confirm: bool,
    },
    /// Says that the machine's clock is right although it is behind what the store believes.
    SetClockBack,
    /// The live sessions, each in an answer of its own.
    Ls {
        /// No more than so many.
        limit: Option<u64>,
    },
    /// One session.
    Get {
        /// Which.
        name: Name,
        /// Whether its data is wanted.
        data: bool,
    },
    /// Ends one session.
    Destroy {
        /// Which.
        name: Name,
    },
    /// Ends all sessions of a subject.
    DestroySubject {
        /// Whose.
        subject: Hidden,
    },
    /// Tests every record.
    Verify,
    /// Maintenance, until nothing is left to do.
    Compact {
        /// Whether to believe the machine's clock first.
        confirm_clock: bool,
    },
    /// To the newest format.
    Upgrade {
        /// Whether only to say what would be done.
        dry_run: bool,
    },
    /// A copy of the store.
    Backup {
        /// Where to, from the root.
        destination: Bytes,
    },
}

/// How a session is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// By its id, which is a secret.
    Id(Hidden),
    /// By its handle, which is none.
    #[serde(with = "handle")]
    Handle(Handle),
}

impl Name {
    /// What the name is, for a message.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Id(_) => "id",
            Self::Handle(_) => "handle",
        }
    }
}

/// Bytes that are not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(Bytes);

impl Hidden {
    /// The bytes themselves.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0.0
    }
}

impl From<Vec<u8>> for Hidden {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes(bytes))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Hidden(..)")
    }
}

/// Bytes, in base64 on their way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// The bytes as a path.
    #[must_use]
    pub fn to_path(&self) -> PathBuf {
        OsString::from_vec(self.0.clone()).into()
    }
}

impl From<PathBuf> for Bytes {
    fn from(path: PathBuf) -> Self {
        Self(path.into_os_string().into_vec())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(|_| D::Error::custom("this is no base64"))
    }
}

mod handle {
    use super::*;

    pub fn serialize<S: Serializer>(handle: &Handle, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(handle)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Handle, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom("this is no handle"))
    }
}
