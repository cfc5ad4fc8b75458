//! Telling: that whoever listens hears of every session whose time has run out, across deaths of the process too.
//!
//! Owns: when the [ledger](crate::events::Ledger) is written. What runs out leaves no record of its own; what remains of it is
//! its last record, until compaction removes that. Invariants, where somebody listens:
//! 1. What the log knows to have run out by `told` has been told, or the ledger has it. What ran out later and was not told
//!    is still in the log, and the next opening brings it into memory once more: over and not to be read, so that the reaper
//!    meets it and tells.
//! 2. A record leaves the disk only after the ledger says what nobody has dealt with of all that left memory before. The last
//!    touch of a session stays as long as memory has the session.
//! 3. The same before a record is written that hides an older one of a session that has run out: an id that is used again, a
//!    revocation, a clear. The writer waits for that with his locks: it is rare, and small.
//!
//! `told` is behind the time of the last sweep by as much as the log may be behind memory, and never ahead of the durable mark.
//! Where the ledger cannot be written nobody is held up: the observer hears of it. A crash can fall anywhere: the ledger then
//! says less than was told, and something is told twice.
//!
//! Lock order: the ledger's comes after those of ids, and nothing is waited for under it but the ledger's own sync.

use std::path::Path;
use std::time::Duration;

use super::core::{Core, millis};
use crate::error::{Damage, Error, Result};
use crate::events::{Events, KEPT, LEDGER, Ledger, Sought, Told, Unwritten};
use crate::log::appender::Appender;
use crate::observer::Event;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex};
use crate::vfs::Vfs;

/// How often the ledger is written when nothing else asks for it.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// How long the reaper waits for listeners who take nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits for listeners at all: memory is bounded whatever they do.
const PATIENCE_AT_MOST: Duration = Duration::from_secs(60);

/// The log may be behind by so much also where nobody had listened yet, and an opening before this one had another slack.
const SLACK_MS_LEAST: u64 = 60_000;

/// What is remembered between two writes of the ledger.
pub(crate) struct Telling {
    ledger: Mutex<Option<Ledger>>,
    /// By the log, whatever had run out by then has been told or is in the ledger.
    told_ms: AtomicU64,
    /// The largest slack of a touch that this or an earlier opening had.
    slack_ms: AtomicU64,
    /// Whatever had run out by then has left memory and was told.
    swept_ms: AtomicU64,
    /// Who is taking entries out of the wheel just now, and how many ever began to.
    sweepers: AtomicUsize,
    sweeps: AtomicU64,
    pace: Mutex<Pace>,
}

/// The reaper beside the listeners.
#[derive(Default)]
struct Pace {
    /// Since when it waits, since when for somebody who takes nothing, and how far that one was then.
    waits: Option<(Instant, Instant, u64)>,
    written: Option<Instant>,
    /// How many had expired when the ledger was last written, and what nobody had dealt with.
    wrote: (u64, usize),
    /// Since when nobody listens.
    alone_ms: Option<u64>,
}

/// While it lives, what was due may be neither in the wheel nor told.
pub(crate) struct Sweep<'t> {
    telling: &'t Telling,
    /// Which one it is, if it began alone.
    alone: Option<u64>,
}

impl Drop for Sweep<'_> {
    fn drop(&mut self) {
        self.telling.sweepers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Sweep<'_> {
    /// Everything that had run out by then has been met: unless somebody else has had some of it in his hands meanwhile, or the
    /// time was set back. That must not happen just now: the caller holds an id's lock.
    pub fn reached(&self, settled_ms: u64) {
        let Telling { swept_ms, sweepers, sweeps, .. } = self.telling;
        if sweepers.load(Ordering::Acquire) == 1 && self.alone == Some(sweeps.load(Ordering::Acquire)) {
            swept_ms.fetch_max(settled_ms, Ordering::AcqRel);
        }
    }
}

impl Telling {
    pub fn new() -> Self {
        Self {
            ledger: Mutex::new(None),
            told_ms: AtomicU64::new(0),
            slack_ms: AtomicU64::new(SLACK_MS_LEAST),
            swept_ms: AtomicU64::new(0),
            sweepers: AtomicUsize::new(0),
            sweeps: AtomicU64::new(0),
            pace: Mutex::default(),
        }
    }

    /// Begins to take entries out of the wheel.
    pub fn sweep(&self) -> Sweep<'_> {
        let alone = self.sweepers.fetch_add(1, Ordering::AcqRel) == 0;
        let number = self.sweeps.fetch_add(1, Ordering::AcqRel) + 1;
        Sweep { telling: self, alone: alone.then_some(number) }
    }
}

/// What an opening finds of the ledger.
pub(super) enum Heard {
    Found(Ledger, Told),
    Damaged,
    Nothing,
}

impl Heard {
    /// Reads the ledger.
    pub fn read(vfs: &dyn Vfs, directory: &Path, store_id: [u8; 16], mark_ms: u64) -> Self {
        match Ledger::open(vfs, directory, store_id) {
            // A backup that was put beside a later ledger must not be believed to have told what it has not lived to see.
            Sought::Found(ledger, told) => {
                Self::Found(ledger, Told { told_ms: told.told_ms.min(mark_ms), ..told })
            }
            Sought::Damaged => Self::Damaged,
            Sought::Absent => Self::Nothing,
        }
    }

    /// What ran out later than this comes into memory once more, to be told.
    pub const fn told_ms(&self) -> u64 {
        match self {
            Self::Found(_, told) => told.told_ms,
            Self::Damaged | Self::Nothing => u64::MAX,
        }
    }
}

impl Core {
    /// Goes on where the ledger stopped. No store stays closed because of it.
    pub(super) fn hear(&self, heard: Heard) {
        match heard {
            Heard::Found(ledger, told) => {
                self.telling.slack_ms.fetch_max(told.slack_ms, Ordering::AcqRel);
                self.telling.told_ms.store(told.told_ms, Ordering::Release);
                self.hub.keep(told.untold, told.missed);
                *self.telling.ledger.lock() = Some(ledger);
            }
            Heard::Damaged => {
                let what =
                    "what listeners were told is damaged, so what had run out is not told again".to_owned();
                self.tell(&Event::Damaged(Damage { file: LEDGER.to_owned(), offset: 0, what }));
                // Where it cannot be made anew now, the next one who listens makes it.
                let _ = self.listen();
            }
            Heard::Nothing => {}
        }
    }

    /// Somebody listens. The first one ever makes the ledger.
    pub fn listen(&self) -> Result<Events> {
        let appender = self.appender()?;
        let mut ledger = self.telling.ledger.lock();
        // Closed, the ledger is another opening's.
        self.check_open()?;
        if ledger.is_none() {
            // Kept first: what runs out from now on is told, and what ran out before nobody has asked for.
            self.hub.keep(Vec::new(), 0);
            let told_ms = self.told_by(appender, self.watch.now().settled_ms);
            self.telling.told_ms.store(told_ms, Ordering::Release);
            let made = self.make_ledger(appender, &self.what_is_told(told_ms));
            self.hub.written(made.is_ok());
            if made.is_err() {
                self.hub.forget();
            }
            *ledger = Some(made?);
        }
        Ok(self.hub.listen())
    }

    fn make_ledger(&self, appender: &Appender, told: &Told) -> Result<Ledger> {
        let directory: &Path = &self.directory;
        Ledger::create(self.options.vfs.as_ref(), directory, appender.store_id(), told)
    }

    /// What has run out by the log, when everything was told that had run out by this in memory. The log may be behind by the slack,
    /// and by another one where a write and a touch met, or an opening had another slack; and a durable mark is what the
    /// next opening begins its clock with.
    fn told_by(&self, appender: &Appender, swept_ms: u64) -> u64 {
        let slack_ms = self.telling.slack_ms.fetch_max(millis(self.options.touch_slack), Ordering::AcqRel);
        let behind_ms = slack_ms.max(millis(self.options.touch_slack)).saturating_mul(2).saturating_add(1);
        swept_ms.saturating_sub(behind_ms).min(appender.commit().durable_clock_ms())
    }

    /// Up to when a segment without live records may be removed unread: what memory alone keeps alive needs the last touch that
    /// the log has of it, or nobody could tell of its end.
    pub fn unread_by(&self, appender: &Appender, settled_ms: u64) -> u64 {
        if !self.hub.is_kept() {
            return settled_ms;
        }
        let swept_ms = self.telling.swept_ms.load(Ordering::Acquire);
        if self.owed.is_settled() { self.told_by(appender, swept_ms).min(settled_ms) } else { 0 }
    }

    /// Before records leave the disk, and from time to time: writes down what has been told. The caller holds no id's lock.
    ///
    /// # Errors
    /// Of the log. What becomes of the ledger the observer hears; nobody waits for it to be mended.
    pub fn keep_told(&self) -> Result<()> {
        if !self.hub.is_kept() {
            return Ok(());
        }
        let appender = self.appender.as_ref().ok_or(Error::ReadOnly)?;
        let swept_ms = self.telling.swept_ms.load(Ordering::Acquire);
        // Deadlines that memory went by then are in the log, and durable, or owed to it.
        appender.sync(appender.appended_lsn())?;
        // Whoever has taken a session out of memory holds its id's lock until he has told; and whoever has moved a deadline
        // that the log refused, until he owes it. And nobody sets the clock back between the two times.
        let everybody = self.locks.all();
        let swept_ms = swept_ms.min(self.telling.swept_ms.load(Ordering::Acquire));
        if self.owed.is_settled() {
            self.telling.told_ms.fetch_max(self.told_by(appender, swept_ms), Ordering::AcqRel);
        }
        drop(everybody);
        let expired = self.counters.expired.load(Ordering::Relaxed);
        let untold = self.write_ledger(appender);
        let mut pace = self.telling.pace.lock();
        (pace.written, pace.wrote) = (Some(Instant::now()), (expired, untold));
        Ok(())
    }

    /// A record is about to hide whom this names among those whom the ledger may not know of: then it is told first. The
    /// caller holds the locks of their ids. An ending or a login does not wait for a ledger that cannot be written.
    pub fn keep_told_before_hiding(&self, names: impl Fn(&Unwritten) -> bool) {
        if self.hub.may_be_unwritten(names)
            && let Some(appender) = &self.appender
        {
            self.write_ledger(appender);
        }
    }

    /// Writes the ledger, or makes it anew where it cannot be written; says how many have not been dealt with.
    fn write_ledger(&self, appender: &Appender) -> usize {
        let mut ledger = self.telling.ledger.lock();
        let Some(open) = ledger.as_mut() else { return 0 };
        let told = self.what_is_told(self.telling.told_ms.load(Ordering::Acquire));
        let written = match open.write(&told) {
            // Other blocks may be sound.
            Err(_) => self.make_ledger(appender, &told).map(|made| *open = made),
            written => written,
        };
        self.hub.written(written.is_ok());
        if let Err(error) = written {
            self.tell(&Event::EventsNotKept { cause: error.to_string() });
        }
        told.untold.len()
    }

    /// The time was set back, and everything that had run out by the later one has been met: nothing that runs out from now on
    /// may pass for told. The caller holds the locks of all ids.
    pub fn told_only_by(&self, clock_ms: u64) {
        // Who is at the wheel now has met what had run out by the later time, and not what is begun from now on.
        self.telling.sweeps.fetch_add(1, Ordering::AcqRel);
        self.telling.swept_ms.store(clock_ms, Ordering::Release);
        // The first one who listens tells by the clock, under this lock.
        let ledger = self.telling.ledger.lock();
        self.telling.told_ms.fetch_min(clock_ms, Ordering::AcqRel);
        drop(ledger);
        if let Some(appender) = self.appender.as_ref().filter(|_| self.hub.is_kept()) {
            self.write_ledger(appender);
        }
    }

    fn what_is_told(&self, told_ms: u64) -> Told {
        let (untold, missed) = self.hub.untold();
        Told { told_ms, missed, slack_ms: self.telling.slack_ms.load(Ordering::Acquire), untold }
    }

    /// Writes the ledger if it is time, and gives it up when nobody has listened for long.
    pub fn keep_ledger(&self) -> Result<()> {
        if !self.hub.is_kept() {
            return Ok(());
        }
        if self.is_forgotten() {
            let mut ledger = self.telling.ledger.lock();
            if self.hub.is_alone() && ledger.take().is_some() {
                self.hub.forget();
                let path = self.directory.join(LEDGER);
                let removed = self.options.vfs.remove(&path);
                return removed.map_err(|error| Error::io(format!("removing {}", path.display()), error));
            }
        }
        let now = (self.counters.expired.load(Ordering::Relaxed), self.hub.untold_count());
        let pace = self.telling.pace.lock();
        let due = pace.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY) && pace.wrote != now;
        drop(pace);
        if due { self.keep_told() } else { Ok(()) }
    }

    /// Writes the ledger when as many have run out since it was written as memory should remember.
    pub fn keep_unwritten_few(&self) -> Result<()> {
        if self.hub.is_kept() && self.hub.unwritten_count() >= KEPT { self.keep_told() } else { Ok(()) }
    }

    /// The directory is another opening's from now on, and so is the ledger.
    pub fn leave_ledger(&self) {
        *self.telling.ledger.lock() = None;
    }

    /// Whether nobody has listened for as long as anything that has ended may stay, while the store was open.
    fn is_forgotten(&self) -> bool {
        let now_ms = self.options.clock.boot_ms();
        let mut pace = self.telling.pace.lock();
        pace.alone_ms = if self.hub.is_alone() { pace.alone_ms.or(Some(now_ms)) } else { None };
        pace.alone_ms.is_some_and(|since| now_ms.saturating_sub(since) >= millis(self.options.erase_within))
    }

    /// Whether the reaper should let listeners catch up, so that they miss nothing: as long as they take something, and not
    /// for long.
    pub fn lets_listeners_catch_up(&self) -> bool {
        let crowded = if self.hub.is_kept() { self.hub.crowded() } else { None };
        let mut pace = self.telling.pace.lock();
        let Some(told) = crowded else {
            pace.waits = None;
            return false;
        };
        let now = Instant::now();
        let waits = pace.waits.get_or_insert((now, now, told));
        if waits.2 != told {
            (waits.1, waits.2) = (now, told);
        }
        waits.1.elapsed() < PATIENCE && waits.0.elapsed() < PATIENCE_AT_MOST
    }
}
