//! Evidence: whether a stub still has anything to testify against.
//!
//! Owns: the second half of rule 4. A stub goes when its ceiling has passed; but for a session that was never to end,
//! or for a crowd of short-lived ones, the digests in the other segments' footers tell sooner that nothing older of
//! its id is left anywhere. Nothing older can come: compaction runs one at a time, and the log only grows newer.

use std::collections::HashMap;
use std::sync::Arc;

use super::core::Core;
use crate::error::Result;
use crate::id::Digest;
use crate::log::hint::Hints;
use crate::log::record::{Record, What};
use crate::log::roster::Origin;
use crate::log::segment::Segment;
use crate::recovery::scan::scan_segment;
use crate::session::Deadline;
use crate::vfs;

/// Reading the other footers must promise to win this share of what is read.
const READ_FOR_ONE: u64 = 16;

/// Stubs that a rewrite would keep, by what they testify against.
#[derive(Default)]
pub(crate) struct Evidence {
    /// The highest LSN below which a record of the digest would matter, and whether one was found.
    against: HashMap<Digest, (u64, bool)>,
    bytes: u64,
    never: bool,
}

impl Evidence {
    /// A stub would be kept.
    pub fn add(&mut self, record: &Record<'_>, span: usize) {
        let (digest, ends) = match record.what {
            What::Put(version) => (version.digest, version.ends),
            What::Stub { digest, ends, .. } => (digest, ends),
            _ => return,
        };
        self.bytes += span as u64;
        self.never |= record.ceiling() == Deadline::NEVER;
        for digest in [Some(digest), ends.map(|ends| ends.digest)].into_iter().flatten() {
            let (lsn, _) = self.against.entry(digest).or_default();
            *lsn = (*lsn).max(record.lsn);
        }
    }

    /// Whether nothing that the stub could testify against is left.
    pub fn is_moot(&self, record: &Record<'_>) -> bool {
        let found = |digest: Digest| self.against.get(&digest).is_none_or(|(_, found)| *found);
        match record.what {
            What::Put(version) => {
                !found(version.digest) && !version.ends.is_some_and(|ends| found(ends.digest))
            }
            What::Stub { digest, ends, .. } => !found(digest) && !ends.is_some_and(|ends| found(ends.digest)),
            _ => false,
        }
    }

    fn see(&mut self, digest: Digest, lsn: u64) {
        if let Some((below, found)) = self.against.get_mut(&digest) {
            *found |= lsn < *below;
        }
    }

    fn give_up(&mut self) {
        self.against.values_mut().for_each(|(_, found)| *found = true);
    }
}

impl Core {
    /// Looks for records older than the stubs in every segment but the inputs. Where that would cost more than it
    /// can win, or a segment cannot be asked, all of them stay.
    pub fn cross_examine(&self, evidence: &mut Evidence, inputs: &[Arc<Segment>]) -> Result<()> {
        if planted!(TombstoneDroppedUnasked) {
            return Ok(());
        }
        let newest = evidence.against.values().map(|(lsn, _)| *lsn).max().unwrap_or(0);
        let segments = self.index.segments();
        let others: Vec<_> = segments
            .iter()
            .filter(|(number, _)| !inputs.iter().any(|input| input.number == *number))
            .map(|(_, segment)| segment)
            .filter(|segment| segment.lsn_min() < newest)
            .collect();
        let footer_bytes: u64 = others.iter().map(|segment| segment.footer_bytes()).sum();
        if !evidence.never && footer_bytes > evidence.bytes.saturating_mul(READ_FOR_ONE) {
            evidence.give_up();
            return Ok(());
        }
        for segment in others {
            match hints(segment)? {
                Some(hints) => hints.hints.iter().for_each(|hint| evidence.see(hint.digest, hint.lsn)),
                None => {
                    evidence.give_up();
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// What a segment says, from its footer or, where it has none yet, from its frames; `None` where those are damaged.
fn hints(segment: &Segment) -> Result<Option<Hints>> {
    if let Some(hints) = footer(segment)? {
        return Ok(Some(hints));
    }
    let mut hints = Hints::default();
    let holes = scan_segment(segment, segment.origin == Origin::Log, |offset, frame| {
        if let Some(record) = Record::decode(&frame) {
            hints.note(&record, offset, frame.span());
        }
    })?;
    Ok(holes.is_empty().then_some(hints))
}

/// A segment's footer, if it has a sound one.
fn footer(segment: &Segment) -> Result<Option<Hints>> {
    let end = segment.end();
    let mut bytes = vec![0; usize::try_from(segment.footer_bytes()).unwrap_or(0)];
    let read = vfs::read_up_to(segment.file.as_ref(), &mut bytes, end)
        .map_err(|error| crate::Error::io(format!("reading {}", segment.name()), error))?;
    bytes.truncate(read);
    Ok(Hints::decode(&bytes, segment.salt, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::Ends;

    const NEW: Digest = Digest([1; 16]);
    const OLD: Digest = Digest([2; 16]);
    const OTHER: Digest = Digest([3; 16]);

    /// A stub of the new id whose session a rotate took over from the old one.
    fn stub(lsn: u64) -> Record<'static> {
        let ends = Some(Ends { digest: OLD, ceiling: Deadline::at_ms(1_000) });
        Record { lsn, what: What::Stub { digest: NEW, birth: 1, ceiling: Deadline::at_ms(1_000), ends } }
    }

    #[test]
    fn a_stub_stays_while_something_older_of_one_of_its_two_ids_is_left() {
        for (seen, stays) in [
            (None, false),
            (Some((NEW, 9)), true),
            (Some((OLD, 9)), true),
            (Some((NEW, 10)), false),
            (Some((OLD, 11)), false),
            (Some((OTHER, 1)), false),
        ] {
            let mut evidence = Evidence::default();
            evidence.add(&stub(10), 80);
            seen.into_iter().for_each(|(digest, lsn)| evidence.see(digest, lsn));
            evidence.see(NEW, 50);
            assert_eq!(evidence.is_moot(&stub(10)), !stays, "{seen:?}");
        }
    }

    #[test]
    fn a_version_that_would_become_a_stub_is_asked_about_as_one() {
        let ends = Some(Ends { digest: OLD, ceiling: Deadline::at_ms(1_000) });
        let what = What::Put(crate::log::record::Version {
            digest: NEW,
            deadline: Deadline::at_ms(1_000),
            created_ms: 0,
            idle_ms: 0,
            birth: 1,
            absolute: Deadline::NEVER,
            ceiling: Deadline::at_ms(1_000),
            subject: None,
            ends,
            id: None,
            payload: b"",
            sealed_to: None,
        });
        let version = Record { lsn: 10, what };
        for (seen, stays) in [(None, false), (Some(NEW), true), (Some(OLD), true), (Some(OTHER), false)] {
            let mut evidence = Evidence::default();
            evidence.add(&version, 80);
            seen.into_iter().for_each(|digest| evidence.see(digest, 9));
            assert_eq!(evidence.is_moot(&version), !stays, "{seen:?}");
        }
        assert!(!Evidence::default().is_moot(&version), "nobody was asked");
    }

    #[test]
    fn what_asking_may_cost_goes_by_all_stubs_and_one_that_never_goes_is_worth_any_cost() {
        let mut evidence = Evidence::default();
        evidence.add(&stub(10), 80);
        evidence.add(&stub(11), 72);
        assert_eq!((evidence.bytes, evidence.never), (152, false));
        let what = What::Stub { digest: NEW, birth: 1, ceiling: Deadline::NEVER, ends: None };
        evidence.add(&Record { lsn: 12, what }, 64);
        evidence.add(&stub(13), 80);
        assert_eq!((evidence.bytes, evidence.never), (296, true));
        evidence.give_up();
        assert!(!evidence.is_moot(&stub(10)));
    }
}
