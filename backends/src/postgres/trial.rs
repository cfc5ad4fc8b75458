//! A trial in a database: whether the schema is free, what its table takes, and its end.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::pool::Pool;
use super::{Postgres, check_schema};
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::trial::Footprint;

impl Postgres {
    /// Connects, if there is no such schema yet.
    pub(crate) async fn begin(address: &str, settings: Settings) -> Result<Self> {
        let pool = Arc::new(Pool::new(address, settings.timeout)?);
        let name = settings.namespace.clone().unwrap_or_default();
        check_schema(&name)?;
        let there = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1";
        if !pool.rows(there, &[(&name, Type::TEXT)]).await?.is_empty() {
            let what = format!("a schema {name}").into();
            return Err(Error::Occupied { home: Arc::clone(&pool.home), what });
        }
        Self::over(pool, name, settings).await
    }

    /// What the table takes, and how far the database's log has come.
    pub(crate) async fn footprint(&self) -> Result<Footprint> {
        let name = format!("\"{}\".sessions", self.schema.name);
        let figures =
            "SELECT pg_total_relation_size($1::text::regclass), pg_indexes_size($1::text::regclass),
            pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
        let rows = self.schema.pool.rows(figures, &[(&name, Type::TEXT)]).await?;
        let figure = |at: usize| {
            let figure = rows.first().and_then(|row| row.try_get::<_, i64>(at).ok());
            figure.and_then(|figure| u64::try_from(figure).ok())
        };
        Ok(Footprint { disk: figure(0), indexes: figure(1), logged: figure(2), ..Footprint::default() })
    }

    /// Closes, and removes the schema with all that is in it.
    pub(crate) async fn remove(&self) -> Result<()> {
        self.open.close();
        let statement = format!("DROP SCHEMA \"{}\" CASCADE", self.schema.name);
        self.schema.pool.rows(&statement, &[]).await.map(drop)
    }
}
