//! The comparison with RocksDB among the peers: the same command as `sessile-bench`, with the same arguments.

#[expect(
    clippy::expect_used,
    reason = "a store that fails ends the run: nothing that it measures would mean anything"
)]
mod store;

use sessile_bench::command::{self, Length};
use sessile_bench::meter::CountingAllocator;
use sessile_bench::peers::keeps::Kept;
use sessile_bench::peers::{self, Known};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() {
    peers::add(Known {
        chosen_by: "rocksdb",
        called: "RocksDB",
        open: |directory| Some(Box::new(Kept::alone("RocksDB", store::RocksDb::open(directory)))),
    });
    command::main(Length::Full);
}
