//! `sessile ls`: the live sessions, streamed, so that a store of any size can be listed.

use std::io::{self, BufWriter, Write};

use sessile_control::{Answer, Facts, Request};

use super::facts;
use crate::args::Ls;
use crate::door;
use crate::failure::Failure;
use crate::output::maybe_moment;

pub(super) fn run(ls: &Ls) -> Result<(), Failure> {
    let door = door::to_look(&ls.look.dir)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if !ls.look.json {
        let titles = ["handle", "last used", "ends unless used", "ends at the latest", "subject", "bytes"];
        write_row(&mut out, titles)?;
    }
    door.ask(&Request::Ls { limit: ls.limit }, &mut |answer| match answer {
        Answer::Session(facts) if ls.look.json => write_json(&mut out, &facts),
        Answer::Session(facts) => write_facts(&mut out, &facts),
        _ => Ok(()),
    })?;
    out.flush().map_err(Failure::Output)
}

fn write_json(out: &mut impl Write, facts: &Facts) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, facts).map_err(|error| Failure::Output(error.into()))?;
    out.write_all(b"\n").map_err(Failure::Output)
}

fn write_facts(out: &mut impl Write, one: &Facts) -> Result<(), Failure> {
    let cells = [
        one.handle.clone(),
        maybe_moment(Some(one.last_used_ms)),
        maybe_moment(one.deadline_ms),
        maybe_moment(one.absolute_deadline_ms),
        facts::subject(one).to_owned(),
        one.data_bytes.to_string(),
    ];
    write_row(out, cells.each_ref().map(String::as_str))
}

/// One line of the list; the widths are those of a handle and of a moment, so that nothing need be held back.
fn write_row(
    out: &mut impl Write,
    [handle, used, idle, latest, subject, bytes]: [&str; 6],
) -> Result<(), Failure> {
    writeln!(out, "{handle:<32}  {used:<20}  {idle:<20}  {latest:<20}  {subject:<7}  {bytes:>9}")
        .map_err(Failure::Output)
}
