//! The output: a segment that compaction writes.
//!
//! Owns: its file from creation to its name. Records keep their LSNs and stand in no order. The file is complete, with
//! its footer, and durable before it has a name that anything looks for.

use std::sync::Arc;

use crate::error::{Error, Full, Result};
use crate::log::files::{Files, Use};
use crate::log::format::Format;
use crate::log::header::SegmentHeader;
use crate::log::hint::Hints;
use crate::log::record::Record;
use crate::log::rolling::random_salt;
use crate::log::roster::{Listed, Origin, Roster};
use crate::log::segment::Segment;
use crate::sealing::DataKey;
use crate::session::Deadline;
use crate::vfs::{self, VfsFile};

const CHUNK_BYTES: usize = 256 << 10;

/// A segment that is being written.
pub(crate) struct Output<'f> {
    files: &'f Files,
    file: Arc<dyn VfsFile>,
    listed: Listed,
    start: u64,
    capacity: u64,
    buffer: Vec<u8>,
    flushed: u64,
    hints: Hints,
    key: Option<Arc<DataKey>>,
    finished: bool,
    /// Bytes of the records that are no versions.
    pub evidence_bytes: u64,
}

impl<'f> Output<'f> {
    /// The segment's number.
    pub fn number(&self) -> u32 {
        self.listed.number
    }

    /// Creates the file, with room for `frame_bytes` of frames.
    pub fn create(
        files: &'f Files,
        (format, store_id, opening): (Format, [u8; 16], u64),
        clock_ms: u64,
        frame_bytes: u64,
    ) -> Result<Self> {
        let number = files.next_number()?;
        let salt = random_salt()?;
        let roster = Roster::default();
        let (envelope, key) = files.sealing.begin(store_id, salt)?;
        let start = SegmentHeader::bytes(format, &envelope, 0) as u64;
        let capacity = start + frame_bytes;
        let file = files.create_unnamed(number, capacity, Use::Compaction)?;
        let origin = Origin::Compaction;
        let header = SegmentHeader {
            format,
            number,
            origin,
            store_id,
            salt,
            opening,
            clock_ms,
            lsn_first: 0,
            copied_to: 0,
            capacity,
            envelope,
            roster,
        };
        let ceiling = Deadline::at_ms(0);
        let listed = Listed { number, origin, salt, end: start, lsn_min: u64::MAX, lsn_max: 0, ceiling };
        let buffer = header.encode();
        let hints = Hints::default();
        Ok(Self {
            files,
            file,
            listed,
            start,
            capacity,
            buffer,
            flushed: 0,
            hints,
            key,
            finished: false,
            evidence_bytes: 0,
        })
    }

    /// Adds a record; returns where it stands and how many bytes it takes.
    pub fn add(&mut self, record: &Record<'_>) -> Result<(u64, usize)> {
        let offset = self.flushed + self.buffer.len() as u64;
        let before = self.buffer.len();
        record.encode_with(&mut self.buffer, self.listed.salt, offset, self.key.as_deref());
        let span = self.buffer.len() - before;
        self.hints.note(record, offset, span);
        self.listed.end = offset + span as u64;
        self.listed.lsn_min = self.listed.lsn_min.min(record.lsn);
        self.listed.lsn_max = self.listed.lsn_max.max(record.lsn);
        self.listed.ceiling = self.listed.ceiling.max(record.ceiling());
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok((offset, span))
    }

    fn flush(&mut self) -> Result<()> {
        vfs::write_all_at(self.file.as_ref(), &self.buffer, self.flushed).map_err(
            |error| match vfs::is_full(&error) {
                true => Error::Full(Full::FileSystem),
                false => Error::io(format!("writing segment {}", self.listed.number), error),
            },
        )?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the footer, makes the file durable and names it.
    pub fn finish(mut self) -> Result<Arc<Segment>> {
        self.hints.sort();
        let footer = self.hints.encode(self.listed.salt, self.listed.end);
        self.buffer.extend_from_slice(&footer);
        self.flush()?;
        self.files.name(self.listed.number, self.file.as_ref())?;
        self.finished = true;
        let length = self.file.len().unwrap_or(self.capacity);
        self.files.grown(length.saturating_sub(self.capacity));
        let segment = Segment::new(
            self.listed,
            self.start,
            Arc::clone(&self.file),
            self.files.read_mode,
            self.key.take(),
        )?;
        segment.testifies(usize::try_from(self.evidence_bytes).unwrap_or(usize::MAX));
        Ok(segment)
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.files.discard(self.listed.number, self.capacity);
        }
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::options::ReadMode;
    use crate::vfs::{SimVfs, Vfs};

    const DIGEST: crate::id::Digest = crate::id::Digest([7; 16]);

    fn files(sim: &SimVfs) -> Files {
        let directory = std::path::PathBuf::from("/store");
        sim.create_dir(&directory).unwrap();
        Files::new(std::sync::Arc::new(sim.clone()), directory, ReadMode::Plain, (1 << 20, 64 << 20), (0, 0))
    }

    fn touch(base: u64) -> Record<'static> {
        let deadline = Deadline::at_ms(base);
        Record { lsn: base, what: crate::log::record::What::Touch { digest: DIGEST, base, deadline } }
    }

    #[test]
    fn an_output_that_came_to_nothing_leaves_neither_a_file_nor_a_claim_on_the_disk() {
        let sim = SimVfs::new();
        let files = files(&sim);
        drop(Output::create(&files, (Format::V2, [1; 16], 1), 0, 1_000).unwrap());
        assert_eq!(files.disk_bytes(), 0);
        assert_eq!(sim.list(std::path::Path::new("/store")).unwrap().len(), 0);
        let segment = Output::create(&files, (Format::V2, [1; 16], 1), 0, 1_000).unwrap().finish().unwrap();
        assert_eq!(files.disk_bytes(), segment.file.len().unwrap());
        assert_eq!(sim.list(std::path::Path::new("/store")).unwrap(), [segment.name()]);
    }

    #[test]
    fn an_output_of_many_writes_holds_every_record_where_it_said() {
        let sim = SimVfs::new();
        let files = files(&sim);
        let count = 3 * CHUNK_BYTES as u64 / 40;
        let mut output = Output::create(&files, (Format::V2, [1; 16], 1), 0, count * 48).unwrap();
        let places: Vec<_> = (1..count).map(|base| output.add(&touch(base)).unwrap().0).collect();
        let segment = output.finish().unwrap();
        let mut buffer = Vec::new();
        for (base, place) in (1..count).zip(places) {
            let frame = segment.frame(place, &mut buffer).unwrap();
            assert_eq!(Record::decode(&frame), Some(touch(base)));
        }
    }
}
