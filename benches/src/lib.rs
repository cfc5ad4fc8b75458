//! The harness of the side-by-side: what is measured, how, and how it is shown. It knows no store.
//!
//! | module | owns |
//! |---|---|
//! | [`data`] | ids, payloads and the order in which sessions are visited, the same in every run |
//! | [`peer`] | what a store has to offer to take part |
//! | [`workload`] | one kind of request, and its next step |
//! | [`measure`] | a window of time in which threads repeat a workload, and what it cost |
//! | [`meter`] | the counters of the process, its memory, its device, its allocations |
//! | [`machine`] | where it was measured |
//! | [`report`] | medians, ratios, goals, the table |
//!
//! A further store is an implementation of [`peer::Peer`] in `benches/side_by_side/peers/`; a further kind of request
//! is a variant of [`workload::Kind`].

pub mod data;
pub mod machine;
pub mod measure;
pub mod meter;
pub mod peer;
pub mod report;
pub mod workload;
