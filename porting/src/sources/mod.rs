//! Where sessions come from: one file a kind of home, each read in pages.
//!
//! Invariants of every source:
//! 1. It changes nothing in what it reads.
//! 2. What is wrong with one session is a [`Why`], and the rest goes on; an [`Error`](crate::Error) ends it.
//! 3. A [`Position`] tells nothing of an id. Read on from it, every session comes that was there then, is still there,
//!    and had not come before.

mod folder;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod home;
mod lines;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
mod store;

use sessile::Secret;

use crate::address::{Address, Format};
#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "redis")))]
use crate::error::Error;
use crate::error::Result;
use crate::session::{Moving, Why};

/// How many sessions a page holds at most.
pub(crate) const PAGE: usize = 512;

/// A place in a source, to go on from.
pub type Position = String;

/// One entry of a source.
pub type Entry = std::result::Result<Moving, (String, Why)>;

/// Some entries of a source.
#[derive(Debug, Default)]
pub struct Page {
    /// Sessions, and what cannot go along: where it stands, and why not.
    pub entries: Vec<Entry>,
    /// Where to go on, for sources that can.
    pub position: Option<Position>,
    /// Whether it was the last.
    pub last: bool,
}

/// A home that sessions come from.
pub trait Source {
    /// About how many entries there are, where that is cheap to know.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    fn total(&mut self) -> Result<Option<u64>>;

    /// The next entries.
    ///
    /// # Errors
    /// The home cannot be read any further.
    fn page(&mut self) -> Result<Page>;

    /// The secret that its handles and subjects are digests under.
    fn secret(&self) -> Option<Secret> {
        None
    }

    /// How much later a session may seem to end at the second look, because the source says how long is left, and not until when.
    fn tolerance_ms(&self) -> u64 {
        0
    }

    /// Whether the values in its data are strings that hold JSON, as actix-session writes them.
    fn is_nested(&self) -> bool {
        false
    }
}

/// Opens a source, from this position on if it still means something there.
///
/// # Errors
/// The home cannot be reached, or is not what the address says.
pub fn open(address: &Address, from: Option<&Position>) -> Result<Box<dyn Source>> {
    Ok(match address.format {
        Format::Lines | Format::ConnectMongo => Box::new(lines::Lines::open(address, from)?),
        Format::SessionFileStore => Box::new(folder::Folder::open(address.clone(), from)?),
        Format::Store => Box::new(store::Held::open(address)?),
        Format::TowerSqlx if address.is_postgres() => postgres(address, from)?,
        Format::ConnectSqlite3 | Format::BetterSqlite3 | Format::TowerSqlx => sqlite(address, from)?,
        Format::ConnectPgSimple => postgres(address, from)?,
        Format::ConnectRedis | Format::Actix => redis(address, from)?,
        Format::Redis => redis_home(address, from)?,
        Format::Postgres => postgres_home(address, from)?,
    })
}

macro_rules! optional {
    ($name:ident, $feature:literal, $source:path) => {
        #[cfg(feature = $feature)]
        fn $name(address: &Address, from: Option<&Position>) -> Result<Box<dyn Source>> {
            Ok(Box::new(<$source>::open(address.clone(), from)?))
        }

        #[cfg(not(feature = $feature))]
        fn $name(address: &Address, _: Option<&Position>) -> Result<Box<dyn Source>> {
            Err(Error::LeftOut { format: address.format.name(), feature: $feature })
        }
    };
}
optional!(sqlite, "sqlite", sqlite::Table);
optional!(postgres, "postgres", postgres::Table);
optional!(redis, "redis", redis::Keys);
optional!(redis_home, "redis", home::Remote);
optional!(postgres_home, "postgres", home::Remote);
