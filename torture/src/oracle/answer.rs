//! Operations as the oracle hears of them when they return: how durable they are, and whether the answer can be right.

use super::expect::Lives;
use super::issue::Call;
use super::judge::Now;
use super::{Answer, Known, Level, Oracle};

impl Oracle {
    /// The operation has returned: acknowledged at this level, or refused.
    pub fn returned(&mut self, call: Call, level: Option<Level>) {
        let moment = self.next_moment();
        self.pending.retain(|pending| pending.op != call.op);
        self.sweeps.retain(|op| *op != call.op);
        let op = &mut self.ops[call.op];
        op.returned = Some(moment);
        match level {
            Some(level) => op.level = level,
            None => op.refused = true,
        }
        if level == Some(Level::Synced) {
            self.synced_before = self.synced_before.max(self.ops[call.op].issued);
        }
    }

    /// Whatever returned before this call was issued is durable, and so is what has ended this id.
    pub fn all_synced(&mut self, call: Call, id: usize) {
        for state in self.ids[id].states.iter().filter(|state| state.known.is_none()) {
            let op = &mut self.ops[state.op];
            if op.level == Level::Memory
                && !op.peek
                && op.returned.is_some_and(|returned| returned < self.moment)
            {
                op.level = Level::Synced;
            }
        }
        self.synced_before = self.synced_before.max(self.ops[call.op].issued);
    }

    /// The store has told the version of what an operation wrote.
    pub fn told_version(&mut self, call: Call, id: usize, version: u64) -> Result<(), String> {
        if version <= self.version_max && self.was_alone(call) {
            return Err(format!("version {version:x} was given out after {:x}", self.version_max));
        }
        self.version_max = self.version_max.max(version);
        for state in self.ids[id].states.iter_mut().filter(|state| state.op == call.op) {
            if let Some(known) = &mut state.known {
                known.version = version;
            }
        }
        Ok(())
    }

    /// What is wrong with the answer to an operation on an id that was in one of these states before.
    #[must_use]
    pub fn answers(&self, call: Call, answer: Answer, before: &[Option<Known>], now: Now) -> Option<String> {
        let later = |history: &super::History| history.states.iter().any(|state| state.op > call.op);
        if call.busy || self.ids.iter().any(later) {
            return None;
        }
        let any = |is: fn(Lives) -> bool| before.iter().flatten().any(|known| is(Lives::of(known, now)));
        let fits = match answer {
            Answer::Done => {
                self.ids.iter().any(|history| history.states.iter().any(|state| state.op == call.op))
            }
            Answer::Duplicate | Answer::Conflict => any(|lives| lives.alive),
            Answer::Unknown => before.contains(&None) || any(Lives::gone),
            Answer::Unconfirmed => any(|lives| lives.hidden),
            Answer::Trouble { .. } => true,
        };
        (!fits).then(|| {
            format!("{:?} was answered with {answer:?}, and before it was {before:?}", self.ops[call.op].what)
        })
    }
}
