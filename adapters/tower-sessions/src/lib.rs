//! Durable sessions for [tower-sessions](https://docs.rs/tower-sessions), and so for axum: a directory beside your server
//! instead of a server beside it. Sessions survive restarts, crashes and power loss; who has logged out stays logged out;
//! expiry needs no task.
//!
//! ```
//! use axum::{Router, routing::get};
//! use sessile::nonblocking::AsyncStore;
//! use tower_sessions::{Session, SessionManagerLayer};
//! use tower_sessions_sessile::SessileStore;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let directory = dir.path();
//! let store = SessileStore::new(AsyncStore::open(directory).await?).subject_key("user_id");
//! let app: Router = Router::new()
//!     .route("/", get(|session: Session| async move {
//!         let visits: u64 = session.get("visits").await.unwrap_or_default().unwrap_or(0);
//!         session.insert("visits", visits + 1).await.ok();
//!         format!("visit {}", visits + 1)
//!     }))
//!     .layer(SessionManagerLayer::new(store.clone()));
//!
//! // Log out everywhere: all sessions in whose data "user_id" is 42.
//! store.sessions().destroy_subject("42", None).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What stands on disk of a session is its data as JSON under a digest of its id, and nothing twice. Where only its deadline
//! moves, as with `with_always_save(true)`, nothing is rewritten: the store notes the use, mostly in memory.
//!
//! # What the framework's calls do not give
//! `Session::cycle_id` deletes the old session at once and creates the new one when the response is ready: a crash or an error
//! in between loses the session (never the other way round: the old id is dead in any case). The store does not see that the
//! two belong together, so the new one begins anew with its absolute deadline. [`AsyncStore::rotate`] does it in one record, for
//! code that sets the cookie itself.
//!
//! A session whose last value was removed or cleared is a session still, in the store and by its cookie: `flush` ends one.

mod calls;
mod operators;
mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sessile::nonblocking::AsyncStore;
use sessile_backends::Backend;
use sessile_backends::adapting::Home;
use sessile_control::Control;
use tower_sessions_core::session::Id;

use operators::serve_operators;

/// What becomes of a session that is saved after it has ended: a slow request may still hold one that another request has
/// logged out. See [`SessileStore::saving`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Saving {
    /// It stays ended, and [`SessileStore::refused_saves`] counts it. What you want.
    #[default]
    Strict,
    /// It is there again. For a store that is the cache of a [`CachingSessionStore`](tower_sessions_core::session_store::CachingSessionStore): that
    /// fills its cache by saving.
    Upsert,
}

/// A [`SessionStore`](tower_sessions_core::SessionStore) over a [sessile] store, or over any other home. As cheap to clone as that.
///
/// ```
/// use sessile::nonblocking::AsyncStore;
/// use std::sync::Arc;
/// use tower_sessions::Session;
/// use tower_sessions_sessile::SessileStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path();
/// let store = Arc::new(SessileStore::new(AsyncStore::open(directory).await?));
/// let session = Session::new(None, store.clone(), None);
/// session.insert("cart", [7]).await?;
/// session.save().await?;
///
/// // Another request, or another process:
/// let session = Session::new(session.id(), store, None);
/// assert_eq!(session.get("cart").await?, Some([7]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SessileStore<H = AsyncStore> {
    sessions: H,
    saving: Saving,
    subject_key: Option<Arc<str>>,
    refused: Arc<AtomicU64>,
    control: Option<Control>,
}

impl SessileStore {
    /// Keeps sessions in this store, with its options: durability, limits, and an absolute lifetime, which tower-sessions does
    /// not know.
    ///
    /// ```
    /// use sessile::{Options, nonblocking::AsyncStore};
    /// use std::time::Duration;
    /// use tower_sessions_sessile::SessileStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let directory = dir.path();
    /// let twelve_hours = Options::new().absolute(Duration::from_secs(12 * 60 * 60));
    /// let store = SessileStore::new(AsyncStore::open_with(twelve_hours, directory).await?);
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(sessions: AsyncStore) -> Self {
        let control = serve_operators(&sessions);
        Self { control, ..Self::keeping(sessions) }
    }

    /// Whether `sessile stats|ls|destroy|top|...` go to this process while it holds the store, over `control.sock` in its
    /// directory, for this user and root alone: see [`sessile_control`]. On unless it is switched off. Where the socket cannot be
    /// made, that is logged, with `tracing`, and the store works without.
    ///
    /// ```
    /// # use sessile::nonblocking::AsyncStore;
    /// # use tower_sessions_sessile::SessileStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let sessions = AsyncStore::open(dir.path()).await?;
    /// let store = SessileStore::new(sessions).control(false);
    /// assert!(!dir.path().join("control.sock").exists());
    /// # drop(store);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn control(mut self, serve: bool) -> Self {
        self.control = if serve { self.control.or_else(|| serve_operators(&self.sessions)) } else { None };
        self
    }

    /// The id under which the store keeps a session: to compare with handles, or to end it by
    /// [`sessions`](Self::sessions).
    ///
    /// ```
    /// # use sessile::nonblocking::AsyncStore;
    /// # use std::sync::Arc;
    /// # use tower_sessions::Session;
    /// # use tower_sessions_sessile::SessileStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let sessions = AsyncStore::open(dir.path()).await?;
    /// # let store = SessileStore::new(sessions).subject_key("user");
    /// # let session = Session::new(None, Arc::new(store.clone()), None);
    /// # session.insert("user", "alice").await?;
    /// # session.save().await?;
    /// // Which of Alice's devices is this one?
    /// let id = session.id().expect("it was saved");
    /// let this = store.sessions().handle_of(SessileStore::id_of(&id))?;
    /// for device in store.sessions().sessions_of("alice").await? {
    ///     assert_eq!(device?.handle(), this);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn id_of(id: &Id) -> [u8; 16] {
        id.0.to_le_bytes()
    }
}

impl SessileStore<Arc<dyn Backend>> {
    /// Keeps sessions in any home: a directory, Redis or Valkey, PostgreSQL; see [`sessile_backends`]. Operators are served by who has
    /// opened the home, since only a directory has any: `Control::serve` of [`sessile_control`] with the store of an
    /// [`Embedded`](sessile_backends::Embedded), as `examples/axum` does.
    ///
    /// ```
    /// use sessile_backends::{Backend, Memory, Settings};
    /// use std::sync::Arc;
    /// use tower_sessions_sessile::SessileStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let home: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new())?);
    /// let store = SessileStore::over(home).subject_key("user_id");
    /// // Log out everywhere, wherever the sessions are.
    /// store.sessions().destroy_subject(b"42", None).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn over(home: Arc<dyn Backend>) -> Self {
        Self::keeping(home)
    }
}

impl<H: Home> SessileStore<H> {
    fn keeping(sessions: H) -> Self {
        let (saving, refused) = (Saving::default(), Arc::default());
        Self { sessions, saving, subject_key: None, refused, control: None }
    }

    /// What becomes of a session that is saved after it has ended.
    ///
    /// ```
    /// use sessile::nonblocking::AsyncStore;
    /// use tower_sessions::{CachingSessionStore, MemoryStore, SessionStore as _};
    /// use tower_sessions::session::{Id, Record};
    /// use tower_sessions_sessile::{Saving, SessileStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let sessions = AsyncStore::open(dir.path()).await?;
    /// # let slow = MemoryStore::default();
    /// # let expiry_date = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    /// # let mut record = Record { id: Id::default(), data: Default::default(), expiry_date };
    /// # slow.create(&mut record).await?;
    /// let cache = SessileStore::new(sessions).saving(Saving::Upsert);
    /// let store = CachingSessionStore::new(cache.clone(), slow);
    /// store.load(&record.id).await?;
    /// assert!(cache.load(&record.id).await?.is_some(), "what was loaded is in the cache");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn saving(mut self, saving: Saving) -> Self {
        self.saving = saving;
        self
    }

    /// Attaches each session to the user whose name or number stands in its data under this key, so that "your devices" and
    /// "log out everywhere" find it. A number counts as its digits; without the key, or with `null`, a session is nobody's.
    ///
    /// ```
    /// # use sessile::nonblocking::AsyncStore;
    /// # use std::sync::Arc;
    /// # use tower_sessions::Session;
    /// # use tower_sessions_sessile::SessileStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let sessions = AsyncStore::open(dir.path()).await?;
    /// let store = SessileStore::new(sessions).subject_key("user_id");
    /// let session = Session::new(None, Arc::new(store.clone()), None);
    /// session.insert("user_id", 42).await?;
    /// session.save().await?;
    /// assert_eq!(store.sessions().sessions_of("42").await?.count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn subject_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.subject_key = Some(key.into());
        self
    }

    /// The store itself, for what tower-sessions has no word for: a user's sessions, events, figures, closing.
    ///
    /// ```
    /// # use sessile::nonblocking::AsyncStore;
    /// # use tower_sessions_sessile::SessileStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let sessions = AsyncStore::open(dir.path()).await?;
    /// let store = SessileStore::new(sessions);
    /// println!("{} sessions", store.sessions().len());
    /// // The last thing a server does: the next opening is quicker for it.
    /// store.sessions().close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sessions(&self) -> &H {
        &self.sessions
    }

    /// How often a session was saved that had ended, and stayed so: by this handle or a clone of it, since it was made.
    ///
    /// ```
    /// # use sessile::nonblocking::AsyncStore;
    /// # use std::sync::Arc;
    /// # use tower_sessions::Session;
    /// # use tower_sessions_sessile::SessileStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = SessileStore::new(AsyncStore::open(dir.path()).await?);
    /// let slow = Session::new(None, Arc::new(store.clone()), None);
    /// slow.insert("user", "alice").await?;
    /// slow.save().await?;
    /// // Meanwhile another request logs out; then the slow one saves.
    /// store.sessions().destroy(SessileStore::id_of(&slow.id().expect("it was saved"))).await?;
    /// slow.save().await?;
    /// assert_eq!(store.refused_saves(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn refused_saves(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
