//! The scan: reading a segment's frames from front to back, around what is damaged.
//!
//! Owns: where frames are, and where they are not. Invariants:
//! 1. A frame counts only if its checksum is right for its place; a length is believed only then.
//! 2. The work is bounded by the segment's size: behind a hole, candidates are tried at every 8 bytes, and the bytes
//!    summed for them are limited, because a payload can be full of false heads.
//! 3. A sound segment that is open and not mapped is never in memory as a whole.

use crate::error::{Error, Result};
use crate::log::frame::{self, Frame, HEAD_BYTES, Kind};
use crate::log::segment::Segment;
use crate::vfs;

/// Bytes that may be summed in search of the frame behind a hole, for each byte of the segment.
const SEARCH_FACTOR: usize = 16;

/// Bytes of a segment that are in memory at a time where it is not mapped; a longer frame, and damage, take more.
const WINDOW_BYTES: u64 = 256 << 10;

/// Zeros that are passed over at once.
const BLANK: [u8; 512] = [0; 512];

/// A stretch without valid frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub offset: u64,
    /// Where the next valid frame begins, or where the search ended.
    pub end: u64,
    /// The LSN of the valid frame before it; 0 when there is none.
    pub lsn_before: u64,
    /// The LSN of the valid frame behind it, if there is one.
    pub lsn_behind: Option<u64>,
    /// Whether it is nothing but zeros: never written, or lost whole.
    pub blank: bool,
}

/// The last frame that was visited.
#[derive(Clone, Copy)]
struct Last {
    ordered: bool,
    lsn: u64,
    clears: bool,
}

impl Last {
    fn none(ordered: bool) -> Self {
        Self { ordered, lsn: 0, clears: false }
    }

    fn is_now(&mut self, frame: &Frame<'_>) {
        (self.lsn, self.clears) = (frame.lsn, frame.kind == Kind::Clear);
    }

    fn precedes(self, frame: &Frame<'_>) -> bool {
        let shares = self.clears && frame.kind != Kind::Clear && frame.lsn == self.lsn;
        !self.ordered || frame.lsn > self.lsn || shares
    }
}

/// Visits the frames in `bytes`, which stand at `start` of a segment with this salt, and returns the holes.
///
/// `ordered` says that LSNs must grow from frame to frame, as in the log; one that does not is no frame of it. Only the
/// clear that salvage writes in front of what it copies may share its LSN with the first frame behind it.
pub(crate) fn scan<'a>(
    bytes: &'a [u8],
    start: u64,
    salt: u64,
    ordered: bool,
    visit: impl FnMut(u64, Frame<'a>),
) -> Vec<Hole> {
    scan_behind(Last::none(ordered), bytes, start, salt, visit)
}

/// The same of an open segment, up to its end and without holding all of it in memory.
///
/// # Errors
/// `Io` where it cannot be read.
pub(crate) fn scan_segment(
    segment: &Segment,
    ordered: bool,
    mut visit: impl FnMut(u64, Frame<'_>),
) -> Result<Vec<Hole>> {
    let (mut offset, end) = (segment.start, segment.end());
    if segment.is_mapped() {
        return Ok(scan(&segment.bytes(offset, end)?, offset, segment.salt, ordered, visit));
    }
    let mut last = Last::none(ordered);
    let mut window = Vec::new();
    let mut window_bytes = WINDOW_BYTES;
    while offset < end {
        window.resize(usize::try_from(window_bytes.min(end - offset)).unwrap_or(usize::MAX), 0);
        vfs::read_exact_at(segment.file.as_ref(), &mut window, offset)
            .map_err(|error| Error::io(format!("reading {}", segment.name()), error))?;
        let mut position = 0;
        while let Some(here) = window.get(position..)
            && let Some(found) = frame::decode(here, segment.salt, offset + position as u64)
            && last.precedes(&found)
        {
            last.is_now(&found);
            visit(offset + position as u64, found);
            position += found.span();
        }
        if position == 0 {
            let claimed = frame::claimed_length(&window).unwrap_or(0) as u64;
            if claimed <= window.len() as u64 || claimed > end - offset {
                // Damage: what stands behind it is looked for in all of the rest.
                let rest = segment.bytes(offset, end)?;
                return Ok(scan_behind(last, &rest, offset, segment.salt, visit));
            }
            window_bytes = claimed;
            continue;
        }
        offset += position as u64;
        window_bytes = WINDOW_BYTES;
    }
    Ok(Vec::new())
}

fn scan_behind<'a>(
    mut last: Last,
    bytes: &'a [u8],
    start: u64,
    salt: u64,
    mut visit: impl FnMut(u64, Frame<'a>),
) -> Vec<Hole> {
    let mut holes = Vec::new();
    let mut search = bytes.len().saturating_mul(SEARCH_FACTOR);
    let mut position = 0;
    while position < bytes.len() {
        let offset = start + position as u64;
        let here = bytes.get(position..).unwrap_or_default();
        if let Some(found) = frame::decode(here, salt, offset).filter(|frame| last.precedes(frame)) {
            last.is_now(&found);
            position += found.span();
            visit(offset, found);
            continue;
        }
        if planted!(BadLengthIsTrusted)
            && let Some(length) = frame::claimed_length(here)
        {
            position += length.next_multiple_of(8);
            continue;
        }
        let next = find(bytes, position, start, salt, last, &mut search);
        let behind = next.unwrap_or(bytes.len());
        let hole = bytes.get(position..behind).unwrap_or_default();
        holes.push(Hole {
            offset,
            end: start + behind as u64,
            lsn_before: last.lsn,
            lsn_behind: next.and_then(|at| {
                frame::decode(bytes.get(at..)?, salt, start + at as u64).map(|frame| frame.lsn)
            }),
            blank: hole.chunks(BLANK.len()).all(|chunk| BLANK.starts_with(chunk)),
        });
        position = behind;
    }
    holes
}

/// The position of the first valid frame behind `from`.
fn find(bytes: &[u8], from: usize, start: u64, salt: u64, last: Last, search: &mut usize) -> Option<usize> {
    let mut position = from + 8;
    while position + HEAD_BYTES <= bytes.len() {
        let here = bytes.get(position..)?;
        if here.starts_with(&BLANK) {
            // Most of a segment has never been written: no head begins where its length would be zero.
            position += BLANK.len();
            continue;
        }
        let claimed = frame::claimed_length(here).filter(|length| *length <= here.len());
        if let Some(length) = claimed {
            *search = search.checked_sub(length)?;
            let found = frame::decode(here, salt, start + position as u64);
            if found.is_some_and(|frame| last.precedes(&frame)) {
                return Some(position);
            }
        }
        position += 8;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::frame::Kind;

    fn segment(frames: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        frames.iter().for_each(|(lsn, body)| append(&mut out, Kind::Touch, *lsn, body));
        out
    }

    fn append(out: &mut Vec<u8>, kind: Kind, lsn: u64, body: &[u8]) {
        let offset = 64 + out.len() as u64;
        frame::encode(out, 9, offset, kind, lsn, |out| out.extend_from_slice(body));
    }

    fn lsns(bytes: &[u8]) -> (Vec<u64>, Vec<Hole>) {
        let mut seen = Vec::new();
        let holes = scan(bytes, 64, 9, true, |_, frame| seen.push(frame.lsn));
        (seen, holes)
    }

    #[test]
    fn a_clean_segment_has_no_holes_and_an_unwritten_end_is_blank() {
        let mut bytes = segment(&[(1, b"a"), (2, b"b")]);
        assert_eq!(lsns(&bytes), (vec![1, 2], vec![]));
        bytes.resize(4096, 0);
        let (seen, holes) = lsns(&bytes);
        assert_eq!(seen, [1, 2]);
        assert!(holes[0].blank && holes[0].lsn_behind.is_none() && holes.len() == 1);
    }

    #[test]
    fn a_hole_is_stepped_over() {
        let mut bytes = segment(&[(1, b"a"), (2, b"b"), (3, b"c")]);
        bytes[24 + 16] ^= 1;
        let (seen, holes) = lsns(&bytes);
        assert_eq!(seen, [1, 3]);
        assert_eq!((holes[0].lsn_before, holes[0].lsn_behind, holes[0].blank), (1, Some(3), false));
    }

    #[test]
    fn a_payload_that_contains_a_frame_is_not_taken_for_one() {
        // The image is exact for its own place and salt, but it stands elsewhere.
        let image = segment(&[(2, b"forged")]);
        let mut body = vec![0; 8];
        body.extend_from_slice(&image);
        let mut bytes = segment(&[(1, &body), (3, b"c")]);
        bytes[0] ^= 1;
        assert_eq!(lsns(&bytes).0, [3]);
    }

    #[test]
    fn false_heads_cost_bounded_work() {
        let mut bytes = vec![0u8; 1 << 20];
        for at in (0..bytes.len()).step_by(8) {
            let length = (bytes.len() - at) as u32 & 0xff_ffff;
            bytes[at + 4..at + 8].copy_from_slice(&(length | 1 << 24).to_le_bytes());
        }
        let (seen, holes) = lsns(&bytes);
        assert!(seen.is_empty() && holes.len() == 1);
    }

    #[test]
    fn an_older_frame_behind_a_newer_is_no_frame_of_the_log() {
        let bytes = segment(&[(5, b"a"), (4, b"b"), (6, b"c")]);
        assert_eq!(lsns(&bytes).0, [5, 6]);
    }

    /// A page of it was lost whole: zeros, more of them than are passed over at once.
    #[test]
    fn what_stands_behind_a_long_stretch_of_zeros_is_found() {
        for length in [600, 5_000] {
            let mut bytes = segment(&[(1, b"a"), (2, &vec![7; length]), (3, b"c")]);
            let behind = bytes.len() - 24;
            bytes[24..behind].fill(0);
            let (seen, holes) = lsns(&bytes);
            assert_eq!(seen, [1, 3]);
            assert_eq!((holes[0].lsn_behind, holes[0].blank), (Some(3), true));
        }
    }

    /// What a segment holds is the same whether it is mapped, or read a window at a time: frames longer than a window, frames
    /// across its end, and damage of every kind.
    #[test]
    #[cfg(feature = "simulation")]
    fn a_segment_that_is_read_in_windows_holds_what_it_holds() {
        use crate::log::roster::{Listed, Origin};
        use crate::options::ReadMode;
        use crate::session::Deadline;
        use crate::vfs::{SimVfs, Vfs};

        let long = vec![7; usize::try_from(WINDOW_BYTES).unwrap() * 2];
        let frames: Vec<(u64, &[u8])> =
            (1..4000).map(|lsn| (lsn, if lsn == 2000 { &long[..] } else { &long[..200] })).collect();
        let sound = segment(&frames);
        for damaged in [None, Some(40), Some(150_000), Some(sound.len() / 2), Some(sound.len() - 30)] {
            let mut bytes = sound.clone();
            if let Some(at) = damaged {
                bytes[at] ^= 1;
            }
            let file = [&[0; 64][..], &bytes].concat();
            let sim = SimVfs::new();
            let path = std::path::Path::new("/store/1.seg");
            sim.write_file(path, &file).unwrap();
            let listed = Listed {
                number: 1,
                origin: Origin::Log,
                salt: 9,
                end: file.len() as u64,
                lsn_min: 1,
                lsn_max: 1,
                ceiling: Deadline::at_ms(0),
            };
            let file = sim.open(path, false).unwrap();
            let open = Segment::new(listed, 64, file, ReadMode::Plain, None).unwrap();
            let mut seen = Vec::new();
            let holes = scan_segment(&open, true, |offset, frame| seen.push((offset, frame.lsn))).unwrap();
            let mut whole = Vec::new();
            let expected = scan(&bytes, 64, 9, true, |offset, frame| whole.push((offset, frame.lsn)));
            assert_eq!((seen, holes), (whole, expected), "damaged at {damaged:?}");
        }
    }

    /// Only the clear that salvage writes shares its LSN, with one record, and nothing older follows it.
    #[test]
    fn no_lsn_stands_twice_but_a_clears() {
        use Kind::{Clear, Touch};
        let counted = |frames: &[(Kind, u64)]| {
            let mut bytes = Vec::new();
            frames.iter().for_each(|(kind, lsn)| append(&mut bytes, *kind, *lsn, b"body"));
            lsns(&bytes).0
        };
        assert_eq!(counted(&[(Touch, 5), (Touch, 5)]), [5]);
        assert_eq!(counted(&[(Clear, 5), (Touch, 5), (Touch, 6)]), [5, 5, 6]);
        assert_eq!(counted(&[(Clear, 5), (Touch, 5), (Touch, 5)]), [5, 5]);
        assert_eq!(counted(&[(Clear, 5), (Clear, 5)]), [5]);
        assert_eq!(counted(&[(Clear, 5), (Touch, 4)]), [5]);
    }
}
