//! Under tokio, on a runtime of two threads.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::block_in_place;

use super::blocking::{self, Blocking, Executor};
use super::{HOUR, MINUTE, SECOND, START_MS};

#[path = "../contract/deadlines.rs"]
mod deadlines;
#[path = "../contract/operations.rs"]
mod operations;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).build().unwrap());

struct Tokio;

impl Executor for Tokio {
    fn run<F: Future>(future: F) -> F::Output {
        if Handle::try_current().is_err() {
            return RUNTIME.block_on(future);
        }
        // A closure that the store has called calls the store.
        block_in_place(|| RUNTIME.handle().block_on(future))
    }
}

type Store = Blocking<Tokio>;
type Bench = blocking::Bench<Tokio>;
