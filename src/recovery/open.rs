//! The directory as recovery finds it: segment files opened and their headers checked.
//!
//! Owns: the step from a name to a segment that is what it says it is. Nothing is written here.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::header::SegmentHeader;
use crate::log::roster::Listed;
use crate::log::segment::{Segment, file_name};
use crate::options::ReadMode;
use crate::sealing::{DataKey, Sealing, Whose};
use crate::vfs::{self, Vfs, VfsFile};

/// How much of a file is read at once where its end is looked for.
const PIECE_BYTES: usize = 1 << 20;

/// Zeros to compare with.
const BLANK: [u8; 4096] = [0; 4096];

/// A store's directory.
#[derive(Clone)]
pub(crate) struct Directory {
    pub vfs: Arc<dyn Vfs>,
    pub path: PathBuf,
    pub store_id: [u8; 16],
    pub read_mode: ReadMode,
    pub sealing: Sealing,
}

/// A segment's file whose header is sound and of this store.
#[derive(Clone)]
pub(crate) struct OpenSegment {
    pub header: SegmentHeader,
    pub file: Arc<dyn VfsFile>,
    length: u64,
    read_mode: ReadMode,
    key: Option<Arc<DataKey>>,
}

impl Directory {
    /// The segment that the store's header names; it was durable before that.
    pub fn open_root(&self, number: u32) -> Result<OpenSegment> {
        self.open_or(
            number,
            "the store's header names this segment, but it is missing, cut short, or its header is damaged",
        )
    }

    /// A segment that the roster lists.
    pub fn open_listed(&self, listed: &Listed) -> Result<OpenSegment> {
        let what = "the roster lists this segment, but it is missing, cut short, or its header is damaged";
        let open = self.open_or(listed.number, what)?;
        if open.header.salt != listed.salt || open.length < listed.end {
            return Err(Error::corrupt(
                file_name(listed.number),
                0,
                "this is not the segment that the roster lists",
            ));
        }
        Ok(open)
    }

    /// A segment that the roster lists, to be read on demand.
    pub fn open_sealed(&self, listed: &Listed) -> Result<Arc<Segment>> {
        let open = self.open_listed(listed)?;
        let segment = open.segment(*listed)?;
        segment.died_at(open.header.clock_ms);
        Ok(segment)
    }

    fn open_or(&self, number: u32, what: &str) -> Result<OpenSegment> {
        match self.try_open(number) {
            Ok(Some(open)) => self.unlocked(open),
            Ok(None) => Err(Error::corrupt(file_name(number), 0, what)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::corrupt(file_name(number), 0, what))
            }
            Err(error) => Err(Error::io(format!("opening {}", file_name(number)), error)),
        }
    }

    /// The same segment with the key of its payloads.
    pub fn unlocked(&self, mut open: OpenSegment) -> Result<OpenSegment> {
        let whose = Whose::Segment { store_id: self.store_id, salt: open.header.salt };
        open.key = self.sealing.open(&open.header.envelope, whose, &open.name())?;
        Ok(open)
    }

    /// A segment, if it is there and sound, without its key. That it cannot be read now does not say that it is not.
    pub fn open_segment(&self, number: u32) -> Result<Option<OpenSegment>> {
        match self.try_open(number) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            open => open.map_err(|error| Error::io(format!("opening {}", file_name(number)), error)),
        }
    }

    /// Looks twice: a header that is misread once must not pass for one that is damaged, or was never written.
    fn try_open(&self, number: u32) -> io::Result<Option<OpenSegment>> {
        match self.look_at(number)? {
            None => self.look_at(number),
            open => Ok(open),
        }
    }

    fn look_at(&self, number: u32) -> io::Result<Option<OpenSegment>> {
        let file = self.vfs.open(&self.path.join(file_name(number)), false)?;
        let length = file.len()?;
        let mut bytes = vec![0; SegmentHeader::FRONT_BYTES];
        let read = vfs::read_up_to(file.as_ref(), &mut bytes, 0)?;
        bytes.truncate(read);
        let Some(claimed) = SegmentHeader::claimed_length(&bytes).filter(|claimed| *claimed as u64 <= length)
        else {
            return Ok(None);
        };
        bytes.resize(claimed, 0);
        vfs::read_exact_at(file.as_ref(), &mut bytes, 0)?;
        let header = SegmentHeader::decode(&bytes)
            .filter(|header| header.number == number && header.store_id == self.store_id)
            .filter(|header| header.capacity <= length);
        Ok(header.map(|header| OpenSegment { header, file, length, read_mode: self.read_mode, key: None }))
    }
}

impl OpenSegment {
    /// Its file name.
    pub fn name(&self) -> String {
        file_name(self.header.number)
    }

    /// Where its frames begin.
    pub fn start(&self) -> u64 {
        self.header.length() as u64
    }

    /// Where the file ends.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Where it ends but for zeros that nobody wrote.
    pub fn written_end(&self) -> Result<u64> {
        let end = self.file.written_end();
        end.map_err(|error| Error::io(format!("asking how far {} was written", self.name()), error))
            .map(|end| end.min(self.length))
    }

    /// The bytes of a stretch, with what is not there left out.
    pub fn read(&self, start: u64, end: u64) -> Result<Cow<'_, [u8]>> {
        let length = usize::try_from(end.min(self.length).saturating_sub(start)).unwrap_or(0);
        let mut buffer = vec![0; length];
        let read = vfs::read_up_to(self.file.as_ref(), &mut buffer, start)
            .map_err(|error| Error::io(format!("reading {}", self.name()), error))?;
        buffer.truncate(read);
        Ok(Cow::Owned(buffer))
    }

    /// The bytes of a stretch, without the zeros at its end: what is not there reads as zero. These are read too, a piece at a
    /// time, since they may be what is left of records; but an unwritten rest takes no memory.
    pub fn read_trimmed(&self, start: u64, end: u64) -> Result<Vec<u8>> {
        let failed = |error| Error::io(format!("reading {}", self.name()), error);
        let (mut bytes, mut zeros) = (Vec::new(), 0);
        let mut at = start;
        while at < end {
            let piece = usize::try_from(end - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let kept = bytes.len();
            bytes.resize(kept + piece, 0);
            let there = bytes.get_mut(kept..).unwrap_or_default();
            let read = vfs::read_up_to(self.file.as_ref(), there, at).map_err(failed)?;
            let is_blank = there.chunks(BLANK.len()).all(|chunk| BLANK.starts_with(chunk));
            if is_blank {
                bytes.truncate(kept);
                zeros += read;
            } else {
                // The zeros between it and what is before it.
                bytes.resize(kept + zeros + piece, 0);
                bytes.copy_within(kept..kept + piece, kept + zeros);
                bytes.get_mut(kept..kept + zeros).unwrap_or_default().fill(0);
                bytes.truncate(kept + zeros + read);
                zeros = 0;
            }
            at += read as u64;
            if read < piece {
                break;
            }
        }
        Ok(bytes)
    }

    /// The open segment, listed like this.
    pub fn segment(&self, listed: Listed) -> Result<Arc<Segment>> {
        Segment::new(listed, self.start(), Arc::clone(&self.file), self.read_mode, self.key.clone())
    }
}
