//! What the fuzz targets do with their bytes, apart from the fuzzer: so the same functions run under libFuzzer on a
//! nightly compiler and, with the inputs that are kept in `seeds/`, as a test on a stable one.
//!
//! A target is a module with a `check`, which takes any bytes and panics when a promise is broken. What all of them
//! promise: no panic, no hang (the runner's time limit), and no more memory than the input justifies ([`allocation`]).

pub mod access_log;
pub mod allocation;
pub mod directory;
pub mod footer;
pub mod frames;
pub mod ledger;
pub mod mark;
pub mod operations;
pub mod roster;
pub mod segment;
pub mod snapshot;
pub mod store_header;
pub mod typed_value;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

/// A target's function.
pub type Check = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Check); 12] = [
    ("frames", frames::check),
    ("segment", segment::check),
    ("footer", footer::check),
    ("mark", mark::check),
    ("roster", roster::check),
    ("store_header", store_header::check),
    ("ledger", ledger::check),
    ("snapshot", snapshot::check),
    ("directory", directory::check),
    ("operations", operations::check),
    ("access_log", access_log::check),
    ("typed_value", typed_value::check),
];

/// Runs a target on the files that the command line names, without a fuzzer.
pub fn replay(check: Check) {
    for path in std::env::args_os().skip(1) {
        let data = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        check(&data);
        println!("{}: {} bytes, nothing broken", path.display(), data.len());
    }
}

/// The first byte of an input, which says how to take the rest.
fn how(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(how, rest)| (*how, rest))
}

/// Most inputs get a right checksum, or nothing behind the check would ever be reached.
fn is_sealed(how: u8) -> bool {
    how & 7 != 7
}
