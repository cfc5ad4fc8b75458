//! Sealed segments: what they say, from the footer or, where that is unsound, from the frames.
//!
//! Owns: the choice between the two. A footer is only a cache: any doubt, and the frames are read.

use std::sync::Arc;

use super::open::{Directory, OpenSegment};
use super::run::Run;
use super::scan::scan;
use super::source::Source;
use crate::error::{Damage, Error, Result};
use crate::log::frame::Kind;
use crate::log::hint::Hints;
use crate::log::mark::{Ending, Mark};
use crate::log::record::Record;
use crate::log::roster::{Listed, Origin};
use crate::log::segment::Segment;

/// A sealed segment and what it says.
pub(crate) struct Sealed {
    pub segment: Arc<Segment>,
    pub run: Run,
    /// Whether the frames had to be read.
    pub scanned: bool,
    /// Endings that concern no single digest; and, read with the frames, those that its marks repeat.
    pub endings: Vec<Ending>,
    /// What is damaged, and the LSN up to which endings may be missing because of it.
    pub damage: Vec<(Damage, Option<u64>)>,
}

impl Sealed {
    /// Reads a segment that the roster lists.
    pub fn read(directory: &Directory, listed: &Listed) -> Result<Self> {
        let open = directory.open_listed(listed)?;
        let segment = open.segment(*listed)?;
        segment.died_at(open.header.clock_ms);
        if let Some((run, endings)) = footer(&open, listed)? {
            return Ok(Self { segment, run, scanned: false, endings, damage: Vec::new() });
        }
        frames(&open, listed, segment)
    }
}

/// The footer, if it is sound.
fn footer(open: &OpenSegment, listed: &Listed) -> Result<Option<(Run, Vec<Ending>)>> {
    let source = Source::File(Arc::clone(&open.file), listed.end);
    Run::check(listed.number, source, listed.salt, listed.end)
        .map_err(|error| Error::io(format!("reading {}", open.name()), error))
}

fn frames(open: &OpenSegment, listed: &Listed, segment: Arc<Segment>) -> Result<Sealed> {
    let bytes = open.read(open.start(), listed.end)?;
    let mut hints = Hints::default();
    let (mut endings, mut marks) = (Vec::new(), Vec::new());
    let ordered = listed.origin == Origin::Log;
    let mut holes = scan(&bytes, open.start(), listed.salt, ordered, |offset, frame| {
        if let Some(record) = Record::decode(&frame) {
            hints.note(&record, offset, frame.span());
        } else if frame.kind == Kind::Mark
            && let Some(mark) = Mark::decode(frame.body)
        {
            marks.push((frame.lsn, mark.since_lsn));
            endings.extend(mark.endings);
        }
    });
    let read_to = open.start() + bytes.len() as u64;
    if read_to < listed.end {
        let (offset, end) = (read_to, listed.end);
        let lsn_before = holes.last().map_or(0, |hole| hole.lsn_before);
        holes.push(super::scan::Hole { offset, end, lsn_before, lsn_behind: None, blank: false });
    }
    drop(bytes);
    endings.append(&mut hints.sweeping);
    let run = Run::of(listed.number, hints)?;
    let damage = holes
        .iter()
        .map(|hole| {
            let lost_to = match hole.lsn_behind {
                Some(behind) if ordered => behind.saturating_sub(1),
                _ => listed.lsn_max,
            };
            let repeated =
                ordered && marks.iter().any(|(lsn, since)| *lsn > lost_to && *since <= hole.lsn_before);
            let what = format!("{} bytes of records that were durable are lost", hole.end - hole.offset);
            let damage = Damage { file: open.name(), offset: hole.offset, what };
            (damage, (!repeated).then_some(lost_to))
        })
        .collect();
    Ok(Sealed { segment, run, scanned: true, endings, damage })
}
