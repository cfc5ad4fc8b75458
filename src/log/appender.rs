//! The appender: the one place where the log grows.
//!
//! Owns: the tail (its segment, the next LSN, the mark that is due), the roster, the root. Lock order: the tail's
//! lock is taken after locks of ids and before those of the index; the commit's lock is never held around it.
//! Invariants:
//! 1. Frames stand in the file in LSN order, without gaps; an LSN is given out under the tail's lock, together
//!    with its place. Nothing is appended behind a frame that could not be written whole: the latch falls instead.
//! 2. A mark opens the first group after each sync, and whenever the clock has moved by a second or the endings
//!    since the last mark would not fit one.
//! 3. The next segment of the log is announced in the old one by an `Enter` frame, for which room is kept. The root
//!    moves to it only when old and new are durable, and the durable LSN passes the seam only after the root.
//! 4. Each segment has a reserve for when no other can be had: evictions, which make room, may use a quarter of it,
//!    endings three, and the roster all, since nothing can be given back without it.
//!
//! A crash can fall between any two writes and syncs here; what recovery makes of each is told in `recovery`.

use std::sync::Arc;

use super::commit::{Commit, Reached};
use super::files::{Files, Use};
use super::frame::{self, Kind};
use super::latch::Latch;
use super::mark::Ending;
use super::record::{Record, What};
use super::root::Root;
use super::roster::{Listed, Roster, encode_leave};
use super::segment::Segment;
use super::tail::{Encode, Reach, Tail};
use crate::error::{Error, Result};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::vfs;

/// How many bits of an LSN count within one opening; the bits above are the opening's number.
pub(crate) const LSN_BITS: u32 = 40;

/// More than one append gives out: its own, a mark's, and that of an announcement.
const LSNS_AT_ONCE: u64 = 8;
/// What no record may use, so that a store in which nothing more can be written can be looked after and closed.
const LSNS_FOR_UPKEEP: u64 = 1 << 20;

/// The last LSN before an opening's first.
pub(crate) fn lsn_before(opening: u64) -> u64 {
    opening << LSN_BITS
}

/// Where a record has come to stand.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub lsn: u64,
    pub offset: u64,
    /// Bytes that its frame takes.
    pub span: usize,
    pub segment: Arc<Segment>,
}

/// What the appender begins with: a durable segment that is the root.
pub(crate) struct Beginning {
    pub files: Files,
    pub root: Root,
    pub latch: Latch,
    pub roster: Roster,
    pub segment: Arc<Segment>,
    pub clock_ms: u64,
}

/// Hears of each new segment before any record in it can be found.
///
/// `false` when it cannot be told of: then the segment must not be used.
pub(crate) type OnSegment = Box<dyn Fn(&Arc<Segment>) -> bool + Send + Sync>;

/// The growing end of the log.
pub(crate) struct Appender {
    pub files: Files,
    pub latch: Latch,
    pub(super) root: Root,
    opening: u64,
    store_id: [u8; 16],
    pub(super) tail: Mutex<Tail>,
    commit: Commit,
    pub(super) appended_lsn: AtomicU64,
    pub(super) on_segment: OnSegment,
}

impl Appender {
    /// An appender that goes on where recovery left off; `on_segment` hears of each new segment before any record in
    /// it can be found.
    pub fn new(beginning: Beginning, on_segment: OnSegment) -> Self {
        let Beginning { files, root, latch, roster, segment, clock_ms } = beginning;
        let header = root.header();
        let before = lsn_before(header.opening);
        Self {
            files,
            latch,
            root,
            opening: header.opening,
            store_id: header.store_id,
            tail: Mutex::new(Tail::new(segment, roster, before)),
            commit: Commit::new(Reached { lsn: before, clock_ms }),
            appended_lsn: AtomicU64::new(before),
            on_segment,
        }
    }

    /// Appends the record that `build` makes for its LSN. It is visible to other processes' reads when this
    /// returns, and durable after [`sync`](Self::sync).
    ///
    /// # Errors
    /// `Latched`, `Closed`, `Full` when another segment is needed and cannot be had.
    pub fn append<'r>(&self, clock_ms: u64, build: impl Fn(u64) -> Record<'r>) -> Result<Placed> {
        let reach = if build(0).is_ending() { Reach::Ending } else { Reach::Ordinary };
        self.append_within(reach, clock_ms, build)
    }

    /// Appends the record of an eviction, which must not use up what endings have in reserve.
    pub fn append_eviction<'r>(&self, clock_ms: u64, build: impl Fn(u64) -> Record<'r>) -> Result<Placed> {
        self.append_within(Reach::Eviction, clock_ms, build)
    }

    fn append_within<'r>(
        &self,
        reach: Reach,
        clock_ms: u64,
        build: impl Fn(u64) -> Record<'r>,
    ) -> Result<Placed> {
        let mut tail = self.tail.lock();
        self.check_lsns(&tail, LSNS_FOR_UPKEEP)?;
        let placed = self.put(&mut tail, clock_ms, reach, &|out, segment, offset, lsn| {
            build(lsn).encode_with(out, segment.salt, offset, segment.key());
        })?;
        let record = build(placed.lsn);
        placed.segment.note(&record);
        if reach != Reach::Ordinary && !matches!(record.what, What::Put(_)) {
            placed.segment.testifies(placed.span);
        }
        tail.endings.extend(planted!(EndingsStandOnce, None, Ending::of(&record)));
        tail.unmarked = true;
        Ok(placed)
    }

    /// A segment that compaction has written, whole and durable, joins the roster.
    pub fn enter(&self, clock_ms: u64, listed: Listed) -> Result<u64> {
        let mut tail = self.tail.lock();
        let placed = self.put(&mut tail, clock_ms, Reach::Roster, &|out, segment, offset, lsn| {
            frame::encode(out, segment.salt, offset, Kind::Enter, lsn, |out| listed.encode(out));
        })?;
        tail.roster.enter(listed);
        tail.roster_lsn = placed.lsn;
        tail.unmarked = true;
        Ok(placed.lsn)
    }

    /// Segments leave the roster. Their files may go when the LSN that this returns is durable.
    pub fn leave(&self, clock_ms: u64, numbers: &[u32]) -> Result<u64> {
        let mut tail = self.tail.lock();
        let placed = self.put(&mut tail, clock_ms, Reach::Roster, &|out, segment, offset, lsn| {
            frame::encode(out, segment.salt, offset, Kind::Leave, lsn, |out| encode_leave(out, numbers));
        })?;
        tail.roster.leave(numbers);
        tail.roster_lsn = placed.lsn;
        tail.unmarked = true;
        Ok(placed.lsn)
    }

    /// Appends an empty group with the mark, if records have become durable since the last one: so the log of an idle
    /// store says how far it is durable.
    pub fn mark(&self, clock_ms: u64) -> Result<()> {
        let mut tail = self.tail.lock();
        self.latch.check()?;
        let stale = tail.marked.is_none_or(|marked| self.commit.durable_lsn() > marked.lsn);
        if stale && tail.unmarked {
            self.put(&mut tail, clock_ms, Reach::Eviction, &|_, _, _, _| {})?;
            tail.unmarked = false;
        }
        Ok(())
    }

    /// Appends a mark with this clock in any case: what is dropped because of that time may go once it is durable.
    ///
    /// `frees` says that disk will be given back because of it, so it may draw on the whole reserve.
    pub fn mark_clock(&self, clock_ms: u64, frees: bool) -> Result<()> {
        let mut tail = self.tail.lock();
        let clock_ms = tail.markable_ms(clock_ms);
        if tail.marked.is_none_or(|marked| marked.clock_ms < clock_ms) {
            tail.marked = None;
            let reach = if frees { Reach::Roster } else { Reach::Eviction };
            self.put(&mut tail, clock_ms, reach, &|_, _, _, _| {})?;
        }
        Ok(())
    }

    /// Waits until everything up to `lsn` is on the disk, syncing if nobody else does.
    pub fn sync(&self, lsn: u64) -> Result<()> {
        if self.commit.durable_lsn() >= lsn {
            return Ok(());
        }
        self.commit.wait(lsn, &self.latch, || self.sync_files())
    }

    /// The same for a writer whom somebody waits for, and who will be back soon: see [`Ahead`](super::ahead::Ahead).
    pub fn sync_promptly(&self, lsn: u64) -> Result<()> {
        self.commit.wait(lsn, &self.latch, || {
            self.tail.lock().write_ahead();
            self.sync_files()
        })
    }

    /// Syncs for tasks that wait, until `stopped`.
    #[cfg(feature = "async")]
    pub fn lead_for_tasks(&self, stopped: impl Fn() -> bool) {
        let sync = || {
            self.tail.lock().write_ahead();
            self.sync_files()
        };
        self.commit.lead_for_tasks(&self.latch, sync, stopped);
    }

    /// The LSN of the last frame.
    pub fn appended_lsn(&self) -> u64 {
        self.appended_lsn.load(Ordering::Acquire)
    }

    /// How far the log is durable.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The number of this opening.
    pub fn opening(&self) -> u64 {
        self.opening
    }

    /// What names this store.
    pub fn store_id(&self) -> [u8; 16] {
        self.store_id
    }

    /// The segment at the end of the log, and what waits for a sync behind it.
    pub fn tail_segment(&self) -> Arc<Segment> {
        Arc::clone(&self.tail.lock().segment)
    }

    /// The roster, the open segment among it.
    pub fn roster(&self) -> Roster {
        let tail = self.tail.lock();
        let mut roster = tail.roster.clone();
        roster.enter(tail.segment.listed());
        roster
    }

    /// Notes in the store's header how far the log is durable, so that a log that is cut short is found out. When all
    /// has been synced and nothing more will be appended.
    pub fn seal_root(&self) -> Result<()> {
        let number = self.tail.lock().segment.number;
        self.root.set(self.opening, number, self.commit.durable_lsn())
    }

    /// Takes no more frames.
    pub fn close(&self) {
        let mut tail = self.tail.lock();
        tail.closed = true;
        if let Some(spare) = tail.spare.take() {
            let _ = self.files.remove(spare.number, spare.capacity);
        }
        self.files.give_up_reserve();
    }

    /// Writes one frame, with a mark before it when one is due, into the tail or the segment after it.
    fn put(&self, tail: &mut Tail, clock_ms: u64, reach: Reach, encode: Encode<'_>) -> Result<Placed> {
        self.latch.check()?;
        if tail.closed {
            return Err(Error::Closed);
        }
        self.check_lsns(tail, LSNS_AT_ONCE)?;
        let known = Reached { lsn: self.commit.durable_lsn(), clock_ms: tail.markable_ms(clock_ms) };
        let mut staged = tail.stage(known, encode);
        if !staged.fits(tail, Reach::Ordinary) {
            let begun_ms = self.clock_ms(tail);
            match self.begin_segment(tail, staged.bytes, Use::Log, begun_ms) {
                Ok(()) => staged = tail.stage(known, encode),
                Err(error @ Error::Latched { .. }) => return Err(error),
                // No other segment can be had now; what may go into the reserve does.
                Err(_) if staged.fits(tail, reach) => {}
                Err(Error::Full(_)) if matches!(reach, Reach::Ending | Reach::Roster) => {
                    self.begin_segment(tail, staged.bytes, Use::Ending, begun_ms)?;
                    staged = tail.stage(known, encode);
                }
                Err(error) => return Err(error),
            }
        }
        let end = tail.segment.end();
        if let Err(error) = vfs::write_all_at(tail.segment.file.as_ref(), &tail.buffer, end) {
            if planted!(AppendsBehindAFailedWrite) {
                tail.advance(&staged);
                return Err(Error::io("appending", error));
            }
            return Err(self.latch.fall(&Error::io(format!("appending to {}", tail.segment.name()), error)));
        }
        tail.advance(&staged);
        self.appended_lsn.store(tail.next_lsn - 1, Ordering::Release);
        let span = usize::try_from(end + staged.bytes - staged.offset).unwrap_or(usize::MAX);
        Ok(Placed { lsn: staged.lsn, offset: staged.offset, span, segment: Arc::clone(&tail.segment) })
    }

    /// The LSNs above this opening's belong to the next one: what was written with one of them would outrank what comes
    /// after it.
    fn check_lsns(&self, tail: &Tail, ahead: u64) -> Result<()> {
        if tail.next_lsn.saturating_add(ahead) >> LSN_BITS == self.opening {
            return Ok(());
        }
        Err(Error::invalid("this opening of the store has used up its LSNs; close it and open it again"))
    }

    /// Syncs whatever has been appended: first the segments that are full, then the tail, then the root.
    pub(super) fn sync_files(&self) -> Result<Reached> {
        let mut tail = self.tail.lock();
        let segment = Arc::clone(&tail.segment);
        let rolled = std::mem::take(&mut tail.rolled);
        let reached = Reached { lsn: tail.next_lsn - 1, clock_ms: tail.marked_clock_ms() };
        drop(tail);
        let full = planted!(SeamPassedUnsynced, [].iter(), rolled.iter());
        for segment in full.chain([&segment]) {
            let sync = || segment.file.sync();
            let synced = planted!(RetriesFailedSync, sync().or_else(|_| sync()), sync());
            synced.map_err(|error| Error::io(format!("syncing {}", segment.name()), error))?;
        }
        if !rolled.is_empty() {
            self.root.set(self.opening, segment.number, reached.lsn)?;
        }
        Ok(reached)
    }
}

#[cfg(all(test, feature = "simulation"))]
mod tests {
    use super::*;
    use crate::vfs::SimVfs;
    use crate::{ManualClock, Options, Write};

    fn options(vfs: &SimVfs, clock: &ManualClock) -> Options {
        Options::new().vfs(Arc::new(vfs.clone())).clock(Arc::new(clock.clone())).manual_maintenance(true)
    }

    /// What a segment's list says of its end goes behind the frame that announces the next one, or a footer would take its place.
    #[test]
    fn a_full_segment_ends_behind_its_announcement() {
        let store = options(&SimVfs::new(), &ManualClock::at_ms(1_000_000)).open("/store").unwrap();
        store.create("a", Write::new("a")).unwrap();
        let appender = store.core().appender().unwrap();
        let (segment, end) = (appender.tail_segment(), appender.tail_segment().end());
        appender.roll().unwrap();
        assert_ne!(appender.tail_segment().number, segment.number);
        assert_eq!(segment.end(), end + super::super::tail::ENTER_BYTES);
        let listed = appender.roster().iter().find(|listed| listed.number == segment.number).copied();
        assert_eq!(listed.map(|listed| listed.end), Some(segment.end()));
    }

    /// Segments are rewritten for what that would win: neither what has to stay counts, nor is anything else taken for it.
    #[test]
    fn what_only_tells_of_an_ending_is_evidence_and_nothing_else_is() {
        let store = options(&SimVfs::new(), &ManualClock::at_ms(1_000_000)).open("/store").unwrap();
        let segment = store.core().appender().unwrap().tail_segment();
        store.create("a", Write::new("a")).unwrap();
        store.update("a", "version 2").unwrap();
        store.touch("a", std::time::Duration::from_secs(30 * 24 * 3600)).unwrap();
        store.rotate("a", "b", None).unwrap();
        assert_eq!(segment.evidence_bytes(), 0, "what lives, and what extends it");
        let before = segment.frame_bytes();
        assert!(store.destroy("b").unwrap());
        let evidence = segment.evidence_bytes();
        assert!(evidence >= 40 && evidence <= segment.frame_bytes() - before, "{evidence}");
    }

    /// Some months of a hundred thousand records a second.
    #[test]
    fn an_opening_gives_out_no_lsn_of_the_next_one() {
        let (vfs, clock) = (SimVfs::new(), ManualClock::at_ms(1_000_000));
        let options = || options(&vfs, &clock);
        let store = options().open("/store").unwrap();
        let appender = store.core().appender().unwrap();
        appender.tail.lock().next_lsn = lsn_before(appender.opening() + 1) - LSNS_FOR_UPKEEP - 20;
        let written = (0..100).filter(|n| store.create(format!("{n}"), Write::new("x")).is_ok()).count();
        assert!((1..20).contains(&written), "{written}");
        assert!(appender.appended_lsn() <= lsn_before(appender.opening() + 1));
        store.close().unwrap();
        drop(store);
        let store = options().open("/store").unwrap();
        assert_eq!(store.len(), written as u64);
        assert!(store.destroy("0").unwrap());
        drop(store);
        assert!(options().open("/store").unwrap().get("0").unwrap().is_none());
    }
}
