//! Rolling: the log goes on in another segment.
//!
//! Owns: the spare, which is prepared before it is needed, and the order of the steps from one segment to the next: the
//! index knows the new one, the old one announces it in its last frame, and its header repeats the roster.

use std::sync::Arc;

use super::appender::Appender;
use super::files::{SEGMENT_BYTES_MIN, Use};
use super::frame::{self, Kind};
use super::header::SegmentHeader;
use super::roster::{Listed, Origin};
use super::segment::Segment;
use super::tail::{Spare, Tail, capacity_for};
use crate::error::{Error, Full, Result};
use crate::id;
use crate::session::Deadline;
use crate::sync::atomic::Ordering;
use crate::vfs;

impl Appender {
    /// Begins another segment, so that the one in use can be compacted. Does nothing when it is empty.
    pub fn roll(&self) -> Result<()> {
        let mut tail = self.tail.lock();
        self.latch.check()?;
        if tail.segment.lsn_min() == u64::MAX {
            return Ok(());
        }
        self.begin_segment(&mut tail, 0, Use::Ending)
    }

    /// Prepares the file that the log goes on in, so that no writer waits for its creation.
    pub fn prepare_spare(&self) -> Result<bool> {
        let tail = self.tail.lock();
        let used = tail.segment.frame_bytes().saturating_mul(2) >= tail.segment.capacity;
        if tail.spare.is_some() || !used || tail.closed {
            return Ok(false);
        }
        drop(tail);
        let spare = self.new_spare(0, Use::Log)?;
        let mut tail = self.tail.lock();
        // Meanwhile the log may have gone on in another segment: numbers of the log must ascend.
        if tail.spare.is_none() && spare.number > tail.segment.number && !tail.closed {
            tail.spare = Some(spare);
        } else {
            self.files.remove(spare.number, spare.capacity)?;
        }
        Ok(true)
    }

    /// Goes on in another segment: the old one announces it in its last frame, and its header repeats the roster.
    pub(super) fn begin_segment(&self, tail: &mut Tail, frame_bytes: u64, purpose: Use) -> Result<()> {
        let needed = capacity_for(SegmentHeader::bytes(tail.roster.len() + 1) as u64 + frame_bytes);
        let large_enough = tail.spare.as_ref().is_some_and(|spare| spare.capacity >= needed);
        let spare = if large_enough { None } else { Some(self.new_spare(needed, purpose)?) };
        let prepared = tail.spare.take();
        let spare = match (spare, prepared) {
            (Some(spare), Some(small)) => {
                let _ = self.files.remove(small.number, small.capacity);
                spare
            }
            (Some(spare), None) | (None, Some(spare)) => spare,
            (None, None) => return Err(Error::Full(Full::FileSystem)),
        };
        let salt = random_salt()?;
        let number = spare.number;
        let unknown = Listed {
            number,
            origin: Origin::Log,
            salt,
            end: 0,
            lsn_min: u64::MAX,
            lsn_max: 0,
            ceiling: Deadline::at_ms(0),
        };
        let start = SegmentHeader::bytes(tail.roster.len() + 1) as u64;
        let listed = Listed { end: start, ..unknown };
        let known = Segment::new(listed, start, spare.file, self.files.read_mode).and_then(|segment| {
            if (self.on_segment)(&segment) { Ok(segment) } else { Err(Error::Full(Full::DiskBytes)) }
        });
        let segment = match known {
            Ok(segment) => segment,
            Err(error) => {
                let _ = self.files.remove(number, spare.capacity);
                return Err(error);
            }
        };
        let old = Arc::clone(&tail.segment);
        let end = old.end();
        tail.buffer.clear();
        frame::encode(&mut tail.buffer, old.salt, end, Kind::Enter, tail.next_lsn, |out| unknown.encode(out));
        let failed = |error| self.latch.fall(&Error::io(format!("beginning segment {number}"), error));
        vfs::write_all_at(old.file.as_ref(), &tail.buffer, end).map_err(failed)?;
        old.grow(end + tail.buffer.len() as u64);
        self.appended_lsn.store(tail.next_lsn, Ordering::Release);
        tail.next_lsn += 1;
        tail.roster.enter(old.listed());
        let header = SegmentHeader {
            number,
            origin: Origin::Log,
            store_id: self.store_id(),
            salt,
            opening: self.opening(),
            clock_ms: tail.marked_clock_ms().max(self.commit().durable_clock_ms()),
            lsn_first: tail.next_lsn,
            copied_to: 0,
            capacity: spare.capacity,
            roster: tail.roster.clone(),
        };
        let bytes = header.encode();
        vfs::write_all_at(segment.file.as_ref(), &bytes, 0).map_err(failed)?;
        tail.rolled.push(std::mem::replace(&mut tail.segment, segment));
        tail.marked = None;
        Ok(())
    }

    fn new_spare(&self, at_least: u64, purpose: Use) -> Result<Spare> {
        let number = self.files.next_number()?;
        let wanted = self.files.next_capacity(at_least);
        let (capacity, file) = match self.files.create(number, wanted, purpose) {
            // Better a small segment than none.
            Err(Error::Full(_)) => {
                let least = SEGMENT_BYTES_MIN.max(at_least);
                (least, self.files.create(number, least, purpose)?)
            }
            file => (wanted, file?),
        };
        Ok(Spare { number, capacity, file })
    }
}

/// A salt for a new segment.
pub(crate) fn random_salt() -> Result<u64> {
    let mut bytes = [0; 8];
    id::random(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
