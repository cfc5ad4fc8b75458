//! A store's directory out of the fuzzer's bytes. No byte makes it invalid: where they end, zeros follow, which are the
//! plainest choice everywhere.
//!
//! The first byte says whether parts may lie, and whether the store is of format 2, in which case every other segment is, too. If
//! they do not lie, the log is honest: LSNs ascend without gaps, marks repeat the
//! endings since the last one and claim as durable what came before, headers and roster are as the engine writes them,
//! and an output of compaction holds every record of its input.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use sessile::fuzzing::{
    self, Body, Ending, Listed, SegmentHeader, SnapshotEntry, SnapshotParts, StoreHeader,
};

use super::segments::{Draft, Segment};
use super::versions::Versions;
use super::written::{Digest, Fate, Frame, Written};
use super::{NOW_MS, content};

pub const IDS: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];
pub const SUBJECTS: [&str; 2] = ["one", "two"];
pub const SECRET: [u8; 32] = [7; 32];
pub const STORE_ID: [u8; 16] = [9; 16];
const LSN_BITS: u32 = 40;
const COPY_AT: usize = 4096;
const SEALED_MAX: u8 = 3;
const LINKS_MAX: u8 = 2;

/// A directory, and what is known of it.
#[derive(Debug, Default)]
pub struct Directory {
    pub files: BTreeMap<String, Vec<u8>>,
    pub written: Written,
    /// The latest time that the end of the log tells.
    pub clock_ms: u64,
    /// Parts may lie.
    pub is_strange: bool,
    /// A footer or snapshot with a right checksum may say that a session stands where it does not.
    pub lies_of_places: bool,
    /// Files were changed after they were written.
    pub is_harmed: bool,
}

impl Directory {
    pub fn is_honest(&self) -> bool {
        !self.is_strange
    }

    pub fn may_be_corrupt(&self) -> bool {
        self.is_strange || self.is_harmed
    }
}

pub fn digest_of(id: &str) -> Digest {
    fuzzing::digest(SECRET, id.as_bytes())
}

/// What is being assembled.
pub struct Assembly<'a, 'b> {
    pub bytes: &'a mut Unstructured<'b>,
    pub directory: Directory,
    pub opening: u64,
    pub next_lsn: u64,
    pub clock_ms: u64,
    /// The LSN and endings that the next mark speaks of.
    pub since_lsn: u64,
    pub endings: Vec<Ending>,
    pub roster_lsn: u64,
    /// The durable LSN passes no seam before the root does: behind the root, marks claim no more than the root's last.
    pub durable_max: u64,
    pub versions: Versions,
    /// What envelopes hold, in a store of format 2.
    envelope: Option<Vec<u8>>,
    number: u32,
    sealed: Vec<Segment>,
}

pub fn assemble(bytes: &mut Unstructured<'_>) -> Result<Directory> {
    let how = bytes.arbitrary::<u8>()?;
    let is_strange = how & 1 == 1;
    let directory = Directory { is_strange, ..Directory::default() };
    let mut assembly = Assembly {
        bytes,
        directory,
        opening: 1,
        next_lsn: (1 << LSN_BITS) + 1,
        clock_ms: NOW_MS - 7_200_000,
        since_lsn: 1 << LSN_BITS,
        endings: Vec::new(),
        roster_lsn: 1 << LSN_BITS,
        durable_max: u64::MAX,
        versions: Versions::default(),
        // With anything in them a store is a later release's, or encrypted with keys that nobody has.
        envelope: (how >= 224).then(Vec::new),
        number: 1,
        sealed: Vec::new(),
    };
    assembly.sealed_segments()?;
    assembly.end_of_log()?;
    assembly.foreign_files()?;
    Ok(assembly.directory)
}

impl Assembly<'_, '_> {
    /// Whether something odd happens here: seldom, and never in an honest log.
    pub fn odd(&mut self) -> Result<bool> {
        Ok(self.directory.is_strange && self.bytes.arbitrary::<u8>()? >= 240)
    }

    /// `value`, or seldom another.
    pub fn or_odd(&mut self, value: u64) -> Result<u64> {
        if !self.odd()? {
            return Ok(value);
        }
        Ok(match self.bytes.arbitrary::<u8>()? % 6 {
            0 => 0,
            1 => u64::MAX,
            2 => value.wrapping_add(8),
            3 => value.wrapping_sub(8),
            4 => 1 << (self.bytes.arbitrary::<u8>()? % 64),
            _ => self.bytes.arbitrary()?,
        })
    }

    fn take_number(&mut self) -> Result<u32> {
        let number = self.number;
        self.number += 1;
        Ok(self.or_odd(u64::from(number))? as u32)
    }

    /// A new opening may begin between two segments.
    fn maybe_reopen(&mut self) -> Result<()> {
        if self.bytes.arbitrary::<u8>()? & 1 == 1 {
            self.opening += 1;
            self.next_lsn = (self.opening << LSN_BITS) + 1;
            self.since_lsn = self.next_lsn - 1;
            self.roster_lsn = self.next_lsn - 1;
            self.endings.clear();
        }
        Ok(())
    }

    fn sealed_segments(&mut self) -> Result<()> {
        for _ in 0..self.bytes.arbitrary::<u8>()? % (SEALED_MAX + 1) {
            let number = self.take_number()?;
            let mut draft = Draft::begin(self, number, false, Vec::new())?;
            draft.fill(self)?;
            self.maybe_reopen()?;
            let segment = self.seal(draft)?;
            match self.bytes.arbitrary::<u8>()? % 4 {
                0 | 1 => self.sealed.push(segment),
                // Compaction has been here: its output alone, or beside its input.
                2 => {
                    let output = self.compact(&segment)?;
                    self.forget(&segment);
                    self.sealed.push(output);
                }
                _ => {
                    let output = self.compact(&segment)?;
                    self.sealed.extend([segment, output]);
                }
            }
        }
        Ok(())
    }

    /// Writes the file of a segment that is full, with its footer or without.
    pub fn seal(&mut self, mut draft: Draft) -> Result<Segment> {
        let footer = self.bytes.arbitrary::<u8>()? % 4;
        let end = draft.end();
        let mut tail = match footer {
            0..3 => fuzzing::footer_of(draft.frames(), draft.start, draft.salt),
            _ => Vec::new(),
        };
        if self.odd()? && !tail.is_empty() {
            self.directory.lies_of_places = true;
            let at = usize::from(self.bytes.arbitrary::<u8>()?) % tail.len();
            tail[at] ^= self.bytes.arbitrary::<u8>()?;
            fuzzing::seal_footer(&mut tail, draft.salt, end);
        }
        draft.contents.extend(tail);
        self.finish(draft)
    }

    /// The file of a segment, filled up to its capacity.
    fn finish(&mut self, draft: Draft) -> Result<Segment> {
        let (segment, contents) = draft.finish(self)?;
        self.directory.files.insert(segment.file.clone(), contents);
        self.directory.written.frames.extend(segment.frames.iter().cloned());
        Ok(segment)
    }

    /// An output of compaction with every record of the input, in another order.
    fn compact(&mut self, input: &Segment) -> Result<Segment> {
        let number = self.take_number()?;
        let mut draft = Draft::begin(self, number, true, Vec::new())?;
        let mut records: Vec<Frame> =
            input.frames.iter().filter(|frame| frame.is_record()).cloned().collect();
        if !records.is_empty() {
            let by = usize::from(self.bytes.arbitrary::<u8>()?) % records.len();
            records.rotate_left(by);
        }
        for frame in records {
            draft.put(self, frame.lsn, frame.body)?;
        }
        self.seal(draft)
    }

    /// The segment left the roster before the root began; its file may still be there.
    fn forget(&mut self, segment: &Segment) {
        if self.bytes.arbitrary::<u8>().unwrap_or(0) & 1 == 0 {
            self.directory.files.remove(&segment.file);
        }
    }

    fn roster(&mut self) -> Result<Vec<Listed>> {
        let mut roster: Vec<Listed> = self.sealed.iter().map(Segment::listed).collect();
        for listed in &mut roster {
            listed.end = self.or_odd(listed.end)?;
            listed.lsn_max = self.or_odd(listed.lsn_max)?;
        }
        if self.odd()? {
            roster.pop();
        }
        Ok(roster)
    }

    /// The root and what comes behind it, then the headers that name it.
    fn end_of_log(&mut self) -> Result<()> {
        let links = 1 + self.bytes.arbitrary::<u8>()? % LINKS_MAX;
        let mut root = None;
        let mut walked: Vec<Segment> = Vec::new();
        let mut number = self.take_number()?;
        let mut salt = None;
        for link in 1..=links {
            let roster: Vec<Listed> =
                self.roster()?.into_iter().chain(walked.iter().map(Segment::listed)).collect();
            let mut draft = Draft::begin(self, number, false, roster)?;
            draft.salt = salt.unwrap_or(draft.salt);
            draft.fill(self)?;
            self.compact_at_work(&mut draft)?;
            if link < links {
                number = self.take_number()?;
                let next = Draft::salt_of(self)?;
                salt = Some(next);
                draft.announce(self, number, next)?;
            }
            let segment = self.finish(draft)?;
            let (_, last_lsn) = *root.get_or_insert((segment.number, segment.last_lsn()));
            self.durable_max = last_lsn;
            self.directory.written.links.push((segment.file.clone(), segment.header.clone()));
            walked.push(segment);
        }
        self.directory.clock_ms = walked.iter().map(|segment| segment.clock_ms).max().unwrap_or(0);
        let Some((root, last_lsn)) = root else { return Ok(()) };
        self.store(root, last_lsn)?;
        self.snapshot(&walked)
    }

    /// Compaction runs while the log grows: its output enters, its input leaves.
    fn compact_at_work(&mut self, draft: &mut Draft) -> Result<()> {
        let stage = self.bytes.arbitrary::<u8>()? % 4;
        let Some(input) = self.sealed.first().cloned().filter(|_| stage > 0) else { return Ok(()) };
        let output = self.compact(&input)?;
        if stage == 1 {
            // It was never listed; where numbers are odd, something else may have its name.
            if self.directory.is_honest() {
                self.directory.written.frames.retain(|frame| frame.file != output.file);
            }
            return Ok(());
        }
        draft.change(self, Body::Enter(output.listed()))?;
        self.sealed.push(output);
        draft.fill(self)?;
        if stage == 3 {
            draft.change(self, Body::Leave(vec![input.number]))?;
            self.sealed.remove(0);
            self.forget(&input);
        }
        Ok(())
    }

    fn store(&mut self, root: u32, last_lsn: u64) -> Result<()> {
        let durable = match self.bytes.arbitrary::<u8>()? % 3 {
            0 => self.opening << LSN_BITS,
            _ => last_lsn,
        };
        // A root that another opening began tells of no more than that opening knew.
        let durable_lsn = self.or_odd(durable.min(last_lsn))?;
        let header = StoreHeader {
            store_id: STORE_ID,
            secret: SECRET,
            opening: self.or_odd(self.opening)?,
            durable_lsn,
            root: self.or_odd(u64::from(root))? as u32,
            keeps_ids: self.odd()?,
            envelope: self.envelope.clone(),
        };
        let copy = header.bytes();
        let mut file = copy.clone();
        file.resize(COPY_AT, 0);
        file.extend_from_slice(&copy);
        for at in [0, COPY_AT as u64] {
            self.directory.written.headers.push((at, copy.clone(), durable_lsn));
        }
        self.directory.files.insert("STORE".into(), file);
        Ok(())
    }

    /// What a clean close would leave, or a stale one, or one that lies.
    fn snapshot(&mut self, walked: &[Segment]) -> Result<()> {
        if self.bytes.arbitrary::<u8>()? % 3 != 1 {
            return Ok(());
        }
        let last_lsn = walked.last().map_or(0, Segment::last_lsn);
        let last_lsn = self.or_odd(last_lsn)?;
        let segments = self.sealed.iter().chain(walked);
        let mut parts = SnapshotParts {
            store_id: STORE_ID,
            opening: self.opening,
            last_lsn,
            segments: segments.map(|segment| (segment.number, segment.salt, 0)).collect(),
            entries: Vec::new(),
        };
        let on_roster: Vec<String> =
            self.sealed.iter().chain(walked).map(|segment| segment.file.clone()).collect();
        for id in IDS {
            let digest = digest_of(id);
            let fate = self.directory.written.judge(digest, self.directory.clock_ms, u64::MAX);
            let Fate::Alive { lsn, deadline_ms } = fate else { continue };
            let newest = self.directory.written.frames.iter().find(|frame| {
                frame.lsn == lsn && matches!(frame.body, Body::Put(_)) && on_roster.contains(&frame.file)
            });
            let Some(Frame { file, offset, body: Body::Put(put), .. }) = newest.cloned() else { continue };
            let segment = file.trim_end_matches(".seg").parse().unwrap_or(0);
            parts.entries.push(SnapshotEntry {
                digest,
                segment: self.or_odd(segment)? as u32,
                offset: self.or_odd(offset)?,
                deadline_ms: self.or_odd(deadline_ms)?,
                arming: lsn as u8,
                subject: put.subject,
            });
        }
        self.directory.lies_of_places |= self.directory.is_strange && !parts.entries.is_empty();
        let mut file = parts.bytes();
        if self.odd()? {
            self.directory.lies_of_places = true;
            let at = usize::from(self.bytes.arbitrary::<u8>()?) % file.len();
            file[at] ^= self.bytes.arbitrary::<u8>()?;
            fuzzing::seal_snapshot(&mut file);
        }
        self.directory.files.insert("SNAPSHOT".into(), file);
        Ok(())
    }

    /// What is not the store's, or was left half made.
    fn foreign_files(&mut self) -> Result<()> {
        let names = ["LOCK", "00000099.tmp", "STORE.tmp", "SNAPSHOT.tmp", "notes.txt", "00000098.seg"];
        for name in names {
            if self.bytes.arbitrary::<u8>()? & 7 == 1 {
                let length = self.bytes.arbitrary::<u8>()?;
                let contents = content(self.bytes, length)?;
                self.directory.files.insert(name.into(), contents);
            }
        }
        Ok(())
    }

    pub fn header(
        &mut self,
        number: u32,
        compacted: bool,
        salt: u64,
        roster: Vec<Listed>,
    ) -> Result<SegmentHeader> {
        Ok(SegmentHeader {
            number,
            compacted,
            store_id: STORE_ID,
            salt,
            opening: self.or_odd(self.opening)?,
            clock_ms: self.or_odd(self.clock_ms)?,
            lsn_first: if compacted { 0 } else { self.or_odd(self.next_lsn)? },
            copied_to: self.or_odd(0)?,
            capacity: 0,
            envelope: self.envelope.clone().filter(|_| number & 1 == 1),
            roster,
        })
    }
}
