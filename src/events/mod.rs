//! Events: what happens to sessions, told to whoever listens.
//!
//! Owns: one ring of what happened last, of a bounded length, and where in it each listener is; beside the log a ledger of
//! what has been told. Nobody who acts on a session waits for a listener: one who is slow loses the oldest, and hears how
//! many. Invariants:
//! 1. Events of one session stand in the ring in the order in which they happened: they are told under its id's lock.
//! 2. An event is told until somebody has dealt with it, which he says by asking for the next one. When the last listener
//!    goes, the next one begins with what that one took last, unless he had asked for more.
//! 3. The ring's lock is a leaf: nothing is called under it. Listeners are woken when the caller holds no lock at all.

mod hub;
mod ledger;
mod ring;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{Handle, SubjectDigest};

pub(crate) use hub::Hub;
#[cfg(feature = "fuzzing")]
pub(crate) use ledger::COPY_BYTES;
pub(crate) use ledger::{FILE_NAME as LEDGER, Ledger, Sought, Told};
use ring::Ring;
pub(crate) use ring::{KEPT, Unwritten};

/// What happened to a session. None carries an id: compare with [`Store::handle_of`](crate::Store::handle_of).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path())?;
/// use sessile::SessionEvent;
///
/// let mut events = store.events()?;
/// store.create("an id", "some data")?;
/// store.destroy("an id")?;
/// while let Some(event) = events.try_next() {
///     match event {
///         SessionEvent::Created { handle, .. } => println!("{handle} has logged in"),
///         SessionEvent::Expired { handle, .. } => println!("{handle} was idle for too long"),
///         SessionEvent::Ended { handle, reason, .. } => println!("{handle} was ended: {reason:?}"),
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// It was created, or a rotate gave it this handle.
    Created {
        /// Which one.
        handle: Handle,
        /// Whose, if anybody's.
        subject: Option<SubjectDigest>,
    },
    /// It was written anew. A touch is no such event.
    Updated {
        /// Which one.
        handle: Handle,
        /// Whose it is now.
        subject: Option<SubjectDigest>,
    },
    /// Its time had run out.
    Expired {
        /// Which one.
        handle: Handle,
        /// Whose it was.
        subject: Option<SubjectDigest>,
    },
    /// It was ended before its time.
    Ended {
        /// Which one.
        handle: Handle,
        /// Whose it was.
        subject: Option<SubjectDigest>,
        /// By what.
        reason: Reason,
    },
    /// All sessions were ended at once, by [`Store::clear`](crate::Store::clear).
    Cleared,
}

impl SessionEvent {
    /// The session that it is about; `None` when it is about all.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// let mut events = store.events()?;
    /// store.create("an id", "some data")?;
    /// let event = events.try_next().expect("something has happened");
    /// assert_eq!(event.handle(), Some(store.handle_of("an id")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn handle(&self) -> Option<Handle> {
        match self {
            Self::Created { handle, .. }
            | Self::Updated { handle, .. }
            | Self::Expired { handle, .. }
            | Self::Ended { handle, .. } => Some(*handle),
            Self::Cleared => None,
        }
    }

    /// Whose session it is about, if anybody's; `None` also when it is about all.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// let mut events = store.events()?;
    /// store.create("an id", sessile::Write::new("some data").subject("alice"))?;
    /// let event = events.try_next().expect("something has happened");
    /// assert_eq!(event.subject(), Some(store.subject_digest("alice")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn subject(&self) -> Option<SubjectDigest> {
        match self {
            Self::Created { subject, .. }
            | Self::Updated { subject, .. }
            | Self::Expired { subject, .. }
            | Self::Ended { subject, .. } => *subject,
            Self::Cleared => None,
        }
    }

    /// Whether no request can use that session any more.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// store.create("an id", "some data")?;
    /// let mut events = store.events()?;
    /// store.update("an id", "newer data")?;
    /// store.clear()?;
    /// let ends: Vec<_> = std::iter::from_fn(|| events.try_next()).map(|event| event.is_end()).collect();
    /// assert_eq!(ends, [false, true]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::Ended { .. } | Self::Cleared)
    }
}

/// Why a session was ended before its time.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path())?;
/// use sessile::{Reason, SessionEvent};
///
/// store.create("before login", "some data")?;
/// let mut events = store.events()?;
/// store.rotate("before login", "after login", None)?;
/// let now = store.handle_of("after login")?;
/// let ended = std::iter::from_fn(|| events.try_next()).find(|event| event.is_end());
/// let Some(SessionEvent::Ended { reason: Reason::Rotated { to }, .. }) = ended else { panic!("{ended:?}") };
/// assert_eq!(to, now);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A logout, or a write whose deadline had passed.
    Destroyed,
    /// "Log out everywhere".
    Revoked,
    /// It goes on under another id.
    Rotated {
        /// The session as it is now.
        to: Handle,
    },
    /// It made room for another, at the limit.
    Evicted,
}

/// What happens to the sessions of a store, for one listener: see [`Store::events`](crate::Store::events).
///
/// With the feature `async` it is a `Stream`; without a runtime, [`next_within`](Self::next_within) waits on the
/// caller's thread.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path())?;
/// use std::time::Duration;
///
/// let mut events = store.events()?;
/// let listener = std::thread::spawn(move || events.next_within(Duration::from_secs(60)));
/// store.create("an id", "some data")?;
/// let event = listener.join().expect("it does not panic").expect("less than a minute has passed");
/// assert_eq!(event.handle(), Some(store.handle_of("an id")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Events {
    hub: Arc<Hub>,
    number: u64,
}

impl Events {
    /// The next event, if there is one. Whoever asks has dealt with the one before.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// let mut events = store.events()?;
    /// assert_eq!(events.try_next(), None);
    /// store.create("an id", "some data")?;
    /// assert!(events.try_next().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_next(&mut self) -> Option<SessionEvent> {
        self.hub.ring.lock().take(self.number)
    }

    /// The next event, if there is one within this time; `None` also when the store has been closed and nothing is left.
    /// Whoever asks has dealt with the one before.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// use std::time::Duration;
    ///
    /// let mut events = store.events()?;
    /// store.close()?;
    /// assert_eq!(events.next_within(Duration::from_secs(60)), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_within(&mut self, time: Duration) -> Option<SessionEvent> {
        let mut ring = self.hub.ring.lock();
        let nothing = |ring: &mut Ring| !ring.closed && !ring.has_next(self.number);
        if nothing(&mut ring) {
            // What came before is dealt with, though nothing comes yet.
            ring.take(self.number);
            self.hub.changed.wait_while_for(&mut ring, nothing, time);
        }
        ring.take(self.number)
    }

    /// How many events this listener has missed, because it was slower than they came.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path())?;
    /// let mut events = store.events()?;
    /// store.create("an id", "some data")?;
    /// assert_eq!((events.missed(), events.try_next().is_some()), (0, true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.hub.ring.lock().missed(self.number)
    }
}

#[cfg(feature = "async")]
impl futures_core::Stream for Events {
    type Item = SessionEvent;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<SessionEvent>> {
        let mut ring = self.hub.ring.lock();
        let next = ring.take(self.number);
        if next.is_some() || ring.closed {
            return std::task::Poll::Ready(next);
        }
        let before = ring.wait(self.number, context.waker().clone());
        drop((ring, before));
        std::task::Poll::Pending
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let left = self.hub.ring.lock().leave(self.number);
        drop(left);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Events").field("missed", &self.missed()).finish_non_exhaustive()
    }
}
