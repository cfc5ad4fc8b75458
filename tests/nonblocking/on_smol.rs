//! Under smol.

use super::blocking::{self, Blocking, Executor};
use super::{HOUR, MINUTE, SECOND, START_MS};

#[path = "../contract/deadlines.rs"]
mod deadlines;
#[path = "../contract/operations.rs"]
mod operations;

struct Smol;

impl Executor for Smol {
    fn run<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }
}

type Store = Blocking<Smol>;
type Bench = blocking::Bench<Smol>;
