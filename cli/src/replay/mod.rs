//! `sessile replay`: the access log of a web server as session traffic, to see what it would cost.
//!
//! | room | owns |
//! |---|---|
//! | [`log`] | one line |
//! | `traffic` | a whole log: requests in the order of their time, visitors, the lines that do not parse |
//! | `drive` | the traffic, run against a real store whose clock is the log's |
//! | `chart` | live sessions over time, in characters |
//! | `report` | the outcome, as text or JSON |

mod chart;
mod drive;
pub mod log;
mod report;
mod traffic;

pub use traffic::{LINE_BYTES_MAX, LogError};

use std::fs;

use crate::args::Replay;
use crate::failure::Failure;
use crate::{open, output, progress};
use traffic::Traffic;

/// Reads the log first and opens the store after, so that a bad log leaves nothing behind.
pub(crate) fn run(replay: &Replay) -> Result<(), Failure> {
    let dir = &replay.dir;
    open::vacant(dir)?;
    if dir.exists() {
        open::owned(dir)?;
    }
    // A pipe has no length worth a bar.
    let bytes = fs::metadata(&replay.log).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
    let traffic =
        progress::of_bytes("reading", bytes, |bar| Traffic::read(&replay.log, |count| bar.inc(count)))?;
    let outcome = progress::of_things("replaying", traffic.requests.len(), |bar| {
        drive::drive(dir, replay.idle, replay.data_bytes, &traffic, |count| bar.inc(count))
    })
    .map_err(|error| Failure::store(dir, error))?;
    output::show(&report::Replayed::new(replay, &traffic, outcome), replay.json)
}
