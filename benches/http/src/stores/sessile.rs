//! sessile behind its adapter, with default options.

use std::path::Path;

use sessile::nonblocking::AsyncStore;
use sessile::{Durability, Options};
use tower_sessions_sessile::SessileStore;

use super::Opened;
use crate::{Failure, pages};

pub async fn open(directory: &Path, durability: Durability) -> Result<Opened, Failure> {
    let sessions = AsyncStore::open_with(Options::new().durability(durability), directory).await?;
    Ok(Opened {
        pages: pages::with_0_15::router(SessileStore::new(sessions)),
        settings: format!("tower-sessions-sessile, tower-sessions 0.15, default options with {durability:?}"),
        server: None,
    })
}
