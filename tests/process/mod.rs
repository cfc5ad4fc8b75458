//! A real process with a store, watched from outside: what the tests of a dying process and of a failing kernel share.
//!
//! `child` is what runs in the other process: threads that use a store, and say before each call what they are about to
//! do (`protocol`), and after it what came of it. `supervisor` starts it, reads that, and ends it. `expected` is what the
//! supervisor knows in its own memory, and `contended` the same of sessions that several threads fight over. `notes` keeps
//! what a run has to say beyond passing.

#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "a test that cannot go on has failed"
)]

pub mod child;
pub mod contended;
#[path = "../common/dice.rs"]
pub mod dice;
pub mod expected;
pub mod notes;
pub mod protocol;
pub mod small;
pub mod supervisor;

/// When a test begins: its seed, printed so that a failure can be tried again with the same choices.
pub fn seed() -> u64 {
    let given = std::env::var("PROCESS_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| u64::from(std::process::id()) << 20)
}
