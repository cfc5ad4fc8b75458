//! A life as data: what a seed makes, a runner runs, and a shrinker cuts down.
//!
//! Owns: [`Life`] and its parts. Nothing in a life is decided while it runs, so that it means the same when parts of it
//! are taken away. Ids and subjects are numbers; times are milliseconds.

use sessile::vfs::{CallKind, CrashPolicy, Fault, Times};

/// What a write says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Say {
    /// Bytes of data.
    pub bytes: u32,
    /// The idle lifetime; what the session or the store has when `None`.
    pub idle_ms: Option<u64>,
    /// The absolute lifetime from now.
    pub absolute_ms: Option<u64>,
    /// What becomes of the subject.
    pub subject: Whose,
    /// Whether the deadline may come closer.
    pub shorten: bool,
    /// Whether it waits for the disk.
    pub synced: bool,
}

/// What a write says of the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// It stays.
    Keep,
    /// There is none any more.
    Nobody,
    /// It is this one.
    Of(u8),
}

/// One operation, or something that happens to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `Store::create`.
    Create(u8, Say),
    /// `Store::update`.
    Update(u8, Say),
    /// `Store::set`.
    Set(u8, Say),
    /// `Store::get` and `Store::replace_if`, with the version before the right one if `stale`.
    ReplaceIf(u8, Say, bool),
    /// `Store::update_with`.
    UpdateWith(u8, Say),
    /// `Store::touch` with this lifetime.
    Touch(u8, u64),
    /// `Store::destroy`.
    Destroy(u8),
    /// `Store::destroy_handle`.
    DestroyHandle(u8),
    /// `Store::rotate`.
    Rotate(u8, u8, Option<Say>),
    /// `Store::destroy_subject`, but for one id.
    Revoke(u8, Option<u8>),
    /// `Store::clear`.
    Clear,
    /// `Store::get`.
    Get(u8),
    /// Everything that can be read is read.
    Look,
    /// `Store::maintain` until there is nothing more to do.
    Maintain,
    /// `Store::flush`.
    Flush,
    /// `Store::verify`.
    Verify,
    /// `Store::close`, and the store is opened again.
    Reopen,
    /// Both clocks go on.
    Advance(u64),
    /// The wall clock jumps.
    Jump(i64),
    /// The wall clock stands still for this long.
    Stall(u64),
    /// `Store::confirm_clock`.
    Confirm,
    /// The disk has only so much room beside what it holds, or all it needs.
    Room(Option<u64>),
    /// Calls begin to fail.
    Fail(Failure),
}

impl Act {
    /// Whether it is an operation of the store, and no event of the machine.
    #[must_use]
    pub const fn is_operation(&self) -> bool {
        !matches!(self, Self::Advance(_) | Self::Jump(_) | Self::Stall(_) | Self::Room(_) | Self::Fail(_))
    }

    /// The ids that it names.
    pub fn ids(&self) -> impl Iterator<Item = u8> {
        let (first, second) = match self {
            Self::Create(id, _)
            | Self::Update(id, _)
            | Self::Set(id, _)
            | Self::ReplaceIf(id, ..)
            | Self::UpdateWith(id, _)
            | Self::Touch(id, _)
            | Self::Destroy(id)
            | Self::DestroyHandle(id)
            | Self::Get(id) => (Some(*id), None),
            Self::Rotate(from, to, _) => (Some(*from), Some(*to)),
            Self::Revoke(_, keep) => (*keep, None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// A call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Of this kind, or of any.
    pub kind: Option<CallKind>,
    /// The how manieth from now.
    pub nth: u64,
    /// How.
    pub fault: Fault,
    /// How often.
    pub times: Times,
}

/// When another actor acts within an operation of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before an output of compaction is created: all its records are judged.
    BeforeOutput,
    /// Before an output of compaction gets its name: it is whole, and nobody knows of it.
    BeforeNaming,
    /// Before a segment is removed: it has durably left the roster.
    BeforeRemoval,
    /// Before the log is synced. Nobody may wait for the disk here.
    BeforeSync,
}

/// An act, and what other actors do in the middle of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub act: Act,
    /// What is done meanwhile, each once.
    pub meanwhile: Vec<(Moment, Act)>,
}

/// When the power goes, or the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Calls are counted from the beginning of this step.
    pub step: usize,
    /// At this call that changes or syncs something. A crash that is not met comes after the last step.
    pub nth: u64,
    /// Whether only syncs are counted.
    pub syncs: bool,
    /// Whether the call still takes effect.
    pub after: bool,
    /// What is left.
    pub left: CrashPolicy,
}

/// What happens to the clocks while nothing runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pause {
    /// What the wall clock shows more, or less.
    pub wall_ms: i64,
    /// How much time has passed.
    pub boot_ms: u64,
    /// Whether the boot-time clock begins anew.
    pub reboot: bool,
    /// Whether an operator confirms the clock when the store is open again.
    pub confirm: bool,
}

/// Damage to what was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Harm {
    /// What it does.
    pub kind: HarmKind,
    /// Chooses the file among the segments.
    pub file: u64,
    /// Chooses the place in it.
    pub place: u64,
    /// The salvage loses the power at this call.
    pub crash: Option<u64>,
}

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HarmKind {
    /// One bit is flipped.
    Flip,
    /// A sector reads as zeros.
    Sector,
    /// A few bytes are others.
    Garbage,
    /// The file is shorter.
    Cut,
    /// The file is missing.
    Missing,
}

/// From one crash to the next: operations, the crash, and how the store is opened again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// What is done.
    pub steps: Vec<Step>,
    /// How it ends.
    pub crash: Crash,
    /// What happens before the store is opened again.
    pub pause: Pause,
    /// Calls that fail in the first attempt at opening.
    pub failures: Vec<Failure>,
    /// Crashes of recovery, one after the other.
    pub nested: Vec<Crash>,
    /// Every call of this recovery is made a crash point, each in a world of its own.
    pub everywhere: bool,
    /// Damage, in a world of its own.
    pub harm: Option<Harm>,
}

/// How the store is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// How many ids there are.
    pub ids: u8,
    /// How many subjects.
    pub subjects: u8,
    /// Whether the store keeps ids.
    pub keep_ids: bool,
    /// Whether touches that are logged wait for the disk.
    pub touch_synced: bool,
    /// `Options::touch_slack`.
    pub slack_ms: u64,
    /// `Options::erase_within`.
    pub erase_ms: u64,
    /// `Options::sessions_max`, with eviction.
    pub sessions_max: Option<u64>,
    /// `Options::disk_bytes_max`, with eviction.
    pub disk_bytes_max: Option<u64>,
}

/// The life of one store, through many crashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Where it came from; also the seed of what the store draws at random.
    pub seed: u64,
    /// How the store is set up.
    pub setup: Setup,
    /// What happens.
    pub cycles: Vec<Cycle>,
}

/// A life as text: one line for each step.
#[must_use]
pub fn told(life: &Life) -> String {
    let mut lines = vec![format!("{:?}", life.setup)];
    for (number, cycle) in life.cycles.iter().enumerate() {
        lines.push(format!("cycle {number}"));
        for (at, step) in cycle.steps.iter().enumerate() {
            let crash = if at == cycle.crash.step { "  <- the crash is counted from here" } else { "" };
            lines.push(format!("  {at}: {:?}{crash}", step.act));
            lines.extend(step.meanwhile.iter().map(|(moment, act)| format!("       {moment:?}: {act:?}")));
        }
        lines.push(format!("  {:?}", cycle.crash));
        lines.push(format!("  {:?}", cycle.pause));
        lines.extend(cycle.failures.iter().map(|failure| format!("  opening: {failure:?}")));
        lines.extend(cycle.nested.iter().map(|crash| format!("  in recovery: {crash:?}")));
        if cycle.everywhere {
            lines.push("  a crash at every call of recovery".to_owned());
        }
        lines.extend(cycle.harm.map(|harm| format!("  {harm:?}")));
    }
    lines.join("\n")
}
