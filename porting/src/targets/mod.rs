//! Where sessions go: one file a kind of home.
//!
//! Invariants of every target:
//! 1. A session that is there already is left as it is.
//! 2. None ends later than it would have.
//! 3. After `settle`, what was put is as durable as the home makes it.

mod adopting;
mod arrivals;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod home;
mod lines;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

use sessile::{Deadline, Secret};

use crate::address::{Address, Format};
use crate::error::{Error, Result};
use crate::session::{Moving, Why};

/// What became of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is there.
    Written,
    /// It was there before.
    AlreadyThere,
    /// It has run out on the way.
    Expired,
    /// The home does not take it.
    Refused(Why),
}

/// What there is of a session in a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The same, to the moment at which it ends.
    Same,
    /// None.
    Missing,
    /// None any more.
    Ended,
    /// One with other data.
    Different,
    /// One that ends later.
    Longer,
}

/// Which digests a home can make use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// Those under its own secret.
    Under(Secret),
    /// All: it notes what they are digests under.
    Any,
    /// None: it wants the ids themselves, and knows no subjects.
    None,
}

/// A home that sessions go to.
pub trait Target {
    /// Which digests it can make use of.
    fn digests(&self) -> Digests;

    /// Puts sessions there: one outcome each, in their order.
    ///
    /// # Errors
    /// The home takes nothing more.
    fn put(&mut self, sessions: &[&Moving]) -> Result<Vec<Put>>;

    /// Waits until what was put is durable.
    ///
    /// # Errors
    /// It is not.
    fn settle(&mut self) -> Result<()>;

    /// Looks what there is of sessions: one answer each, in their order. `None` where the home cannot be looked into.
    ///
    /// # Errors
    /// The home cannot be read.
    fn look(&mut self, sessions: &[&Moving]) -> Result<Option<Vec<Look>>>;

    /// Ends the move: closes, and where [`look`](Self::look) gives nothing, checks what was written, and counts it.
    ///
    /// # Errors
    /// What was written is not as it should be.
    fn finish(&mut self) -> Result<Option<u64>>;
}

/// How a target is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aim {
    /// Nothing is written.
    pub dry_run: bool,
    /// Goes to a home in which there may be sessions.
    pub again: bool,
    /// Ids are kept in a store that is created.
    pub keep_ids: bool,
    /// What the digests of the source are digests under.
    pub secret: Option<Secret>,
}

/// Opens a target.
///
/// # Errors
/// The home cannot be reached or must not be written to.
pub fn open(address: &Address, aim: Aim) -> Result<Box<dyn Target>> {
    Ok(match address.format {
        Format::Store => Box::new(store::Embedded::open(address, aim)?),
        Format::Lines => Box::new(lines::Lines::open(address, aim)?),
        Format::ConnectRedis => redis(address, aim)?,
        Format::Redis => redis_home(address, aim)?,
        Format::Postgres => postgres_home(address, aim)?,
        Format::ConnectPgSimple => postgres(address, aim)?,
        Format::ConnectSqlite3 | Format::BetterSqlite3 => sqlite(address, aim)?,
        format => {
            return Err(Error::Unfit(format!("sessions can be read from {format} and not written to it")));
        }
    })
}

macro_rules! optional {
    ($name:ident, $feature:literal, $target:path) => {
        #[cfg(feature = $feature)]
        fn $name(address: &Address, aim: Aim) -> Result<Box<dyn Target>> {
            Ok(Box::new(<$target>::open(address.clone(), aim)?))
        }

        #[cfg(not(feature = $feature))]
        fn $name(address: &Address, _: Aim) -> Result<Box<dyn Target>> {
            Err(Error::LeftOut { format: address.format.name(), feature: $feature })
        }
    };
}
optional!(sqlite, "sqlite", sqlite::Table);
optional!(postgres, "postgres", postgres::Table);
optional!(redis, "redis", redis::Keys);
optional!(redis_home, "redis", home::Remote);
optional!(postgres_home, "postgres", home::Remote);

/// Compares what is there with what should be.
pub(crate) fn compare(moving: &Moving, data: &[u8], deadline: Deadline) -> Look {
    if deadline > moving.deadline.min(moving.absolute) {
        Look::Longer
    } else if data == moving.data {
        Look::Same
    } else {
        Look::Different
    }
}
