//! Sessions as Rust values: [`TypedStore<T>`], behind the feature `serde`.
//!
//! A typed store is a [`Store`] and a [`Codec`], and nothing more: each operation is the store's own with a value
//! encoded on the way in and decoded on the way out. The codec and the version of the type stand before each value;
//! the record on disk knows nothing of either.
//!
//! A value that cannot be decoded is an [`Error::Codec`]. It is never taken for an empty session or for none, and
//! nothing is written or deleted because of it: the session waits for a program that can read it, and can be
//! destroyed like any other.
//!
//! Rooms: `codec` makes bytes of values, `value` puts codec and version before them, `session` holds what goes in and
//! comes out.

mod codec;
mod session;
mod value;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

pub use codec::Codec;
pub use session::{Typed, TypedSessions, TypedWrite};
pub use value::{Encoded, SessionValue};

use crate::error::{Error, Result};
use crate::id::Handle;
use crate::session::{Session, Version, Write};
use crate::store::{Store, Touched};

/// A store whose sessions are values of one type. As cheap to clone as the [`Store`] in it.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sessile::typed::{SessionValue, TypedStore, TypedWrite};
/// use sessile::{Options, SessionId};
///
/// #[derive(Serialize, Deserialize)]
/// struct Login {
///     user: u64,
///     cart: Vec<u32>,
/// }
///
/// impl SessionValue for Login {}
///
/// # let dir = tempfile::tempdir()?;
/// let store = Options::new().open(dir.path())?;
/// let sessions = TypedStore::<Login>::new(store);
///
/// let id = SessionId::generate()?;
/// let login = Login { user: 7, cart: vec![] };
/// sessions.create(&id, TypedWrite::new(&login).subject("7"))?;
///
/// sessions.update_with(&id, |session| {
///     let mut login = session.into_value();
///     login.cart.push(42);
///     Some(login.into())
/// })?;
///
/// let session = sessions.get(&id)?.ok_or("logged out")?;
/// assert_eq!(session.value().cart, [42]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TypedStore<T> {
    store: Store,
    codec: Codec,
    /// Owns no `T`, so it is `Send` and `Sync` whatever `T` is.
    value: PhantomData<fn() -> T>,
}

impl<T> TypedStore<T> {
    /// The sessions of this store as values, written as [`Codec::Json`].
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, codec: Codec::default(), value: PhantomData }
    }

    /// Writes with another codec from now on. Reading goes by what each value was written with.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// The store itself: for its statistics, its maintenance, and whatever looks at no value.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl<T: SessionValue> TypedStore<T> {
    /// Encodes a value, for a write that goes to the store by another way than through here, for example
    /// asynchronously.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that the codec cannot hold.
    ///
    /// ```
    /// # use sessile::{Options, typed::{SessionValue, TypedStore}};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Login { user: u64 }
    /// # impl SessionValue for Login {}
    /// # let dir = tempfile::tempdir()?;
    /// # let sessions = TypedStore::<Login>::new(Options::new().open(dir.path())?);
    /// let write = sessions.write(&Login { user: 7 })?.subject("7");
    /// sessions.store().create("id", write)?;
    /// let session = sessions.store().get("id")?.ok_or("gone")?;
    /// assert_eq!(sessions.read(&session)?.value().user, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write<'a>(&self, write: impl Into<TypedWrite<'a, T>>) -> Result<Write> {
        write.into().encode(self.codec)
    }

    /// Decodes a session that came from the store by another way than through here; see [`write`](Self::write).
    ///
    /// # Errors
    /// [`Error::Codec`] for a value that cannot be decoded; the message names the session by its handle.
    pub fn read(&self, session: &Session) -> Result<Typed<T>> {
        let named = |error| match error {
            Error::Codec(why) => Error::Codec(format!("session {}, {why}", session.handle()).into()),
            other => other,
        };
        let value = Encoded::parse(session.data()).and_then(Encoded::into_value).map_err(named)?;
        Ok(Typed { facts: session.facts, id: session.id.clone(), data_bytes: session.data().len(), value })
    }

    /// Begins a session. See [`Store::create`].
    ///
    /// # Errors
    /// Those of [`Store::create`], and [`Error::Invalid`] for a value that the codec cannot hold.
    pub fn create<'a>(&self, id: impl AsRef<[u8]>, write: impl Into<TypedWrite<'a, T>>) -> Result<Version> {
        self.store.create(id, self.write(write)?)
    }

    /// Writes to a live session. See [`Store::update`].
    ///
    /// # Errors
    /// Those of [`Store::update`], and [`Error::Invalid`] for a value that the codec cannot hold.
    pub fn update<'a>(&self, id: impl AsRef<[u8]>, write: impl Into<TypedWrite<'a, T>>) -> Result<Version> {
        self.store.update(id, self.write(write)?)
    }

    /// Begins a session or replaces a live one. See [`Store::set`].
    ///
    /// # Errors
    /// Those of [`Store::set`], and [`Error::Invalid`] for a value that the codec cannot hold.
    pub fn set<'a>(&self, id: impl AsRef<[u8]>, write: impl Into<TypedWrite<'a, T>>) -> Result<Version> {
        self.store.set(id, self.write(write)?)
    }

    /// Reads a session. `None` means that there is no live one; one that cannot be decoded is an error.
    ///
    /// # Errors
    /// Those of [`Store::get`], and [`Error::Codec`]; the session is then as it was.
    pub fn get(&self, id: impl AsRef<[u8]>) -> Result<Option<Typed<T>>> {
        self.store.get(id)?.map(|session| self.read(&session)).transpose()
    }

    /// Extends a session without looking at its value. See [`Store::touch`].
    ///
    /// # Errors
    /// Those of [`Store::touch`].
    pub fn touch(&self, id: impl AsRef<[u8]>, idle: Duration) -> Result<Touched> {
        self.store.touch(id, idle)
    }

    /// Writes to a session that is still at this version. See [`Store::replace_if`].
    ///
    /// # Errors
    /// Those of [`Store::replace_if`], and [`Error::Invalid`] for a value that the codec cannot hold.
    pub fn replace_if<'a>(
        &self,
        id: impl AsRef<[u8]>,
        version: Version,
        write: impl Into<TypedWrite<'a, T>>,
    ) -> Result<Version> {
        self.store.replace_if(id, version, self.write(write)?)
    }

    /// Changes a session by what it holds, atomically; `None` from `f` declines, and is then the result. `f` runs
    /// outside all locks and may run more than once. See [`Store::update_with`].
    ///
    /// # Errors
    /// Those of [`Store::update_with`]; [`Error::Codec`] for a value that cannot be decoded, which `f` does not get
    /// to see; [`Error::Invalid`] for one that the codec cannot hold. Nothing is written then.
    pub fn update_with(
        &self,
        id: impl AsRef<[u8]>,
        mut f: impl FnMut(Typed<T>) -> Option<TypedWrite<'static, T>>,
    ) -> Result<Option<Version>> {
        let mut failed = None;
        let version = self.store.update_with(id, |session| {
            let write =
                self.read(session).and_then(|typed| f(typed).map(|write| self.write(write)).transpose());
            failed = None;
            write.unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        })?;
        failed.map_or(Ok(version), Err)
    }

    /// Ends a session, whatever it holds. See [`Store::destroy`].
    ///
    /// # Errors
    /// Those of [`Store::destroy`].
    pub fn destroy(&self, id: impl AsRef<[u8]>) -> Result<bool> {
        self.store.destroy(id)
    }

    /// Gives a session a new id and, if it is given, a new value, in one record. See [`Store::rotate`].
    ///
    /// # Errors
    /// Those of [`Store::rotate`], and [`Error::Invalid`] for a value that the codec cannot hold.
    pub fn rotate(
        &self,
        old: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        write: Option<TypedWrite<'_, T>>,
    ) -> Result<Version> {
        self.store.rotate(old, new, write.map(|write| self.write(write)).transpose()?)
    }

    /// The live sessions of a subject. One that cannot be decoded is an error in its place, and the stream goes on.
    ///
    /// # Errors
    /// Those of [`Store::sessions_of`].
    pub fn sessions_of(&self, subject: impl AsRef<[u8]>) -> Result<TypedSessions<T>> {
        Ok(TypedSessions { sessions: self.store.sessions_of(subject)?, store: self.clone() })
    }

    /// All live sessions. One that cannot be decoded is an error in its place, and the stream goes on.
    ///
    /// # Errors
    /// Those of [`Store::iter`].
    pub fn iter(&self) -> Result<TypedSessions<T>> {
        Ok(TypedSessions { sessions: self.store.iter()?, store: self.clone() })
    }

    /// Reads a session by its handle. See [`Store::get_handle`].
    ///
    /// # Errors
    /// Those of [`Store::get_handle`], and [`Error::Codec`]; the session is then as it was.
    pub fn get_handle(&self, handle: &Handle) -> Result<Option<Typed<T>>> {
        self.store.get_handle(handle)?.map(|session| self.read(&session)).transpose()
    }

    /// Ends a session by its handle, whatever it holds. See [`Store::destroy_handle`].
    ///
    /// # Errors
    /// Those of [`Store::destroy_handle`].
    pub fn destroy_handle(&self, handle: &Handle) -> Result<bool> {
        self.store.destroy_handle(handle)
    }

    /// Ends the sessions of a subject, but for the id to keep. See [`Store::destroy_subject`].
    ///
    /// # Errors
    /// Those of [`Store::destroy_subject`].
    pub fn destroy_subject(&self, subject: impl AsRef<[u8]>, keep: Option<&[u8]>) -> Result<u64> {
        self.store.destroy_subject(subject, keep)
    }
}

impl<T> Clone for TypedStore<T> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), codec: self.codec, value: PhantomData }
    }
}

impl<T> fmt::Debug for TypedStore<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TypedStore")
            .field("codec", &self.codec)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
