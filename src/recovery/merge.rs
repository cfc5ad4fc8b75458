//! The merge: all hints of all segments, digest by digest.
//!
//! Owns: nothing but the walk. Every run is sorted by digest, so one pass over all runs brings the sightings of a
//! digest together, and recovery needs no table beside the index that it fills.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::verdict::{Sighting, Sweeping, Verdict, judge};
use crate::id::Digest;
use crate::log::hint::Hints;

/// Judges every digest in `runs`, each a segment's number and its sorted hints, and tells `each` the verdicts.
pub(crate) fn merge(runs: &[(u32, Hints)], sweeping: &Sweeping, now_ms: u64, mut each: impl FnMut(Verdict)) {
    let mut heads: BinaryHeap<Reverse<(Digest, usize, usize)>> = runs
        .iter()
        .enumerate()
        .filter_map(|(run, (_, hints))| hints.hints.first().map(|hint| Reverse((hint.digest, run, 0))))
        .collect();
    let mut sightings: Vec<Sighting> = Vec::new();
    while let Some(Reverse((digest, run, position))) = heads.pop() {
        if sightings.first().is_some_and(|first| first.hint.digest != digest) {
            each(judge(&sightings, sweeping, now_ms));
            sightings.clear();
        }
        let Some((segment, hints)) = runs.get(run) else { continue };
        let mut next = position;
        while let Some(hint) = hints.hints.get(next).filter(|hint| hint.digest == digest) {
            sightings.push(Sighting { segment: *segment, hint: *hint });
            next += 1;
        }
        if let Some(hint) = hints.hints.get(next) {
            heads.push(Reverse((hint.digest, run, next)));
        }
    }
    if !sightings.is_empty() {
        each(judge(&sightings, sweeping, now_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::hint::{Hint, Hinted};
    use crate::session::Deadline;

    #[test]
    fn runs_are_brought_together_by_digest() {
        let hint = |digest: u8, lsn| Hint {
            digest: Digest([digest; 16]),
            lsn,
            deadline: Deadline::at_ms(9),
            what: Hinted::Put { place: lsn as u32, span: 64, subject: None },
        };
        let run = |hints| Hints { hints, sweeping: Vec::new() };
        let runs = [
            (1, run(vec![hint(1, 1), hint(2, 2), hint(2, 3)])),
            (2, run(Vec::new())),
            (3, run(vec![hint(0, 9), hint(2, 1), hint(3, 4)])),
        ];
        let mut found = Vec::new();
        merge(&runs, &Sweeping::default(), 0, |verdict| match verdict {
            Verdict::Alive(alive) => found.push((alive.digest.0[0], alive.segment, alive.lsn)),
            other => panic!("{other:?}"),
        });
        assert_eq!(found, [(0, 3, 9), (1, 1, 1), (2, 1, 3), (3, 3, 4)]);
    }
}
