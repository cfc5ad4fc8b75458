//! One segment, frame by frame.

use arbitrary::{Result, Unstructured};
use sessile::fuzzing::{self, Body, Ending, Listed, Put, SegmentHeader};

use super::grammar::{Assembly, IDS, SECRET, SUBJECTS, digest_of};
use super::written::{Digest, Frame};
use super::{NOW_MS, content};

const RECORDS_MAX: u8 = 8;
/// What a deadline that never passes gives as its time.
const NEVER_MS: u64 = u64::MAX;

/// A segment that is being filled.
pub struct Draft {
    pub number: u32,
    pub salt: u64,
    pub start: u64,
    /// The file so far: room for the header, and frames.
    pub contents: Vec<u8>,
    header: SegmentHeader,
    frames: Vec<Frame>,
    clock_ms: u64,
    frames_end: u64,
}

/// A segment whose file is written.
#[derive(Debug, Clone)]
pub struct Segment {
    pub number: u32,
    pub salt: u64,
    pub file: String,
    pub header: Vec<u8>,
    pub frames: Vec<Frame>,
    pub clock_ms: u64,
    compacted: bool,
    end: u64,
}

impl Segment {
    /// As the roster lists it.
    pub fn listed(&self) -> Listed {
        let records = || self.frames.iter().filter(|frame| frame.is_record());
        Listed {
            number: self.number,
            compacted: self.compacted,
            salt: self.salt,
            end: self.end,
            lsn_min: records().map(|frame| frame.lsn).min().unwrap_or(u64::MAX),
            lsn_max: records().map(|frame| frame.lsn).max().unwrap_or(0),
            ceiling_ms: NEVER_MS,
        }
    }

    pub fn last_lsn(&self) -> u64 {
        self.frames.last().map_or(0, |frame| frame.lsn)
    }
}

impl Draft {
    pub fn salt_of(assembly: &mut Assembly<'_, '_>) -> Result<u64> {
        Ok(u64::from(assembly.bytes.arbitrary::<u8>()?) << 8 | 0x5a17)
    }

    pub fn begin(
        assembly: &mut Assembly<'_, '_>,
        number: u32,
        compacted: bool,
        roster: Vec<Listed>,
    ) -> Result<Self> {
        let salt = Self::salt_of(assembly)?;
        let header = assembly.header(number, compacted, salt, roster)?;
        let start = header.length();
        let clock_ms = header.clock_ms;
        let contents = vec![0; start as usize];
        Ok(Self { number, salt, start, contents, header, frames: Vec::new(), clock_ms, frames_end: start })
    }

    /// Where the frames end.
    pub fn end(&self) -> u64 {
        self.frames_end
    }

    pub fn frames(&self) -> &[u8] {
        &self.contents[self.start as usize..self.frames_end as usize]
    }

    fn file(&self) -> String {
        format!("{:08}.seg", self.number)
    }

    /// A frame at the end. In a strange directory its bytes may be twisted before they are sealed.
    pub fn put(&mut self, assembly: &mut Assembly<'_, '_>, lsn: u64, body: Body) -> Result<()> {
        let offset = self.contents.len() as u64;
        let lsn = assembly.or_odd(lsn)?;
        let mut bytes = fuzzing::frame_bytes(self.salt, offset, lsn, &body);
        if assembly.odd()? {
            let at = usize::from(assembly.bytes.arbitrary::<u8>()?) % bytes.len();
            bytes[at] ^= assembly.bytes.arbitrary::<u8>()?;
            fuzzing::seal_frame(&mut bytes, self.salt, offset);
            assembly.directory.written.twisted.extend(fuzzing::put(&bytes, self.salt, offset));
        }
        self.contents.extend_from_slice(&bytes);
        self.frames_end = self.contents.len() as u64;
        self.frames.push(Frame { file: self.file(), offset, bytes, lsn, body });
        Ok(())
    }

    /// A frame of the log, under the next LSN.
    fn append(&mut self, assembly: &mut Assembly<'_, '_>, mut body: Body) -> Result<()> {
        let lsn = assembly.next_lsn;
        assembly.versions.next(lsn, &mut body);
        assembly.next_lsn += 1;
        assembly.endings.extend(Ending::of(lsn, &body));
        self.put(assembly, lsn, body)
    }

    fn mark(&mut self, assembly: &mut Assembly<'_, '_>) -> Result<()> {
        let lsn = assembly.next_lsn;
        let durable_lsn = match assembly.bytes.arbitrary::<u8>()? % 3 {
            0 => lsn - 1,
            1 => assembly.since_lsn.min(lsn - 1),
            _ => assembly.opening << 40,
        };
        let durable_lsn = durable_lsn.min(assembly.durable_max);
        assembly.clock_ms += u64::from(assembly.bytes.arbitrary::<u8>()?) * 10_000;
        assembly.clock_ms = assembly.clock_ms.min(NOW_MS);
        let clock_ms = assembly.or_odd(assembly.clock_ms)? & ((1 << 48) - 1);
        let body = Body::Mark {
            durable_lsn: assembly.or_odd(durable_lsn)?,
            since_lsn: assembly.or_odd(assembly.since_lsn)?,
            roster_lsn: assembly.or_odd(assembly.roster_lsn)?,
            clock_ms,
            endings: std::mem::take(&mut assembly.endings),
        };
        self.clock_ms = self.clock_ms.max(clock_ms);
        assembly.since_lsn = lsn;
        self.append(assembly, body)
    }

    /// The roster changes.
    pub fn change(&mut self, assembly: &mut Assembly<'_, '_>, body: Body) -> Result<()> {
        assembly.roster_lsn = assembly.next_lsn;
        self.append(assembly, body)
    }

    /// The last frame, which announces the next segment of the log.
    pub fn announce(&mut self, assembly: &mut Assembly<'_, '_>, number: u32, salt: u64) -> Result<()> {
        let next =
            Listed { number, compacted: false, salt, end: 0, lsn_min: u64::MAX, lsn_max: 0, ceiling_ms: 0 };
        self.append(assembly, Body::Enter(next))
    }

    /// A mark, and records with more marks between them.
    pub fn fill(&mut self, assembly: &mut Assembly<'_, '_>) -> Result<()> {
        self.mark(assembly)?;
        for _ in 0..assembly.bytes.arbitrary::<u8>()? % (RECORDS_MAX + 1) {
            match assembly.bytes.arbitrary::<u8>()? % 12 {
                0..5 => {
                    let put = put(assembly)?;
                    self.append(assembly, Body::Put(put))?;
                }
                5 => {
                    let (digest, birth) = (id(assembly.bytes)?, assembly.next_lsn - 1);
                    self.append(assembly, Body::Stub { digest, birth, ceiling_ms: NEVER_MS, ends: None })?;
                }
                6 | 7 => {
                    let digest = id(assembly.bytes)?;
                    let back = u64::from(assembly.bytes.arbitrary::<u8>()? % 8);
                    let (base, deadline_ms) = (assembly.next_lsn - 1 - back, deadline(assembly.bytes)?);
                    self.append(assembly, Body::Touch { digest, base, deadline_ms })?;
                }
                8 => {
                    let subject = subject(assembly.bytes)?;
                    let keep = if assembly.bytes.arbitrary()? { Some(id(assembly.bytes)?) } else { None };
                    self.append(assembly, Body::Revoke { subject, keep, ceiling_ms: NEVER_MS })?;
                }
                9 if assembly.bytes.arbitrary::<u8>()? & 3 == 3 => {
                    self.append(assembly, Body::Clear { ceiling_ms: NEVER_MS })?;
                }
                _ => self.mark(assembly)?,
            }
        }
        Ok(())
    }

    /// The file, filled up with zeros, its header in front.
    pub fn finish(mut self, assembly: &mut Assembly<'_, '_>) -> Result<(Segment, Vec<u8>)> {
        let length = self.contents.len().next_multiple_of(4096);
        self.contents.resize(length, 0);
        self.header.capacity = assembly.or_odd(length as u64)?;
        self.header.salt = self.salt;
        let header = self.header.bytes();
        self.contents[..header.len()].copy_from_slice(&header);
        if assembly.odd()? {
            let at = usize::from(assembly.bytes.arbitrary::<u8>()?) % header.len();
            self.contents[at] ^= assembly.bytes.arbitrary::<u8>()?;
            fuzzing::seal_segment_header(&mut self.contents);
        }
        let segment = Segment {
            number: self.number,
            salt: self.salt,
            file: self.file(),
            header,
            frames: self.frames,
            clock_ms: self.clock_ms,
            compacted: self.header.compacted,
            end: self.frames_end,
        };
        Ok((segment, self.contents))
    }
}

fn put(assembly: &mut Assembly<'_, '_>) -> Result<Put> {
    let bytes = &mut *assembly.bytes;
    let (digest, flags) = (id(bytes)?, bytes.arbitrary::<u8>()?);
    let length = bytes.arbitrary::<u8>()? % 40;
    Ok(Put {
        digest,
        deadline_ms: deadline(bytes)?,
        created_ms: NOW_MS - 7_200_000,
        idle_ms: 3_600_000,
        birth: assembly.next_lsn,
        absolute_ms: if flags & 1 == 0 { NEVER_MS } else { NOW_MS + 90_000_000 },
        ceiling_ms: NEVER_MS,
        subject: if flags & 2 == 0 { None } else { Some(subject(bytes)?) },
        ends: if flags & 12 == 12 { Some((id(bytes)?, NEVER_MS)) } else { None },
        id: None,
        payload: content(bytes, length)?,
    })
}

fn id(bytes: &mut Unstructured<'_>) -> Result<Digest> {
    let id = bytes.arbitrary::<u8>()?;
    Ok(digest_of(IDS[usize::from(id) % IDS.len()]))
}

fn subject(bytes: &mut Unstructured<'_>) -> Result<Digest> {
    let subject = bytes.arbitrary::<u8>()?;
    Ok(fuzzing::subject_digest(SECRET, SUBJECTS[usize::from(subject) % SUBJECTS.len()].as_bytes()))
}

/// Ahead, behind, never.
fn deadline(bytes: &mut Unstructured<'_>) -> Result<u64> {
    let choice = bytes.arbitrary::<u8>()?;
    let minutes = u64::from(choice >> 2);
    Ok(match choice & 3 {
        0 | 1 => NOW_MS + 60_000 + minutes * 60_000,
        2 => NOW_MS - minutes * 60_000,
        _ => NEVER_MS,
    })
}
