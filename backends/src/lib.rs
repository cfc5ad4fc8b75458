//! One contract, several homes: the sessions of a server in a directory beside it ([`Embedded`]), on a Redis or Valkey server or
//! Cluster, in a PostgreSQL database, or in memory while it is being developed ([`Memory`]); with the same meaning of each call, and
//! chosen by an address.
//!
//! ```
//! use sessile::Write;
//! use sessile_backends::connect;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let address = format!("sessile:{}", dir.path().display());
//! let sessions = connect(&address).await?; // "sessile:./sessions", "redis://host", "postgres://host/database"
//! sessions.create(b"an id", Write::new("cart: 3 apples").subject("alice")).await?;
//! assert_eq!(sessions.destroy_subject(b"alice", None).await?, 1);
//! # Ok(())
//! # }
//! ```
//!
//! What a call means stands at [`sessile::Store`] and is the same in every home; what a home cannot promise, its
//! [`Capabilities`] say. A home that cannot be reached is an error, never a reason to go on in memory.
//!
//! Rooms: [`backend`] is the contract, [`error`] and [`capabilities`] are what comes with it; `connect` chooses a home by its
//! `address`; `terms` decides which deadlines a write comes to; `open` says whether a home still is, `clock` and `guard` keep a home on a server from doing what nobody waits
//! for, and from being taken for another; `roots` says whose certificates are believed; each home has a room of its own; `moving` is the way from one to
//! another, `adapting` what a framework's adapter asks for, `trial` a set of sessions that is removed again.

pub mod adapting;
mod address;
pub mod backend;
pub mod capabilities;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod clock;
mod connect;
mod embedded;
pub mod error;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod guard;
mod memory;
mod moving;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod roots;
mod settings;
mod terms;
mod trial;

pub use backend::{Backend, Maintained, Sessions};
pub use capabilities::{Capabilities, Counting, Failover, Survives};
pub use connect::{connect, connect_from_env, connect_with};
pub use embedded::Embedded;
pub use error::{Error, Result};
pub use memory::Memory;
pub use moving::{Left, Moving, Progress, Wanted};
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use settings::Settings;
pub use trial::{Footprint, Trial};
