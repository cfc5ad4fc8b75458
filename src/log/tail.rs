//! The tail: the segment that the log grows in, and what the next frame needs to know of it.
//!
//! Owns: when a mark is due, where a frame would stand, and whether it still fits. Knows no file system: the appender
//! writes what is staged here.

use std::sync::Arc;

use super::ahead::Ahead;
use super::commit::Reached;
use super::frame::{self, Kind};
use super::mark::{ENDINGS_MAX, Ending, Mark};
use super::roster::{Listed, Roster};
use super::segment::Segment;
use crate::vfs::VfsFile;

/// Room for the frame that announces the next segment.
pub(crate) const ENTER_BYTES: u64 = (frame::HEAD_BYTES + Listed::BYTES) as u64;
/// A mark is due when the clock has moved this far since the last one.
const CLOCK_STEP_MS: u64 = 1_000;
/// The share of a segment that is its reserve, and the reserve's limit in bytes.
const RESERVE_SHARE: u64 = 16;
const RESERVE_BYTES_MAX: u64 = 64 << 10;

/// The state at the end of the log.
pub(crate) struct Tail {
    pub segment: Arc<Segment>,
    pub next_lsn: u64,
    pub buffer: Vec<u8>,
    pub roster: Roster,
    pub spare: Option<Spare>,
    /// Full segments that have not been synced since they were filled.
    pub rolled: Vec<Arc<Segment>>,
    /// The durable LSN and clock that the last mark told; no mark yet in this segment when `None`.
    pub marked: Option<Reached>,
    /// Endings since the last mark.
    pub endings: Vec<Ending>,
    /// The LSN of the last mark.
    pub marked_at: u64,
    /// The LSN of the last frame that changed the roster.
    pub roster_lsn: u64,
    /// Whether anything but a mark was appended since the last mark.
    pub unmarked: bool,
    /// A time that was set back, and to which: who looked before that and marks after it must not bring it back.
    pub set_back: Option<(u64, u64)>,
    pub closed: bool,
    pub ahead: Ahead,
}

/// A segment file that waits to be filled.
pub(crate) struct Spare {
    pub number: u32,
    pub capacity: u64,
    pub file: Arc<dyn VfsFile>,
}

/// Writes a frame into a buffer: for this segment, offset and LSN.
pub(crate) type Encode<'e> = &'e dyn Fn(&mut Vec<u8>, &Segment, u64, u64);

/// How far into a segment's reserve a record may go when no other segment can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Not at all.
    Ordinary,
    /// A quarter of it: evictions, which make room, and marks.
    Eviction,
    /// Three quarters: endings.
    Ending,
    /// All of it: the roster, without which no segment can be given back.
    Roster,
}

/// What stands in the tail's buffer, ready to be written at the segment's end.
pub(crate) struct Staged {
    pub lsn: u64,
    pub offset: u64,
    pub bytes: u64,
    /// What the mark before the frame tells, if there is one.
    pub marked: Option<Reached>,
}

/// The smallest segment that takes so many bytes of header and frames, with its reserve.
pub(crate) const fn capacity_for(bytes: u64) -> u64 {
    let bytes = bytes + Mark::FRAME_BYTES_MAX + ENTER_BYTES;
    (bytes + bytes / (RESERVE_SHARE - 1)).next_multiple_of(4096)
}

impl Tail {
    /// A tail whose first frame is a mark, after everything up to `before`.
    pub fn new(segment: Arc<Segment>, roster: Roster, before: u64) -> Self {
        Self {
            segment,
            next_lsn: before + 1,
            buffer: Vec::new(),
            roster,
            spare: None,
            rolled: Vec::new(),
            marked: None,
            endings: Vec::new(),
            marked_at: before,
            roster_lsn: before,
            unmarked: false,
            set_back: None,
            closed: false,
            ahead: Ahead::default(),
        }
    }

    /// Before a sync: if it is for little, the blocks that the next ones will write are written now.
    pub fn write_ahead(&mut self) {
        let (end, capacity) = (self.segment.end(), self.segment.capacity);
        self.ahead.before_sync(self.segment.number, end, capacity, self.segment.file.as_ref());
    }

    /// The clock of the last mark in this segment.
    pub fn marked_clock_ms(&self) -> u64 {
        self.marked.map_or(0, |marked| marked.clock_ms)
    }

    /// What a mark may say for somebody who read this time.
    pub fn markable_ms(&self, clock_ms: u64) -> u64 {
        match self.set_back {
            Some((stale_ms, since_ms)) if clock_ms == stale_ms => since_ms.max(self.marked_clock_ms()),
            _ => clock_ms,
        }
    }

    /// Encodes a due mark and the frame into the buffer, for where they would stand.
    pub fn stage(&mut self, known: Reached, encode: Encode<'_>) -> Staged {
        let (salt, end) = (self.segment.salt, self.segment.end());
        let due = self.marked.is_none_or(|marked| {
            known.lsn > marked.lsn && self.unmarked
                || known.clock_ms >= marked.clock_ms.saturating_add(CLOCK_STEP_MS)
                || self.endings.len() >= ENDINGS_MAX
        });
        self.buffer.clear();
        let mut lsn = self.next_lsn;
        if due {
            let durable_lsn = planted!(MarkTellsTooMuch, self.next_lsn - 1, known.lsn);
            let clock_ms = planted!(MarkForgetsTheTime, 0, known.clock_ms);
            let (since_lsn, roster_lsn, endings) = (self.marked_at, self.roster_lsn, self.endings.clone());
            let mark = Mark { durable_lsn, since_lsn, roster_lsn, clock_ms, endings };
            frame::encode(&mut self.buffer, salt, end, Kind::Mark, lsn, |out| mark.encode(out));
            lsn += 1;
        }
        let offset = end + self.buffer.len() as u64;
        encode(&mut self.buffer, &self.segment, offset, lsn);
        Staged { lsn, offset, bytes: self.buffer.len() as u64, marked: due.then_some(known) }
    }

    /// What was staged has been written: the tail is behind it now.
    pub fn advance(&mut self, staged: &Staged) {
        let end = self.segment.end();
        self.segment.grow(end + staged.bytes);
        if let Some(marked) = staged.marked {
            self.marked = Some(marked);
            self.marked_at = self.next_lsn;
            self.endings.clear();
        }
        let wrote_frame = staged.bytes > staged.offset - end;
        self.next_lsn = staged.lsn + u64::from(wrote_frame);
    }
}

impl Staged {
    /// Whether it fits into the tail's segment, going so far into the reserve.
    pub fn fits(&self, tail: &Tail, reach: Reach) -> bool {
        let capacity = tail.segment.capacity;
        let reserve = (capacity / RESERVE_SHARE).min(RESERVE_BYTES_MAX);
        let reserve = match reach {
            _ if planted!(EndingsHaveNoReserve) => 0,
            Reach::Ordinary => reserve,
            Reach::Eviction => reserve / 4 * 3,
            Reach::Ending => reserve / 4,
            Reach::Roster => 0,
        };
        tail.segment.end() + self.bytes + reserve + ENTER_BYTES <= capacity
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::compaction::pick::tests::segment_of;

    #[test]
    fn a_segment_made_for_a_frame_takes_it_with_its_reserve_and_is_not_much_larger() {
        let around_a_page = (0..2_000).map(|n| 20_000 + 8 * n);
        for bytes in around_a_page.chain([100, 5_000, 60_000, 70_000, 900_000, 3_000_000]) {
            let capacity = capacity_for(bytes);
            let needed = bytes + Mark::FRAME_BYTES_MAX + ENTER_BYTES;
            assert!(capacity.is_multiple_of(4096));
            assert!(capacity - (capacity / RESERVE_SHARE).min(RESERVE_BYTES_MAX) >= needed, "{bytes}");
            assert!(capacity <= needed + needed / 14 + 4096, "{bytes}");
        }
    }

    /// The last frame of a full segment has its room, and takes no more.
    #[test]
    fn what_is_kept_for_the_announcement_is_what_it_takes() {
        let mut out = Vec::new();
        let listed = segment_of(1 << 20, 64).listed();
        frame::encode(&mut out, 9, 64, Kind::Enter, 8, |out| listed.encode(out));
        assert_eq!(out.len() as u64, ENTER_BYTES);
    }

    /// Each goes only so far into what is kept for those after it.
    #[test]
    fn the_reserve_is_for_evictions_then_endings_then_the_roster() {
        const CAPACITY: u64 = 1 << 20;
        const RESERVE: u64 = 64 << 10;
        let tail = |end| Tail::new(segment_of(CAPACITY, end), Roster::default(), 0);
        for (reach, kept) in [
            (Reach::Ordinary, RESERVE),
            (Reach::Eviction, RESERVE / 4 * 3),
            (Reach::Ending, RESERVE / 4),
            (Reach::Roster, 0),
        ] {
            let staged = Staged { lsn: 1, offset: 0, bytes: 1_000, marked: None };
            let last = CAPACITY - ENTER_BYTES - kept - 1_000;
            assert!(staged.fits(&tail(last), reach));
            assert!(!staged.fits(&tail(last + 1), reach));
        }
    }

    #[test]
    fn a_tail_knows_the_time_of_its_last_mark() {
        let mut tail = Tail::new(segment_of(1 << 20, 0), Roster::default(), 0);
        assert_eq!(tail.marked_clock_ms(), 0);
        tail.marked = Some(Reached { lsn: 1, clock_ms: 77 });
        assert_eq!(tail.marked_clock_ms(), 77);
    }
}
