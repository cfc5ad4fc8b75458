//! PostgreSQL: sessions in a database that many machines share, each a row. What was acknowledged is as durable there as
//! everything else.
//!
//! Owns: [`Postgres`], and the task that removes what has run out.
//!
//! Rooms: `pool` is the way there, `tls` makes it safe; `migrations` and `migration_1.sql` what stands there, and what the database
//! does in one step; `rows` what goes there and
//! comes back; `statements` the calls; `home` is the contract; `trial` what removes it all.

mod home;
mod migrations;
mod pool;
mod rows;
mod statements;
mod tls;
mod trial;

use std::sync::{Arc, Weak};
use std::time::Duration;

use sessile::{Handle, Secret};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::open::Open;
use crate::settings::Settings;
use migrations::Found;
use pool::Pool;

/// How often what has run out is removed, and for how long at a time.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_FOR: Duration = Duration::from_secs(5);

/// Sessions in a PostgreSQL database, from version 12 on.
#[derive(Clone)]
pub struct Postgres {
    schema: Arc<Schema>,
    open: Open,
}

/// One set of sessions.
struct Schema {
    pool: Arc<Pool>,
    name: String,
    secret: Secret,
    settings: Settings,
    clock: Clock,
    guard: Guard,
}

impl Postgres {
    /// Connects to a database, and makes the schema there if there is none. A task of the running tokio removes what has run out, once
    /// a minute, as long as a handle is held.
    ///
    /// # Errors
    /// `Address` for one that cannot be understood; `Unreachable`, `TimedOut`, `Refused`; `NewerFormat` for a schema of a newer
    /// release.
    pub async fn connect(address: &str, settings: Settings) -> Result<Self> {
        let pool = Arc::new(Pool::new(address, settings.timeout)?);
        let name = settings.namespace.clone().unwrap_or_else(|| "sessile".to_owned());
        Self::over(pool, name, settings).await
    }

    async fn over(pool: Arc<Pool>, name: String, settings: Settings) -> Result<Self> {
        check_schema(&name)?;
        let own = settings.secret.map_or_else(Secret::generate, Ok)?;
        let found = pool.with(async |client| migrations::migrate(client, &name, own).await).await;
        let found = found.map_err(|failed| failed.into_error(&pool))?.map_err(|error| pool.error(&error))?;
        let secret = match found {
            Found::Ready(secret) => <[u8; 32]>::try_from(secret).map(Secret::from_bytes),
            Found::Newer(found) => {
                let newest_known = migrations::newest();
                return Err(sessile::Error::NewerFormat { found, newest_known }.into());
            }
        };
        let secret = secret.map_err(|_| pool.damaged("the secret is not there"))?;
        if settings.secret.is_some_and(|wanted| wanted != secret) {
            return Err(Error::invalid(format!(
                "the sessions in the schema {name} have another secret; take another schema, or drop that one"
            )));
        }
        let schema = Arc::new(Schema {
            pool,
            name,
            secret,
            settings,
            clock: Clock::default(),
            guard: Guard::default(),
        });
        let open = Open::default();
        tokio::spawn(sweep(Arc::downgrade(&schema), open.clone()));
        Ok(Self { schema, open })
    }

    /// The home is open, and the one that it was.
    async fn enter(&self) -> Result<()> {
        self.open.check()?;
        self.schema.confirm().await
    }

    /// The handle of an id, if the home may be entered.
    async fn handle(&self, id: &[u8]) -> Result<Handle> {
        self.enter().await?;
        Ok(self.schema.secret.handle_of(id)?)
    }
}

/// Removes what has run out, now and then. That it failed matters to nobody: what has run out is not shown, and the next time comes.
async fn sweep(schema: Weak<Schema>, open: Open) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(schema) = schema.upgrade().filter(|_| !open.is_closed()) else { return };
        let _ = schema.sweep(SWEEP_FOR).await;
    }
}

/// Refuses a name that would have to be written in another way than it is read.
fn check_schema(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'$');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if begins && name.len() <= 63 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::invalid(
        "the name of a schema has 1 to 63 of the characters a to z, 0 to 9, _ and $, a letter first",
    ))
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Schema { pool, name, .. } = &*self.schema;
        out.debug_struct("Postgres").field("home", &pool.home).field("schema", name).finish_non_exhaustive()
    }
}
