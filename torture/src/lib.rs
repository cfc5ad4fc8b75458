//! Torture for sessile: the real engine on a simulated machine that loses power, fails and lies, and an oracle outside it
//! that knows what may be found afterwards.
//!
//! A *seed* stands for the *life* of one store ([`generate::life`]): cycles of at least 50 operations, each of which ends
//! with a crash, is recovered from and checked. [`run_seed`] lives it; [`hunt`] lives many, on several threads. A violation
//! comes with its seed and with the smallest life that still shows it.
//!
//! What is in the world stands in [`settings`], what a life is in [`script`], what may be found in [`oracle`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "this is a test: what it cannot go on from is a finding"
)]

pub mod clock;
pub mod dice;
pub mod generate;
mod hunt;
pub mod ledger;
pub mod oracle;
mod plot;
mod report;
mod run;
#[cfg(not(torture_scheduled))]
mod scheduled;
pub mod script;
pub mod settings;
mod shrink;
#[cfg(torture_scheduled)]
mod turns;

pub use hunt::{Limit, hunt, run_seed};
pub use report::{Outcome, Report, Tally, Violation};
pub use run::run_life;
pub use settings::{Settings, Switch};
pub use shrink::shrink;
