//! `sessile compact`: maintenance until nothing is left to do, with the sizes before and after.

use sessile_control::{Compacted, Request, Size};

use crate::args::Compact;
use crate::door::{self, expect_answer};
use crate::failure::Failure;
use crate::output::{self, Report, bytes, grouped};
use crate::progress;

pub(super) fn run(compact: &Compact) -> Result<(), Failure> {
    let changer = door::to_change(&compact.change.dir)?;
    let request = Request::Compact { confirm_clock: compact.confirm_clock };
    let answer = progress::during("compacting", || changer.ask(compact.change.wait, &request))?;
    output::show(&expect_answer!(answer, Compacted), compact.change.json)
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
        if self.more {
            text.push_str("\n\nThere is more to do than an hour allows; run this again.");
        }
        if self.clock_unconfirmed {
            text.push_str(
                "\n\nThe store was closed for a while, or the clock has jumped. What has expired since is no longer\n\
                 shown, but kept until that is confirmed; if the clock is right, add --confirm-clock.",
            );
        }
        text
    }
}
