//! Rows: what goes into a statement and what comes out of it.
//!
//! Owns: a session as a row, what a write says as values. By this clock nothing is decided, by the database's all.

use std::time::Duration;

use sessile::{Carried, Deadline, Handle, Secret, Session, Subject, SubjectDigest, Version, Write};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::pool::Value;
use crate::error::Result;
use crate::settings::Settings;
use crate::terms::{NEVER_MS, lifetime_ms, ms};

/// The columns of a session, in the order in which [`session`] reads them.
pub(super) const COLUMNS: &str =
    "handle, version, created, used, idle, deadline, absolute, subject, id, data";

/// A session from its row.
pub(super) fn session(row: &Row) -> Option<Session> {
    let number = |at: usize| row.try_get::<_, i64>(at).ok().and_then(|number| u64::try_from(number).ok());
    let subject: Option<Vec<u8>> = row.try_get(7).ok()?;
    let session = Carried {
        handle: Handle::from_bytes(row.try_get::<_, Vec<u8>>(0).ok()?.try_into().ok()?),
        created_ms: number(2)?,
        last_used_ms: number(3)?,
        idle: Duration::from_millis(number(4)?),
        deadline: Deadline::at_ms(number(5)?),
        absolute: Deadline::at_ms(number(6)?),
        subject: match subject {
            None => None,
            Some(subject) => Some(SubjectDigest::from_bytes(subject.try_into().ok()?)),
        },
        id: row.try_get(8).ok()?,
        data: row.try_get(9).ok()?,
    };
    Some(session.into_session(Version::from_u64(number(1)?)))
}

/// What a write asks for, as the database takes it.
pub(super) struct Asked {
    idle: &'static str,
    lifetime: i64,
    deadline: i64,
    absolute: &'static str,
    upto: i64,
    shorten: bool,
    default_idle: i64,
    default_absolute: i64,
    change: &'static str,
    subject: Option<Vec<u8>>,
}

/// In a statement, from `$1` on; what a call adds comes after.
pub(super) const ASK: &str = "ROW($1, $2, $3, $4, $5, $6, $7, $8)";

impl Asked {
    pub fn of_write(write: &Write, secret: Secret, settings: &Settings) -> Result<Self> {
        let (idle, lifetime, deadline) = match write.idle_deadline(0) {
            None => ("", 0, 0),
            // Only what is said as a moment is the same at any other.
            Some(at) if write.idle_deadline(1) == Some(at) && at != Deadline::NEVER => ("u", 0, ms(at)),
            Some(_) => ("f", write.idle_lifetime(0).map_or(0, lifetime_ms), 0),
        };
        let (absolute, upto) = match write.absolute_deadline(0) {
            None => ("", 0),
            Some(at) if write.absolute_deadline(1) == Some(at) => ("u", ms(at)),
            Some(after) => ("f", ms(after)),
        };
        let (change, subject) = match write.asked_subject() {
            Subject::Keep => ("keep", None),
            Subject::Clear => ("clear", None),
            Subject::Set(subject) => ("set", Some(secret.subject_digest(subject)?.to_bytes().to_vec())),
        };
        let asked = Self {
            idle,
            lifetime: signed(lifetime),
            deadline: signed(deadline),
            absolute,
            upto: signed(upto),
            shorten: write.shortens(),
            default_idle: signed(lifetime_ms(settings.idle)),
            default_absolute: signed(settings.absolute.map_or(NEVER_MS, lifetime_ms)),
            change,
            subject,
        };
        Ok(asked)
    }

    /// What a session that has lived elsewhere asks for.
    pub fn of_carried(session: &Carried) -> Self {
        Self {
            idle: "b",
            lifetime: signed(lifetime_ms(session.idle)),
            deadline: signed(ms(session.deadline.min(session.absolute))),
            absolute: "u",
            upto: signed(ms(session.absolute)),
            shorten: false,
            default_idle: 0,
            default_absolute: 0,
            change: if session.subject.is_some() { "set" } else { "clear" },
            subject: session.subject.map(|subject| subject.to_bytes().to_vec()),
        }
    }

    /// Ten values: the eight of [`ASK`], what becomes of the subject, and who it will be.
    pub fn values(&self) -> Vec<Value<'_>> {
        vec![
            (&self.idle, Type::TEXT),
            (&self.lifetime, Type::INT8),
            (&self.deadline, Type::INT8),
            (&self.absolute, Type::TEXT),
            (&self.upto, Type::INT8),
            (&self.shorten, Type::BOOL),
            (&self.default_idle, Type::INT8),
            (&self.default_absolute, Type::INT8),
            (&self.change, Type::TEXT),
            (&self.subject, Type::BYTEA),
        ]
    }
}

/// Times and versions stay far below where the sign begins.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
