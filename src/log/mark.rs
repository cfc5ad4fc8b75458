//! The mark: what opens each group of the log.
//!
//! ```text
//!   0             8           16           24      30      32
//!   ┌─────────────┬───────────┬────────────┬───────┬───────┬──────────────────────────────────────────────────┐
//!   │ durable lsn │ since lsn │ roster lsn │ clock │ count │ endings: what│0│ceiling│lsn│digest│[keep] ...     │
//!   └─────────────┴───────────┴────────────┴───────┴───────┴──────────────────────────────────────────────────┘
//! ```
//! Owns: this layout. Invariants:
//! 1. Everything up to `durable_lsn` was on the disk when the mark was written. So a hole at or below it is damage,
//!    and a hole above every mark is the end of the log (rule 10).
//! 2. `clock_ms` was the settled time when the mark was written; once the mark is durable, records may be dropped
//!    because of that time (rule 8).
//! 3. Every ending above `since_lsn`, the previous mark's own LSN, stands here once more, so that one bad sector
//!    cannot lose it; and `since_lsn` tells whether the endings in a hole are known all the same (rule 12).

use super::bytes::{Put, Reader};
use super::record::{Record, What};
use crate::id::Digest;
use crate::session::Deadline;

/// The body of a `Mark` frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub durable_lsn: u64,
    pub since_lsn: u64,
    /// The last frame that changed the roster: a hole over it has lost more than endings.
    pub roster_lsn: u64,
    pub clock_ms: u64,
    pub endings: Vec<Ending>,
}

/// An ending, told a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    pub lsn: u64,
    pub ceiling: Deadline,
    pub what: Ended,
}

/// Whom an ending ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    One(Digest),
    Subject { subject: Digest, keep: Option<Digest> },
    All,
}

/// The most endings that one mark repeats; the appender writes a mark before there are more.
pub(crate) const ENDINGS_MAX: usize = 256;

impl Ending {
    /// What a record ends, if it ends anything.
    pub fn of(record: &Record<'_>) -> Option<Self> {
        let (what, ceiling) = match record.what {
            What::Put(version) => version.ends.map(|ends| (Ended::One(ends.digest), ends.ceiling))?,
            What::Stub { digest, ceiling, .. } => (Ended::One(digest), ceiling),
            What::Touch { .. } => return None,
            What::Revoke { subject, keep, ceiling } => (Ended::Subject { subject, keep }, ceiling),
            What::Clear { ceiling } => (Ended::All, ceiling),
        };
        Some(Self { lsn: record.lsn, ceiling, what })
    }

    /// A record that says the same, for when its own is lost.
    pub fn record(&self) -> Record<'static> {
        let ceiling = self.ceiling;
        let what = match self.what {
            Ended::One(digest) => What::Stub { digest, birth: 0, ceiling, ends: None },
            Ended::Subject { subject, keep } => What::Revoke { subject, keep, ceiling },
            Ended::All => What::Clear { ceiling },
        };
        Record { lsn: self.lsn, what }
    }

    /// Appends the ending: 16 bytes and its digests.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (tag, first, second) = match self.what {
            Ended::One(digest) => (1, Some(digest), None),
            Ended::Subject { subject, keep: None } => (2, Some(subject), None),
            Ended::Subject { subject, keep: Some(keep) } => (3, Some(subject), Some(keep)),
            Ended::All => (4, None, None),
        };
        out.push(tag);
        out.push(0);
        out.put_u48(self.ceiling.bits());
        out.put_u64(self.lsn);
        first.into_iter().chain(second).for_each(|digest| out.put_digest(digest));
    }

    /// Takes an ending from the front of `body`.
    pub fn decode(body: &mut Reader<'_>) -> Option<Self> {
        let tag = body.u8()?;
        body.u8()?;
        let ceiling = Deadline::at_ms(body.u48()?);
        let lsn = body.u64()?;
        let what = match tag {
            1 => Ended::One(body.digest()?),
            2 => Ended::Subject { subject: body.digest()?, keep: None },
            3 => Ended::Subject { subject: body.digest()?, keep: Some(body.digest()?) },
            4 => Ended::All,
            _ => return None,
        };
        Some(Self { lsn, ceiling, what })
    }
}

impl Mark {
    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.durable_lsn);
        out.put_u64(self.since_lsn);
        out.put_u64(self.roster_lsn);
        out.put_u48(self.clock_ms);
        out.put_u16(self.endings.len() as u16);
        self.endings.iter().for_each(|ending| ending.encode(out));
    }

    /// The mark in a body.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut body = Reader::new(body);
        let (durable_lsn, since_lsn, roster_lsn) = (body.u64()?, body.u64()?, body.u64()?);
        let clock_ms = body.u48()?;
        let count = usize::from(body.u16()?);
        let endings = (0..count).map(|_| Ending::decode(&mut body)).collect::<Option<Vec<_>>>()?;
        Some(Self { durable_lsn, since_lsn, roster_lsn, clock_ms, endings })
    }

    /// The longest that a mark's frame can be.
    pub const FRAME_BYTES_MAX: u64 = 16 + 32 + 48 * ENDINGS_MAX as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back() {
        let digest = Digest([3; 16]);
        let endings = [
            Ended::One(digest),
            Ended::Subject { subject: digest, keep: None },
            Ended::Subject { subject: digest, keep: Some(Digest([4; 16])) },
            Ended::All,
        ]
        .map(|what| Ending { lsn: 7, ceiling: Deadline::NEVER, what })
        .to_vec();
        let mark =
            Mark { durable_lsn: 1 << 50, since_lsn: 6, roster_lsn: 5, clock_ms: 1_700_000_000_000, endings };
        let mut out = Vec::new();
        mark.encode(&mut out);
        assert_eq!(Mark::decode(&out), Some(mark));
        for cut in 0..out.len() {
            assert_eq!(Mark::decode(&out[..cut]), None);
        }
    }

    /// Segments are made with room for it.
    #[test]
    fn no_mark_is_longer_than_what_is_kept_for_one() {
        let what = Ended::Subject { subject: Digest([3; 16]), keep: Some(Digest([4; 16])) };
        let endings = vec![Ending { lsn: 7, ceiling: Deadline::NEVER, what }; ENDINGS_MAX];
        let mark = Mark { endings, ..Mark::default() };
        let mut out = Vec::new();
        super::super::frame::encode(&mut out, 9, 64, super::super::frame::Kind::Mark, 8, |out| {
            mark.encode(out)
        });
        assert_eq!(out.len() as u64, Mark::FRAME_BYTES_MAX);
    }

    #[test]
    fn exact_bytes() {
        let mut out = Vec::new();
        Mark { durable_lsn: 2, since_lsn: 1, roster_lsn: 4, clock_ms: 3, endings: Vec::new() }
            .encode(&mut out);
        assert_eq!(
            out,
            [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]
        );
    }
}
