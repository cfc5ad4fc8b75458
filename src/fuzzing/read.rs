//! Bytes to a decoder, and what was understood written again.

use std::path::Path;
use std::sync::Arc;

use super::Put;
use crate::error::Result;
use crate::events::{COPY_BYTES, Ledger, Sought};
use crate::log::bytes::Reader;
use crate::log::frame::{self, Kind};
use crate::log::header::{SegmentHeader, StoreCopy, StoreHeader};
use crate::log::hint::Hints;
use crate::log::mark::Mark;
use crate::log::record::{Record, What};
use crate::log::root::Root;
use crate::log::roster::{Listed, Roster, decode_leave, encode_leave};
use crate::options::ReadMode;
use crate::recovery::open::Directory;
use crate::recovery::scan::scan;
use crate::recovery::sealed::Sealed;
use crate::recovery::snapshot::{self, Items, Moment, Snapshot};
use crate::recovery::source::Source;
use crate::sealing::Sealing;
use crate::vfs::Vfs;

/// The frame at the front of `bytes`, and what stands in it: nothing where the body is none that a release writes.
#[must_use]
pub fn frame(bytes: &[u8], salt: u64, offset: u64) -> Option<(usize, Option<Vec<u8>>)> {
    let frame = frame::decode(bytes, salt, offset)?;
    let mut out = Vec::new();
    let mut again = |write: &dyn Fn(&mut Vec<u8>)| {
        frame::encode(&mut out, salt, offset, frame.kind, frame.lsn, |out| write(out));
    };
    let understood = match frame.kind {
        Kind::Mark => Mark::decode(frame.body).map(|mark| again(&|out| mark.encode(out))),
        Kind::Enter => {
            Listed::decode(&mut Reader::new(frame.body)).map(|listed| again(&|out| listed.encode(out)))
        }
        Kind::Leave => decode_leave(frame.body).map(|numbers| again(&|out| encode_leave(out, &numbers))),
        _ => Record::decode(&frame).map(|record| record.encode(&mut out, salt, offset)),
    };
    Some((frame.span(), understood.map(|()| out)))
}

/// The version of a session in the frame at the front of `bytes`, and its LSN.
#[must_use]
pub fn put(bytes: &[u8], salt: u64, offset: u64) -> Option<(u64, Put)> {
    let frame = frame::decode(bytes, salt, offset)?;
    let Record { lsn, what: What::Put(version) } = Record::decode(&frame)? else { return None };
    if version.sealed_to.is_some() {
        return None;
    }
    let put = Put {
        digest: version.digest.0,
        deadline_ms: version.deadline.as_ms(),
        created_ms: version.created_ms,
        idle_ms: version.idle_ms,
        birth: version.birth,
        absolute_ms: version.absolute.as_ms(),
        ceiling_ms: version.ceiling.as_ms(),
        subject: version.subject.map(|subject| subject.0),
        ends: version.ends.map(|ends| (ends.digest.0, ends.ceiling.as_ms())),
        id: version.id.map(<[u8]>::to_vec),
        payload: version.payload.to_vec(),
    };
    Some((lsn, put))
}

/// The mark in the body of a frame, written again.
#[must_use]
pub fn mark(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    Mark::decode(body)?.encode(&mut out);
    Some(out)
}

/// An entry of the roster, written again.
#[must_use]
pub fn listed(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    Listed::decode(&mut Reader::new(body))?.encode(&mut out);
    Some(out)
}

/// The numbers of segments that leave, written again.
#[must_use]
pub fn leave(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    encode_leave(&mut out, &decode_leave(body)?);
    Some(out)
}

/// The numbers and ends on a roster after changes, each the body of an `Enter` (`true`) or a `Leave` frame.
#[must_use]
pub fn roster(changes: &[(bool, &[u8])]) -> Vec<(u32, u64)> {
    let mut roster = Roster::default();
    for (enters, body) in changes {
        if *enters {
            Listed::decode(&mut Reader::new(body)).into_iter().for_each(|listed| roster.enter(listed));
        } else {
            decode_leave(body).into_iter().for_each(|numbers| roster.leave(&numbers));
        }
    }
    roster.iter().map(|listed| (listed.number, listed.end)).collect()
}

/// What a scan found: frames and holes, each with where it begins and ends.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Begin, end, LSN.
    pub frames: Vec<(u64, u64, u64)>,
    pub holes: Vec<(u64, u64)>,
}

/// Scans bytes that stand at `start` of a segment with this salt.
#[must_use]
pub fn scanned(bytes: &[u8], start: u64, salt: u64, ordered: bool) -> Scanned {
    let mut found = Scanned::default();
    let holes = scan(bytes, start, salt, ordered, |offset, frame| {
        found.frames.push((offset, offset + frame.span() as u64, frame.lsn));
    });
    found.holes = holes.iter().map(|hole| (hole.offset, hole.end)).collect();
    found
}

/// A segment's header: where its frames begin, its salt, and the header written again.
#[must_use]
pub fn segment_header(bytes: &[u8]) -> Option<(u64, u64, Vec<u8>)> {
    let header = SegmentHeader::decode(bytes)?;
    Some((header.length() as u64, header.salt, header.encode()))
}

/// A footer that was understood.
#[derive(Debug)]
pub struct FooterRead {
    pub again: Vec<u8>,
    pub hints: usize,
    pub sweeping: usize,
}

/// The footer at the front of `bytes`, which stand at `end` of a segment with this salt.
#[must_use]
pub fn footer(bytes: &[u8], salt: u64, end: u64) -> Option<FooterRead> {
    let hints = Hints::decode(bytes, salt, end)?;
    let again = hints.encode(salt, end);
    Some(FooterRead { again, hints: hints.hints.len(), sweeping: hints.sweeping.len() })
}

/// One copy of the store's header.
#[derive(Debug, PartialEq, Eq)]
pub enum StoreRead {
    Sound(Vec<u8>),
    Newer(u32),
    Damaged,
}

/// Reads one copy of the store's header.
#[must_use]
pub fn store_header(bytes: &[u8]) -> StoreRead {
    match StoreHeader::decode(bytes) {
        StoreCopy::Sound(header) => StoreRead::Sound(header.encode()),
        StoreCopy::Newer(format) => StoreRead::Newer(format),
        StoreCopy::Damaged => StoreRead::Damaged,
    }
}

/// Reads the file `STORE` in a directory, and gives the copy that counts.
///
/// # Errors
/// As opening a store does.
pub fn store_file(vfs: &dyn Vfs, directory: &Path) -> Result<Option<Vec<u8>>> {
    Ok(Root::read(vfs, directory, false)?.map(|root| root.header().encode()))
}

/// The most bytes that one copy of the store's header takes.
pub const STORE_COPY_BYTES_MAX: usize = StoreHeader::BYTES_MAX;

/// Bytes of one copy of the ledger.
pub const LEDGER_COPY_BYTES: usize = COPY_BYTES as usize;

/// What there is of the ledger's file.
#[derive(Debug, PartialEq, Eq)]
pub enum LedgerRead {
    /// The number of the copy that counts.
    Sound(u64),
    /// No copy is sound.
    Damaged,
    /// No file.
    Absent,
}

/// Reads one copy of the ledger of this store: its number, and what was understood written again.
#[must_use]
pub fn ledger(bytes: &[u8], store_id: [u8; 16]) -> Option<(u64, Vec<u8>)> {
    Ledger::read_again(bytes, store_id)
}

/// Reads the file `EVENTS` in a directory.
pub fn ledger_file(vfs: &dyn Vfs, directory: &Path, store_id: [u8; 16]) -> LedgerRead {
    match Ledger::open(vfs, directory, store_id) {
        Sought::Found(ledger, _) => LedgerRead::Sound(ledger.number()),
        Sought::Damaged => LedgerRead::Damaged,
        Sought::Absent => LedgerRead::Absent,
    }
}

/// How many entries, subjects and segments a snapshot holds, taken to speak of the moment that it claims.
#[must_use]
pub fn snapshot(bytes: &[u8]) -> Option<[usize; 3]> {
    let mut reader = Reader::new(bytes.get(8..)?);
    let store_id = reader.take(16)?.try_into().ok()?;
    let (opening, last_lsn, roster) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let moment = Moment { store_id, opening, last_lsn, roster };
    let snapshot = Snapshot::check(Source::Memory(bytes.to_vec()), &moment)?;
    let (mut counts, mut buffer) = ([0, 0, snapshot.live_bytes.len()], Vec::new());
    let [entries, subjects, _] = &mut counts;
    for part in 0..snapshot.parts() {
        match snapshot.part(part, &mut buffer).ok()? {
            Items::Entries(bytes) => *entries += snapshot::entries(bytes).count(),
            Items::Subjects(bytes) => *subjects += snapshot::subjects(bytes).count(),
        }
    }
    Some(counts)
}

/// What a sealed segment says of itself.
#[derive(Debug)]
pub struct SealedRead {
    /// Its hints and sweeping endings, as the footer that they would make.
    pub footer: Vec<u8>,
    pub hints: usize,
    /// Whether the frames had to be read.
    pub scanned: bool,
    pub endings: usize,
    /// Where damage is, and whether endings may be missing because of it.
    pub damage: Vec<(u64, bool)>,
}

/// Reads a sealed segment in a directory of a store, as the roster lists it.
///
/// # Errors
/// `Corrupt` where it is not what is listed.
pub fn sealed(
    vfs: Arc<dyn Vfs>,
    directory: &Path,
    store_id: [u8; 16],
    listed: &super::Listed,
) -> Result<SealedRead> {
    let sealing = Sealing::default();
    let directory =
        Directory { vfs, path: directory.to_owned(), store_id, read_mode: ReadMode::Plain, sealing };
    let sealed = Sealed::read(&directory, &listed.inside())?;
    let hints = Hints { hints: sealed.run.hints()?, sweeping: sealed.endings };
    Ok(SealedRead {
        footer: hints.encode(listed.salt, listed.end),
        hints: hints.hints.len(),
        scanned: sealed.scanned,
        endings: hints.sweeping.len(),
        damage: sealed.damage.iter().map(|(damage, lost)| (damage.offset, lost.is_some())).collect(),
    })
}
