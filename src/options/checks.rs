//! What an option may be.

use std::time::Duration;

use super::{HOUR, Options};
use crate::error::{Error, Result};

impl Options {
    /// Checks every setting against its limits.
    pub(crate) fn validate(&self) -> Result<()> {
        let rules = [
            (
                (64 << 10..=1 << 30).contains(&self.segment_bytes),
                "Options::segment_bytes must lie between 64 KiB and 1 GiB",
            ),
            (
                (1..=15 << 20).contains(&self.session_bytes_max),
                "Options::session_bytes_max must lie between 1 byte and 15 MiB",
            ),
            (self.sessions_max != Some(0), "Options::sessions_max must be at least 1"),
            (
                self.disk_bytes_max.is_none_or(|bytes| (self.segment_bytes * 4..=1 << 40).contains(&bytes)),
                "Options::disk_bytes_max must be at least four times Options::segment_bytes, so that compaction has room, \
                 and at most 1 TiB",
            ),
            (
                !self.idle.is_zero(),
                "Options::idle must be longer than zero, or no session would ever be alive",
            ),
            (self.absolute != Some(Duration::ZERO), "Options::absolute must be longer than zero"),
            (self.first_lifetime != Some(Duration::ZERO), "Options::first_lifetime must be longer than zero"),
            (!self.sync_interval.is_zero(), "Options::sync_interval must be longer than zero"),
            (self.erase_within >= HOUR / 60, "Options::erase_within must be at least a minute"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(Error::invalid(*what)),
            None => Ok(()),
        }
    }
}
