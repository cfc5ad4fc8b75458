//! Carrying: sessions that come from another home, by digest.
//!
//! Owns: what of a session from elsewhere is believed. It ends when it said there, whatever the options here would give a
//! new one, and never lives because it was brought: one whose deadline has passed is refused, and one that lives here stays.

use super::Store;
use super::core::Core;
use super::pending::Pending;
use super::write::{Change, Expect, Whose};
use crate::carried::Carried;
use crate::error::{Error, Result, Unknown};
use crate::id::Secret;
use crate::session::Version;

impl Core {
    /// Creates a session as it was elsewhere.
    pub fn adopt(&self, carried: &Carried) -> Result<Pending<Version>> {
        let digest = carried.handle.0;
        if let Some(id) = &carried.id
            && self.secret.of_id(id)? != digest
        {
            return Err(Error::invalid(
                "the session's handle is not that of its id here; open the new home with the secret of the old one",
            ));
        }
        self.appender()?;
        let write = carried.write();
        self.check(&write)?;
        if carried.deadline.min(carried.absolute).has_passed(self.look().now_ms) {
            return Err(Error::Unknown(Unknown::Expired));
        }
        self.make_room(digest, Expect::Absent)?;
        let whose = Whose { digest, id: carried.id.as_deref(), created_ms: Some(carried.created_ms) };
        let subject = Change::To(carried.subject.map(|subject| subject.0));
        self.with_room(|| self.put_digest(whose, &write, subject, Expect::Absent))
    }
}

impl Store {
    /// Creates a session as it was in another home, under its handle: it began when it began there, ends when it would have
    /// ended there, and is the same user's. The homes must share their secret: see [`Options::secret`](crate::Options::secret).
    /// [`Carried`] has an example.
    ///
    /// # Errors
    /// As [`create`](Self::create): `Duplicate` when a session of that handle lives here, which then stays as it is. `Unknown`
    /// when its deadline has passed. `Invalid` when its id is known and its handle is not that id's.
    pub fn adopt(&self, carried: &Carried) -> Result<Version> {
        self.settled(self.core().adopt(carried))
    }

    /// What keys the digests of ids here, for a home that is to know the same sessions.
    #[must_use]
    pub fn secret(&self) -> Secret {
        self.core().secret
    }
}
