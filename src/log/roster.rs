//! The roster: which segments make up the store.
//!
//! Owns: the list, and the `Enter` and `Leave` frames that change it. Design rule 9:
//! 1. A segment is trusted only when it is on the roster, and unlinked only after the frame that takes it off is
//!    durable. So a listed file that is missing is damage, and an unlisted one is left over from a crash.
//! 2. Each log segment's header repeats the whole list as it stood when the segment began; with the frames behind
//!    it, the newest log segment tells it all.
//! 3. A number is never used again.

use super::bytes::{Put, Reader};
use crate::session::Deadline;

/// Whether a segment was written by the appender or by compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Origin {
    /// A stretch of the log: its frames stand in LSN order.
    Log = 1,
    /// What compaction kept of other segments: records in any order, complete before it is listed.
    Compaction = 2,
}

/// A segment as the roster knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub number: u32,
    pub origin: Origin,
    /// The salt in the file's header: a file with another salt is not this segment.
    pub salt: u64,
    /// Where its frames end; nothing behind that was ever part of the store.
    pub end: u64,
    /// The lowest and highest LSN of its records.
    pub lsn_min: u64,
    pub lsn_max: u64,
    /// After this moment nothing in it can matter.
    pub ceiling: Deadline,
}

impl Listed {
    /// Bytes of one entry.
    pub const BYTES: usize = 48;

    /// Appends the entry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.number);
        out.put_u32(self.origin as u32);
        out.put_u64(self.salt);
        out.put_u64(self.end);
        out.put_u64(self.lsn_min);
        out.put_u64(self.lsn_max);
        out.put_u64(self.ceiling.bits());
    }

    /// Takes an entry from the front of `body`.
    pub fn decode(body: &mut Reader<'_>) -> Option<Self> {
        let number = body.u32()?;
        let origin = match body.u32()? {
            1 => Origin::Log,
            2 => Origin::Compaction,
            _ => return None,
        };
        Some(Self {
            number,
            origin,
            salt: body.u64()?,
            end: body.u64()?,
            lsn_min: body.u64()?,
            lsn_max: body.u64()?,
            ceiling: Deadline::at_ms(body.u64()?),
        })
    }
}

/// Appends the body of a `Leave` frame.
pub(crate) fn encode_leave(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.put_u32(*number));
}

/// The numbers in the body of a `Leave` frame.
pub(crate) fn decode_leave(body: &[u8]) -> Option<Vec<u32>> {
    let mut body = Reader::new(body);
    let mut numbers = Vec::new();
    while !body.rest().is_empty() {
        numbers.push(body.u32()?);
    }
    Some(numbers)
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Roster {
    listed: Vec<Listed>,
}

impl Roster {
    /// A roster of these segments.
    pub fn new(listed: Vec<Listed>) -> Self {
        Self { listed }
    }

    /// The same, of numbers that were read; `None` when one of them stands twice.
    pub fn of_distinct(listed: Vec<Listed>) -> Option<Self> {
        let mut numbers: Vec<u32> = listed.iter().map(|listed| listed.number).collect();
        numbers.sort_unstable();
        numbers.is_sorted_by(|one, next| one < next).then_some(Self { listed })
    }

    /// Whether this segment is on it.
    pub fn lists(&self, number: u32) -> bool {
        self.listed.iter().any(|listed| listed.number == number)
    }

    /// The segments, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// A segment joins, or is known better than before.
    pub fn enter(&mut self, listed: Listed) {
        self.leave(&[listed.number]);
        self.listed.push(listed);
    }

    /// Segments leave.
    pub fn leave(&mut self, numbers: &[u32]) {
        self.listed.retain(|listed| !numbers.contains(&listed.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back() {
        let listed = Listed {
            number: 7,
            origin: Origin::Compaction,
            salt: 1 << 63,
            end: 4096,
            lsn_min: 2,
            lsn_max: 9,
            ceiling: Deadline::NEVER,
        };
        let mut out = Vec::new();
        listed.encode(&mut out);
        assert_eq!(out.len(), Listed::BYTES);
        assert_eq!(Listed::decode(&mut Reader::new(&out)), Some(listed));
        assert_eq!(Listed::decode(&mut Reader::new(&out[1..])), None);
    }

    #[test]
    fn leaving_numbers_come_back() {
        let mut out = Vec::new();
        encode_leave(&mut out, &[1, 900]);
        assert_eq!(decode_leave(&out), Some(vec![1, 900]));
        assert_eq!(decode_leave(&out[..6]), None);
    }
}
