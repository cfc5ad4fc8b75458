//! The verdict: whether a session lives, from everything the log says of its digest.
//!
//! Owns: the rules 3 to 6 of the design as one pure function, the `scan` of `model.py`. No I/O, no order of segments,
//! no clock but the one that is passed in: whatever survives of the log, in whatever files, gives one answer.

use std::collections::HashMap;

use crate::id::Digest;
use crate::log::hint::{Hint, Hinted};
use crate::log::mark::{Ended, Ending};
use crate::session::Deadline;

/// A hint and the segment that it speaks of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    pub segment: u32,
    pub hint: Hint,
}

/// Where a live session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alive {
    pub digest: Digest,
    pub lsn: u64,
    pub segment: u32,
    pub place: u32,
    pub span: u32,
    pub deadline: Deadline,
    pub subject: Option<Digest>,
}

/// What ends sessions without naming them: revocations, clears, and damage that may have been an ending.
#[derive(Debug, Default)]
pub(crate) struct Sweeping {
    cleared_below: u64,
    damaged_below: u64,
    revoked: HashMap<Digest, Vec<(u64, Option<Digest>)>>,
    /// Endings of single sessions that a mark or footer repeats, of which no frame may be left.
    repeated: HashMap<Digest, u64>,
}

/// What a verdict says of a session that is not alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive(Alive),
    Dead,
    /// Damage may have ended it.
    PerhapsEnded,
}

impl Sweeping {
    /// An ending holds.
    pub fn add(&mut self, ending: &Ending) {
        match ending.what {
            Ended::All => self.cleared_below = self.cleared_below.max(ending.lsn),
            Ended::Subject { subject, keep } => {
                self.revoked.entry(subject).or_default().push((ending.lsn, keep))
            }
            Ended::One(digest) => {
                let last = self.repeated.entry(digest).or_default();
                *last = (*last).max(ending.lsn);
            }
        }
    }

    /// An unknown ending may have stood at or below this LSN: what has no record above it is not to be trusted.
    pub fn add_damage(&mut self, lsn: u64) {
        self.damaged_below = self.damaged_below.max(lsn);
    }

    /// The highest LSN at or below which an unknown ending may have stood.
    pub fn damaged_below(&self) -> Option<u64> {
        Some(self.damaged_below).filter(|lsn| *lsn > 0)
    }

    fn ends(&self, digest: Digest, subject: Option<Digest>, lsn: u64) -> bool {
        let revoked = |revoked: &Vec<(u64, Option<Digest>)>| {
            revoked.iter().any(|(at, keep)| *at > lsn && *keep != Some(digest))
        };
        self.cleared_below > lsn
            || subject.and_then(|subject| self.revoked.get(&subject)).is_some_and(revoked)
            || self.repeated.get(&digest).is_some_and(|at| *at > lsn)
    }
}

/// Judges one digest by all that is known of it at a time that is durable.
pub(crate) fn judge(sightings: &[Sighting], sweeping: &Sweeping, now_ms: u64) -> Verdict {
    // A put and the stub that compaction made of it have one LSN. While both are there, nothing that was durable had
    // ended the put, so it counts.
    let rank = |sighting: &&Sighting| {
        let hint = &sighting.hint;
        let order = planted!(TimeOrdersWrites, hint.deadline.bits(), hint.lsn);
        match hint.what {
            Hinted::Put { subject, .. }
                if planted!(RevocationOfAnyVersion) && sweeping.ends(hint.digest, subject, hint.lsn) =>
            {
                None
            }
            Hinted::Put { .. } => Some((order, true, hint.deadline)),
            Hinted::Stub => Some((order, false, Deadline::at_ms(0))),
            Hinted::Touch { .. } | Hinted::Ended => None,
        }
    };
    let newest = sightings.iter().filter(|sighting| rank(sighting).is_some()).max_by_key(rank);
    let Some(Sighting { segment, hint }) = newest else {
        return Verdict::Dead;
    };
    let Hinted::Put { place, span, subject } = hint.what else {
        return Verdict::Dead;
    };
    let mut deadline = hint.deadline;
    for other in sightings {
        match other.hint.what {
            Hinted::Touch { base } if planted!(TouchExtendsAnyRecord, base > 0, base == hint.lsn) => {
                deadline = other.hint.deadline.max(planted!(LastTouchWins, Deadline::at_ms(0), deadline));
            }
            Hinted::Ended if other.hint.lsn > hint.lsn => return Verdict::Dead,
            _ => {}
        }
    }
    if deadline.has_passed(now_ms) || sweeping.ends(hint.digest, subject, hint.lsn) {
        return Verdict::Dead;
    }
    if hint.lsn <= sweeping.damaged_below {
        return Verdict::PerhapsEnded;
    }
    let (digest, lsn) = (hint.digest, hint.lsn);
    Verdict::Alive(Alive { digest, lsn, segment: *segment, place, span, deadline, subject })
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: Digest = Digest([1; 16]);
    const ALICE: Digest = Digest([2; 16]);

    fn see(lsn: u64, deadline_ms: u64, what: Hinted) -> Sighting {
        Sighting { segment: 1, hint: Hint { digest: K, lsn, deadline: Deadline::at_ms(deadline_ms), what } }
    }

    fn put(lsn: u64, deadline_ms: u64) -> Sighting {
        see(lsn, deadline_ms, Hinted::Put { place: 0, span: 64, subject: None })
    }

    fn alive(sightings: &[Sighting], sweeping: &Sweeping, now_ms: u64) -> Option<u64> {
        match judge(sightings, sweeping, now_ms) {
            Verdict::Alive(alive) => Some(alive.deadline.as_ms()),
            _ => None,
        }
    }

    #[test]
    fn the_newest_record_decides_also_when_it_has_expired() {
        let none = Sweeping::default();
        assert_eq!(alive(&[put(10, 5000), put(50, 100)], &none, 100), None, "worked example C5");
        assert_eq!(alive(&[put(50, 100), put(10, 5000)], &none, 99), Some(100));
    }

    #[test]
    fn a_touch_extends_its_own_record_and_only_extends() {
        let none = Sweeping::default();
        let touch = |lsn, base, deadline| see(lsn, deadline, Hinted::Touch { base });
        assert_eq!(alive(&[put(1, 10), touch(2, 1, 20), touch(3, 1, 15)], &none, 12), Some(20));
        assert_eq!(alive(&[put(1, 10), put(5, 11), touch(2, 1, 90)], &none, 0), Some(11));
    }

    #[test]
    fn a_rotate_ends_the_old_id_below_its_lsn() {
        let none = Sweeping::default();
        assert_eq!(alive(&[put(1, 10), see(2, 99, Hinted::Ended)], &none, 0), None);
        assert_eq!(
            alive(&[put(3, 10), see(2, 99, Hinted::Ended)], &none, 0),
            Some(10),
            "the id was created anew"
        );
    }

    #[test]
    fn a_revocation_is_judged_against_the_newest_record() {
        let mut sweeping = Sweeping::default();
        let what = Ended::Subject { subject: ALICE, keep: None };
        sweeping.add(&Ending { lsn: 5, ceiling: Deadline::NEVER, what });
        let hers = see(3, 50, Hinted::Put { place: 0, span: 64, subject: Some(ALICE) });
        assert_eq!(
            alive(&[put(1, 50), hers], &sweeping, 0),
            None,
            "the anonymous version does not come back"
        );
        let later = see(6, 50, Hinted::Put { place: 0, span: 64, subject: Some(ALICE) });
        assert_eq!(alive(&[put(1, 50), hers, later], &sweeping, 0), Some(50));
        let mut spared = Sweeping::default();
        let what = Ended::Subject { subject: ALICE, keep: Some(K) };
        spared.add(&Ending { lsn: 5, ceiling: Deadline::NEVER, what });
        assert_eq!(alive(&[hers], &spared, 0), Some(50));
    }

    #[test]
    fn the_stub_of_a_put_does_not_kill_it() {
        let none = Sweeping::default();
        assert_eq!(alive(&[put(1, 10), see(1, 99, Hinted::Stub)], &none, 0), Some(10));
        assert_eq!(alive(&[put(1, 10), see(2, 99, Hinted::Stub)], &none, 0), None);
    }

    #[test]
    fn damage_spares_what_has_a_record_above_it() {
        let mut sweeping = Sweeping::default();
        sweeping.add_damage(7);
        assert_eq!(judge(&[put(7, 10)], &sweeping, 0), Verdict::PerhapsEnded);
        assert_eq!(alive(&[put(7, 10), put(8, 10)], &sweeping, 0), Some(10));
    }
}
