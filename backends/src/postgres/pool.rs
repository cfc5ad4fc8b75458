//! The pool: connections to the database, and what becomes of a call when one breaks.
//!
//! Owns: connecting with TLS, within a time; telling a home that is away from one that says no. Invariants:
//! 1. Every call ends within the timeout, or the one that it is given, with an answer or an error. A connection that did not answer in time is given up: what it
//!    might still bring is nobody's answer; and the database is asked to stop.
//! 2. A statement is sent once. When the connection breaks under it nobody knows whether it was done, and the error says so.
//!    Only one that the database itself gave up to end a deadlock, which is as if it had never begun, is sent again.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool as Connections, PoolError, RecyclingMethod, Runtime,
};
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls;
use crate::error::{Error, Result};

/// How many connections are open at most.
const CONNECTIONS_MAX: usize = 16;
/// How often a statement is sent that ended in a deadlock.
const TRIES: u32 = 5;

/// A value for a statement, and its type; statements are not prepared, so that any pooler may stand in between.
pub(super) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// Connections to a database.
pub(super) struct Pool {
    connections: Connections,
    tls: MakeRustlsConnect,
    pub home: Arc<str>,
    pub timeout: Duration,
}

impl Pool {
    pub fn new(address: &str, timeout: Duration) -> Result<Self> {
        let (address, roots) = tls::settings(address)?;
        let mut config: Config = address.parse().map_err(|_| {
            Error::Address(
                "that is no address of a database; write postgres://user:password@host:5432/database".into(),
            )
        })?;
        config.connect_timeout(timeout);
        // A standby among several hosts shows sessions that have ended already, for as long as it is behind.
        if config.get_hosts().len() > 1 && !address.contains("target_session_attrs=") {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("sessile");
        }
        let home = name_of(&config).into();
        let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let tls = tls::connector(roots)?;
        let manager = Manager::from_config(config, tls.clone(), settings);
        let connections = Connections::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .recycle_timeout(Some(timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Address(error.to_string().into()))?;
        Ok(Self { connections, tls, home, timeout })
    }

    /// Sends a statement and waits for its rows.
    pub async fn rows(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        self.rows_within(self.timeout, statement, values).await
    }

    /// The same, of a statement that may take so long.
    pub async fn rows_within(
        &self,
        patience: Duration,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.rows_once(patience, statement, values).await {
                Err(Failed::Deadlock) if tries < TRIES => {}
                Err(failed) => return Err(failed.into_error(self)),
                Ok(rows) => return Ok(rows),
            }
        }
    }

    async fn rows_once(
        &self,
        patience: Duration,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failed> {
        let asked = async |client: &mut Object| client.query_typed(statement, values).await;
        let answered = self.within(patience, asked).await?;
        answered.map_err(|error| match error.code() {
            Some(code)
                if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(code) =>
            {
                Failed::Deadlock
            }
            _ => Failed::With(self.error(&error)),
        })
    }

    /// Lends a connection to `work`, and gives it up if that takes too long.
    pub async fn with<T>(&self, work: impl AsyncFnOnce(&mut Object) -> T) -> Result<T, Failed> {
        self.within(self.timeout, work).await
    }

    async fn within<T>(
        &self,
        patience: Duration,
        work: impl AsyncFnOnce(&mut Object) -> T,
    ) -> Result<T, Failed> {
        let begun = tokio::time::Instant::now();
        let pooled = tokio::time::timeout(self.timeout, self.connections.get()).await;
        let mut connection = match pooled {
            Ok(Ok(connection)) => connection,
            Ok(Err(PoolError::Backend(error))) => return Err(Failed::With(self.error(&error))),
            Ok(Err(PoolError::Timeout(_))) | Err(_) => return Err(Failed::With(self.timed_out())),
            Ok(Err(error)) => return Err(Failed::With(self.unreachable(&error))),
        };
        let left = patience.saturating_sub(begun.elapsed());
        match tokio::time::timeout(left, work(&mut connection)).await {
            Ok(done) => Ok(done),
            Err(_) => {
                self.stop(connection);
                Err(Failed::With(Error::TimedOut { home: Arc::clone(&self.home), after: patience }))
            }
        }
    }

    /// Asks the database to stop what nobody waits for: else it would hold a connection there for as long as a lock is held. The
    /// connection stays until then, so that nobody else's statement is meant.
    fn stop(&self, connection: Object) {
        let (token, tls, patience) = (connection.cancel_token(), self.tls.clone(), self.timeout);
        let given_up = Object::take(connection);
        tokio::spawn(async move {
            let _ = tokio::time::timeout(patience, token.cancel_query(tls)).await;
            drop(given_up);
        });
    }

    pub fn timed_out(&self) -> Error {
        Error::TimedOut { home: Arc::clone(&self.home), after: self.timeout }
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> Error {
        // The cause says what happened; what stands above it only that something did.
        let mut said = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            said = format!("{said}: {cause}");
            source = cause.source();
        }
        Error::Unreachable { home: Arc::clone(&self.home), source: said.into_boxed_str().into_error() }
    }

    /// What a failure is to the caller.
    pub fn error(&self, error: &tokio_postgres::Error) -> Error {
        let Some(said) = error.as_db_error() else { return self.unreachable(error) };
        let code = said.code().code();
        // The server is starting, stopping or gone: another try may find it.
        if code.starts_with("57P") || code.starts_with("08") {
            return self.unreachable(error);
        }
        if [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(said.code()) {
            return self.timed_out();
        }
        // Its message names things; values stand in its details, which are left out.
        Error::Refused { home: Arc::clone(&self.home), said: format!("{} ({code})", said.message()).into() }
    }

    /// Something in a row is not of the form that is asked for.
    pub fn damaged(&self, what: &str) -> Error {
        Error::Damaged { home: Arc::clone(&self.home), what: what.into() }
    }
}

/// How a statement failed.
pub(super) enum Failed {
    /// The database gave it up, so that another could go on.
    Deadlock,
    /// For good.
    With(Error),
}

impl Failed {
    pub fn into_error(self, pool: &Pool) -> Error {
        match self {
            Self::Deadlock => Error::Refused {
                home: Arc::clone(&pool.home),
                said: "it gave this statement up, several times, to end a deadlock".into(),
            },
            Self::With(error) => error,
        }
    }
}

trait IntoError {
    fn into_error(self) -> Arc<dyn std::error::Error + Send + Sync>;
}

impl IntoError for Box<str> {
    fn into_error(self) -> Arc<dyn std::error::Error + Send + Sync> {
        let boxed: Box<dyn std::error::Error + Send + Sync> = self.into_string().into();
        boxed.into()
    }
}

/// The database as it may be shown: hosts, ports, its name.
fn name_of(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(number, host)| {
        let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    let hosts: Vec<_> = hosts.collect();
    format!(
        "postgres://{}/{}",
        hosts.join(","),
        config.get_dbname().or(config.get_user()).unwrap_or_default()
    )
}
