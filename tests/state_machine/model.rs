//! The contract, as plainly as it can be said: a map of sessions, two readings of time, no files.

use std::collections::BTreeMap;
use std::time::Duration;

use sessile::{Deadline, Version};

use super::steps::{Life, WriteSpec};

/// A session as its user knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub data: Vec<u8>,
    pub version: Version,
    pub created_ms: u64,
    pub deadline: Deadline,
    pub absolute: Deadline,
    pub idle_ms: u64,
    pub subject: Option<u8>,
}

/// The settings that the contract depends on.
#[derive(Debug, Clone)]
pub struct Rules {
    pub idle: Duration,
    pub absolute: Option<Duration>,
    pub first_lifetime: Option<Duration>,
    pub touch_slack_ms: u64,
    pub sessions_max: Option<usize>,
    pub evict: bool,
    pub synced: bool,
    pub mapped: bool,
}

/// The time: what has passed by `now` is not shown; what has passed by `settled` has ended.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    pub now_ms: u64,
    pub settled_ms: u64,
}

/// How far a session's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Alive,
    Hidden,
    None,
}

#[derive(Debug, Default)]
pub struct Model {
    pub sessions: BTreeMap<u8, Session>,
    /// The greatest version that was ever given out.
    pub version_max: u64,
}

impl Model {
    pub fn state(&self, id: u8, time: Time) -> State {
        match self.sessions.get(&id) {
            Some(session) if session.deadline.has_passed(time.settled_ms) => State::None,
            Some(session) if session.deadline.has_passed(time.now_ms) => State::Hidden,
            Some(_) => State::Alive,
            None => State::None,
        }
    }

    /// The sessions that have not ended, hidden ones included.
    pub fn not_ended(&self, time: Time) -> Vec<u8> {
        self.sessions.keys().copied().filter(|id| self.state(*id, time) != State::None).collect()
    }

    /// The live sessions of a subject, or all.
    pub fn alive(&self, subject: Option<u8>, time: Time) -> Vec<u8> {
        let of = |id: &u8| subject.is_none() || self.sessions[id].subject == subject;
        let ids = self.sessions.keys().copied().filter(|id| self.state(*id, time) == State::Alive);
        ids.filter(of).collect()
    }

    /// What a write makes of the session of this id, which may be there or not; `None` when it is dead at once.
    pub fn written(
        &self,
        before: Option<&Session>,
        write: &WriteSpec,
        rules: &Rules,
        time: Time,
    ) -> Option<Session> {
        let own_idle_ms = before.map_or_else(|| millis(rules.idle), |before| before.idle_ms);
        let idle = match write.idle {
            Some(life) => life.deadline(time.now_ms),
            None => Deadline::after(time.now_ms, Duration::from_millis(own_idle_ms)),
        };
        let idle_ms = match write.idle {
            Some(Life::For(ms)) => ms,
            Some(Life::Forever) => u64::MAX,
            Some(_) => idle.as_ms().saturating_sub(time.now_ms),
            None => own_idle_ms,
        };
        let idle = match (before, rules.first_lifetime) {
            (None, Some(first)) => idle.min(Deadline::after(time.now_ms, first)),
            _ => idle,
        };
        // A moment in the past is asked for: it means gone.
        let is_moment = matches!(write.idle, Some(Life::Near(_) | Life::At(_)));
        let ends_now = is_moment && idle.has_passed(time.now_ms);
        let idle = match before {
            Some(before) if !write.shorten && !ends_now => idle.max(before.deadline),
            _ => idle,
        };
        let asked = write.absolute.map(|life| life.deadline(time.now_ms));
        let by_default = rules.absolute.map(|lifetime| Deadline::after(time.now_ms, lifetime));
        let absolute = match before {
            Some(before) => asked.map_or(before.absolute, |asked| asked.min(before.absolute)),
            None => asked.or(by_default).unwrap_or(Deadline::NEVER),
        };
        let deadline = idle.min(absolute);
        let subject = match write.subject {
            Some(change) => change,
            None => before.and_then(|before| before.subject),
        };
        let session = Session {
            data: write.data(),
            version: Version::from_u64(0),
            created_ms: before.map_or(time.now_ms, |before| before.created_ms),
            deadline,
            absolute,
            idle_ms: rounded(idle_ms),
            subject,
        };
        (!deadline.has_passed(time.now_ms)).then_some(session)
    }

    pub fn touched(&mut self, id: u8, idle: Duration, time: Time) {
        if let Some(session) = self.sessions.get_mut(&id) {
            let until = Deadline::after(time.now_ms, idle).min(session.absolute);
            session.deadline = session.deadline.max(until);
        }
    }
}

/// How much of a touch may be lost.
pub fn slack_ms(session: &Session, rules: &Rules) -> u64 {
    rules.touch_slack_ms.min(session.idle_ms / 10).max(1)
}

/// The idle lifetime is kept to 19 significant bits, and rounded up.
fn rounded(ms: u64) -> u64 {
    let exponent = (u64::BITS - ms.leading_zeros()).saturating_sub(19);
    let most = ((1 << 19) - 1) << 31;
    if exponent > 31 { most } else { ms.div_ceil(1 << exponent) << exponent }.min(most)
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
