//! Files of connect-sqlite3 and better-sqlite3-session-store, for a way back. A file that is made is its owner's alone.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};
use sessile::Deadline;

use super::{Aim, Digests, Look, Put, Target, compare};
use crate::address::{Address, Format};
use crate::error::{Error, Result};
use crate::formats::express;
use crate::formats::moment::{self, Raw, Usual};
use crate::session::{Kind, Moving, Name, Why};
use crate::sources::sqlite::{PATIENCE, quoted, said};

/// The last moment of JavaScript, and of its dates with four digits a year.
const NEVER_MS: i64 = 8_640_000_000_000_000;
const NEVER: &str = "9999-12-31T23:59:59.999Z";

pub(super) struct Table {
    connection: Connection,
    home: String,
    format: Format,
    insert: String,
    select: String,
}

impl Table {
    pub fn open(mut address: Address, aim: Aim) -> Result<Self> {
        let table = quoted(&address.take_or("table", "sessions"));
        address.taken()?;
        let path = address.path()?;
        let home = path.display().to_string();
        let failed = |error: rusqlite::Error| Error::Server { home: home.clone(), why: said(&error) };
        let connection = if aim.dry_run && !path.exists() {
            Connection::open_in_memory().map_err(failed)?
        } else {
            let made = OpenOptions::new().write(true).create(!aim.dry_run).mode(0o600).open(&path);
            made.map_err(|error| Error::file("opening", &path, error))?;
            Connection::open(&path).map_err(failed)?
        };
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // As the packages make it; where there is one, it is kept, and must have these columns.
        let (columns, id, data, expires) = match address.format {
            Format::BetterSqlite3 => (
                "sid TEXT NOT NULL PRIMARY KEY, sess JSON NOT NULL, expire TEXT NOT NULL",
                "sid",
                "sess",
                "expire",
            ),
            _ => ("sid PRIMARY KEY, expired, sess", "sid", "sess", "expired"),
        };
        if !aim.dry_run {
            let make = format!("CREATE TABLE IF NOT EXISTS {table} ({columns})");
            connection.execute_batch(&make).map_err(failed)?;
        }
        let insert = format!("INSERT OR IGNORE INTO {table} ({id}, {data}, {expires}) VALUES (?1, ?2, ?3)");
        let select = format!("SELECT {data}, {expires} FROM {table} WHERE {id} = ?1");
        Ok(Self { connection, home, format: address.format, insert, select })
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        Error::Server { home: self.home.clone(), why: said(error) }
    }

    fn moment(&self, deadline: Deadline) -> Value {
        let ms = i64::try_from(deadline.as_ms()).ok().filter(|ms| *ms < NEVER_MS);
        match (self.format, ms) {
            (Format::BetterSqlite3, ms) => {
                let moment = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
                let text = moment.map(|moment| moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
                Value::Text(text.unwrap_or_else(|| NEVER.to_owned()))
            }
            (_, ms) => Value::Integer(ms.unwrap_or(NEVER_MS)),
        }
    }
}

/// The id and the data as text, if they are an express-session's.
fn texts(moving: &Moving) -> std::result::Result<(&str, &str), Why> {
    let Name::Id(id) = &moving.name else { return Err(Kind::Id.into()) };
    let id = std::str::from_utf8(id).map_err(|_| Why::with(Kind::Id, "it is no text"))?;
    express::read(&moving.data)?;
    Ok((id, std::str::from_utf8(&moving.data).map_err(|_| Why::from(Kind::Data))?))
}

impl Target for Table {
    fn digests(&self) -> Digests {
        Digests::None
    }

    fn put(&mut self, sessions: &[&Moving]) -> Result<Vec<Put>> {
        let all = self.connection.unchecked_transaction().map_err(|error| self.failed(&error))?;
        let mut outcomes = Vec::with_capacity(sessions.len());
        for moving in sessions {
            outcomes.push(match texts(moving) {
                Err(why) => Put::Refused(why),
                Ok((id, data)) => {
                    let ends = self.moment(moving.deadline.min(moving.absolute));
                    let mut insert = all.prepare_cached(&self.insert).map_err(|error| self.failed(&error))?;
                    match insert.execute(params![id, data, ends]).map_err(|error| self.failed(&error))? {
                        0 => Put::AlreadyThere,
                        _ => Put::Written,
                    }
                }
            });
        }
        all.commit().map_err(|error| self.failed(&error))?;
        Ok(outcomes)
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn look(&mut self, sessions: &[&Moving]) -> Result<Option<Vec<Look>>> {
        // In a dry run there may be no table.
        let Ok(mut select) = self.connection.prepare_cached(&self.select) else {
            return Ok(Some(vec![Look::Missing; sessions.len()]));
        };
        let mut looks = Vec::with_capacity(sessions.len());
        for moving in sessions {
            let id = texts(moving).map_or("", |(id, _)| id);
            let found = select.query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Value>(1)?)));
            looks.push(match found.optional().map_err(|error| self.failed(&error))? {
                None => Look::Missing,
                Some((data, ends)) => {
                    let raw = match &ends {
                        Value::Integer(NEVER_MS) => Raw::Real(f64::INFINITY),
                        Value::Integer(ms) => Raw::Whole(*ms),
                        Value::Text(text) if text == NEVER => Raw::Real(f64::INFINITY),
                        Value::Text(text) => Raw::Text(text),
                        _ => Raw::Null,
                    };
                    let deadline =
                        moment::read(raw, Usual::Text).map_or(Deadline::NEVER, |(deadline, _)| deadline);
                    compare(moving, data.as_bytes(), deadline)
                }
            });
        }
        Ok(Some(looks))
    }

    fn finish(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }
}
