//! Hints: what recovery needs to know of each record of a segment, sorted by digest, without its payload.
//!
//! The footer stands behind the last frame of a sealed segment:
//! ```text
//!   0          8       12        16         20        24
//!   ┌──────────┬───────┬─────────┬──────────┬─────────┬───────────┬───────────────┬──────────────────┐
//!   │ SESHINT1 │ hints │ subjects│ endings  │ crc     │ hints...  │ subjects...   │ endings...       │
//!   └──────────┴───────┴─────────┴──────────┴─────────┴───────────┴───────────────┴──────────────────┘
//!   a hint, 40 bytes:
//!   ┌────────────────┬────────┬────────┬────────┬──────┬──────┐
//!   │ digest 16      │ lsn 8  │ base 8 │deadline│kind 4│span12│   base: of a touch the LSN that it extends; of a put
//!   └────────────────┴────────┴────────┴────────┴──────┴──────┘   its place, and its subject's number in `subjects`
//! ```
//! Owns: this layout. A footer is a cache of its segment's frames, and the second copy of its endings (rule 12):
//! any doubt, and the frames are read instead.

use super::bytes::{Put, Reader};
use super::mark::Ending;
use super::record::{Record, What};
use crate::id::Digest;
use crate::session::Deadline;

const MAGIC: [u8; 8] = *b"SESHINT1";
const HEAD_BYTES: usize = 24;
pub(crate) const HINT_BYTES: usize = 40;
pub(crate) const SUBJECT_BYTES: usize = 16;
/// What stands for the number of a subject where there is none.
pub(crate) const NO_SUBJECT: u32 = u32::MAX;
/// A frame too long for the twelve bits of a hint, in 8-byte units: ask the frame itself.
pub(crate) const SPAN_UNKNOWN: u32 = 0xfff * 8;

/// What one record says about one digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hint {
    pub digest: Digest,
    pub lsn: u64,
    pub deadline: Deadline,
    pub what: Hinted,
}

/// The kinds of hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hinted {
    /// A version of the session, at `place` (in 8-byte units) of its segment.
    /// Its frame takes `span` bytes; [`SPAN_UNKNOWN`] where that does not fit a hint.
    Put { place: u32, span: u32, subject: Option<Digest> },
    /// The session has ended; `deadline` is the ceiling.
    Stub,
    /// A later deadline for the record of that LSN.
    Touch { base: u64 },
    /// A rotate to another id ended whatever was older; `deadline` is the ceiling.
    Ended,
}

/// The hints of one segment, sorted by digest, and its revocations and clears.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hints {
    pub hints: Vec<Hint>,
    /// Endings that concern no single digest.
    pub sweeping: Vec<Ending>,
}

impl Hints {
    /// Notes what a record at this offset of its segment says.
    pub fn note(&mut self, record: &Record<'_>, offset: u64, span: usize) {
        let lsn = record.lsn;
        let mut hint = |digest, deadline, what| self.hints.push(Hint { digest, lsn, deadline, what });
        match record.what {
            What::Put(version) => {
                let place = (offset / 8) as u32;
                let span = u32::try_from(span).unwrap_or(u32::MAX).min(SPAN_UNKNOWN);
                hint(version.digest, version.deadline, Hinted::Put { place, span, subject: version.subject });
                if let Some(ends) = version.ends {
                    hint(ends.digest, ends.ceiling, Hinted::Ended);
                }
            }
            What::Stub { digest, ceiling, ends, .. } => {
                hint(digest, ceiling, Hinted::Stub);
                if let Some(ends) = ends {
                    hint(ends.digest, ends.ceiling, Hinted::Ended);
                }
            }
            What::Touch { digest, base, deadline } => hint(digest, deadline, Hinted::Touch { base }),
            What::Revoke { .. } | What::Clear { .. } => self.sweeping.extend(Ending::of(record)),
        }
    }

    /// Sorts by digest, oldest first, as the merge of recovery and the footer want it.
    pub fn sort(&mut self) {
        self.hints.sort_unstable_by_key(|hint| (hint.digest, hint.lsn));
    }

    /// The footer, for the end of the frames of a segment with this salt. Sort first.
    pub fn encode(&self, salt: u64, end: u64) -> Vec<u8> {
        let mut subjects = Vec::new();
        let mut body = Vec::with_capacity(self.hints.len() * HINT_BYTES);
        for hint in &self.hints {
            let (kind, base) = match hint.what {
                Hinted::Put { place, span, subject } => {
                    subjects.extend(subject);
                    let subject = subject.map_or(NO_SUBJECT, |_| subjects.len() as u32 - 1);
                    (1 | ((span / 8) as u16) << 4, join(place, subject))
                }
                Hinted::Stub => (2, 0),
                Hinted::Touch { base } => (3, base),
                Hinted::Ended => (4, 0),
            };
            body.put_digest(hint.digest);
            body.put_u64(hint.lsn);
            body.put_u64(base);
            body.put_u48(hint.deadline.bits());
            body.put_u16(kind);
        }
        subjects.iter().for_each(|subject| body.put_digest(*subject));
        self.sweeping.iter().for_each(|ending| ending.encode(&mut body));
        let mut out = Vec::with_capacity(HEAD_BYTES + body.len());
        out.extend_from_slice(&MAGIC);
        out.put_u32(self.hints.len() as u32);
        out.put_u32(subjects.len() as u32);
        out.put_u32(self.sweeping.len() as u32);
        let crc = Self::crc(salt, end, &out, &body);
        out.put_u32(crc);
        out.append(&mut body);
        out.pad_to_8();
        out
    }

    /// How long the footer at the front of `head` is at most, by its own word; for reading it whole.
    pub fn claimed_length_max(head: &[u8]) -> Option<u64> {
        let mut reader = Reader::new(head);
        if reader.take(8)? != MAGIC {
            return None;
        }
        let (hints, subjects, sweeping) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let body = u64::from(hints) * HINT_BYTES as u64 + u64::from(subjects) * 16 + u64::from(sweeping) * 48;
        Some(HEAD_BYTES as u64 + body)
    }

    /// Bytes to read to learn [`claimed_length_max`](Self::claimed_length_max).
    pub const HEAD_BYTES: usize = HEAD_BYTES;

    /// The footer at the front of `bytes`, which stand at `end` of a segment with this salt.
    pub fn decode(bytes: &[u8], salt: u64, end: u64) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.take(8)? != MAGIC {
            return None;
        }
        let (count, subjects, sweeping) =
            (reader.u32()? as usize, reader.u32()? as usize, reader.u32()? as usize);
        let crc = reader.u32()?;
        let body = reader.rest();
        let mut hints = Reader::new(reader.take(count.checked_mul(HINT_BYTES)?)?);
        let subjects = reader.take(subjects.checked_mul(16)?)?;
        let sweeping = (0..sweeping).map(|_| Ending::decode(&mut reader)).collect::<Option<Vec<_>>>()?;
        let body = body.get(..body.len() - reader.rest().len())?;
        if Self::crc(salt, end, bytes.get(..HEAD_BYTES - 4)?, body) != crc {
            return None;
        }
        let hints = (0..count).map(|_| decode_hint(&mut hints, subjects, 0)).collect::<Option<Vec<_>>>()?;
        Some(Self { hints, sweeping })
    }

    /// The checksum that a footer with these bytes would need; believes the counts that it claims.
    #[cfg(feature = "fuzzing")]
    pub fn crc_of_claimed(bytes: &[u8], salt: u64, end: u64) -> Option<u32> {
        let mut reader = Reader::new(bytes.get(8..)?);
        let (count, subjects, sweeping) =
            (reader.u32()? as usize, reader.u32()? as usize, reader.u32()? as usize);
        reader.u32()?;
        let body = reader.rest();
        reader.take(count.checked_mul(HINT_BYTES)?)?;
        reader.take(subjects.checked_mul(16)?)?;
        (0..sweeping).try_for_each(|_| Ending::decode(&mut reader).map(|_| ()))?;
        let body = body.get(..body.len() - reader.rest().len())?;
        Some(Self::crc(salt, end, bytes.get(..HEAD_BYTES - 4)?, body))
    }

    fn crc(salt: u64, end: u64, head: &[u8], body: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&(salt ^ end.rotate_left(32)).to_le_bytes());
        hasher.update(head);
        hasher.update(body);
        hasher.finalize()
    }
}

/// What a footer begins with.
pub(crate) struct FooterHead<'a> {
    covered: &'a [u8],
    pub hints: u32,
    pub subjects: u32,
    pub sweeping: u32,
    /// The checksum of it all.
    pub crc: u32,
}

impl<'a> FooterHead<'a> {
    /// The head in the first bytes of a footer.
    pub fn decode(front: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(front);
        if reader.take(8)? != MAGIC {
            return None;
        }
        let (hints, subjects, sweeping) = (reader.u32()?, reader.u32()?, reader.u32()?);
        Some(Self { covered: front.get(..HEAD_BYTES - 4)?, hints, subjects, sweeping, crc: reader.u32()? })
    }

    pub fn hints_bytes(&self) -> u64 {
        u64::from(self.hints) * HINT_BYTES as u64
    }

    pub fn subjects_bytes(&self) -> u64 {
        u64::from(self.subjects) * SUBJECT_BYTES as u64
    }

    /// How long the endings are at most.
    pub fn sweeping_bytes_max(&self) -> u64 {
        u64::from(self.sweeping) * 48
    }

    /// The beginning of the checksum of a footer that stands at `end` of a segment with this salt.
    pub fn crc(&self, salt: u64, end: u64) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&(salt ^ end.rotate_left(32)).to_le_bytes());
        hasher.update(self.covered);
        hasher
    }
}

/// The bytes of one hint.
#[derive(Clone, Copy)]
pub(crate) struct RawHint<'a>(&'a [u8; HINT_BYTES]);

impl<'a> RawHint<'a> {
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.first_chunk().map(Self)
    }

    /// The first byte of its digest.
    pub const fn first_byte(self) -> u8 {
        let [first, ..] = self.0;
        *first
    }

    /// The first 64 bits of its digest.
    pub fn tag(self) -> u64 {
        self.0.first_chunk().map_or(0, |tag| u64::from_be_bytes(*tag))
    }

    /// The number of its subject, or [`NO_SUBJECT`]; `None` where it is no hint.
    pub const fn subject_number(self) -> Option<u32> {
        let [.., a, b, c, d, _, _, _, _, _, _, kind, _] = *self.0;
        match kind & 0xf {
            1 => Some(u32::from_le_bytes([a, b, c, d])),
            2..=4 => Some(NO_SUBJECT),
            _ => None,
        }
    }

    /// The hint, with its subject among these, the first of which has this number.
    pub fn decode(self, subjects: &[u8], first: u32) -> Option<Hint> {
        decode_hint(&mut Reader::new(self.0), subjects, first)
    }
}

fn join(place: u32, subject: u32) -> u64 {
    u64::from(place) | u64::from(subject) << 32
}

fn decode_hint(hints: &mut Reader<'_>, subjects: &[u8], first: u32) -> Option<Hint> {
    let (digest, lsn, base) = (hints.digest()?, hints.u64()?, hints.u64()?);
    let deadline = Deadline::at_ms(hints.u48()?);
    let word = hints.u16()?;
    let what = match word & 0xf {
        1 => {
            let subject = match (base >> 32) as u32 {
                NO_SUBJECT => None,
                number => {
                    let mut at =
                        Reader::new(subjects.get(number.checked_sub(first)? as usize * SUBJECT_BYTES..)?);
                    Some(at.digest()?)
                }
            };
            Hinted::Put { place: base as u32, span: u32::from(word >> 4) * 8, subject }
        }
        2 => Hinted::Stub,
        3 => Hinted::Touch { base },
        4 => Hinted::Ended,
        _ => return None,
    };
    Some(Hint { digest, lsn, deadline, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::mark::Ended;

    fn sample() -> Hints {
        let hint = |digest: u8, lsn, what| Hint {
            digest: Digest([digest; 16]),
            lsn,
            deadline: Deadline::at_ms(9),
            what,
        };
        Hints {
            hints: vec![
                hint(1, 4, Hinted::Put { place: 7, span: 64, subject: None }),
                hint(1, 5, Hinted::Touch { base: 4 }),
                hint(2, 6, Hinted::Put { place: 9, span: SPAN_UNKNOWN, subject: Some(Digest([8; 16])) }),
                hint(3, 7, Hinted::Stub),
                hint(4, 6, Hinted::Ended),
            ],
            sweeping: vec![Ending { lsn: 8, ceiling: Deadline::NEVER, what: Ended::All }],
        }
    }

    #[test]
    fn a_footer_comes_back_and_no_flipped_bit_passes() {
        let out = sample().encode(3, 4096);
        assert_eq!(Hints::decode(&out, 3, 4096), Some(sample()));
        assert_eq!(Hints::decode(&out, 4, 4096), None, "another segment's");
        assert_eq!(Hints::decode(&out, 3, 4104), None, "another end");
        assert!(Hints::claimed_length_max(&out).unwrap() >= out.len() as u64 - 7);
        for bit in 0..(24 + 5 * 40 + 16 + 16) * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Hints::decode(&bad, 3, 4096), None, "bit {bit}");
        }
    }

    #[test]
    fn a_hint_without_a_subject_takes_40_bytes() {
        let mut hints = sample();
        hints.hints.truncate(2);
        hints.sweeping.clear();
        assert_eq!(hints.encode(0, 0).len(), 24 + 80);
    }

    #[test]
    fn a_count_that_the_bytes_do_not_justify_is_refused() {
        let mut out = sample().encode(3, 0);
        out[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Hints::decode(&out, 3, 0), None);
    }

    #[test]
    fn a_footer_is_read_whole_by_its_own_counts_and_what_stands_behind_it_is_nothing() {
        let mut head = MAGIC.to_vec();
        [2u32, 3, 5, 0].iter().for_each(|count| head.extend(count.to_le_bytes()));
        assert_eq!(Hints::claimed_length_max(&head), Some(24 + 2 * 40 + 3 * 16 + 5 * 48));
        let mut out = sample().encode(3, 4096);
        out.extend([7; 16]);
        assert_eq!(Hints::decode(&out, 3, 4096), Some(sample()));
    }
}
