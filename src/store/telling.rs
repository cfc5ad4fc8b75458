//! Telling: that whoever listens hears of every session whose time has run out, across deaths of the process too.
//!
//! Owns: when the [ledger](crate::events::Ledger) is written. What runs out leaves no record of its own; what remains of it is
//! its last record, until compaction removes that. Invariants, where somebody listens:
//! 1. What the log knows to have run out by `told` has been told, or the ledger has it. What ran out later and was not told
//!    is still in the log, and the next opening brings it into memory once more: over and not to be read, so that the reaper
//!    meets it and tells.
//! 2. A record leaves the disk only after the ledger says what nobody has dealt with of all that left memory before.
//! 3. The same before a record is written that hides an older one of a session that has run out: an id that is used again, a
//!    revocation, a clear. The writer waits for that with his locks: it is rare, and small.
//!
//! Lock order: the ledger's comes after those of ids, and nothing is waited for under it but the ledger's own sync.
//!
//! `told` is behind the time of the last sweep by the slack of a touch, since the log may be behind memory by that much, and never
//! ahead of the durable mark. A crash can fall anywhere: the ledger then says less than was told, and something is told twice.

use std::path::Path;
use std::time::Duration;

use super::core::{Core, millis};
use crate::error::{Damage, Error, Result};
use crate::events::{Events, KEPT, LEDGER, Ledger, SessionEvent, Sought, Told, Unwritten};
use crate::log::appender::Appender;
use crate::observer::Event;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Instant, Mutex, MutexGuard};
use crate::vfs::Vfs;

/// How often the ledger is written when nothing else asks for it.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// How long the reaper waits for listeners who take nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits for listeners at all: memory is bounded whatever they do.
const PATIENCE_AT_MOST: Duration = Duration::from_secs(60);

/// What is remembered between two writes of the ledger.
pub(crate) struct Telling {
    ledger: Mutex<Option<Ledger>>,
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
    /// Everything that had run out by then has been met: unless somebody else has had some of it in his hands meanwhile.
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
pub(super) struct Heard {
    ledger: Option<Ledger>,
    told: Told,
    damaged: bool,
}

impl Heard {
    /// Reads the ledger.
    pub fn read(vfs: &dyn Vfs, directory: &Path, store_id: [u8; 16]) -> Result<Self> {
        let nothing = Told { told_ms: u64::MAX, untold: Vec::new() };
        Ok(match Ledger::open(vfs, directory, store_id)? {
            Sought::Found(ledger, told) => Self { ledger: Some(ledger), told, damaged: false },
            Sought::Damaged => Self { ledger: None, told: nothing, damaged: true },
            Sought::Absent => Self { ledger: None, told: nothing, damaged: false },
        })
    }

    /// What ran out later than this comes into memory once more, to be told.
    pub const fn told_ms(&self) -> u64 {
        self.told.told_ms
    }
}

impl Core {
    /// Goes on where the ledger stopped.
    pub(super) fn hear(&self, heard: Heard) -> Result<()> {
        let Heard { ledger, told, damaged } = heard;
        if damaged {
            let what =
                "both copies of what listeners were told are damaged, so what had run out is not told again";
            self.tell(&Event::Damaged(Damage { file: LEDGER.to_owned(), offset: 0, what: what.to_owned() }));
            let _ = self.listen()?;
        }
        if ledger.is_some() {
            self.hub.keep(told.untold);
            *self.telling.ledger.lock() = ledger;
        }
        Ok(())
    }

    /// Somebody listens. The first one ever makes the ledger.
    pub fn listen(&self) -> Result<Events> {
        let appender = self.appender()?;
        let mut ledger = self.telling.ledger.lock();
        if ledger.is_none() {
            // Told first: what runs out from now on is kept, and what ran out before nobody has asked for.
            self.hub.keep(Vec::new());
            let told_ms = self.told_by(appender, self.watch.now().settled_ms);
            let directory: &Path = &self.directory;
            match Ledger::create(self.options.vfs.as_ref(), directory, appender.store_id(), told_ms) {
                Ok(made) => *ledger = Some(made),
                Err(error) => {
                    self.hub.forget();
                    return Err(error);
                }
            }
        }
        Ok(self.hub.listen())
    }

    /// What has run out by the log, when everything was told that had run out by this in memory: the log may be behind by the
    /// slack. And no later than a durable mark, with which the next opening begins its clock.
    fn told_by(&self, appender: &Appender, swept_ms: u64) -> u64 {
        let behind_ms = millis(self.options.touch_slack).saturating_add(1);
        swept_ms.saturating_sub(behind_ms).min(appender.commit().durable_clock_ms())
    }

    /// Before records leave the disk, and from time to time: writes down what has been told. The caller holds no id's lock.
    pub fn keep_told(&self) -> Result<()> {
        if !self.hub.is_kept() {
            return Ok(());
        }
        let appender = self.appender.as_ref().ok_or(Error::ReadOnly)?;
        let swept_ms = self.telling.swept_ms.load(Ordering::Acquire);
        // Deadlines that memory went by then are in the log, and durable, or owed to it.
        appender.sync(appender.appended_lsn())?;
        let told_ms = if self.owed.is_settled() { self.told_by(appender, swept_ms) } else { 0 };
        // Whoever has taken a session out of memory holds its id's lock until he has told.
        drop(self.locks.all());
        let mut ledger = self.telling.ledger.lock();
        let wrote = self.counters.expired.load(Ordering::Relaxed);
        let untold = self.write_ledger(&mut ledger, told_ms, &[])?;
        let mut pace = self.telling.pace.lock();
        (pace.written, pace.wrote) = (Some(Instant::now()), (wrote, untold));
        Ok(())
    }

    /// A record is about to hide whom this names among those whom the ledger does not know of: then it is told first. The
    /// caller holds the locks of their ids.
    pub fn keep_told_before_hiding(&self, names: impl FnOnce(&Unwritten) -> bool) -> Result<()> {
        if self.hub.is_kept() && self.hub.of_unwritten(names) {
            drop(self.keep_told_with(&[])?);
        }
        Ok(())
    }

    /// The ledger knows of these too, and nobody writes it until the guard is dropped, by when they must be told. The caller
    /// holds the locks of the ids that they speak of.
    pub fn keep_told_with(
        &self,
        told_soon: &[SessionEvent],
    ) -> Result<Option<MutexGuard<'_, Option<Ledger>>>> {
        if !self.hub.is_kept() {
            return Ok(None);
        }
        let mut ledger = self.telling.ledger.lock();
        // Others may be about to tell: so nothing new is said of up to when all is told.
        self.write_ledger(&mut ledger, 0, told_soon)?;
        Ok(Some(ledger))
    }

    fn write_ledger(
        &self,
        ledger: &mut Option<Ledger>,
        told_ms: u64,
        told_soon: &[SessionEvent],
    ) -> Result<usize> {
        let Some(ledger) = ledger else { return Ok(0) };
        let (mut untold, unwritten) = self.hub.untold();
        untold.extend(told_soon);
        match ledger.write(told_ms, &untold) {
            Ok(()) => Ok(untold.len()),
            Err(error) => {
                self.hub.still_unwritten(unwritten);
                Err(error)
            }
        }
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
        if self.hub.is_kept() && self.hub.of_unwritten(Unwritten::len) >= KEPT {
            self.keep_told()
        } else {
            Ok(())
        }
    }

    /// Whether nobody has listened for as long as anything that has ended may stay.
    fn is_forgotten(&self) -> bool {
        let now_ms = self.watch.now().settled_ms;
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
