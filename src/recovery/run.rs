//! The run: the hints of one segment, as they are needed to judge digests one part of all digests after another.
//!
//! Owns: where in a footer the hints of each *division* stand, that is of the digests that share their first byte. Hints
//! are sorted by digest and their subjects stand in the same order, so a division is one stretch of either. Invariants:
//! 1. A run exists only of a footer whose checksum was right in a first reading, in which each hint stood in its division.
//! 2. What a second reading gives is what the first one saw: each division has a checksum of its own, in memory.
//! 3. Beside 4 KiB a segment, memory holds only the divisions that are being judged: a footer stays where it is.

use std::io;
use std::ops::Range;

use super::source::Source;
use crate::error::{Error, Result};
use crate::log::bytes::Reader;
use crate::log::hint::{FooterHead, HINT_BYTES, Hints, NO_SUBJECT, RawHint, SUBJECT_BYTES};
use crate::log::mark::Ending;
use crate::log::segment::file_name;

/// How many there are: one for each value of a digest's first byte.
pub(crate) const DIVISIONS: usize = 256;

/// Read at once where everything is read: a whole number of hints, and of subjects.
const CHUNK_BYTES: usize = HINT_BYTES * SUBJECT_BYTES * 256;

/// See the module.
pub(crate) struct Run {
    pub segment: u32,
    /// From the first byte of the footer on.
    source: Source,
    hints: Divided,
    subjects: Divided,
}

/// A stretch of items, divided.
struct Divided {
    /// Where it begins.
    offset: u64,
    item_bytes: usize,
    /// With how many items before each division, and in all.
    before: Vec<u32>,
    checksums: Vec<u32>,
}

impl Run {
    /// The run of a footer that begins the source, and its sweeping endings; `None` where it is not sound.
    ///
    /// # Errors
    /// What the file system said.
    pub fn check(
        segment: u32,
        source: Source,
        salt: u64,
        end: u64,
    ) -> io::Result<Option<(Self, Vec<Ending>)>> {
        let length = source.len()?;
        let mut front = [0; Hints::HEAD_BYTES];
        if length < front.len() as u64 {
            return Ok(None);
        }
        source.read(&mut front, 0)?;
        let Some(head) = FooterHead::decode(&front) else { return Ok(None) };
        let sorted_bytes = head.hints_bytes() + head.subjects_bytes();
        let Some(left) = length.checked_sub(front.len() as u64 + sorted_bytes) else { return Ok(None) };
        let mut crc = head.crc(salt, end);
        let mut numbered = 0;
        let hints =
            Divided::check(&source, front.len() as u64, (HINT_BYTES, head.hints), |chunk, divider| {
                crc.update(chunk);
                for hint in chunk.chunks_exact(HINT_BYTES) {
                    let hint = RawHint::new(hint)?;
                    let subject = hint.subject_number()?;
                    if subject != NO_SUBJECT && subject != numbered {
                        return None;
                    }
                    divider.next(hint.first_byte(), numbered)?;
                    numbered += u32::from(subject != NO_SUBJECT);
                }
                Some(())
            })?;
        let Some((hints, subjects_before)) = hints.filter(|_| numbered == head.subjects) else {
            return Ok(None);
        };
        let offset = front.len() as u64 + head.hints_bytes();
        let mut at = 0;
        let subjects = Divided::check(&source, offset, (SUBJECT_BYTES, head.subjects), |chunk, divider| {
            crc.update(chunk);
            for _ in chunk.chunks_exact(SUBJECT_BYTES) {
                let division = subjects_before.partition_point(|before| *before <= at).checked_sub(1)?;
                divider.next(u8::try_from(division).ok()?, 0)?;
                at += 1;
            }
            Some(())
        })?;
        let Some((subjects, _)) = subjects else { return Ok(None) };
        let mut rest = vec![0; usize::try_from(left.min(head.sweeping_bytes_max())).unwrap_or(0)];
        source.read(&mut rest, front.len() as u64 + sorted_bytes)?;
        let mut reader = Reader::new(&rest);
        let sweeping = (0..head.sweeping).map(|_| Ending::decode(&mut reader)).collect::<Option<Vec<_>>>();
        crc.update(rest.get(..rest.len() - reader.rest().len()).unwrap_or_default());
        let Some(sweeping) = sweeping.filter(|_| crc.finalize() == head.crc) else { return Ok(None) };
        Ok(Some((Self { segment, source, hints, subjects }, sweeping)))
    }

    /// The run of hints that are in memory.
    ///
    /// # Errors
    /// `Io` where there are more than a footer can hold.
    pub fn of(segment: u32, mut hints: Hints) -> Result<Self> {
        hints.sort();
        let source = Source::Memory(hints.encode(0, 0));
        drop(hints);
        let checked = Self::check(segment, source, 0, 0).ok().flatten();
        let too_many = || io::Error::other("more hints than a footer holds");
        Ok(checked.ok_or_else(|| Error::io(format!("reading {}", file_name(segment)), too_many()))?.0)
    }

    /// How many hints there are.
    pub fn len(&self) -> usize {
        self.count(0..DIVISIONS)
    }

    /// How many of them are in these divisions.
    pub fn count(&self, divisions: Range<usize>) -> usize {
        self.hints.items(&divisions).len()
    }

    /// Appends the hints of these divisions, and their subjects. Gives the number of the first subject.
    ///
    /// # Errors
    /// `Io` where they cannot be read, or are not what they were.
    pub fn read(&self, divisions: &Range<usize>, hints: &mut Vec<u8>, subjects: &mut Vec<u8>) -> Result<u32> {
        let read = self.hints.read(&self.source, divisions, hints);
        read.and_then(|()| self.subjects.read(&self.source, divisions, subjects))
            .map_err(|error| Error::io(format!("reading the hints of {}", file_name(self.segment)), error))?;
        Ok(self.subjects.items(divisions).start)
    }

    /// All hints.
    #[cfg(any(all(test, feature = "simulation"), feature = "fuzzing"))]
    pub fn hints(&self) -> Result<Vec<crate::log::hint::Hint>> {
        let (mut hints, mut subjects) = (Vec::new(), Vec::new());
        for division in 0..DIVISIONS {
            self.read(&(division..division + 1), &mut hints, &mut subjects)?;
        }
        let hints = hints.chunks_exact(HINT_BYTES).filter_map(RawHint::new);
        Ok(hints.filter_map(|hint| hint.decode(&subjects, 0)).collect())
    }
}

/// Divides items as they come.
struct Divider {
    division: usize,
    /// For each division that has begun: how many items were before it, and what was told with its first.
    before: Vec<u32>,
    told: Vec<u32>,
    items: u32,
}

impl Divider {
    /// The next item is of this division; `None` where that would be a step back.
    fn next(&mut self, division: u8, told: u32) -> Option<()> {
        let division = usize::from(division);
        if division < self.division {
            return None;
        }
        self.begin(division, told);
        self.items += 1;
        Some(())
    }

    fn begin(&mut self, division: usize, told: u32) {
        while self.before.len() <= division {
            self.before.push(self.items);
            self.told.push(told);
        }
        self.division = division;
    }
}

impl Divided {
    /// Reads all items of so many bytes each, shows them, and divides them as it is told; with what was told of the
    /// first item of each division.
    fn check(
        source: &Source,
        offset: u64,
        (item_bytes, count): (usize, u32),
        mut look: impl FnMut(&[u8], &mut Divider) -> Option<()>,
    ) -> io::Result<Option<(Self, Vec<u32>)>> {
        let mut divider = Divider { division: 0, before: Vec::new(), told: Vec::new(), items: 0 };
        let mut checksums = Vec::with_capacity(DIVISIONS);
        let mut left = count as usize * item_bytes;
        let mut buffer = vec![0; left.min(CHUNK_BYTES)];
        let (mut at, mut crc) = (offset, crc32fast::Hasher::new());
        while left > 0 {
            buffer.truncate(left);
            source.read(&mut buffer, at)?;
            let first = divider.items as usize;
            if look(&buffer, &mut divider).is_none() {
                return Ok(None);
            }
            let mut from = 0;
            // Divisions that have ended within this chunk.
            while let Some(next) = divider.before.get(checksums.len() + 1) {
                let to = (*next as usize).saturating_sub(first) * item_bytes;
                crc.update(buffer.get(from..to).unwrap_or_default());
                checksums.push(std::mem::take(&mut crc).finalize());
                from = to;
            }
            crc.update(buffer.get(from..).unwrap_or_default());
            left -= buffer.len();
            at += buffer.len() as u64;
        }
        checksums.push(crc.finalize());
        checksums.resize(DIVISIONS, 0);
        let Divider { mut before, told, items, .. } = divider;
        before.resize(DIVISIONS + 1, items);
        Ok(Some((Self { offset, item_bytes, before, checksums }, told)))
    }

    fn items(&self, divisions: &Range<usize>) -> Range<u32> {
        let before = |division: usize| self.before.get(division).copied().unwrap_or(0);
        before(divisions.start)..before(divisions.end)
    }

    fn read(&self, source: &Source, divisions: &Range<usize>, out: &mut Vec<u8>) -> io::Result<()> {
        let items = self.items(divisions);
        if items.is_empty() {
            return Ok(());
        }
        let at = out.len();
        out.resize(at + items.len() * self.item_bytes, 0);
        let there = out.get_mut(at..).unwrap_or_default();
        let offset = self.offset + u64::from(items.start) * self.item_bytes as u64;
        source.read_checked(there, offset, |bytes| {
            divisions.clone().all(|division| {
                let of_it = self.items(&(division..division + 1));
                let from = (of_it.start - items.start) as usize * self.item_bytes;
                let bytes = bytes.get(from..from + of_it.len() * self.item_bytes).unwrap_or_default();
                bytes.is_empty() || self.checksums.get(division) == Some(&crc32fast::hash(bytes))
            })
        })
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::id::Digest;
    use crate::log::hint::{Hint, Hinted};
    use crate::session::Deadline;
    use crate::vfs::{CallKind, Fault, SimVfs, Times, Vfs};
    use std::path::Path;

    fn hints() -> Hints {
        let hint = |n: u8| {
            let subject = n.is_multiple_of(3).then_some(Digest([n; 16]));
            let what = Hinted::Put { place: u32::from(n), span: 64, subject };
            Hint { digest: Digest([n / 2; 16]), lsn: u64::from(n), deadline: Deadline::at_ms(9), what }
        };
        Hints { hints: (0..=u8::MAX).map(hint).collect(), sweeping: Vec::new() }
    }

    /// A footer that was sound when it was checked is read again: what then shows something else is judged by nobody.
    #[test]
    fn a_second_reading_gives_what_the_first_one_saw_or_an_error() {
        for division in [0, 1, 125] {
            for nth in 1..3 {
                for (times, is_read) in [(Times::Once, true), (Times::N(2), false)] {
                    let sim = SimVfs::new();
                    let path = Path::new("/store/footer");
                    sim.write_file(path, &hints().encode(3, 4096)).unwrap();
                    let source = Source::File(sim.open(path, false).unwrap(), 0);
                    let (run, _) = Run::check(7, source, 3, 4096).unwrap().unwrap();
                    assert_eq!(run.hints().unwrap(), hints().hints);
                    // The hints come first, and then their subjects.
                    sim.fail(CallKind::Read, nth, Fault::FlipBit, times);
                    let (mut found, mut subjects) = (Vec::new(), Vec::new());
                    let read = run.read(&(division..division + 3), &mut found, &mut subjects);
                    assert_eq!(read.is_ok(), is_read, "{division}, {nth}");
                    assert!(!is_read || found.len() == 6 * HINT_BYTES && subjects.len() == 2 * SUBJECT_BYTES);
                }
            }
        }
    }
}
