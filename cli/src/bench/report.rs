//! What a bench found: every figure for a program, and a page for a reader.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use sessile_backends::Footprint;

use super::Plan;
use super::crew::Found;
use crate::output::{self, Report, grouped};

/// The report.
#[derive(Debug, Serialize)]
pub(super) struct Benched {
    home: String,
    sessions: u64,
    users: u64,
    data_bytes: usize,
    workers: u64,
    phases: Vec<Measured>,
    /// Bytes for a session, as far as the home can say.
    a_session: Bytes,
}

#[derive(Debug, Serialize)]
struct Measured {
    phase: &'static str,
    requests: u64,
    errors: BTreeMap<&'static str, u64>,
    seconds: f64,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
    logged_bytes: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Bytes {
    memory: Option<f64>,
    disk: Option<f64>,
    indexes: Option<f64>,
}

impl Benched {
    pub fn new(
        home: &str,
        plan: &Plan,
        found: Vec<(Found, Option<u64>)>,
        (empty, filled): (Footprint, Footprint),
    ) -> Self {
        let each = |figure: fn(Footprint) -> Option<u64>| {
            let grown = figure(filled)?.checked_sub(figure(empty)?)?;
            Some(ratio(grown, plan.sessions))
        };
        Self {
            home: home.to_owned(),
            sessions: plan.sessions,
            users: plan.users,
            data_bytes: plan.data_bytes,
            workers: plan.workers,
            phases: found.into_iter().map(|(found, logged)| Measured::new(found, logged)).collect(),
            a_session: Bytes {
                memory: each(|footprint| footprint.memory),
                disk: each(|footprint| footprint.disk),
                indexes: each(|footprint| footprint.indexes),
            },
        }
    }

    /// How many requests failed.
    pub fn failed(&self) -> u64 {
        self.phases.iter().flat_map(|phase| phase.errors.values()).sum()
    }
}

impl Measured {
    fn new(found: Found, logged: Option<u64>) -> Self {
        let (took, requests) = (&found.took, found.took.len());
        let at = |quantile: f64| ratio(took.value_at_quantile(quantile), 1000);
        Self {
            phase: found.phase.name(),
            requests,
            seconds: found.lasted.as_secs_f64(),
            per_second: ratio(requests, 1) / found.lasted.as_secs_f64(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: ratio(took.max(), 1000),
            logged_bytes: logged.filter(|_| requests > 0).map(|logged| ratio(logged, requests)),
            errors: found.errors,
        }
    }

    fn errors(&self) -> String {
        let errors: Vec<String> =
            self.errors.iter().map(|(kind, count)| format!("{} {kind}", grouped(*count))).collect();
        if errors.is_empty() { "0".to_owned() } else { errors.join(", ") }
    }
}

impl Report for Benched {
    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["", "requests", "/s", "p50 us", "p99 us", "p99.9 us", "max us", "log B", "errors"]);
        for phase in &self.phases {
            let logged = phase.logged_bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.0}"));
            table.add_row([
                phase.phase.to_owned(),
                grouped(phase.requests),
                format!("{:.0}", phase.per_second),
                format!("{:.1}", phase.p50_us),
                format!("{:.1}", phase.p99_us),
                format!("{:.1}", phase.p999_us),
                format!("{:.0}", phase.max_us),
                logged,
                phase.errors(),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let facts = output::facts([
            ("home", self.home.clone()),
            ("sessions", format!("{} of {} users", grouped(self.sessions), grouped(self.users))),
            ("data of a session", format!("{} bytes", self.data_bytes)),
            ("workers", grouped(self.workers)),
            ("a session takes", self.a_session.text()),
        ]);
        format!("{facts}\n\n{}", table.trim_fmt())
    }
}

impl Bytes {
    fn text(&self) -> String {
        let figures =
            [(self.memory, "of memory"), (self.disk, "of disk"), (self.indexes, "of that in indexes")];
        let known: Vec<String> = figures
            .into_iter()
            .filter_map(|(bytes, what)| bytes.map(|bytes| format!("{bytes:.0} bytes {what}")))
            .collect();
        if known.is_empty() { "unknown".to_owned() } else { known.join(", ") }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is not exact")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
