//! Who goes on: the scheduler of one life, which its seed drives.
//!
//! Owns: [`Turns`], in one of two ways that the seed chooses. Tasks run for stretches, of a mean length between two steps and
//! some hundred. Or they have ranks: the first that can run does, and now and then, some tens to thousands of steps apart,
//! the one that runs becomes the last of all, so that it stands still in the middle of what it does while all others go on
//! as long as they can. (Shuttle's own PCT has to run a thing many times before it switches at all, and a life is run once.)

use std::collections::HashMap;

use shuttle::scheduler::{DataSource, RandomDataSource, Schedule, Scheduler, Task, TaskId};

use crate::dice::Dice;

/// See the module.
#[derive(Debug)]
pub(crate) struct Turns {
    done: bool,
    dice: Dice,
    data: RandomDataSource,
    /// One step of so many ends a stretch, or a rank.
    one_in: u64,
    /// The lowest goes first; empty where nobody has one.
    ranks: Option<HashMap<TaskId, u64>>,
    last: u64,
}

impl Turns {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let ranked = dice.one_in(2);
        let one_in = if ranked { 16 << dice.below(8) } else { 2 << dice.below(7) };
        let (data, ranks) = (RandomDataSource::initialize(seed), ranked.then(HashMap::new));
        Self { done: false, dice, data, one_in, ranks, last: 1 << 32 }
    }
}

impl Scheduler for Turns {
    fn new_execution(&mut self) -> Option<Schedule> {
        (!std::mem::replace(&mut self.done, true)).then(|| Schedule::new(self.data.reinitialize()))
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yielding: bool) -> Option<TaskId> {
        let ends = runnable.len() > 1 && (yielding || self.dice.one_in(self.one_in));
        let Some(ranks) = &mut self.ranks else {
            let runs = |of: &TaskId| runnable.iter().any(|task| task.id() == *of);
            if let Some(current) = current.filter(|current| !ends && runs(current)) {
                return Some(current);
            }
            let others: Vec<_> =
                runnable.iter().map(|task| task.id()).filter(|id| Some(*id) != current).collect();
            return if others.is_empty() { current } else { Some(others[self.dice.index(others.len())]) };
        };
        for task in runnable {
            ranks.entry(task.id()).or_insert_with(|| self.dice.below(1 << 32));
        }
        if let Some(current) = current.filter(|_| ends) {
            self.last += 1;
            ranks.insert(current, self.last);
        }
        runnable.iter().map(|task| task.id()).min_by_key(|task| ranks.get(task).copied())
    }

    fn next_u64(&mut self) -> u64 {
        self.data.next_u64()
    }
}
