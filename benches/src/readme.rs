//! The main table, for the README: what a reader wants to know first, with date, machine and settings.

use crate::outcome::{OURS, Outcome, Size};
use crate::table::{Table, quantity, ratio};

/// The workloads of the table and of its chart: what is shown, and the workload.
pub const SHOWN: &[(&str, &str)] = &[
    ("`get`, uniform, 1 thread, a million sessions", "get, uniform, 1 thread, million"),
    ("`get`, Zipf 0.99, 1 thread", "get, Zipf 0.99, 1 thread"),
    ("`get`, Zipf 0.99, 2 threads", "get, Zipf 0.99, 2 threads"),
    ("`touch`, 1 thread", "touch, 1 thread"),
    ("`set`, survives the process, 1 thread", "set, Written, 1 thread"),
    ("`set`, survives power loss, 1 thread", "set, Synced, 1 thread"),
    ("`set`, survives power loss, 64 threads", "set, Synced, 64 threads"),
    ("a shop's traffic, survives the process, 8 threads", "web, Written, 8 threads"),
    ("a shop's traffic, survives power loss, 8 threads", "web, Synced, 8 threads"),
];

/// The table and what has to be said with it.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let keeping: Vec<&str> =
        outcome.peers.iter().filter(|peer| !peer.forgets).map(|peer| peer.name.as_str()).collect();
    let alone: Vec<&str> = keeping.iter().copied().filter(|name| !name.ends_with(", grouped")).collect();
    let headings = std::iter::once("").chain(alone.iter().copied());
    let mut table = Table::new(&headings.collect::<Vec<_>>());
    for (shown, label) in SHOWN {
        let Some(row) = outcome.row(label) else { continue };
        let ours = row.speed_of(OURS);
        let cell = |peer: &&str| {
            // The same store behind a queue, where that is faster.
            let queued = format!("{peer}, grouped");
            let speeds = [row.speed_of(peer), row.speed_of(&queued)];
            let Some(theirs) = speeds.into_iter().flatten().reduce(f64::max) else { return String::new() };
            match ours.filter(|_| *peer != OURS) {
                Some(ours) => format!("{}/s ({}x)", quantity(theirs), ratio(ours / theirs)),
                None => format!("{}/s", quantity(theirs)),
            }
        };
        table.line(std::iter::once((*shown).to_owned()).chain(alone.iter().map(cell)).collect());
    }
    for (shown, of) in SIZES {
        let size = |peer: &&str| {
            outcome.sizes.iter().find(|size| size.peer == *peer && size.sessions == outcome.million)
        };
        let cells: Vec<String> =
            alone.iter().map(|peer| size(peer).and_then(*of).unwrap_or_default()).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            table.line(std::iter::once((*shown).to_owned()).chain(cells).collect());
        }
    }
    format!(
        "{}, {}: {} sessions of about 490 bytes, a million where it says so, medians of {} repetitions. In brackets how many \
         times as fast sessile is; where a store syncs once for each commit, the faster of it alone and it behind a \
         group-commit queue. Settings and everything else: [benches/README.md](benches/README.md).\n\n{}",
        outcome.began,
        outcome.machine,
        outcome.sessions,
        outcome.repetitions,
        table.to_markdown()
    )
}

type Of = fn(&Size) -> Option<String>;

const SIZES: &[(&str, Of)] = &[
    ("on disk, of a million sessions each", |size| {
        size.disk_bytes.map(|bytes| format!("{:.0} B", bytes / size.sessions as f64))
    }),
    ("memory, of a million sessions each", |size| {
        size.memory_bytes.map(|bytes| format!("{:.0} B", bytes / size.sessions as f64))
    }),
    ("opening a million sessions after a clean close", |size| {
        size.open_closed_ms.map(|ms| format!("{ms:.0} ms"))
    }),
    ("opening a million sessions after a kill", |size| size.open_killed_ms.map(|ms| format!("{ms:.0} ms"))),
];
