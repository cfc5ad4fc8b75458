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
//! writes. `cargo bench -p sessile-bench --bench nonblocking` measures it. Where a stall of that kind must not hold up others,
//! run the call on a thread for blocking work: an [`AsyncStore`] and its [`Store`] are the same store.
//!
//! Rooms: `settled` is the future that waits for the disk, `aside` the one for what takes long and is done on a thread.

mod aside;
mod settled;

use std::path::Path;
use std::time::Duration;

use crate::error::Result;
use crate::events::Events;
use crate::id::{Handle, SubjectDigest};
use crate::options::Options;
use crate::session::{Session, Version, Write};
use crate::stats::Stats;
use crate::store::core::Core;
use crate::store::pending::Pending;
use crate::store::upkeep::Upkeep;
use crate::store::write::Expect;
use crate::store::{SessionRef, Sessions, Store, Touched};

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
    /// # Errors
    /// `Io` when the thread cannot be started.
    pub fn new(store: Store) -> Result<Self> {
        Upkeep::start_committer(store.core())?;
        Ok(Self { store })
    }

    /// As [`Store::open`], on a thread of its own.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub async fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(Options::new(), directory).await
    }

    /// As [`Options::open`], on a thread of its own.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub async fn open_with(options: Options, directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref().to_owned();
        Self::new(aside("sessile-open", move || options.open(directory)).await?)
    }

    /// The same store with calls that block: for maintenance, backups, and whatever takes long.
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

    /// Creates a session. See [`Store::create`].
    ///
    /// # Errors
    /// As [`Store::create`].
    pub async fn create(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        let written = self.core().put(id.as_ref(), &write.into(), Expect::Absent);
        self.settled(written).await
    }

    /// Writes a live session anew. See [`Store::update`].
    ///
    /// # Errors
    /// As [`Store::update`].
    pub async fn update(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        let written = self.core().put(id.as_ref(), &write.into(), Expect::Present);
        self.settled(written).await
    }

    /// Creates a session or writes it anew. See [`Store::set`].
    ///
    /// # Errors
    /// As [`Store::set`].
    pub async fn set(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        let written = self.core().put(id.as_ref(), &write.into(), Expect::Anything);
        self.settled(written).await
    }

    /// Reads a live session. See [`Store::get`].
    ///
    /// # Errors
    /// As [`Store::get`].
    #[expect(
        clippy::unused_async,
        reason = "the same shape for every call; whoever cannot wait asks the store"
    )]
    pub async fn get(&self, id: impl AsRef<[u8]>) -> Result<Option<Session>> {
        self.store.get(id)
    }

    /// Reads a live session in place. See [`Store::get_ref`].
    ///
    /// # Errors
    /// As [`Store::get_ref`].
    #[expect(
        clippy::unused_async,
        reason = "the same shape for every call; whoever cannot wait asks the store"
    )]
    pub async fn get_ref(&self, id: impl AsRef<[u8]>) -> Result<Option<SessionRef>> {
        self.store.get_ref(id)
    }

    /// A live session was used. See [`Store::touch`].
    ///
    /// # Errors
    /// As [`Store::touch`].
    pub async fn touch(&self, id: impl AsRef<[u8]>, idle: Duration) -> Result<Touched> {
        let touched = self.core().touch(id.as_ref(), idle);
        self.settled(touched).await
    }

    /// Compares and swaps. See [`Store::replace_if`].
    ///
    /// # Errors
    /// As [`Store::replace_if`].
    pub async fn replace_if(
        &self,
        id: impl AsRef<[u8]>,
        version: Version,
        write: impl Into<Write>,
    ) -> Result<Version> {
        let written = self.core().put(id.as_ref(), &write.into(), Expect::At(version));
        self.settled(written).await
    }

    /// Writes what `f` makes of a session. See [`Store::update_with`].
    ///
    /// # Errors
    /// As [`Store::update_with`].
    pub async fn update_with(
        &self,
        id: impl AsRef<[u8]>,
        f: impl FnMut(&Session) -> Option<Write>,
    ) -> Result<Option<Version>> {
        let written = self.core().put_with(id.as_ref(), f);
        self.settled(written).await
    }

    /// Ends a session. See [`Store::destroy`].
    ///
    /// # Errors
    /// As [`Store::destroy`].
    pub async fn destroy(&self, id: impl AsRef<[u8]>) -> Result<bool> {
        let core = self.core();
        let destroyed = core.destroy(core.secret.of_id(id.as_ref())?);
        self.settled(destroyed).await
    }

    /// Gives a live session a new id. See [`Store::rotate`].
    ///
    /// # Errors
    /// As [`Store::rotate`].
    pub async fn rotate(
        &self,
        old: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        write: Option<Write>,
    ) -> Result<Version> {
        let rotated = self.core().rotate(old.as_ref(), new.as_ref(), write.as_ref());
        self.settled(rotated).await
    }

    /// The live sessions of a subject. See [`Store::sessions_of`].
    ///
    /// # Errors
    /// As [`Store::sessions_of`].
    #[expect(
        clippy::unused_async,
        reason = "the same shape for every call; whoever cannot wait asks the store"
    )]
    pub async fn sessions_of(&self, subject: impl AsRef<[u8]>) -> Result<Sessions> {
        self.store.sessions_of(subject)
    }

    /// Reads a live session by its handle. See [`Store::get_handle`].
    ///
    /// # Errors
    /// As [`Store::get_handle`].
    #[expect(
        clippy::unused_async,
        reason = "the same shape for every call; whoever cannot wait asks the store"
    )]
    pub async fn get_handle(&self, handle: &Handle) -> Result<Option<Session>> {
        self.store.get_handle(handle)
    }

    /// Ends a session by its handle. See [`Store::destroy_handle`].
    ///
    /// # Errors
    /// As [`Store::destroy_handle`].
    pub async fn destroy_handle(&self, handle: &Handle) -> Result<bool> {
        let destroyed = self.core().destroy(handle.0);
        self.settled(destroyed).await
    }

    /// Ends all sessions of a subject. See [`Store::destroy_subject`].
    ///
    /// # Errors
    /// As [`Store::destroy_subject`].
    pub async fn destroy_subject(&self, subject: impl AsRef<[u8]>, keep: Option<&[u8]>) -> Result<u64> {
        let core = self.core();
        let keep = keep.map(|id| core.secret.of_id(id)).transpose()?;
        let destroyed = core.destroy_subject(core.secret.of_subject(subject.as_ref())?, keep);
        self.settled(destroyed).await
    }

    /// What [`Session::subject`] is for the sessions of this subject.
    ///
    /// # Errors
    /// As [`Store::subject_digest`].
    pub fn subject_digest(&self, subject: impl AsRef<[u8]>) -> Result<SubjectDigest> {
        self.store.subject_digest(subject)
    }

    /// The handle of the session with this id, whether it lives or not.
    ///
    /// # Errors
    /// As [`Store::handle_of`].
    pub fn handle_of(&self, id: impl AsRef<[u8]>) -> Result<Handle> {
        self.store.handle_of(id)
    }

    /// What happens to sessions from now on, as a stream. See [`Store::events`].
    ///
    /// # Errors
    /// As [`Store::events`].
    pub fn events(&self) -> Result<Events> {
        self.store.events()
    }

    /// How many sessions there are. See [`Store::len`].
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a store that is empty now says little about the next moment"
    )]
    pub fn len(&self) -> u64 {
        self.store.len()
    }

    /// All live sessions. Each step reads a record, so over a large store walk it on a thread for blocking work. See
    /// [`Store::iter`].
    ///
    /// # Errors
    /// As [`Store::iter`].
    pub fn iter(&self) -> Result<Sessions> {
        self.store.iter()
    }

    /// The store's figures. See [`Store::stats`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    /// Ends all sessions. See [`Store::clear`].
    ///
    /// # Errors
    /// As [`Store::clear`].
    pub async fn clear(&self) -> Result<u64> {
        let cleared = self.core().clear();
        self.settled(cleared).await
    }

    /// Waits until everything that was written before this call is on the disk. See [`Store::flush`].
    ///
    /// # Errors
    /// As [`Store::flush`].
    pub async fn flush(&self) -> Result<()> {
        let appended = self.core().appended();
        self.settled(appended).await
    }

    /// Closes the store, on a thread of its own. See [`Store::close`]: without this, dropping the last handle does it, and
    /// blocks whoever drops it.
    ///
    /// # Errors
    /// As [`Store::close`].
    pub async fn close(&self) -> Result<()> {
        let store = self.store.clone();
        aside("sessile-close", move || store.close()).await
    }
}
