//! The ledger: what listeners have been told, beside the log.
//!
//! The file `EVENTS` is there once somebody has listened. It has two copies, written in turn, each at its own half of the file:
//! ```text
//!   0          8        12      16         32       40     48       56      64    68
//!   ┌──────────┬────────┬───────┬──────────┬────────┬──────┬────────┬───────┬─────┬──────────┐
//!   │ SESTOLD1 │ format │ count │ store id │ number │ told │ missed │ slack │ crc │ ended... │
//!   └──────────┴────────┴───────┴──────────┴────────┴──────┴────────┴───────┴─────┴──────────┘
//!   a session that has run out, 33 bytes: 1, or 2 with a subject · handle 16 · subject 16
//! ```
//! Owns: this layout, and the file. Invariants:
//! 1. Of two sound copies the one with the higher number counts; the other one is written next.
//! 2. Whatever ran out at or before `told` by the log has been told, or stands among the ended, or counts as missed. So what counts
//!    as expired at an opening and ran out later than that is brought into memory once more, to be told.
//! 3. The file has its full length, durably, before it has its name: there is always room to write.
//!
//! A crash within a write leaves the other copy, which says less: then something is told twice.

use std::path::Path;
use std::sync::Arc;

use super::SessionEvent;
use super::ring::KEPT;
use crate::error::{Error, Full, Result};
use crate::id::{Digest, Handle, SubjectDigest};
use crate::log::bytes::{Put, Reader};
use crate::vfs::{self, Vfs, VfsFile};

/// The file's name.
pub(crate) const FILE_NAME: &str = "EVENTS";
const TMP_NAME: &str = "EVENTS.tmp";
const MAGIC: [u8; 8] = *b"SESTOLD1";
const FORMAT: u32 = 1;
/// Where the checksum stands; it covers what is before it and the events behind it.
const CRC_AT: usize = 64;
const HEAD_BYTES: usize = CRC_AT + 4;
const EVENT_BYTES: usize = 33;
/// Bytes of one copy, which has room for as many as are ever kept.
pub(crate) const COPY_BYTES: u64 = (HEAD_BYTES + KEPT * EVENT_BYTES).next_multiple_of(4096) as u64;

/// What the ledger says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// Whatever ran out at or before this has been told, or is among [`untold`](Self::untold).
    pub told_ms: u64,
    /// How many events were lost, for want of room, that the next listener would have heard.
    pub missed: u64,
    /// The largest slack of a touch that any opening had: memory may have been ahead of the log by that, and a snapshot keeps it.
    pub slack_ms: u64,
    /// Who has run out and was not dealt with yet, oldest first.
    pub untold: Vec<SessionEvent>,
}

/// The open file.
pub(crate) struct Ledger {
    file: Arc<dyn VfsFile>,
    store_id: [u8; 16],
    /// The number of the copy that counts.
    number: u64,
    /// What was read may be in the page cache alone: it is synced before the other copy is touched.
    known_durable: bool,
}

/// What there is of a ledger.
pub(crate) enum Sought {
    Found(Ledger, Told),
    /// Neither copy is sound, or can be read.
    Damaged,
    /// Nobody listens.
    Absent,
}

impl Ledger {
    /// Creates the file, or makes it anew: under another name, synced, renamed, the directory synced.
    ///
    /// # Errors
    /// `Full` where there is no room for it, `Io`.
    pub fn create(vfs: &dyn Vfs, directory: &Path, store_id: [u8; 16], told: &Told) -> Result<Self> {
        let failed = |error: std::io::Error| match vfs::is_full(&error) {
            true => Error::Full(Full::FileSystem),
            false => Error::io(format!("creating {FILE_NAME} in {}", directory.display()), error),
        };
        let tmp = directory.join(TMP_NAME);
        match vfs.remove(&tmp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = vfs.create(&tmp).map_err(failed)?;
        let mut ledger = Self { file, store_id, number: 0, known_durable: true };
        let made = ledger.file.allocate(2 * COPY_BYTES).map_err(failed).and_then(|()| {
            ledger.write(told)?;
            vfs.rename(&tmp, &directory.join(FILE_NAME)).map_err(failed)?;
            vfs.sync_dir(directory).map_err(failed)
        });
        if made.is_err() {
            let _ = vfs.remove(&tmp);
        }
        made.map(|()| ledger)
    }

    /// Opens the file of this store, if it is there. No store stays closed because of it: what cannot be read is damaged.
    pub fn open(vfs: &dyn Vfs, directory: &Path, store_id: [u8; 16]) -> Sought {
        let file = match vfs.open(&directory.join(FILE_NAME), true) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Sought::Absent,
            Err(_) => return Sought::Damaged,
        };
        let mut best: Option<(u64, Told)> = None;
        for offset in [0, COPY_BYTES] {
            let mut bytes = vec![0; COPY_BYTES as usize];
            let Ok(read) = vfs::read_up_to(file.as_ref(), &mut bytes, offset) else { continue };
            bytes.truncate(read);
            let copy = decode(&bytes, store_id);
            best = best.into_iter().chain(copy).max_by_key(|(number, _)| *number);
        }
        best.map_or(Sought::Damaged, |(number, told)| {
            Sought::Found(Self { file, store_id, number, known_durable: false }, told)
        })
    }

    /// Writes down, durably, what has been told by now and what has not.
    ///
    /// # Errors
    /// `Io`; then what was there before may still count, and nothing may be written here any more.
    pub fn write(&mut self, told: &Told) -> Result<()> {
        let failed = |error| Error::io(format!("writing {FILE_NAME}"), error);
        if !self.known_durable {
            self.file.sync().map_err(failed)?;
            self.known_durable = true;
        }
        let number = self.number + 1;
        let bytes = encode(number, told, self.store_id);
        vfs::write_all_at(self.file.as_ref(), &bytes, (number % 2) * COPY_BYTES).map_err(failed)?;
        self.file.sync().map_err(failed)?;
        self.number = number;
        Ok(())
    }
}

/// For those who write ledgers that no store would write.
#[cfg(feature = "fuzzing")]
impl Ledger {
    /// The number of the copy that counts.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What is understood of a copy, written again.
    pub fn read_again(bytes: &[u8], store_id: [u8; 16]) -> Option<(u64, Vec<u8>)> {
        decode(bytes, store_id).map(|(number, told)| (number, encode(number, &told, store_id)))
    }

    /// Puts the checksum of a copy right, which is as long as it claims to be.
    pub fn seal(bytes: &mut [u8]) -> Option<()> {
        let count = Reader::new(bytes.get(12..)?).u32()? as usize;
        let length = count.checked_mul(EVENT_BYTES)?.checked_add(HEAD_BYTES)?;
        let crc = checksum(bytes.get(..length)?).to_le_bytes();
        bytes.get_mut(CRC_AT..HEAD_BYTES)?.copy_from_slice(&crc);
        Some(())
    }
}

fn encode(number: u64, told: &Told, store_id: [u8; 16]) -> Vec<u8> {
    // What is oldest is given up first, as in the ring.
    let untold = told.untold.get(told.untold.len().saturating_sub(KEPT)..).unwrap_or_default();
    let ended: Vec<_> = untold.iter().filter_map(parts).collect();
    let mut out = Vec::with_capacity(HEAD_BYTES + ended.len() * EVENT_BYTES);
    out.extend_from_slice(&MAGIC);
    out.put_u32(FORMAT);
    out.put_u32(ended.len() as u32);
    out.extend_from_slice(&store_id);
    [number, told.told_ms, told.missed, told.slack_ms].into_iter().for_each(|value| out.put_u64(value));
    out.put_u32(0);
    for (kind, handle, subject) in ended {
        out.push(kind);
        out.put_digest(handle);
        out.put_digest(subject);
    }
    let crc = checksum(&out).to_le_bytes();
    out.get_mut(CRC_AT..HEAD_BYTES).into_iter().for_each(|place| place.copy_from_slice(&crc));
    out
}

fn decode(bytes: &[u8], store_id: [u8; 16]) -> Option<(u64, Told)> {
    let mut reader = Reader::new(bytes);
    if reader.take(8)? != MAGIC || reader.u32()? != FORMAT {
        return None;
    }
    let count = reader.u32()? as usize;
    let own = reader.take(16)? == store_id;
    let (number, told_ms) = (reader.u64()?, reader.u64()?);
    let (missed, slack_ms, crc) = (reader.u64()?, reader.u64()?, reader.u32()?);
    let length = count.checked_mul(EVENT_BYTES)?.checked_add(HEAD_BYTES)?;
    // A number that could not be followed by another one is none that was given.
    if !own || count > KEPT || number > u64::MAX / 2 || checksum(bytes.get(..length)?) != crc {
        return None;
    }
    let ended = (0..count).map(|_| event(reader.u8()?, reader.digest()?, reader.digest()?));
    Some((number, Told { told_ms, missed, slack_ms, untold: ended.collect::<Option<_>>()? }))
}

/// Of everything but the checksum itself.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..CRC_AT).unwrap_or_default());
    hasher.update(bytes.get(HEAD_BYTES..).unwrap_or_default());
    hasher.finalize()
}

const NOBODY: Digest = Digest([0; 16]);

/// An event as it is written; `None` for one that no opening tells again.
fn parts(event: &SessionEvent) -> Option<(u8, Digest, Digest)> {
    match event {
        SessionEvent::Expired { handle, subject: None } => Some((1, handle.0, NOBODY)),
        SessionEvent::Expired { handle, subject: Some(subject) } => Some((2, handle.0, subject.0)),
        SessionEvent::Created { .. }
        | SessionEvent::Updated { .. }
        | SessionEvent::Ended { .. }
        | SessionEvent::Cleared => None,
    }
}

fn event(kind: u8, handle: Digest, subject: Digest) -> Option<SessionEvent> {
    match kind {
        1 if subject == NOBODY => Some(SessionEvent::Expired { handle: Handle(handle), subject: None }),
        2 => Some(SessionEvent::Expired { handle: Handle(handle), subject: Some(SubjectDigest(subject)) }),
        _ => None,
    }
}

impl SessionEvent {
    /// Whether an opening tells it again if nobody has dealt with it.
    pub(crate) fn is_kept_across_openings(&self) -> bool {
        parts(self).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: [u8; 16] = [9; 16];

    fn some() -> Vec<SessionEvent> {
        let (handle, subject) = (Handle(Digest([1; 16])), SubjectDigest(Digest([2; 16])));
        vec![
            SessionEvent::Expired { handle, subject: None },
            SessionEvent::Created { handle, subject: None },
            SessionEvent::Expired { handle, subject: Some(subject) },
            SessionEvent::Cleared,
        ]
    }

    fn told(untold: Vec<SessionEvent>) -> Told {
        Told { told_ms: 1000, missed: 3, slack_ms: 60, untold }
    }

    #[test]
    fn the_bytes_are_these() {
        let mut bytes = b"SESTOLD1\x01\0\0\0\x02\0\0\0".to_vec();
        bytes.extend([9; 16]);
        bytes.extend([7, 1000, 3, 60].iter().flat_map(|value: &u64| value.to_le_bytes()));
        let ended = [[1, 1, 0], [2, 1, 2]];
        let ended = ended.iter().flat_map(|[kind, handle, subject]| {
            [vec![*kind], vec![*handle; 16], vec![*subject; 16]].concat()
        });
        let ended: Vec<u8> = ended.collect();
        let crc = crc32fast::hash(&[&bytes[..], &ended[..]].concat());
        bytes.extend(crc.to_le_bytes());
        bytes.extend(ended);
        assert_eq!(encode(7, &told(some()), STORE), bytes);
        let untold = some().into_iter().filter(SessionEvent::is_kept_across_openings).collect();
        assert_eq!(decode(&bytes, STORE), Some((7, told(untold))));
    }

    #[test]
    fn what_is_cut_changed_or_anothers_is_not_believed() {
        let bytes = encode(7, &told(some()), STORE);
        assert!((0..bytes.len()).all(|length| decode(&bytes[..length], STORE).is_none()));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&changed, STORE).is_none(), "bit {bit}");
        }
        assert!(decode(&bytes, [8; 16]).is_none());
        assert!(decode(&encode(u64::MAX, &told(some()), STORE), STORE).is_none());
        let mut behind = bytes.clone();
        behind.extend([0xff; 100]);
        assert_eq!(
            decode(&behind, STORE),
            decode(&bytes, STORE),
            "what an older copy has left counts for nothing"
        );
    }

    #[test]
    fn a_copy_holds_whatever_is_kept() {
        let (handle, subject) = (Handle(Digest([1; 16])), Some(SubjectDigest(Digest([2; 16]))));
        let all = vec![SessionEvent::Expired { handle, subject }; KEPT + 100];
        let bytes = encode(1, &told(all), STORE);
        assert!(bytes.len() as u64 <= COPY_BYTES && decode(&bytes, STORE).is_some());
    }
}
