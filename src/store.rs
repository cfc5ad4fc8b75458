//! The store: each operation a short story.
//!
//! Owns: the public handle. What the steps mean is told in the rooms below: `reading`, `write`, `touch`, `ending` change
//! and read sessions, `finding` finds them; `limits` makes room; `upkeep`, `compacting` and `planning` keep the store small; `opening` and
//! `closing` are its two ends; `inspecting` tells about it; `core` is what they share, `locks` who waits for whom, `owed`
//! what the log must still be told, `pending` what a call still waits for; `keys` and `reencrypting` see to the keys of an encrypted store; `telling` sees to it that
//! listeners hear of what runs out. The other public calls stand in `devices` (a user's sessions) and `operating`.

mod backing_up;
mod carrying;
mod closing;
mod compacting;
pub(crate) mod core;
mod devices;
mod ending;
mod evidence;
mod filling;
mod finding;
mod inspecting;
#[cfg(feature = "encryption")]
pub(crate) mod keys;
mod limits;
mod locks;
mod opening;
mod operating;
mod owed;
pub(crate) mod pending;
mod planning;
mod reading;
#[cfg(feature = "encryption")]
pub(crate) mod reencrypting;
mod restoring;
mod rotating;
mod salvaging;
mod set_back;
mod telling;
mod touch;
pub(crate) mod upkeep;
pub(crate) mod write;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use reading::{SessionRef, Sessions};
pub use restoring::Restoring;

use self::core::Core;
use self::pending::Pending;
use crate::error::Result;
use crate::options::Options;
use crate::session::{Session, Version, Write};
use crate::sync::thread;
use write::Expect;

/// What a touch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Touched {
    /// The deadline moved, and the log knows.
    Logged,
    /// The deadline moved in memory; the log is behind by less than the slack, so nothing was written.
    Coalesced,
}

/// A session store: a cheap handle to one open directory, to be cloned and sent where it is needed.
///
/// Dropping the last handle closes the store cleanly; [`close`](Self::close) does it now and tells how it went.
///
/// ```
/// use sessile::{SessionId, Store, Write};
///
/// # let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let id = SessionId::generate()?;
/// store.create(&id, Write::new("cart: 3 apples"))?;
/// assert_eq!(store.get(&id)?.expect("it was just created").data(), b"cart: 3 apples");
///
/// // A login gives the session a new id, in one record.
/// let new_id = SessionId::generate()?;
/// store.rotate(&id, &new_id, Some(Write::new("user: alice").subject("alice")))?;
/// assert!(store.get(&id)?.is_none());
///
/// // Log out everywhere.
/// assert_eq!(store.destroy_subject("alice", None)?, 1);
/// assert!(store.get(&new_id)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Store {
    held: Arc<Held>,
}

/// What handles share. The store is closed when the last that keeps it open goes.
pub(crate) struct Held {
    pub(crate) core: Arc<Core>,
    /// Whether these keep it open: see [`Store::weak`].
    keeps: bool,
}

impl Held {
    pub(crate) fn keeping(core: Arc<Core>) -> Self {
        Self { core, keeps: true }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.keeps {
            return;
        }
        // A waker may drop the last handle, on the thread that wakes it: and that must not wait for itself.
        if self.core.upkeep.is_own_thread() {
            let core = Arc::clone(&self.core);
            let _ = thread::Builder::new().name("sessile-close".to_owned()).spawn(move || core.close());
            return;
        }
        // Whoever wants to know how it went calls `close`.
        let _ = self.core.close();
    }
}

impl Store {
    /// Opens the store in `directory` with the default [`Options`], and creates it where there is none.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(directory)
    }

    pub(crate) fn open_with(directory: &Path, options: Options) -> Result<Self> {
        opening::open(directory, options).map(|held| Self { held })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.held.core
    }

    /// Waits for what a call has written.
    fn settled<T>(&self, pending: Result<Pending<T>>) -> Result<T> {
        self.core().settle(pending)
    }

    /// Creates a session. The id must not belong to a live session; an ended id is free.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("an id", "some data")?;
    /// assert!(matches!(store.create("an id", "other data"), Err(sessile::Error::Duplicate)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Duplicate`, `TooLarge`, `Full`, `ClockUnconfirmed`, `Invalid` for an id or subject out of its limits, `Latched`,
    /// `Closed`, `ReadOnly`, `Io`.
    pub fn create(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        self.settled(self.core().put(id.as_ref(), &write.into(), Expect::Absent))
    }

    /// Writes a live session anew. One that has ended stays ended: a slow request cannot revive who has logged out.
    ///
    /// What the write does not say stays as it is: subject, idle lifetime, absolute deadline. The idle deadline moves
    /// to its lifetime from now, and never closer unless the write asks for it with [`Write::shorten`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// let first = store.create("an id", "some data")?;
    /// assert!(store.update("an id", "newer data")? > first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Unknown`, and those of [`create`](Self::create) but `Duplicate`.
    pub fn update(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        self.settled(self.core().put(id.as_ref(), &write.into(), Expect::Present))
    }

    /// Creates a session or writes it anew, whichever it takes. For callers whose contract asks for an upsert: it
    /// *can* bring back an id that was logged out, so prefer [`update`](Self::update).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.set("an id", "some data")?;
    /// store.set("an id", "newer data")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`create`](Self::create) but `Duplicate`.
    pub fn set(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        self.settled(self.core().put(id.as_ref(), &write.into(), Expect::Anything))
    }

    /// Reads a live session, as an owned copy; `None` when there is none. Does not count as use: see
    /// [`touch`](Self::touch).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// assert!(store.get("an id")?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` when its record is not what was written, `Io`, `Invalid`, `Closed`.
    pub fn get(&self, id: impl AsRef<[u8]>) -> Result<Option<Session>> {
        let core = self.core();
        core.get(core.secret.of_id(id.as_ref())?)
    }

    /// Reads a live session in place, without copying its data.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("an id", "some data")?;
    /// let session = store.get_ref("an id")?.expect("it was just created");
    /// assert_eq!(session.data(), b"some data");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_ref(&self, id: impl AsRef<[u8]>) -> Result<Option<SessionRef>> {
        let core = self.core();
        core.get_ref(core.secret.of_id(id.as_ref())?)
    }

    /// A live session was used: moves its deadline to `idle` from now. Never closer, never beyond the absolute
    /// deadline. The deadline moves in memory at once; the log hears of it only when it would fall behind by the slack.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("an id", "some data")?;
    /// store.touch("an id", Duration::from_secs(1800))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Unknown`, `Invalid`, `Latched`, `Full`, `Closed`, `ReadOnly`, `Corrupt`, `Io`.
    pub fn touch(&self, id: impl AsRef<[u8]>, idle: Duration) -> Result<Touched> {
        self.settled(self.core().touch(id.as_ref(), idle))
    }

    /// Writes a live session anew if it is still at `version`: compare and swap.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// let first = store.create("an id", "some data")?;
    /// store.replace_if("an id", first, "newer data")?;
    /// assert!(matches!(store.replace_if("an id", first, "too late"), Err(sessile::Error::Conflict { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Conflict`, and those of [`update`](Self::update).
    pub fn replace_if(
        &self,
        id: impl AsRef<[u8]>,
        version: Version,
        write: impl Into<Write>,
    ) -> Result<Version> {
        self.settled(self.core().put(id.as_ref(), &write.into(), Expect::At(version)))
    }

    /// Reads a live session, asks `f` what to make of it, and writes that if nobody was faster; asks again if somebody
    /// was. `f` runs outside all locks, so it may call the store; it may decline with `None`, and then the result is
    /// `None`. When it panics, nothing has changed.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("an id", "1")?;
    /// store.update_with("an id", |session| {
    ///     let visits: u32 = std::str::from_utf8(session.data()).ok()?.parse().ok()?;
    ///     Some((visits + 1).to_string().as_str().into())
    /// })?;
    /// assert_eq!(store.get("an id")?.expect("it is live").data(), b"2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub fn update_with(
        &self,
        id: impl AsRef<[u8]>,
        f: impl FnMut(&Session) -> Option<Write>,
    ) -> Result<Option<Version>> {
        self.settled(self.core().put_with(id.as_ref(), f))
    }

    /// Ends a session; `false` when there was none. It stays ended.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("an id", "some data")?;
    /// assert!(store.destroy("an id")?);
    /// assert!(!store.destroy("an id")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Latched` with `in_memory` when it has ended but a crash could undo that; `Invalid`, `Closed`, `ReadOnly`, `Io`.
    pub fn destroy(&self, id: impl AsRef<[u8]>) -> Result<bool> {
        let core = self.core();
        self.settled(core.destroy(core.secret.of_id(id.as_ref())?))
    }

    /// Gives a live session a new id, in one record: a login. With a write, new data and, if it says so, another
    /// subject; without, everything stays. When it began and its absolute deadline stay in any case. After a crash
    /// exactly one of the two ids works.
    ///
    /// ```
    /// # use sessile::Write;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("before login", "cart: 3 apples")?;
    /// store.rotate("before login", "after login", Some(Write::new("cart: 3 apples").subject("alice")))?;
    /// assert!(store.get("before login")?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Unknown` for the old id, `Duplicate` for the new one, and those of [`create`](Self::create).
    pub fn rotate(
        &self,
        old: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        write: Option<Write>,
    ) -> Result<Version> {
        self.settled(self.core().rotate(old.as_ref(), new.as_ref(), write.as_ref()))
    }

    /// How many sessions there are, expired ones included that maintenance has not met yet; exact after
    /// [`maintain`](Self::maintain). Costs nothing.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a store that is empty now says little about the next moment"
    )]
    pub fn len(&self) -> u64 {
        self.core().index.len() as u64
    }

    /// All live sessions, each as it is when the stream comes to it.
    ///
    /// # Errors
    /// `Closed`; the stream's items as [`get`](Self::get).
    pub fn iter(&self) -> Result<Sessions> {
        self.core().check_open()?;
        Ok(Sessions::all(self.core()))
    }

    /// Ends all sessions, in one record; says how many.
    ///
    /// # Errors
    /// As [`destroy`](Self::destroy).
    pub fn clear(&self) -> Result<u64> {
        self.settled(self.core().clear())
    }

    /// Waits until everything that was written before this call is on the disk.
    ///
    /// # Errors
    /// `Latched`, `Closed`, `ReadOnly`.
    pub fn flush(&self) -> Result<()> {
        self.settled(self.core().appended())
    }

    /// Closes the store: syncs, writes the snapshot for a quick opening, lets the lock go. Afterwards every call on
    /// every handle says `Closed`. Calling it again does nothing.
    ///
    /// # Errors
    /// `Latched` or `Io` when not everything could be made durable; the store is closed all the same.
    pub fn close(&self) -> Result<()> {
        self.core().close()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let core = self.core();
        out.debug_struct("Store")
            .field("directory", &core.directory)
            .field("sessions", &core.index.len())
            .finish()
    }
}
