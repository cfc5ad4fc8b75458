//! Prometheus's text format, version 0.0.4.

use std::fmt::Write as _;

use sessile::Stats;

use crate::figures::{self, Label, Values, count, cumulative};

/// The type of content to answer a scrape with.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The figures as Prometheus scrapes them.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path())?;
/// store.create("an id", "some data")?;
/// let text = sessile_metrics::prometheus_text(&store.stats());
/// assert!(text.contains("\nsessile_sessions 1\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn prometheus_text(stats: &Stats) -> String {
    let mut text = String::with_capacity(8 << 10);
    for figure in figures::of(stats) {
        let kind = match figure.values {
            Values::Gauge(_) => "gauge",
            Values::Counter(_) => "counter",
            Values::Spread { .. } => "histogram",
        };
        let name = figure.name;
        // Writing into a String does not fail.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", figure.help);
        write_values(&mut text, name, &figure.values);
    }
    text
}

fn write_values(text: &mut String, name: &str, values: &Values) {
    match values {
        Values::Gauge(values) => {
            values.iter().for_each(|(label, value)| line(text, name, *label, *value));
        }
        Values::Counter(values) => {
            values.iter().for_each(|(label, value)| line(text, name, *label, value));
        }
        Values::Spread { histograms, per_unit } => {
            for (label, histogram) in histograms {
                let of = label.map_or_else(String::new, |(key, of)| format!("{key}=\"{of}\","));
                for (bound, below) in cumulative(histogram, *per_unit) {
                    let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
                    let _ = writeln!(text, "{name}_bucket{{{of}le=\"{bound}\"}} {below}");
                }
                line(text, &format!("{name}_sum"), *label, count(histogram.sum()) / per_unit);
                line(text, &format!("{name}_count"), *label, histogram.count());
            }
        }
    }
}

fn line(text: &mut String, name: &str, label: Label, value: impl std::fmt::Display) {
    let _ = match label {
        Some((key, of)) => writeln!(text, "{name}{{{key}=\"{of}\"}} {value}"),
        None => writeln!(text, "{name} {value}"),
    };
}
