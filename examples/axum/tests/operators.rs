//! This server is acted on while it works.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may fail"
)]

#[path = "../../e2e/operators.rs"]
mod operators;

#[test]
fn each_command_is_done_by_the_running_server_under_load() {
    operators::act_on(env!("CARGO_BIN_EXE_sessile-example-axum"));
}
