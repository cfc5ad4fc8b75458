//! Parts of a store out of plain values: whoever assembles a directory knows what was written into it.

use crate::id::{Digest, Secret};
use crate::index::{Entry, Place};
use crate::log::bytes::Reader;
use crate::log::format::{Envelope, Format};
use crate::log::frame::{self, Kind};
use crate::log::header;
use crate::log::hint::Hints;
use crate::log::mark::{self, Mark};
use crate::log::record::{self, Record, Version, What};
use crate::log::roster::{self, Origin, Roster};
use crate::recovery::scan::scan;
use crate::recovery::snapshot::{self, Moment};
use crate::session::Deadline;

/// A whole version of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub digest: [u8; 16],
    pub deadline_ms: u64,
    pub created_ms: u64,
    pub idle_ms: u64,
    pub birth: u64,
    pub absolute_ms: u64,
    pub ceiling_ms: u64,
    pub subject: Option<[u8; 16]>,
    /// The digest that a rotate ends, and its ceiling.
    pub ends: Option<([u8; 16], u64)>,
    pub id: Option<Vec<u8>>,
    pub payload: Vec<u8>,
}

/// An ending as a mark or footer repeats it: no digest is all, `of_subject` a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    pub lsn: u64,
    pub ceiling_ms: u64,
    pub digest: Option<[u8; 16]>,
    pub of_subject: bool,
    pub keep: Option<[u8; 16]>,
}

/// A segment as the roster lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    pub number: u32,
    pub compacted: bool,
    pub salt: u64,
    pub end: u64,
    pub lsn_min: u64,
    pub lsn_max: u64,
    pub ceiling_ms: u64,
}

/// What stands in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Put(Put),
    Stub { digest: [u8; 16], birth: u64, ceiling_ms: u64, ends: Option<([u8; 16], u64)> },
    Touch { digest: [u8; 16], base: u64, deadline_ms: u64 },
    Revoke { subject: [u8; 16], keep: Option<[u8; 16]>, ceiling_ms: u64 },
    Clear { ceiling_ms: u64 },
    Mark { durable_lsn: u64, since_lsn: u64, roster_lsn: u64, clock_ms: u64, endings: Vec<Ending> },
    Enter(Listed),
    Leave(Vec<u32>),
}

/// The digest of an id under a store's secret; all zeros for an id that no store takes.
#[must_use]
pub fn digest(secret: [u8; 32], id: &[u8]) -> [u8; 16] {
    Secret(secret).of_id(id).map_or([0; 16], |digest| digest.0)
}

/// As [`digest`], of a subject.
#[must_use]
pub fn subject_digest(secret: [u8; 32], subject: &[u8]) -> [u8; 16] {
    Secret(secret).of_subject(subject).map_or([0; 16], |digest| digest.0)
}

/// A frame for `offset` of a segment with this salt.
#[must_use]
pub fn frame_bytes(salt: u64, offset: u64, lsn: u64, body: &Body) -> Vec<u8> {
    let mut out = Vec::new();
    let at = Deadline::at_ms;
    let ends = |ends: &Option<([u8; 16], u64)>| {
        ends.map(|(digest, ms)| record::Ends { digest: Digest(digest), ceiling: at(ms) })
    };
    let what = match body {
        Body::Put(put) => What::Put(Version {
            digest: Digest(put.digest),
            deadline: at(put.deadline_ms),
            created_ms: put.created_ms,
            idle_ms: put.idle_ms,
            birth: put.birth,
            absolute: at(put.absolute_ms),
            ceiling: at(put.ceiling_ms),
            subject: put.subject.map(Digest),
            ends: ends(&put.ends),
            id: put.id.as_deref(),
            payload: &put.payload,
            sealed_to: None,
        }),
        Body::Stub { digest, birth, ceiling_ms, ends: ended } => {
            What::Stub { digest: Digest(*digest), birth: *birth, ceiling: at(*ceiling_ms), ends: ends(ended) }
        }
        Body::Touch { digest, base, deadline_ms } => {
            What::Touch { digest: Digest(*digest), base: *base, deadline: at(*deadline_ms) }
        }
        Body::Revoke { subject, keep, ceiling_ms } => {
            What::Revoke { subject: Digest(*subject), keep: keep.map(Digest), ceiling: at(*ceiling_ms) }
        }
        Body::Clear { ceiling_ms } => What::Clear { ceiling: at(*ceiling_ms) },
        Body::Mark { durable_lsn, since_lsn, roster_lsn, clock_ms, endings } => {
            let endings = endings.iter().map(Ending::inside).collect();
            let (durable_lsn, since_lsn, roster_lsn) = (*durable_lsn, *since_lsn, *roster_lsn);
            let mark = Mark { durable_lsn, since_lsn, roster_lsn, clock_ms: *clock_ms, endings };
            frame::encode(&mut out, salt, offset, Kind::Mark, lsn, |out| mark.encode(out));
            return out;
        }
        Body::Enter(listed) => {
            frame::encode(&mut out, salt, offset, Kind::Enter, lsn, |out| listed.inside().encode(out));
            return out;
        }
        Body::Leave(numbers) => {
            frame::encode(&mut out, salt, offset, Kind::Leave, lsn, |out| roster::encode_leave(out, numbers));
            return out;
        }
    };
    Record { lsn, what }.encode(&mut out, salt, offset);
    out
}

impl Ending {
    /// What a frame of that LSN ends, if it ends anything.
    #[must_use]
    pub fn of(lsn: u64, body: &Body) -> Option<Self> {
        let one = |digest, ceiling_ms| Self {
            lsn,
            ceiling_ms,
            digest: Some(digest),
            of_subject: false,
            keep: None,
        };
        Some(match body {
            Body::Put(put) => put.ends.map(|(digest, ceiling_ms)| one(digest, ceiling_ms))?,
            Body::Stub { digest, ceiling_ms, .. } => one(*digest, *ceiling_ms),
            Body::Revoke { subject, keep, ceiling_ms } => {
                Self { of_subject: true, keep: *keep, ..one(*subject, *ceiling_ms) }
            }
            Body::Clear { ceiling_ms } => Self { digest: None, ..one([0; 16], *ceiling_ms) },
            _ => return None,
        })
    }

    fn inside(&self) -> mark::Ending {
        let what = match self.digest {
            None => mark::Ended::All,
            Some(subject) if self.of_subject => {
                mark::Ended::Subject { subject: Digest(subject), keep: self.keep.map(Digest) }
            }
            Some(digest) => mark::Ended::One(Digest(digest)),
        };
        mark::Ending { lsn: self.lsn, ceiling: Deadline::at_ms(self.ceiling_ms), what }
    }
}

impl Listed {
    pub(super) fn inside(&self) -> roster::Listed {
        roster::Listed {
            number: self.number,
            origin: if self.compacted { Origin::Compaction } else { Origin::Log },
            salt: self.salt,
            end: self.end,
            lsn_min: self.lsn_min,
            lsn_max: self.lsn_max,
            ceiling: Deadline::at_ms(self.ceiling_ms),
        }
    }
}

/// A segment's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    pub number: u32,
    pub compacted: bool,
    pub store_id: [u8; 16],
    pub salt: u64,
    pub opening: u64,
    pub clock_ms: u64,
    pub lsn_first: u64,
    pub copied_to: u64,
    pub capacity: u64,
    /// What its envelope holds, in format 2; as much of it as one can hold.
    pub envelope: Option<Vec<u8>>,
    pub roster: Vec<Listed>,
}

fn format_of(envelope: Option<&Vec<u8>>) -> Format {
    if envelope.is_some() { Format::V2 } else { Format::V1 }
}

fn envelope<const BYTES_MAX: usize>(bytes: Option<&Vec<u8>>) -> Envelope<BYTES_MAX> {
    let held = bytes.into_iter().flatten().copied().take(BYTES_MAX).collect();
    Envelope::new(held).unwrap_or_default()
}

impl SegmentHeader {
    /// How long it is: where the frames begin.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.bytes().len() as u64
    }

    /// The header.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let origin = if self.compacted { Origin::Compaction } else { Origin::Log };
        let roster = Roster::new(self.roster.iter().map(Listed::inside).collect());
        header::SegmentHeader {
            format: format_of(self.envelope.as_ref()),
            number: self.number,
            origin,
            store_id: self.store_id,
            salt: self.salt,
            opening: self.opening,
            clock_ms: self.clock_ms,
            lsn_first: self.lsn_first,
            copied_to: self.copied_to,
            capacity: self.capacity,
            envelope: envelope(self.envelope.as_ref()),
            roster,
        }
        .encode()
    }
}

/// One copy of the store's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHeader {
    pub store_id: [u8; 16],
    pub secret: [u8; 32],
    pub opening: u64,
    pub durable_lsn: u64,
    pub root: u32,
    pub keeps_ids: bool,
    /// What its envelope holds, in format 2; as much of it as one can hold.
    pub envelope: Option<Vec<u8>>,
}

impl StoreHeader {
    /// The copy.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let Self { store_id, secret, opening, durable_lsn, root, keeps_ids, envelope: ref held } = *self;
        let (format, envelope) = (format_of(held.as_ref()), envelope(held.as_ref()));
        header::StoreHeader { format, store_id, secret, opening, durable_lsn, root, keeps_ids, envelope }
            .encode()
    }
}

/// The footer that belongs behind these frames, which begin at `start` of a segment with this salt.
#[must_use]
pub fn footer_of(frames: &[u8], start: u64, salt: u64) -> Vec<u8> {
    let mut hints = Hints::default();
    scan(frames, start, salt, false, |offset, frame| {
        if let Some(record) = Record::decode(&frame) {
            hints.note(&record, offset, frame.span());
        }
    });
    hints.sort();
    hints.encode(salt, start + frames.len() as u64)
}

/// A session in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotEntry {
    pub digest: [u8; 16],
    pub segment: u32,
    pub offset: u64,
    pub deadline_ms: u64,
    pub arming: u8,
    pub subject: Option<[u8; 16]>,
}

/// What a snapshot is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotParts {
    pub store_id: [u8; 16],
    pub opening: u64,
    pub last_lsn: u64,
    /// Number, salt and live bytes of every segment.
    pub segments: Vec<(u32, u64, u64)>,
    pub entries: Vec<SnapshotEntry>,
}

impl SnapshotParts {
    /// The snapshot.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let segments = self.segments.iter().map(|(number, salt, _)| (*number, *salt)).collect();
        let moment = Moment::new(self.store_id, self.opening, self.last_lsn, segments);
        let live_bytes = self.segments.iter().map(|(number, _, live_bytes)| (*number, *live_bytes)).collect();
        let entry = |entry: &SnapshotEntry| {
            let place = Place { segment: entry.segment, offset: (entry.offset / 8) as u32 };
            let deadline = Deadline::at_ms(entry.deadline_ms);
            Entry::new(tag(entry.digest), place, deadline, entry.arming).with_subject(entry.subject.is_some())
        };
        let subject = |entry: &SnapshotEntry| Some((Digest(entry.subject?), tag(entry.digest)));
        let subjects = self.entries.iter().filter_map(subject).collect();
        snapshot::bytes_of(&moment, live_bytes, self.entries.iter().map(entry).collect(), subjects)
    }
}

fn tag(digest: [u8; 16]) -> u64 {
    Reader::new(&digest).digest().map_or(0, Digest::tag)
}
