//! Redis or Valkey: sessions on a server that many machines share, each a hash that the server removes at its deadline.
//!
//! Owns: [`Redis`], and the secret that is kept on the server. From version 6.2 on.
//!
//! Rooms: `way` is what an address means, `link` the connection; `script` and `lua/` what the server does in one step; `keys` the names there; `asked` and
//! `reply` what goes there and comes back; `sessions`, `rotating`, `subjects`, `walking` the calls; `home` the contract;
//! `trial` what removes it all.

mod asked;
mod home;
mod keys;
mod link;
mod reply;
mod rotating;
mod script;
mod sessions;
mod subjects;
mod trial;
mod walking;
mod way;

use std::sync::Arc;

use ::redis::Value;
use sessile::{Handle, Secret};

use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::open::Open;
use crate::settings::Settings;
use keys::{Keys, check_prefix};
use link::Link;
use sessions::Remote;

/// Sessions on a Redis or Valkey server.
#[derive(Clone)]
pub struct Redis {
    remote: Arc<Remote>,
    open: Open,
}

impl Redis {
    /// Connects to a server, to whichever Sentinels say it is, or to a Cluster:
    ///
    /// * `redis://user:password@host:6379/0`, `redis+unix:///path/to/socket`
    /// * `redis+sentinel://user:password@host:26379,host:26379/name/0`: user and password are the server's
    /// * `redis+cluster://user:password@host:6379,host:6379`: some of its nodes
    ///
    /// With `rediss` in place of `redis`, by TLS: the server's certificate is checked by the system's roots, or those of the file that
    /// the setting `sslrootcert` names.
    ///
    /// # Errors
    /// `Address` for one that cannot be understood; `Unreachable`, `TimedOut`, `Refused`.
    pub async fn connect(address: &str, settings: Settings) -> Result<Self> {
        let link = Self::link(address, &settings)?;
        let prefix = settings.namespace.clone().unwrap_or_else(|| "sessile".to_owned());
        Self::over(link, &prefix, settings).await
    }

    fn link(address: &str, settings: &Settings) -> Result<Arc<Link>> {
        let (way, shown) = (way::to(address, settings.timeout)?, way::shown(address).into());
        Ok(Arc::new(Link::new(way, shown, settings.timeout)))
    }

    /// A set of sessions whose keys have this prefix. The secret is the one that stands there, or else the one of the settings, or
    /// else a new one.
    async fn over(link: Arc<Link>, prefix: &str, settings: Settings) -> Result<Self> {
        check_prefix(prefix)?;
        let own = settings.secret.map_or_else(Secret::generate, Ok)?;
        let key = Keys::secret_of(prefix);
        let mut make = ::redis::cmd("SET");
        make.arg(&key).arg(own.to_bytes().as_slice()).arg("NX");
        link.send(&make).await?;
        let damaged = |what: &str| Error::Damaged { home: Arc::clone(&link.home), what: what.into() };
        let secret = match link.send(::redis::cmd("GET").arg(&key)).await? {
            Value::BulkString(bytes) => <[u8; 32]>::try_from(bytes.as_ref()).ok().map(Secret::from_bytes),
            _ => None,
        };
        let secret = secret.ok_or_else(|| damaged("the secret is not 32 bytes"))?;
        if settings.secret.is_some_and(|wanted| wanted != secret) {
            return Err(Error::invalid(format!(
                "the sessions with the prefix {prefix} have another secret; take another prefix, or remove them"
            )));
        }
        let keys = Keys::new(prefix.to_owned(), secret)?;
        let remote = Arc::new(Remote { link, keys, settings, guard: Guard::default() });
        Ok(Self { remote, open: Open::default() })
    }

    /// The home is open, and the one that it was.
    async fn enter(&self) -> Result<()> {
        self.open.check()?;
        self.remote.confirm().await
    }

    /// The handle of an id, if the home may be entered.
    async fn handle(&self, id: &[u8]) -> Result<Handle> {
        self.enter().await?;
        self.remote.keys.handle(id)
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Remote { link, keys, .. } = &*self.remote;
        out.debug_struct("Redis")
            .field("home", &link.home)
            .field("prefix", &keys.prefix)
            .finish_non_exhaustive()
    }
}
