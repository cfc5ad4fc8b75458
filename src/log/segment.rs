//! A segment: one file of frames, and what is known of it while the store is open.
//!
//! Owns: the file, its map, and the counts that tell compaction what it is worth. Invariants:
//! 1. Bytes below `end` never change; only the appender moves `end`, and only forward. So they may be read, and
//!    mapped, without a lock. Nothing behind `end` is ever read.
//! 2. The file is never truncated while the store is open, so a map of it stays whole.
//! 3. Whoever holds the `Arc` can read it, also after its name is gone.

use std::borrow::Cow;
use std::sync::Arc;

use super::content::Content;
use super::frame::{self, Frame};
use super::record::{Record, What};
use super::roster::{Listed, Origin};
use crate::error::{Error, Result};
use crate::options::ReadMode;
use crate::sealing::DataKey;
use crate::session::Deadline;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::vfs::{self, Map, VfsFile};

/// Bytes that a plain read fetches at once: most sessions, frame and all.
const READ_AHEAD_BYTES: usize = 1024;

/// The file name of a segment.
pub(crate) fn file_name(number: u32) -> String {
    format!("{number:08}.seg")
}

/// The number in a segment's file name.
pub(crate) fn number_of(name: &str) -> Option<u32> {
    name.strip_suffix(".seg").filter(|digits| digits.len() >= 8)?.parse().ok()
}

/// An open segment.
pub(crate) struct Segment {
    pub number: u32,
    pub origin: Origin,
    pub salt: u64,
    /// Where the frames begin.
    pub start: u64,
    /// Bytes that were allocated.
    pub capacity: u64,
    pub file: Arc<dyn VfsFile>,
    /// What its payloads are sealed with, unless it is plain. Its only copy outside memory is in the file.
    key: Option<Arc<DataKey>>,
    map: Option<Map>,
    end: AtomicU64,
    lsn_min: AtomicU64,
    lsn_max: AtomicU64,
    ceiling: AtomicU64,
    live_bytes: AtomicU64,
    /// Bytes of frames that are no version of a session but may be needed until the ceiling: endings, and in an output
    /// of compaction whatever it kept.
    evidence_bytes: AtomicU64,
    /// When something in it first died, in open milliseconds of the settled clock; `u64::MAX` when nothing has.
    dead_since_ms: AtomicU64,
}

impl Segment {
    /// A segment in this file, listed like this, with the key of its payloads unless they are plain.
    pub fn new(
        listed: Listed,
        start: u64,
        file: Arc<dyn VfsFile>,
        mode: ReadMode,
        key: Option<Arc<DataKey>>,
    ) -> Result<Arc<Self>> {
        let name = file_name(listed.number);
        let capacity =
            file.len().map_err(|error| Error::io(format!("asking the length of {name}"), error))?;
        let map = match mode {
            ReadMode::Map => {
                file.map(capacity).map_err(|error| Error::io(format!("mapping {name}"), error))?
            }
            ReadMode::Plain => None,
        };
        Ok(Arc::new(Self {
            number: listed.number,
            origin: listed.origin,
            salt: listed.salt,
            start,
            capacity,
            file,
            key,
            map,
            end: AtomicU64::new(listed.end),
            lsn_min: AtomicU64::new(listed.lsn_min),
            lsn_max: AtomicU64::new(listed.lsn_max),
            ceiling: AtomicU64::new(listed.ceiling.bits()),
            live_bytes: AtomicU64::new(0),
            evidence_bytes: AtomicU64::new(0),
            dead_since_ms: AtomicU64::new(u64::MAX),
        }))
    }

    /// The segment as the roster lists it.
    pub fn listed(&self) -> Listed {
        Listed {
            number: self.number,
            origin: self.origin,
            salt: self.salt,
            end: self.end(),
            lsn_min: self.lsn_min.load(Ordering::Acquire),
            lsn_max: self.lsn_max.load(Ordering::Acquire),
            ceiling: self.ceiling(),
        }
    }

    /// What its payloads are sealed with.
    pub fn key(&self) -> Option<&DataKey> {
        self.key.as_deref()
    }

    /// Its file name.
    pub fn name(&self) -> String {
        file_name(self.number)
    }

    /// Where its frames end.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The lowest LSN of its records; `u64::MAX` when it has none.
    pub fn lsn_min(&self) -> u64 {
        self.lsn_min.load(Ordering::Acquire)
    }

    /// After this moment nothing in it can matter.
    pub fn ceiling(&self) -> Deadline {
        Deadline::at_ms(self.ceiling.load(Ordering::Acquire))
    }

    /// Bytes of frames in it.
    pub fn frame_bytes(&self) -> u64 {
        self.end().saturating_sub(self.start)
    }

    /// Bytes of frames that are the live version of a session.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    /// Bytes behind the frames, where the footer stands in a sealed segment.
    pub fn footer_bytes(&self) -> u64 {
        self.file.len().unwrap_or(self.capacity).saturating_sub(self.end())
    }

    /// Bytes of frames that a rewrite would most likely win.
    pub fn garbage_bytes(&self) -> u64 {
        self.frame_bytes().saturating_sub(self.live_bytes()).saturating_sub(self.evidence_bytes())
    }

    /// Bytes of frames that may have to stay as evidence of an ending.
    pub fn evidence_bytes(&self) -> u64 {
        self.evidence_bytes.load(Ordering::Relaxed)
    }

    /// A frame in it is evidence of an ending.
    pub fn testifies(&self, bytes: usize) {
        self.evidence_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// When something in it first died, if anything has.
    pub fn dead_since_ms(&self) -> Option<u64> {
        Some(self.dead_since_ms.load(Ordering::Relaxed)).filter(|since| *since != u64::MAX)
    }

    /// A frame in it has become the live version of a session.
    pub fn gains(&self, bytes: usize) {
        self.live_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A frame in it has stopped being the live version of a session.
    pub fn loses(&self, bytes: usize, now_ms: u64) {
        let _ = self.live_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
            Some(live.saturating_sub(bytes as u64))
        });
        self.died_at(now_ms);
    }

    /// Something in it may have died at this time or later.
    pub fn died_at(&self, ms: u64) {
        self.dead_since_ms.fetch_min(ms, Ordering::Relaxed);
    }

    /// Frames up to `end` are there to be read. For the appender and for compaction's output only.
    pub fn grow(&self, end: u64) {
        self.end.fetch_max(end, Ordering::AcqRel);
    }

    /// A record is among its frames.
    pub fn note(&self, record: &Record<'_>) {
        self.lsn_min.fetch_min(record.lsn, Ordering::AcqRel);
        self.lsn_max.fetch_max(record.lsn, Ordering::AcqRel);
        self.raise_ceiling(record.ceiling());
    }

    /// Something in it may matter until this moment.
    pub fn raise_ceiling(&self, ceiling: Deadline) {
        self.ceiling.fetch_max(ceiling.bits(), Ordering::AcqRel);
    }

    /// The frame at `offset`: from the map, or read and owned by the caller's buffer.
    ///
    /// # Errors
    /// `Io` when the system cannot read it, `Corrupt` when it is not what was written.
    pub fn frame<'a>(&'a self, offset: u64, buffer: &'a mut Vec<u8>) -> Result<Frame<'a>> {
        let bytes: &'a [u8] = match &self.map {
            Some(map) => self.mapped(map, offset).unwrap_or_default(),
            None => {
                self.read(offset, buffer)?;
                buffer
            }
        };
        frame::decode(bytes, self.salt, offset)
            .ok_or_else(|| Error::corrupt(self.name(), offset, "a record's checksum is wrong"))
    }

    fn mapped<'a>(&self, map: &'a Map, offset: u64) -> Option<&'a [u8]> {
        let room = self.end().checked_sub(offset)?;
        let offset = usize::try_from(offset).ok()?;
        let head = map.slice(offset, frame::HEAD_BYTES)?;
        let length = frame::claimed_length(head).filter(|length| *length as u64 <= room)?;
        map.slice(offset, length)
    }

    /// Bytes of the map, of a record that [`frame`](Self::frame) has checked before.
    pub fn mapped_bytes(&self, offset: u64, length: usize) -> Option<&[u8]> {
        self.map.as_ref()?.slice(usize::try_from(offset).ok()?, length)
    }

    /// Where in the segment the payload of the checked frame at `frame_offset` stands; `None` where there is no map.
    pub fn payload_offset(&self, frame_offset: u64, payload: &[u8]) -> Option<u64> {
        let offset = usize::try_from(frame_offset).ok()?;
        let map = self.map.as_ref()?;
        let length = frame::claimed_length(map.slice(offset, frame::HEAD_BYTES)?)?;
        Some((offset + length - payload.len()) as u64)
    }

    fn read(&self, offset: u64, buffer: &mut Vec<u8>) -> Result<()> {
        let failed = |error| Error::io(format!("reading {} at byte {offset}", self.name()), error);
        let room = self.end().saturating_sub(offset);
        buffer.clear();
        buffer.resize(READ_AHEAD_BYTES.min(usize::try_from(room).unwrap_or(usize::MAX)), 0);
        let read = vfs::read_up_to(self.file.as_ref(), buffer, offset).map_err(failed)?;
        buffer.truncate(read);
        let length = frame::claimed_length(buffer).unwrap_or(0);
        if length > buffer.len() && length as u64 <= room {
            let have = buffer.len();
            buffer.resize(length, 0);
            let rest = buffer.get_mut(have..).unwrap_or_default();
            vfs::read_exact_at(self.file.as_ref(), rest, offset + have as u64).map_err(failed)?;
        }
        Ok(())
    }

    /// Whether all of it can be read in place.
    pub fn is_mapped(&self) -> bool {
        self.map.is_some()
    }

    /// All of `start..end`, for reading it from front to back.
    pub fn bytes(&self, start: u64, end: u64) -> Result<Cow<'_, [u8]>> {
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        if let Some(map) = &self.map {
            let slice = usize::try_from(start).ok().and_then(|start| map.slice(start, length));
            if let Some(slice) = slice {
                return Ok(Cow::Borrowed(slice));
            }
        }
        let mut buffer = vec![0; length];
        vfs::read_exact_at(self.file.as_ref(), &mut buffer, start)
            .map_err(|error| Error::io(format!("reading {}", self.name()), error))?;
        Ok(Cow::Owned(buffer))
    }

    /// What the version of this LSN at `offset` says that nobody may read without the segment's key.
    ///
    /// # Errors
    /// `Corrupt` when it is not what was sealed there.
    pub fn content(&self, offset: u64, lsn: u64, version: &super::record::Version<'_>) -> Result<Content> {
        version.content(lsn, offset, self.key()).ok_or_else(|| {
            Error::corrupt(self.name(), offset, "a session's data is not what was sealed at this place")
        })
    }

    /// The record at `offset`, as it is to be written to another segment: what is sealed here stands in `room`, readable.
    ///
    /// # Errors
    /// As [`content`](Self::content).
    pub fn readable<'a>(
        &self,
        offset: u64,
        record: Record<'a>,
        room: &'a mut Option<Content>,
    ) -> Result<Record<'a>> {
        match record.what {
            What::Put(version) if self.key.is_some() || version.sealed_to.is_some() => {
                let content = room.insert(self.content(offset, record.lsn, &version)?);
                Ok(Record { what: What::Put(version.with(content)), ..record })
            }
            _ => Ok(record),
        }
    }

    /// The session's version at `offset`.
    pub fn version<'a>(&'a self, offset: u64, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
        let frame = self.frame(offset, buffer)?;
        let span = frame.span();
        match Record::decode(&frame) {
            Some(Record { lsn, what: What::Put(version) }) => Ok(Stored { lsn, version, span }),
            _ => Err(Error::corrupt(self.name(), offset, "there is no session where the index expects one")),
        }
    }
}

/// A session's version as it stands in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub lsn: u64,
    pub version: super::record::Version<'a>,
    /// Bytes that its frame takes.
    pub span: usize,
}

impl<'a> Stored<'a> {
    /// The record that it is.
    pub const fn record(&self) -> Record<'a> {
        Record { lsn: self.lsn, what: What::Put(self.version) }
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.listed().fmt(out)
    }
}
