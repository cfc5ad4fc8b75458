//! Live sessions over time as columns of characters, for a terminal of 80.

use crate::output::{grouped, moment};

/// How many columns the chart has.
pub(super) const COLUMNS: usize = 64;
const ROWS: u64 = 6;
/// Empty, and one to eight eighths of a character.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The most sessions that were live at once in the stretch of time that begins here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(super) struct Sample {
    pub from_ms: u64,
    pub live: u64,
}

/// Draws the samples, the oldest on the left, the last of which ends at `last_ms`; nothing where there is nothing to
/// see.
pub(super) fn draw(samples: &[Sample], last_ms: u64) -> String {
    let first_ms = samples.first().map_or(0, |sample| sample.from_ms);
    let top = samples.iter().map(|sample| sample.live).max().unwrap_or(0);
    if samples.len() < 2 || top == 0 {
        return String::new();
    }
    let label = grouped(top);
    let width = label.len();
    let mut chart = String::new();
    for row in (0..ROWS).rev() {
        let title = match row {
            0 => "0",
            row if row == ROWS - 1 => label.as_str(),
            _ => "",
        };
        let columns: String = samples.iter().map(|sample| block(sample.live, top, row)).collect();
        chart.push_str(&format!("{title:>width$} |{}\n", columns.trim_end()));
    }
    let (from, to) = (moment(first_ms), moment(last_ms));
    let gap = samples.len().saturating_sub(from.len() + 2);
    chart.push_str(&format!("{:>width$}  {from}  {to:>gap$}", ""));
    chart
}

/// What `live` shows in a row of the chart. Whatever is not zero shows at least as the lowest line.
fn block(live: u64, top: u64, row: u64) -> char {
    let eighths = (u128::from(live) * u128::from(ROWS * 8)).div_ceil(u128::from(top.max(1)));
    let here = eighths.saturating_sub(u128::from(row * 8)).min(8);
    usize::try_from(here).ok().and_then(|here| BLOCKS.get(here)).copied().unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(lives: &[u64]) -> Vec<Sample> {
        (0..).zip(lives).map(|(minute, live)| Sample { from_ms: minute * 60_000, live: *live }).collect()
    }

    #[test]
    fn a_ramp_rises() {
        let chart = draw(&samples(&[0, 1, 24, 48]), 240_000);
        let lines: Vec<&str> = chart.lines().collect();
        assert_eq!(lines[0], "48 |   █");
        assert_eq!(lines[3], "   |  ██");
        assert_eq!(lines[5], " 0 | ▁██");
        assert_eq!(lines[6], "    1970-01-01T00:00:00Z  1970-01-01T00:04:00Z");
    }

    #[test]
    fn nothing_to_see_draws_nothing_and_large_figures_do_not_overflow() {
        assert_eq!(draw(&[], 0), "");
        assert_eq!(draw(&samples(&[0, 0, 0]), 1), "");
        assert_eq!(draw(&samples(&[7]), 1), "");
        assert!(draw(&samples(&[u64::MAX, 1]), u64::MAX).contains('█'));
    }
}
