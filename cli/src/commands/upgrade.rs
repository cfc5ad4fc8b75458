//! `sessile upgrade`: to the newest format, and what that means for the release before.

use serde::Serialize;
use sessile_control::{Request, Upgraded};

use crate::args::Upgrade;
use crate::door::{self, expect_answer};
use crate::failure::Failure;
use crate::output::{self, Report};

pub(super) fn run(asked: &Upgrade) -> Result<(), Failure> {
    let (dir, dry_run) = (&asked.change.dir, asked.dry_run);
    let request = Request::Upgrade { dry_run };
    let answer = match dry_run {
        true => door::to_look(dir)?.answer(&request)?,
        false => door::to_change(dir)?.ask(asked.change.wait, &request)?,
    };
    let Upgraded { from, to, done } = expect_answer!(answer, Upgraded);
    output::show(&Told { dry_run, from, to, done }, asked.change.json)
}

#[derive(Debug, Serialize)]
struct Told {
    dry_run: bool,
    from: u32,
    to: u32,
    done: bool,
}

impl Report for Told {
    fn text(&self) -> String {
        let Self { from, to, .. } = self;
        if from == to {
            return format!(
                "The store has format {to} already, the newest that this release knows: nothing to do."
            );
        }
        match self.done {
            true => format!(
                "The store had format {from} and has format {to} now. A release that knows only format {from} refuses it from now on."
            ),
            false => format!(
                "The store has format {from}, and `upgrade` moves it to format {to}. Nothing was changed.\n\n\
                 After that there is no way back: a release that knows only format {from} refuses the store, and changes nothing in\n\
                 it. Upgrade when no such release will run any more, and make a backup before: that one stays of format {from}."
            ),
        }
    }
}
