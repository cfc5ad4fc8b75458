//! Watching a [sessile] store: its figures for Prometheus, as text for a page of your own or through the facade of the crate
//! [`metrics`].
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let store = sessile::Store::open(dir.path())?;
//! // For GET /metrics, with the content type `CONTENT_TYPE`:
//! let text = sessile_metrics::prometheus_text(&store.stats());
//! // Or, where metrics go through the facade already:
//! sessile_metrics::record(&store.stats());
//! # let _ = text;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Rooms: `figures` is the list of them, `text` and `facade` are the two ways out. Nothing here holds an id: there is none in a
//! [`Stats`](sessile::Stats). A dashboard and alert rules over these names are in `docs/` of the repository.

mod facade;
mod figures;
mod text;

pub use facade::{Recording, describe, record};
pub use text::{CONTENT_TYPE, prometheus_text};

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
