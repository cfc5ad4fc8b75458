//! Choosing a home by its address.
//!
//! Owns: which scheme is which home. A home that cannot be reached is an error, and no other is taken in its place.

use std::sync::Arc;

use sessile::{Options, Place};

use crate::address::Address;
use crate::backend::Backend;
use crate::embedded::Embedded;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::settings::Settings;

/// The variable of the environment that says where sessions are kept.
const VARIABLE: &str = "SESSION_STORE";

/// Opens, or connects to, the home at an address:
///
/// | address | home |
/// |---|---|
/// | `sessile:./sessions` | a directory; [`Place`] tells its settings |
/// | `redis://user:password@host:6379/0`, `rediss://…` with TLS, `redis+unix:///path/to/socket` | a Redis or Valkey server |
/// | `redis+sentinel://user:password@host:26379,host:26379/name/0`, `rediss+sentinel://…` | the server that Sentinels say it is |
/// | `redis+cluster://user:password@host:6379,host:6379`, `rediss+cluster://…` | a Cluster |
/// | `postgres://user:password@host:5432/database`, `postgresql://…` | a PostgreSQL database |
/// | `memory:` | this process, until it ends |
///
/// All but the first take the settings `idle`, `absolute`, `timeout` (times: `250ms`, `30s`, `15m`, `12h`, `14d`), `session_bytes_max`
/// (`64KiB`) and `keep_ids`; servers `prefix` or `schema`, under which the sessions are kept. PostgreSQL's own are those of its
/// [driver](https://docs.rs/tokio-postgres/latest/tokio_postgres/config/struct.Config.html); with any `sslmode` that asks for TLS the
/// certificate is checked, and of several hosts the one that takes writes is chosen. `sslrootcert` names a file, in PEM, with the roots that are believed in place of the system's, of PostgreSQL
/// and of Redis by TLS.
///
/// ```
/// use sessile_backends::connect;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let address = format!("sessile:{}/sessions?idle=30m", dir.path().display());
/// let home = connect(&address).await?; // "sessile:./sessions?idle=30m"
/// home.create(b"an id", "some data".into()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Address` for one that cannot be understood, and those of the home: a directory's, or `Unreachable`, `TimedOut`, `Refused`.
pub async fn connect(address: &str) -> Result<Arc<dyn Backend>> {
    connect_with(address, |settings| settings).await
}

/// [`connect`] with what a program has to say beyond the address: the secret of a home that this one is to know the sessions of, or
/// that ids are kept. Of a directory's settings, which are [`Options`], it can say these two.
///
/// ```
/// use sessile_backends::{Backend, Memory, Settings, connect_with};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let address = format!("sessile:{}", dir.path().display());
/// # let old = Memory::new(Settings::new())?;
/// let new = connect_with(&address, |settings| settings.secret(old.secret())).await?;
/// assert!(new.secret() == old.secret());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`connect`]; `Invalid` where a home is there with another secret.
pub async fn connect_with(address: &str, say: impl FnOnce(Settings) -> Settings) -> Result<Arc<dyn Backend>> {
    let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sessile" => {
            let place = Place::parse(address)?;
            let said = say(Settings::new());
            let mut options = place.options(Options::new().keep_ids(said.keep_ids));
            if let Some(secret) = said.secret {
                options = options.secret(secret);
            }
            Ok(Arc::new(Embedded::open(options, place.directory()).await?))
        }
        "memory" => {
            let Address { driver, settings } = Address::parse(address, "")?;
            if driver != "memory:" {
                return Err(Error::Address(
                    "behind memory: stand settings or nothing, as in memory:?idle=30m".into(),
                ));
            }
            Ok(Arc::new(Memory::new(say(settings))?))
        }
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis+unix" | "valkey" | "valkeys" | "valkey+unix" | "redis+sentinel"
        | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => {
            let Address { driver, settings } = Address::parse(address, "prefix")?;
            Ok(Arc::new(crate::redis::Redis::connect(&driver, say(settings)).await?))
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            let Address { driver, settings } = Address::parse(address, "schema")?;
            Ok(Arc::new(crate::postgres::Postgres::connect(&driver, say(settings)).await?))
        }
        _ => Err(strange_scheme()),
    }
}

/// An address of no home that this build can open.
pub(crate) fn strange_scheme() -> Error {
    let schemes = SCHEMES.join(", ");
    Error::Address(format!("the address of a home for sessions begins with one of {schemes}").into())
}

/// What this build can open.
const SCHEMES: &[&str] = &[
    "sessile:",
    #[cfg(feature = "redis")]
    "redis:, rediss:, redis+unix:, redis+sentinel:, rediss+sentinel:, redis+cluster:, rediss+cluster:, valkey:, valkeys:",
    #[cfg(feature = "postgres")]
    "postgres:, postgresql:",
    "memory:",
];

/// The home whose address stands in the variable `SESSION_STORE` of the environment; `None` where there is none or it is empty.
///
/// ```
/// use sessile_backends::{connect, connect_from_env};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let default = format!("sessile:{}", dir.path().display());
/// let home = match connect_from_env().await? {
///     Some(home) => home,
///     None => connect(&default).await?, // "sessile:./sessions"
/// };
/// # let _ = home;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`connect`].
pub async fn connect_from_env() -> Result<Option<Arc<dyn Backend>>> {
    match std::env::var(VARIABLE) {
        Ok(address) if !address.is_empty() => {
            connect(&address).await.map(Some).map_err(|error| match error {
                Error::Address(what) => {
                    Error::Address(format!("{VARIABLE} in the environment: {what}").into())
                }
                error => error,
            })
        }
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::Address(
            format!("{VARIABLE} in the environment is not text; write bytes as %2F").into(),
        )),
    }
}
