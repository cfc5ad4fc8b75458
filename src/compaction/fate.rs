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
            Some(mine) if mine.lsn == base && mine.deadline < deadline && needed(mine.deadline_now) => {
                Fate::Keep
            }
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
