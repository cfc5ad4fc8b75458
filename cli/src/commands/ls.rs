//! `sessile ls`: the live sessions, streamed, so that a store of any size can be listed.

use std::io::{self, BufWriter, Write};

use sessile::{Recovery, Store};

use super::facts::SessionFacts;
use crate::args::Ls;
use crate::failure::Failure;
use crate::open;
use crate::output::maybe_moment;

pub(super) fn run(ls: &Ls) -> Result<(), Failure> {
    let store = open::for_a_look(&ls.look.dir, Recovery::Strict)?;
    let mut out = BufWriter::new(io::stdout().lock());
    list(&store, ls, &mut out)?;
    out.flush().map_err(Failure::Output)
}

fn list(store: &Store, ls: &Ls, out: &mut impl Write) -> Result<(), Failure> {
    let failed = |error| Failure::store(&ls.look.dir, error);
    let limit = ls.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if !ls.look.json {
        let titles = ["handle", "last used", "ends unless used", "ends at the latest", "subject", "bytes"];
        write_row(out, titles)?;
    }
    for session in store.iter().map_err(failed)?.take(limit) {
        let facts = SessionFacts::from(&session.map_err(failed)?);
        if ls.look.json {
            serde_json::to_writer(&mut *out, &facts).map_err(|error| Failure::Output(error.into()))?;
            out.write_all(b"\n").map_err(Failure::Output)?;
        } else {
            let cells = [
                facts.handle.clone(),
                maybe_moment(Some(facts.last_used_ms)),
                maybe_moment(facts.deadline_ms),
                maybe_moment(facts.absolute_deadline_ms),
                facts.subject().to_owned(),
                facts.data_bytes.to_string(),
            ];
            write_row(out, cells.each_ref().map(String::as_str))?;
        }
    }
    Ok(())
}

/// One line of the list; the widths are those of a handle and of a moment, so that nothing need be held back.
fn write_row(
    out: &mut impl Write,
    [handle, used, idle, latest, subject, bytes]: [&str; 6],
) -> Result<(), Failure> {
    writeln!(out, "{handle:<32}  {used:<20}  {idle:<20}  {latest:<20}  {subject:<7}  {bytes:>9}")
        .map_err(Failure::Output)
}
