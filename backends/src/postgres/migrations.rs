//! Migrations: what a schema must have, by number, each made once.
//!
//! Owns: the list, and the secret of a schema. A migration and the note that it was made are one transaction, under a lock that
//! all take who begin at the same moment. One that was made by a newer release is refused.

use sessile::Secret;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

/// In order; a released one is never changed.
const MIGRATIONS: [&str; 1] = [include_str!("migration_1.sql")];

/// What a schema was found to be.
pub(super) enum Found {
    /// As this release makes it, with this secret.
    Ready(Vec<u8>),
    /// A newer release's.
    Newer(u32),
}

/// Brings a schema to what this release makes of it. Without anything to do it asks for no right but to read.
pub(super) async fn migrate(
    client: &mut tokio_postgres::Client,
    schema: &str,
    secret: Secret,
) -> Result<Found, tokio_postgres::Error> {
    let newest = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if made(client, schema).await? < newest {
        let transaction = client.transaction().await?;
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        transaction.query_typed(lock, &[(&"sessile migrations", Type::TEXT)]).await?;
        let before = made(&transaction, schema).await?;
        if before == 0 {
            let begin = format!(
                "CREATE SCHEMA IF NOT EXISTS \"{schema}\";
                 CREATE TABLE \"{schema}\".migrations (number integer PRIMARY KEY, made timestamptz NOT NULL DEFAULT now());"
            );
            transaction.batch_execute(&begin).await?;
        }
        for (number, migration) in (1_u32..).zip(MIGRATIONS).filter(|(number, _)| *number > before) {
            transaction.batch_execute(&migration.replace("{schema}", &format!("\"{schema}\""))).await?;
            let note = format!("INSERT INTO \"{schema}\".migrations (number) VALUES ({number})");
            transaction.batch_execute(&note).await?;
        }
        let keep = format!("INSERT INTO \"{schema}\".home (secret) VALUES ($1) ON CONFLICT DO NOTHING");
        transaction.query_typed(&keep, &[(&secret.to_bytes().as_slice(), Type::BYTEA)]).await?;
        transaction.commit().await?;
    }
    let found = made(client, schema).await?;
    if found > newest {
        return Ok(Found::Newer(found));
    }
    let home = format!("SELECT secret FROM \"{schema}\".home");
    let rows = client.query_typed(&home, &[]).await?;
    let secret = rows.first().map(|row| row.try_get(0)).transpose()?;
    Ok(Found::Ready(secret.unwrap_or_default()))
}

/// The newest migration that a schema has.
async fn made(client: &impl GenericClient, schema: &str) -> Result<u32, tokio_postgres::Error> {
    // Not by `to_regclass`: that goes by what this connection remembers, and another may have made the table meanwhile.
    let exists =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'migrations')";
    let there = client.query_typed(exists, &[(&schema, Type::TEXT)]).await?;
    if !there.first().map_or(Ok(false), |row| row.try_get(0))? {
        return Ok(0);
    }
    let newest = format!("SELECT coalesce(max(number), 0) FROM \"{schema}\".migrations");
    let rows = client.query_typed(&newest, &[]).await?;
    let newest: i32 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    Ok(u32::try_from(newest).unwrap_or_default())
}

/// The newest that this release knows.
pub(super) fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}
