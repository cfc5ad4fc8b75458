//! Writing a snapshot, part by part; the head last, which says what the parts are.

use std::path::Path;
use std::sync::Arc;

use super::{DIVISIONS, ENTRY_BYTES, FILE_NAME, HAS_SUBJECT, Moment, SUBJECTS_OF_PART, layout};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::index::Entry;
use crate::log::bytes::Put;
use crate::vfs::{self, Vfs, VfsFile};

const TMP_NAME: &str = "SNAPSHOT.tmp";
const CHUNK_BYTES: usize = 1 << 20;

/// Appends an index entry.
pub(crate) fn put_entry(out: &mut Vec<u8>, entry: Entry) {
    let flag = if entry.has_subject() { HAS_SUBJECT } else { 0 };
    out.put_u64(entry.tag() | flag | u64::from(entry.arming()));
    out.put_u32(entry.place().segment);
    out.put_u32(entry.place().offset);
    out.put_u64(entry.deadline().bits());
}

/// Puts entries in order: by division, and within one as they go into the index.
fn sort(entries: &mut [Entry]) {
    entries.sort_by_key(|entry| entry.tag());
}

/// What the head says, as it comes to be known.
struct Head {
    moment: Moment,
    subjects: usize,
    users: usize,
    segments: Vec<(u32, u64)>,
    divisions: [(u32, u32); DIVISIONS],
    subject_checksums: Vec<u32>,
}

impl Head {
    fn bytes(&self) -> usize {
        layout(self.subjects as u64, self.segments.len() as u64).map_or(0, |(_, bytes)| bytes)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes());
        self.moment.encode(&mut out);
        out.put_u64(self.divisions.iter().map(|(count, _)| u64::from(*count)).sum());
        for count in [self.subjects, self.users, self.segments.len()] {
            out.put_u64(count as u64);
        }
        for (count, crc) in self.divisions {
            out.put_u32(count);
            out.put_u32(crc);
        }
        self.subject_checksums.iter().for_each(|crc| out.put_u32(*crc));
        for (number, live_bytes) in &self.segments {
            out.put_u64(u64::from(*number));
            out.put_u64(*live_bytes);
        }
        let crc = crc32fast::hash(&out);
        out.put_u32(crc);
        out
    }
}

/// Writes a snapshot, piece by piece, and gives it its name at the end.
pub(crate) struct Writer<'v> {
    vfs: &'v dyn Vfs,
    directory: &'v Path,
    file: Arc<dyn VfsFile>,
    head: Head,
    buffer: Vec<u8>,
    offset: u64,
}

impl<'v> Writer<'v> {
    /// A snapshot of this moment, with so many subjects of so many users to follow, and these segments' live bytes.
    pub fn new(
        vfs: &'v dyn Vfs,
        directory: &'v Path,
        moment: &Moment,
        (subjects, users): (usize, usize),
        segments: Vec<(u32, u64)>,
    ) -> Result<Self> {
        let tmp = directory.join(TMP_NAME);
        let failed = |error| Error::io("creating SNAPSHOT.tmp", error);
        match vfs.remove(&tmp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = vfs.create(&tmp).map_err(failed)?;
        let head = Head {
            moment: *moment,
            subjects,
            users,
            segments,
            divisions: [(0, 0); DIVISIONS],
            subject_checksums: Vec::new(),
        };
        let offset = head.bytes() as u64;
        Ok(Self { vfs, directory, file, head, buffer: Vec::with_capacity(CHUNK_BYTES + (64 << 10)), offset })
    }

    /// Adds entries whose tags come after those of all that were added before.
    pub fn entries(&mut self, mut entries: Vec<Entry>) -> Result<()> {
        sort(&mut entries);
        for of_one in entries.chunk_by(|one, next| division(one) == division(next)) {
            let begun = of_one.first().and_then(|first| self.head.divisions.get(division(first)).copied());
            let (before, crc) = begun.unwrap_or_default();
            let mut crc = crc32fast::Hasher::new_with_initial(crc);
            for some in of_one.chunks(CHUNK_BYTES / ENTRY_BYTES / 16) {
                let from = self.buffer.len();
                some.iter().for_each(|entry| put_entry(&mut self.buffer, *entry));
                crc.update(self.buffer.get(from..).unwrap_or_default());
                self.spill(CHUNK_BYTES)?;
            }
            let place = of_one.first().and_then(|first| self.head.divisions.get_mut(division(first)));
            if let Some(place) = place {
                *place = (before + of_one.len() as u32, crc.finalize());
            }
        }
        Ok(())
    }

    /// Adds all subjects, each with the tag of a session of his.
    pub fn subjects(&mut self, subjects: &[(Digest, u64)]) -> Result<()> {
        for part in subjects.chunks(SUBJECTS_OF_PART) {
            let from = self.buffer.len();
            for (subject, tag) in part {
                self.buffer.put_digest(*subject);
                self.buffer.put_u64(*tag);
            }
            self.head.subject_checksums.push(crc32fast::hash(self.buffer.get(from..).unwrap_or_default()));
            self.spill(CHUNK_BYTES)?;
        }
        Ok(())
    }

    fn spill(&mut self, at_least: usize) -> Result<()> {
        if self.buffer.len() >= at_least && !self.buffer.is_empty() {
            self.write(&self.buffer, self.offset)?;
            self.offset += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        vfs::write_all_at(self.file.as_ref(), bytes, offset)
            .map_err(|error| Error::io("writing SNAPSHOT.tmp", error))
    }

    /// Names the snapshot, durably.
    pub fn finish(mut self) -> Result<()> {
        self.spill(0)?;
        self.write(&self.head.encode(), 0)?;
        let failed = |error| Error::io("naming SNAPSHOT", error);
        self.file.sync().map_err(failed)?;
        self.vfs.rename(&self.directory.join(TMP_NAME), &self.directory.join(FILE_NAME)).map_err(failed)?;
        self.vfs.sync_dir(self.directory).map_err(failed)
    }
}

const fn division(entry: &Entry) -> usize {
    (entry.tag() >> (u64::BITS - 8)) as usize
}

/// A snapshot of these parts.
#[cfg(feature = "fuzzing")]
pub(crate) fn bytes_of(
    moment: &Moment,
    live_bytes: Vec<(u32, u64)>,
    mut entries: Vec<Entry>,
    subjects: Vec<(Digest, u64)>,
) -> Vec<u8> {
    sort(&mut entries);
    let mut head = Head {
        moment: *moment,
        subjects: subjects.len(),
        users: subjects.len(),
        segments: live_bytes,
        divisions: [(0, 0); DIVISIONS],
        subject_checksums: vec![0; subjects.len().div_ceil(SUBJECTS_OF_PART)],
    };
    for entry in &entries {
        if let Some((count, _)) = head.divisions.get_mut(division(entry)) {
            *count += 1;
        }
    }
    let mut out = head.encode();
    entries.iter().for_each(|entry| put_entry(&mut out, *entry));
    for (subject, tag) in subjects {
        out.put_digest(subject);
        out.put_u64(tag);
    }
    sealed(&mut out);
    out
}

/// The checksums that a snapshot with these bytes would need, put right; believes the counts that it claims.
#[cfg(feature = "fuzzing")]
pub(crate) fn sealed(bytes: &mut [u8]) -> Option<()> {
    use super::FIXED_BYTES;
    use crate::log::bytes::Reader;
    fn put(bytes: &mut [u8], at: usize, crc: u32) -> Option<()> {
        bytes.get_mut(at..at.checked_add(4)?)?.copy_from_slice(&crc.to_le_bytes());
        Some(())
    }
    let mut counts = Reader::new(bytes.get(56..FIXED_BYTES)?);
    let (subjects, _, segments) = (counts.u64()?, counts.u64()?, counts.u64()?);
    let (_, head) = layout(subjects, segments)?;
    let mut offset = head;
    for division in 0..DIVISIONS {
        let at = FIXED_BYTES + division * 8;
        let count = Reader::new(bytes.get(at..)?).u32()? as usize;
        let end = count.checked_mul(ENTRY_BYTES)?.checked_add(offset)?;
        let crc = crc32fast::hash(bytes.get(offset..end)?);
        put(bytes, at + 4, crc)?;
        offset = end;
    }
    let mut left = usize::try_from(subjects).ok()?;
    let mut at = FIXED_BYTES + DIVISIONS * 8;
    while left > 0 {
        let count = left.min(SUBJECTS_OF_PART);
        let end = offset.checked_add(count * ENTRY_BYTES)?;
        let crc = crc32fast::hash(bytes.get(offset..end)?);
        put(bytes, at, crc)?;
        (left, offset, at) = (left - count, end, at + 4);
    }
    let crc = crc32fast::hash(bytes.get(..head.checked_sub(4)?)?);
    put(bytes, head - 4, crc)
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::super::{Items, Snapshot, entries, subjects};
    use super::*;
    use crate::index::Place;
    use crate::log::bytes::Reader;
    use crate::recovery::source::Source;
    use crate::session::Deadline;
    use crate::vfs::SimVfs;
    use std::collections::HashMap;

    const DIRECTORY: &str = "/store";
    const SUBJECTS: [(Digest, u64); 2] = [(Digest([5; 16]), 7 << 40), (Digest([6; 16]), 8 << 40)];

    fn moment() -> Moment {
        Moment::new([1; 16], 2, 3, vec![(4, 5)])
    }

    /// With the flag and without, and all of an entry's bits beside it.
    fn some() -> Vec<Entry> {
        let entry = |number: u64| {
            let place = Place { segment: u32::MAX - number as u32, offset: u32::MAX / 3 };
            let arming = if number == 0 { 0 } else { u8::MAX };
            let entry = Entry::new((u64::MAX / 3) << number, place, Deadline::at_ms(9 + number), arming);
            entry.with_subject(number % 2 == 1)
        };
        (0..4).map(entry).collect()
    }

    fn written() -> Vec<u8> {
        let sim = SimVfs::new();
        sim.create_dir(Path::new(DIRECTORY)).unwrap();
        let mut writer = Writer::new(&sim, Path::new(DIRECTORY), &moment(), (2, 2), vec![(4, 4096)]).unwrap();
        writer.entries(some()).unwrap();
        writer.subjects(&SUBJECTS).unwrap();
        writer.finish().unwrap();
        sim.read_file(&Path::new(DIRECTORY).join(FILE_NAME)).unwrap()
    }

    /// What a flag says decides who may be evicted: a login must not come back as an anonymous session.
    #[test]
    fn a_session_comes_back_with_all_that_memory_knew_of_it() {
        let snapshot = Snapshot::check(Source::Memory(written()), &moment()).unwrap();
        let (mut found, mut whose, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
        for part in 0..snapshot.parts() {
            match snapshot.part(part, &mut buffer).unwrap() {
                Items::Entries(bytes) => found.extend(entries(bytes)),
                Items::Subjects(bytes) => whose.extend(subjects(bytes)),
            }
        }
        let mut expected = some();
        sort(&mut expected);
        assert_eq!(found, expected);
        assert_eq!(whose, SUBJECTS);
        assert_eq!((snapshot.users, &snapshot.live_bytes), (2, &HashMap::from([(4, 4096)])));
    }

    #[test]
    fn the_flag_stands_between_tag_and_arming() {
        for (entry, flag) in some().into_iter().zip([0, 0x100, 0, 0x100]) {
            let mut out = Vec::new();
            put_entry(&mut out, entry);
            let key = entry.tag() | flag | u64::from(entry.arming());
            assert_eq!(Reader::new(&out).u64(), Some(key));
        }
    }

    #[test]
    fn no_flipped_bit_passes_and_no_other_length() {
        let bytes = written();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Snapshot::check(Source::Memory(bad), &moment()).is_none(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Snapshot::check(Source::Memory(bytes[..length].to_vec()), &moment()).is_none());
        }
        assert!(Snapshot::check(Source::Memory([&bytes[..], &[0; 24]].concat()), &moment()).is_none());
    }
}
