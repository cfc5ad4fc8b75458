//! Living a life: the store on its machine, cycle after cycle.
//!
//! Owns: the machine between two openings. The rooms: `stage` does operations and judges their answers, `recover` opens
//! what a crash has left and judges it, `harm` damages a copy, `look` reads everything, `hook` lets others act in between.

mod acts;
#[cfg(torture_scheduled)]
mod crowd;
mod harm;
mod hook;
mod look;
mod looks;
mod recover;
mod stage;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile::vfs::{CallKind, CrashPolicy, SimVfs, WatchedVfs, seed_entropy};
use sessile::{AtLimit, Clock, Options, ReadMode, Store};

use crate::clock::{Belief, Clocks};
use crate::oracle::Oracle;
use crate::report::{Outcome, Tally, Violation, count};
use crate::script::{Act, Crash, Cycle, Failure, Life, Pause, Setup, Step};
use hook::Hook;
use stage::{Shared, Stage, Stop, locked};

/// Where the store is on the simulated machine.
pub(crate) const DIRECTORY: &str = "/store";
/// The smallest segment that the options allow.
const SEGMENT_BYTES: u64 = 64 << 10;
/// A cycle of fewer operations or on fewer ids does not count.
const OPERATIONS_MIN: u64 = 50;
const IDS_MIN: usize = 20;

/// Lives a life and says what came of it. Equal lives come to equal outcomes.
#[must_use]
pub fn run_life(life: &Life) -> Outcome {
    seed_entropy(Some(life.seed));
    let mut living = Living::new(life.setup);
    let mut violation = None;
    for (number, cycle) in life.cycles.iter().enumerate() {
        if let Err(what) = living.cycle(cycle) {
            let story = locked(&living.shared.oracle).story();
            violation = Some(Violation { what, cycle: number, story });
            break;
        }
    }
    drop(living.stage.take());
    living.count_faults();
    seed_entropy(None);
    let mut tally = locked(&living.shared.tally).clone();
    tally.seeds = 1;
    Outcome { seed: life.seed, tally, violation, life: None, script: None }
}

/// A store that lives.
struct Living {
    shared: Shared,
    hook: Arc<Hook>,
    stage: Option<Arc<Stage>>,
    /// Calls fail or room is short since the machine was started.
    troubled: bool,
}

/// What a cycle was, for the report.
#[derive(Default)]
struct Seen {
    operations: u64,
    ids: BTreeSet<u8>,
    in_flight: BTreeSet<&'static str>,
    read_lies: bool,
}

fn options(setup: &Setup, clocks: &Clocks) -> Options {
    let options = Options::new()
        .clock(Arc::new(clocks.clone()))
        .manual_maintenance(true)
        .read_mode(ReadMode::Plain)
        .segment_bytes(SEGMENT_BYTES)
        .eager_compaction(true)
        .idle(Duration::from_secs(3600))
        .touch_slack(Duration::from_millis(setup.slack_ms))
        .erase_within(Duration::from_millis(setup.erase_ms))
        .keep_ids(setup.keep_ids)
        // Of several actors at once, nobody can say whose session an eviction met.
        .at_limit(if cfg!(torture_scheduled) { AtLimit::Reject } else { AtLimit::EvictAnonymous })
        .close_budget(Duration::from_secs(3600));
    let options = match setup.disk_bytes_max {
        Some(bytes) => options.disk_bytes_max(bytes),
        None => options,
    };
    let options = match setup.sessions_max {
        Some(sessions) => options.sessions_max(sessions),
        None => options,
    };
    let options = encrypted(setup, options);
    if setup.touch_synced { options.touch_durability(sessile::Durability::Synced) } else { options }
}

/// Of the stores that keep ids each is encrypted, where the engine can: everything in a record is in its sealed part then.
#[cfg(feature = "encryption")]
fn encrypted(setup: &Setup, options: Options) -> Options {
    match sessile::KeyRing::new("torture", [0x5a; 32]) {
        Ok(keys) if setup.keep_ids => options.encryption(keys),
        _ => options,
    }
}

#[cfg(not(feature = "encryption"))]
fn encrypted(_: &Setup, options: Options) -> Options {
    options
}

impl Living {
    fn new(setup: Setup) -> Self {
        let clocks = Clocks::new();
        let shared = Shared {
            sim: SimVfs::new(),
            setup,
            belief: Arc::new(Mutex::new(Belief::new(&clocks))),
            clocks,
            oracle: Arc::new(Mutex::new(Oracle::new(setup))),
            tally: Arc::new(Mutex::new(Tally::default())),
        };
        Self { shared, hook: Arc::new(Hook::default()), stage: None, troubled: false }
    }

    fn open(&self) -> Result<Store, sessile::Error> {
        let vfs = WatchedVfs::new(self.shared.sim.clone(), self.hook.clone());
        options(&self.shared.setup, &self.shared.clocks).vfs(Arc::new(vfs)).open(DIRECTORY)
    }

    /// Puts actors on an open store.
    fn enter(&mut self, store: Store) -> Result<Arc<Stage>, Stop> {
        let stage = Arc::new(Stage::new(store, &self.shared)?);
        let actor = Arc::downgrade(&stage);
        self.hook.set_actor(Some(Box::new(move |act| {
            if let Some(stage) = actor.upgrade() {
                stage.intrude(act);
            }
        })));
        self.stage = Some(Arc::clone(&stage));
        Ok(stage)
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        locked(&self.shared.tally)
    }

    fn count_faults(&self) {
        let mut tally = self.tally();
        for (kind, fault, struck) in self.shared.sim.struck() {
            *tally.faults.entry(format!("{fault:?} of {kind:?}")).or_default() += struck;
        }
    }

    /// From an open store, or none at first, through a crash to an open store that was checked.
    fn cycle(&mut self, cycle: &Cycle) -> Result<(), String> {
        let mut seen = Seen::default();
        if self.stage.is_none() {
            let store = self.open().map_err(|error| format!("creating the store: {error}"))?;
            match self.enter(store) {
                Ok(_) => {}
                Err(Stop::Violated(what)) => return Err(what),
                Err(Stop::PowerLost) => return Err("the power went with no reason to".to_owned()),
            }
            self.confirm()?;
        }
        match self.run(cycle, &mut seen) {
            Err(Stop::Violated(what)) => return Err(what),
            Ok(()) | Err(Stop::PowerLost) => {}
        }
        self.note_flight(&mut seen);
        self.power_off(cycle.crash.left);
        self.recover(cycle, &mut seen)?;
        let counts = seen.operations >= OPERATIONS_MIN && seen.ids.len() >= IDS_MIN;
        let mut tally = self.tally();
        tally.operations += seen.operations;
        if counts {
            tally.cycles += 1;
            tally.scheduled_cycles += u64::from(cfg!(torture_scheduled));
            seen.in_flight.iter().for_each(|what| count(&mut tally.in_flight, (*what).to_owned()));
        } else {
            tally.short_cycles += 1;
        }
        Ok(())
    }

    /// The steps of a cycle, until they end or the power goes.
    #[cfg(not(torture_scheduled))]
    fn run(&mut self, cycle: &Cycle, seen: &mut Seen) -> Result<(), Stop> {
        for (number, step) in cycle.steps.iter().enumerate() {
            if number == cycle.crash.step {
                arm(&self.shared.sim, cycle.crash);
            }
            self.step(step, seen)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, seen: &mut Seen) -> Result<(), Stop> {
        let Some(stage) = self.stage.clone() else { return Err(Stop::PowerLost) };
        if step.act.is_operation() {
            seen.operations += 1;
            seen.ids.extend(step.act.ids());
        }
        self.hook.arm(&step.meanwhile);
        let done = match step.act {
            Act::Reopen => self.reopen(&stage),
            Act::Room(room) => {
                let used = room.map(|room| room + used_bytes(&self.shared.sim));
                self.shared.sim.set_capacity(used);
                self.troubled = true;
                stage.stressed.store(true, Ordering::Relaxed);
                stage.short.store(true, Ordering::Relaxed);
                count(
                    &mut self.tally().faults,
                    if room.is_some() { "disk filled up" } else { "disk given room" }.into(),
                );
                Ok(())
            }
            Act::Fail(failure) => {
                seen.read_lies |= failure.kind == Some(CallKind::Read);
                fail(&self.shared.sim, failure);
                stage.failing.store(true, Ordering::Relaxed);
                self.troubled = true;
                stage.stressed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Act::Advance(ms) => self.time(ms as i64, ms, "ran"),
            Act::Jump(ms) => self.time(ms, 0, if ms > 0 { "jumped on" } else { "jumped back" }),
            Act::Stall(ms) => self.time(0, ms, "stood still"),
            act => stage.perform(act),
        };
        if self.shared.sim.has_crashed() {
            // What was going on may not even have noticed.
            return Err(Stop::PowerLost);
        }
        done?;
        self.hook.arm(&[]);
        match locked(&stage.wronged).take() {
            Some(what) => Err(Stop::Violated(what)),
            None => Ok(()),
        }
    }

    /// The clocks move.
    fn time(&self, wall_ms: i64, boot_ms: u64, how: &str) -> Result<(), Stop> {
        let clocks = &self.shared.clocks;
        clocks.shift(wall_ms, boot_ms);
        locked(&self.shared.belief).look(clocks);
        count(&mut self.tally().clocks, how.to_owned());
        if how != "ran"
            && let Some(stage) = &self.stage
        {
            stage.plain_clock.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// An operator confirms the clock.
    fn confirm(&self) -> Result<(), String> {
        match self.stage.as_ref().map_or(Ok(()), |stage| stage.perform(Act::Confirm)) {
            Err(Stop::Violated(what)) => Err(what),
            Ok(()) | Err(Stop::PowerLost) => Ok(()),
        }
    }

    fn note_flight(&self, seen: &mut Seen) {
        let Some(stage) = &self.stage else { return };
        let Some((kind, name)) = self.shared.sim.crashed_in() else { return };
        self.tally().crash_points += 1;
        let doing = locked(&stage.doing);
        let of_segment = name.ends_with(".seg")
            || name.ends_with(".tmp") && name.starts_with(|c: char| c.is_ascii_digit());
        let maintains = doing.first() == Some(&Act::Maintain);
        for act in doing.iter() {
            match act {
                Act::Rotate(..) => _ = seen.in_flight.insert("rotate"),
                Act::Revoke(..) => _ = seen.in_flight.insert("revocation"),
                Act::Clear => _ = seen.in_flight.insert("clear"),
                _ => {}
            }
        }
        if name.starts_with("SNAPSHOT") {
            seen.in_flight.insert("snapshot");
        }
        let creates =
            matches!(kind, CallKind::Create | CallKind::Allocate | CallKind::Rename | CallKind::SyncDir);
        if name == "STORE" && !doing.contains(&Act::Reopen)
            || !maintains && (creates && of_segment || kind == CallKind::SyncDir)
        {
            seen.in_flight.insert("segment change");
        }
        if maintains && self.hook.compacts() {
            seen.in_flight.insert("compaction");
        }
        if maintains && stage.expires() {
            seen.in_flight.insert("expiry");
        }
    }

    /// The power goes, or the process dies; another machine is left.
    fn power_off(&mut self, left: CrashPolicy) {
        self.count_faults();
        self.tally().power_losses += u64::from(left != CrashPolicy::KeepAll);
        self.shared.sim = self.shared.sim.crash(left);
        self.shared.sim.set_capacity(None);
        self.hook.set_actor(None);
        drop(self.stage.take());
        self.hook = Arc::new(Hook::default());
        self.troubled = false;
    }

    fn pause(&self, pause: Pause) {
        let clocks = &self.shared.clocks;
        clocks.shift(pause.wall_ms, pause.boot_ms);
        if pause.reboot {
            clocks.reboot();
        }
        locked(&self.shared.belief).opened(clocks);
        if pause.wall_ms.unsigned_abs() != pause.boot_ms {
            count(
                &mut self.tally().clocks,
                if pause.wall_ms > 0 { "on between runs" } else { "back between runs" }.into(),
            );
        }
    }

    fn wall_ms(&self) -> u64 {
        self.shared.clocks.wall_ms()
    }
}

/// Sets a crash point.
fn arm(sim: &SimVfs, crash: Crash) {
    match (crash.syncs, crash.after) {
        (false, false) => sim.crash_at_call(crash.nth),
        (false, true) => sim.crash_after_call(crash.nth),
        (true, false) => sim.crash_at_sync(crash.nth),
        (true, true) => sim.crash_after_sync(crash.nth),
    }
}

fn fail(sim: &SimVfs, failure: Failure) {
    match failure.kind {
        Some(kind) => sim.fail(kind, failure.nth, failure.fault, failure.times),
        None => sim.fail_any(failure.nth, failure.fault, failure.times),
    }
}

/// Bytes that are in use on the machine's disk.
fn used_bytes(sim: &SimVfs) -> u64 {
    use sessile::vfs::Vfs;
    sim.set_capacity(Some(u64::MAX));
    let free = sim.free_bytes(std::path::Path::new(DIRECTORY)).unwrap_or(u64::MAX);
    u64::MAX - free
}
