//! The pages with tower-sessions 0.14, for which the stores for SQLite and Redis are published.

use tower_sessions_before as framework;

#[allow(clippy::duplicate_mod, reason = "once for each version: see `pages`")]
#[path = "shop.rs"]
mod shop;
pub use shop::router;
