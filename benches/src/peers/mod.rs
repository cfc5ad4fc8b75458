//! The stores that are compared.

mod sessile;
mod sqlite;

use std::path::Path;

use crate::peer::Peer;

pub use self::sessile::options;

type Open = fn(&Path) -> Box<dyn Peer>;

/// Every peer by its name on the command line, the one that goals are about first.
const PEERS: &[(&str, Open)] = &[
    ("sessile", |directory| Box::new(sessile::Sessile::open(directory))),
    ("sqlite", |directory| Box::new(sqlite::Sqlite::create(directory))),
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
        .map(|(_, (name, open))| {
            let directory = directory.join(name);
            std::fs::create_dir_all(&directory).expect("the directory can be made");
            open(&directory)
        })
        .collect()
}
