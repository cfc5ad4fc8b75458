//! `sessile compact`: maintenance until nothing is left to do, with the sizes before and after.

use std::time::{Duration, Instant};

use serde::Serialize;
use sessile::Stats;

use crate::args::Compact;
use crate::failure::Failure;
use crate::open;
use crate::output::{self, Report, bytes, grouped};
use crate::progress;

pub(super) fn run(compact: &Compact) -> Result<(), Failure> {
    let dir = &compact.change.dir;
    let failed = |error| Failure::store(dir, error);
    let store = open::for_a_change(dir, compact.change.wait)?;
    if compact.confirm_clock {
        store.confirm_clock().map_err(failed)?;
    }
    let start = Instant::now();
    let before = Size::of(&store.stats());
    let done = progress::during("compacting", || store.maintain(Duration::MAX)).map_err(failed)?;
    let after = store.stats();
    let report = Compacted {
        expired: done.expired,
        segments_removed: done.segments_removed,
        segments_compacted: done.segments_compacted,
        before,
        after: Size::of(&after),
        clock_unconfirmed: after.clock_unconfirmed,
        wall_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    open::close(dir, &store)?;
    output::show(&report, compact.change.json)
}

#[derive(Debug, Serialize)]
struct Compacted {
    expired: u64,
    segments_removed: u64,
    segments_compacted: u64,
    before: Size,
    after: Size,
    /// Whether sessions are kept that have expired only if the clock is right.
    clock_unconfirmed: bool,
    wall_ms: u64,
}

#[derive(Debug, Serialize)]
struct Size {
    sessions: u64,
    disk_bytes: u64,
    live_bytes: u64,
    dead_bytes: u64,
    segments: u64,
}

impl Size {
    fn of(stats: &Stats) -> Self {
        Self {
            sessions: stats.sessions,
            disk_bytes: stats.disk_bytes,
            live_bytes: stats.live_bytes,
            dead_bytes: stats.dead_bytes,
            segments: stats.segments,
        }
    }
}

impl Report for Compacted {
    fn text(&self) -> String {
        let change = |show: fn(u64) -> String, figure: fn(&Size) -> u64| {
            format!("{} -> {}", show(figure(&self.before)), show(figure(&self.after)))
        };
        let mut text = output::facts([
            ("sessions", change(grouped, |size| size.sessions)),
            ("on disk", change(bytes, |size| size.disk_bytes)),
            ("  live", change(bytes, |size| size.live_bytes)),
            ("  dead", change(bytes, |size| size.dead_bytes)),
            ("segments", change(grouped, |size| size.segments)),
            ("expired sessions dropped", grouped(self.expired)),
            ("segments removed", grouped(self.segments_removed)),
            ("segments rewritten", grouped(self.segments_compacted)),
            ("took", format!("{} ms", grouped(self.wall_ms))),
        ]);
        if self.clock_unconfirmed {
            text.push_str(
                "\n\nThe clock is far ahead of the time when the store was closed. What has expired since is no longer\n\
                 shown, but kept until that is confirmed; if the clock is right, add --confirm-clock.",
            );
        }
        text
    }
}
