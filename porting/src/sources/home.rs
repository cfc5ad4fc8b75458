//! A home of sessile's on a server.
//!
//! A home is made where it is first reached; so it is looked first whether there is one. (Not so behind Sentinels, in a
//! Cluster and where `sslrootcert` is named; what is then made is a key or a schema.) Whoever forgets the name of a package in front of a URL comes here.

use futures_util::StreamExt;
use sessile::Secret;
use sessile_backends::Sessions;

use super::store::moving;
use super::{PAGE, Page, Position, Source};
use crate::address::{Address, Format};
use crate::error::{Error, Result};
use crate::servers::home::Home;

pub(super) struct Remote {
    home: Home,
    sessions: Sessions,
}

impl Remote {
    pub fn open(address: Address, _: Option<&Position>) -> Result<Self> {
        exists(&address)?;
        let home = Home::connect(&address, None, false)?;
        let sessions = home.backend.iter();
        Ok(Self { home, sessions })
    }
}

/// Refuses a server on which there is no home of that name.
fn exists(address: &Address) -> Result<()> {
    let mut address = address.clone();
    let name =
        address.take_or(if address.format == Format::Postgres { "schema" } else { "prefix" }, "sessile");
    // What a home is told, and its server is not.
    for word in ["idle", "absolute", "timeout", "session_bytes_max", "keep_ids"] {
        address.take(word);
    }
    // This look believes the system's roots and no others.
    if address.take("sslrootcert").is_some() {
        return Ok(());
    }
    let is_there = match address.format {
        #[cfg(feature = "postgres")]
        Format::Postgres => {
            let mut postgres = crate::servers::postgres::Postgres::connect(&address)?;
            let found = postgres.client.query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&name]);
            found.map_err(|error| postgres.failed(&error))?.is_some()
        }
        #[cfg(feature = "redis")]
        Format::Redis if address.is_one_server() => {
            let mut redis = crate::servers::redis::Redis::connect(&address)?;
            let found = redis::cmd("EXISTS").arg(format!("{name}:secret")).query(&mut redis.connection);
            found.map_err(|error| redis.failed(&error))?
        }
        _ => true,
    };
    if is_there {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "there is no home of sessile's of that name on the {} server; the sessions of another store are named by its package, \
         as in connect-pg-simple:postgres://127.0.0.1/app or connect-redis:redis://127.0.0.1",
        address.format
    )))
}

impl Source for Remote {
    fn total(&mut self) -> Result<Option<u64>> {
        let Home { runtime, backend } = &self.home;
        runtime.block_on(backend.len()).map(Some).map_err(|error| self.home.failed(&error))
    }

    fn page(&mut self) -> Result<Page> {
        let mut page = Page::default();
        let next = self.home.runtime.block_on(self.sessions.by_ref().take(PAGE).collect::<Vec<_>>());
        for session in next {
            page.entries.push(Ok(moving(session.map_err(|error| self.home.failed(&error))?)));
        }
        page.last = page.entries.len() < PAGE;
        Ok(page)
    }

    fn secret(&self) -> Option<Secret> {
        Some(self.home.backend.secret())
    }
}
