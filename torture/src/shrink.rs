//! Making a life that shows a violation as small as it gets.
//!
//! Owns: what is tried. Whatever is taken away, a life keeps its meaning; whether it still shows a violation (any) is asked
//! by living it.

use crate::hunt::live;
use crate::script::{Crash, Cycle, Life};

/// How many lives are tried at most.
const TRIES_MAX: usize = 2_500;

/// A smaller life that still ends in a violation.
#[must_use]
pub fn shrink(life: &Life, cycle: usize) -> Life {
    let mut shrinking = Shrinking { best: life.clone(), tries: 0 };
    shrinking.attempt(|life| life.cycles.truncate(cycle + 1));
    loop {
        let before = size(&shrinking.best);
        shrinking.cycles();
        shrinking.steps();
        shrinking.details();
        if size(&shrinking.best) >= before || shrinking.tries >= TRIES_MAX {
            return shrinking.best;
        }
    }
}

fn size(life: &Life) -> usize {
    let of = |cycle: &Cycle| {
        4 + cycle.steps.len() * 2
            + cycle.steps.iter().map(|step| step.meanwhile.len()).sum::<usize>()
            + cycle.nested.len()
            + cycle.failures.len()
            + usize::from(cycle.harm.is_some())
            + usize::from(cycle.everywhere)
    };
    life.cycles.iter().map(of).sum()
}

struct Shrinking {
    best: Life,
    tries: usize,
}

impl Shrinking {
    fn attempt(&mut self, change: impl FnOnce(&mut Life)) -> bool {
        if self.tries >= TRIES_MAX {
            return false;
        }
        let mut smaller = self.best.clone();
        change(&mut smaller);
        if smaller == self.best {
            return false;
        }
        self.tries += 1;
        let violation = live(&smaller).violation;
        if let Some(violation) = violation {
            smaller.cycles.truncate(violation.cycle + 1);
            self.best = smaller;
            return true;
        }
        false
    }

    fn cycles(&mut self) {
        let mut at = 0;
        while at < self.best.cycles.len() {
            let gone = self.attempt(|life| {
                life.cycles.remove(at);
            });
            at += usize::from(!gone);
        }
    }

    /// Takes away steps, many at once first. The crash stays at the step that it was at.
    fn steps(&mut self) {
        for cycle in (0..self.best.cycles.len()).rev() {
            let mut chunk = self.best.cycles.get(cycle).map_or(0, |cycle| cycle.steps.len());
            while chunk > 0 {
                let mut at = 0;
                while let Some(length) = self.best.cycles.get(cycle).map(|cycle| cycle.steps.len())
                    && at < length
                {
                    let gone = self.attempt(|life| cut(&mut life.cycles[cycle], at, chunk));
                    at += if gone { 0 } else { chunk };
                }
                chunk /= 2;
            }
        }
    }

    fn details(&mut self) {
        for cycle in 0..self.best.cycles.len() {
            self.attempt(|life| life.cycles[cycle].harm = None);
            self.attempt(|life| life.cycles[cycle].everywhere = false);
            self.attempt(|life| life.cycles[cycle].failures.clear());
            self.attempt(|life| life.cycles[cycle].nested.clear());
            self.attempt(|life| {
                life.cycles[cycle].nested.pop();
            });
            self.attempt(|life| {
                life.cycles[cycle].steps.iter_mut().for_each(|step| step.meanwhile.clear());
            });
            self.attempt(|life| {
                life.cycles[cycle].pause = crate::script::Pause { confirm: true, ..Default::default() };
            });
            for left in [sessile::vfs::CrashPolicy::DropAll, sessile::vfs::CrashPolicy::KeepAll] {
                self.attempt(|life| {
                    let crash = &mut life.cycles[cycle].crash;
                    *crash = Crash { left, ..*crash };
                });
            }
        }
    }
}

fn cut(cycle: &mut Cycle, at: usize, count: usize) {
    let end = (at + count).min(cycle.steps.len());
    cycle.steps.drain(at..end);
    let step = &mut cycle.crash.step;
    if *step >= end {
        *step -= end - at;
    } else if *step >= at {
        *step = at;
    }
}
