//! The oracle: what may be found, from what was issued and what was acknowledged at which durability. It stands outside
//! the engine and knows nothing of its files.
//!
//! Owns: [`Oracle`]. For every id it keeps the states that the id may have come to: the state at the last opening (of
//! several, where a clock hides a session), and one for each operation issued since. An operation is *issued*, then it
//! *returns*, acknowledged or not; in between, and for ever when it failed or was cut off, it may or may not be found.
//!
//! The rule. An operation *must* be found when it was acknowledged at a durability that the crash respects, or when it
//! returned before another was issued which must be, or is, found: the log is durable in order, so whatever an
//! acknowledged write has seen is durable too. A state is *possible* unless an operation that must be found certainly
//! came after it. What is found must be a possible state of every id, with all effects of an operation or none.
//!
//! The rooms: `known` is a version, `issue` hears of operations and `answer` of how they return, `expect` says which
//! answers a running store may give, `judge` what a recovered one may show, `closed` what damage may have left.

mod answer;
mod closed;
mod expect;
mod issue;
mod judge;
mod known;

use std::collections::BTreeMap;

pub use closed::Salvaged;
pub use expect::{Answer, RECORD_BYTES, Watched};
pub use issue::{Call, Kind};
pub use judge::{Found, Now};
pub use known::{Known, Seen, payload};

use crate::script::{Act, Setup};

/// What an operation was acknowledged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not, or not yet: it may have happened.
    Perhaps,
    /// It holds as long as the process lives.
    Memory,
    /// It survives the death of the process.
    Written,
    /// It survives power loss.
    Synced,
}

/// One operation. Moments are counted, not measured.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub what: Option<Act>,
    pub issued: u64,
    pub returned: Option<u64>,
    pub level: Level,
    /// It was refused: it has no effect.
    pub refused: bool,
    /// It is no operation but a look at memory, which says nothing about the log.
    pub peek: bool,
}

/// A state that an id may have come to, and by which operation; `None` is no session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub op: usize,
    pub known: Option<Known>,
}

/// An operation on an id that has not returned, and what it leaves if another that is under way makes that possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub op: usize,
    pub id: usize,
    pub might_leave: Option<Option<Known>>,
}

/// The history of one id since the last opening.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub states: Vec<State>,
    /// Older versions since the session last ended for certain: what damage to a newer one may show.
    pub older: BTreeMap<u64, Known>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Oracle {
    pub(crate) setup: Setup,
    pub(crate) ids: Vec<History>,
    pub(crate) ops: Vec<Op>,
    pub(crate) moment: u64,
    /// The moment of the last opening.
    ops_began: u64,
    /// Operations that returned before this moment have survived a power loss, if they were at least written.
    pub(crate) synced_before: u64,
    /// By this time something has durably ended.
    pub(crate) floor_ms: u64,
    /// The same at the last opening.
    floor_opened_ms: u64,
    /// Operations that have not returned, by id, with what they might leave.
    pub(crate) pending: Vec<Pending>,
    /// Endings of many sessions that have not returned: each may concern what is written meanwhile.
    pub(crate) sweeps: Vec<usize>,
    /// An operation is under way that may evict.
    pub(crate) evicting: bool,
    tags: u64,
    /// The greatest version that the store has ever told.
    pub(crate) version_max: u64,
}

impl Oracle {
    /// The oracle of a store that is empty.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let empty = History { states: vec![State { op: 0, known: None }], older: BTreeMap::new() };
        let mut oracle = Self {
            setup,
            ids: vec![empty; usize::from(setup.ids)],
            ops: Vec::new(),
            moment: 0,
            ops_began: 0,
            synced_before: 0,
            floor_ms: 0,
            floor_opened_ms: 0,
            pending: Vec::new(),
            sweeps: Vec::new(),
            evicting: false,
            tags: 0,
            version_max: 0,
        };
        oracle.begin();
        oracle
    }

    /// How many ids there are.
    #[must_use]
    pub fn id_count(&self) -> usize {
        self.ids.len()
    }

    /// By this time something has durably ended.
    #[must_use]
    pub fn floor_ms(&self) -> u64 {
        self.floor_ms
    }

    /// What has passed by this time has ended for good.
    pub fn raise_floor(&mut self, ms: u64) {
        self.floor_ms = self.floor_ms.max(ms);
    }

    /// The operations of a new opening: the first is the opening itself.
    fn begin(&mut self) {
        let (issued, returned) = (self.moment, Some(self.moment));
        self.ops_began = issued;
        let level = Level::Synced;
        self.ops = vec![Op { what: None, issued, returned, level, refused: false, peek: false }];
        self.pending.clear();
        self.sweeps.clear();
        self.floor_opened_ms = self.floor_ms;
        self.evicting = false;
        self.synced_before = self.moment;
    }

    /// The group that was synced last may be lost: only what is older has a mark behind it that says that it was durable.
    pub fn lose_last_group(&mut self) {
        let synced = || self.ops.iter().filter(|op| op.level == Level::Synced && !op.refused);
        let last = synced().map(|op| op.issued).max().unwrap_or(0);
        let marked = synced().filter(|op| op.returned.is_some_and(|returned| returned < last));
        let marked = marked.map(|op| op.issued).max().unwrap_or(0);
        for op in &mut self.ops {
            let kept = op.issued == marked || op.returned.is_some_and(|returned| returned < marked);
            if !kept && op.issued > self.ops_began {
                op.level = Level::Perhaps;
            }
        }
        self.synced_before = self.synced_before.min(marked.max(self.ops_began));
        self.floor_ms = self.floor_opened_ms;
    }

    pub(crate) fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// Whether `later` can only have come after `earlier`.
    pub(crate) fn is_after(&self, later: usize, earlier: usize) -> bool {
        self.ops[earlier].returned.is_some_and(|returned| returned < self.ops[later].issued)
    }

    /// What was done since the last opening, and the versions that may be there, for a report.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Op { what, issued, returned, level, refused, peek } in &self.ops {
            let refused = if *refused { " refused" } else { "" };
            let what = match what {
                Some(act) => format!("{act:?}"),
                None if *peek => "seen".to_owned(),
                None => "opened".to_owned(),
            };
            let returned = returned.map_or("?".to_owned(), |moment| moment.to_string());
            lines.push(format!("{issued}..{returned} {level:?}{refused} {what}"));
        }
        for (id, history) in self.ids.iter().enumerate() {
            for state in history.states.iter().filter(|state| state.known.is_some()) {
                lines.push(format!("id {id} by {}: {:?}", self.ops[state.op].issued, state.known));
            }
        }
        lines
    }
}
