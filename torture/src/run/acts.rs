//! Operations that change sessions: told to the oracle, done, and their answers judged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sessile::{Durability, Error, Full, Subject, Touched, Version, Write};

use super::stage::{ENDING_BYTES, RESERVE_BYTES, Stage, Stop, id_name, is_crash, locked, subject_name};
use crate::oracle::{Answer, Call, Kind, Known, Level, Now, payload};
use crate::script::{Act, Say, Whose};

fn to_write(say: &Say, tag: u64) -> Write {
    let durability = if say.synced { Durability::Synced } else { Durability::Written };
    let subject = match say.subject {
        Whose::Keep => Subject::Keep,
        Whose::Nobody => Subject::Clear,
        Whose::Of(subject) => Subject::Set(subject_name(subject).into_bytes()),
    };
    let mut write = Write::new(payload(tag, say.bytes)).subject_change(subject).durability(durability);
    if let Some(idle) = say.idle_ms {
        write = write.idle(Duration::from_millis(idle));
    }
    if let Some(absolute) = say.absolute_ms {
        write = write.absolute(Duration::from_millis(absolute));
    }
    if say.shorten { write.shorten() } else { write }
}

/// What an operation may evict.
struct Evictions {
    /// The id that it is about.
    own: usize,
    /// An ending of each.
    perhaps: Vec<(Call, usize)>,
    /// How many were evicted before.
    count: u64,
    /// What its own id may have been before.
    before: Vec<Option<Known>>,
}

const fn level(synced: bool) -> Level {
    if synced { Level::Synced } else { Level::Written }
}

impl Stage {
    /// An operation that answers with nothing but success or trouble.
    pub(super) fn settle<T>(
        &self,
        call: Call,
        done: Result<T, Error>,
        level: Level,
    ) -> Result<Option<T>, Stop> {
        match done {
            Ok(done) => {
                self.oracle().returned(call, Some(level));
                Ok(Some(done))
            }
            Err(error) => match self.answer(&error)? {
                Answer::Trouble { in_memory } => {
                    let level = if in_memory { Level::Memory } else { Level::Perhaps };
                    self.oracle().returned(call, Some(level));
                    Ok(None)
                }
                answer => Err(format!("{answer:?} is no answer").into()),
            },
        }
    }

    pub(super) fn put(
        &self,
        act: Act,
        id: u8,
        kind: Kind,
        say: &Say,
        call: impl FnOnce(&str, Write) -> Result<Version, Error>,
    ) -> Result<(), Stop> {
        let id = usize::from(id);
        let now = self.now_on()?;
        let evictions = self.before_eviction(act, id);
        let (before, issued) = {
            let mut oracle = self.oracle();
            (oracle.current(id), oracle.put(act, id, kind, say, now))
        };
        let done = call(&id_name(id), to_write(say, issued.tag));
        let before = self.after_eviction(evictions, &done)?.unwrap_or(before);
        let granted = self.is_granted(say.bytes);
        if granted && matches!(done, Err(Error::Full(Full::DiskBytes))) {
            let bytes = self.oracle().bytes_at_most();
            return Err(format!("{act:?} found no room, and there are {bytes} bytes of data to keep").into());
        }
        self.written(issued, id, &before, done, level(say.synced), now)
    }

    /// What came of a write that gives a version.
    fn written(
        &self,
        call: Call,
        id: usize,
        before: &[Option<Known>],
        done: Result<Version, Error>,
        level: Level,
        now: Now,
    ) -> Result<(), Stop> {
        let answer = match &done {
            Ok(_) => Answer::Done,
            Err(error) => self.answer(error)?,
        };
        let mut oracle = self.oracle();
        if let Some(wrong) = oracle.answers(call, answer, before, now) {
            return Err(Stop::Violated(wrong));
        }
        match (answer, done) {
            (Answer::Done, Ok(version)) => {
                oracle.told_version(call, id, version.as_u64())?;
                oracle.returned(call, Some(level));
            }
            (Answer::Trouble { .. }, _) => {
                oracle.returned(call, Some(Level::Perhaps));
                drop(oracle);
                return self.get(id);
            }
            _ => oracle.returned(call, None),
        }
        Ok(())
    }

    /// Sessions that a write may evict, in a store with a limit or without room. What the id of the operation was before
    /// counts if none was.
    fn before_eviction(&self, act: Act, id: usize) -> Evictions {
        let mut oracle = self.oracle();
        let before = oracle.current(id);
        let evicts = !cfg!(torture_scheduled) && self.stressed.load(Ordering::Relaxed);
        let perhaps = if evicts { oracle.may_evict(act) } else { Vec::new() };
        drop(oracle);
        let count = if perhaps.is_empty() { 0 } else { self.store.stats().evicted };
        Evictions { own: id, perhaps, count, before }
    }

    /// What has been evicted; the id as it was before the operation, if nothing was.
    fn after_eviction<T>(
        &self,
        evictions: Evictions,
        done: &Result<T, Error>,
    ) -> Result<Option<Vec<Option<Known>>>, Stop> {
        let Evictions { own, perhaps, count, before } = evictions;
        if perhaps.is_empty() {
            return Ok(None);
        }
        if done.as_ref().is_err_and(is_crash) || self.sim.has_crashed() {
            return Ok(None);
        }
        let any = self.store.stats().evicted != count;
        let now = self.now()?;
        for (call, id) in perhaps {
            let there =
                if any { self.store.get(id_name(id)).map(|session| session.is_some()) } else { Ok(true) };
            let mut oracle = self.oracle();
            let (lives, _) = oracle.lives(id, now);
            oracle.evicting = false;
            let level = match there {
                // It may have been evicted, and been created anew by this operation.
                Ok(true) if any && id == own => Some(Level::Perhaps),
                Ok(true) => None,
                Ok(false) if lives.alive && !lives.gone() => Some(Level::Written),
                // Somebody may have looked since it was evicted, so that it is known to be gone.
                Ok(false) if !lives.alive && !lives.gone() => None,
                // Of what no clock shows, or cannot be read, nobody can tell whether it was evicted.
                _ => Some(Level::Perhaps),
            };
            oracle.returned(call, level);
            locked(&self.tally).evictions += u64::from(level == Some(Level::Written));
        }
        Ok((!any).then_some(before))
    }

    pub(super) fn touch(&self, act: Act, id: u8, idle_ms: u64) -> Result<(), Stop> {
        let id = usize::from(id);
        let now = self.now_on()?;
        let (before, call) = {
            let mut oracle = self.oracle();
            (oracle.current(id), oracle.touch(act, id, idle_ms, now))
        };
        let done = self.store.touch(id_name(id), Duration::from_millis(idle_ms));
        let (answer, level) = match &done {
            Ok(Touched::Logged) => (Answer::Done, level(self.setup.touch_synced)),
            Ok(_) => (Answer::Done, Level::Written),
            Err(error) => (self.answer(error)?, Level::Perhaps),
        };
        let mut oracle = self.oracle();
        if let Some(wrong) = oracle.answers(call, answer, &before, now) {
            return Err(Stop::Violated(wrong));
        }
        let refused = !matches!(answer, Answer::Done | Answer::Trouble { .. });
        oracle.returned(call, (!refused).then_some(level));
        drop(oracle);
        if matches!(answer, Answer::Trouble { .. }) { self.get(id) } else { Ok(()) }
    }

    pub(super) fn end(
        &self,
        act: Act,
        id: u8,
        end: impl FnOnce(&str) -> Result<bool, Error>,
    ) -> Result<(), Stop> {
        let id = usize::from(id);
        let now = self.now_on()?;
        let evictions = self.before_eviction(act, id);
        let (before, call) = {
            let mut oracle = self.oracle();
            (oracle.current(id), oracle.end(act, id, now))
        };
        let has_room = self.spend(ENDING_BYTES);
        let done = end(&id_name(id));
        let before = self.after_eviction(evictions, &done)?.unwrap_or(before);
        let answer = match done {
            Ok(true) => Answer::Done,
            Ok(false) => Answer::Unknown,
            Err(error) => self.answer(&error)?,
        };
        let mut oracle = self.oracle();
        if let Some(wrong) = oracle.answers(call, answer, &before, now) {
            return Err(Stop::Violated(wrong));
        }
        match answer {
            Answer::Done => oracle.returned(call, Some(Level::Synced)),
            Answer::Unknown => {
                oracle.returned(call, None);
                if before.iter().all(Option::is_none) {
                    // Whoever ended it may still have been waiting for the disk: now that is over.
                    oracle.all_synced(call, id);
                }
            }
            Answer::Trouble { in_memory: true } if has_room && !self.failing.load(Ordering::Relaxed) => {
                return Err(format!("{act:?} found no room, and endings have a reserve").into());
            }
            Answer::Trouble { in_memory: true } => oracle.returned(call, Some(Level::Memory)),
            _ => {
                oracle.returned(call, Some(Level::Perhaps));
                drop(oracle);
                return self.get(id);
            }
        }
        Ok(())
    }

    pub(super) fn rotate(&self, act: Act, from: usize, to: usize, say: Option<&Say>) -> Result<(), Stop> {
        let now = self.now_on()?;
        let evictions = self.before_eviction(act, from);
        let (before, taken, call) = {
            let mut oracle = self.oracle();
            (oracle.current(from), oracle.current(to), oracle.rotate(act, from, to, say, now))
        };
        let write = say.map(|say| to_write(say, call.tag));
        // Of how many bytes a record is that keeps its data, nobody asks.
        self.spend(say.map_or(RESERVE_BYTES, |say| u64::from(say.bytes)) + ENDING_BYTES);
        let done = self.store.rotate(id_name(from), id_name(to), write);
        let before = self.after_eviction(evictions, &done)?.unwrap_or(before);
        let answer = match &done {
            Ok(_) => Answer::Done,
            Err(error) => self.answer(error)?,
        };
        let states = match answer {
            Answer::Duplicate | Answer::Unconfirmed => &taken,
            _ => &before,
        };
        let mut oracle = self.oracle();
        if let Some(wrong) = oracle.answers(call, answer, states, now) {
            return Err(Stop::Violated(wrong));
        }
        match (answer, done) {
            (Answer::Done, Ok(version)) => {
                oracle.told_version(call, to, version.as_u64())?;
                oracle.returned(call, Some(Level::Synced));
            }
            (Answer::Trouble { in_memory }, _) => {
                oracle.returned(call, Some(Level::Perhaps));
                if in_memory {
                    oracle.ended_in_memory(act, from);
                }
                drop(oracle);
                self.get(from)?;
                self.get(to)?;
            }
            _ => oracle.returned(call, None),
        }
        Ok(())
    }

    pub(super) fn revoke(&self, act: Act, subject: u8, keep: Option<usize>) -> Result<(), Stop> {
        let now = self.now_on()?;
        let (least, most, call) = {
            let mut oracle = self.oracle();
            let (mut least, mut most) = (0, 0);
            for id in (0..oracle.id_count()).filter(|id| Some(*id) != keep) {
                let current = oracle.current(id);
                let is_of = |known: &Known| known.subject == Some(subject) || known.loose;
                let all = |known: &Option<Known>| {
                    known.is_some_and(|k| {
                        k.subject == Some(subject) && !k.loose && k.early_ms > now.latest_ms()
                    })
                };
                least += u64::from(current.iter().all(all));
                most += u64::from(current.iter().flatten().any(is_of));
            }
            (least, most, oracle.revoke(act, subject, keep, now))
        };
        let kept = keep.map(id_name);
        let kept = kept.as_ref().map(|id| id.as_bytes());
        self.spend(ENDING_BYTES);
        let done = self.store.destroy_subject(subject_name(subject), kept);
        if let Some(ended) = self.settle(call, done, Level::Synced)?
            && !(least..=most).contains(&ended)
            && self.oracle().was_alone(call)
        {
            return Err(format!("{act:?} ended {ended} sessions, and there were {least} to {most}").into());
        }
        Ok(())
    }

    pub(super) fn clear(&self, act: Act) -> Result<(), Stop> {
        let call = self.oracle().clear(act);
        self.spend(ENDING_BYTES);
        let done = self.store.clear();
        self.settle(call, done, Level::Synced).map(|_| ())
    }
}
