//! The merge: all hints of all segments, digest by digest.
//!
//! Owns: the walk. Digests are judged one *band* after another: some successive divisions, of all runs. So much is sorted in
//! the processor's cache, recovery needs no table beside the index that it fills, and two threads can share the work.

use std::ops::Range;

use super::run::{DIVISIONS, Run};
use super::verdict::{Sighting, Sweeping, Verdict, judge};
use crate::error::Result;
use crate::log::hint::{HINT_BYTES, RawHint};

/// How many hints a band has at least, unless it is the last.
const BAND_HINTS: usize = 16 << 10;

/// All divisions, in bands.
pub(crate) fn bands(runs: &[Run]) -> Vec<Range<usize>> {
    let (mut bands, mut begin, mut hints) = (Vec::new(), 0, 0);
    for division in 0..DIVISIONS {
        hints += runs.iter().map(|run| run.count(division..division + 1)).sum::<usize>();
        if hints >= BAND_HINTS || division + 1 == DIVISIONS {
            bands.push(begin..division + 1);
            (begin, hints) = (division + 1, 0);
        }
    }
    bands
}

/// What is used again for the next band.
#[derive(Default)]
pub(crate) struct Scratch {
    hints: Vec<u8>,
    subjects: Vec<u8>,
    parts: Vec<Part>,
    keys: Vec<Key>,
    sorted: Sorted,
    sightings: Vec<Sighting>,
}

/// Keys in order: by the first half of the digest, and of one digest in the order of the runs.
#[derive(Default)]
struct Sorted {
    keys: Vec<Key>,
    /// Where each bucket ends.
    ends: Vec<u32>,
}

impl Sorted {
    /// Digests are uniform, so as many buckets as there are keys hold one or two each.
    fn sort(&mut self, keys: &[Key], band: &Range<usize>) {
        let Self { keys: sorted, ends } = self;
        let (first, divisions) = ((band.start as u64) << 56, band.len() as u64);
        let count = keys.len() as u64;
        let bucket = |key: &Key| ((key.0.wrapping_sub(first) >> 32) * count / (divisions << 24)) as usize;
        ends.clear();
        ends.resize(keys.len(), 0);
        keys.iter().filter_map(|key| ends.get_mut(bucket(key)).map(|count| *count += 1)).for_each(drop);
        let mut before = 0;
        for end in ends.iter_mut() {
            before += std::mem::replace(end, before);
        }
        sorted.clear();
        sorted.resize(keys.len(), (0, 0, 0));
        for key in keys {
            if let Some(at) = ends.get_mut(bucket(key)) {
                sorted.get_mut(*at as usize).into_iter().for_each(|place| *place = *key);
                *at += 1;
            }
        }
        let mut start = 0;
        for end in ends.iter() {
            let end = *end as usize;
            if end - start > 1 {
                sorted.get_mut(start..end).unwrap_or_default().sort_unstable();
            }
            start = end;
        }
    }
}

/// One run's share of a band.
struct Part {
    segment: u32,
    /// The number of its first subject, and where in the scratch that is.
    subject: u32,
    subjects_at: usize,
}

/// A hint to be sorted: the first half of its digest, where it is, and whose it is.
type Key = (u64, u32, u32);

/// Judges every digest of a band, and tells `each` the verdicts, by ascending digest.
///
/// # Errors
/// `Io` where hints cannot be read again.
pub(crate) fn merge(
    runs: &[Run],
    band: &Range<usize>,
    scratch: &mut Scratch,
    (sweeping, now_ms): (&Sweeping, u64),
    mut each: impl FnMut(Verdict),
) -> Result<()> {
    gather(runs, band, scratch)?;
    let Scratch { hints, subjects, parts, sorted, sightings, .. } = scratch;
    let sighting = |key: &Key| {
        let part = parts.get(key.2 as usize)?;
        let hint = RawHint::new(hints.get(key.1 as usize * HINT_BYTES..)?)?;
        let hint = hint.decode(subjects.get(part.subjects_at..)?, part.subject)?;
        Some(Sighting { segment: part.segment, hint })
    };
    for same in sorted.keys.chunk_by(|one, next| one.0 == next.0) {
        if let [only] = same {
            sighting(only).into_iter().for_each(|sighting| each(judge(&[sighting], sweeping, now_ms)));
            continue;
        }
        sightings.clear();
        sightings.extend(same.iter().filter_map(sighting));
        // Of one tag, and nearly always of one digest.
        sightings.sort_by_key(|sighting| sighting.hint.digest);
        for of_one in sightings.chunk_by(|one, next| one.hint.digest == next.hint.digest) {
            each(judge(of_one, sweeping, now_ms));
        }
    }
    Ok(())
}

/// Reads a band's hints and sorts them; those of one tag stay in the order of the runs.
fn gather(runs: &[Run], band: &Range<usize>, scratch: &mut Scratch) -> Result<()> {
    let Scratch { hints, subjects, parts, keys, sorted, .. } = scratch;
    hints.clear();
    subjects.clear();
    parts.clear();
    keys.clear();
    for run in runs.iter().filter(|run| run.count(band.clone()) > 0) {
        let (hints_at, subjects_at) = (hints.len(), subjects.len());
        let subject = run.read(band, hints, subjects)?;
        let read = hints.get(hints_at..).unwrap_or_default().chunks_exact(HINT_BYTES);
        let first = (hints_at / HINT_BYTES) as u32;
        let part = parts.len() as u32;
        keys.extend(
            (first..).zip(read.filter_map(RawHint::new)).map(|(number, hint)| (hint.tag(), number, part)),
        );
        parts.push(Part { segment: run.segment, subject, subjects_at });
    }
    sorted.sort(keys, band);
    Ok(())
}

/// Judges every digest of all bands.
#[cfg(test)]
pub(crate) fn merge_all(runs: &[Run], sweeping: &Sweeping, now_ms: u64, mut each: impl FnMut(Verdict)) {
    let mut scratch = Scratch::default();
    for band in bands(runs) {
        merge(runs, &band, &mut scratch, (sweeping, now_ms), &mut each).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;
    use crate::log::hint::{Hint, Hinted, Hints};
    use crate::session::Deadline;

    #[test]
    fn keys_are_sorted_wherever_in_their_band_they_lie() {
        let mut sorted = Sorted::default();
        let mix = |n: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 17;
        for (band, tag) in [
            (0..256, mix as fn(u64) -> u64),
            (0..256, |n| if n % 2 == 0 { 0 } else { u64::MAX }),
            (7..8, |n| 7 << 56 | (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8),
            (7..8, |n| (8 << 56) - 1 - n % 3),
            (255..256, |n| u64::MAX - (n % 50) * (n % 50)),
            (254..256, |n| (254 << 56) + n),
        ] {
            for count in [0, 1, 2, 3, 1_000] {
                let mut keys: Vec<Key> = (0..count).map(|n| (tag(n), n as u32, 0)).collect();
                sorted.sort(&keys, &band);
                keys.sort_unstable();
                assert_eq!(sorted.keys, keys, "{band:?}");
            }
        }
    }

    #[test]
    fn runs_are_brought_together_by_digest() {
        let hint = |digest: u8, lsn| Hint {
            digest: Digest([digest; 16]),
            lsn,
            deadline: Deadline::at_ms(9),
            what: Hinted::Put { place: lsn as u32, span: 64, subject: None },
        };
        let run = |segment, hints| Run::of(segment, Hints { hints, sweeping: Vec::new() }).unwrap();
        let runs = [
            run(1, vec![hint(1, 1), hint(2, 2), hint(2, 3)]),
            run(2, Vec::new()),
            run(3, vec![hint(0, 9), hint(2, 1), hint(3, 4)]),
        ];
        let mut found = Vec::new();
        merge_all(&runs, &Sweeping::default(), 0, |verdict| match verdict {
            Verdict::Alive(alive) => found.push((alive.digest.0[0], alive.segment, alive.lsn)),
            other => panic!("{other:?}"),
        });
        assert_eq!(found, [(0, 3, 9), (1, 1, 1), (2, 1, 3), (3, 3, 4)]);
    }
}
