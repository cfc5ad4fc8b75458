//! The calls by subject and by handle, as futures: those of `store/devices.rs`, in its order.

use super::AsyncStore;
use crate::error::Result;
use crate::id::{Handle, SubjectDigest};
use crate::session::Session;
use crate::store::Sessions;

impl AsyncStore {
    /// The live sessions of a subject. See [`Store::sessions_of`](crate::Store::sessions_of).
    ///
    /// ```
    /// # use sessile::Write;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", Write::new("phone").subject("alice")).await?;
    /// let devices = store.sessions_of("alice").await?.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(devices[0].data(), b"phone");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::sessions_of`](crate::Store::sessions_of).
    #[expect(
        clippy::unused_async,
        reason = "the same shape for every call; whoever cannot wait asks the store"
    )]
    pub async fn sessions_of(&self, subject: impl AsRef<[u8]>) -> Result<Sessions> {
        self.store.sessions_of(subject)
    }

    /// Reads a live session by its handle. See [`Store::get_handle`](crate::Store::get_handle).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// let handle = store.handle_of("an id")?;
    /// assert_eq!(store.get_handle(&handle).await?.expect("it is live").data(), b"some data");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::get_handle`](crate::Store::get_handle).
    #[expect(
        clippy::unused_async,
        reason = "the same shape for every call; whoever cannot wait asks the store"
    )]
    pub async fn get_handle(&self, handle: &Handle) -> Result<Option<Session>> {
        self.store.get_handle(handle)
    }

    /// Ends a session by its handle. See [`Store::destroy_handle`](crate::Store::destroy_handle).
    ///
    /// ```
    /// # use sessile::Write;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", Write::new("phone").subject("alice")).await?;
    /// let device = store.sessions_of("alice").await?.next().expect("there is one")?;
    /// assert!(store.destroy_handle(&device.handle()).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::destroy_handle`](crate::Store::destroy_handle).
    pub async fn destroy_handle(&self, handle: &Handle) -> Result<bool> {
        let destroyed = self.core().destroy(handle.0);
        self.settled(destroyed).await
    }

    /// Ends all sessions of a subject. See [`Store::destroy_subject`](crate::Store::destroy_subject).
    ///
    /// ```
    /// # use sessile::Write;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("phone", Write::new("some data").subject("alice")).await?;
    /// store.create("laptop", Write::new("some data").subject("alice")).await?;
    /// assert_eq!(store.destroy_subject("alice", Some(b"phone")).await?, 1);
    /// assert!(store.get("phone").await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::destroy_subject`](crate::Store::destroy_subject).
    pub async fn destroy_subject(&self, subject: impl AsRef<[u8]>, keep: Option<&[u8]>) -> Result<u64> {
        let core = self.core();
        let keep = keep.map(|id| core.secret.of_id(id)).transpose()?;
        let destroyed = core.destroy_subject(core.secret.of_subject(subject.as_ref())?, keep);
        self.settled(destroyed).await
    }

    /// What [`Session::subject`] is for the sessions of this subject.
    ///
    /// ```
    /// # use sessile::Write;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", Write::new("some data").subject("alice")).await?;
    /// let session = store.get("an id").await?.expect("it is live");
    /// assert_eq!(session.subject(), Some(store.subject_digest("alice")?));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::subject_digest`](crate::Store::subject_digest).
    pub fn subject_digest(&self, subject: impl AsRef<[u8]>) -> Result<SubjectDigest> {
        self.store.subject_digest(subject)
    }

    /// The handle of the session with this id, whether it lives or not.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// let session = store.get("an id").await?.expect("it is live");
    /// assert_eq!(session.handle(), store.handle_of("an id")?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::handle_of`](crate::Store::handle_of).
    pub fn handle_of(&self, id: impl AsRef<[u8]>) -> Result<Handle> {
        self.store.handle_of(id)
    }
}
