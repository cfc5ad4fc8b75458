//! Planning: what of the inputs of a rewrite stays.
//!
//! Owns: the order in which records are judged, each by [`fate`]: first versions and stubs, so that it is known which
//! deadlines are folded into what moves; then touches; then what sweeps, since that is needed while anything older stays.
//! Nothing is written here.

use std::collections::HashMap;
use std::sync::Arc;

use super::core::Core;
use super::evidence::Evidence;
use crate::compaction::Memory;
use crate::compaction::fate::{Fate, Mine, fate};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::index::Place;
use crate::log::record::{Record, Version, What};
use crate::log::roster::Origin;
use crate::log::segment::Segment;
use crate::recovery::scan::scan_segment;
use crate::sealing::TAG_BYTES;
use crate::session::Deadline;

/// A rewritten frame may be this much longer than it was: its ceiling may have to be told apart from its deadline.
pub(super) const GROWTH_BYTES: u64 = 8;
/// And by this much where it was plain and will be sealed: the length of an id and the tag, on to the next 8 bytes.
pub(super) const SEAL_BYTES: u64 = (2 + TAG_BYTES as u64).next_multiple_of(8);

/// A record that stays: which input, where in it, and how.
pub(crate) struct Stays {
    pub input: usize,
    pub offset: u64,
    pub fate: Fate,
}

/// What a rewrite has decided.
#[derive(Default)]
pub(crate) struct Plan {
    pub stays: Vec<Stays>,
    pub bytes: u64,
    /// Deadlines that moving folds into their records, by LSN: touches up to them are no longer needed.
    folded: HashMap<u64, Deadline>,
    lsn_min: u64,
    /// How much longer a frame of each input may become.
    growth_bytes: Vec<u64>,
}

/// Where a record stands among the inputs, and how long its frame is.
#[derive(Clone, Copy)]
struct Spot {
    input: usize,
    offset: u64,
    span: usize,
    lsn: u64,
}

/// What is judged later than versions.
#[derive(Default)]
struct Later {
    stubs: Vec<(Spot, Fate)>,
    evidence: Evidence,
    touches: Vec<(Spot, Digest, u64, Deadline)>,
    sweeping: Vec<(Spot, Deadline)>,
}

impl Core {
    /// Judges every record of the inputs; `None` when one of them is damaged and must stay.
    pub fn plan_rewrite(
        &self,
        inputs: &[Arc<Segment>],
        now_ms: u64,
        memory: &mut Memory,
    ) -> Result<Option<Plan>> {
        let seals = self.appender()?.files.sealing.seals();
        let growth =
            |input: &Arc<Segment>| GROWTH_BYTES + if seals && input.key().is_none() { SEAL_BYTES } else { 0 };
        let growth_bytes = inputs.iter().map(growth).collect();
        let mut plan = Plan { lsn_min: u64::MAX, growth_bytes, ..Plan::default() };
        let mut later = Later::default();
        for (input, segment) in inputs.iter().enumerate() {
            let mut judged = Ok(());
            let holes = scan_segment(segment, segment.origin == Origin::Log, |offset, frame| {
                let spot = Spot { input, offset, span: frame.span(), lsn: frame.lsn };
                if let (Ok(()), Some(record)) = (&judged, Record::decode(&frame)) {
                    judged = self.judge_now(spot, &record, segment.number, now_ms, (&mut plan, &mut later));
                }
            });
            let Ok(holes) = holes else {
                // One segment that cannot be read must not keep all others from being reclaimed.
                self.found_damage(segment, segment.start, memory);
                return Ok(None);
            };
            if let Some(hole) = holes.first() {
                self.found_damage(segment, hole.offset, memory);
                return Ok(None);
            }
            judged?;
        }
        self.judge_stubs(inputs, &mut plan, &mut later)?;
        self.judge_touches(now_ms, &mut plan, &later)?;
        let oldest = plan.lsn_min.min(self.lsn_min_elsewhere(inputs));
        for (spot, ceiling) in later.sweeping {
            // It is needed until its ceiling has passed, and while anything older is left at all.
            let fate = if ceiling.has_passed(now_ms) || oldest > spot.lsn { Fate::Drop } else { Fate::Keep };
            plan.add(spot, fate);
        }
        Ok(Some(plan))
    }

    /// Judges a version at once, and puts off whatever depends on others.
    fn judge_now(
        &self,
        spot: Spot,
        record: &Record<'_>,
        segment: u32,
        now_ms: u64,
        (plan, later): (&mut Plan, &mut Later),
    ) -> Result<()> {
        match record.what {
            What::Touch { digest, base, deadline } => later.touches.push((spot, digest, base, deadline)),
            What::Revoke { .. } | What::Clear { .. } => later.sweeping.push((spot, record.ceiling())),
            What::Put(_) | What::Stub { .. } => {
                let mine = match self.mine(record, segment, spot.offset) {
                    // What cannot be read supersedes nothing: evidence is kept.
                    Err(Error::Corrupt(_)) => None,
                    mine => mine?,
                };
                match fate(record, mine, now_ms) {
                    fate @ Fate::Move { deadline } => {
                        plan.folded.insert(record.lsn, deadline);
                        plan.add(spot, fate);
                    }
                    fate @ (Fate::Stub | Fate::Keep) => {
                        later.evidence.add(record, spot.span);
                        later.stubs.push((spot, fate));
                    }
                    Fate::Drop => {}
                }
            }
        }
        Ok(())
    }

    /// Keeps the stubs that still have something to testify against.
    fn judge_stubs(&self, inputs: &[Arc<Segment>], plan: &mut Plan, later: &mut Later) -> Result<()> {
        self.cross_examine(&mut later.evidence, inputs)?;
        let mut buffer = Vec::new();
        for (spot, fate) in &later.stubs {
            let Some(segment) = inputs.get(spot.input) else { continue };
            let frame = segment.frame(spot.offset, &mut buffer)?;
            if Record::decode(&frame).is_some_and(|record| !later.evidence.is_moot(&record)) {
                plan.add(*spot, *fate);
            }
        }
        Ok(())
    }

    /// Keeps the touches that are not folded into what they extend.
    fn judge_touches(&self, now_ms: u64, plan: &mut Plan, later: &Later) -> Result<()> {
        for (spot, digest, base, deadline) in &later.touches {
            if plan.folded.get(base).is_some_and(|folded| folded >= deadline) {
                continue;
            }
            let what = What::Touch { digest: *digest, base: *base, deadline: *deadline };
            let record = Record { lsn: spot.lsn, what };
            let fate = match self.mine(&record, u32::MAX, 0) {
                // Perhaps what it extends can be read another time: then the touch is needed.
                Err(Error::Corrupt(_)) if !deadline.has_passed(now_ms) => Fate::Keep,
                Err(Error::Corrupt(_)) => Fate::Drop,
                mine => fate(&record, mine?, now_ms),
            };
            plan.add(*spot, fate);
        }
        Ok(())
    }

    /// The oldest LSN in any segment that is not among these.
    fn lsn_min_elsewhere(&self, inputs: &[Arc<Segment>]) -> u64 {
        let segments = self.index.segments();
        let others =
            segments.iter().filter(|(number, _)| !inputs.iter().any(|input| input.number == *number));
        others.map(|(_, segment)| segment.lsn_min()).min().unwrap_or(u64::MAX)
    }

    /// What the index knows of a record's session.
    fn mine(&self, record: &Record<'_>, segment: u32, offset: u64) -> Result<Option<Mine>> {
        let (What::Put(Version { digest, .. }) | What::Stub { digest, .. } | What::Touch { digest, .. }) =
            record.what
        else {
            return Ok(None);
        };
        if let What::Put(version) = record.what
            && let Some(place) = Place::at_byte(segment, offset)
            && let Some(entry) = self.index.at(digest.tag(), place)
        {
            let (lsn, birth, deadline) = (record.lsn, version.birth, version.deadline);
            return Ok(Some(Mine { lsn, birth, deadline, is_this: true, deadline_now: entry.deadline() }));
        }
        self.find(digest, |found| {
            let (lsn, birth, deadline) = (found.lsn, found.version.birth, found.version.deadline);
            Ok(Mine { lsn, birth, deadline, is_this: false, deadline_now: found.entry.deadline() })
        })
    }
}

impl Plan {
    fn add(&mut self, spot: Spot, fate: Fate) {
        if fate == Fate::Drop {
            return;
        }
        let span = spot.span as u64;
        let growth = self.growth_bytes.get(spot.input).copied().unwrap_or(GROWTH_BYTES);
        let bytes = match fate {
            Fate::Move { .. } => span + growth,
            // A stub keeps the fixed fields and what a rotate ended, and has a birth that a create does without.
            Fate::Stub => (span + GROWTH_BYTES).min(80),
            Fate::Keep | Fate::Drop => span + (growth - GROWTH_BYTES),
        };
        self.bytes += bytes;
        self.lsn_min = self.lsn_min.min(spot.lsn);
        self.stays.push(Stays { input: spot.input, offset: spot.offset, fate });
    }
}
