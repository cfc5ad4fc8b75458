//! Rolling: the log goes on in another segment.
//!
//! Owns: the spare, which is prepared before it is needed, and the order of the steps from one segment to the next: the
//! index knows the new one, the old one announces it in its last frame, and its header repeats the roster.

use std::sync::Arc;

use super::appender::Appender;
use super::files::{SEGMENT_BYTES_MIN, Use};
use super::frame::{self, Kind};
use super::header::SegmentHeader;
use super::roster::{Listed, Origin, Roster};
use super::segment::Segment;
use super::tail::{Spare, Tail, capacity_for};
use crate::error::{Error, Full, Result};
use crate::id;
use crate::session::Deadline;
use crate::sync::atomic::Ordering;
use crate::vfs;

/// The log up to a moment: the segments that hold it, none of which will change, and the LSN of its last frame.
pub(crate) struct Cut {
    pub roster: Roster,
    pub lsn: u64,
}

impl Appender {
    /// Sees to it that everything up to now is in full segments, and says in which.
    pub fn cut(&self) -> Result<Cut> {
        let mut tail = self.tail.lock();
        self.latch.check()?;
        if tail.segment.lsn_min() != u64::MAX {
            let clock_ms = self.clock_ms(&tail);
            self.begin_segment(&mut tail, 0, Use::Ending, clock_ms)?;
        }
        Ok(Cut { roster: tail.roster.clone(), lsn: tail.next_lsn - 1 })
    }

    /// Begins another segment, so that the one in use can be compacted. Does nothing when it is empty.
    pub fn roll(&self) -> Result<()> {
        let mut tail = self.tail.lock();
        self.latch.check()?;
        if tail.segment.lsn_min() == u64::MAX {
            return Ok(());
        }
        let clock_ms = self.clock_ms(&tail);
        self.begin_segment(&mut tail, 0, Use::Ending, clock_ms)
    }

    /// Goes on in another segment, under an earlier clock: a recovery begins there, and sees no later one. Whatever is still to
    /// be marked with `stale_ms` is marked with that instead. Durable when this returns.
    ///
    /// # Errors
    /// `Full`, and nothing has changed; `Latched`, `Closed`.
    pub fn set_back(&self, stale_ms: u64, clock_ms: u64) -> Result<()> {
        self.commit().set_back(&self.latch, || {
            let mut tail = self.tail.lock();
            self.latch.check()?;
            if tail.closed {
                return Err(Error::Closed);
            }
            self.begin_segment(&mut tail, 0, Use::Ending, clock_ms)?;
            tail.set_back = Some((stale_ms, clock_ms));
            drop(tail);
            self.mark_clock(clock_ms, false)?;
            self.sync_files().map_err(|error| self.latch.fall(&error))
        })
    }

    /// The clock that a new segment begins with.
    pub(super) fn clock_ms(&self, tail: &Tail) -> u64 {
        tail.marked_clock_ms().max(self.commit().durable_clock_ms())
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
    pub(super) fn begin_segment(
        &self,
        tail: &mut Tail,
        frame_bytes: u64,
        purpose: Use,
        clock_ms: u64,
    ) -> Result<()> {
        // One for the segment and its header: an upgrade may come between.
        let (format, salt) = (self.format(), random_salt()?);
        let (envelope, key) = self.files.sealing.begin(self.store_id(), salt)?;
        let start = SegmentHeader::bytes(format, &envelope, tail.roster.len() + 1) as u64;
        let needed = capacity_for(start + frame_bytes);
        let spare = self.take_spare(tail, needed, purpose)?;
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
        let listed = Listed { end: start, ..unknown };
        let known = Segment::new(listed, start, spare.file, self.files.read_mode, key).and_then(|segment| {
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
            format,
            number,
            origin: Origin::Log,
            store_id: self.store_id(),
            salt,
            opening: self.opening(),
            clock_ms,
            lsn_first: tail.next_lsn,
            copied_to: 0,
            capacity: spare.capacity,
            envelope,
            roster: tail.roster.clone(),
        };
        let bytes = header.encode();
        vfs::write_all_at(segment.file.as_ref(), &bytes, 0).map_err(failed)?;
        tail.rolled.push(std::mem::replace(&mut tail.segment, segment));
        tail.marked = None;
        Ok(())
    }

    /// The spare, when it is large enough; else a new file, and the spare is removed.
    fn take_spare(&self, tail: &mut Tail, needed: u64, purpose: Use) -> Result<Spare> {
        if let Some(spare) = tail.spare.take_if(|spare| spare.capacity >= needed) {
            return Ok(spare);
        }
        let larger = self.new_spare(needed, purpose)?;
        if let Some(small) = tail.spare.take() {
            let _ = self.files.remove(small.number, small.capacity);
        }
        Ok(larger)
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
