//! What is to be reached, and whether it was.

use serde::{Deserialize, Serialize};

use crate::contender::Contender::{
    self, Memory, SessileSynced, SessileWritten, SqliteFullAlone, SqliteFullPool, SqliteNormalAlone,
    SqliteNormalPool,
};
use crate::outcome::{Outcome, Range};
use crate::page::Page;

/// sessile's requests a second by another store's: of several ways to run it, the fastest.
struct Goal {
    page: Page,
    ours: Contender,
    theirs: &'static [Contender],
    at_least: f64,
}

const fn goal(page: Page, ours: Contender, theirs: &'static [Contender], at_least: f64) -> Goal {
    Goal { page, ours, theirs, at_least }
}

/// Within 5 % of the store in memory where nothing is written, and five times SQLite with equal durability where something is.
const GOALS: [Goal; 6] = [
    goal(Page::Read, SessileSynced, &[Memory], 0.95),
    goal(Page::Read, SessileWritten, &[Memory], 0.95),
    goal(Page::Slide, SessileSynced, &[Memory], 0.95),
    goal(Page::Slide, SessileWritten, &[Memory], 0.95),
    goal(Page::Write, SessileSynced, &[SqliteFullAlone, SqliteFullPool], 5.0),
    goal(Page::Write, SessileWritten, &[SqliteNormalAlone, SqliteNormalPool], 5.0),
];

/// What became of a goal.
#[derive(Debug, Serialize, Deserialize)]
pub struct Judged {
    /// The page.
    pub page: Page,
    /// sessile, as it was set.
    pub ours: Contender,
    /// The other store.
    pub theirs: Contender,
    /// The goal: sessile's requests a second by the other's.
    pub at_least: f64,
    /// What it was; nothing, if one of them was not measured.
    pub measured: Option<Range>,
    /// Processor time of the server a request, sessile's by the other's: what a noisy machine changes least.
    pub processor: Option<Range>,
}

impl Judged {
    /// Whether it was reached, if it was measured.
    #[must_use]
    pub fn reached(&self) -> Option<bool> {
        self.measured.map(|measured| measured.median >= self.at_least)
    }
}

/// A line for each goal.
#[must_use]
pub fn judge(outcome: &Outcome) -> Vec<Judged> {
    let speed = |page, store| outcome.row(page, store).map(|row| row.median(|sample| sample.per_second));
    let judged = GOALS.iter().filter_map(|&Goal { page, ours, theirs, at_least }| {
        let by_speed = |a: &&Contender, b: &&Contender| {
            speed(page, **a).unwrap_or(0.0).total_cmp(&speed(page, **b).unwrap_or(0.0))
        };
        let theirs = *theirs.iter().max_by(by_speed)?;
        let measured = outcome.ratio(page, (ours, theirs), |sample| sample.per_second);
        let processor = outcome.ratio(page, (ours, theirs), |sample| sample.server_ns);
        Some(Judged { page, ours, theirs, at_least, measured, processor })
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Sample;
    use crate::plan::Scale;
    use std::path::Path;

    #[test]
    fn a_goal_is_reached_from_its_figure_on() {
        let mut outcome = Outcome::new(&Scale::QUICK, Path::new("/"));
        for (contender, per_second) in [(SessileSynced, 95.0), (SessileWritten, 94.9), (Memory, 100.0)] {
            outcome.add(Page::Read, contender, Sample { per_second, ..Sample::default() });
        }
        let reached: Vec<Option<bool>> = judge(&outcome).iter().map(Judged::reached).collect();
        assert_eq!(reached, [Some(true), Some(false), None, None, None, None]);
    }

    #[test]
    fn of_two_ways_to_run_a_store_the_faster_counts() {
        let mut outcome = Outcome::new(&Scale::QUICK, Path::new("/"));
        for (contender, per_second) in
            [(SessileSynced, 60.0), (SqliteFullAlone, 20.0), (SqliteFullPool, 10.0)]
        {
            outcome.add(Page::Write, contender, Sample { per_second, ..Sample::default() });
        }
        let judged = judge(&outcome);
        let write = judged.iter().find(|judged| judged.ours == SessileSynced && judged.page == Page::Write);
        assert_eq!(
            write.map(|judged| (judged.theirs, judged.reached())),
            Some((SqliteFullAlone, Some(false)))
        );
    }
}
