//! The store with futures keeps the contract of the store: the same examples, through futures, under tokio, smol, and an
//! executor of a few lines. And what futures add: many wait for one sync, whoever goes away has done all or nothing, and a
//! failure reaches everybody who waits.

#![cfg(all(feature = "simulation", feature = "async"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
#![allow(clippy::duplicate_mod, reason = "the same examples under each executor")]

#[path = "nonblocking/blocking.rs"]
mod blocking;
#[path = "nonblocking/by_hand.rs"]
mod by_hand;
#[path = "nonblocking/on_smol.rs"]
mod on_smol;
#[path = "nonblocking/on_tokio.rs"]
mod on_tokio;
#[path = "nonblocking/waiting.rs"]
mod waiting;

use std::time::Duration;

const START_MS: u64 = 1_800_000_000_000;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
