//! A table of connect-pg-simple in PostgreSQL, for a way back; made, as that package makes it, where there is none.

use postgres::error::SqlState;
use postgres::types::ToSql;
use sessile::Deadline;

use super::{Aim, Digests, Look, Put, Target, compare};
use crate::address::Address;
use crate::error::Result;
use crate::formats::express;
use crate::servers::postgres::Postgres;
use crate::session::{Kind, Moving, Name, Why};
use crate::sources::postgres::Names;

/// A session as a row: id, data, and milliseconds, or nothing where it never ends.
type Row<'a> = (&'a str, &'a str, Option<i64>);

pub(super) struct Table {
    postgres: Postgres,
    names: Names,
    make: bool,
}

impl Table {
    pub fn open(mut address: Address, aim: Aim) -> Result<Self> {
        let names = Names::take(&mut address);
        let zone = address.take("timezone");
        let mut postgres = Postgres::connect(&address)?;
        postgres.use_zone(zone)?;
        Ok(Self { postgres, names, make: !aim.dry_run })
    }

    /// Before the first session is written, and not before it is known that one will be.
    fn make(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.make) {
            return Ok(());
        }
        let Names { table, id, data, expires } = &self.names;
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {table} ({id} varchar NOT NULL PRIMARY KEY, {data} json NOT NULL, \
             {expires} timestamp(6) NOT NULL); CREATE INDEX IF NOT EXISTS \"IDX_session_expire\" ON {table} ({expires})"
        );
        self.postgres.client.batch_execute(&make).map_err(|error| self.postgres.failed(&error))
    }

    /// Which of these rows were not there, and are now.
    fn insert(&mut self, rows: &[Row<'_>]) -> std::result::Result<Vec<String>, postgres::Error> {
        let Names { table, id, data, expires } = &self.names;
        let insert = format!(
            "INSERT INTO {table} ({id}, {data}, {expires}) \
             SELECT one, two::json, CASE WHEN three IS NULL THEN 'infinity' ELSE to_timestamp(three / 1000.0) END \
             FROM unnest($1::text[], $2::text[], $3::bigint[]) AS all_of_them (one, two, three) \
             ON CONFLICT ({id}) DO NOTHING RETURNING {id}::text"
        );
        let (ids, data): (Vec<&str>, Vec<&str>) = rows.iter().map(|(id, data, _)| (*id, *data)).unzip();
        let ends: Vec<Option<i64>> = rows.iter().map(|(_, _, ends)| *ends).collect();
        let values: [&(dyn ToSql + Sync); 3] = [&ids, &data, &ends];
        self.postgres.client.query(&insert, &values)?.iter().map(|row| row.try_get(0)).collect()
    }

    /// One after another, since one of them is not taken.
    fn insert_each(&mut self, rows: &[Row<'_>]) -> Result<Vec<Put>> {
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            outcomes.push(match self.insert(std::slice::from_ref(row)) {
                Ok(written) if written.is_empty() => Put::AlreadyThere,
                Ok(_) => Put::Written,
                // The server has said no to this one; what is wrong with the connection is wrong with all.
                Err(error) => match error.as_db_error() {
                    Some(said) => Put::Refused(Why::with(Kind::Refused, said.message())),
                    None => return Err(self.postgres.failed(&error)),
                },
            });
        }
        Ok(outcomes)
    }
}

fn row(moving: &Moving) -> std::result::Result<Row<'_>, Why> {
    let Name::Id(id) = &moving.name else { return Err(Kind::Id.into()) };
    let id = std::str::from_utf8(id).map_err(|_| Why::with(Kind::Id, "it is no text"))?;
    express::read(&moving.data)?;
    let data = std::str::from_utf8(&moving.data).map_err(|_| Why::from(Kind::Data))?;
    let ends = moving.deadline.min(moving.absolute);
    Ok((id, data, if ends == Deadline::NEVER { None } else { i64::try_from(ends.as_ms()).ok() }))
}

impl Target for Table {
    fn digests(&self) -> Digests {
        Digests::None
    }

    fn put(&mut self, sessions: &[&Moving]) -> Result<Vec<Put>> {
        self.make()?;
        let rows: Vec<_> = sessions.iter().map(|moving| row(moving)).collect();
        let sound: Vec<Row<'_>> = rows.iter().filter_map(|row| row.as_ref().ok().copied()).collect();
        let mut outcomes = match self.insert(&sound) {
            Ok(mut written) => {
                written.sort_unstable();
                let is_new = |id: &str| written.binary_search_by(|one| one.as_str().cmp(id)).is_ok();
                let put = |(id, _, _): &Row<'_>| if is_new(id) { Put::Written } else { Put::AlreadyThere };
                sound.iter().map(put).collect()
            }
            Err(error) if error.as_db_error().is_some() => self.insert_each(&sound)?,
            Err(error) => return Err(self.postgres.failed(&error)),
        }
        .into_iter();
        let outcome = |row: std::result::Result<Row<'_>, Why>| match row {
            Ok(_) => outcomes.next().unwrap_or_else(|| Put::Refused(Kind::Refused.into())),
            Err(why) => Put::Refused(why),
        };
        Ok(rows.into_iter().map(outcome).collect())
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn look(&mut self, sessions: &[&Moving]) -> Result<Option<Vec<Look>>> {
        let Names { table, id, data, expires } = &self.names;
        let select = format!(
            "SELECT {id}::text, {data}::text, CASE WHEN isfinite({expires}) \
             THEN floor(extract(epoch FROM {expires}::timestamptz) * 1000)::bigint END FROM {table} WHERE {id} = ANY($1)"
        );
        let ids: Vec<&str> =
            sessions.iter().filter_map(|moving| row(moving).ok()).map(|(id, _, _)| id).collect();
        let found = match self.postgres.client.query(&select, &[&ids]) {
            Ok(found) => found,
            // In a dry run there may be no table.
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                return Ok(Some(vec![Look::Missing; sessions.len()]));
            }
            Err(error) => return Err(self.postgres.failed(&error)),
        };
        let mut rows = std::collections::HashMap::with_capacity(found.len());
        for row in &found {
            let row =
                row.try_get(0).and_then(|id: &str| Ok((id, row.try_get::<_, &str>(1)?, row.try_get(2)?)));
            let (id, data, ends): Row<'_> = row.map_err(|error| self.postgres.failed(&error))?;
            rows.insert(id, (data, ends));
        }
        let look = |moving: &&Moving| match row(moving).ok().and_then(|(id, _, _)| rows.get(id)) {
            None => Look::Missing,
            Some((data, ends)) => {
                let ends =
                    ends.and_then(|ms| u64::try_from(ms).ok()).map_or(Deadline::NEVER, Deadline::at_ms);
                compare(moving, data.as_bytes(), ends)
            }
        };
        Ok(Some(sessions.iter().map(look).collect()))
    }

    fn finish(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }
}
