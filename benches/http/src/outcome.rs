//! What a run came to: every sample, and what follows from them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::contender::Contender;
use crate::generator::Sample;
use crate::goals::Judged;
use crate::machine;
use crate::page::Page;
use crate::plan::Scale;

/// See the module. `results.json` is this.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// When it began.
    pub began: String,
    /// Where.
    pub machine: String,
    /// How many visitors were logged in.
    pub visitors: usize,
    /// Over how many connections they came.
    pub connections: usize,
    /// How often each store had its turn.
    pub repetitions: usize,
    /// How long a turn lasted, in milliseconds.
    pub window_ms: u128,
    /// Which settings each store ran with.
    pub settings: Vec<(Contender, String)>,
    /// Who was to take part and could not, and why.
    pub left_out: Vec<String>,
    /// What each store did on each page.
    pub rows: Vec<Row>,
    /// Which goals were reached.
    pub judged: Vec<Judged>,
}

/// What a store did on a page.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// The page.
    pub page: Page,
    /// The store.
    pub contender: Contender,
    /// One for each repetition, in their order.
    pub samples: Vec<Sample>,
}

/// A figure with what it was at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Half of all were below it.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Range {
    /// Of these; nothing, if there are none.
    #[must_use]
    pub fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let (upper, lower) = (figures.len() / 2, figures.len().saturating_sub(1) / 2);
        let median = (figures.get(lower)? + figures.get(upper)?) / 2.0;
        Some(Self { median, least: *figures.first()?, most: *figures.last()? })
    }
}

impl Outcome {
    /// Nothing yet.
    #[must_use]
    pub fn new(scale: &Scale, directory: &Path) -> Self {
        Self {
            began: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: machine::description(directory),
            visitors: scale.crowd.visitors,
            connections: scale.crowd.connections,
            repetitions: scale.repetitions,
            window_ms: scale.window.as_millis(),
            settings: Vec::new(),
            left_out: Vec::new(),
            rows: Vec::new(),
            judged: Vec::new(),
        }
    }

    /// One repetition more.
    pub fn add(&mut self, page: Page, contender: Contender, sample: Sample) {
        match self.rows.iter_mut().find(|row| (row.page, row.contender) == (page, contender)) {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row { page, contender, samples: vec![sample] }),
        }
    }

    /// What a store did on a page.
    #[must_use]
    pub fn row(&self, page: Page, contender: Contender) -> Option<&Row> {
        self.rows.iter().find(|row| (row.page, row.contender) == (page, contender))
    }

    /// A figure of one store by that of another: in each repetition by itself, since both then met the same machine.
    #[must_use]
    pub fn ratio(
        &self,
        page: Page,
        (ours, theirs): (Contender, Contender),
        figure: fn(&Sample) -> f64,
    ) -> Option<Range> {
        let (ours, theirs) = (self.row(page, ours)?, self.row(page, theirs)?);
        let pairs = ours.samples.iter().zip(&theirs.samples);
        Range::of(pairs.map(|(ours, theirs)| figure(ours) / figure(theirs)))
    }
}

impl Row {
    /// A figure over all repetitions.
    #[must_use]
    pub fn range(&self, figure: fn(&Sample) -> f64) -> Option<Range> {
        Range::of(self.samples.iter().map(figure))
    }

    /// The same, or 0 if there are none.
    #[must_use]
    pub fn median(&self, figure: fn(&Sample) -> f64) -> f64 {
        self.range(figure).map_or(0.0, |range| range.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_each_repetition() {
        let mut outcome = Outcome::new(&Scale::QUICK, Path::new("/"));
        let sample = |per_second| Sample { per_second, ..Sample::default() };
        // A machine that was half as fast the second time changes no ratio.
        for (ours, theirs) in [(10.0, 5.0), (5.0, 2.5), (12.0, 4.0)] {
            outcome.add(Page::Read, Contender::SessileSynced, sample(ours));
            outcome.add(Page::Read, Contender::Memory, sample(theirs));
        }
        let both = (Contender::SessileSynced, Contender::Memory);
        let ratio = outcome.ratio(Page::Read, both, |sample| sample.per_second);
        assert_eq!(ratio, Some(Range { median: 2.0, least: 2.0, most: 3.0 }));
        assert_eq!(outcome.ratio(Page::Write, both, |sample| sample.per_second), None);
    }
}
