//! The real store on a simulated disk against a plain model of the contract, through random steps of users, operators
//! and clocks. After every step every session is read back and compared, whole.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "state_machine/checks.rs"]
mod checks;
#[path = "state_machine/model.rs"]
mod model;
#[path = "state_machine/steps.rs"]
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use checks::open;
use model::{Model, Rules, State, Time};
use proptest::prelude::*;
use sessile::vfs::SimVfs;
use sessile::{Clock, Error, Full, ManualClock, Result, Session, Store, Version};
use steps::{Closure, Step, WriteSpec, id_name, subject_name};

const START_MS: u64 = 1_800_000_000_000;

/// The store under test, the model, and what both are driven by.
struct Machine {
    sim: SimVfs,
    clock: ManualClock,
    rules: Rules,
    store: Store,
    model: Model,
    settled_ms: u64,
    wall_ms_max: u64,
    /// Whether nothing but the passing of time has moved the clock since a store was new.
    steady: bool,
}

impl Machine {
    fn new(rules: Rules) -> Self {
        let (sim, clock) = (SimVfs::new(), ManualClock::at_ms(START_MS));
        let store = open(&sim, &clock, &rules, true);
        let model = Model::default();
        Self { sim, clock, rules, store, model, settled_ms: START_MS, wall_ms_max: START_MS, steady: true }
    }

    /// The time that the step before this call was judged by.
    fn time(&mut self) -> Time {
        let settled_ms = self.store.stats().clock_ms;
        assert!(settled_ms >= self.settled_ms, "what has ended stays ended: believed time went backwards");
        self.wall_ms_max = self.wall_ms_max.max(self.clock.wall_ms());
        assert!(settled_ms <= self.wall_ms_max, "time is believed that no clock has shown");
        self.settled_ms = settled_ms;
        Time { now_ms: self.clock.wall_ms().max(settled_ms), settled_ms }
    }

    fn now_ms(&self) -> u64 {
        self.clock.wall_ms().max(self.store.stats().clock_ms)
    }

    fn step(&mut self, step: &Step) {
        let now_ms = self.now_ms();
        match step {
            Step::Create(id, write) => {
                let done = self.store.create(id_name(*id), write.write(now_ms));
                self.wrote(*id, write, done, Some(Error::Duplicate), true);
            }
            Step::Update(id, write) => {
                let done = self.store.update(id_name(*id), write.write(now_ms));
                self.wrote(*id, write, done, None, false);
            }
            Step::Set(id, write) => {
                let done = self.store.set(id_name(*id), write.write(now_ms));
                self.wrote(*id, write, done, None, true);
            }
            Step::ReplaceIf(id, stale, write) => self.replace_if(*id, *stale, write),
            Step::UpdateWith(id, closure, write) => self.update_with(*id, *closure, write),
            Step::Touch(id, idle) => {
                let done = self.store.touch(id_name(*id), *idle);
                let time = self.time();
                match self.model.state(*id, time) {
                    State::Alive => {
                        done.unwrap();
                        self.model.touched(*id, *idle, time);
                    }
                    _ => assert!(matches!(done, Err(Error::Unknown(_))), "{done:?}"),
                }
            }
            Step::Destroy(id) => {
                let done = self.store.destroy(id_name(*id)).unwrap();
                self.destroyed(*id, done);
            }
            Step::DestroyHandle(id) => {
                let handle = self.store.handle_of(id_name(*id)).unwrap();
                let done = self.store.destroy_handle(&handle).unwrap();
                self.destroyed(*id, done);
            }
            Step::Rotate(old, new, write) => self.rotate(*old, *new, write.as_ref()),
            Step::DestroySubject(subject, keep) => self.destroy_subject(*subject, *keep),
            Step::Clear => {
                let ended = self.store.clear().unwrap();
                let time = self.time();
                assert_eq!(ended, self.model.not_ended(time).len() as u64);
                self.model.sessions.clear();
            }
            Step::Maintain => self.maintain(),
            Step::MaintainABit => drop(self.store.maintain(Duration::ZERO).unwrap()),
            Step::Flush => self.store.flush().unwrap(),
            Step::Advance(ms) => self.clock.advance(Duration::from_millis(*ms)),
            Step::Jump(by_ms) => {
                self.clock.set_wall_ms(self.clock.wall_ms().saturating_add_signed(*by_ms));
                self.steady = false;
            }
            Step::Confirm => self.store.confirm_clock().unwrap(),
            Step::Reopen { snapshot, moved_ms } => self.reopen(*snapshot, *moved_ms),
        }
        self.compare();
    }

    /// Checks the result of a write and notes it. `adds` says whether it may begin a session.
    fn wrote(
        &mut self,
        id: u8,
        write: &WriteSpec,
        done: Result<Version>,
        if_alive: Option<Error>,
        adds: bool,
    ) {
        let time = self.time();
        let state = self.model.state(id, time);
        if write.is_too_large() {
            return assert!(matches!(done, Err(Error::TooLarge { .. })), "{done:?}");
        }
        let full = adds && state == State::None && self.is_full(time);
        let before = match (state, if_alive) {
            (State::Hidden, _) if adds => {
                return assert!(matches!(done, Err(Error::ClockUnconfirmed)), "{done:?}");
            }
            (State::Alive, Some(_)) => return assert!(matches!(done, Err(Error::Duplicate)), "{done:?}"),
            (State::Alive, None) => self.model.sessions.get(&id).cloned(),
            _ if !adds => return assert!(matches!(done, Err(Error::Unknown(_))), "{done:?}"),
            _ => None,
        };
        if full && !self.made_room(time) {
            return assert!(matches!(done, Err(Error::Full(Full::Sessions))), "{done:?}");
        }
        let after = self.model.written(before.as_ref(), write, &self.rules, time);
        self.note(id, after, done);
    }

    fn note(&mut self, id: u8, after: Option<model::Session>, done: Result<Version>) {
        let version = done.expect("the contract allows this write");
        assert!(version.as_u64() > self.model.version_max, "a version is never given out twice");
        self.model.version_max = version.as_u64();
        match after {
            Some(after) => drop(self.model.sessions.insert(id, model::Session { version, ..after })),
            None => drop(self.model.sessions.remove(&id)),
        }
    }

    fn is_full(&self, time: Time) -> bool {
        self.rules.sessions_max.is_some_and(|max| self.model.not_ended(time).len() >= max)
    }

    /// Notes which sessions were evicted: none but anonymous ones, and `false` when there were none to evict.
    fn made_room(&mut self, time: Time) -> bool {
        if !self.rules.evict {
            return false;
        }
        let mut evicted = 0;
        for id in self.model.not_ended(time) {
            let anonymous = self.model.sessions[&id].subject.is_none();
            let gone = self.model.state(id, time) == State::Hidden && anonymous
                || self.model.state(id, time) == State::Alive
                    && self.store.get(id_name(id)).unwrap().is_none();
            if gone {
                assert!(anonymous, "a session with a subject was evicted");
                self.model.sessions.remove(&id);
                evicted += 1;
            }
        }
        evicted > 0
    }

    fn replace_if(&mut self, id: u8, stale: bool, write: &WriteSpec) {
        let (now_ms, known) = (self.now_ms(), self.model.sessions.get(&id).map(|session| session.version));
        let version = match known {
            Some(version) if !stale => version,
            Some(version) => Version::from_u64(version.as_u64() - 1),
            None => Version::from_u64(1),
        };
        let done = self.store.replace_if(id_name(id), version, write.write(now_ms));
        let time = self.time();
        if self.model.state(id, time) == State::Alive && known != Some(version) && !write.is_too_large() {
            return assert!(
                matches!(done, Err(Error::Conflict { current }) if Some(current) == known),
                "{done:?}"
            );
        }
        self.wrote(id, write, done, None, false);
    }

    fn update_with(&mut self, id: u8, closure: Closure, write: &WriteSpec) {
        let now_ms = self.now_ms();
        let (name, store) = (id_name(id), self.store.clone());
        let mut runs = 0;
        let done = catch_unwind(AssertUnwindSafe(|| {
            store.update_with(&name, |session: &Session| {
                runs += 1;
                match closure {
                    Closure::Writes => {}
                    Closure::Declines => return None,
                    Closure::Panics => std::panic::resume_unwind(Box::new("the closure gives up")),
                    Closure::Conflicts if runs == 1 => {
                        store.replace_if(&name, session.version(), "in between").expect("it is live");
                    }
                    Closure::Conflicts => assert_eq!(session.data(), b"in between"),
                    Closure::Destroys => assert!(store.destroy(&name).expect("it is live")),
                }
                Some(write.write(now_ms))
            })
        }));
        let time = self.time();
        let alive = self.model.state(id, time) == State::Alive;
        assert_eq!(runs > 0, alive, "the closure sees live sessions and no others");
        let Ok(done) = done else { return assert!(matches!(closure, Closure::Panics)) };
        if !alive {
            return assert!(matches!(done, Err(Error::Unknown(_))), "{done:?}");
        }
        match closure {
            Closure::Declines => return assert!(matches!(done, Ok(None))),
            Closure::Destroys => drop(self.model.sessions.remove(&id)),
            Closure::Conflicts => {
                assert_eq!(runs, if write.is_too_large() { 1 } else { 2 }, "it runs again");
                let between =
                    WriteSpec { idle: None, absolute: None, subject: None, shorten: false, ..write.clone() };
                let before = self.model.sessions.get(&id);
                let mut after = self.model.written(before, &between, &self.rules, time).expect("it lives on");
                // What the closure has read in its second run is what this is.
                after.version = self.store.get(&name).unwrap().map_or(after.version, |read| read.version());
                after.data = b"in between".to_vec();
                self.model.sessions.insert(id, after);
            }
            _ => {}
        }
        self.wrote(id, write, done.map(|version| version.expect("it did not decline")), None, false);
    }

    fn destroyed(&mut self, id: u8, done: bool) {
        let time = self.time();
        assert_eq!(done, self.model.state(id, time) != State::None);
        self.model.sessions.remove(&id);
    }

    fn rotate(&mut self, old: u8, new: u8, write: Option<&WriteSpec>) {
        let now_ms = self.now_ms();
        let spec = write.map(|write| write.write(now_ms));
        let done = self.store.rotate(id_name(old), id_name(new), spec);
        let time = self.time();
        if write.is_some_and(WriteSpec::is_too_large) {
            return assert!(matches!(done, Err(Error::TooLarge { .. })), "{done:?}");
        }
        if self.model.state(old, time) != State::Alive {
            return assert!(matches!(done, Err(Error::Unknown(_))), "{done:?}");
        }
        match self.model.state(new, time) {
            State::Alive => return assert!(matches!(done, Err(Error::Duplicate)), "{done:?}"),
            State::Hidden => return assert!(matches!(done, Err(Error::ClockUnconfirmed)), "{done:?}"),
            State::None => {}
        }
        let before = self.model.sessions[&old].clone();
        let keep = WriteSpec {
            byte: 0,
            length: 0,
            idle: None,
            absolute: None,
            subject: None,
            shorten: false,
            synced: None,
        };
        let mut after = self.model.written(Some(&before), write.unwrap_or(&keep), &self.rules, time);
        if let (Some(after), None) = (&mut after, write) {
            after.data.clone_from(&before.data);
        }
        self.model.sessions.remove(&old);
        self.note(new, after, done);
    }

    fn destroy_subject(&mut self, subject: u8, keep: Option<u8>) {
        let keep_name = keep.map(id_name);
        let done = self.store.destroy_subject(subject_name(subject), keep_name.as_deref().map(str::as_bytes));
        let time = self.time();
        let doomed = |id: &u8| self.model.sessions[id].subject == Some(subject) && Some(*id) != keep;
        let doomed: Vec<u8> = self.model.not_ended(time).into_iter().filter(doomed).collect();
        assert_eq!(done.unwrap(), doomed.len() as u64);
        doomed.iter().for_each(|id| drop(self.model.sessions.remove(id)));
    }

    fn maintain(&mut self) {
        while self.store.maintain(Duration::from_secs(60)).unwrap().more {}
        let time = self.time();
        assert_eq!(self.store.len(), self.model.not_ended(time).len() as u64, "exact after maintain");
        if self.steady {
            assert_eq!(time.settled_ms, self.clock.wall_ms(), "a clock that only runs is believed");
        }
        let verified = self.store.verify().unwrap();
        assert!(verified.damage.is_empty(), "{:?}", verified.damage);
    }

    fn reopen(&mut self, snapshot: bool, moved_ms: i64) {
        self.store.close().unwrap();
        assert!(matches!(self.store.get(id_name(0)), Err(Error::Closed)));
        let wall_ms = self.clock.wall_ms().saturating_add_signed(moved_ms);
        self.clock = ManualClock::at_ms(wall_ms);
        self.steady &= moved_ms == 0;
        self.store = open(&self.sim, &self.clock, &self.rules, snapshot);
        if !self.store.stats().recovery.from_snapshot {
            self.forgive_slack();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn the_store_keeps_its_contract(rules in steps::rules(), steps in prop::collection::vec(steps::step(), 1..80)) {
        let mut machine = Machine::new(rules);
        for step in &steps {
            machine.step(step);
        }
        machine.reopen(false, 0);
        machine.compare();
    }
}
