//! The calls that are about all sessions, as futures where they wait.

use super::AsyncStore;
use super::aside::aside;
use crate::error::Result;
use crate::events::Events;
use crate::stats::Stats;
use crate::store::Sessions;

impl AsyncStore {
    /// What happens to sessions from now on, as a stream. See [`Store::events`](crate::Store::events). The first call ever makes
    /// a file and waits for the disk, on the caller's thread: call it where a server begins.
    ///
    /// ```
    /// # use futures_core::Stream;
    /// # use std::{future::poll_fn, pin::Pin};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// let mut events = store.events()?;
    /// store.create("an id", "some data").await?;
    /// // With `StreamExt` of the crate futures-util: `events.next().await`.
    /// let next = poll_fn(|context| Pin::new(&mut events).poll_next(context)).await;
    /// let event = next.expect("the store is open");
    /// assert_eq!(event.handle(), Some(store.handle_of("an id")?));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::events`](crate::Store::events).
    pub fn events(&self) -> Result<Events> {
        self.store.events()
    }

    /// How many sessions there are. See [`Store::len`](crate::Store::len).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// assert_eq!(store.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a store that is empty now says little about the next moment"
    )]
    pub fn len(&self) -> u64 {
        self.store.len()
    }

    /// All live sessions. Each step reads a record, so over a large store walk it on a thread for blocking work. See
    /// [`Store::iter`](crate::Store::iter).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// let all = store.iter()?.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(all.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::iter`](crate::Store::iter).
    pub fn iter(&self) -> Result<Sessions> {
        self.store.iter()
    }

    /// The store's figures. See [`Store::stats`](crate::Store::stats).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// assert_eq!(store.stats().created, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    /// Ends all sessions. See [`Store::clear`](crate::Store::clear).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// assert_eq!(store.clear().await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::clear`](crate::Store::clear).
    pub async fn clear(&self) -> Result<u64> {
        let cleared = self.core().clear();
        self.settled(cleared).await
    }

    /// Waits until everything that was written before this call is on the disk. See [`Store::flush`](crate::Store::flush).
    ///
    /// ```
    /// # use sessile::{Durability, Write};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// let quick = Write::new("some data").durability(Durability::Written);
    /// store.create("an id", quick).await?; // Survives the process.
    /// store.flush().await?; // Survives power loss.
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::flush`](crate::Store::flush).
    pub async fn flush(&self) -> Result<()> {
        let appended = self.core().appended();
        self.settled(appended).await
    }

    /// Closes the store, on a thread of its own. See [`Store::close`](crate::Store::close): without this, dropping the last
    /// handle does it, and blocks whoever drops it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.close().await?;
    /// assert!(matches!(store.get("an id").await, Err(sessile::Error::Closed)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::close`](crate::Store::close).
    pub async fn close(&self) -> Result<()> {
        let store = self.store.clone();
        aside("sessile-close", move || store.close()).await
    }
}
