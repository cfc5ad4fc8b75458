//! Operations that change sessions: told to the oracle, done, and their answers judged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sessile::{Durability, Error, Subject, Touched, Version, Write};

use super::stage::{Stage, Stop, id_name, is_crash, locked, subject_name};
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
        let evictions = self.before_eviction(act);
        let (before, issued) = {
            let mut oracle = self.oracle();
            (oracle.current(id), oracle.put(act, id, kind, say, now))
        };
        let done = call(&id_name(id), to_write(say, issued.tag));
        self.after_eviction(evictions, &done)?;
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

    /// Sessions that a write may evict, in a store with a limit.
    fn before_eviction(&self, act: Act) -> Vec<(Call, usize)> {
        if self.setup.sessions_max.is_none() { Vec::new() } else { self.oracle().may_evict(act) }
    }

    fn after_eviction<T>(&self, perhaps: Vec<(Call, usize)>, done: &Result<T, Error>) -> Result<(), Stop> {
        if self.setup.sessions_max.is_none() || done.as_ref().is_err_and(is_crash) || self.sim.has_crashed() {
            return Ok(());
        }
        let evicted = self.store.stats().evicted;
        let any = self.evicted.swap(evicted, Ordering::Relaxed) != evicted;
        let now = self.now()?;
        for (call, id) in perhaps {
            let gone = any && self.store.get(id_name(id)).is_ok_and(|session| session.is_none());
            let mut oracle = self.oracle();
            let (lives, _) = oracle.lives(id, now);
            oracle.evicting = false;
            let level = match (gone, lives.alive, lives.gone()) {
                (true, true, false) => Some(Level::Written),
                // Of what no clock shows nobody can tell yet whether it was evicted.
                (true, _, true) => Some(Level::Perhaps),
                _ => None,
            };
            oracle.returned(call, level);
            locked(&self.tally).evictions += u64::from(level == Some(Level::Written));
        }
        Ok(())
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
        let (before, call) = {
            let mut oracle = self.oracle();
            (oracle.current(id), oracle.end(act, id, now))
        };
        let answer = match end(&id_name(id)) {
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
        let (before, taken, call) = {
            let mut oracle = self.oracle();
            (oracle.current(from), oracle.current(to), oracle.rotate(act, from, to, say, now))
        };
        let write = say.map(|say| to_write(say, call.tag));
        let done = self.store.rotate(id_name(from), id_name(to), write);
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
        let done = self.store.clear();
        self.settle(call, done, Level::Synced).map(|_| ())
    }
}
