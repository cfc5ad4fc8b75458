//! The comparison: `cargo run --release -p sessile-bench -- --help`.

use sessile_bench::command;
use sessile_bench::meter::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() {
    command::main(command::Length::Full);
}
