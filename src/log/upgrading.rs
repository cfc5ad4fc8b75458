//! Upgrading: a store moves to a newer format while its log grows.
//!
//! Owns: that step, which is a change of the store's header and of nothing else. A crash can fall:
//! 1. before a copy of the header in the newer format is whole: the store has the format that it had;
//! 2. after the first and before the second: it has the newer one, and the next change of the header begins with the copy that
//!    is behind;
//! 3. after the second: the same.
//!
//! Invariant: a segment is written in a newer format only after both copies say it.

use super::appender::Appender;
use super::format::Format;
#[cfg(feature = "encryption")]
use super::format::StoreEnvelope;
use super::header::StoreHeader;
use crate::error::Result;

impl Appender {
    /// The format in which segments are written.
    pub fn format(&self) -> Format {
        self.root.format()
    }

    /// The store's header as it stands.
    pub fn store_header(&self) -> StoreHeader {
        self.root.header()
    }

    /// Moves the store to this format, durably, and gives the one that it had: segments that begin from now on are written in it.
    ///
    /// # Errors
    /// `Latched`, also when the header cannot be written: which format it says is then for the next opening to find.
    pub fn upgrade(&self, to: Format) -> Result<Format> {
        self.latch.check()?;
        self.root.upgrade(to).map_err(|error| self.latch.fall(&error))
    }

    /// Puts the store's secret into this envelope, durably.
    ///
    /// # Errors
    /// As [`upgrade`](Self::upgrade).
    #[cfg(feature = "encryption")]
    pub fn seal(&self, envelope: StoreEnvelope) -> Result<()> {
        self.latch.check()?;
        self.root.seal(envelope).map_err(|error| self.latch.fall(&error))
    }
}
