//! The store with futures: [`AsyncStore`], behind the feature `async`. No runtime of its own, and none in particular: any
//! executor will do.
//!
//! Reads are answered at once. A write appends to the log at once too, when its future is first polled, and the future is
//! ready when the disk has what it waits for: the store's own thread syncs for all who wait, so no thread is spent on a call
//! and no executor's thread waits for a disk.
//!
//! # Cancellation
//! A future that is dropped before it was polled has done nothing. Dropped later, it has written: the call has taken effect
//! whole, as if its caller had died before he heard the answer, and only the answer is lost. Nothing is ever half done.
//!
//! # What can still block
//! Everything here works on memory that the kernel may have to fetch or to write first: a read of a page that is not in the
//! page cache waits for the disk, and so does an append when the kernel has too many dirty pages and makes writers wait, or
//! when the log goes on in a segment that maintenance had no time to prepare. At the limits a create makes room before it
//! writes. Where somebody listens to events, a create for an id whose session has just run out, a revocation and a clear first
//! sync a small file. `cargo bench -p sessile-bench --bench nonblocking` measures it. Where a stall of that kind must not hold up others,
//! run the call on a thread for blocking work: an [`AsyncStore`] and its [`Store`] are the same store.
//!
//! Rooms: `sessions`, `devices` and `operating` are the calls, in the order in which [`Store`] has them; `settled` is the future
//! that waits for the disk, `aside` the one for what takes long and is done on a thread.

mod aside;
mod devices;
mod operating;
mod sessions;
mod settled;

use std::path::Path;

use crate::error::Result;
use crate::options::Options;
use crate::store::Store;
use crate::store::core::Core;
use crate::store::pending::Pending;
use crate::store::upkeep::Upkeep;

use aside::aside;
use settled::Settled;

/// A [`Store`] whose calls do not block the thread they are made on. As cheap to clone, and the same store: both kinds of
/// handle may be used side by side.
///
/// Each call is that of [`Store`] with the same name, where its meaning and its errors are told; the [module](self) says what
/// a future adds to it.
///
/// ```
/// use sessile::nonblocking::AsyncStore;
/// use sessile::{SessionId, Write};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path();
/// let store = AsyncStore::open(directory).await?;
/// let id = SessionId::generate()?;
/// store.create(&id, Write::new("user: alice").subject("alice")).await?;
/// assert_eq!(store.get(&id).await?.expect("it was just created").data(), b"user: alice");
///
/// // Log out everywhere: the answer comes when the disk has it.
/// assert_eq!(store.destroy_subject("alice", None).await?, 1);
/// store.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AsyncStore {
    store: Store,
}

impl AsyncStore {
    /// Makes futures of an open store's calls. Starts the thread that syncs for them, also in a store with
    /// [`Options::manual_maintenance`].
    ///
    /// ```
    /// use sessile::{Store, nonblocking::AsyncStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let futures = AsyncStore::new(store.clone())?;
    /// futures.create("an id", "some data").await?;
    /// assert!(store.get("an id")?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Io` when the thread cannot be started.
    pub fn new(store: Store) -> Result<Self> {
        Upkeep::start_committer(store.core())?;
        Ok(Self { store })
    }

    /// As [`Store::open`], on a thread of its own.
    ///
    /// ```
    /// use sessile::nonblocking::AsyncStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let store = AsyncStore::open(dir.path()).await?;
    /// assert_eq!(store.len(), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Options::open`].
    pub async fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(Options::new(), directory).await
    }

    /// As [`Options::open`], on a thread of its own.
    ///
    /// ```
    /// use sessile::{Options, nonblocking::AsyncStore};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let half_an_hour = Options::new().idle(Duration::from_secs(30 * 60));
    /// let store = AsyncStore::open_with(half_an_hour, dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Options::open`].
    pub async fn open_with(options: Options, directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref().to_owned();
        Self::new(aside("sessile-open", move || options.open(directory)).await?)
    }

    /// The same store with calls that block: for maintenance, backups, and whatever takes long.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// // On a thread for blocking work: a look at every checksum takes long.
    /// let same = store.store().clone();
    /// let verified = std::thread::spawn(move || same.verify()).join().expect("it does not panic")?;
    /// # let _ = verified;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn core(&self) -> &Core {
        self.store.core()
    }

    /// Waits for what a call has written.
    async fn settled<T>(&self, pending: Result<Pending<T>>) -> Result<T> {
        self.core().hub.notify();
        let Pending { value, wait } = pending?;
        if let Some(wait) = wait {
            Settled::new(self.core(), wait).await?;
        }
        Ok(value)
    }
}
