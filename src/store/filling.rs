//! Filling: what recovery found becomes memory.
//!
//! Owns: the order in which index, subjects, wheel and counts are made, from the snapshot or from verdicts, one part of all
//! digests after another. Parts have no order among them, so two threads do them in a large store.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::core::{Core, Counters};
use super::limits::sessions_max_of_machine;
use super::locks::IdLocks;
use super::owed::Owed;
use super::telling::Telling;
use super::upkeep::Upkeep;
use crate::clock::Watch;
use crate::error::{Error, Full, Result};
use crate::expiry::Wheel;
use crate::id::Secret;
use crate::index::{Endings, Entry, Index, Place, SegmentTable, Subjects};
use crate::lock::DirectoryLock;
use crate::log::appender::Appender;
use crate::log::header::StoreHeader;
use crate::log::hint::SPAN_UNKNOWN;
use crate::log::segment::{Segment, file_name};
use crate::options::Options;
use crate::recovery::snapshot::{self, Items, Snapshot};
use crate::recovery::spread::{lost, spread};
use crate::recovery::{Survey, merge};
use crate::sealing::Sealing;
use crate::session::Deadline;
use crate::stats::CountedCalls;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Instant, Mutex};

/// How many segments are counted by number; those beyond are looked up.
const LIVE_NUMBERS_MAX: usize = 4 << 10;

/// An index without sessions over the segments that recovery found.
pub(super) fn index_of(survey: &Survey, options: &Options) -> Result<Index<Segment>> {
    let bytes = survey.segments.iter().map(|segment| segment.capacity).sum();
    let in_use = (survey.segments.len() as u64, bytes);
    let index = Index::new(SegmentTable::new(options.segment_bytes, in_use));
    for segment in &survey.segments {
        if !index.add_segment(segment.number, segment.capacity, segment) {
            return Err(Error::Full(Full::DiskBytes));
        }
    }
    Ok(index)
}

/// What recovery found, as memory; the index stands by itself.
pub(super) struct Memory {
    subjects: Subjects,
    wheel: Mutex<Wheel>,
    /// The latest deadline: a touch that only memory knows of may be later than any in the log.
    latest: Deadline,
    /// A record could not be asked how long it is.
    uncounted: bool,
}

/// Turns what recovery found into memory, and meanwhile does `before`, or, in a small store, first.
pub(super) fn fill<B>(
    survey: &mut Survey,
    index: &Index<Segment>,
    before: impl FnOnce(&Survey) -> Result<B>,
) -> Result<(B, Memory)> {
    let began = Instant::now();
    let filling = Filling {
        index,
        subjects: Subjects::default(),
        wheel: Mutex::new(Wheel::new()),
        now_ms: survey.clock_ms,
    };
    let two = survey.is_large();
    let found = &*survey;
    let (before, parts) = match &survey.snapshot {
        Some(snapshot) => {
            filling.subjects.reserve(snapshot.users);
            filling.count_live(found, snapshot);
            let part = |scratch: &mut Scratch, number| filling.part(snapshot, scratch, number);
            spread(snapshot.parts(), two, || before(found), part)
        }
        None => {
            let bands = found.bands();
            let part = |scratch: &mut Scratch, number: usize| match bands.get(number) {
                Some(band) => filling.band(found, scratch, band),
                None => Ok(Part::default()),
            };
            spread(bands.len(), two, || before(found), part)
        }
    };
    let before = before?;
    let mut sum = Part::default();
    for part in parts {
        sum.add(part.ok_or_else(lost)??);
    }
    if let Some(place) = sum.misplaced {
        return Err(Error::corrupt(
            file_name(place.segment),
            place.byte(),
            "a session is said to be where the segment has no bytes",
        ));
    }
    let Filling { subjects, wheel, .. } = filling;
    let memory = Memory { subjects, wheel, latest: sum.latest, uncounted: sum.uncounted };
    survey.report.from_snapshot = survey.snapshot.take().is_some();
    survey.report.salvage_ended += sum.perhaps_ended;
    survey.report.parts.memory = began.elapsed();
    Ok((before, memory))
}

/// The store, from what recovery found and made of it.
pub(super) fn core_of(
    survey: Survey,
    memory: Memory,
    (watch, index): (Watch, Arc<Index<Segment>>),
    appender: Option<Appender>,
    lock: Option<DirectoryLock>,
    (directory, options, header, sealing): (&Path, Options, StoreHeader, Sealing),
    began: Instant,
) -> Arc<Core> {
    let ceiling = survey.segments.iter().map(|segment| segment.ceiling()).max().unwrap_or(Deadline::at_ms(0));
    let Memory { subjects, wheel, latest, uncounted } = memory;
    let mut report = survey.report;
    report.sessions = index.len() as u64;
    report.segments = survey.segments.len() as u64;
    report.took = began.elapsed();
    let now_ms = watch.now().settled_ms;
    let sessions_max = options.sessions_max.unwrap_or_else(sessions_max_of_machine);
    Arc::new(Core {
        options,
        directory: directory.to_owned(),
        secret: Secret(header.secret),
        keeps_ids: header.keeps_ids,
        sealing,
        format_found: header.format,
        watch,
        index,
        subjects,
        endings: Endings::default(),
        wheel,
        locks: IdLocks::new(),
        appender,
        sessions_max,
        ceiling_ms: AtomicU64::new(ceiling.max(latest).bits()),
        counters: Counters { reaped_ms: now_ms.into(), ..Counters::default() },
        calls: CountedCalls::default(),
        upkeep: Upkeep::new(),
        report,
        owed: Owed::default(),
        expired_unmarked: AtomicBool::new(false),
        uncounted: AtomicBool::new(uncounted),
        closed: AtomicBool::new(false),
        hub: Arc::default(),
        telling: Telling::new(),
        holder: lock.as_ref().map(|lock| lock.taken_by().clone()),
        lock: Mutex::new(lock),
        at_close: Mutex::default(),
    })
}

/// Memory that is being filled.
struct Filling<'i> {
    index: &'i Index<Segment>,
    subjects: Subjects,
    wheel: Mutex<Wheel>,
    now_ms: u64,
}

/// What is used again for the next part.
#[derive(Default)]
struct Scratch {
    merge: merge::Scratch,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
}

/// What was met in a part.
struct Part {
    latest: Deadline,
    /// A session that no segment has room for where it is said to be.
    misplaced: Option<Place>,
    perhaps_ended: u64,
    uncounted: bool,
}

impl Default for Part {
    fn default() -> Self {
        Self { latest: Deadline::at_ms(0), misplaced: None, perhaps_ended: 0, uncounted: false }
    }
}

impl Part {
    fn add(&mut self, other: Self) {
        self.latest = self.latest.max(other.latest);
        self.misplaced = self.misplaced.or(other.misplaced);
        self.perhaps_ended += other.perhaps_ended;
        self.uncounted |= other.uncounted;
    }
}

impl Filling<'_> {
    fn count_live(&self, survey: &Survey, snapshot: &Snapshot) {
        for segment in &survey.segments {
            let live = snapshot.live_bytes.get(&segment.number).copied().unwrap_or(0);
            let live = live.min(segment.frame_bytes());
            segment.gains(usize::try_from(live).unwrap_or(usize::MAX));
        }
    }

    /// Adds a part of the snapshot.
    fn part(&self, snapshot: &Snapshot, scratch: &mut Scratch, number: usize) -> Result<Part> {
        let Scratch { buffer, entries, .. } = scratch;
        entries.clear();
        match snapshot.part(number, buffer)? {
            Items::Entries(bytes) => entries.extend(snapshot::entries(bytes)),
            Items::Subjects(bytes) => {
                snapshot::subjects(bytes).for_each(|(subject, tag)| self.subjects.attach(subject, tag));
            }
        }
        Ok(self.entries(entries))
    }

    /// Adds who lives of a band.
    fn band(&self, survey: &Survey, scratch: &mut Scratch, band: &Range<usize>) -> Result<Part> {
        let Scratch { merge, entries, .. } = scratch;
        let segments = self.index.segments();
        // Both threads would wait for each other at the segments' own counts.
        let mut live = Live::of(&segments);
        entries.clear();
        let mut uncounted = false;
        let perhaps_ended = survey.judge(band, merge, |alive| {
            let (tag, place) = (alive.digest.tag(), Place { segment: alive.segment, offset: alive.place });
            let has_subject = alive.subject.is_some();
            entries.push(Entry::new(tag, place, alive.deadline, alive.lsn as u8).with_subject(has_subject));
            alive.subject.into_iter().for_each(|subject| self.subjects.attach(subject, tag));
            if alive.span != SPAN_UNKNOWN {
                live.add(alive.segment, alive.span as usize);
            } else if let Some(segment) = segments.get(alive.segment) {
                let span = segment.version(place.byte(), &mut Vec::new()).map(|stored| stored.span).ok();
                uncounted |= span.is_none();
                // At least what it takes: a segment without live bytes would be removed, and the session is in it.
                let at_most = || usize::try_from(segment.frame_bytes()).unwrap_or(usize::MAX);
                live.add(alive.segment, span.unwrap_or_else(at_most));
            }
        })?;
        live.tell(&segments);
        Ok(Part { perhaps_ended, uncounted, ..self.entries(entries) })
    }

    fn entries(&self, entries: &[Entry]) -> Part {
        let misplaced = self.index.fill(entries).err();
        let mut wheel = self.wheel.lock();
        for entry in entries {
            wheel.arm(entry.short(), entry.arming(), entry.deadline(), self.now_ms);
        }
        let latest = entries.iter().map(|entry| entry.deadline()).max().unwrap_or(Deadline::at_ms(0));
        Part { latest, misplaced, ..Part::default() }
    }
}

/// Live bytes that are not told to their segments yet.
struct Live {
    lowest: u32,
    bytes: Vec<usize>,
    /// Of segments whose numbers lie far from the lowest.
    others: BTreeMap<u32, usize>,
}

impl Live {
    fn of(segments: &SegmentTable<Segment>) -> Self {
        let lowest = segments.iter().next().map_or(0, |(number, _)| number);
        let span = segments.iter().last().map_or(0, |(number, _)| (number - lowest) as usize + 1);
        Self { lowest, bytes: vec![0; span.min(LIVE_NUMBERS_MAX)], others: BTreeMap::new() }
    }

    fn add(&mut self, number: u32, bytes: usize) {
        let near = number.checked_sub(self.lowest).and_then(|at| self.bytes.get_mut(at as usize));
        let sum = near.unwrap_or_else(|| self.others.entry(number).or_default());
        *sum = sum.saturating_add(bytes);
    }

    fn tell(self, segments: &SegmentTable<Segment>) {
        let near = (self.lowest..=u32::MAX).zip(self.bytes);
        for (number, bytes) in near.chain(self.others).filter(|(_, bytes)| *bytes > 0) {
            segments.get(number).into_iter().for_each(|segment| segment.gains(bytes));
        }
    }
}

#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests {
    use super::*;
    use crate::compaction::pick::tests::segment_of;

    /// A damaged list may name the last number there is: counting on from there must not overflow.
    #[test]
    fn live_bytes_are_told_to_segments_of_the_lowest_and_of_the_last_number() {
        let (low, high) = (segment_of(1 << 20, 64), segment_of(1 << 20, 64));
        let with =
            |table: SegmentTable<Segment>, number, segment| table.with(number, 1 << 20, segment).unwrap();
        let both = with(with(SegmentTable::new(1 << 20, (0, 0)), 1, &low), u32::MAX, &high);
        let last = with(SegmentTable::new(1 << 20, (0, 0)), u32::MAX, &high);
        for (table, numbers) in [(&both, &[1, u32::MAX][..]), (&last, &[u32::MAX][..])] {
            let mut live = Live::of(table);
            numbers.iter().for_each(|number| live.add(*number, 5));
            live.tell(table);
        }
        assert_eq!((low.live_bytes(), high.live_bytes()), (5, 10));
    }
}
