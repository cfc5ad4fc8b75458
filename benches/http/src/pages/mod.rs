//! The pages as handlers. They are written once, in `shop.rs`, and compiled for each version of tower-sessions that a store is
//! made for. The middleware of the two versions is the same but for how an id is drawn at random.

pub mod with_0_14;
pub mod with_0_15;
