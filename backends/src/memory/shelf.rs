//! The shelf: sessions by handle, by subject and by deadline.
//!
//! Owns: [`Shelf`]. Invariants: all three maps speak of the same sessions; versions are drawn from one counter, so none is ever
//! given out twice; before anything is written, what has run out is gone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use sessile::{Carried, Deadline, Handle, Secret, Session, Subject, SubjectDigest, Touched, Version, Write};

use crate::backend::unknown;
use crate::error::Result;
use crate::settings::Settings;
use crate::terms::Terms;

/// What must be there for a write to happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expect {
    Absent,
    Present,
    Anything,
    At(Version),
}

/// A session's names: its handle, and its id where ids are kept.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub handle: Handle,
    pub id: Option<&'a [u8]>,
}

/// What decides about a write beside the session itself.
pub(super) struct Rules<'a> {
    pub secret: Secret,
    pub settings: &'a Settings,
}

/// The maps.
#[derive(Default)]
pub(super) struct Shelf {
    sessions: HashMap<Handle, (Version, Carried)>,
    subjects: HashMap<SubjectDigest, HashSet<Handle>>,
    deadlines: BTreeSet<(Deadline, Handle)>,
    versions: u64,
}

impl Shelf {
    pub fn put(
        &mut self,
        named: Named<'_>,
        write: &Write,
        expect: Expect,
        rules: &Rules<'_>,
        now_ms: u64,
    ) -> Result<Version> {
        let subject = rules.check(write)?;
        self.reap(now_ms);
        let before = self.sessions.get(&named.handle);
        match (before, expect) {
            (None, Expect::Present | Expect::At(_)) => return Err(unknown()),
            (Some(_), Expect::Absent) => return Err(sessile::Error::Duplicate.into()),
            (Some((current, _)), Expect::At(version)) if *current != version => {
                return Err(sessile::Error::Conflict { current: *current }.into());
            }
            _ => {}
        }
        let before = before.map(|(_, before)| before);
        let terms = Terms::after(write, before.map(terms_of), rules.settings, now_ms);
        let session = Carried {
            handle: named.handle,
            data: write.data().to_vec(),
            created_ms: before.map_or(now_ms, |before| before.created_ms),
            last_used_ms: now_ms,
            idle: terms.idle,
            deadline: terms.deadline,
            absolute: terms.absolute,
            subject: subject.unwrap_or(before.and_then(|before| before.subject)),
            id: named.id.map(<[u8]>::to_vec),
        };
        Ok(self.place(session, now_ms))
    }

    pub fn rotate(
        &mut self,
        from: Handle,
        to: Named<'_>,
        write: Option<&Write>,
        rules: &Rules<'_>,
        now_ms: u64,
    ) -> Result<Version> {
        let subject = write.map_or(Ok(None), |write| rules.check(write))?;
        self.reap(now_ms);
        let Some((_, before)) = self.sessions.get(&from) else { return Err(unknown()) };
        if self.sessions.contains_key(&to.handle) {
            return Err(sessile::Error::Duplicate.into());
        }
        let asked = write.cloned().unwrap_or_default();
        let terms = Terms::after(&asked, Some(terms_of(before)), rules.settings, now_ms);
        let session = Carried {
            handle: to.handle,
            data: write.map_or_else(|| before.data.clone(), |write| write.data().to_vec()),
            created_ms: before.created_ms,
            last_used_ms: now_ms,
            idle: terms.idle,
            deadline: terms.deadline,
            absolute: terms.absolute,
            subject: subject.unwrap_or(before.subject),
            id: to.id.map(<[u8]>::to_vec),
        };
        self.remove(from);
        Ok(self.place(session, now_ms))
    }

    pub fn adopt(&mut self, session: Carried, settings: &Settings, now_ms: u64) -> Result<Version> {
        settings.check_length(&session.data)?;
        self.reap(now_ms);
        if self.sessions.contains_key(&session.handle) {
            return Err(sessile::Error::Duplicate.into());
        }
        let deadline = session.deadline.min(session.absolute);
        Ok(self.place(Carried { deadline, ..session }, now_ms))
    }

    pub fn touch(&mut self, handle: Handle, idle: Duration, now_ms: u64) -> Result<Touched> {
        self.reap(now_ms);
        let Some((_, session)) = self.sessions.get_mut(&handle) else { return Err(unknown()) };
        let deadline = terms_of(session).touched(idle, now_ms);
        self.deadlines.remove(&(session.deadline, handle));
        self.deadlines.insert((deadline, handle));
        session.deadline = deadline;
        session.last_used_ms = now_ms;
        Ok(Touched::Coalesced)
    }

    pub fn get(&self, handle: Handle, now_ms: u64) -> Option<Session> {
        let (version, session) = self.sessions.get(&handle)?;
        (!session.deadline.has_passed(now_ms)).then(|| session.clone().into_session(*version))
    }

    /// Ends a session; whether it was alive.
    pub fn end(&mut self, handle: Handle, now_ms: u64) -> bool {
        self.remove(handle).is_some_and(|session| !session.deadline.has_passed(now_ms))
    }

    pub fn of_subject(&self, subject: SubjectDigest) -> Vec<Handle> {
        self.subjects.get(&subject).into_iter().flatten().copied().collect()
    }

    pub fn all(&self) -> Vec<Handle> {
        self.sessions.keys().copied().collect()
    }

    pub fn len(&self) -> u64 {
        self.sessions.len() as u64
    }

    pub fn clear(&mut self, now_ms: u64) -> u64 {
        self.reap(now_ms);
        let ended = self.len();
        *self = Self { versions: self.versions, ..Self::default() };
        ended
    }

    /// Removes what has run out; says how many.
    pub fn reap(&mut self, now_ms: u64) -> u64 {
        let mut reaped = 0;
        while let Some((deadline, handle)) = self.deadlines.first().copied() {
            if !deadline.has_passed(now_ms) {
                break;
            }
            self.remove(handle);
            reaped += 1;
        }
        reaped
    }

    /// Puts a session in its place, unless its time has run out already: then whatever was there has ended.
    fn place(&mut self, session: Carried, now_ms: u64) -> Version {
        self.remove(session.handle);
        self.versions += 1;
        let version = Version::from_u64(self.versions);
        if !session.deadline.has_passed(now_ms) {
            self.deadlines.insert((session.deadline, session.handle));
            if let Some(subject) = session.subject {
                self.subjects.entry(subject).or_default().insert(session.handle);
            }
            self.sessions.insert(session.handle, (version, session));
        }
        version
    }

    fn remove(&mut self, handle: Handle) -> Option<Carried> {
        let (_, session) = self.sessions.remove(&handle)?;
        self.deadlines.remove(&(session.deadline, handle));
        if let Some(subject) = session.subject
            && let Some(handles) = self.subjects.get_mut(&subject)
        {
            handles.remove(&handle);
            if handles.is_empty() {
                self.subjects.remove(&subject);
            }
        }
        Some(session)
    }
}

impl Rules<'_> {
    /// What becomes of the subject, if the write is within the limits.
    fn check(&self, write: &Write) -> Result<Option<Option<SubjectDigest>>> {
        self.settings.check_length(write.data())?;
        Ok(match write.asked_subject() {
            Subject::Keep => None,
            Subject::Clear => Some(None),
            Subject::Set(subject) => Some(Some(self.secret.subject_digest(subject)?)),
        })
    }
}

fn terms_of(session: &Carried) -> Terms {
    Terms { deadline: session.deadline, absolute: session.absolute, idle: session.idle }
}
