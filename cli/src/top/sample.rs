//! What is known of a store at one moment, and what has happened since the moment before.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use sessile_control::{Figures, Request};

use crate::door::{self, Door, expect_answer};
use crate::failure::Failure;

/// The figures, and how fast those that count have grown.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sample {
    #[serde(skip)]
    pub directory: PathBuf,
    #[serde(skip)]
    pub taken: Instant,
    pub figures: Figures,
    /// `None` where nobody knows: at the first look, after a restart, and where only the files are seen.
    pub per_second: Option<Rates>,
}

/// How often something happens in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Rates {
    pub created: f64,
    pub updated: f64,
    pub touched: f64,
    pub coalesced: f64,
    pub expired: f64,
    pub ended: f64,
    pub evicted: f64,
    pub rejected: f64,
    pub read: f64,
    pub written: f64,
    pub syncs: f64,
    pub compacted_bytes: f64,
}

impl Rates {
    /// What has grown from one look to the next; `None` when it is another process, or another opening.
    pub fn between(before: &Figures, after: &Figures, time: Duration) -> Option<Self> {
        let same = before.whole && after.whole && before.held_by == after.held_by;
        let seconds = time.as_secs_f64();
        if !same || before.syncs > after.syncs || seconds <= 0.0 {
            return None;
        }
        let rate = |figure: fn(&Figures) -> u64| {
            #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit behind the point")]
            let grown = figure(after).saturating_sub(figure(before)) as f64;
            grown / seconds
        };
        Some(Self {
            created: rate(|figures| figures.created),
            updated: rate(|figures| figures.updated),
            touched: rate(|figures| figures.touched),
            coalesced: rate(|figures| figures.coalesced),
            expired: rate(|figures| figures.expired),
            ended: rate(|figures| figures.ended),
            evicted: rate(|figures| figures.evicted),
            rejected: rate(|figures| figures.rejected),
            read: rate(|figures| figures.calls.read.count),
            written: rate(|figures| figures.calls.write.count),
            syncs: rate(|figures| figures.syncs),
            compacted_bytes: rate(|figures| figures.compacted_bytes),
        })
    }
}

impl Sample {
    /// Looks for the first time.
    pub fn first(dir: &Path) -> Result<Self, Failure> {
        Self::take(dir, door::to_look(dir)?.as_ref())
    }

    /// Looks again, without a word to the terminal.
    pub fn next(&self, dir: &Path) -> Result<Self, Failure> {
        let mut next = Self::take(dir, door::to_look_quietly(dir)?.as_ref())?;
        let time = next.taken.saturating_duration_since(self.taken);
        next.per_second = Rates::between(&self.figures, &next.figures, time);
        Ok(next)
    }

    fn take(dir: &Path, door: &dyn Door) -> Result<Self, Failure> {
        let figures = *expect_answer!(door.answer(&Request::Stats)?, Stats);
        Ok(Self { directory: dir.to_owned(), taken: Instant::now(), figures, per_second: None })
    }

    /// Whether a process is at work that tells what it does.
    pub fn is_live(&self) -> bool {
        self.figures.whole && self.figures.held_by.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sessile_control::HeldBy;

    #[test]
    fn rates_are_of_one_process() {
        let by = |pid| Some(HeldBy { pid: Some(pid), ..HeldBy::default() });
        let at = |created, pid| Figures { created, whole: true, held_by: by(pid), ..Figures::default() };
        let two = Duration::from_secs(2);
        let rates = Rates::between(&at(10, 1), &at(25, 1), two).unwrap();
        assert_eq!((rates.created, rates.touched), (7.5, 0.0));
        assert_eq!(Rates::between(&at(10, 1), &at(25, 2), two), None, "another process");
        let reopened = Figures { syncs: 5, ..at(10, 1) };
        assert_eq!(Rates::between(&reopened, &at(0, 1), two), None, "another opening");
        assert_eq!(Rates::between(&Figures::default(), &Figures::default(), two), None, "of the files");
        assert_eq!(Rates::between(&at(1, 1), &at(2, 1), Duration::ZERO), None);
    }
}
