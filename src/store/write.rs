//! Writing a session: create, update, set, replace, rotate.
//!
//! Owns: how a write and what was there before become a record. A crash can fall before the append (nothing happened),
//! between the append and the sync (the write may be there after it, nobody was told), or after (it is there).

use super::core::{Core, Gone, count, millis};
use super::finding::{Found, Life, Old};
use super::pending::Pending;
use crate::clock::Now;
use crate::error::{Error, Result};
use crate::events::Reason;
use crate::id::{Digest, Handle};
use crate::log::appender::Placed;
use crate::log::record::{Ends, Record, Version as StoredVersion, What};
use crate::session::{Deadline, Durability, Lifetime, Session, Subject, Version, Write};

/// What must be true of the session before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Absent,
    Present,
    Anything,
    At(Version),
}

/// Whose session is written: its digest, the id itself where a store may keep it, and when it began if not now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub digest: Digest,
    pub id: Option<&'a [u8]>,
    pub created_ms: Option<u64>,
}

/// What a write needs to know of the session as it was.
pub(crate) struct Before {
    pub old: Old,
    pub version: Version,
    pub life: Life,
    pub birth: u64,
    pub created_ms: u64,
    pub idle_ms: u64,
    pub absolute: Deadline,
    pub ceiling: Deadline,
    pub data: Vec<u8>,
}

impl Before {
    fn of(found: &Found<'_>, now: Now, slack_ms: u64, with_data: bool) -> Result<Self> {
        Ok(Self {
            old: found.old(),
            version: Version(found.lsn),
            life: Life::of(found.entry, now),
            birth: found.version.birth,
            created_ms: found.version.created_ms,
            idle_ms: found.version.idle_ms,
            absolute: found.version.absolute,
            ceiling: found.ceiling(slack_ms),
            data: if with_data { found.content()?.payload } else { Vec::new() },
        })
    }

    /// What a version that ends sooner, or is somebody else's, says of those before it. Should the session end by what it
    /// says, and damage take just this record away, nothing else would keep the older ones from being shown: so it says that
    /// they have ended, and the next mark repeats it as it repeats every ending (rule 12).
    fn narrowed(&self, digest: Digest, terms: &Terms, subject: Option<Digest>) -> Option<Ends> {
        let anothers = subject != self.old.subject && !planted!(RevocationOfAnyVersion);
        let narrower = terms.deadline < self.old.entry.deadline() || anothers;
        let ceiling = planted!(StubGoesByItsDeadline, terms.ceiling, self.ceiling);
        (narrower && !planted!(NarrowingEndsNothing)).then_some(Ends { digest, ceiling })
    }
}

/// The deadlines of a version that is about to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub deadline: Deadline,
    pub absolute: Deadline,
    pub idle_ms: u64,
    pub ceiling: Deadline,
}

impl Core {
    /// Writes a session if it is what `expect` says.
    pub fn put(&self, id: &[u8], write: &Write, expect: Expect) -> Result<Pending<Version>> {
        operation!("put");
        let digest = self.secret.of_id(id)?;
        let _call = self.calls.write.begin(digest);
        self.appender()?;
        let subject = self.check(write)?;
        self.make_room(digest, expect)?;
        let whose = Whose { digest, id: Some(id), created_ms: None };
        self.with_room(|| self.put_digest(whose, write, subject, expect))
    }

    /// Writes a live session as `f` says, and asks it again when somebody was faster; `None` when it declines.
    pub fn put_with(
        &self,
        id: &[u8],
        mut f: impl FnMut(&Session) -> Option<Write>,
    ) -> Result<Pending<Option<Version>>> {
        let digest = self.secret.of_id(id)?;
        loop {
            let session = self.get(digest)?.ok_or_else(|| self.unknown(digest))?;
            let Some(write) = f(&session) else { return Ok(Pending::done(None)) };
            match self.put(id, &write, Expect::At(session.version())) {
                Err(Error::Conflict { .. }) => {}
                written => return written.map(|written| written.map(Some)),
            }
        }
    }

    /// Writes the session of this digest.
    pub fn put_digest(
        &self,
        whose: Whose<'_>,
        write: &Write,
        subject: Change,
        expect: Expect,
    ) -> Result<Pending<Version>> {
        let digest = whose.digest;
        let _guard = self.locks.one(digest.tag());
        self.check_open()?;
        let now = self.look();
        let before = self.admit(digest, expect, now, false)?;
        let terms = self.terms(write, before.as_ref(), now);
        if terms.deadline.has_passed(now.now_ms) {
            let placed = self.born_dead(digest, before, now)?;
            return Ok(self.ending_written(&placed, Some(write)));
        }
        let subject = match subject {
            Change::Keep => before.as_ref().and_then(|before| before.old.subject),
            Change::To(subject) => subject,
        };
        let id = whose.id.filter(|_| self.keeps_ids);
        let created_ms = before.as_ref().map(|before| before.created_ms).or(whose.created_ms);
        let ends = match &before {
            None => self.owed.ends(digest),
            Some(before) => before.narrowed(digest, &terms, subject),
        };
        let build = |lsn| {
            let version = StoredVersion {
                digest,
                deadline: terms.deadline,
                created_ms: created_ms.unwrap_or(now.now_ms),
                idle_ms: terms.idle_ms,
                birth: before.as_ref().map_or(lsn, |before| before.birth),
                absolute: terms.absolute,
                ceiling: terms.ceiling,
                subject,
                ends,
                id,
                payload: &write.data,
                sealed_to: None,
            };
            Record { lsn, what: What::Put(version) }
        };
        let placed = self.appender()?.append(now.settled_ms, build)?;
        if let What::Put(version) = build(placed.lsn).what {
            let latest = if write.shorten { terms.deadline } else { terms.absolute };
            self.publish(&placed, &version, before.as_ref().map(|before| &before.old), latest, now);
            self.owed.settle(digest);
        }
        count(if before.is_some() { &self.counters.updated } else { &self.counters.created });
        Ok(Pending::record(Version(placed.lsn), &placed, self.write_durability(write)))
    }

    /// Lets the write go on if the session is as it should be; what is over is taken out of memory first.
    pub fn admit(&self, digest: Digest, expect: Expect, now: Now, with_data: bool) -> Result<Option<Before>> {
        let slack_ms = self.slack_ms(u64::MAX);
        let before = loop {
            match self.find(digest, |found| Before::of(found, now, slack_ms, with_data))? {
                Some(over) if over.life == Life::Over => {
                    if self.withdraw_over(digest, &over.old, now) {
                        break None;
                    }
                }
                before => break before,
            }
        };
        if before.is_none() && matches!(expect, Expect::Absent | Expect::Anything) {
            self.keep_told_before_hiding(|unwritten| unwritten.contains_key(&Handle(digest)));
        }
        match (&before, expect) {
            (Some(Before { life: Life::Hidden, .. }), Expect::Absent | Expect::Anything) => {
                Err(Error::ClockUnconfirmed)
            }
            (Some(Before { life: Life::Hidden, .. }), _) => Err(Self::not_alive()),
            (None, Expect::Present | Expect::At(_)) => Err(self.unknown(digest)),
            (Some(_), Expect::Absent) => Err(Error::Duplicate),
            (Some(before), Expect::At(version)) if before.version != version => {
                Err(Error::Conflict { current: before.version })
            }
            _ => Ok(before),
        }
    }

    pub fn check(&self, write: &Write) -> Result<Change> {
        let (bytes, bytes_max) = (write.data.len() as u64, self.options.session_bytes_max);
        if bytes > bytes_max {
            return Err(Error::TooLarge { bytes, bytes_max });
        }
        Ok(match &write.subject {
            Subject::Keep => Change::Keep,
            Subject::Clear => Change::To(None),
            Subject::Set(subject) => Change::To(Some(self.secret.of_subject(subject)?)),
        })
    }

    /// The deadlines: what the write does not say stays as the session has it, or comes from the options.
    pub fn terms(&self, write: &Write, before: Option<&Before>, now: Now) -> Terms {
        let own_idle_ms = before.map(|before| before.idle_ms).unwrap_or_else(|| millis(self.options.idle));
        let idle = match write.idle {
            Some(lifetime) => lifetime.deadline(now.now_ms),
            None => Deadline::after_ms(now.now_ms, own_idle_ms),
        };
        let idle_ms = match write.idle {
            Some(Lifetime::Begun(lifetime, _)) => millis(lifetime),
            Some(_) => idle.as_ms().saturating_sub(now.now_ms),
            None => own_idle_ms,
        };
        let has_begun = matches!(write.idle, Some(Lifetime::Begun(..)));
        let idle = match (before, self.options.first_lifetime) {
            (None, Some(first)) if !has_begun => idle.min(Deadline::after(now.now_ms, first)),
            _ => idle,
        };
        let asked = write.absolute.map(|absolute| absolute.deadline(now.now_ms));
        let absolute = match before {
            Some(before) => asked.map_or(before.absolute, |asked| asked.min(before.absolute)),
            None => asked
                .or_else(|| self.options.absolute.map(|lifetime| Deadline::after(now.now_ms, lifetime)))
                .unwrap_or(Deadline::NEVER),
        };
        let ends_now =
            matches!(write.idle, Some(Lifetime::Until(deadline)) if deadline.has_passed(now.now_ms));
        let kept = before.filter(|_| !write.shorten && !ends_now).map(|before| before.old.entry.deadline());
        let deadline = kept.map_or(idle, |kept| idle.max(kept)).min(absolute);
        let known = planted!(StubGoesByItsDeadline, None, before);
        let ceiling = known.map_or(deadline, |before| deadline.max(before.ceiling));
        Terms { deadline, absolute, idle_ms, ceiling }
    }

    /// A write whose deadline is in the past: whatever was there has ended, and the write itself never lived.
    pub fn born_dead(&self, digest: Digest, before: Option<Before>, now: Now) -> Result<Placed> {
        let (birth, ceiling) =
            before.as_ref().map_or((None, Deadline::at_ms(0)), |b| (Some(b.birth), b.ceiling));
        let build = |lsn| {
            let birth = birth.unwrap_or(lsn);
            Record { lsn, what: What::Stub { digest, birth, ceiling, ends: None } }
        };
        let appended = self.appender()?.append(now.settled_ms, build);
        let Some(before) = before else { return appended };
        let placed = match appended {
            Ok(placed) => placed,
            Err(error) => {
                return Err(self.end_undurably(
                    digest,
                    &before.old,
                    (before.birth, before.ceiling),
                    now,
                    error,
                ));
            }
        };
        self.withdraw(digest, &before.old, now, Gone::RanOut);
        count(&self.counters.ended);
        Ok(placed)
    }

    /// Waits as endings do, or as the write asks if that is longer.
    pub fn ending_written(&self, placed: &Placed, write: Option<&Write>) -> Pending<Version> {
        let durability = match write.and_then(|write| write.durability) {
            Some(Durability::Synced) => Durability::Synced,
            _ => self.ending_durability(),
        };
        Pending::record(Version(placed.lsn), placed, durability).ending()
    }

    fn write_durability(&self, write: &Write) -> Durability {
        write.durability.unwrap_or(self.options.durability)
    }

    /// An ending that could not be written still takes effect in memory, and its error says so (rule 11).
    pub fn end_undurably(
        &self,
        digest: Digest,
        old: &Old,
        (birth, ceiling): (u64, Deadline),
        now: Now,
        error: Error,
    ) -> Error {
        if matches!(error, Error::Closed | Error::ReadOnly | Error::Invalid(_)) {
            return error;
        }
        if !planted!(EndingWaitsForTheDisk) {
            self.withdraw(digest, old, now, Gone::Ended(Reason::Destroyed));
            self.owed.add(digest, birth, ceiling, old);
        }
        count(&self.counters.ended);
        undurable(error)
    }
}

/// The error of an ending that took effect in memory only.
pub(crate) fn undurable(error: Error) -> Error {
    match error {
        Error::Latched { cause, .. } => Error::Latched { cause, in_memory: true },
        Error::Full(_) | Error::Io { .. } => {
            Error::Latched { cause: error.to_string().into(), in_memory: true }
        }
        error => error,
    }
}

/// What becomes of the subject.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Keep,
    To(Option<Digest>),
}
