//! The snapshot: the index as a clean close left it, so that the next opening need not read the hints.
//!
//! ```text
//!   0          8          24         32         40       48        56        64      72
//!   ┌──────────┬──────────┬──────────┬──────────┬────────┬─────────┬─────────┬───────┬──────────┬──────────┬─────┐
//!   │ SESSNAP1 │ store id │ opening  │ last lsn │ roster │entries n│subject m│segms k│ n × 24   │ m × 24   │k×16 │ crc 4
//!   └──────────┴──────────┴──────────┴──────────┴────────┴─────────┴─────────┴───────┴──────────┴──────────┴─────┘
//! ```
//! An entry is its tag's 36 bits with flags and arming below them (8), segment (4), offset in 8-byte units (4), deadline
//! (8); a subject its digest (16) and the tag of one of its sessions (8); a segment its number (8) and live bytes (8).
//!
//! Owns: the file `SNAPSHOT`. It is only a cache: it counts when it was made by the last opening, at exactly the frame
//! that the log ends with, over exactly the roster that the log has, and when its checksum is right. Any doubt, and
//! the log is read instead. A crash while it is written leaves a `.tmp`, which counts for nothing.

use std::collections::HashMap;

use super::chain::Chain;
use super::open::Directory;
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::index::{Entry, Place};
use crate::log::bytes::{Put, Reader};
use crate::session::Deadline;
use crate::vfs::{self, Vfs};

/// The file's name.
pub(crate) const FILE_NAME: &str = "SNAPSHOT";
const TMP_NAME: &str = "SNAPSHOT.tmp";
const MAGIC: [u8; 8] = *b"SESSNAP1";
const ENTRY_BYTES: usize = 24;
const HAS_SUBJECT: u64 = 1 << 8;
const NEVER_UPDATED: u64 = 1 << 9;
const CHUNK_BYTES: usize = 1 << 20;

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

/// What a snapshot holds.
pub(crate) struct Snapshot {
    entries: Vec<u8>,
    subjects: Vec<u8>,
    /// Live bytes by segment.
    pub live_bytes: HashMap<u32, u64>,
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
        let length = file.len().ok().filter(|length| *length <= log_bytes.saturating_add(1 << 20))?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        vfs::read_exact_at(file.as_ref(), &mut bytes, 0).ok()?;
        Self::decode(&bytes, &moment)
    }

    /// The snapshot in these bytes, if it speaks of this moment.
    pub fn decode(bytes: &[u8], moment: &Moment) -> Option<Self> {
        let (covered, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        let mut expected = Vec::new();
        moment.encode(&mut expected);
        let mut reader = Reader::new(covered);
        let speaks_of_it = reader.take(expected.len())? == expected || planted!(StaleSnapshotBelieved);
        if !speaks_of_it || Reader::new(crc).u32()? != crc32fast::hash(covered) {
            return None;
        }
        let mut counts = [0usize; 3];
        for count in &mut counts {
            *count = usize::try_from(reader.u64()?).ok()?;
        }
        let [entries, subjects, segments] = counts;
        let entries = reader.take(entries.checked_mul(ENTRY_BYTES)?)?.to_vec();
        let subjects = reader.take(subjects.checked_mul(ENTRY_BYTES)?)?.to_vec();
        let live_bytes = (0..segments)
            .map(|_| Some((u32::try_from(reader.u64()?).ok()?, reader.u64()?)))
            .collect::<Option<HashMap<_, _>>>()?;
        reader.rest().is_empty().then_some(Self { entries, subjects, live_bytes })
    }

    /// The index entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries.chunks_exact(ENTRY_BYTES).filter_map(|bytes| {
            let mut reader = Reader::new(bytes);
            let (key, segment, offset, deadline) =
                (reader.u64()?, reader.u32()?, reader.u32()?, reader.u64()?);
            let entry = Entry::new(key, Place { segment, offset }, Deadline::at_ms(deadline), key as u8);
            Some(entry.with_subject(key & HAS_SUBJECT != 0).with_never_updated(key & NEVER_UPDATED != 0))
        })
    }

    /// The subjects and the tags of their sessions.
    pub fn subjects(&self) -> impl Iterator<Item = (Digest, u64)> {
        self.subjects.chunks_exact(ENTRY_BYTES).filter_map(|bytes| {
            let mut reader = Reader::new(bytes);
            Some((reader.digest()?, reader.u64()?))
        })
    }
}

/// Appends an index entry.
pub(crate) fn put_entry(out: &mut Vec<u8>, entry: Entry) {
    let flags = if entry.has_subject() { HAS_SUBJECT } else { 0 }
        | if entry.never_updated() { NEVER_UPDATED } else { 0 };
    out.put_u64(entry.tag() | flags | u64::from(entry.arming()));
    out.put_u32(entry.place().segment);
    out.put_u32(entry.place().offset);
    out.put_u64(entry.deadline().bits());
}

/// Writes a snapshot, piece by piece, and gives it its name at the end.
pub(crate) struct Writer<'v> {
    vfs: &'v dyn Vfs,
    directory: &'v std::path::Path,
    file: std::sync::Arc<dyn vfs::VfsFile>,
    buffer: Vec<u8>,
    offset: u64,
    crc: crc32fast::Hasher,
}

impl<'v> Writer<'v> {
    /// A snapshot of this moment, with so many entries, subjects and segments to follow.
    pub fn new(
        vfs: &'v dyn Vfs,
        directory: &'v std::path::Path,
        moment: &Moment,
        counts: [usize; 3],
    ) -> Result<Self> {
        let tmp = directory.join(TMP_NAME);
        let failed = |error| Error::io("creating SNAPSHOT.tmp", error);
        match vfs.remove(&tmp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = vfs.create(&tmp).map_err(failed)?;
        let mut buffer = Vec::with_capacity(CHUNK_BYTES + 64);
        moment.encode(&mut buffer);
        counts.iter().for_each(|count| buffer.put_u64(*count as u64));
        Ok(Self { vfs, directory, file, buffer, offset: 0, crc: crc32fast::Hasher::new() })
    }

    /// Adds an index entry.
    pub fn entry(&mut self, entry: Entry) -> Result<()> {
        put_entry(&mut self.buffer, entry);
        self.spill(CHUNK_BYTES)
    }

    /// Adds a subject and the tag of a session of his.
    pub fn subject(&mut self, subject: Digest, tag: u64) -> Result<()> {
        self.buffer.put_digest(subject);
        self.buffer.put_u64(tag);
        self.spill(CHUNK_BYTES)
    }

    /// Adds a segment's live bytes.
    pub fn segment(&mut self, number: u32, live_bytes: u64) -> Result<()> {
        self.buffer.put_u64(u64::from(number));
        self.buffer.put_u64(live_bytes);
        self.spill(CHUNK_BYTES)
    }

    fn spill(&mut self, at_least: usize) -> Result<()> {
        if self.buffer.len() >= at_least && !self.buffer.is_empty() {
            self.crc.update(&self.buffer);
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        vfs::write_all_at(self.file.as_ref(), &self.buffer, self.offset)
            .map_err(|error| Error::io("writing SNAPSHOT.tmp", error))?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Names the snapshot, durably.
    pub fn finish(mut self) -> Result<()> {
        self.spill(0)?;
        let crc = std::mem::take(&mut self.crc).finalize();
        self.buffer.put_u32(crc);
        self.write()?;
        let failed = |error| Error::io("naming SNAPSHOT", error);
        self.file.sync().map_err(failed)?;
        self.vfs.rename(&self.directory.join(TMP_NAME), &self.directory.join(FILE_NAME)).map_err(failed)?;
        self.vfs.sync_dir(self.directory).map_err(failed)
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::vfs::SimVfs;
    use std::path::Path;

    const DIRECTORY: &str = "/store";
    const SUBJECTS: [(Digest, u64); 2] = [(Digest([5; 16]), 7 << 40), (Digest([6; 16]), 8 << 40)];

    fn moment() -> Moment {
        Moment::new([1; 16], 2, 3, vec![(4, 5)])
    }

    /// Each flag by itself, and all of an entry's bits beside them.
    fn entries() -> Vec<Entry> {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        let entry = |(number, (subject, lone)): (u64, (bool, bool))| {
            let place = Place { segment: u32::MAX - number as u32, offset: u32::MAX / 3 };
            let arming = if number == 0 { 0 } else { u8::MAX };
            let entry = Entry::new((u64::MAX / 3) << number, place, Deadline::at_ms(9 + number), arming);
            entry.with_subject(subject).with_never_updated(lone)
        };
        (0..).zip(flags).map(entry).collect()
    }

    fn written() -> Vec<u8> {
        let sim = SimVfs::new();
        sim.create_dir(Path::new(DIRECTORY)).unwrap();
        let mut writer = Writer::new(&sim, Path::new(DIRECTORY), &moment(), [4, 2, 1]).unwrap();
        entries().into_iter().for_each(|entry| writer.entry(entry).unwrap());
        SUBJECTS.iter().for_each(|(subject, tag)| writer.subject(*subject, *tag).unwrap());
        writer.segment(4, 4096).unwrap();
        writer.finish().unwrap();
        sim.read_file(&Path::new(DIRECTORY).join(FILE_NAME)).unwrap()
    }

    /// What a flag says decides who may be evicted: a login must not come back as an anonymous session.
    #[test]
    fn a_session_comes_back_with_all_that_memory_knew_of_it() {
        let snapshot = Snapshot::decode(&written(), &moment()).unwrap();
        assert_eq!(snapshot.entries().collect::<Vec<_>>(), entries());
        assert_eq!(snapshot.subjects().collect::<Vec<_>>(), SUBJECTS);
        assert_eq!(snapshot.live_bytes, HashMap::from([(4, 4096)]));
    }

    #[test]
    fn the_flags_stand_between_tag_and_arming() {
        for (entry, flags) in entries().into_iter().zip([0, 0x200, 0x100, 0x300]) {
            let mut out = Vec::new();
            put_entry(&mut out, entry);
            let key = entry.tag() | flags | u64::from(entry.arming());
            assert_eq!(Reader::new(&out).u64(), Some(key));
        }
    }
}
