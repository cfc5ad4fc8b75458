//! The record: what the log knows of one session, or of many that end at once.
//!
//! The body of a `Put` or `Stub` frame, behind the frame's 16 bytes; fields in brackets only when flagged:
//! ```text
//!   0               16       22       28     31 32
//!   ┌───────────────┬────────┬────────┬─────┬──┬───────┬──────────┬─────────┬─────────┬──────┬─────────┬─────────┐
//!   │ digest        │deadline│created │idle │fl│[birth]│[absolute]│[ceiling]│[subject]│[ends]│[id]     │ payload │
//!   │ 16            │ 6      │ 6      │ 3   │1 │ 8     │ 6        │ 2       │ 16      │ 22   │ 2+n     │         │
//!   └───────────────┴────────┴────────┴─────┴──┴───────┴──────────┴─────────┴─────────┴──────┴─────────┴─────────┘
//! ```
//! At most 64 bytes with the frame, unless a subject, an ended id or a kept id is there.
//!
//! In a segment with a data key the end of a put is sealed, and bound to the LSN and to every field before it:
//! ```text
//!   ┬──────────────────────────────────────────────────────┐
//!   │ sealed (payload · id n · n 2) · tag 16               │   n is 0 where the store keeps no ids
//!   ┴──────────────────────────────────────────────────────┘
//! ```
//! Owns: this layout. Invariants (the design's rules 3 to 6; `model.py` executes them):
//! 1. `birth` is the LSN of the create that began the session; absent, it is the record's own LSN.
//! 2. `ceiling` is at least the largest deadline that any version since birth had; absent, it is the deadline.
//!    It is kept as a distance above the deadline and rounded up, which keeps a stub longer and never shorter.
//! 3. A `Stub`'s deadline field holds its ceiling; a `Touch` extends the record of LSN `birth` and that one alone.

use super::bytes::{Put, Reader, round_up, unround};
use super::content;
use super::frame::{self, Frame, Kind};
use crate::id::Digest;
use crate::sealing::DataKey;
use crate::session::Deadline;

const BIRTH: u8 = 1;
const ABSOLUTE: u8 = 1 << 1;
const CEILING: u8 = 1 << 2;
const SUBJECT: u8 = 1 << 3;
const ENDS: u8 = 1 << 4;
const ID: u8 = 1 << 5;
/// A bit that no format uses yet: compressed payloads have their room here.
const RESERVED: u8 = 1 << 6;
const SEALED: u8 = 1 << 7;

const IDLE_MANTISSA_BITS: u32 = 19;
const CEILING_MANTISSA_BITS: u32 = 11;

/// What a rotate ends, in the record that begins the new id; or what a version ends of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub digest: Digest,
    pub ceiling: Deadline,
}

/// One record of the log, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub lsn: u64,
    pub what: What<'a>,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What<'a> {
    /// This is the session now.
    Put(Version<'a>),
    /// The session has ended; `ends` stays from the rotate that this was.
    Stub { digest: Digest, birth: u64, ceiling: Deadline, ends: Option<Ends> },
    /// The record of LSN `base` lives at least until `deadline`.
    Touch { digest: Digest, base: u64, deadline: Deadline },
    /// All sessions of a subject have ended, but for one.
    Revoke { subject: Digest, keep: Option<Digest>, ceiling: Deadline },
    /// All sessions have ended.
    Clear { ceiling: Deadline },
}

/// A whole version of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version<'a> {
    pub digest: Digest,
    pub deadline: Deadline,
    pub created_ms: u64,
    pub idle_ms: u64,
    pub birth: u64,
    pub absolute: Deadline,
    pub ceiling: Deadline,
    pub subject: Option<Digest>,
    pub ends: Option<Ends>,
    /// The id itself, only in a store that keeps ids.
    pub id: Option<&'a [u8]>,
    /// The session's data; with the id behind it and sealed where `sealed_to` is there.
    pub payload: &'a [u8],
    /// The fields that a sealed payload is bound to.
    pub sealed_to: Option<&'a [u8]>,
}

impl Version<'_> {
    /// Whether nothing of this session can be older than this record: it needs no stub when it goes.
    pub fn is_create(&self, lsn: u64) -> bool {
        self.birth == lsn && self.ends.is_none()
    }
}

impl<'a> Record<'a> {
    /// Appends the record's frame for `offset` of a plain segment with this salt.
    pub fn encode(&self, out: &mut Vec<u8>, salt: u64, offset: u64) {
        self.encode_with(out, salt, offset, None);
    }

    /// Appends the record's frame for `offset` of a segment with this salt and this data key, if it has one.
    pub fn encode_with(&self, out: &mut Vec<u8>, salt: u64, offset: u64, key: Option<&DataKey>) {
        frame::encode(out, salt, offset, self.kind(), self.lsn, |out| match self.what {
            What::Put(version) => encode_version(out, &version, self.lsn, key.map(|key| (key, offset))),
            What::Stub { digest, birth, ceiling, ends } => {
                out.put_digest(digest);
                out.put_u48(ceiling.bits());
                out.put_u48(0);
                out.put_u24(0);
                out.push(BIRTH | if ends.is_some() { ENDS } else { 0 });
                out.put_u64(birth);
                encode_ends(out, ends);
            }
            What::Touch { digest, base, deadline } => {
                out.put_digest(digest);
                out.put_u48(deadline.bits());
                out.put_u16(0);
                out.put_u64(base);
            }
            What::Revoke { subject, keep, ceiling } => {
                out.put_digest(subject);
                out.put_u48(ceiling.bits());
                if let Some(keep) = keep {
                    out.put_digest(keep);
                }
            }
            What::Clear { ceiling } => out.put_u48(ceiling.bits()),
        });
    }

    /// The record in a frame; `None` for frames that are no records, and for bodies that no release has written.
    pub fn decode(frame: &Frame<'a>) -> Option<Self> {
        let mut body = Reader::new(frame.body);
        let what = match frame.kind {
            Kind::Put => What::Put(decode_version(&mut body, frame.lsn)?),
            Kind::Stub => {
                let version = decode_version(&mut body, frame.lsn)?;
                let Version { digest, deadline, birth, ends, .. } = version;
                What::Stub { digest, birth, ceiling: deadline, ends }
            }
            Kind::Touch => {
                let (digest, deadline) = (body.digest()?, deadline(&mut body)?);
                body.u16()?;
                What::Touch { digest, base: body.u64()?, deadline }
            }
            Kind::Revoke => {
                let (subject, ceiling) = (body.digest()?, deadline(&mut body)?);
                let keep = if body.rest().is_empty() { None } else { Some(body.digest()?) };
                What::Revoke { subject, keep, ceiling }
            }
            Kind::Clear => What::Clear { ceiling: deadline(&mut body)? },
            Kind::Mark | Kind::Enter | Kind::Leave => return None,
        };
        Some(Self { lsn: frame.lsn, what })
    }

    fn kind(&self) -> Kind {
        match self.what {
            What::Put(_) => Kind::Put,
            What::Stub { .. } => Kind::Stub,
            What::Touch { .. } => Kind::Touch,
            What::Revoke { .. } => Kind::Revoke,
            What::Clear { .. } => Kind::Clear,
        }
    }

    /// After this moment nothing that the record says, or shadows, can matter.
    pub fn ceiling(&self) -> Deadline {
        match self.what {
            What::Put(version) => {
                let ends = version.ends.map_or(Deadline::at_ms(0), |ends| ends.ceiling);
                version.ceiling.max(version.deadline).max(ends)
            }
            What::Stub { ceiling, ends, .. } => {
                ceiling.max(ends.map_or(Deadline::at_ms(0), |ends| ends.ceiling))
            }
            What::Touch { deadline, .. } => deadline,
            What::Revoke { ceiling, .. } | What::Clear { ceiling } => ceiling,
        }
    }

    /// Whether it ends a session, so that it must stand twice and has the reserve to draw on.
    pub fn is_ending(&self) -> bool {
        match self.what {
            What::Put(version) => version.ends.is_some_and(|ends| ends.digest != version.digest),
            What::Touch { .. } => false,
            What::Stub { .. } | What::Revoke { .. } | What::Clear { .. } => true,
        }
    }
}

fn deadline(body: &mut Reader<'_>) -> Option<Deadline> {
    body.u48().map(Deadline::at_ms)
}

fn encode_version(out: &mut Vec<u8>, version: &Version<'_>, lsn: u64, key: Option<(&DataKey, u64)>) {
    let start = out.len();
    let sealed = key.is_some() || version.sealed_to.is_some();
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let above_ms = version.ceiling.bits().saturating_sub(version.deadline.bits());
    let flags = flag(version.birth != lsn, BIRTH)
        | flag(version.absolute != Deadline::NEVER, ABSOLUTE)
        | flag(above_ms > 0, CEILING)
        | flag(version.subject.is_some(), SUBJECT)
        | flag(version.ends.is_some(), ENDS)
        | flag(version.id.is_some() && !sealed, ID)
        | flag(sealed, SEALED);
    out.put_digest(version.digest);
    out.put_u48(version.deadline.bits());
    out.put_u48(version.created_ms);
    out.put_u24(round_up(version.idle_ms, IDLE_MANTISSA_BITS));
    out.push(flags);
    if flags & BIRTH != 0 {
        out.put_u64(version.birth);
    }
    if flags & ABSOLUTE != 0 {
        out.put_u48(version.absolute.bits());
    }
    if flags & CEILING != 0 {
        let packed = if version.ceiling == Deadline::NEVER {
            u32::MAX
        } else {
            round_up(above_ms, CEILING_MANTISSA_BITS)
        };
        out.put_u16(packed as u16);
    }
    if let Some(subject) = version.subject {
        out.put_digest(subject);
    }
    encode_ends(out, version.ends);
    if let Some((key, offset)) = key {
        content::seal(out, version, lsn, start, (key, offset));
        return;
    }
    if let Some(id) = version.id {
        out.put_u16(id.len() as u16);
        out.extend_from_slice(id);
    }
    out.extend_from_slice(version.payload);
}

fn encode_ends(out: &mut Vec<u8>, ends: Option<Ends>) {
    if let Some(ends) = ends {
        out.put_digest(ends.digest);
        out.put_u48(ends.ceiling.bits());
    }
}

fn decode_version<'a>(body: &mut Reader<'a>, lsn: u64) -> Option<Version<'a>> {
    let fields = body.rest();
    let digest = body.digest()?;
    let deadline = deadline(body)?;
    let created_ms = body.u48()?;
    let idle_ms = unround(body.u24()?);
    let flags = body.u8()?;
    if flags & RESERVED != 0 || flags & (SEALED | ID) == SEALED | ID {
        return None;
    }
    let birth = if flags & BIRTH != 0 { body.u64()? } else { lsn };
    let absolute = if flags & ABSOLUTE != 0 { Deadline::at_ms(body.u48()?) } else { Deadline::NEVER };
    let ceiling = if flags & CEILING != 0 { decode_ceiling(body, deadline)? } else { deadline };
    let subject = if flags & SUBJECT != 0 { Some(body.digest()?) } else { None };
    let ends = if flags & ENDS != 0 {
        Some(Ends { digest: body.digest()?, ceiling: Deadline::at_ms(body.u48()?) })
    } else {
        None
    };
    let id = if flags & ID != 0 {
        let length = body.u16()?;
        Some(body.take(usize::from(length))?)
    } else {
        None
    };
    let payload = body.rest();
    let sealed_to = if flags & SEALED != 0 {
        Some(fields.get(..fields.len().checked_sub(payload.len())?)?)
    } else {
        None
    };
    Some(Version {
        digest,
        deadline,
        created_ms,
        idle_ms,
        birth,
        absolute,
        ceiling,
        subject,
        ends,
        id,
        payload,
        sealed_to,
    })
}

fn decode_ceiling(body: &mut Reader<'_>, deadline: Deadline) -> Option<Deadline> {
    let packed = body.u16()?;
    Some(match packed {
        u16::MAX => Deadline::NEVER,
        packed => Deadline::at_ms(deadline.bits().saturating_add(unround(u32::from(packed)))),
    })
}

#[cfg(test)]
mod tests;
