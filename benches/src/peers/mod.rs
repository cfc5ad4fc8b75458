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

pub use self::redis::Redis;
pub use self::sessile::{Sessile, options};

use connect_sqlite3::ConnectSqlite3;
use fjall::Fjall;
use keeps::{Keeps, Kept};
use lmdb::Lmdb;
use memory::{Dash, Forgetful, Sharded};
use redb::Redb;
use sqlite::Sqlite;

/// Opens a store in a directory, which may hold one already; `None` where the machine lacks what it needs.
pub type Open = fn(&Path) -> Option<Box<dyn Peer>>;

/// A store that can take part.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What it is chosen by on the command line.
    pub chosen_by: &'static str,
    /// What it is called in the tables.
    pub called: &'static str,
    /// See [`Open`].
    pub open: Open,
}

impl Known {
    /// Whether it is another one behind a queue.
    #[must_use]
    pub fn is_queue(&self) -> bool {
        self.chosen_by.ends_with("-group")
    }

    /// Whether it keeps nothing when the process ends.
    #[must_use]
    pub fn forgets(&self) -> bool {
        matches!(self.chosen_by, "hashmap" | "dashmap")
    }
}

/// Every peer, the one that goals are about first.
const PEERS: &[Known] = &[
    known("sessile", "sessile", |directory| Some(Box::new(Sessile::open(directory)))),
    known("sqlite", "SQLite", |directory| alone("SQLite", Sqlite::open(directory))),
    known("sqlite-group", "SQLite, grouped", |directory| grouped("SQLite, grouped", Sqlite::open(directory))),
    known("connect-sqlite3", "connect-sqlite3", |directory| {
        alone("connect-sqlite3", ConnectSqlite3::open(directory))
    }),
    known("redb", "redb", |directory| alone("redb", Redb::open(directory))),
    known("redb-group", "redb, grouped", |directory| grouped("redb, grouped", Redb::open(directory))),
    known("fjall", "fjall", |directory| alone("fjall", Fjall::open(directory))),
    known("fjall-group", "fjall, grouped", |directory| grouped("fjall, grouped", Fjall::open(directory))),
    known("lmdb", "LMDB", |directory| alone("LMDB", Lmdb::open(directory))),
    known("lmdb-group", "LMDB, grouped", |directory| grouped("LMDB, grouped", Lmdb::open(directory))),
    known("redis", "Redis", |directory| alone("Redis", Redis::start(directory)?)),
    known("hashmap", "HashMap", |_| alone("HashMap", Forgetful(Sharded::new()))),
    known("dashmap", "dashmap", |_| alone("dashmap", Forgetful(Dash::new()))),
];

const fn known(chosen_by: &'static str, called: &'static str, open: Open) -> Known {
    Known { chosen_by, called, open }
}

fn alone<K: Keeps + 'static>(name: &'static str, store: K) -> Option<Box<dyn Peer>> {
    Some(Box::new(Kept::alone(name, store)))
}

fn grouped<K: Keeps + 'static>(name: &'static str, store: K) -> Option<Box<dyn Peer>> {
    Some(Box::new(Kept::grouped(name, store)))
}

static FURTHER: OnceLock<Known> = OnceLock::new();

/// A peer from another package takes part too; the first one that asks.
pub fn add(peer: Known) {
    FURTHER.get_or_init(|| peer);
}

fn all() -> impl Iterator<Item = &'static Known> {
    PEERS.iter().chain(FURTHER.get())
}

/// What peers are called on the command line.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|known| known.chosen_by)
}

/// Whether there is a peer of this name.
#[must_use]
pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Those of these names, or all if there are none. The first of all always takes part.
pub fn chosen(wanted: &[String]) -> impl Iterator<Item = &'static Known> {
    let takes_part =
        |at: usize, name: &str| at == 0 || wanted.is_empty() || wanted.iter().any(|word| word == name);
    all().enumerate().filter(move |(at, known)| takes_part(*at, known.chosen_by)).map(|(_, known)| known)
}

/// Opens the peer of this name in a directory of its own under `directory`, which may hold its store already.
#[must_use]
pub fn open(name: &str, directory: &Path) -> Option<Box<dyn Peer>> {
    let directory = directory.join(name);
    std::fs::create_dir_all(&directory).expect("the directory can be made");
    all().find(|known| known.chosen_by == name).and_then(|known| (known.open)(&directory))
}
