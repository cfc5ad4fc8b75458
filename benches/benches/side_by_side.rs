//! The comparison as `cargo bench` runs it: `cargo bench --bench side_by_side -- set web`. Without `--bench`, as in
//! `cargo test --benches`, it only tries itself out.

use sessile_bench::command::{self, Length};
use sessile_bench::meter::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() {
    let benches = std::env::args().any(|argument| argument == "--bench");
    command::main(if benches { Length::Full } else { Length::Trial });
}
