//! Medians, ratios, goals, and the table that shows them.

use crate::measure::Sample;
use crate::workload::Workload;

/// What a peer did in a workload: the median of each figure over the repetitions.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The peer.
    pub peer: &'static str,
    /// Whether its allocations were counted.
    pub counts_allocations: bool,
    /// The medians.
    pub median: Sample,
    /// The fastest repetition's speed by the slowest one's: below it, a difference means nothing.
    pub spread: f64,
}

impl Figure {
    /// The medians of `samples`, of which there is at least one.
    #[must_use]
    pub fn of(peer: &'static str, counts_allocations: bool, samples: &[Sample]) -> Self {
        let median_of = |get: fn(&Sample) -> f64| median(samples.iter().map(get).collect());
        let per_sync: Vec<f64> = samples.iter().filter_map(|sample| sample.per_sync).collect();
        let speeds = || samples.iter().map(|sample| sample.per_second);
        Self {
            peer,
            counts_allocations,
            median: Sample {
                per_second: median_of(|sample| sample.per_second),
                p50_ns: median_of(|sample| sample.p50_ns),
                p99_ns: median_of(|sample| sample.p99_ns),
                max_ns: median_of(|sample| sample.max_ns),
                processor_ns: median_of(|sample| sample.processor_ns),
                allocations: median_of(|sample| sample.allocations),
                write_calls: median_of(|sample| sample.write_calls),
                written_bytes: median_of(|sample| sample.written_bytes),
                device_bytes: median_of(|sample| sample.device_bytes),
                per_sync: (!per_sync.is_empty()).then(|| median(per_sync)),
            },
            spread: speeds().fold(0.0, f64::max) / speeds().fold(f64::INFINITY, f64::min),
        }
    }
}

/// The value in the middle; of an even number of values, the greater one of the two.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A line of the side-by-side: a workload and what each peer did in it, the one whose goals they are first.
#[derive(Debug, Clone)]
pub struct Row {
    /// The workload.
    pub workload: Workload,
    /// The peers' figures.
    pub figures: Vec<Figure>,
    /// The other peer's speed that the goal is measured against.
    pub baseline: f64,
}

impl Row {
    /// How many times as fast the first peer is, when there is another one.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let first = self.figures.first()?;
        (self.figures.len() > 1).then(|| first.median.per_second / self.baseline)
    }

    /// Whether the goal, if there is one, was reached.
    #[must_use]
    pub fn reached(&self) -> Option<bool> {
        self.workload.goal.zip(self.ratio()).map(|(goal, ratio)| ratio >= goal)
    }
}

/// A figure that is not compared, with the most that it should be.
#[derive(Debug, Clone)]
pub struct Measure {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it is counted in.
    pub unit: &'static str,
    /// The most that it should be.
    pub goal: Option<f64>,
}

impl Measure {
    /// Whether the goal, if there is one, was reached.
    #[must_use]
    pub fn reached(&self) -> Option<bool> {
        self.goal.map(|goal| self.value <= goal)
    }
}

/// Columns of text, each as wide as its widest cell.
#[derive(Debug, Clone, Default)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self(vec![headings.iter().map(|&heading| heading.to_owned()).collect()])
    }

    /// Adds a line.
    pub fn line(&mut self, cells: Vec<String>) {
        self.0.push(cells);
    }

    /// The table as Markdown, which is also readable as it is.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |line: &[String], column: usize| line.get(column).cloned().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.0.iter().map(|line| cell(line, column).chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for (number, line) in self.0.iter().enumerate() {
            for (column, &width) in widths.iter().enumerate() {
                let cell = cell(line, column);
                let padded = if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
                text += &format!("| {padded} ");
            }
            text += "|\n";
            if number == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    text += &format!("|{}{}", "-".repeat(width + 1), if column == 0 { "-" } else { ":" });
                }
                text += "|\n";
            }
        }
        text
    }
}

/// The side-by-side: speed and latencies of every peer, the ratio, the goal, and whether it was reached.
#[must_use]
pub fn speeds(rows: &[Row]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut headings = vec!["workload".to_owned(), "threads".to_owned()];
    for figure in &first.figures {
        headings.push(format!("{} /s", figure.peer));
        headings.push("p50 / p99 us".to_owned());
    }
    headings.extend(["ratio", "goal", "reached"].map(str::to_owned));
    let mut table = Table(vec![headings]);
    for row in rows {
        let mut line = vec![row.workload.name.to_owned(), row.workload.threads.to_string()];
        for Figure { median, .. } in &row.figures {
            line.push(quantity(median.per_second));
            line.push(format!("{} / {}", microseconds(median.p50_ns), microseconds(median.p99_ns)));
        }
        line.push(row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.1}x")));
        line.push(row.workload.goal.map_or_else(String::new, |goal| format!("{goal}x")));
        line.push(answer(row.reached()));
        table.line(line);
    }
    table.to_markdown()
}

/// What a request cost beside time.
#[must_use]
pub fn costs(rows: &[Row]) -> String {
    let headings = [
        "workload",
        "threads",
        "peer",
        "processor us",
        "allocations",
        "write calls",
        "bytes written",
        "bytes to device",
        "requests a sync",
        "slowest us",
        "spread",
    ];
    let mut table = Table::new(&headings);
    for row in rows {
        for Figure { peer, counts_allocations, median, spread } in &row.figures {
            let writes = row.workload.kind.writes();
            let of_writes = |text: String| if writes { text } else { "-".to_owned() };
            table.line(vec![
                row.workload.name.to_owned(),
                row.workload.threads.to_string(),
                (*peer).to_owned(),
                microseconds(median.processor_ns),
                if *counts_allocations { format!("{:.2}", median.allocations) } else { "?".to_owned() },
                of_writes(format!("{:.3}", median.write_calls)),
                of_writes(quantity(median.written_bytes)),
                of_writes(quantity(median.device_bytes)),
                of_writes(median.per_sync.map_or_else(|| "?".to_owned(), quantity)),
                microseconds(median.max_ns),
                format!("{spread:.2}x"),
            ]);
        }
    }
    table.to_markdown()
}

/// Figures that are not compared.
#[must_use]
pub fn measures(measures: &[Measure]) -> String {
    let mut table = Table::new(&["measured", "figure", "unit", "goal", "reached"]);
    for measure in measures {
        table.line(vec![
            measure.name.clone(),
            if measure.value < 10.0 {
                format!("{:.2}", measure.value)
            } else {
                format!("{:.1}", measure.value)
            },
            measure.unit.to_owned(),
            measure.goal.map_or_else(String::new, |goal| format!("{goal}")),
            answer(measure.reached()),
        ]);
    }
    table.to_markdown()
}

fn answer(reached: Option<bool>) -> String {
    reached.map_or("", |reached| if reached { "yes" } else { "NO" }).to_owned()
}

/// A number with three digits and a letter for its size.
#[must_use]
pub fn quantity(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2}M", value / 1e6),
        value if value >= 1e5 => format!("{:.0}k", value / 1e3),
        value if value >= 1e3 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

fn microseconds(ns: f64) -> String {
    match ns / 1e3 {
        us if us >= 1e4 => format!("{:.0}k", us / 1e3),
        us if us >= 10.0 => format!("{us:.0}"),
        us => format!("{us:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["a", "bb"]);
        table.line(vec!["ccc".to_owned(), "d".to_owned()]);
        assert_eq!(table.to_markdown(), "| a   | bb |\n|-----|---:|\n| ccc |  d |\n");
    }

    #[test]
    fn quantities_have_three_digits() {
        assert_eq!([4.0, 1234.0, 123_456.0, 1_234_567.0].map(quantity), ["4", "1.2k", "123k", "1.23M"]);
    }
}
