//! The runner: steps of a workload, run on a store and on the oracle alike, until the power goes.

use std::rc::Rc;
use std::time::Duration;

use sessile::vfs::CrashPolicy;
use sessile::{Durability, Error, Maintenance, Stats, Store, Subject, Touched, Version, Write};

use super::machine::{HOUR, Machine, is_crash};
use super::oracle::{Known, Oracle, State, sound};
use super::workload::{Say, Step};

/// What a workload has come by, so that a test can see that it did what it is for.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub steps: usize,
    pub coalesced: u64,
    pub logged: u64,
    pub removed: u64,
    pub compacted: u64,
    pub expired: u64,
    pub from_snapshot: u64,
    pub footers: u64,
    pub tail_records: u64,
    pub conflicts: u64,
}

/// A store on a machine, and its oracle.
pub struct Runner {
    pub machine: Machine,
    pub store: Option<Store>,
    pub oracle: Oracle,
    pub seen: Seen,
    writes: u64,
}

/// The power went.
#[derive(Debug)]
pub struct PowerLost;

impl Runner {
    pub fn new(machine: Machine, ids: usize, subjects: usize) -> Self {
        let ids = (0..ids).map(|number| format!("id {number}")).collect();
        let subjects = (0..subjects).map(|number| format!("subject {number}")).collect();
        Self { machine, store: None, oracle: Oracle::new(ids, subjects), seen: Seen::default(), writes: 0 }
    }

    /// Opens the store and runs the steps until they end or the power goes.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), PowerLost> {
        if self.store.is_none() {
            self.open()?;
        }
        for step in steps {
            self.step(step)?;
            self.seen.steps += 1;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), PowerLost> {
        match self.machine.try_open() {
            Ok(store) => {
                let report = store.stats().recovery;
                self.seen.from_snapshot += u64::from(report.from_snapshot);
                self.seen.footers += report.segments.saturating_sub(report.segments_scanned);
                self.seen.tail_records += report.tail_records;
                self.store = Some(store);
                Ok(())
            }
            Err(error) if is_crash(&error) => Err(PowerLost),
            Err(error) => panic!("opening: {error} ({error:?})"),
        }
    }

    fn now_ms(&self) -> u64 {
        use sessile::Clock;
        self.machine.clock.wall_ms()
    }

    pub fn stats(&self) -> Stats {
        self.store.as_ref().unwrap().stats()
    }

    /// Checks what the power left: with every way of looking, after a second power loss, and after a clean close.
    pub fn check_after(&self, policy: CrashPolicy) -> State {
        let machine = self.machine.crashed(policy);
        self.check_machine(&machine, policy)
    }

    pub fn check_machine(&self, machine: &Machine, policy: CrashPolicy) -> State {
        let now_ms = self.now_ms();
        let power_loss = policy != CrashPolicy::KeepAll;
        let store = machine.try_open().unwrap_or_else(|error| panic!("opening after {policy:?}: {error}"));
        let found = self.oracle.check(&store, now_ms, power_loss);
        let mut again = self.oracle.clone();
        again.begin_again(found.clone());
        // Recovery has made durable what it found: a power loss now changes nothing.
        let third = machine.crashed(CrashPolicy::DropAll);
        let store_again = third.try_open().unwrap_or_else(|error| panic!("opening again: {error}"));
        let second = again.check(&store_again, now_ms, true);
        if !store.stats().recovery.from_snapshot {
            // Only a snapshot knows deadlines that are ahead of the log.
            assert_same(&second, &found, "a second recovery");
        }
        sound(&store, found.len());
        assert_same(&again.check(&store, now_ms, true), &found, "maintenance");
        store.close().unwrap();
        drop(store);
        let store = machine.try_open().unwrap_or_else(|error| panic!("opening after a close: {error}"));
        assert_same(&again.check(&store, now_ms, true), &found, "a clean close");
        found
    }

    fn issue(&mut self, step: &Step, state: State) {
        let now_ms = self.now_ms();
        self.oracle.issued(format!("{now_ms} {step:?}"), state);
    }

    /// What an operation that changes something came to: acknowledged, or cut off by the crash.
    fn settle<T>(&mut self, done: Result<T, Error>, durability: Durability) -> Result<Option<T>, PowerLost> {
        match done {
            Ok(done) => {
                self.oracle.acknowledged(durability == Durability::Synced);
                Ok(Some(done))
            }
            Err(error) if is_crash(&error) => Err(PowerLost),
            Err(error) => panic!("{}: {error} ({error:?})", self.oracle.story.last().unwrap()),
        }
    }

    fn live(&self, id: usize) -> Option<Known> {
        let known = self.oracle.last().get(&self.oracle.ids[id])?;
        (known.deadline_ms > self.now_ms()).then(|| known.clone())
    }

    fn step(&mut self, step: &Step) -> Result<(), PowerLost> {
        match step {
            Step::Create(id, say) => {
                self.write(step, *id, say, |store, id, write, _| store.create(id, write))
            }
            Step::Update(id, say) => {
                self.write(step, *id, say, |store, id, write, _| store.update(id, write))
            }
            Step::Set(id, say) => self.write(step, *id, say, |store, id, write, _| store.set(id, write)),
            Step::ReplaceIf(id, say, stale) => self.write(step, *id, say, |store, id, write, _| {
                let Some(session) = store.get(id)? else { return store.update(id, write) };
                let version = session.version().as_u64() - u64::from(*stale);
                store.replace_if(id, Version::from_u64(version), write)
            }),
            Step::UpdateWith(id, say) => self.write(step, *id, say, |store, id, write, _| {
                store
                    .update_with(id, |_| Some(write.clone()))
                    .map(|version| version.expect("it did not decline"))
            }),
            Step::Touch(id, idle) => self.touch(step, *id, *idle),
            Step::Destroy(id) => self.destroy(step, *id, |store, id| store.destroy(id)),
            Step::DestroyHandle(id) => {
                self.destroy(step, *id, |store, id| store.destroy_handle(&store.handle_of(id)?))
            }
            Step::Rotate(from, to, say) => self.rotate(step, *from, *to, say.as_ref()),
            Step::DestroySubject(subject, keep) => self.destroy_subject(step, *subject, *keep),
            Step::Clear => self.clear(step),
            Step::Maintain => self.maintain(),
            Step::Flush => {
                let done = self.store.as_ref().unwrap().flush();
                self.settle(done, Durability::Synced).map(|_| ())
            }
            Step::Advance(time) => {
                self.machine.clock.advance(*time);
                Ok(())
            }
            Step::CloseAndReopen => {
                let done = self.store.take().unwrap().close();
                self.settle(done, Durability::Synced)?;
                self.open()
            }
            Step::Die => self.die(),
            Step::Upgrade => {
                let done = self.store.as_ref().unwrap().upgrade();
                // It syncs the header, and not the log.
                self.settle(done, Durability::Written).map(|_| ())
            }
        }
    }

    /// Another process opens what this one leaves in the page cache.
    fn die(&mut self) -> Result<(), PowerLost> {
        if self.machine.sim.has_crashed() {
            return Err(PowerLost);
        }
        // The crash point goes on counting only in the world that it was set in, so none is lost by this.
        let found = self.check_after(CrashPolicy::KeepAll);
        self.machine = self.machine.crash(CrashPolicy::KeepAll);
        drop(self.store.take());
        self.open()?;
        self.store.as_ref().unwrap().confirm_clock().unwrap();
        // What was found was synced by the opening.
        self.oracle.begin_again(found);
        Ok(())
    }

    /// The session after a write: what the write does not say stays as it is.
    fn written(&mut self, say: &Say, before: Option<&Known>, data: Rc<Vec<u8>>) -> Known {
        let now_ms = self.now_ms();
        let after = |time: Duration| now_ms + u64::try_from(time.as_millis()).unwrap();
        let idle_ms = say
            .idle
            .map(|idle| u64::try_from(idle.as_millis()).unwrap())
            .or(before.map(|before| before.idle_ms))
            .unwrap_or(3_600_000);
        let asked = say.absolute.map_or(u64::MAX, after);
        let absolute_ms = asked.min(before.map_or(u64::MAX, |before| before.absolute_ms));
        let kept = before.filter(|_| !say.shorten).map_or(0, |before| before.deadline_ms);
        let subject = match &say.subject {
            Subject::Keep => before.and_then(|before| before.subject.clone()),
            Subject::Clear => None,
            Subject::Set(subject) => Some(String::from_utf8(subject.clone()).unwrap()),
        };
        self.writes += 1;
        Known {
            version: self.writes,
            data,
            created_ms: before.map_or(now_ms, |before| before.created_ms),
            idle_ms,
            deadline_ms: (now_ms + idle_ms).max(kept).min(absolute_ms),
            absolute_ms,
            subject,
        }
    }

    fn data(&self, id: usize, say: &Say) -> Vec<u8> {
        let front = format!("{id}.{}|", self.writes);
        front.bytes().cycle().take(say.bytes.max(front.len())).collect()
    }

    fn write(
        &mut self,
        step: &Step,
        id: usize,
        say: &Say,
        call: impl Fn(&Store, &str, Write, u64) -> Result<Version, Error>,
    ) -> Result<(), PowerLost> {
        let name = self.oracle.ids[id].clone();
        let before = self.live(id);
        let data = self.data(id, say);
        let write = to_write(say, data.clone());
        let refused = match step {
            Step::Create(..) => before.is_some(),
            Step::Set(..) => false,
            Step::ReplaceIf(_, _, stale) => before.is_none() || *stale,
            _ => before.is_none(),
        };
        if !refused {
            let known = self.written(say, before.as_ref(), Rc::new(data));
            let mut state = self.oracle.last().clone();
            state.insert(name.clone(), known);
            self.issue(step, state);
        }
        let done = call(self.store.as_ref().unwrap(), &name, write, 0);
        if !refused {
            return self.settle(done, say.durability).map(|_| ());
        }
        match (done, step) {
            (Err(Error::Duplicate), Step::Create(..)) => {}
            (Err(Error::Conflict { .. }), Step::ReplaceIf(..)) if before.is_some() => {
                self.seen.conflicts += 1
            }
            (Err(Error::Unknown(_)), _) if before.is_none() => {}
            (Err(error), _) if is_crash(&error) => return Err(PowerLost),
            (done, _) => panic!("{step:?} should have been refused, and gave {done:?}"),
        }
        Ok(())
    }

    fn touch(&mut self, step: &Step, id: usize, idle: Duration) -> Result<(), PowerLost> {
        let name = self.oracle.ids[id].clone();
        let Some(before) = self.live(id) else {
            return match self.store.as_ref().unwrap().touch(&name, idle) {
                Err(Error::Unknown(_)) => Ok(()),
                Err(error) if is_crash(&error) => Err(PowerLost),
                done => panic!("{step:?} should have been refused, and gave {done:?}"),
            };
        };
        let deadline_ms = self.now_ms() + u64::try_from(idle.as_millis()).unwrap();
        let deadline_ms = deadline_ms.min(before.absolute_ms).max(before.deadline_ms);
        let mut state = self.oracle.last().clone();
        state.insert(name.clone(), Known { deadline_ms, ..before });
        self.issue(step, state);
        let done = self.store.as_ref().unwrap().touch(&name, idle);
        match self.settle(done, Durability::Written)? {
            Some(Touched::Coalesced) => self.seen.coalesced += 1,
            _ => self.seen.logged += 1,
        }
        Ok(())
    }

    fn destroy(
        &mut self,
        step: &Step,
        id: usize,
        call: impl Fn(&Store, &str) -> Result<bool, Error>,
    ) -> Result<(), PowerLost> {
        let name = self.oracle.ids[id].clone();
        let lived = self.live(id).is_some();
        if lived {
            let mut state = self.oracle.last().clone();
            state.remove(&name);
            self.issue(step, state);
        }
        let done = call(self.store.as_ref().unwrap(), &name);
        if lived {
            assert_ne!(self.settle(done, Durability::Synced)?, Some(false), "{step:?}");
            return Ok(());
        }
        match done {
            Ok(false) => Ok(()),
            Err(error) if is_crash(&error) => Err(PowerLost),
            done => panic!("{step:?} ended nothing, and gave {done:?}"),
        }
    }

    fn rotate(&mut self, step: &Step, from: usize, to: usize, say: Option<&Say>) -> Result<(), PowerLost> {
        let (old, new) = (self.oracle.ids[from].clone(), self.oracle.ids[to].clone());
        let write = say.map(|say| to_write(say, self.data(to, say)));
        let (before, taken) = (self.live(from), self.live(to).is_some());
        let Some(before) = before.filter(|_| !taken) else {
            return match self.store.as_ref().unwrap().rotate(&old, &new, write) {
                Err(Error::Unknown(_) | Error::Duplicate) => Ok(()),
                Err(error) if is_crash(&error) => Err(PowerLost),
                done => panic!("{step:?} should have been refused, and gave {done:?}"),
            };
        };
        let nothing = Say {
            bytes: 0,
            idle: None,
            absolute: None,
            subject: Subject::Keep,
            shorten: false,
            durability: Durability::Synced,
        };
        let data = say.map_or_else(|| Rc::clone(&before.data), |say| Rc::new(self.data(to, say)));
        let known = self.written(say.unwrap_or(&nothing), Some(&before), data);
        let mut state = self.oracle.last().clone();
        state.remove(&old);
        state.insert(new.clone(), known);
        self.issue(step, state);
        let done = self.store.as_ref().unwrap().rotate(&old, &new, write);
        self.settle(done, Durability::Synced).map(|_| ())
    }

    fn destroy_subject(&mut self, step: &Step, subject: usize, keep: Option<usize>) -> Result<(), PowerLost> {
        let name = self.oracle.subjects[subject].clone();
        let keep = keep.map(|id| self.oracle.ids[id].clone());
        let now_ms = self.now_ms();
        let mut state = self.oracle.last().clone();
        let mut ended = 0;
        state.retain(|id, known| {
            let ends = known.subject.as_ref() == Some(&name) && keep.as_ref() != Some(id);
            ended += u64::from(ends && known.deadline_ms > now_ms);
            !ends
        });
        if ended > 0 {
            self.issue(step, state);
        }
        let keep = keep.as_ref().map(|id| id.as_bytes());
        let done = self.store.as_ref().unwrap().destroy_subject(&name, keep);
        if ended > 0 {
            let count = self.settle(done, Durability::Synced)?;
            assert!(count.is_none_or(|count| count == ended), "{step:?} ended {count:?} and not {ended}");
            return Ok(());
        }
        match done {
            Ok(0) => Ok(()),
            Err(error) if is_crash(&error) => Err(PowerLost),
            done => panic!("{step:?} ended nothing, and gave {done:?}"),
        }
    }

    fn clear(&mut self, step: &Step) -> Result<(), PowerLost> {
        self.issue(step, State::new());
        let done = self.store.as_ref().unwrap().clear();
        self.settle(done, Durability::Synced).map(|_| ())
    }

    fn maintain(&mut self) -> Result<(), PowerLost> {
        loop {
            let done = self.store.as_ref().unwrap().maintain(HOUR);
            let Some(Maintenance { expired, segments_removed, segments_compacted, more, .. }) =
                self.settle(done, Durability::Synced)?
            else {
                return Ok(());
            };
            self.seen.expired += expired;
            self.seen.removed += segments_removed;
            self.seen.compacted += segments_compacted;
            if !more {
                break;
            }
        }
        let now_ms = self.now_ms();
        let live = self.oracle.last().values().filter(|known| known.deadline_ms > now_ms).count();
        assert_eq!(self.store.as_ref().unwrap().len(), live as u64, "len is exact after maintain");
        Ok(())
    }
}

fn to_write(say: &Say, data: Vec<u8>) -> Write {
    let mut write = Write::new(data).subject_change(say.subject.clone()).durability(say.durability);
    if let Some(idle) = say.idle {
        write = write.idle(idle);
    }
    if let Some(absolute) = say.absolute {
        write = write.absolute(absolute);
    }
    if say.shorten { write.shorten() } else { write }
}

fn assert_same(found: &State, before: &State, what: &str) {
    let text = |state: &State| {
        let lines =
            state.iter().map(|(id, known)| format!("{id}: {} until {}", known.version, known.deadline_ms));
        lines.collect::<Vec<_>>().join(", ")
    };
    assert!(found == before, "{what} gives\n  {}\nand not\n  {}", text(found), text(before));
}
