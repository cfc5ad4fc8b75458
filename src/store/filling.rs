//! Filling: what recovery found becomes memory.
//!
//! Owns: the order in which index, subjects, wheel and counts are made, from the snapshot or from verdicts.

use std::path::Path;
use std::sync::Arc;

use super::core::{Core, Counters};
use super::limits::sessions_max_of_machine;
use super::locks::IdLocks;
use super::owed::Owed;
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
use crate::recovery::Survey;
use crate::recovery::verdict::Alive;
use crate::session::Deadline;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Instant, Mutex};

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

/// Turns what recovery found into memory.
pub(super) fn fill(
    mut survey: Survey,
    watch: Watch,
    index: Arc<Index<Segment>>,
    appender: Option<Appender>,
    lock: Option<DirectoryLock>,
    (directory, options, header): (&Path, Options, StoreHeader),
    began: Instant,
) -> Result<Arc<Core>> {
    let ceiling = survey.segments.iter().map(|segment| segment.ceiling()).max().unwrap_or(Deadline::at_ms(0));
    let mut filling = Filling {
        index: &index,
        subjects: Subjects::default(),
        wheel: Wheel::new(),
        now_ms: survey.clock_ms,
        latest: Deadline::at_ms(0),
        misplaced: None,
        uncounted: false,
    };
    match survey.snapshot.take() {
        Some(snapshot) => {
            survey.report.from_snapshot = true;
            index.reserve(snapshot.entries().size_hint().0);
            snapshot.entries().for_each(|entry| filling.entry(entry));
            snapshot.subjects().for_each(|(subject, tag)| filling.subjects.attach(subject, tag));
            for segment in &survey.segments {
                let live = snapshot.live_bytes.get(&segment.number).copied().unwrap_or(0);
                let live = live.min(segment.frame_bytes());
                segment.gains(usize::try_from(live).unwrap_or(usize::MAX));
            }
        }
        None => survey.judge(|alive| filling.alive(&alive)),
    }
    let Filling { subjects, wheel, latest, misplaced, uncounted, .. } = filling;
    if let Some(place) = misplaced {
        return Err(Error::corrupt(
            file_name(place.segment),
            place.byte(),
            "a session is said to be where the segment has no bytes",
        ));
    }
    let mut report = survey.report;
    report.sessions = index.len() as u64;
    report.segments = survey.segments.len() as u64;
    report.took = began.elapsed();
    let sessions_max = options.sessions_max.unwrap_or_else(sessions_max_of_machine);
    Ok(Arc::new(Core {
        options,
        directory: directory.to_owned(),
        secret: Secret(header.secret),
        keeps_ids: header.keeps_ids,
        watch,
        index,
        subjects,
        endings: Endings::default(),
        wheel: Mutex::new(wheel),
        locks: IdLocks::new(),
        appender,
        sessions_max,
        ceiling_ms: AtomicU64::new(ceiling.max(latest).bits()),
        counters: Counters::default(),
        upkeep: Upkeep::new(),
        report,
        owed: Owed::default(),
        expired_unmarked: AtomicBool::new(false),
        uncounted: AtomicBool::new(uncounted),
        closed: AtomicBool::new(false),
        lock: Mutex::new(lock),
        holder: None,
    }))
}

/// Memory that is being filled.
struct Filling<'i> {
    index: &'i Index<Segment>,
    subjects: Subjects,
    wheel: Wheel,
    now_ms: u64,
    /// The latest deadline: a touch that only memory knows of may be later than any in the log.
    latest: Deadline,
    /// A session that no segment has room for where it is said to be.
    misplaced: Option<Place>,
    /// A record could not be asked how long it is.
    uncounted: bool,
}

impl Filling<'_> {
    fn entry(&mut self, entry: Entry) {
        if !self.index.insert(entry) {
            self.misplaced = Some(entry.place());
        }
        self.latest = self.latest.max(entry.deadline());
        self.wheel.arm(entry.short(), entry.arming(), entry.deadline(), self.now_ms);
    }

    fn alive(&mut self, alive: &Alive) {
        let tag = alive.digest.tag();
        let place = Place { segment: alive.segment, offset: alive.place };
        let entry =
            Entry::new(tag, place, alive.deadline, alive.lsn as u8).with_subject(alive.subject.is_some());
        self.entry(entry);
        alive.subject.into_iter().for_each(|subject| self.subjects.attach(subject, tag));
        if let Some(segment) = self.index.segments().get(alive.segment) {
            let span = match alive.span {
                SPAN_UNKNOWN => match segment.version(place.byte(), &mut Vec::new()) {
                    Ok(stored) => stored.span,
                    // At least what it takes: a segment without live bytes would be removed, and the session is in it.
                    Err(_) => {
                        self.uncounted = true;
                        usize::try_from(segment.frame_bytes()).unwrap_or(usize::MAX)
                    }
                },
                span => span as usize,
            };
            segment.gains(span);
        }
    }
}
