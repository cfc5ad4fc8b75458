//! What the crash tests share: a machine that loses power (`machine`), what may be found on it afterwards (`oracle`),
//! workloads that use every operation (`workload`, run by `script`), and a way into the middle of the store's own
//! work (`hooks`).

#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

pub mod dice;
pub mod hooks;
pub mod machine;
pub mod oracle;
pub mod script;
pub mod workload;
