//! The comparison: what is measured, how, on which stores, and how it is shown.
//!
//! | module | owns |
//! |---|---|
//! | [`command`] | the arguments, and what is put where |
//! | [`plan`] | which workloads run, and for how long |
//! | [`side_by_side`] | the peers taking turns |
//! | [`cases`] | memory, opening, crowds, a day, stalls: each in a process of its own |
//! | [`goals`] | what is to be reached, and whether it was |
//! | [`run`] | a run on its way |
//! | [`peers`] | the stores: one file each |
//! | [`peer`] | what a store has to offer to take part |
//! | [`workload`] | one kind of request, and its next step |
//! | [`data`] | ids, payloads and the order in which sessions are visited, the same in every run |
//! | [`measure`] | a window of time in which threads repeat a workload, and what it cost |
//! | [`meter`] | the counters of the process, its memory, its allocations |
//! | [`device`] | the device under the stores, and the machine at rest |
//! | [`limits`] | the bare machine |
//! | [`machine`] | where it was measured |
//! | [`outcome`] | medians, ratios, goals: what `results.json` holds |
//! | [`report`] | the same as Markdown |
//! | [`table`] | a table of text, and how numbers stand in it |
//! | [`readme`] | its main table, for the README |
//! | [`chart`] | the same as pictures |
//!
//! A further store is an implementation of [`peer::Peer`] in `peers/`; a further kind of request is a variant of
//! [`workload::Kind`]. A failure ends the run: a store that answers wrongly or not at all has no speed.

#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a store that answers wrongly or not at all has no speed: the run ends"
)]
pub mod cases;
pub mod chart;
pub mod command;
pub mod data;
pub mod device;
pub mod goals;
pub mod limits;
pub mod machine;
#[expect(
    clippy::expect_used,
    reason = "a store that answers wrongly or not at all has no speed: the run ends"
)]
pub mod measure;
pub mod meter;
pub mod outcome;
pub mod peer;
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a store that answers wrongly or not at all has no speed: the run ends"
)]
pub mod peers;
pub mod plan;
pub mod readme;
pub mod report;
pub mod run;
#[expect(clippy::expect_used, reason = "a directory that cannot be made holds no store: the run ends")]
pub mod side_by_side;
pub mod table;
pub mod workload;
