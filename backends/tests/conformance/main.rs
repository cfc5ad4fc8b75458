//! One suite for every home: the contract, held to by real servers where a home has one.
//!
//! `servers` are real ones; `cases` are the promises, each an async function over any home; here stand the homes, and what is particular to each.
//! A case gets a set of sessions of its own, by `beside`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "it is all tests"
)]

mod cases;
mod homes;
mod pairs;
mod servers;
mod suite;
