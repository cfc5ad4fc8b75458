//! The stores that are compared.

mod every_second;
mod fjall;
mod group;
mod keeps;
mod lmdb;
mod memory;
mod redb;
mod redis;
mod sessile;
mod sqlite;

use std::path::Path;

use crate::peer::Peer;

pub use self::sessile::options;

use keeps::Kept;

type Open = fn(&Path) -> Option<Box<dyn Peer>>;

/// Every peer by its name on the command line, the one that goals are about first.
const PEERS: &[(&str, Open)] = &[
    ("sessile", |directory| Some(Box::new(sessile::Sessile::open(directory)))),
    ("sqlite", |directory| Some(Box::new(Kept::alone("SQLite", sqlite::Sqlite::create(directory))))),
    ("sqlite-group", |directory| {
        Some(Box::new(Kept::grouped("SQLite, grouped", sqlite::Sqlite::create(directory))))
    }),
    ("redb", |directory| Some(Box::new(Kept::alone("redb", redb::Redb::create(directory))))),
    ("redb-group", |directory| Some(Box::new(Kept::grouped("redb, grouped", redb::Redb::create(directory))))),
    ("fjall", |directory| Some(Box::new(Kept::alone("fjall", fjall::Fjall::create(directory))))),
    ("fjall-group", |directory| {
        Some(Box::new(Kept::grouped("fjall, grouped", fjall::Fjall::create(directory))))
    }),
    ("lmdb", |directory| Some(Box::new(Kept::alone("LMDB", lmdb::Lmdb::create(directory))))),
    ("lmdb-group", |directory| Some(Box::new(Kept::grouped("LMDB, grouped", lmdb::Lmdb::create(directory))))),
    ("redis", |directory| Some(Box::new(Kept::alone("Redis", redis::Redis::start(directory)?)))),
    ("hashmap", |_| Some(Box::new(Kept::alone("HashMap", memory::Forgetful(memory::Sharded::new()))))),
    ("dashmap", |_| Some(Box::new(Kept::alone("dashmap", memory::Forgetful(memory::Dash::new()))))),
];

/// What peers are called on the command line.
pub fn names() -> impl Iterator<Item = &'static str> {
    PEERS.iter().map(|(name, _)| *name)
}

/// Whether there is a peer of this name.
#[must_use]
pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Opens the peers of these names, or all if there are none, each in a directory of its own. The first always takes part.
#[must_use]
pub fn open(directory: &Path, wanted: &[String]) -> Vec<Box<dyn Peer>> {
    let takes_part =
        |at: usize, name: &str| at == 0 || wanted.is_empty() || wanted.iter().any(|word| word == name);
    let chosen = PEERS.iter().enumerate().filter(|(at, (name, _))| takes_part(*at, name));
    chosen
        .filter_map(|(_, (name, open))| {
            let directory = directory.join(name);
            std::fs::create_dir_all(&directory).expect("the directory can be made");
            open(&directory)
        })
        .collect()
}
