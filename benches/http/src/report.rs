//! The report: a run as Markdown, which is also readable as it is.

use crate::contender::Contender;
use crate::generator::Sample;
use crate::goals::Judged;
use crate::outcome::{Outcome, Range, Row};
use crate::page::Page;
use crate::table::{Table, quantity};

/// Everything that was measured.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let mut parts = vec![format!(
        "{}, {}. {} visitors over {} connections; medians of {} repetitions of {:.1} s.\n",
        outcome.began,
        outcome.machine,
        outcome.visitors,
        outcome.connections,
        outcome.repetitions,
        outcome.window_ms as f64 / 1e3,
    )];
    if outcome.judged.is_empty() {
        parts.push("Not what goals are about: none is judged.\n".to_owned());
    } else {
        let reached = outcome.judged.iter().filter(|judged| judged.reached() == Some(true)).count();
        let heading = format!("## Goals: {reached} of {} reached\n", outcome.judged.len());
        parts.extend([heading, WHY_NOT.to_owned(), goals(&outcome.judged)]);
    }
    parts.extend(["## Requests a second\n".to_owned(), speeds(outcome)]);
    for page in Page::ALL {
        let rows: Vec<&Row> = in_order(outcome, page).collect();
        if !rows.is_empty() {
            parts.extend([format!("### {}\n", page.name()), details(outcome, &rows)]);
        }
    }
    parts.push("## Settings\n".to_owned());
    parts
        .push(outcome.settings.iter().map(|(who, what)| format!("- **{}**: {what}\n", who.name())).collect());
    if !outcome.left_out.is_empty() {
        parts.push("## What could not be measured\n".to_owned());
        parts.push(outcome.left_out.iter().map(|what| format!("- {what}\n")).collect());
    }
    parts.join("\n")
}

const WHY_NOT: &str = "What the time goes to where a goal is not reached: `benches/http/README.md`. A ratio is the median of the \
                       repetitions, its range in brackets; where a goal lies within the range, noise decides.\n";

/// sessile first, then the limit, then the others.
fn in_order(outcome: &Outcome, page: Page) -> impl Iterator<Item = &Row> {
    let first = Contender::ALL.into_iter().filter(|contender| contender.is_sessile());
    let rest = Contender::ALL.into_iter().filter(|contender| !contender.is_sessile());
    let order = first.chain([Contender::Memory]).chain(rest.filter(|rest| *rest != Contender::Memory));
    order.filter_map(move |contender| outcome.row(page, contender))
}

fn goals(judged: &[Judged]) -> String {
    let mut table = Table::new(&["page", "goal", "requests a second", "processor time", "reached"]);
    for goal in judged {
        let reached = match goal.reached() {
            Some(true) => "reached",
            Some(false) => "NOT reached",
            None => "not measured",
        };
        table.line(vec![
            goal.page.name().to_owned(),
            format!("{} at least {:.2} times {}", goal.ours.name(), goal.at_least, goal.theirs.name()),
            goal.measured.map(range).unwrap_or_default(),
            goal.processor.map(range).unwrap_or_default(),
            reached.to_owned(),
        ]);
    }
    table.to_markdown()
}

/// A line for each store, a column for each page.
fn speeds(outcome: &Outcome) -> String {
    let pages = Page::ALL.iter().map(|page| page.name());
    let mut table = Table::new(&["store", "a write survives"].into_iter().chain(pages).collect::<Vec<_>>());
    let mut stores: Vec<Contender> = Vec::new();
    for row in Page::ALL.into_iter().flat_map(|page| in_order(outcome, page)) {
        if !stores.contains(&row.contender) {
            stores.push(row.contender);
        }
    }
    for store in stores {
        let speed =
            |page| outcome.row(page, store).map(|row| quantity(row.median(|sample| sample.per_second)));
        let cells = Page::ALL.into_iter().map(|page| speed(page).unwrap_or_default());
        table.line([store.name().to_owned(), store.survives().to_owned()].into_iter().chain(cells).collect());
    }
    table.to_markdown()
}

/// What each store did on a page, and how it stands to the limit.
fn details(outcome: &Outcome, rows: &[&Row]) -> String {
    let mut table = Table::new(&[
        "store",
        "/s",
        "of memory",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "server us",
        "of memory",
        "generator us",
        "spread",
    ]);
    for row in rows {
        let of_memory = |figure: fn(&Sample) -> f64| {
            let ratio = outcome.ratio(row.page, (row.contender, Contender::Memory), figure);
            ratio.map(|ratio| format!("{:.2}", ratio.median)).unwrap_or_default()
        };
        let ms = |figure: fn(&Sample) -> f64| format!("{:.2}", row.median(figure) / 1e6);
        let us = |figure: fn(&Sample) -> f64| format!("{:.1}", row.median(figure) / 1e3);
        let speed = row.range(|sample| sample.per_second);
        table.line(vec![
            row.contender.name().to_owned(),
            quantity(row.median(|sample| sample.per_second)),
            of_memory(|sample| sample.per_second),
            ms(|sample| sample.p50_ns),
            ms(|sample| sample.p99_ns),
            ms(|sample| sample.p999_ns),
            us(|sample| sample.server_ns),
            of_memory(|sample| sample.server_ns),
            us(|sample| sample.generator_ns),
            speed.map(|speed| format!("{:.2}x", speed.most / speed.least)).unwrap_or_default(),
        ]);
    }
    table.to_markdown()
}

fn range(Range { median, least, most }: Range) -> String {
    format!("{median:.2} ({least:.2} to {most:.2})")
}
