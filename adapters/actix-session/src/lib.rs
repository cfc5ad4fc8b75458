//! Durable sessions for [actix-session](https://docs.rs/actix-session): a directory beside your server instead of a server
//! beside it. Sessions survive restarts, crashes and power loss; who has logged out stays logged out; expiry needs no task.
//!
//! ```
//! use actix_session::{Session, SessionMiddleware};
//! use actix_session_sessile::SessileSessionStore;
//! use actix_web::cookie::Key;
//! use actix_web::{App, web};
//! use sessile::Options;
//! use sessile::nonblocking::AsyncStore;
//!
//! async fn index(session: Session) -> actix_web::Result<String> {
//!     let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
//!     session.insert("visits", visits)?;
//!     Ok(format!("visit {visits}"))
//! }
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let directory = dir.path();
//! let store = SessileSessionStore::new(AsyncStore::open(directory).await?).subject_key("user_id");
//! let key = Key::generate(); // From your configuration: with another one, all cookies are void.
//! let app = move || {
//!     App::new()
//!         .wrap(SessionMiddleware::new(store.clone(), key.clone()))
//!         .route("/", web::get().to(index))
//! };
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # What the framework's calls do not give
//! `Session::renew` deletes the old session and then creates the new one: a crash in between loses the session (never the other
//! way round: the old key is dead in any case). The store does not see that the two belong together, so the new one begins
//! anew with its absolute deadline. [`AsyncStore::rotate`] does it in one record, for code that sets the cookie itself.

mod operators;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actix_session::storage::{
    LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key,
};
use actix_web::cookie::time::Duration;
use serde_json::Value;
use sessile::nonblocking::AsyncStore;
use sessile::{Subject, Unknown, Write};
use sessile_backends::adapting::{Home, Seen};
use sessile_backends::{Backend, Error};
use sessile_control::Control;

use operators::serve_operators;

type State = HashMap<String, String>;

/// A [`SessionStore`] over a [sessile] store, or over any other home. As cheap to clone as that.
///
/// ```
/// use actix_session::storage::SessionStore as _;
/// use actix_session_sessile::SessileSessionStore;
/// use actix_web::cookie::time::Duration;
/// use sessile::nonblocking::AsyncStore;
/// use std::collections::HashMap;
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path();
/// let store = SessileSessionStore::new(AsyncStore::open(directory).await?);
/// let state = HashMap::from([("cart".to_owned(), "[7]".to_owned())]);
/// let key = store.save(state.clone(), &Duration::minutes(30)).await?;
/// assert_eq!(store.load(&key).await?, Some(state));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SessileSessionStore<H = AsyncStore> {
    sessions: H,
    subject_key: Option<Arc<str>>,
    control: Option<Control>,
}

impl SessileSessionStore {
    /// Keeps sessions in this store, with its options: durability, limits, and an absolute lifetime, which actix-session does
    /// not know.
    ///
    /// ```
    /// use actix_session_sessile::SessileSessionStore;
    /// use sessile::{Options, nonblocking::AsyncStore};
    /// use std::time::Duration;
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let directory = dir.path();
    /// let twelve_hours = Options::new().absolute(Duration::from_secs(12 * 60 * 60));
    /// let store = SessileSessionStore::new(AsyncStore::open_with(twelve_hours, directory).await?);
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(sessions: AsyncStore) -> Self {
        let control = serve_operators(&sessions);
        Self { sessions, subject_key: None, control }
    }

    /// Whether `sessile stats|ls|destroy|top|...` go to this process while it holds the store, over `control.sock` in its
    /// directory, for this user and root alone: see [`sessile_control`]. On unless it is switched off. Where the socket cannot be
    /// made, that is logged, with `tracing`, and the store works without.
    ///
    /// ```
    /// # use sessile::nonblocking::AsyncStore;
    /// # use actix_session_sessile::SessileSessionStore;
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let sessions = AsyncStore::open(dir.path()).await?;
    /// let store = SessileSessionStore::new(sessions).control(false);
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
}

impl SessileSessionStore<Arc<dyn Backend>> {
    /// Keeps sessions in any home: a directory, Redis or Valkey, PostgreSQL; see [`sessile_backends`]. Operators are served by who has
    /// opened the home, since only a directory has any: `Control::serve` of [`sessile_control`] with the store of an
    /// [`Embedded`](sessile_backends::Embedded), as `examples/axum` does.
    ///
    /// ```
    /// use actix_session_sessile::SessileSessionStore;
    /// use sessile_backends::{Backend, Memory, Settings};
    /// use std::sync::Arc;
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let home: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new())?);
    /// let store = SessileSessionStore::over(home).subject_key("user_id");
    /// // Log out everywhere, wherever the sessions are.
    /// store.sessions().destroy_subject(b"42", None).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn over(home: Arc<dyn Backend>) -> Self {
        Self { sessions: home, subject_key: None, control: None }
    }
}

impl<H: Home> SessileSessionStore<H> {
    /// Attaches each session to the user whose name or number stands in it under this key, so that "your devices" and "log
    /// out everywhere" find it. A number counts as its digits; without the key, or with `null`, a session is nobody's.
    ///
    /// ```
    /// # use actix_session::storage::SessionStore as _;
    /// # use actix_session_sessile::SessileSessionStore;
    /// # use actix_web::cookie::time::Duration;
    /// # use sessile::nonblocking::AsyncStore;
    /// # use std::collections::HashMap;
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let sessions = AsyncStore::open(dir.path()).await?;
    /// let store = SessileSessionStore::new(sessions).subject_key("user_id");
    /// // What `session.insert("user_id", 42)` leaves behind:
    /// let state = HashMap::from([("user_id".to_owned(), "42".to_owned())]);
    /// store.save(state, &Duration::minutes(30)).await?;
    /// assert_eq!(store.sessions().sessions_of("42").await?.count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn subject_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.subject_key = Some(key.into());
        self
    }

    /// The store itself, for what actix-session has no word for: a user's sessions, events, figures, closing. Its ids are the
    /// session keys.
    ///
    /// ```
    /// # use actix_session::storage::SessionStore as _;
    /// # use actix_session_sessile::SessileSessionStore;
    /// # use actix_web::cookie::time::Duration;
    /// # use sessile::nonblocking::AsyncStore;
    /// # use std::collections::HashMap;
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let store = SessileSessionStore::new(AsyncStore::open(dir.path()).await?);
    /// # let key = store.save(HashMap::new(), &Duration::minutes(30)).await?;
    /// assert!(store.sessions().get(key.as_ref()).await?.is_some());
    /// // The last thing a server does: the next opening is quicker for it.
    /// store.sessions().close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sessions(&self) -> &H {
        &self.sessions
    }

    fn subject(&self, state: &State) -> Subject {
        let Some(key) = &self.subject_key else { return Subject::Keep };
        let value = state.get(&**key).and_then(|value| serde_json::from_str(value).ok());
        match value {
            None | Some(Value::Null) => Subject::Clear,
            Some(Value::String(name)) if name.is_empty() => Subject::Clear,
            Some(Value::String(name)) => Subject::Set(name.into_bytes()),
            Some(value) => Subject::Set(value.to_string().into_bytes()),
        }
    }

    fn write(&self, state: &State, ttl: &Duration) -> serde_json::Result<Write> {
        // In the order of the keys, so that equal states are equal bytes.
        let data = serde_json::to_vec(&state.iter().collect::<BTreeMap<_, _>>())?;
        Ok(Write::new(data).idle(lifetime(ttl)).subject_change(self.subject(state)))
    }

    async fn create(&self, write: Write) -> Result<SessionKey, Error> {
        loop {
            let key = generate_session_key();
            match self.sessions.create(key.as_ref().as_bytes(), write.clone()).await {
                // Somebody else's: whoever gets this session must not get that.
                Err(Error::Store(sessile::Error::Duplicate)) => {}
                created => return created.map(|_| key),
            }
        }
    }
}

impl<H: Home> SessionStore for SessileSessionStore<H> {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        match self.sessions.look(key.as_ref().as_bytes()).await {
            Ok(Some(session)) => serde_json::from_slice(session.data())
                .map(Some)
                .map_err(|error| LoadError::Deserialization(error.into())),
            // No key of ours is so long.
            Ok(None) | Err(Error::Store(sessile::Error::Invalid(_))) => Ok(None),
            Err(error) => Err(LoadError::Other(error.into())),
        }
    }

    async fn save(&self, state: State, ttl: &Duration) -> Result<SessionKey, SaveError> {
        let write = self.write(&state, ttl).map_err(|error| SaveError::Serialization(error.into()))?;
        self.create(write).await.map_err(|error| SaveError::Other(error.into()))
    }

    /// A session that is known to have run out meanwhile goes on under a new key. One that was ended does not, nor one of which
    /// nobody knows what became, as in a home that keeps no endings: what the request has written is gone, and its client gets
    /// an empty session.
    async fn update(&self, key: SessionKey, state: State, ttl: &Duration) -> Result<SessionKey, UpdateError> {
        let write = self.write(&state, ttl).map_err(|error| UpdateError::Serialization(error.into()))?;
        let updated = match self.sessions.update(key.as_ref().as_bytes(), write.clone().shorten()).await {
            Ok(_) => Ok(key),
            Err(Error::Store(sessile::Error::Unknown(Unknown::Expired) | sessile::Error::Invalid(_))) => {
                self.create(write).await
            }
            Err(error) if error.is_unknown() => {
                let empty = self.write(&State::new(), ttl);
                self.create(empty.map_err(|error| UpdateError::Serialization(error.into()))?).await
            }
            Err(error) => Err(error),
        };
        updated.map_err(|error| UpdateError::Other(error.into()))
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &Duration) -> Result<(), anyhow::Error> {
        match self.sessions.touch(key.as_ref().as_bytes(), lifetime(ttl)).await {
            Err(Error::Store(sessile::Error::Unknown(_) | sessile::Error::Invalid(_))) => Ok(()),
            touched => Ok(touched.map(drop)?),
        }
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        match self.sessions.destroy(key.as_ref().as_bytes()).await {
            Err(Error::Store(sessile::Error::Invalid(_))) => Ok(()),
            destroyed => Ok(destroyed.map(drop)?),
        }
    }
}

/// To the millisecond; what is negative has ended.
fn lifetime(ttl: &Duration) -> std::time::Duration {
    std::time::Duration::try_from(*ttl).unwrap_or_default()
}

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
