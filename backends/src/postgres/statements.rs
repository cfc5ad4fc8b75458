//! Statements: what is asked of the database, and what becomes of its answer.
//!
//! Owns: the statements, each one call. What the functions in them do stands in the migrations. Invariant: a write that was not
//! answered in time is not done later: it carries until when its caller waits.

use std::sync::Arc;
use std::time::Duration;

use sessile::{Handle, Session, Unknown, Version};
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Schema;
use super::pool::Value;
use super::rows::{ASK, Asked, COLUMNS, session, signed};
use crate::backend::{Maintained, unknown};
use crate::error::{Error, Result};

/// How many sessions are fetched at a time, and removed.
const PAGE: i64 = 500;
const SWEPT_AT_A_TIME: i32 = 1000;
/// How long ending all sessions may take: a table that cannot be emptied in the time of a request must be all the same.
const CLEARING: Duration = Duration::from_secs(600);

/// What must be there for a write to happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expect {
    Absent,
    Present,
    Anything,
    At(Version),
    /// Nothing: the session comes from elsewhere.
    Adopt,
}

impl Schema {
    /// A statement with the schema in place of `{schema}`.
    pub async fn rows(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        self.pool.rows(&self.of_this(statement), values).await
    }

    fn of_this(&self, statement: &str) -> String {
        statement.replace("{schema}", &format!("\"{}\"", self.name))
    }

    /// One number that a statement answers with.
    pub async fn number(&self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        self.number_in(&self.rows(statement, values).await?)
    }

    /// Ends all sessions in one statement, which takes as long as there are many.
    pub async fn clear(&self) -> Result<u64> {
        let statement = "WITH gone AS (DELETE FROM {schema}.sessions RETURNING deadline)
            SELECT count(*) FROM gone WHERE deadline > {schema}.now_ms()";
        let patience = CLEARING.max(self.pool.timeout);
        self.number_in(&self.pool.rows_within(patience, &self.of_this(statement), &[]).await?)
    }

    fn number_in(&self, rows: &[Row]) -> Result<u64> {
        let number = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
        number.and_then(|number| u64::try_from(number).ok()).ok_or_else(|| self.strange())
    }

    pub fn strange(&self) -> Error {
        self.pool.damaged(
            "a statement was answered in a form that none of ours has; see who has changed the schema",
        )
    }

    /// The secret is the one that this process goes by; looked at again if it was not for a while.
    pub async fn confirm(&self) -> Result<()> {
        if self.guard.is_due() { self.look().await } else { Ok(()) }
    }

    /// Looks whether the secret in the schema is still ours. Where there is none, ours goes back before anybody makes another.
    pub async fn look(&self) -> Result<()> {
        let (since, own) = (Instant::now(), self.secret.to_bytes());
        let read = "SELECT secret FROM {schema}.home";
        let mut there = self.rows(read, &[]).await?;
        if there.is_empty() {
            let put = "INSERT INTO {schema}.home (secret) VALUES ($1) ON CONFLICT DO NOTHING";
            self.rows(put, &[(&own.as_slice(), Type::BYTEA)]).await?;
            there = self.rows(read, &[]).await?;
        }
        if there.first().and_then(|row| row.try_get::<_, &[u8]>(0).ok()) != Some(own.as_slice()) {
            return Err(Error::Replaced { home: Arc::clone(&self.pool.home) });
        }
        self.guard.saw(since);
        Ok(())
    }

    /// Sends a write, which takes until when its caller waits as its last value: then it has been done, or never is.
    pub async fn write(&self, statement: &str, values: &[Value<'_>]) -> Result<Version> {
        let until = Instant::now() + self.pool.timeout;
        loop {
            let latest = signed(self.clock.at(until));
            let last: Value<'_> = (&latest, Type::INT8);
            let values: Vec<_> = values.iter().cloned().chain([last]).collect();
            if let Some(version) = self.outcome(&self.rows(statement, &values).await?)? {
                return Ok(version);
            }
            if Instant::now() >= until {
                return Err(self.pool.timed_out());
            }
        }
    }

    /// What became of a write; nothing of one that came too late to be done.
    fn outcome(&self, rows: &[Row]) -> Result<Option<Version>> {
        let row = rows.first().ok_or_else(|| self.strange())?;
        let outcome: &str = row.try_get(0).map_err(|_| self.strange())?;
        let version = row.try_get::<_, Option<i64>>(1).map_err(|_| self.strange())?;
        let version =
            Version::from_u64(version.and_then(|number| u64::try_from(number).ok()).unwrap_or_default());
        match outcome {
            "ok" => Ok(Some(version)),
            "late" => {
                self.clock.hear(version.as_u64());
                Ok(None)
            }
            "unknown" => Err(unknown()),
            "duplicate" => Err(sessile::Error::Duplicate.into()),
            "conflict" => Err(sessile::Error::Conflict { current: version }.into()),
            "expired" => Err(sessile::Error::Unknown(Unknown::Expired).into()),
            _ => Err(self.strange()),
        }
    }

    pub async fn put(
        &self,
        handle: Handle,
        expect: Expect,
        asked: &Asked,
        data: &[u8],
        (id, times): (&[u8], Option<(u64, u64)>),
    ) -> Result<Version> {
        let handle = handle.to_bytes();
        let (word, version) = match expect {
            Expect::Absent => ("absent", 0),
            Expect::Present => ("present", 0),
            Expect::Anything => ("any", 0),
            Expect::At(version) => ("at", signed(version.as_u64())),
            Expect::Adopt => ("adopt", 0),
        };
        let (handle, id) = (handle.as_slice(), Some(id).filter(|id| !id.is_empty()));
        let (created, used) = (times.map(|times| signed(times.0)), times.map(|times| signed(times.1)));
        let statement = format!(
            "SELECT outcome, its_version FROM {{schema}}.put($11, $12, $13, {ASK}::{{schema}}.ask, $9, $10, $14, $15, $16, $17, $18)"
        );
        let mut values = asked.values();
        values.extend::<[Value<'_>; 7]>([
            (&handle, Type::BYTEA),
            (&word, Type::TEXT),
            (&version, Type::INT8),
            (&id, Type::BYTEA),
            (&data, Type::BYTEA),
            (&created, Type::INT8),
            (&used, Type::INT8),
        ]);
        self.write(&statement, &values).await
    }

    /// The session in a row, or damage.
    fn session(&self, row: &Row) -> Result<Session> {
        session(row).ok_or_else(|| self.strange())
    }

    pub async fn get(&self, handle: Handle) -> Result<Option<Session>> {
        let handle = handle.to_bytes();
        let statement = format!(
            "SELECT {COLUMNS} FROM {{schema}}.sessions WHERE handle = $1 AND deadline > {{schema}}.now_ms()"
        );
        let rows = self.rows(&statement, &[(&handle.as_slice(), Type::BYTEA)]).await?;
        rows.first().map(|row| self.session(row)).transpose()
    }

    pub async fn destroy(&self, handle: Handle) -> Result<bool> {
        let handle = handle.to_bytes();
        let statement =
            "DELETE FROM {schema}.sessions WHERE handle = $1 RETURNING deadline > {schema}.now_ms()";
        let rows = self.rows(statement, &[(&handle.as_slice(), Type::BYTEA)]).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(|_| self.strange())
    }

    /// The sessions behind a handle, so many at most.
    pub async fn page(&self, after: Vec<u8>) -> Result<Vec<Session>> {
        let statement = format!(
            "SELECT {COLUMNS} FROM {{schema}}.sessions WHERE handle > $1 AND deadline > {{schema}}.now_ms() ORDER BY handle LIMIT $2"
        );
        let rows = self.rows(&statement, &[(&after.as_slice(), Type::BYTEA), (&PAGE, Type::INT8)]).await?;
        rows.iter().map(|row| self.session(row)).collect()
    }

    pub async fn sessions_of(&self, subject: &[u8]) -> Result<Vec<Session>> {
        let subject = self.secret.subject_digest(subject)?.to_bytes();
        let statement = format!(
            "SELECT {COLUMNS} FROM {{schema}}.sessions WHERE subject = $1 AND deadline > {{schema}}.now_ms()"
        );
        let rows = self.rows(&statement, &[(&subject.as_slice(), Type::BYTEA)]).await?;
        rows.iter().map(|row| self.session(row)).collect()
    }

    /// Removes what has run out, for about so long.
    pub async fn sweep(&self, budget: Duration) -> Result<Maintained> {
        let begun = Instant::now();
        let mut maintained = Maintained::default();
        loop {
            let swept = self.number("SELECT {schema}.sweep($1)", &[(&SWEPT_AT_A_TIME, Type::INT4)]).await?;
            maintained.expired += swept;
            maintained.more = swept >= SWEPT_AT_A_TIME.unsigned_abs().into();
            if !maintained.more || begun.elapsed() >= budget {
                return Ok(maintained);
            }
        }
    }
}
