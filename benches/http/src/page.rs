//! The pages, as both sides know them.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A page that is asked for again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Page {
    /// Reads its session; there is nothing to save.
    Read,
    /// Reads its session, whose deadline moves because it was used (`with_always_save`).
    Slide,
    /// Reads its session and changes a value in it.
    Write,
}

impl Page {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Read, Self::Slide, Self::Write];

    /// As it is called in the report and in the address.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Slide => "slide",
            Self::Write => "write",
        }
    }

    /// What stands before the protocol in the first line of its request.
    #[must_use]
    pub const fn request(self) -> &'static str {
        match self {
            Self::Read => "GET /read",
            Self::Slide => "GET /slide",
            Self::Write => "POST /write",
        }
    }

    /// Whether its answer renews the cookie: tower-sessions sends one whenever it has saved.
    #[must_use]
    pub const fn renews_cookie(self) -> bool {
        matches!(self, Self::Slide | Self::Write)
    }

    /// Whether it counts one view more each time.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Write)
    }
}
