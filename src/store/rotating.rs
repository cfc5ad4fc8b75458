//! Rotating: a session gets a new id, as at a login.
//!
//! Owns: that it is one record, which begins the new id and ends the old one, so that after a crash exactly one of the two
//! works; and that what the record has no room for is paid before.

use super::core::{Core, Gone, count};
use super::locks::IdGuard;
use super::pending::Pending;
use super::write::{Change, Expect};
use crate::error::{Error, Full, Result, Unknown};
use crate::events::Reason;
use crate::id::{Digest, Handle};
use crate::log::record::{Ends, Record, Version as StoredVersion, What};
use crate::session::{Version, Write};

impl Core {
    /// Gives a session a new id in one record, with new data and another subject if the write says so.
    pub fn rotate(&self, old_id: &[u8], new_id: &[u8], write: Option<&Write>) -> Result<Pending<Version>> {
        operation!("rotate");
        let (from, to) = (self.secret.of_id(old_id)?, self.secret.of_id(new_id)?);
        let _call = self.calls.write.begin(from);
        self.appender()?;
        self.with_room(|| self.rotate_digest(from, (to, new_id), write))
    }

    fn rotate_digest(
        &self,
        from: Digest,
        (to, new_id): (Digest, &[u8]),
        write: Option<&Write>,
    ) -> Result<Pending<Version>> {
        let subject = write.map_or(Ok(Change::Keep), |write| self.check(write))?;
        let _guard = self.lock_free_of_debt(from, to)?;
        self.check_open()?;
        let now = self.look();
        let before = self.admit(from, Expect::Present, now, write.is_none())?;
        let before = before.ok_or(Error::Unknown(Unknown::Never))?;
        self.admit(to, Expect::Absent, now, false)?;
        let terms = self.terms(write.unwrap_or(&Write::default()), Some(&before), now);
        if terms.deadline.has_passed(now.now_ms) {
            let placed = self.born_dead(from, Some(before), now)?;
            return Ok(self.ending_written(&placed, write));
        }
        let subject = match subject {
            Change::Keep => before.old.subject,
            Change::To(subject) => subject,
        };
        let build = |lsn| {
            let version = StoredVersion {
                digest: to,
                deadline: terms.deadline,
                created_ms: before.created_ms,
                idle_ms: terms.idle_ms,
                birth: lsn,
                absolute: terms.absolute,
                ceiling: terms.deadline,
                subject,
                ends: Some(Ends { digest: from, ceiling: before.ceiling }),
                id: Some(new_id).filter(|_| self.keeps_ids),
                payload: write.map_or(&before.data, |write| &write.data),
                sealed_to: None,
            };
            Record { lsn, what: What::Put(version) }
        };
        let appended = self.appender()?.append(now.settled_ms, build);
        let placed = match appended {
            Ok(placed) => placed,
            // With no room, nothing has happened yet: the caller may make some.
            Err(error @ Error::Full(_)) => return Err(error),
            // The old id ends all the same: it must not go on because the disk failed.
            Err(error) => {
                let ended = (before.birth, before.ceiling);
                return Err(self.end_undurably(from, &before.old, ended, now, error));
            }
        };
        if let What::Put(version) = build(placed.lsn).what {
            let (old, rotated) = (&before.old, Gone::Ended(Reason::Rotated { to: Handle(to) }));
            let last = planted!(
                RotatedIdStaysInMemory,
                old.entry.deadline(),
                self.withdraw(from, old, now, rotated)
            );
            let kept = if write.is_some_and(|write| write.shorten) { terms.deadline } else { last };
            let deadline = terms.deadline.max(kept.min(terms.absolute));
            self.publish(&placed, &StoredVersion { deadline, ..version }, None, deadline, now);
        }
        count(&self.counters.updated);
        Ok(self.ending_written(&placed, write))
    }

    /// Locks both ids of a rotate. Its record has room for one ended id, and that is the old one; so nothing may be owed for
    /// the new one.
    fn lock_free_of_debt(&self, from: Digest, to: Digest) -> Result<IdGuard<'_>> {
        loop {
            if self.owed.ends(to).is_some() {
                self.pay()?;
                self.owed.ends(to).map_or(Ok(()), |_| Err(Error::Full(Full::FileSystem)))?;
            }
            let guard = self.locks.two(from.tag(), to.tag());
            // While this one waited for the locks, somebody may have ended the new id, and it is owed now.
            if self.owed.ends(to).is_none() {
                return Ok(guard);
            }
        }
    }
}
