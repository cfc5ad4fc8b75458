//! The pages with tower-sessions 0.15, for sessile and its own store in memory.

use tower_sessions as framework;

#[allow(clippy::duplicate_mod, reason = "once for each version: see `pages`")]
#[path = "shop.rs"]
mod shop;
pub use shop::router;
