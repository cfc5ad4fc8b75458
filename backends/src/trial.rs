//! Trials: a set of sessions of its own in a home that may be in use, weighed while it is there and removed at the end.
//!
//! Owns: [`Trial`] and [`Footprint`]. Invariants:
//! 1. Nothing is touched that was there before: a name that is taken is refused.
//! 2. [`Trial::end`] leaves nothing of the set behind, whatever the sessions in it have become.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sessile::{Options, Place, Secret};

use crate::address::Address;
use crate::backend::{Backend, check_name};
use crate::connect::strange_scheme;
use crate::embedded::Embedded;
use crate::error::{Error, Result};
use crate::memory::Memory;
#[cfg(feature = "postgres")]
use crate::postgres::Postgres;
#[cfg(feature = "redis")]
use crate::redis::Redis;

/// What a set of sessions takes, as far as its home can say. Where a server is shared, so are some of the figures: only what
/// changes while nobody else is there is the set's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Footprint {
    /// Bytes of memory: the engine's index, or all that the Redis servers have in use.
    pub memory: Option<u64>,
    /// Bytes of files: a directory's, or a table's with its indexes.
    pub disk: Option<u64>,
    /// Bytes among them that are indexes.
    pub indexes: Option<u64>,
    /// Bytes that the server has ever written to its log, or to what it replicates.
    pub logged: Option<u64>,
}

/// A set of sessions that is removed at the end.
///
/// ```
/// use sessile_backends::Trial;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let address = format!("sessile:{}", dir.path().display());
/// let trial = Trial::begin(&address, "trial").await?; // "sessile:./sessions"
/// trial.home().create(b"an id", "some data".into()).await?;
/// assert!(trial.footprint().await?.memory.is_some());
/// trial.end().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Trial {
    set: Set,
    home: Arc<dyn Backend>,
}

/// Where the set is.
#[derive(Debug)]
enum Set {
    Directory(Box<Embedded>, Directory),
    Memory,
    #[cfg(feature = "redis")]
    Redis(Redis),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

impl Trial {
    /// Makes the set `name` in the home at `address`: a directory in that of `sessile:`, keys with that prefix, a schema. The name
    /// has 1 to 32 of the characters `a` to `z`, `0` to `9` and `_`.
    ///
    /// # Errors
    /// `Occupied` when something of that name is there; else as connecting to the home.
    pub async fn begin(address: &str, name: &str) -> Result<Self> {
        check_name(name)?;
        let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
        // Two who begin at the same moment have two secrets, and one of them is refused.
        let secret = Secret::generate()?;
        let parsed = |namespace| -> Result<Address> {
            let Address { driver, settings } = Address::parse(address, namespace)?;
            Ok(Address { driver, settings: settings.namespace(name).secret(secret) })
        };
        match scheme {
            "sessile" => {
                let place = Place::parse(address)?;
                let directory = Directory::make(place.directory(), name)?;
                match Embedded::open(place.options(Options::new()), &directory.path).await {
                    Ok(home) => Ok(Self {
                        home: Arc::new(home.clone()),
                        set: Set::Directory(Box::new(home), directory),
                    }),
                    Err(error) => {
                        directory.remove()?;
                        Err(error)
                    }
                }
            }
            "memory" => Ok(Self { home: Arc::new(Memory::new(parsed("")?.settings)?), set: Set::Memory }),
            #[cfg(feature = "redis")]
            "redis" | "rediss" | "redis+unix" | "valkey" | "valkeys" | "valkey+unix" | "redis+sentinel"
            | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => {
                let Address { driver, settings } = parsed("prefix")?;
                let home = Redis::begin(&driver, settings).await?;
                Ok(Self { home: Arc::new(home.clone()), set: Set::Redis(home) })
            }
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let Address { driver, settings } = parsed("schema")?;
                let home = Postgres::begin(&driver, settings).await?;
                Ok(Self { home: Arc::new(home.clone()), set: Set::Postgres(home) })
            }
            _ => Err(strange_scheme()),
        }
    }

    /// The set, to be used.
    #[must_use]
    pub fn home(&self) -> &Arc<dyn Backend> {
        &self.home
    }

    /// What it takes now.
    ///
    /// # Errors
    /// Those of the way to the home.
    pub async fn footprint(&self) -> Result<Footprint> {
        match &self.set {
            Set::Directory(home, _) => {
                home.flush().await?;
                let stats = home.store().stats();
                let (memory, disk) = (Some(stats.memory_bytes), Some(stats.disk_bytes));
                Ok(Footprint { memory, disk, ..Footprint::default() })
            }
            Set::Memory => Ok(Footprint::default()),
            #[cfg(feature = "redis")]
            Set::Redis(home) => home.footprint().await,
            #[cfg(feature = "postgres")]
            Set::Postgres(home) => home.footprint().await,
        }
    }

    /// Removes the set with everything that is in it.
    ///
    /// # Errors
    /// Those of the way to the home; then some of it is left, under the name of the trial.
    pub async fn end(self) -> Result<()> {
        match self.set {
            Set::Directory(home, directory) => {
                home.close().await?;
                directory.remove()
            }
            Set::Memory => Ok(()),
            #[cfg(feature = "redis")]
            Set::Redis(home) => home.remove().await,
            #[cfg(feature = "postgres")]
            Set::Postgres(home) => home.remove().await,
        }
    }
}

/// A directory that nobody had made.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    /// That in which it is, if that was not there either.
    parent: Option<PathBuf>,
}

impl Directory {
    fn make(parent: &Path, name: &str) -> Result<Self> {
        let path = parent.join(name);
        let failed = |source| Error::from(failed("making", &path, source));
        let parent = match fs::create_dir(parent) {
            Ok(()) => Some(parent.to_owned()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
            Err(error) => return Err(failed(error)),
        };
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self { path, parent }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let home = format!("sessile:{}", path.display()).into();
                Err(Error::Occupied { home, what: format!("a directory {name}").into() })
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.path).map_err(|source| failed("removing", &self.path, source))?;
        if let Some(parent) = self.parent {
            // Somebody else may have put something there meanwhile.
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }
}

fn failed(doing: &str, path: &Path, source: std::io::Error) -> sessile::Error {
    sessile::Error::Io { doing: format!("{doing} {}", path.display()).into(), source: Arc::new(source) }
}
