//! The stores that are compared.

mod sessile;
mod sqlite;

use std::path::Path;

use sessile_bench::peer::Peer;

pub use self::sessile::options;

type Open = fn(&Path) -> Box<dyn Peer>;

/// Opens the stores in directories of their own; the first is the one that goals are about. With `SESSILE_BENCH_PEERS`
/// set, only those that it names.
pub fn open(directory: &Path) -> Vec<Box<dyn Peer>> {
    let open: [(&str, Open); 2] = [
        ("sessile", |directory| Box::new(sessile::Sessile::open(directory))),
        ("sqlite", |directory| Box::new(sqlite::Sqlite::create(directory))),
    ];
    let wanted = std::env::var("SESSILE_BENCH_PEERS").ok();
    open.into_iter()
        .filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|word| word == *name)))
        .map(|(name, open)| {
            let directory = directory.join(name);
            std::fs::create_dir_all(&directory).expect("the directory can be made");
            open(&directory)
        })
        .collect()
}
