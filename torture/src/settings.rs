//! What a run may do to the store: every hazard of the simulated world can be switched off by itself.

use std::fmt;
use std::str::FromStr;

/// A hazard of the simulated world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Switch {
    /// The power goes, and each change that no sync has covered survives, is lost, torn or garbage. Without it, only the
    /// process dies.
    PowerLoss,
    /// Calls fail: `EIO`, `ENOSPC`, `EINTR`, short transfers; once, for a while, for ever.
    Faults,
    /// A sync fails, and the next one "succeeds" without the pages that were lost.
    LyingSync,
    /// A read returns an error, a flipped bit or an older content.
    BadReads,
    /// The disk fills up, and is given room again.
    FullDisk,
    /// The wall clock stops, and jumps by seconds to decades either way, within a run and between runs.
    Clocks,
    /// Recovery loses the power as well, up to four times in a row.
    CrashInRecovery,
    /// What was durable is damaged: flipped bits, wiped sectors, files that are cut or missing.
    Damage,
    /// Operations of other actors in the middle of an operation.
    Interleaving,
    /// The store has a limit of sessions, and evicts.
    Limits,
    /// Some seeds are lived under a scheduler, with several actors on the store at once.
    Schedules,
}

impl Switch {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::PowerLoss,
        Self::Faults,
        Self::LyingSync,
        Self::BadReads,
        Self::FullDisk,
        Self::Clocks,
        Self::CrashInRecovery,
        Self::Damage,
        Self::Interleaving,
        Self::Limits,
        Self::Schedules,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerLoss => "power-loss",
            Self::Faults => "faults",
            Self::LyingSync => "lying-sync",
            Self::BadReads => "bad-reads",
            Self::FullDisk => "full-disk",
            Self::Clocks => "clocks",
            Self::CrashInRecovery => "crash-in-recovery",
            Self::Damage => "damage",
            Self::Interleaving => "interleaving",
            Self::Limits => "limits",
            Self::Schedules => "schedules",
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|switch| switch.name() == name);
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no hazard of that name; there are {names}")
        })
    }
}

/// What a run may do, and how long one life is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Crashes in the life of one store.
    pub cycles: usize,
    /// What may happen.
    pub switches: Vec<Switch>,
    /// One seed of so many is lived under the scheduler.
    pub scheduled_one_in: u64,
    /// Whether what a violation was found with is made as small as it gets.
    pub shrink: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cycles: 8, scheduled_one_in: 12, switches: Switch::ALL.to_vec(), shrink: true }
    }
}

impl Settings {
    /// Whether this may happen.
    #[must_use]
    pub fn allows(&self, switch: Switch) -> bool {
        self.switches.contains(&switch)
    }

    /// The same without this hazard.
    #[must_use]
    pub fn without(mut self, switch: Switch) -> Self {
        self.switches.retain(|kept| *kept != switch);
        self
    }

    /// The same with these hazards and no others.
    #[must_use]
    pub fn only(mut self, switches: &[Switch]) -> Self {
        self.switches = switches.to_vec();
        self
    }
}
