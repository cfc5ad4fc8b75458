//! What went into a directory, and what it means, as plainly as it can be said.

use std::collections::BTreeMap;

use sessile::fuzzing::{Body, Put};
use sessile::{Handle, Session};

use super::NOW_MS;

pub type Digest = [u8; 16];

/// A frame that went into a file.
#[derive(Debug, Clone)]
pub struct Frame {
    pub file: String,
    pub offset: u64,
    pub bytes: Vec<u8>,
    pub lsn: u64,
    pub body: Body,
}

/// Everything that was written and counts: frames of segments that are on the roster.
#[derive(Debug, Default)]
pub struct Written {
    pub frames: Vec<Frame>,
    /// Versions of sessions in frames whose bytes were twisted before they were sealed.
    pub twisted: Vec<(u64, Put)>,
    /// Up to here everything was durable, as each copy of the store's header says: offset in `STORE`, bytes, LSN.
    pub headers: Vec<(u64, Vec<u8>, u64)>,
    /// The segments at the end of the log, from the root on, and their headers.
    pub links: Vec<(String, Vec<u8>)>,
}

impl Frame {
    /// Whether compaction would carry it on.
    pub fn is_record(&self) -> bool {
        !matches!(self.body, Body::Mark { .. } | Body::Enter(_) | Body::Leave(_))
    }
}

/// What a session has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Alive { lsn: u64, deadline_ms: u64 },
    Dead,
}

impl Written {
    /// The session is a record that went in, and its deadline that of the record or of a touch of it.
    pub fn was_written(&self, digest: Digest, session: &Session, strange: bool) {
        let lsn = session.version().as_u64();
        let honest = self.frames.iter().filter_map(|frame| match &frame.body {
            Body::Put(put) => Some((frame.lsn, put)),
            _ => None,
        });
        let twisted = self.twisted.iter().map(|(lsn, put)| (*lsn, put));
        let is_this = |(at, put): &(u64, &Put)| {
            *at == lsn
                && put.digest == digest
                && put.payload == session.data()
                && put.created_ms == session.created_ms()
                && put.absolute_ms == session.absolute_deadline().as_ms()
                && put.subject.is_some() == session.subject().is_some()
        };
        let mut puts = honest.chain(twisted).filter(is_this).map(|(_, put)| put).peekable();
        assert!(puts.peek().is_some(), "no input wrote {session:?}");
        let deadline_ms = session.deadline().as_ms();
        assert!(deadline_ms > NOW_MS, "shown after its deadline: {session:?}");
        let touched = self.frames.iter().any(|frame| {
            matches!(&frame.body, Body::Touch { digest: of, base, deadline_ms: until }
                if *of == digest && *base == lsn && *until == deadline_ms)
        });
        let is_known = touched || puts.any(|put| put.deadline_ms == deadline_ms);
        assert!(is_known || strange, "a deadline that no input wrote: {session:?}");
    }

    /// A session that had ended, as far as what is left of the files tells that the log was durable, is not shown.
    pub fn is_not_back(&self, digest: Digest, session: &Session, files: &BTreeMap<String, Vec<u8>>) {
        let (durable, clock_ms) = self.durable(files);
        if session.version().as_u64() > durable {
            return;
        }
        let fate = self.judge(digest, clock_ms, durable);
        assert!(fate != Fate::Dead, "back, though it had ended at or below {durable}: {session:?}");
    }

    /// Up to where the log was durable, and at what time, by the marks and headers at its end that are still what they
    /// were. What stands behind a segment that is not announced any more tells nothing.
    fn durable(&self, files: &BTreeMap<String, Vec<u8>>) -> (u64, u64) {
        let is_there = |file: &str, offset: u64, bytes: &[u8]| is_there(files, file, offset, bytes);
        let headers = self.headers.iter().filter(|(at, bytes, _)| is_there("STORE", *at, bytes));
        let mut durable = headers.map(|(_, _, lsn)| *lsn).max().unwrap_or(0);
        let mut marks = Vec::new();
        for (file, header) in &self.links {
            if !is_there(file, 0, header) {
                break;
            }
            let left = |frame: &&Frame| frame.file == *file && is_there(file, frame.offset, &frame.bytes);
            let mut announces = false;
            for frame in self.frames.iter().filter(left) {
                match &frame.body {
                    Body::Mark { durable_lsn, clock_ms, .. } => {
                        marks.push((frame.lsn, *durable_lsn, *clock_ms))
                    }
                    Body::Enter(listed) => announces |= !listed.compacted,
                    _ => {}
                }
            }
            if !announces {
                break;
            }
        }
        durable = marks.iter().map(|(_, durable, _)| *durable).fold(durable, u64::max);
        let clock_ms = marks.iter().filter(|(lsn, _, _)| *lsn <= durable).map(|(_, _, clock)| *clock).max();
        (durable, clock_ms.unwrap_or(0))
    }

    /// What the records up to an LSN make of a session, at a time.
    pub fn judge(&self, digest: Digest, clock_ms: u64, up_to: u64) -> Fate {
        let frames = || self.frames.iter().filter(|frame| frame.lsn <= up_to);
        let newest = frames()
            .filter(|frame| match &frame.body {
                Body::Put(put) => put.digest == digest,
                Body::Stub { digest: of, .. } => *of == digest,
                _ => false,
            })
            .max_by_key(|frame| (frame.lsn, matches!(frame.body, Body::Put(_))));
        let Some(Frame { lsn, body: Body::Put(put), .. }) = newest else { return Fate::Dead };
        let ended = frames().filter(|frame| frame.lsn > *lsn).any(|frame| match &frame.body {
            Body::Put(Put { ends, .. }) | Body::Stub { ends, .. } => ends.is_some_and(|(of, _)| of == digest),
            Body::Revoke { subject, keep, .. } => put.subject == Some(*subject) && *keep != Some(digest),
            Body::Clear { .. } => true,
            _ => false,
        });
        // A touch that was not durable yet may be there, and counts.
        let touches = self.frames.iter().filter_map(|frame| match &frame.body {
            Body::Touch { digest: of, base, deadline_ms } if *of == digest && base == lsn => {
                Some(*deadline_ms)
            }
            _ => None,
        });
        let deadline_ms = touches.fold(put.deadline_ms, u64::max);
        if ended || deadline_ms <= clock_ms {
            return Fate::Dead;
        }
        Fate::Alive { lsn: *lsn, deadline_ms }
    }
}

/// Whether these bytes are still what they were.
fn is_there(files: &BTreeMap<String, Vec<u8>>, file: &str, offset: u64, bytes: &[u8]) -> bool {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    files.get(file).and_then(|file| file.get(offset..offset + bytes.len())) == Some(bytes)
}

/// The digest that a handle prints.
pub fn digest_of(handle: Handle) -> Digest {
    let text = handle.to_string();
    let mut digest = [0; 16];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).expect("it is hexadecimal");
        *byte = u8::from_str_radix(pair, 16).expect("it is hexadecimal");
    }
    digest
}
