//! The report: a run as Markdown, which is also readable as it is.

use crate::measure::Sample;
use crate::outcome::{Figure, OURS, Outcome, Row, Size, Verdict};
use crate::table::{Table, microseconds, quantity, ratio};

/// When and where it was measured, and how much.
#[must_use]
pub fn head(outcome: &Outcome) -> String {
    format!(
        "{}, {}. {} sessions of 282 to 885 bytes under ids of 32 characters; medians of {} repetitions.\n",
        outcome.began, outcome.machine, outcome.sessions, outcome.repetitions
    )
}

const WHY_NOT: &str =
    "What the time goes to where a goal is not reached, with profiles: `benches/README.md`.";

/// Everything that was measured.
#[must_use]
pub fn body(outcome: &Outcome) -> String {
    let mut parts = Vec::new();
    if !outcome.judged.is_empty() {
        let count = |verdict| outcome.judged.iter().filter(|judged| judged.verdict == verdict).count();
        parts.push(format!(
            "## Goals: {} of {} reached, {} not, {} not measured\n\n{WHY_NOT}\n\n{}",
            count(Verdict::Reached),
            outcome.judged.len(),
            count(Verdict::NotReached),
            count(Verdict::NotMeasured),
            goals(outcome)
        ));
    } else if !outcome.judges {
        parts.push("Not what goals are about: none is judged.\n".to_owned());
    }
    if !outcome.limits.is_empty() {
        parts.push(format!("## The bare machine\n\n{}", limits(outcome)));
    }
    if !outcome.rows.is_empty() {
        let million = format!("a million is {} sessions", outcome.million);
        parts.push(format!("## Requests a second ({million})\n\n{}", speeds(outcome)));
    }
    for row in &outcome.rows {
        let beside = row.sync_ns.map_or_else(String::new, |ns| {
            format!("The bare disk took {:.0} us for the cheapest sync meanwhile.\n\n", ns / 1000.0)
        });
        parts.push(format!("### {}\n\n{beside}{}", row.label, details(row)));
    }
    if !outcome.sizes.is_empty() {
        parts.push(format!("## Size, memory, opening\n\n{}", sizes(outcome)));
    }
    let mut cases: Vec<&str> = outcome.measures.iter().map(|measure| measure.case.as_str()).collect();
    cases.dedup();
    for case in cases {
        parts.push(format!("## {OURS}: {case}\n\n{}", measures(outcome, case)));
    }
    if !outcome.failures.is_empty() {
        let failures = outcome.failures.iter().map(|failure| format!("- {failure}\n"));
        parts.push(format!("## What could not be measured\n\n{}", failures.collect::<String>()));
    }
    if !outcome.peers.is_empty() {
        parts.push(format!("## Settings\n\n{}", settings(outcome)));
    }
    parts.join("\n")
}

fn goals(outcome: &Outcome) -> String {
    let mut table = Table::new(&["what", "goal", "measured", "reached"]);
    for judged in &outcome.judged {
        let reached = match judged.verdict {
            Verdict::Reached => "reached",
            Verdict::NotReached => "NOT reached",
            Verdict::NotMeasured => "not measured",
        };
        table.line(vec![
            judged.what.clone(),
            judged.goal.clone(),
            judged.measured.clone(),
            reached.to_owned(),
        ]);
    }
    table.to_markdown()
}

/// A line for each workload, a column for each peer: its speed, and how many times as fast the first one is.
fn speeds(outcome: &Outcome) -> String {
    let names = outcome.peers.iter().map(|peer| peer.name.clone());
    let mut table = Table::new(&std::iter::once("workload".to_owned()).chain(names).collect::<Vec<_>>());
    for row in &outcome.rows {
        let ours = row.of(OURS).map(|figure| figure.median.per_second);
        let cell = |peer: &str| {
            let Some(theirs) = row.of(peer).map(|figure| figure.median.per_second) else {
                return String::new();
            };
            match ours.filter(|_| peer != OURS) {
                Some(ours) => format!("{} ({}x)", quantity(theirs), ratio(ours / theirs)),
                None => quantity(theirs),
            }
        };
        let cells = outcome.peers.iter().map(|peer| cell(&peer.name));
        table.line(std::iter::once(row.label.clone()).chain(cells).collect());
    }
    table.to_markdown()
}

/// What each peer did in a workload, and what a request cost beside time.
fn details(row: &Row) -> String {
    let mut headings = vec!["peer", "/s", "p50 us", "p90", "p95", "p99", "p99.9", "slowest", "processor us"];
    headings.push("allocations");
    if row.writes {
        headings.extend(["write calls", "bytes written", "bytes to device", "requests a sync"]);
    }
    headings.push("spread");
    let mut table = Table::new(&headings);
    for Figure { peer, counts_allocations, median, spread } in &row.figures {
        let Sample { p50_ns, p90_ns, p95_ns, p99_ns, p999_ns, max_ns, processor_ns, .. } = *median;
        let times = [p50_ns, p90_ns, p95_ns, p99_ns, p999_ns, max_ns, processor_ns].map(microseconds);
        let mut line = vec![peer.clone(), quantity(median.per_second)];
        line.extend(times);
        line.push(if *counts_allocations { format!("{:.2}", median.allocations) } else { "?".to_owned() });
        if row.writes {
            line.push(format!("{:.3}", median.write_calls));
            line.extend([median.written_bytes, median.device_bytes].map(quantity));
            line.push(median.per_sync.map_or_else(|| "?".to_owned(), quantity));
        }
        line.push(format!("{spread:.2}x"));
        table.line(line);
    }
    table.to_markdown()
}

fn limits(outcome: &Outcome) -> String {
    let mut table = Table::new(&["what", "us"]);
    for limit in &outcome.limits {
        table.line(vec![limit.name.clone(), format!("{:.3}", limit.ns / 1e3)]);
    }
    table.to_markdown()
}

fn sizes(outcome: &Outcome) -> String {
    let mut table = Table::new(&[
        "peer",
        "sessions",
        "stored in bulk /s",
        "B on disk each",
        "B of memory each",
        "open, closed ms",
        "open, killed ms",
        "missing",
    ]);
    for size in &outcome.sizes {
        let Size { loaded_per_second, disk_bytes, memory_bytes, open_closed_ms, open_killed_ms, .. } = *size;
        let said = |value: Option<f64>, text: fn(f64) -> String| value.map(text).unwrap_or_default();
        let each = |bytes: Option<f64>| {
            said(bytes.map(|bytes| bytes / size.sessions as f64), |each| format!("{each:.0}"))
        };
        table.line(vec![
            size.peer.clone(),
            quantity(size.sessions as f64),
            said(loaded_per_second, quantity),
            each(disk_bytes),
            each(memory_bytes),
            said(open_closed_ms, |ms| format!("{ms:.1}")),
            said(open_killed_ms, |ms| format!("{ms:.1}")),
            said(size.missing, |missing| format!("{missing:.0}")),
        ]);
    }
    table.to_markdown()
}

fn measures(outcome: &Outcome, case: &str) -> String {
    let mut table = Table::new(&["measured", "figure", "unit"]);
    for measure in outcome.measures.iter().filter(|measure| measure.case == case) {
        let digits = if measure.value < 10.0 { 2 } else { 1 };
        table.line(vec![measure.name.clone(), format!("{:.digits$}", measure.value), measure.unit.clone()]);
    }
    table.to_markdown()
}

fn settings(outcome: &Outcome) -> String {
    outcome.peers.iter().map(|peer| format!("- **{}**: {}\n", peer.name, peer.settings)).collect()
}
