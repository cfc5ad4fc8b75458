//! The stores that are compared.

mod connect_sqlite3;
mod every_second;
mod fjall;
mod group;
pub mod keeps;
mod lmdb;
mod memory;
mod redb;
mod redis;
mod sessile;
mod sqlite;

use std::path::Path;
use std::sync::OnceLock;

use crate::peer::Peer;

pub use self::sessile::options;

use self::redis::Redis;
use connect_sqlite3::ConnectSqlite3;
use fjall::Fjall;
use keeps::{Keeps, Kept};
use lmdb::Lmdb;
use memory::{Dash, Forgetful, Sharded};
use redb::Redb;
use sessile::Sessile;
use sqlite::Sqlite;

/// Opens a store in a directory, which may hold one already; `None` where the machine lacks what it needs.
pub type Open = fn(&Path) -> Option<Box<dyn Peer>>;

/// Every peer by its name on the command line, the one that goals are about first.
const PEERS: &[(&str, Open)] = &[
    ("sessile", |directory| Some(Box::new(Sessile::open(directory)))),
    ("sqlite", |directory| alone("SQLite", Sqlite::open(directory))),
    ("sqlite-group", |directory| grouped("SQLite, grouped", Sqlite::open(directory))),
    ("connect-sqlite3", |directory| alone("connect-sqlite3", ConnectSqlite3::open(directory))),
    ("redb", |directory| alone("redb", Redb::open(directory))),
    ("redb-group", |directory| grouped("redb, grouped", Redb::open(directory))),
    ("fjall", |directory| alone("fjall", Fjall::open(directory))),
    ("fjall-group", |directory| grouped("fjall, grouped", Fjall::open(directory))),
    ("lmdb", |directory| alone("LMDB", Lmdb::open(directory))),
    ("lmdb-group", |directory| grouped("LMDB, grouped", Lmdb::open(directory))),
    ("redis", |directory| alone("Redis", Redis::start(directory)?)),
    ("hashmap", |_| alone("HashMap", Forgetful(Sharded::new()))),
    ("dashmap", |_| alone("dashmap", Forgetful(Dash::new()))),
];

fn alone<K: Keeps + 'static>(name: &'static str, store: K) -> Option<Box<dyn Peer>> {
    Some(Box::new(Kept::alone(name, store)))
}

fn grouped<K: Keeps + 'static>(name: &'static str, store: K) -> Option<Box<dyn Peer>> {
    Some(Box::new(Kept::grouped(name, store)))
}

static FURTHER: OnceLock<(&str, Open)> = OnceLock::new();

/// A peer from another package takes part too; the first one that asks.
pub fn add(name: &'static str, open: Open) {
    FURTHER.get_or_init(|| (name, open));
}

fn known() -> impl Iterator<Item = &'static (&'static str, Open)> {
    PEERS.iter().chain(FURTHER.get())
}

/// What peers are called on the command line.
pub fn names() -> impl Iterator<Item = &'static str> {
    known().map(|(name, _)| *name)
}

/// Whether there is a peer of this name.
#[must_use]
pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// The names among `wanted`, or all if there are none. The first of all always takes part.
pub fn chosen(wanted: &[String]) -> impl Iterator<Item = &'static str> {
    let takes_part =
        |at: usize, name: &str| at == 0 || wanted.is_empty() || wanted.iter().any(|word| word == name);
    names().enumerate().filter(move |(at, name)| takes_part(*at, name)).map(|(_, name)| name)
}

/// Opens the peer of this name in a directory of its own under `directory`, which may hold its store already.
#[must_use]
pub fn open(name: &str, directory: &Path) -> Option<Box<dyn Peer>> {
    let directory = directory.join(name);
    std::fs::create_dir_all(&directory).expect("the directory can be made");
    known().find(|(known, _)| *known == name).and_then(|(_, open)| open(&directory))
}
