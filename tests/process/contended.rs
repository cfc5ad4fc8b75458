//! What is known of sessions that several threads write and end at once.
//!
//! Which of two calls that overlap came last, nobody outside can tell; but a call that had returned before another began
//! came before it. So what is found may be the outcome of any call, acknowledged or in flight, that no acknowledged call
//! on the same id began after. Two things follow that a user counts on: what he was told is there, or something later is;
//! and what was there before an ending he was told of is not.

use std::collections::BTreeMap;

use super::child::SHARED;
use super::protocol::{Op, Outcome};

/// A call that has, or may have, changed a session.
#[derive(Debug, Clone)]
struct Change {
    /// Any id when `None`.
    id: Option<String>,
    /// The data it leaves, or `None` for an ending.
    leaves: Option<String>,
    began: u64,
    /// Not known to have ended: in flight, or it failed in a way that leaves this open.
    ended: Option<u64>,
}

/// The contended sessions.
#[derive(Default)]
pub struct Contended {
    /// Counts what the child told, so that the order of any two lines is known.
    now: u64,
    changes: Vec<Change>,
    /// What was found at the last opening, by id.
    base: BTreeMap<String, String>,
    in_flight: BTreeMap<usize, Change>,
}

impl Contended {
    /// Whether a call is for this side of the house.
    pub fn concerns(op: &Op) -> bool {
        match op {
            Op::Set(id, _) | Op::Destroy(id) => super::child::is_shared(id),
            Op::DestroySubject(subject) => subject == SHARED,
            _ => false,
        }
    }

    pub fn tries(&mut self, thread: usize, op: &Op) {
        self.now += 1;
        let (id, leaves) = match op {
            Op::Set(id, put) => (Some(id.clone()), Some(put.short(id))),
            Op::Destroy(id) => (Some(id.clone()), None),
            _ => (None, None),
        };
        self.in_flight.insert(thread, Change { id, leaves, began: self.now, ended: None });
    }

    /// `true` when the outcome is this side's.
    pub fn did(&mut self, thread: usize, outcome: &Outcome) -> bool {
        self.now += 1;
        let Some(mut change) = self.in_flight.remove(&thread) else { return false };
        match outcome {
            Outcome::Full | Outcome::Failed(_) | Outcome::Count(0) => {}
            Outcome::Undurable | Outcome::Latched => self.changes.push(change),
            _ => {
                change.ended = Some(self.now);
                self.changes.push(change);
            }
        }
        true
    }

    /// What is wrong with what was found, if anything is; what was found is what is known from now on.
    pub fn check(&mut self, found: BTreeMap<String, String>) -> Result<(), String> {
        let in_flight = std::mem::take(&mut self.in_flight);
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(in_flight.into_values());
        let ids = changes.iter().filter_map(|change| change.id.clone()).chain(self.base.keys().cloned());
        let ids: std::collections::BTreeSet<String> = ids.chain(found.keys().cloned()).collect();
        for id in ids {
            let base = Change {
                id: Some(id.clone()),
                leaves: self.base.get(&id).cloned(),
                began: 0,
                ended: Some(0),
            };
            let on_it =
                || [&base].into_iter().chain(&changes).filter(|c| c.id.as_ref().is_none_or(|of| *of == id));
            let may_be_last = |change: &&Change| {
                let Some(ended) = change.ended else { return true };
                // An ending can find nothing to end; a write has always happened.
                !on_it().any(|other| {
                    other.ended.is_some()
                        && other.began > ended
                        && (change.leaves.is_some() || other.leaves.is_some())
                })
            };
            if !on_it().filter(may_be_last).any(|change| change.leaves.as_ref() == found.get(&id)) {
                let known: Vec<_> = on_it().filter(may_be_last).collect();
                return Err(format!(
                    "{id} is {:?}, and may be what one of these leaves: {known:#?}",
                    found.get(&id)
                ));
            }
        }
        self.base = found;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::protocol::Put;

    fn set(tag: &str) -> Op {
        let put = Put { tag: tag.into(), bytes: 9, idle_ms: 1, subject: SHARED.into(), synced: false };
        Op::Set("s/1".into(), put)
    }

    fn found(tag: &str) -> BTreeMap<String, String> {
        [("s/1".to_owned(), format!("s/1,{tag},9"))].into()
    }

    fn after(calls: &[(usize, Op, Option<Outcome>)]) -> Contended {
        let mut contended = Contended::default();
        for (thread, op, outcome) in calls {
            contended.tries(*thread, op);
            if let Some(outcome) = outcome {
                contended.did(*thread, outcome);
            }
        }
        contended
    }

    #[test]
    fn what_was_acknowledged_must_be_there_and_what_was_ended_must_not() {
        let calls = [(0, set("a"), Some(Outcome::Done)), (1, set("b"), Some(Outcome::Done))];
        assert!(after(&calls).check(found("b")).is_ok());
        assert!(after(&calls).check(found("a")).is_err(), "an older version");
        assert!(after(&calls).check(BTreeMap::new()).is_err(), "lost");
        let end = [calls[0].clone(), (1, Op::DestroySubject(SHARED.into()), Some(Outcome::Count(1)))];
        assert!(after(&end).check(BTreeMap::new()).is_ok());
        assert!(after(&end).check(found("a")).is_err(), "back");
        let open = [calls[0].clone(), (1, Op::Destroy("s/1".into()), None)];
        assert!(after(&open).check(BTreeMap::new()).is_ok());
        assert!(after(&open).check(found("a")).is_ok());
        assert!(after(&open).check(found("b")).is_err(), "nobody wrote it");
    }
}
