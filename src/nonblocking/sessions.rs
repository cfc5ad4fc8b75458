//! The calls on one session, as futures: those of `store.rs`, in its order.

use std::time::Duration;

use super::AsyncStore;
use crate::carried::Carried;
use crate::error::Result;
use crate::session::{Session, Version, Write};
use crate::store::write::Expect;
use crate::store::{SessionRef, Touched};

impl AsyncStore {
    /// Creates a session. See [`Store::create`](crate::Store::create).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// assert!(matches!(store.create("an id", "other data").await, Err(sessile::Error::Duplicate)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::create`](crate::Store::create).
    pub async fn create(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        let written = self.core().put(id.as_ref(), &write.into(), Expect::Absent);
        self.settled(written).await
    }

    /// Writes a live session anew. See [`Store::update`](crate::Store::update).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// let first = store.create("an id", "some data").await?;
    /// assert!(store.update("an id", "newer data").await? > first);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::update`](crate::Store::update).
    pub async fn update(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        let written = self.core().put(id.as_ref(), &write.into(), Expect::Present);
        self.settled(written).await
    }

    /// Creates a session or writes it anew. See [`Store::set`](crate::Store::set).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.set("an id", "some data").await?;
    /// store.set("an id", "newer data").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::set`](crate::Store::set).
    pub async fn set(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        let written = self.core().put(id.as_ref(), &write.into(), Expect::Anything);
        self.settled(written).await
    }

    /// Reads a live session. See [`Store::get`](crate::Store::get).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// assert!(store.get("an id").await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::get`](crate::Store::get).
    #[expect(
        clippy::unused_async,
        reason = "the same shape for every call; whoever cannot wait asks the store"
    )]
    pub async fn get(&self, id: impl AsRef<[u8]>) -> Result<Option<Session>> {
        self.store.get(id)
    }

    /// Reads a live session in place. See [`Store::get_ref`](crate::Store::get_ref).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// let session = store.get_ref("an id").await?.expect("it was just created");
    /// assert_eq!(session.data(), b"some data");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::get_ref`](crate::Store::get_ref).
    #[expect(
        clippy::unused_async,
        reason = "the same shape for every call; whoever cannot wait asks the store"
    )]
    pub async fn get_ref(&self, id: impl AsRef<[u8]>) -> Result<Option<SessionRef>> {
        self.store.get_ref(id)
    }

    /// A live session was used. See [`Store::touch`](crate::Store::touch).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// store.touch("an id", Duration::from_secs(30 * 60)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::touch`](crate::Store::touch).
    pub async fn touch(&self, id: impl AsRef<[u8]>, idle: Duration) -> Result<Touched> {
        let touched = self.core().touch(id.as_ref(), idle);
        self.settled(touched).await
    }

    /// Compares and swaps. See [`Store::replace_if`](crate::Store::replace_if).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// let first = store.create("an id", "some data").await?;
    /// store.replace_if("an id", first, "newer data").await?;
    /// let late = store.replace_if("an id", first, "too late").await;
    /// assert!(matches!(late, Err(sessile::Error::Conflict { .. })));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::replace_if`](crate::Store::replace_if).
    pub async fn replace_if(
        &self,
        id: impl AsRef<[u8]>,
        version: Version,
        write: impl Into<Write>,
    ) -> Result<Version> {
        let written = self.core().put(id.as_ref(), &write.into(), Expect::At(version));
        self.settled(written).await
    }

    /// Writes what `f` makes of a session. See [`Store::update_with`](crate::Store::update_with).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "1").await?;
    /// store.update_with("an id", |session| {
    ///     let visits: u32 = std::str::from_utf8(session.data()).ok()?.parse().ok()?;
    ///     Some((visits + 1).to_string().as_str().into())
    /// }).await?;
    /// assert_eq!(store.get("an id").await?.expect("it is live").data(), b"2");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::update_with`](crate::Store::update_with).
    pub async fn update_with(
        &self,
        id: impl AsRef<[u8]>,
        f: impl FnMut(&Session) -> Option<Write>,
    ) -> Result<Option<Version>> {
        let written = self.core().put_with(id.as_ref(), f);
        self.settled(written).await
    }

    /// Ends a session. See [`Store::destroy`](crate::Store::destroy).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("an id", "some data").await?;
    /// assert!(store.destroy("an id").await?);
    /// assert!(!store.destroy("an id").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::destroy`](crate::Store::destroy).
    pub async fn destroy(&self, id: impl AsRef<[u8]>) -> Result<bool> {
        let core = self.core();
        let destroyed = core.destroy(core.secret.of_id(id.as_ref())?);
        self.settled(destroyed).await
    }

    /// Gives a live session a new id. See [`Store::rotate`](crate::Store::rotate).
    ///
    /// ```
    /// # use sessile::Write;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::nonblocking::AsyncStore::open(dir.path()).await?;
    /// store.create("before login", "cart: 3 apples").await?;
    /// let login = Write::new("cart: 3 apples").subject("alice");
    /// store.rotate("before login", "after login", Some(login)).await?;
    /// assert!(store.get("before login").await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::rotate`](crate::Store::rotate).
    pub async fn rotate(
        &self,
        old: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        write: Option<Write>,
    ) -> Result<Version> {
        let rotated = self.core().rotate(old.as_ref(), new.as_ref(), write.as_ref());
        self.settled(rotated).await
    }

    /// Creates a session as it was in another home. See [`Store::adopt`](crate::Store::adopt).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let old = sessile::Store::open(dir.path().join("old"))?;
    /// # old.create("an id", "some data")?;
    /// let options = sessile::Options::new().secret(old.secret());
    /// let store = sessile::nonblocking::AsyncStore::open_with(options, dir.path().join("new")).await?;
    /// for session in old.iter()? {
    ///     store.adopt(&session?.into_carried()).await?;
    /// }
    /// assert!(store.get("an id").await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Store::adopt`](crate::Store::adopt).
    pub async fn adopt(&self, carried: &Carried) -> Result<Version> {
        let adopted = self.core().adopt(carried);
        self.settled(adopted).await
    }
}
