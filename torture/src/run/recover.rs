//! Opening what a crash has left, and judging it.
//!
//! Owns: recoveries that fail, crash, crash again, and end in a store that shows what it must.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sessile::vfs::{CrashPolicy, Fault, SimVfs};
use sessile::{Error, Store};

use super::hook::Hook;
use super::stage::{Stage, Stop, is_crash, locked};
use super::{DIRECTORY, Living, Seen, arm, fail, look, options};
use crate::oracle::{Found, Level, Now};
use crate::report::count;
use crate::script::{Crash, Cycle};

/// Another machine with the same settings.
fn open_on(living: &Living, sim: &SimVfs) -> Result<Store, Error> {
    options(&living.shared.setup, &living.shared.clocks).vfs(Arc::new(sim.clone())).open(DIRECTORY)
}

fn level_of(left: CrashPolicy) -> Level {
    if left == CrashPolicy::KeepAll { Level::Written } else { Level::Synced }
}

impl Living {
    /// Opens the store again after a crash, and judges what it shows.
    pub(super) fn recover(&mut self, cycle: &Cycle, seen: &mut Seen) -> Result<(), String> {
        self.pause(cycle.pause);
        let mut needed = level_of(cycle.crash.left);
        if cycle.everywhere {
            self.everywhere(needed)?;
        }
        if !cycle.failures.is_empty() {
            needed = needed.max(self.fail_once(cycle)?);
        }
        let store = self.nested(&cycle.nested, &mut needed, seen)?;
        self.tally().recoveries += 1;
        let stage = self.enter(store).map_err(told)?;
        let found = self.judge(&stage, needed)?;
        self.again(&stage, &found)?;
        look::sound(&stage.store, &self.shared.sim, &found)?;
        if let Some(harm) = cycle.harm {
            self.harm(&stage, harm, seen)?;
        }
        if cycle.pause.confirm {
            self.confirm()?;
        }
        Ok(())
    }

    /// The time as the opened store sees it.
    pub(super) fn time_of(&self, store: &Store) -> Now {
        let settled_ms = store.stats().clock_ms;
        Now { wall_ms: self.wall_ms(), settled_ms, settled_latest_ms: settled_ms }
    }

    fn judge(&self, stage: &Stage, needed: Level) -> Result<Vec<Found>, String> {
        stage.now().map_err(told)?;
        let now = self.time_of(&stage.store);
        let found = look::all(&stage.store, usize::from(stage.setup.ids), &stage.subjects, false)?;
        self.tally().states += 1;
        stage.oracle().judge(&found, needed, now).map_err(|what| format!("after recovery: {what}"))?;
        Ok(found)
    }

    /// Opening again gives the same, also when the power goes first: recovery has made durable what it found.
    fn again(&self, stage: &Stage, found: &[Found]) -> Result<(), String> {
        let machine = self.shared.sim.fork().crash(CrashPolicy::DropAll);
        let store = open_on(self, &machine).map_err(|error| format!("opening again: {error}"))?;
        let second = look::all(&store, found.len(), &stage.subjects, false)?;
        let mut tally = self.tally();
        tally.recoveries += 1;
        tally.states += 1;
        drop(tally);
        // Only a snapshot knows deadlines that are ahead of the log, by less than the slack.
        let ahead = stage.store.stats().recovery.from_snapshot;
        let slack_ms = if ahead { self.shared.setup.slack_ms } else { 1 };
        let same = |first: &Found, second: &Found| match (first, second) {
            (Found::Shown(Some(first)), Found::Shown(Some(second))) => {
                let behind = first.deadline_ms.checked_sub(second.deadline_ms);
                let back = crate::oracle::Seen { deadline_ms: first.deadline_ms, ..*second };
                back == *first && behind.is_some_and(|ms| ms < slack_ms)
            }
            (Found::Shown(Some(first)), Found::Shown(None)) => {
                ahead && first.deadline_ms <= self.wall_ms().saturating_add(slack_ms)
            }
            (first, second) => first == second,
        };
        let differs = found.iter().zip(&second).position(|(first, second)| !same(first, second));
        if differs.is_none() {
            return Ok(());
        }
        let id = differs.unwrap_or(0);
        Err(format!("opening again shows id {id} as {:?}, and it was {:?}", second[id], found[id]))
    }

    /// Recovery loses the power, as often as is asked for, and then does not.
    fn nested(&mut self, crashes: &[Crash], needed: &mut Level, seen: &mut Seen) -> Result<Store, String> {
        let mut depth = 0;
        for crash in crashes {
            arm(&self.shared.sim, *crash);
            let opened = self.open();
            if self.shared.sim.has_crashed() {
                depth += 1;
                *needed = (*needed).max(level_of(crash.left));
                let mut tally = self.tally();
                tally.crash_points += 1;
                tally.recoveries += 1;
                count(&mut tally.recovery_calls, crash.nth);
                drop(tally);
                drop(opened);
                self.shared.sim = self.shared.sim.crash(crash.left);
                continue;
            }
            self.shared.sim.clear_faults();
            if depth > 0 {
                self.note_nesting(depth, seen);
            }
            return opened.map_err(|error| format!("opening: {error}"));
        }
        if depth > 0 {
            self.note_nesting(depth, seen);
        }
        self.open().map_err(|error| format!("opening: {error}"))
    }

    fn note_nesting(&self, depth: u64, seen: &mut Seen) {
        seen.in_flight.insert("nested crash");
        count(&mut self.tally().nesting, depth);
    }

    /// Every call of this recovery is a crash point, each in a world of its own.
    fn everywhere(&self, needed: Level) -> Result<(), String> {
        for nth in 1.. {
            let machine = self.shared.sim.fork();
            machine.crash_at_call(nth);
            let opened = open_on(self, &machine);
            if !machine.has_crashed() {
                return opened.map(|_| ()).map_err(|error| format!("opening: {error}"));
            }
            drop(opened);
            let left = if nth % 2 == 0 { CrashPolicy::DropAll } else { CrashPolicy::Random(nth) };
            let machine = machine.crash(left);
            let store = open_on(self, &machine)
                .map_err(|error| format!("opening after a crash at its call {nth}: {error}"))?;
            let subjects = (0..self.shared.setup.subjects)
                .map(|subject| store.subject_digest(super::stage::subject_name(subject)));
            let subjects: Vec<_> = subjects.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
            let oracle = locked(&self.shared.oracle);
            let found = look::all(&store, oracle.id_count(), &subjects, false)?;
            let now = self.time_of(&store);
            oracle
                .check(&found, needed.max(level_of(left)), now)
                .map_err(|what| format!("after a crash at call {nth} of recovery: {what}"))?;
            let mut tally = self.tally();
            tally.crash_points += 1;
            tally.recoveries += 2;
            tally.states += 1;
            count(&mut tally.recovery_calls, nth);
        }
        Ok(())
    }

    /// Calls of the first attempt fail: it may be refused, and the next is not.
    fn fail_once(&mut self, cycle: &Cycle) -> Result<Level, String> {
        cycle.failures.iter().for_each(|failure| fail(&self.shared.sim, *failure));
        let opened = self.open();
        self.tally().recoveries += 1;
        let lies = |lie| cycle.failures.iter().any(|failure| failure.fault == lie);
        if let Err(error) = &opened
            && !matches!(error, Error::Corrupt(_) if lies(Fault::FlipBit) || lies(Fault::StaleRead))
            && !matches!(
                error,
                Error::Io { .. } | Error::Latched { .. } | Error::Full(_) | Error::FullAtOpening(_)
            )
        {
            return Err(format!("an opening whose calls failed says {error:?}"));
        }
        self.count_faults();
        self.shared.sim = self.shared.sim.crash(CrashPolicy::KeepAll);
        self.hook = Arc::new(Hook::default());
        if opened.is_ok() && lies(Fault::FlipBit) {
            // A bit of what was durable last was another, and nothing behind it could tell: so the log ended there.
            locked(&self.shared.oracle).lose_last_group();
        }
        // Who is shown what is on the disk, and not what was written since, cannot know of that.
        Ok(if opened.is_ok() && lies(Fault::StaleRead) { Level::Synced } else { Level::Written })
    }

    /// Closes the store cleanly, and opens it again.
    pub(super) fn reopen(&mut self, stage: &Arc<Stage>) -> Result<(), Stop> {
        let act = crate::script::Act::Reopen;
        locked(&stage.doing).push(act);
        let call = stage.oracle().other(act);
        let stressed = stage.stressed.load(Ordering::Relaxed);
        let closed = stage.store.close();
        if self.shared.sim.has_crashed() {
            return Err(Stop::PowerLost);
        }
        match closed {
            Ok(()) => stage.oracle().returned(call, Some(Level::Synced)),
            Err(error) if is_crash(&error) => return Err(Stop::PowerLost),
            Err(_) if stressed => stage.oracle().returned(call, Some(Level::Perhaps)),
            Err(error) => return Err(format!("closing: {error}").into()),
        }
        if std::mem::take(&mut self.troubled) {
            // Whoever looks after the machine has seen to it, and the process starts anew.
            self.count_faults();
            self.shared.sim = self.shared.sim.crash(CrashPolicy::KeepAll);
            self.shared.sim.set_capacity(None);
        }
        self.hook.set_actor(None);
        self.stage = None;
        locked(&self.shared.belief).opened(&self.shared.clocks);
        let store = match self.open() {
            Err(_) if self.shared.sim.has_crashed() => {
                // What the crash is judged by has still to be asked of somebody.
                self.stage = Some(Arc::clone(stage));
                return Err(Stop::PowerLost);
            }
            store => store.map_err(|error| format!("opening after a close: {error}"))?,
        };
        let stage = self.enter(store)?;
        self.judge(&stage, Level::Written)?;
        self.confirm()?;
        Ok(())
    }
}

fn told(stop: Stop) -> String {
    match stop {
        Stop::Violated(what) => what,
        Stop::PowerLost => "the power went with no reason to".to_owned(),
    }
}
