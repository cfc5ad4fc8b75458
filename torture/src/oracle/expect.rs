//! What a running store may answer.
//!
//! Owns: which lives a version may be in by the clocks, and so which answers an operation may get. Memory changes in the
//! order of the log, so in a running store everything that was acknowledged in any way must show.

use super::judge::Now;
use super::{Known, Level, Oracle, Seen, State};

/// What a record has beside its data, at most: 102 bytes, 16 where it is sealed, and its id, in steps of 8.
pub const RECORD_BYTES: u64 = 144;

/// How the store answered, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// There is a live session of that id.
    Duplicate,
    /// There is none.
    Unknown,
    /// It has changed since.
    Conflict,
    /// It is over only by a clock that nobody has confirmed.
    Unconfirmed,
    /// The disk failed or is full; whether it ended in memory.
    Trouble {
        /// The operation holds as long as the process lives.
        in_memory: bool,
    },
}

/// Which lives a version may be in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lives {
    pub alive: bool,
    pub hidden: bool,
    pub over: bool,
}

impl Lives {
    pub fn of(known: &Known, now: Now) -> Self {
        Self {
            alive: known.deadline_ms > now.wall_ms.max(now.settled_ms),
            hidden: known.deadline_ms > now.settled_ms && known.early_ms <= now.latest_ms(),
            over: known.early_ms <= now.settled_latest_ms,
        }
    }

    pub fn gone(self) -> bool {
        self.hidden || self.over
    }
}

/// What an id may show from some moment on.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The first operation that was issued later.
    op: usize,
    quiet: bool,
    states: Vec<Option<Known>>,
}

impl Oracle {
    /// From now on somebody looks at an id.
    #[must_use]
    pub fn watch(&self, id: usize) -> Watched {
        Watched { op: self.ops.len(), quiet: self.is_quiet(id), states: self.current(id) }
    }

    /// Whether nobody does anything.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.pending.is_empty() && self.sweeps.is_empty()
    }

    /// Whether nobody else has done anything while this was done.
    #[must_use]
    pub fn was_alone(&self, call: super::Call) -> bool {
        call.alone && self.ops.len() == call.op + 1
    }

    /// The states that an id may be in while the store runs.
    pub(crate) fn current(&self, id: usize) -> Vec<Option<Known>> {
        let states = &self.ids[id].states;
        let counts = |state: &&State| !self.ops[state.op].refused;
        let settled = states
            .iter()
            .filter(counts)
            .filter(|state| self.ops[state.op].level >= Level::Memory)
            .map(|state| self.ops[state.op].issued)
            .max()
            .unwrap_or(0);
        let mut current: Vec<Option<Known>> = Vec::with_capacity(2);
        for state in states.iter().filter(counts) {
            let superseded = self.ops[state.op].returned.is_some_and(|returned| returned < settled);
            if !superseded && !current.contains(&state.known) {
                current.push(state.known);
            }
        }
        current
    }

    /// The most bytes that the records of all sessions can have.
    #[must_use]
    pub fn bytes_at_most(&self) -> u64 {
        let of =
            |id| self.current(id).iter().flatten().map(|known| u64::from(known.bytes) + RECORD_BYTES).max();
        (0..self.id_count()).filter_map(of).sum()
    }

    /// Which lives the session of an id may be in, and whether there may be none.
    pub(crate) fn lives(&self, id: usize, now: Now) -> (Lives, bool) {
        let (mut lives, mut none) = (Lives::default(), false);
        for known in self.current(id) {
            match known {
                None => none = true,
                Some(known) => {
                    let of = Lives::of(&known, now);
                    lives.alive |= of.alive;
                    lives.hidden |= of.hidden;
                    lives.over |= of.over;
                }
            }
        }
        (lives, none)
    }

    /// What is wrong with what a running store shows of an id; what was doubtful is certain afterwards.
    pub fn sees(&mut self, id: usize, seen: Option<Seen>, now: Now, watched: Watched) -> Result<(), String> {
        let Watched { op, quiet, states: mut current } = watched;
        // Whatever came up while it was looked is possible as well.
        let quiet = quiet && self.is_quiet(id) && self.ops.len() == op;
        let later: Vec<_> =
            self.ids[id].states.iter().filter(|state| state.op >= op).map(|s| s.known).collect();
        for known in later.into_iter().chain(self.current(id)) {
            if !current.contains(&known) {
                current.push(known);
            }
        }
        let Some(seen) = seen else {
            let fits = |known: &Option<Known>| known.is_none_or(|known| Lives::of(&known, now).gone());
            if !current.iter().any(fits) {
                return Err(format!("id {id} is not there, and should be: {current:?}"));
            }
            // What has run out is not there either, and nobody need have told the log.
            let run_out = current.iter().flatten().any(|known| Lives::of(known, now).gone());
            if current.len() > 1 && current.contains(&None) && !run_out && quiet && !now.is_doubtful() {
                self.peek(id, None);
            }
            return Ok(());
        };
        let mut why = Vec::new();
        for known in current.iter().flatten() {
            if !Lives::of(known, now).alive {
                why.push(format!("version {} is over", known.tag));
                continue;
            }
            match known.differs(&seen, known.early_ms) {
                None => {
                    let certain = known.as_seen(&seen);
                    if (current.len() > 1 || certain != *known) && quiet {
                        self.peek(id, Some(certain));
                    }
                    return Ok(());
                }
                Some(reason) => why.push(reason),
            }
        }
        Err(format!("id {id} shows {seen:?}: {}", why.join("; ")))
    }

    /// Whether no operation on the id is under way.
    pub(crate) fn is_quiet(&self, id: usize) -> bool {
        !self.evicting && !self.pending.iter().any(|pending| pending.id == id)
    }

    /// Memory is in this state.
    fn peek(&mut self, id: usize, known: Option<Known>) {
        let op = self.open_op(None);
        let moment = self.next_moment();
        self.ops[op].returned = Some(moment);
        self.ops[op].level = Level::Memory;
        self.ops[op].peek = true;
        self.ids[id].states.push(State { op, known });
    }
}
