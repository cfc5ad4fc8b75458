//! Several actors at once, under the scheduler.
//!
//! Owns: which steps are done at once. What happens to the machine, and what takes the store away, is done alone; everything
//! between two such steps, up to [`AT_ONCE_MAX`] of them, is shared out among [`ACTORS`] tasks.

use std::sync::{Arc, Mutex};

use super::stage::{Stage, Stop, locked};
use super::{Living, Seen, arm};
use crate::script::{Act, Cycle};

const ACTORS: usize = 3;
const AT_ONCE_MAX: usize = 12;

fn is_alone(act: Act) -> bool {
    !act.is_operation() || matches!(act, Act::Reopen | Act::Look | Act::Confirm)
}

impl Living {
    /// The steps of a cycle, several at a time, until they end or the power goes.
    pub(super) fn run(&mut self, cycle: &Cycle, seen: &mut Seen) -> Result<(), Stop> {
        let mut at = 0;
        while at < cycle.steps.len() {
            if at == cycle.crash.step {
                arm(&self.shared.sim, cycle.crash);
            }
            let until = if at < cycle.crash.step { cycle.crash.step } else { cycle.steps.len() };
            let rest = cycle.steps.get(at..until.min(at + AT_ONCE_MAX)).unwrap_or_default();
            let crowd: Vec<Act> =
                rest.iter().map(|step| step.act).take_while(|act| !is_alone(*act)).collect();
            match (crowd.len(), rest.first()) {
                (0, Some(step)) => {
                    self.step(step, seen)?;
                    at += 1;
                }
                (together, _) => {
                    self.at_once(&crowd, seen)?;
                    at += together;
                }
            }
        }
        Ok(())
    }

    fn at_once(&mut self, acts: &[Act], seen: &mut Seen) -> Result<(), Stop> {
        let Some(stage) = self.stage.clone() else { return Err(Stop::PowerLost) };
        seen.operations += acts.len() as u64;
        acts.iter().for_each(|act| seen.ids.extend(act.ids()));
        let wronged = Arc::new(Mutex::new(None));
        let actors: Vec<_> = (0..ACTORS)
            .map(|actor| {
                let acts: Vec<Act> = acts.iter().skip(actor).step_by(ACTORS).copied().collect();
                let (stage, wronged) = (Arc::clone(&stage), Arc::clone(&wronged));
                shuttle::thread::spawn(move || act(&stage, &acts, &wronged))
            })
            .collect();
        for actor in actors {
            if actor.join().is_err() {
                return Err("an actor's thread ended in a panic".to_owned().into());
            }
        }
        if self.shared.sim.has_crashed() {
            return Err(Stop::PowerLost);
        }
        match locked(&wronged).take() {
            Some(what) => Err(Stop::Violated(what)),
            None => Ok(()),
        }
    }
}

fn act(stage: &Stage, acts: &[Act], wronged: &Mutex<Option<String>>) {
    for act in acts {
        match stage.perform(*act) {
            Ok(()) => {}
            Err(Stop::PowerLost) => return,
            Err(Stop::Violated(what)) => {
                locked(wronged).get_or_insert(what);
                return;
            }
        }
    }
}
