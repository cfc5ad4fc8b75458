//! The chain: the end of the log, from the root segment on, and where exactly it ends.
//!
//! Owns: the walk from the root along `Enter` frames, and the judgement of holes (rule 10). Nothing is written here.
//!
//! Every group carries the LSN that was durable when it was written, so with `durable` the greatest of them:
//! * a hole whose first missing LSN is at or below `durable` is damage: those bytes were on the disk once;
//! * the first hole above it is the end of the log. Unsynced pages reach the disk in any order, so valid frames may
//!   stand behind it; nobody was told that they are safe, and they count for nothing.
//! * frames above `durable` and below that end were written but perhaps never synced: what the page cache says of
//!   them proves nothing about the disk, so opening copies them to a new segment and syncs them there (rule 11).

use std::sync::Arc;

use super::open::{Directory, OpenSegment};
use super::scan::{Hole, scan};
use crate::error::{Damage, Result};
use crate::log::appender::lsn_before;
use crate::log::bytes::Reader;
use crate::log::frame::{FRAME_BYTES_MAX, Kind};
use crate::log::header::{SegmentHeader, StoreHeader};
use crate::log::hint::Hints;
use crate::log::mark::{Ending, Mark};
use crate::log::record::Record;
use crate::log::roster::{Listed, Origin, Roster, decode_leave};
use crate::log::segment::Segment;
use crate::session::Deadline;

/// One segment at the end of the log.
pub(crate) struct Link {
    pub open: OpenSegment,
    frames: Vec<Seen>,
    holes: Vec<Hole>,
    marks: Vec<(u64, Mark)>,
    changes: Vec<(u64, Change)>,
    /// What its records say, and the LSN and ceiling of each.
    hints: Hints,
    records: Vec<(u64, Deadline)>,
}

#[derive(Clone, Copy)]
struct Seen {
    offset: u64,
    span: usize,
    lsn: u64,
    kind: Kind,
}

enum Change {
    Enter(Listed),
    Leave(Vec<u32>),
}

impl Change {
    fn number_max(&self) -> u32 {
        match self {
            Self::Enter(listed) => listed.number,
            Self::Leave(numbers) => numbers.iter().copied().max().unwrap_or(0),
        }
    }
}

/// The end of the log, judged.
pub(crate) struct Chain {
    /// The segments that keep frames, closed where their durable frames end, with what those say.
    pub closed: Vec<(Arc<Segment>, Hints)>,
    /// Records above the last mark, oldest first: segment and offset.
    pub written: Vec<(Arc<Segment>, u64)>,
    /// Number and salt of every segment that the walk came to.
    pub walked: Vec<(u32, u64)>,
    /// The highest number of a segment that has joined or left meanwhile: it stays taken, though its file may be gone.
    pub number_max: u32,
    /// How long their files are.
    pub walked_bytes: u64,
    /// The roster as the log leaves it, without the segments of the chain itself.
    pub roster: Roster,
    /// The latest clock that a mark or header tells.
    pub clock_ms: u64,
    /// Endings that marks repeat.
    pub endings: Vec<Ending>,
    /// Those of them, oldest first, whose frames are lost, and the marks are above the last frame that is kept.
    pub orphans: Vec<Ending>,
    /// What was damaged, and the LSN up to which endings may be missing because of it.
    pub damage: Vec<(Damage, Option<u64>)>,
    /// Bytes behind the end that hold something.
    pub torn_bytes: u64,
    /// The LSN of the last frame, and whether nothing stands above the last mark but the mark itself.
    pub last_lsn: u64,
}

/// How the end of the log is to be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nobody else has the store: holes are judged, and what is not known durable will be copied.
    Recover,
    /// Nothing will be written: holes are judged, and everything is read in place. A server may be writing meanwhile: what it
    /// was just about to write can look like damage, and whoever looks on looks again.
    Examine,
}

impl Chain {
    /// Walks from `root` to the end of the log.
    pub fn walk(directory: &Directory, store: &StoreHeader, how: Purpose) -> Result<Self> {
        let mut links = vec![Link::read(directory.open_root(store.root)?)?];
        while let Some(next) = links.last().and_then(Link::successor) {
            match directory.open_segment(next.number)?.filter(|open| open.header.salt == next.salt) {
                // The announcement may have reached the disk, or the page cache, before the segment's own header.
                None => break,
                Some(open) => links.push(Link::read(directory.unlocked(open)?)?),
            }
        }
        let opening = links.first().map_or(0, |link| link.open.header.opening);
        let told =
            links.iter().flat_map(|link| &link.marks).map(|(_, mark)| mark.durable_lsn).max().unwrap_or(0);
        let durable = told.max(lsn_before(opening)).max(store.durable_lsn);
        let end = End::find(&links, durable);
        Self::cut(links, durable, end, how)
    }

    fn cut(links: Vec<Link>, durable: u64, end: End, how: Purpose) -> Result<Self> {
        let keep_to = if how == Purpose::Recover && !planted!(UnsyncedTailIsTrusted) {
            durable.min(end.lsn)
        } else {
            end.lsn
        };
        let mut chain = Self {
            closed: Vec::new(),
            written: Vec::new(),
            walked: Vec::new(),
            number_max: 0,
            walked_bytes: 0,
            roster: links.first().map(|link| link.open.header.roster.clone()).unwrap_or_default(),
            clock_ms: 0,
            endings: Vec::new(),
            orphans: orphans(&links, keep_to, end.lsn),
            damage: end.damage,
            torn_bytes: 0,
            last_lsn: durable,
        };
        for link in links {
            chain.take(link, keep_to, end.lsn)?;
        }
        let walked: Vec<u32> = chain.walked.iter().map(|(number, _)| *number).collect();
        chain.roster.leave(&walked);
        Ok(chain)
    }

    /// Takes over what one link says up to `end_lsn`; what is above `keep_to` is to be copied.
    fn take(&mut self, mut link: Link, keep_to: u64, end_lsn: u64) -> Result<()> {
        let mut hints = std::mem::take(&mut link.hints);
        let header = &link.open.header;
        self.walked.push((header.number, header.salt));
        self.walked_bytes += header.capacity;
        if header.lsn_first <= end_lsn.saturating_add(1) {
            self.clock_ms = self.clock_ms.max(header.clock_ms);
        }
        for (lsn, mark) in &link.marks {
            if *lsn <= end_lsn {
                self.clock_ms = self.clock_ms.max(mark.clock_ms);
                self.endings.extend(mark.endings.iter().copied());
            }
        }
        for (lsn, change) in &link.changes {
            self.number_max = self.number_max.max(change.number_max());
            match change {
                Change::Enter(listed) if *lsn <= end_lsn && listed.origin == Origin::Compaction => {
                    self.roster.enter(*listed);
                }
                Change::Leave(numbers) if *lsn <= end_lsn => self.roster.leave(numbers),
                _ => {}
            }
        }
        let kept = || link.frames.iter().filter(|seen| seen.lsn <= keep_to);
        let above = || link.frames.iter().filter(|seen| seen.lsn > keep_to && seen.lsn <= end_lsn);
        let close_at = kept().next_back().map_or(link.open.start(), |seen| seen.offset + seen.span as u64);
        let read_to = above().next_back().map_or(close_at, |seen| seen.offset + seen.span as u64);
        self.torn_bytes += link.torn_bytes(end_lsn);
        if let Some(last) = kept().chain(above()).next_back() {
            self.last_lsn = last.lsn;
        }
        hints.hints.retain(|hint| hint.lsn <= keep_to);
        hints.sweeping.retain(|ending| ending.lsn <= keep_to);
        let mut listed = link.open.listed(read_to);
        for (lsn, ceiling) in link.records.iter().filter(|(lsn, _)| *lsn <= keep_to) {
            listed.lsn_min = listed.lsn_min.min(*lsn);
            listed.lsn_max = listed.lsn_max.max(*lsn);
            listed.ceiling = listed.ceiling.max(*ceiling);
        }
        if !self.damage.is_empty() {
            // Where an ending's own frame is lost, the marks that repeat it are needed for as long as it would be.
            let kept = link.marks.iter().filter(|(lsn, _)| *lsn <= keep_to);
            let ceilings = kept.flat_map(|(_, mark)| &mark.endings).map(|ending| ending.ceiling);
            listed.ceiling = ceilings.fold(listed.ceiling, Deadline::max);
        }
        let mut copied = above().filter(|seen| seen.kind.outlives_its_segment()).peekable();
        if copied.peek().is_some() {
            let segment = link.open.segment(listed)?;
            self.written.extend(copied.map(|seen| (Arc::clone(&segment), seen.offset)));
        }
        if close_at > link.open.start() {
            let segment = link.open.segment(Listed { end: close_at, ..listed })?;
            segment.died_at(header.clock_ms);
            self.closed.push((segment, hints));
        }
        Ok(())
    }
}

/// The endings that nothing would tell of once the log is cut: their frames are lost, and the marks that repeat them are
/// no records that are copied.
fn orphans(links: &[Link], keep_to: u64, end_lsn: u64) -> Vec<Ending> {
    let frames = |lsn: u64| links.iter().any(|link| link.frames.iter().any(|seen| seen.lsn == lsn));
    let marks = links.iter().flat_map(|link| &link.marks);
    let cut_off = marks.filter(|(lsn, _)| *lsn > keep_to && *lsn <= end_lsn);
    let mut orphans: Vec<_> = cut_off.flat_map(|(_, mark)| &mark.endings).copied().collect();
    orphans.retain(|ending| ending.lsn <= keep_to && !frames(ending.lsn));
    orphans.sort_by_key(|ending| ending.lsn);
    orphans.dedup_by_key(|ending| ending.lsn);
    orphans
}

/// Where the log ends, and what is damaged before that.
struct End {
    /// Frames above this LSN count for nothing.
    lsn: u64,
    damage: Vec<(Damage, Option<u64>)>,
}

impl End {
    fn find(links: &[Link], durable: u64) -> Self {
        let mut damage = Vec::new();
        for (position, link) in links.iter().enumerate() {
            let header = &link.open.header;
            let has_next = position + 1 < links.len();
            for hole in &link.holes {
                let lsn_before = hole.lsn_before.max(header.lsn_first.saturating_sub(1));
                let behind_announcement = has_next && link.announces(hole.lsn_before);
                if behind_announcement {
                    break;
                }
                let in_copied = hole.offset < header.copied_to;
                if planted!(TornTailSteppedOver) && lsn_before >= durable {
                    continue;
                }
                let below = (in_copied || lsn_before < durable) && !planted!(DamageTakenForTheEnd);
                if below {
                    damage.push(link.damage(hole, durable, links));
                    continue;
                }
                return Self { lsn: if in_copied { hole.lsn_before } else { lsn_before }, damage };
            }
        }
        Self { lsn: u64::MAX, damage }
    }
}

impl Link {
    fn read(open: OpenSegment) -> Result<Self> {
        let link = Self::read_once(open)?;
        if link.holes.iter().all(|hole| hole.blank) {
            return Ok(link);
        }
        // What one reading does not show may be the reading's fault; and where no mark stands behind, it would be taken for
        // the end of the log.
        let again = Self::read_once(link.open.clone())?;
        Ok(if again.frames.len() >= link.frames.len() { again } else { link })
    }

    /// Reads it as far as somebody wrote, where that is known. The rest is zeros, and a part of the hole at the end.
    fn read_once(open: OpenSegment) -> Result<Self> {
        let (start, length) = (open.start(), open.length());
        let mut bytes = open.read_trimmed(start, open.written_end()?)?;
        let whole = usize::try_from(length.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut link = Self::of(&open, &bytes);
        if bytes.len() < whole && link.hole_at(start + bytes.len() as u64).is_some_and(|hole| !hole.blank) {
            // The last frame may end with zeros that were not kept.
            bytes.resize(whole.min(bytes.len() + FRAME_BYTES_MAX), 0);
            link = Self::of(&open, &bytes);
        }
        if bytes.len() >= whole {
            return Ok(link);
        }
        let offset = start + bytes.len() as u64;
        let lsn_before = link.frames.last().map_or(0, |seen| seen.lsn);
        match link.hole_at(offset) {
            Some(hole) => hole.end = length,
            None => link.holes.push(Hole { offset, end: length, lsn_before, lsn_behind: None, blank: true }),
        }
        Ok(link)
    }

    /// The hole that reaches to here, where the bytes end.
    fn hole_at(&mut self, end: u64) -> Option<&mut Hole> {
        self.holes.last_mut().filter(|hole| hole.end == end && hole.lsn_behind.is_none())
    }

    fn of(open: &OpenSegment, bytes: &[u8]) -> Self {
        let (mut frames, mut marks, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut hints, mut records) = (Hints::default(), Vec::new());
        let holes = scan(bytes, open.start(), open.header.salt, true, |offset, frame| {
            frames.push(Seen { offset, span: frame.span(), lsn: frame.lsn, kind: frame.kind });
            match frame.kind {
                Kind::Mark => marks.extend(Mark::decode(frame.body).map(|mark| (frame.lsn, mark))),
                Kind::Enter => {
                    let listed = Listed::decode(&mut Reader::new(frame.body));
                    changes.extend(listed.map(|listed| (frame.lsn, Change::Enter(listed))));
                }
                Kind::Leave => {
                    changes
                        .extend(decode_leave(frame.body).map(|numbers| (frame.lsn, Change::Leave(numbers))));
                }
                _ => {
                    if let Some(record) = Record::decode(&frame) {
                        hints.note(&record, offset, frame.span());
                        records.push((frame.lsn, record.ceiling()));
                    }
                }
            }
        });
        Self { open: open.clone(), frames, holes, marks, changes, hints, records }
    }

    /// The segment of the log that this one announces. Numbers ascend, so no walk comes back to where it was.
    fn successor(&self) -> Option<Listed> {
        let announced = self.changes.iter().rev().find_map(|(_, change)| match change {
            Change::Enter(listed) if listed.origin == Origin::Log => Some(*listed),
            _ => None,
        });
        announced.filter(|listed| listed.number > self.open.header.number)
    }

    /// Whether the frame of that LSN announces the next segment of the log.
    fn announces(&self, at: u64) -> bool {
        self.changes.iter().any(|(lsn, change)| {
            *lsn == at && matches!(change, Change::Enter(listed) if listed.origin == Origin::Log)
        })
    }

    fn torn_bytes(&self, end_lsn: u64) -> u64 {
        let frames = self.frames.iter().filter(|seen| seen.lsn > end_lsn).map(|seen| seen.span as u64);
        let holes = self.holes.iter().filter(|hole| !hole.blank && hole.lsn_behind.is_some());
        frames.sum::<u64>() + holes.map(|hole| hole.end - hole.offset).sum::<u64>()
    }

    /// Describes a hole that is damage, and whether the endings in it are known from a mark behind it.
    fn damage(&self, hole: &Hole, durable: u64, links: &[Link]) -> (Damage, Option<u64>) {
        let before = hole.lsn_before.max(self.open.header.lsn_first.saturating_sub(1));
        let lost_from = before.saturating_add(1);
        let lost_to = hole.lsn_behind.map_or(durable, |behind| behind.saturating_sub(1));
        let in_copied = hole.offset < self.open.header.copied_to;
        let repeated = !in_copied
            && links.iter().flat_map(|link| &link.marks).any(|(lsn, mark)| {
                *lsn > lost_to
                    && mark.since_lsn < lost_from
                    && !(lost_from..=lost_to).contains(&mark.roster_lsn)
            });
        let bytes = hole.end - hole.offset;
        let what = if repeated {
            format!("{bytes} bytes of records that were durable are lost; the endings among them are known")
        } else {
            format!(
                "{bytes} bytes of records that were durable are lost, and with them endings that stand nowhere else"
            )
        };
        let damage = Damage { file: self.open.name(), offset: hole.offset, what };
        (damage, (!repeated).then_some(lost_to))
    }
}

impl OpenSegment {
    /// The segment as the roster would list it with its frames ending at `end`, and none of its records known.
    pub fn listed(&self, end: u64) -> Listed {
        let SegmentHeader { number, origin, salt, .. } = self.header;
        Listed { number, origin, salt, end, lsn_min: u64::MAX, lsn_max: 0, ceiling: Deadline::at_ms(0) }
    }
}
