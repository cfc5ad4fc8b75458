//! `sessile keys`: which keys the files of a store need, read from their headers, whoever holds it.

use serde::Serialize;
use sessile::{KeysInUse, Options};

use crate::args::Look;
use crate::failure::Failure;
use crate::output::{self, Report, bytes, counted};

pub(super) fn run(look: &Look) -> Result<(), Failure> {
    let used = Options::new().keys_in_use(&look.dir).map_err(|error| Failure::store(&look.dir, error))?;
    output::show(&InUse::from(used), look.json)
}

#[derive(Debug, Serialize)]
struct InUse {
    unfinished: bool,
    uses: Vec<Use>,
}

#[derive(Debug, Serialize)]
struct Use {
    /// Null for what is plain.
    key: Option<String>,
    segments: u64,
    bytes: u64,
    has_secret: bool,
}

impl From<KeysInUse> for InUse {
    fn from(used: KeysInUse) -> Self {
        let uses = used.uses.into_iter().map(|used| Use {
            key: used.name,
            segments: used.segments,
            bytes: used.bytes,
            has_secret: used.has_secret,
        });
        Self { unfinished: used.unfinished, uses: uses.collect() }
    }
}

impl Report for InUse {
    fn text(&self) -> String {
        let rows = self.uses.iter().map(|used| {
            let secret = if used.has_secret { ", and the store's secret" } else { "" };
            let what = format!("{} of {}{secret}", counted(used.segments, "segment"), bytes(used.bytes));
            (used.key.as_deref().unwrap_or("no key (plain)"), what)
        });
        let mut text = output::facts(rows);
        if self.unfinished {
            text.push_str(
                "\n\nThe store is being encrypted, and that was interrupted; `sessile encrypt` goes on with it.",
            );
        }
        text
    }
}
