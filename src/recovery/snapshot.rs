//! The snapshot: the index as a clean close left it, so that the next opening need not read the hints.
//!
//! ```text
//!   0          8          24         32         40       48        56        64       72       80
//!   ┌──────────┬──────────┬──────────┬──────────┬────────┬─────────┬─────────┬────────┬────────┬───
//!   │ SESSNAP2 │ store id │ opening  │ last lsn │ roster │entries n│subject m│users u │segms k │
//!   └──────────┴──────────┴──────────┴──────────┴────────┴─────────┴─────────┴────────┴────────┴───
//!   80                        2128               
//!   ┬───────────────────────────┬────────────────┬────────┬───────┬──────────┬──────────┐
//!   │ division: count 4│crc 4│… │ crc 4│crc 4│ … │ k × 16 │ crc 4 │  n × 24  │  m × 24  │
//!   ┴───────────────────────────┴────────────────┴────────┴───────┴──────────┴──────────┘
//!     256 of entries              of subjects      segments  of all
//!                                                            before
//! ```
//! An entry is its tag's 36 bits with a flag and the arming below them (8), segment (4), offset in 8-byte units (4),
//! deadline (8); a subject its digest (16) and the tag of one of its sessions (8); a segment its number (8) and live bytes
//! (8). Entries stand by ascending tag, divided by the first byte of it; subjects in parts of 16,384. Each of these has a
//! checksum, and the head has one over itself and theirs, so every byte is covered, and parts are read by themselves.
//!
//! Owns: the file `SNAPSHOT`. It is only a cache: it counts when it was made by the last opening, at exactly the frame
//! that the log ends with, over exactly the roster that the log has, and when its checksums are right. Any doubt, and
//! the log is read instead. A crash while it is written leaves a `.tmp`, which counts for nothing.

mod writer;

use std::collections::HashMap;
use std::io;

use super::chain::Chain;
use super::open::Directory;
use super::source::Source;
use super::spread::spread;
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::index::{Entry, Place};
use crate::log::bytes::{Put, Reader};
use crate::session::Deadline;

pub(crate) use writer::Writer;
#[cfg(feature = "fuzzing")]
pub(crate) use writer::{bytes_of, sealed};

/// The file's name.
pub(crate) const FILE_NAME: &str = "SNAPSHOT";
const MAGIC: [u8; 8] = *b"SESSNAP2";
const FIXED_BYTES: usize = 80;
const DIVISIONS: usize = 256;
const ENTRY_BYTES: usize = 24;
const SUBJECTS_OF_PART: usize = 16 << 10;
const HAS_SUBJECT: u64 = 1 << 8;
/// From here on a second thread is worth its beginning.
const TWO_BYTES: u64 = 4 << 20;

/// The state of the log that a snapshot speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub store_id: [u8; 16],
    pub opening: u64,
    pub last_lsn: u64,
    /// A checksum of the roster.
    pub roster: u64,
}

impl Moment {
    /// The moment at which the log of this opening ended with `last_lsn` over segments of these numbers and salts.
    pub fn new(store_id: [u8; 16], opening: u64, last_lsn: u64, mut segments: Vec<(u32, u64)>) -> Self {
        segments.sort_unstable();
        let mut bytes = Vec::with_capacity(segments.len() * 12);
        for (number, salt) in &segments {
            bytes.put_u32(*number);
            bytes.put_u64(*salt);
        }
        let roster = u64::from(crc32fast::hash(&bytes)) | (segments.len() as u64) << 32;
        Self { store_id, opening, last_lsn, roster }
    }

    /// Appends what a snapshot of this moment begins with.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.store_id);
        out.put_u64(self.opening);
        out.put_u64(self.last_lsn);
        out.put_u64(self.roster);
    }
}

/// A snapshot whose every byte has been read once and found right.
pub(crate) struct Snapshot {
    source: Source,
    parts: Vec<Part>,
    /// How many subjects have sessions.
    pub users: usize,
    /// Live bytes by segment.
    pub live_bytes: HashMap<u32, u64>,
}

/// Entries or subjects that have a checksum together.
struct Part {
    offset: u64,
    items: usize,
    crc: u32,
    /// The first byte of the entries' tags; `None` of subjects.
    division: Option<u8>,
}

/// What stands in a part.
pub(crate) enum Items<'a> {
    Entries(&'a [u8]),
    Subjects(&'a [u8]),
}

/// Where what stands in a file with so many subjects and segments.
fn layout(subjects: u64, segments: u64) -> Option<(usize, usize)> {
    let subject_parts = usize::try_from(subjects).ok()?.div_ceil(SUBJECTS_OF_PART);
    let segments_at = subject_parts.checked_mul(4)?.checked_add(FIXED_BYTES + DIVISIONS * 8)?;
    let head = usize::try_from(segments).ok()?.checked_mul(16)?.checked_add(segments_at)?.checked_add(4)?;
    Some((segments_at, head))
}

impl Snapshot {
    /// The snapshot, if there is one and it speaks of the moment at which the log ends.
    pub fn read(directory: &Directory, opening: u64, chain: &Chain) -> Option<Self> {
        let listed = chain.roster.iter().map(|listed| (listed.number, listed.salt));
        let segments = listed.chain(chain.walked.iter().copied()).collect();
        let moment = Moment::new(directory.store_id, opening, chain.last_lsn, segments);
        let file = directory.vfs.open(&directory.path.join(FILE_NAME), false).ok()?;
        // Every entry speaks of a frame, and a frame is longer: what is larger than the log is no snapshot of it.
        let listed = chain.roster.iter().map(|listed| listed.end);
        let log_bytes = listed.fold(chain.walked_bytes, u64::saturating_add);
        file.len().ok().filter(|length| *length <= log_bytes.saturating_add(1 << 20))?;
        Self::check(Source::File(file, 0), &moment)
    }

    /// The snapshot in this source, if it speaks of this moment and each of its checksums is right.
    pub fn check(source: Source, moment: &Moment) -> Option<Self> {
        let length = source.len().ok()?;
        let snapshot = Self::head(source, length, moment)?;
        let check = |buffer: &mut Vec<u8>, part: usize| {
            let part = snapshot.parts.get(part)?;
            snapshot.read_part(part, buffer, |source, buffer, offset| source.read(buffer, offset)).ok()?;
            part.is_right(buffer).then_some(())
        };
        let (_, parts) = spread(snapshot.parts.len(), length >= TWO_BYTES, || (), check);
        parts.into_iter().all(|part| part.flatten().is_some()).then_some(snapshot)
    }

    fn head(source: Source, length: u64, moment: &Moment) -> Option<Self> {
        let mut head = vec![0; FIXED_BYTES];
        source.read(&mut head, 0).ok()?;
        let mut expected = Vec::new();
        moment.encode(&mut expected);
        if !head.starts_with(&expected) && !planted!(StaleSnapshotBelieved) {
            return None;
        }
        let mut reader = Reader::new(head.get(expected.len()..)?);
        let (entries, subjects) = (reader.u64()?, reader.u64()?);
        let (users, segments) = (usize::try_from(reader.u64()?).ok()?, reader.u64()?);
        let (segments_at, head_bytes) = layout(subjects, segments)?;
        let items_bytes = entries.checked_add(subjects)?.checked_mul(ENTRY_BYTES as u64)?;
        if items_bytes.checked_add(head_bytes as u64)? != length {
            return None;
        }
        head.resize(head_bytes, 0);
        source.read(&mut head, 0).ok()?;
        let (covered, crc) = head.split_at_checked(head_bytes - 4)?;
        if Reader::new(crc).u32()? != crc32fast::hash(covered) {
            return None;
        }
        let mut snapshot = Self { source, parts: Vec::new(), users, live_bytes: HashMap::new() };
        let (mut checksums, mut offset) = (Reader::new(covered.get(FIXED_BYTES..)?), head_bytes as u64);
        let mut add = |items: usize, crc, division| {
            if items > 0 {
                snapshot.parts.push(Part { offset, items, crc, division });
                offset += items as u64 * ENTRY_BYTES as u64;
            }
        };
        let mut left = usize::try_from(entries).ok()?;
        for division in 0..=u8::MAX {
            let (count, crc) = (checksums.u32()? as usize, checksums.u32()?);
            left = left.checked_sub(count)?;
            add(count, crc, Some(division));
        }
        let mut subjects = Some(usize::try_from(subjects).ok()?).filter(|_| left == 0)?;
        while subjects > 0 {
            let count = subjects.min(SUBJECTS_OF_PART);
            subjects -= count;
            add(count, checksums.u32()?, None);
        }
        let mut segments = Reader::new(covered.get(segments_at..)?);
        while !segments.rest().is_empty() {
            snapshot.live_bytes.insert(u32::try_from(segments.u64()?).ok()?, segments.u64()?);
        }
        Some(snapshot)
    }

    /// How many parts there are.
    pub const fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Whether it is large enough for two threads.
    pub fn is_large(&self) -> bool {
        self.parts.last().is_some_and(|last| last.offset >= TWO_BYTES)
    }

    /// Reads one part into the buffer.
    ///
    /// # Errors
    /// `Io` where it cannot be read, or is not what it was.
    pub fn part<'b>(&self, number: usize, buffer: &'b mut Vec<u8>) -> Result<Items<'b>> {
        let Some(part) = self.parts.get(number) else { return Ok(Items::Entries(&[])) };
        self.read_part(part, buffer, |source, buffer, offset| {
            source.read_checked(buffer, offset, |bytes| part.is_right(bytes))
        })
        .map_err(|error| Error::io("reading SNAPSHOT", error))?;
        Ok(if part.division.is_some() { Items::Entries(buffer) } else { Items::Subjects(buffer) })
    }

    fn read_part(
        &self,
        part: &Part,
        buffer: &mut Vec<u8>,
        read: impl FnOnce(&Source, &mut [u8], u64) -> io::Result<()>,
    ) -> io::Result<()> {
        // Bounded by the file's length, which is that of all parts.
        buffer.resize(part.items * ENTRY_BYTES, 0);
        read(&self.source, buffer, part.offset)
    }
}

impl Part {
    fn is_right(&self, bytes: &[u8]) -> bool {
        let of_it =
            |division: u8| bytes.chunks_exact(ENTRY_BYTES).all(|entry| entry.get(7) == Some(&division));
        crc32fast::hash(bytes) == self.crc && self.division.is_none_or(of_it)
    }
}

/// The entries in a part's bytes.
pub(crate) fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> {
    bytes.chunks_exact(ENTRY_BYTES).filter_map(|bytes| {
        let mut reader = Reader::new(bytes);
        let (key, segment, offset, deadline) = (reader.u64()?, reader.u32()?, reader.u32()?, reader.u64()?);
        let entry = Entry::new(key, Place { segment, offset }, Deadline::at_ms(deadline), key as u8);
        Some(entry.with_subject(key & HAS_SUBJECT != 0))
    })
}

/// The subjects in a part's bytes, and the tags of their sessions.
pub(crate) fn subjects(bytes: &[u8]) -> impl Iterator<Item = (Digest, u64)> {
    bytes.chunks_exact(ENTRY_BYTES).filter_map(|bytes| {
        let mut reader = Reader::new(bytes);
        Some((reader.digest()?, reader.u64()?))
    })
}
