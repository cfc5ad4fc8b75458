//! From a seed to a life.
//!
//! Owns: how often what is tried. Every operation comes up in every life; crashes are aimed at what is rare.

use sessile::vfs::{CallKind, CrashPolicy, Fault, Times};

use crate::dice::Dice;
use crate::plot::{self, Short};
use crate::script::{
    Act, Crash, Cycle, Failure, Harm, HarmKind, Life, Moment, Pause, Say, Setup, Step, Whose,
};
use crate::settings::{Settings, Switch};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A limit that a plot fills, and that five segments of openings go beyond.
const DISK_BYTES_MAX: u64 = 640 << 10;
const YEAR: u64 = 365 * DAY;

/// The life that a seed stands for.
#[must_use]
pub fn life(seed: u64, settings: &Settings) -> Life {
    let mut dice = Dice::new(seed ^ 0x5e55_11e0_0000_0000);
    let setup = Setup {
        ids: dice.pick(&[22, 26, 32]),
        subjects: 3,
        keep_ids: dice.one_in(5),
        touch_synced: dice.one_in(4),
        slack_ms: dice.pick(&[MINUTE, MINUTE, 5 * SECOND]),
        erase_ms: dice.pick(&[DAY, DAY, HOUR, MINUTE]),
        sessions_max: (!cfg!(torture_scheduled) && settings.allows(Switch::Limits) && dice.one_in(8))
            .then(|| 10 + dice.below(8)),
        disk_bytes_max: (!cfg!(torture_scheduled) && settings.allows(Switch::Limits) && dice.one_in(10))
            .then_some(DISK_BYTES_MAX),
    };
    let mut world = World {
        settings,
        setup,
        clocks: settings.allows(Switch::Clocks) && dice.percent(35),
        faults: settings.allows(Switch::Faults) && dice.percent(30),
        lying_sync: settings.allows(Switch::LyingSync) && dice.percent(25),
        bad_reads: settings.allows(Switch::BadReads) && dice.percent(20),
        full_disk: settings.allows(Switch::FullDisk) && dice.percent(15),
        large: dice.percent(40),
        dice,
    };
    let cycles = (0..settings.cycles).map(|_| world.cycle()).collect();
    Life { seed, setup, cycles }
}

struct World<'s> {
    settings: &'s Settings,
    setup: Setup,
    dice: Dice,
    clocks: bool,
    faults: bool,
    lying_sync: bool,
    bad_reads: bool,
    full_disk: bool,
    large: bool,
}

impl World<'_> {
    fn cycle(&mut self) -> Cycle {
        let count = 54 + self.dice.index(16);
        let mut steps: Vec<Step> = Vec::with_capacity(count + 8);
        for position in 0..count {
            // Each id has its turn in every cycle.
            let turn = position as u8 % self.setup.ids;
            let act = self.act(turn);
            let meanwhile = self.meanwhile(&act);
            steps.push(Step { act, meanwhile });
        }
        let limited = self.full_disk || self.setup.disk_bytes_max.is_some();
        if self.dice.one_in(if limited { 3 } else { 6 }) {
            let short = match self.setup.disk_bytes_max {
                _ if self.dice.one_in(2) => None,
                Some(_) => Some(Short::OfLimit),
                None => self.full_disk.then_some(Short::OfDisk),
            };
            let plot = plot::plot(&mut self.dice, self.setup.ids, short);
            // A plot needs its time and its ids for itself; the steps that are left come after it.
            steps.drain(..plot.len().min(count - 20));
            steps.splice(0..0, plot.into_iter().map(|act| Step { act, meanwhile: Vec::new() }));
        }
        self.trouble(&mut steps);
        let crash = self.crash(&mut steps);
        let recovery = self.settings.allows(Switch::CrashInRecovery);
        let nested = if recovery && self.dice.percent(22) { 1 + self.dice.index(4) } else { 0 };
        let nested = (0..nested).map(|_| self.nested()).collect();
        let everywhere = recovery && self.dice.one_in(120);
        let harm = (self.settings.allows(Switch::Damage) && self.dice.percent(8)).then(|| self.harm());
        let mut failures = Vec::new();
        if self.faults && self.dice.one_in(4) {
            failures.push(self.failure(true));
        } else if self.bad_reads && self.dice.one_in(3) {
            let failure = self.bad_read();
            // Of several lies at once nobody could make anything.
            let times = if failure.fault == Fault::FlipBit { Times::Once } else { failure.times };
            failures.push(Failure { times, ..failure });
        }
        Cycle { steps, crash, pause: self.pause(), failures, nested, everywhere, harm }
    }

    fn id(&mut self) -> u8 {
        self.dice.below(u64::from(self.setup.ids)) as u8
    }

    fn act(&mut self, turn: u8) -> Act {
        match self.dice.below(200) {
            0..34 => Act::Create(turn, self.say()),
            34..58 => Act::Update(turn, self.say()),
            58..72 => Act::Set(turn, self.say()),
            72..96 => Act::Touch(turn, self.dice.pick(&[10 * MINUTE, HOUR, DAY])),
            96..104 => Act::ReplaceIf(turn, self.say(), self.dice.one_in(4)),
            104..112 => Act::UpdateWith(turn, self.say()),
            112..123 => Act::Destroy(turn),
            123..126 => Act::DestroyHandle(turn),
            126..144 => {
                let to = self.id();
                let to = if to == turn { (to + 1) % self.setup.ids } else { to };
                Act::Rotate(turn, to, (self.dice.one_in(2) || cfg!(torture_scheduled)).then(|| self.say()))
            }
            144..150 => {
                let subject = self.dice.below(u64::from(self.setup.subjects)) as u8;
                Act::Revoke(subject, self.dice.one_in(2).then_some(turn))
            }
            150 => Act::Clear,
            151..168 => Act::Get(turn),
            168 => Act::Look,
            169 => Act::Verify,
            170..179 => Act::Maintain,
            179..182 => Act::Flush,
            182 => Act::Reopen,
            _ => self.time(),
        }
    }

    fn time(&mut self) -> Act {
        if self.clocks && self.dice.one_in(3) {
            return match self.dice.below(6) {
                0 => Act::Stall(self.dice.pick(&[SECOND, MINUTE, HOUR, DAY])),
                1 => Act::Confirm,
                2 => Act::Advance(11 * MINUTE),
                3 => Act::Jump(self.signed(&[2 * SECOND, 8 * SECOND, MINUTE, 20 * MINUTE])),
                4 => Act::Jump(self.signed(&[HOUR, DAY, 20 * DAY, 40 * DAY])),
                _ => Act::Jump(self.signed(&[YEAR, 10 * YEAR, 30 * YEAR])),
            };
        }
        Act::Advance(self.dice.pick(&[1, SECOND, 20 * SECOND, 5 * MINUTE, 20 * MINUTE, 2 * HOUR]))
    }

    fn signed(&mut self, sizes: &[u64]) -> i64 {
        let size = i64::try_from(self.dice.pick(sizes)).unwrap_or(i64::MAX);
        if self.dice.one_in(2) { size } else { -size }
    }

    fn say(&mut self) -> Say {
        let sizes: &[u32] = if self.large { &[20, 600, 3000, 6000] } else { &[16, 24, 100, 400, 1500] };
        Say {
            bytes: self.dice.pick(sizes),
            idle_ms: self.dice.pick(&[
                None,
                Some(MINUTE),
                Some(10 * MINUTE),
                Some(HOUR),
                Some(DAY),
                Some(10 * DAY),
                Some(u64::MAX),
            ]),
            absolute_ms: self.dice.one_in(6).then(|| self.dice.pick(&[HOUR * 3, DAY])),
            subject: match self.dice.below(5) {
                0..2 => Whose::Keep,
                2 => Whose::Nobody,
                _ => Whose::Of(self.dice.below(u64::from(self.setup.subjects)) as u8),
            },
            shorten: self.dice.one_in(4),
            synced: !self.dice.one_in(3),
        }
    }

    fn meanwhile(&mut self, act: &Act) -> Vec<(Moment, Act)> {
        if !self.settings.allows(Switch::Interleaving) || cfg!(torture_scheduled) {
            return Vec::new();
        }
        let moments: &[Moment] = match act {
            Act::Maintain => &[Moment::BeforeOutput, Moment::BeforeNaming, Moment::BeforeRemoval],
            Act::Create(_, say) | Act::Update(_, say) | Act::Set(_, say) if say.synced => {
                &[Moment::BeforeSync]
            }
            Act::Destroy(_) | Act::Rotate(..) | Act::Revoke(..) | Act::Flush => &[Moment::BeforeSync],
            _ => return Vec::new(),
        };
        let count = if *act == Act::Maintain { 3 } else { u64::from(self.dice.one_in(6)) };
        let mut acts = Vec::new();
        for _ in 0..count {
            let moment = self.dice.pick(moments);
            let id = self.id();
            let act = match self.dice.below(8) {
                0 | 1 => Act::Get(id),
                2 => Act::Touch(id, HOUR),
                3 => Act::Set(id, self.say()),
                4 => Act::Update(id, self.say()),
                5 if moment != Moment::BeforeSync => Act::Destroy(id),
                6 if moment != Moment::BeforeSync => Act::Rotate(id, (id + 1) % self.setup.ids, None),
                _ => Act::Create(id, self.say()),
            };
            acts.push((moment, unhurried(act, moment)));
        }
        acts
    }

    /// Puts failures and a full disk between the steps.
    fn trouble(&mut self, steps: &mut Vec<Step>) {
        let alone = |act| Step { act, meanwhile: Vec::new() };
        if self.full_disk && self.dice.one_in(2) {
            let at = self.dice.index(steps.len());
            let room = self.dice.pick(&[0, 8 << 10, 70 << 10, 150 << 10]);
            steps.insert(at, alone(Act::Room(Some(room))));
            let until = (at + 5 + self.dice.index(25)).min(steps.len());
            steps.insert(until, alone(Act::Room(None)));
        }
        for (wanted, kind) in [(self.faults, 0), (self.lying_sync, 1), (self.bad_reads, 2)] {
            if wanted && self.dice.one_in(3) {
                let failure = match kind {
                    0 => self.failure(false),
                    1 => Failure {
                        kind: Some(self.dice.pick(&[CallKind::Sync, CallKind::Sync, CallKind::SyncDir])),
                        nth: 1 + self.dice.below(20),
                        fault: Fault::Eio,
                        times: self.times(),
                    },
                    _ => self.bad_read(),
                };
                let at = self.dice.index(steps.len());
                steps.insert(at, alone(Act::Fail(failure)));
            }
        }
    }

    fn times(&mut self) -> Times {
        self.dice.pick(&[Times::Once, Times::Once, Times::N(2), Times::N(7), Times::Forever])
    }

    fn failure(&mut self, opening: bool) -> Failure {
        let kinds = [
            None,
            Some(CallKind::Write),
            Some(CallKind::Sync),
            Some(CallKind::Create),
            Some(CallKind::Allocate),
            Some(CallKind::Rename),
            Some(CallKind::Remove),
            Some(CallKind::SyncDir),
            Some(CallKind::Open),
            Some(CallKind::List),
        ];
        let kind = self.dice.pick(&kinds);
        let faults = [Fault::Eio, Fault::Enospc, Fault::Interrupted, Fault::ShortWrite];
        let nth = 1 + self.dice.below(if opening { 6 } else { 40 });
        let fault = self.dice.pick(&faults);
        let times = match self.times() {
            // A call that is interrupted for ever is tried for ever.
            Times::Forever if fault == Fault::Interrupted => Times::N(5),
            times => times,
        };
        Failure { kind, nth, fault, times }
    }

    fn bad_read(&mut self) -> Failure {
        let fault = self.dice.pick(&[Fault::Eio, Fault::FlipBit, Fault::StaleRead, Fault::ShortRead]);
        let times = match self.times() {
            Times::Forever => Times::N(30),
            times => times,
        };
        Failure { kind: Some(CallKind::Read), nth: 1 + self.dice.below(30), fault, times }
    }

    /// When and how the cycle ends; what is rare is aimed at.
    fn crash(&mut self, steps: &mut [Step]) -> Crash {
        let first = steps.len().min(51);
        let last = steps.len() - 1;
        let mut step = first + self.dice.index((steps.len() - first).max(1));
        let mut nth = 1 + self.dice.below(30);
        let target = match self.dice.below(100) {
            0..14 => Some((Act::Rotate(self.id(), self.id(), None), 3)),
            14..22 => Some((Act::Revoke(self.dice.below(3) as u8, None), 4)),
            22..28 => Some((Act::Clear, 4)),
            28..42 => Some((Act::Reopen, 24)),
            42..74 => Some((Act::Maintain, 40)),
            // More than what is left of most segments.
            74..84 => Some((Act::Set(self.id(), Say { bytes: 40_000, ..self.say() }), 9)),
            _ => None,
        };
        if let Some((act, calls)) = target {
            let act = match act {
                Act::Rotate(from, to, _) => {
                    let to = if from == to { (to + 1) % self.setup.ids } else { to };
                    // Of several actors at once, nobody can say which data an operation without any takes along.
                    Act::Rotate(from, to, cfg!(torture_scheduled).then(|| self.say()))
                }
                act => act,
            };
            step = step.min(last);
            steps[step] = Step { meanwhile: self.meanwhile(&act), act };
            nth = 1 + self.dice.below(calls);
        }
        let left = self.left();
        Crash { step, nth, syncs: self.dice.one_in(5), after: self.dice.one_in(3), left }
    }

    fn left(&mut self) -> CrashPolicy {
        if !self.settings.allows(Switch::PowerLoss) {
            return CrashPolicy::KeepAll;
        }
        match self.dice.below(8) {
            0 => CrashPolicy::KeepAll,
            1 | 2 => CrashPolicy::DropAll,
            _ => CrashPolicy::Random(self.dice.draw()),
        }
    }

    fn nested(&mut self) -> Crash {
        let left = self.left();
        Crash { step: 0, nth: 1 + self.dice.below(12), syncs: false, after: self.dice.one_in(3), left }
    }

    fn pause(&mut self) -> Pause {
        let passed = self.dice.pick(&[0, 0, 100, 2 * SECOND, MINUTE, HOUR]);
        let mut pause =
            Pause { wall_ms: passed as i64, boot_ms: passed, reboot: self.dice.one_in(2), confirm: true };
        if self.clocks && self.dice.one_in(3) {
            pause.wall_ms += self.signed(&[10 * SECOND, HOUR, 20 * DAY, YEAR, 30 * YEAR]);
            pause.confirm = self.dice.one_in(3);
        }
        pause
    }

    fn harm(&mut self) -> Harm {
        let kinds = [
            HarmKind::Flip,
            HarmKind::Flip,
            HarmKind::Sector,
            HarmKind::Garbage,
            HarmKind::Cut,
            HarmKind::Missing,
        ];
        Harm {
            kind: self.dice.pick(&kinds),
            file: self.dice.draw(),
            place: self.dice.draw(),
            crash: (!self.dice.one_in(3)).then(|| 1 + self.dice.below(10)),
        }
    }
}

/// The same act without waiting for the disk, where nobody may.
fn unhurried(act: Act, moment: Moment) -> Act {
    let hurry = |say: Say| Say { synced: say.synced && moment != Moment::BeforeSync, ..say };
    match act {
        Act::Create(id, say) => Act::Create(id, hurry(say)),
        Act::Update(id, say) => Act::Update(id, hurry(say)),
        Act::Set(id, say) => Act::Set(id, hurry(say)),
        act => act,
    }
}
