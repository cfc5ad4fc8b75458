//! Fate: what of a record must stay when its segment is rewritten.
//!
//! Owns: the rules 3 to 6 from the other side, the `needed` of `model.py`, as one pure function.

use crate::log::record::{Ends, Record, What};
use crate::session::Deadline;

/// What the index knows of the record's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mine {
    /// The LSN, birth and deadline of the record that is its version now.
    pub lsn: u64,
    pub birth: u64,
    pub deadline: Deadline,
    /// Whether that record is the very one that is judged.
    pub is_this: bool,
    /// The deadline that memory has, touches included.
    pub deadline_now: Deadline,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is the session's version: it moves, with the deadline and ceiling that memory has.
    Move { deadline: Deadline },
    /// It is needed as it is.
    Keep,
    /// It is needed as evidence that something older is dead.
    Stub,
    /// Nothing needs it.
    Drop,
}

/// Judges a record at a time that is durable.
pub(crate) fn fate(record: &Record<'_>, mine: Option<Mine>, now_ms: u64) -> Fate {
    let needed = |ceiling: Deadline| !ceiling.has_passed(now_ms);
    let superseded = |birth: u64| {
        let birth_of = |mine: Mine| planted!(SupersededByAnotherBirth, birth, mine.birth);
        mine.is_some_and(|mine| birth_of(mine) == birth && mine.lsn > record.lsn && needed(mine.deadline_now))
    };
    match record.what {
        What::Put(version) => match mine {
            Some(mine) if mine.is_this => Fate::Move { deadline: mine.deadline_now },
            _ if planted!(EndedLeavesNoStub) => Fate::Drop,
            _ if planted!(ExpiredShadowIsDropped) && !needed(version.deadline) => Fate::Drop,
            _ if planted!(RevocationForgets) && needed(version.deadline) => Fate::Drop,
            _ if ends_needed(version.ends, now_ms) => Fate::Stub,
            _ if version.is_create(record.lsn) || superseded(version.birth) => Fate::Drop,
            _ if needed(version.ceiling.max(version.deadline)) => Fate::Stub,
            _ => Fate::Drop,
        },
        What::Stub { birth, ceiling, ends, .. } => {
            let needed = |ceiling| planted!(EndedLeavesNoStub, false, needed(ceiling));
            if ends_needed(ends, now_ms) || needed(ceiling) && !superseded(birth) {
                Fate::Keep
            } else {
                Fate::Drop
            }
        }
        What::Touch { base, deadline, .. } => match mine {
            _ if planted!(TouchDroppedUnfolded) => Fate::Drop,
            // Also of a session that is over, as long as memory has it: by its last touch it is known when that was.
            Some(mine) if mine.lsn == base && mine.deadline < deadline => Fate::Keep,
            _ => Fate::Drop,
        },
        What::Revoke { ceiling, .. } | What::Clear { ceiling } => {
            if needed(ceiling) {
                Fate::Keep
            } else {
                Fate::Drop
            }
        }
    }
}

/// Whether a rotate must still say that it ended the id before it.
pub(crate) fn ends_needed(ends: Option<Ends>, now_ms: u64) -> bool {
    !planted!(RotateGoesWithOneEffect) && ends.is_some_and(|ends| !ends.ceiling.has_passed(now_ms))
}

/// The record that is left of one whose fate is [`Fate::Stub`].
pub(crate) fn stub_of<'a>(record: &Record<'a>) -> Record<'a> {
    match record.what {
        What::Put(version) => {
            let (digest, birth, ends) = (version.digest, version.birth, version.ends);
            let ceiling = version.ceiling.max(version.deadline);
            Record { lsn: record.lsn, what: What::Stub { digest, birth, ceiling, ends } }
        }
        _ => *record,
    }
}

/// The record that a moved version becomes: touches are folded in.
pub(crate) fn moved<'a>(record: &Record<'a>, deadline: Deadline, now_ms: u64) -> Record<'a> {
    match record.what {
        What::Put(version) => {
            let ceiling = version.ceiling.max(version.deadline).max(deadline);
            let ends = version.ends.filter(|ends| !ends.ceiling.has_passed(now_ms));
            let folded = planted!(TouchForgottenInMove, version.deadline, deadline);
            let version = crate::log::record::Version { deadline: folded, ceiling, ends, ..version };
            Record { lsn: record.lsn, what: What::Put(version) }
        }
        _ => *record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;
    use crate::log::record::Version;

    const ID: Digest = Digest([1; 16]);
    const OLD_ID: Digest = Digest([2; 16]);
    const NOW: u64 = 1_000;
    const PAST: Deadline = Deadline::at_ms(NOW - 1);
    const AHEAD: Deadline = Deadline::at_ms(NOW + 1_000);
    const FAR: Deadline = Deadline::at_ms(NOW + 9_000);

    fn version(birth: u64, deadline: Deadline, ceiling: Deadline) -> Version<'static> {
        Version {
            digest: ID,
            deadline,
            created_ms: 0,
            idle_ms: 0,
            birth,
            absolute: Deadline::NEVER,
            ceiling,
            subject: None,
            ends: None,
            id: None,
            payload: b"",
            sealed_to: None,
        }
    }

    fn put(lsn: u64, version: Version<'static>) -> Record<'static> {
        Record { lsn, what: What::Put(version) }
    }

    fn stub(lsn: u64, birth: u64, ceiling: Deadline) -> Record<'static> {
        Record { lsn, what: What::Stub { digest: ID, birth, ceiling, ends: None } }
    }

    fn touch(base: u64, deadline: Deadline) -> Record<'static> {
        Record { lsn: 90, what: What::Touch { digest: ID, base, deadline } }
    }

    fn now(lsn: u64, birth: u64, deadline: Deadline) -> Option<Mine> {
        Some(Mine { lsn, birth, deadline, is_this: false, deadline_now: deadline })
    }

    #[test]
    fn an_update_leaves_a_stub_until_nothing_older_can_live_or_a_newer_one_of_its_session_speaks_for_it() {
        let update = put(20, version(10, PAST, AHEAD));
        assert_eq!(fate(&update, None, NOW), Fate::Stub);
        assert_eq!(fate(&put(20, version(10, AHEAD, PAST)), None, NOW), Fate::Stub);
        assert_eq!(fate(&put(20, version(10, PAST, PAST)), None, NOW), Fate::Drop);
        assert_eq!(
            fate(&update, now(30, 10, AHEAD), NOW),
            Fate::Drop,
            "a newer version of the session lives"
        );
        assert_eq!(fate(&update, now(30, 25, AHEAD), NOW), Fate::Stub, "the id was created anew");
        assert_eq!(fate(&update, now(30, 10, PAST), NOW), Fate::Stub, "the newer version will be gone");
        assert_eq!(fate(&update, now(20, 10, AHEAD), NOW), Fate::Stub, "another copy of itself says nothing");
        assert_eq!(fate(&update, now(15, 10, AHEAD), NOW), Fate::Stub, "an older one says nothing");
    }

    #[test]
    fn a_create_needs_no_stub_unless_it_ended_another_id() {
        let mut create = version(20, AHEAD, AHEAD);
        assert_eq!(fate(&put(20, create), None, NOW), Fate::Drop);
        create.ends = Some(Ends { digest: OLD_ID, ceiling: AHEAD });
        assert_eq!(fate(&put(20, create), None, NOW), Fate::Stub);
        create.ends = Some(Ends { digest: OLD_ID, ceiling: PAST });
        assert_eq!(fate(&put(20, create), now(30, 20, AHEAD), NOW), Fate::Drop);
    }

    #[test]
    fn a_stub_stays_until_its_ceiling_or_a_newer_version_of_its_session() {
        assert_eq!(fate(&stub(20, 10, AHEAD), None, NOW), Fate::Keep);
        assert_eq!(fate(&stub(20, 10, PAST), None, NOW), Fate::Drop);
        assert_eq!(fate(&stub(20, 10, AHEAD), now(30, 10, AHEAD), NOW), Fate::Drop);
        assert_eq!(
            fate(&stub(20, 10, AHEAD), now(30, 25, AHEAD), NOW),
            Fate::Keep,
            "the id was created anew"
        );
        assert_eq!(fate(&stub(20, 10, PAST), now(30, 25, AHEAD), NOW), Fate::Drop);
    }

    #[test]
    fn a_touch_stays_while_it_says_more_than_the_version_that_it_extends() {
        assert_eq!(fate(&touch(20, FAR), now(20, 10, AHEAD), NOW), Fate::Keep);
        assert_eq!(fate(&touch(20, AHEAD), now(20, 10, AHEAD), NOW), Fate::Drop, "it says the same");
        assert_eq!(fate(&touch(20, AHEAD), now(20, 10, FAR), NOW), Fate::Drop, "it says less");
        assert_eq!(fate(&touch(19, FAR), now(20, 10, AHEAD), NOW), Fate::Drop, "it extends another record");
        assert_eq!(
            fate(&touch(20, FAR), now(20, 10, PAST), NOW),
            Fate::Keep,
            "it is over, and perhaps not told"
        );
        assert_eq!(fate(&touch(20, FAR), None, NOW), Fate::Drop);
    }

    #[test]
    fn a_moved_version_keeps_what_its_rotate_ended_only_until_nothing_of_that_can_live() {
        for (ceiling, stays) in [(AHEAD, true), (PAST, false)] {
            let mut rotated = version(20, AHEAD, PAST);
            rotated.ends = Some(Ends { digest: OLD_ID, ceiling });
            let What::Put(moved) = moved(&put(20, rotated), FAR, NOW).what else { panic!("it is a version") };
            assert_eq!((moved.deadline, moved.ceiling, moved.ends.is_some()), (FAR, FAR, stays));
        }
    }
}
