//! Compacting: what drives compaction and moves the index to its output.
//!
//! Owns: the order of the steps that `compaction` describes. Locks: the compactor's, for the length of a step; no id's
//! and no tail's while records are read or written.

use std::sync::Arc;

use super::core::Core;
use super::planning::Plan;
use crate::compaction::fate::{Fate, moved, stub_of};
use crate::compaction::output::Output;
use crate::compaction::pick::{Policy, has_room, pick};
use crate::compaction::{Memory, Step, Thrift};
use crate::error::{Damage, Error, Full, Result};
use crate::id::Digest;
use crate::index::Place;
use crate::log::appender::Appender;
use crate::log::frame;
use crate::log::hint::Hints;
use crate::log::record::{Record, What};
use crate::log::roster::Origin;
use crate::log::segment::Segment;
use crate::observer::Event;
use crate::recovery::scan::scan_segment;
use crate::sync::atomic::Ordering;
use crate::vfs;

/// What there is to do, the most urgent first.
enum Work {
    /// Wholly dead: to be removed unread.
    Retire(Vec<Arc<Segment>>),
    Rewrite(Vec<Arc<Segment>>),
    Seal(Vec<Arc<Segment>>),
    None,
}

impl Work {
    fn find(full: &[Arc<Segment>], policy: Policy, unread_ms: u64, memory: &Memory) -> Self {
        let sound: Vec<_> = full.iter().filter(|s| !memory.damaged.contains(&s.number)).cloned().collect();
        let dead = |s: &&Arc<Segment>| {
            let now_ms = planted!(UnlinkedBelowItsCeiling, u64::MAX, unread_ms);
            s.live_bytes() == 0 && s.ceiling().has_passed(now_ms)
        };
        let dead: Vec<_> = sound.iter().filter(dead).cloned().collect();
        if !dead.is_empty() {
            return Self::Retire(dead);
        }
        let inputs = pick(&sound, policy);
        if !inputs.is_empty() {
            return Self::Rewrite(inputs);
        }
        let unsealed = |s: &Arc<Segment>| s.origin == Origin::Log && !memory.sealed.contains(&s.number);
        let unsealed: Vec<_> = sound.into_iter().filter(unsealed).collect();
        if unsealed.is_empty() { Self::None } else { Self::Seal(unsealed) }
    }

    const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// A rewrite goes by a durable clock that is at most this old, so that a full disk is not filled with marks.
const MARK_EVERY_MS: u64 = 60_000;
/// A version that was copied: digest, from where, to where, and its bytes there.
struct Moved {
    digest: Digest,
    from: Place,
    to: Place,
    span: usize,
}

impl Core {
    /// Removes what is wholly dead, seals what is full, and rewrites what is worth it: one step of it.
    pub fn compact_step(&self, thrift: Thrift) -> Result<Step> {
        let mut memory = self.upkeep.compactor.running.lock();
        let appender = self.appender()?;
        let now = self.look();
        let (disk_bytes, segment_bytes) = (appender.files.disk_bytes(), appender.files.segment_bytes());
        let policy = Policy {
            now_ms: now.settled_ms,
            erase_within: self.options.erase_within,
            output_bytes_max: segment_bytes,
            usual_bytes: appender.files.next_capacity(0),
            pressed: thrift == Thrift::Pressed || disk_bytes > appender.files.disk_bytes_max() / 2,
            roomy: !(self.options.eager_compaction || thrift == Thrift::Eager)
                && has_room(disk_bytes, self.live_bytes(), segment_bytes),
            tail: appender.tail_segment().number,
        };
        let unread_ms = self.unread_by(appender, now.settled_ms);
        if policy.should_leave(&appender.tail_segment()) {
            match appender.roll() {
                // What can be won elsewhere is won first.
                Err(Error::Full(_)) => {}
                rolled => rolled?,
            }
        }
        // A look without cost first: most of the time there is nothing to do.
        let full = self.full_segments(appender);
        if Work::find(&full, policy, unread_ms, &memory).is_none() {
            return Ok(Step::default());
        }
        // Only what was full before the barrier may be judged behind it.
        self.settle_full_segments(appender)?;
        match Work::find(&full, policy, unread_ms, &memory) {
            Work::Retire(dead) => {
                // Dropped because of time, so a mark at least as late must be durable first (rule 8).
                appender.mark_clock(now.settled_ms, true)?;
                self.retire(&dead, &mut memory)?;
                Ok(Step { removed: dead.len() as u64, compacted: 0 })
            }
            Work::Rewrite(inputs) => self.rewrite(inputs, &mut memory),
            Work::Seal(full) => {
                full.iter().try_for_each(|segment| self.seal(segment, &mut memory))?;
                Ok(Step::default())
            }
            Work::None => Ok(Step::default()),
        }
    }

    fn live_bytes(&self) -> u64 {
        self.index.segments().iter().map(|(_, segment)| segment.live_bytes()).sum()
    }

    /// The segments that will not change any more.
    pub(super) fn full_segments(&self, appender: &Appender) -> Vec<Arc<Segment>> {
        let tail = appender.tail_segment();
        let full =
            |segment: &Arc<Segment>| segment.origin == Origin::Compaction || segment.number < tail.number;
        self.index.segments().iter().map(|(_, segment)| Arc::clone(segment)).filter(full).collect()
    }

    /// Sees to it that full segments are durable, and that the index knows what is in them.
    pub(super) fn settle_full_segments(&self, appender: &Appender) -> Result<()> {
        appender.sync(appender.appended_lsn())?;
        // A writer holds its id's lock from the append to the index. Whoever has appended to one of these segments has
        // let go by now, so what the index does not know of them is dead and not merely on its way.
        if !planted!(CompactsPastWritersInFlight) {
            drop(self.locks.all());
        }
        Ok(())
    }

    /// Takes segments off the roster, durably, and then unlinks them.
    fn retire(&self, segments: &[Arc<Segment>], memory: &mut Memory) -> Result<()> {
        // With their records goes what could still tell who has run out.
        self.keep_told()?;
        let appender = self.appender()?;
        let numbers: Vec<u32> = segments.iter().map(|segment| segment.number).collect();
        let lsn = appender.leave(self.watch.now().settled_ms, &numbers)?;
        if !planted!(UnlinkedBeforeItIsDurable) {
            appender.sync(lsn)?;
        }
        for segment in segments {
            self.index.remove_segment(segment.number);
            memory.sealed.remove(&segment.number);
            let length = segment.file.len().unwrap_or(segment.capacity);
            // An unlisted file that cannot be removed now is removed at the next opening.
            let _ = appender.files.remove(segment.number, length);
        }
        Ok(())
    }

    /// Writes the footer of a full segment. It is only a cache, so that it cannot be written is no failure.
    pub fn seal(&self, segment: &Segment, memory: &mut Memory) -> Result<()> {
        if segment.origin == Origin::Compaction || !memory.sealed.insert(segment.number) {
            return Ok(());
        }
        let appender = self.appender()?;
        let end = segment.end();
        let mut head = [0; Hints::HEAD_BYTES];
        let there = vfs::read_exact_at(segment.file.as_ref(), &mut head, end).is_ok();
        if there && Hints::claimed_length_max(&head).is_some() {
            return Ok(());
        }
        let mut hints = Hints::default();
        let holes = scan_segment(segment, true, |offset, frame| {
            if let Some(record) = Record::decode(&frame) {
                hints.note(&record, offset, frame.span());
            }
        });
        let Ok(holes) = holes else {
            self.found_damage(segment, segment.start, memory);
            return Ok(());
        };
        if let Some(hole) = holes.first() {
            self.found_damage(segment, hole.offset, memory);
            return Ok(());
        }
        hints.sort();
        let footer = hints.encode(segment.salt, end);
        let path = appender.files.directory.join(segment.name());
        let before = segment.file.len().unwrap_or(segment.capacity);
        if let Ok(file) = appender.files.vfs.open(&path, true)
            && vfs::write_all_at(file.as_ref(), &footer, end).and_then(|()| file.sync()).is_ok()
        {
            let after = file.len().unwrap_or(before);
            appender.files.grown(after.saturating_sub(before));
        }
        Ok(())
    }

    pub fn found_damage(&self, segment: &Segment, offset: u64, memory: &mut Memory) {
        memory.damaged.insert(segment.number);
        let what =
            "a record cannot be read or is not what was written, so the segment is kept as it is".to_owned();
        self.tell(&Event::Damaged(Damage { file: segment.name(), offset, what }));
    }

    pub(super) fn rewrite(&self, inputs: Vec<Arc<Segment>>, memory: &mut Memory) -> Result<Step> {
        activity!(DEBUG, "compact", segments = inputs.len());
        let appender = self.appender()?;
        let settled_ms = self.watch.now().settled_ms;
        if settled_ms > appender.commit().durable_clock_ms().saturating_add(MARK_EVERY_MS) {
            // Where there is no room for it, less is dropped.
            let _ = appender.mark_clock(settled_ms, false);
        }
        appender.sync(appender.appended_lsn())?;
        let now_ms = appender.commit().durable_clock_ms();
        let Some(plan) = self.plan_rewrite(&inputs, now_ms, memory)? else {
            // One input is put aside; the others are looked at again.
            return Ok(Step { removed: 0, compacted: 1 });
        };
        let step = Step { removed: inputs.len() as u64, compacted: u64::from(!plan.stays.is_empty()) };
        tell!(compacted(step.removed, plan.bytes));
        if !plan.stays.is_empty() {
            let written = self.write_output(&inputs, &plan, now_ms, memory);
            if let Err(Error::Corrupt(_)) = &written
                && inputs.iter().any(|input| memory.damaged.contains(&input.number))
            {
                // That input is put aside; the others are looked at again.
                return Ok(Step { removed: 0, compacted: 1 });
            }
            let (segment, copies) = written?;
            if !self.know_segment(&segment) {
                let _ = appender.files.remove(segment.number, segment.capacity);
                return Err(Error::Full(Full::DiskBytes));
            }
            memory.sealed.insert(segment.number);
            let lsn = appender.enter(now_ms, segment.listed())?;
            appender.sync(lsn)?;
            self.move_index(&segment, &copies);
            self.upkeep.compactor.compactions.fetch_add(1, Ordering::Relaxed);
            self.upkeep.compactor.written_bytes.fetch_add(segment.frame_bytes(), Ordering::Relaxed);
        }
        self.retire(&inputs, memory)?;
        Ok(step)
    }

    fn write_output(
        &self,
        inputs: &[Arc<Segment>],
        plan: &Plan,
        now_ms: u64,
        memory: &mut Memory,
    ) -> Result<(Arc<Segment>, Vec<Moved>)> {
        let appender = self.appender()?;
        let of = (appender.format(), appender.store_id(), appender.opening());
        let mut output = Output::create(&appender.files, of, now_ms, plan.bytes)?;
        let number = output.number();
        let mut copies = Vec::new();
        let mut buffer = Vec::new();
        for stays in &plan.stays {
            let Some(input) = inputs.get(stays.input) else { continue };
            let frame: frame::Frame<'_> = input.frame(stays.offset, &mut buffer)?;
            let Some(record) = Record::decode(&frame) else { continue };
            let mut room = None;
            let record = match stays.fate {
                Fate::Stub => record,
                _ => input
                    .readable(stays.offset, record, &mut room)
                    .inspect_err(|_| self.found_damage(input, stays.offset, memory))?,
            };
            match (stays.fate, record.what) {
                (Fate::Move { deadline }, What::Put(version)) => {
                    let lsn = planted!(MovedRecordGetsFreshLsn, appender.appended_lsn() + 1, record.lsn);
                    let record = Record { lsn, ..record };
                    let (offset, span) = output.add(&moved(&record, deadline, now_ms))?;
                    let places = (Place::at_byte(input.number, stays.offset), Place::at_byte(number, offset));
                    if let (Some(from), Some(to)) = places {
                        copies.push(Moved { digest: version.digest, from, to, span });
                    }
                }
                (Fate::Stub, _) => {
                    let (_, span) = output.add(&stub_of(&record))?;
                    output.evidence_bytes += span as u64;
                }
                _ => {
                    let (_, span) = output.add(&record)?;
                    output.evidence_bytes += span as u64;
                }
            }
        }
        Ok((output.finish()?, copies))
    }

    fn know_segment(&self, segment: &Arc<Segment>) -> bool {
        self.index.add_segment(segment.number, segment.capacity, segment)
    }

    /// Moves the index to the copies. A write in between has replaced the entry, and its copy stays dead.
    fn move_index(&self, segment: &Arc<Segment>, copies: &[Moved]) {
        for copy in copies {
            // Counted before anybody can find it there, and end it.
            segment.gains(copy.span);
            if !self.index.relocate(copy.digest.tag(), copy.from, copy.to) {
                segment.loses(copy.span, self.watch.now().settled_ms);
            }
        }
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::compaction::pick::tests::{policy, segment};
    use crate::log::roster::Listed;
    use crate::session::Deadline;

    fn past(live: u64) -> Arc<Segment> {
        let listed = Listed { ceiling: Deadline::at_ms(1), ..segment(1, 500_000, 0, 0).listed() };
        let file = Arc::clone(&segment(1, 0, 0, 0).file);
        let segment = Segment::new(listed, 0, file, crate::options::ReadMode::Plain, None).unwrap();
        segment.gains(live as usize);
        segment
    }

    #[test]
    fn only_what_is_wholly_dead_and_past_its_ceiling_is_removed_unread() {
        let find = |segment| Work::find(&[segment], policy(false), policy(false).now_ms, &Memory::default());
        assert!(matches!(find(past(0)), Work::Retire(_)));
        assert!(!matches!(find(past(500_000)), Work::Retire(_)), "something in it lives");
        assert!(!matches!(find(segment(1, 500_000, 0, 0)), Work::Retire(_)), "its ceiling is ahead");
    }

    #[test]
    fn a_full_segment_of_the_log_is_sealed_once() {
        let live = || segment(1, 500_000, 500_000, 0);
        let mut memory = Memory::default();
        assert!(matches!(Work::find(&[live()], policy(false), policy(false).now_ms, &memory), Work::Seal(_)));
        memory.sealed.insert(1);
        let none = Work::find(&[live()], policy(false), policy(false).now_ms, &memory);
        assert!(none.is_none());
        assert!(!Work::Seal(Vec::new()).is_none());
    }
}
