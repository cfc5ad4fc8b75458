//! Events: what happens to sessions, told to whoever listens.
//!
//! Owns: one ring of what happened last, of a bounded length, and where in it each listener is. Nobody who acts on a session
//! waits for a listener: one who is slow loses the oldest, and hears how many. Invariants:
//! 1. Events of one session stand in the ring in the order in which they happened: they are told under its id's lock.
//! 2. An expiry is held until everybody has taken it, or until it falls off the ring: meanwhile the session stays in the
//!    index, over and shown to nobody, so a crash leaves a record that the next opening tells of again.
//! 3. What is parked is not lost: when the last listener goes, the next begins where it stopped.
//! 4. The ring's lock is a leaf: nothing is called under it. Listeners are woken when the caller holds no lock at all.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::id::{Digest, Handle, SubjectDigest};
use crate::index::Entry;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex};

/// How many events are kept for listeners who have not taken them yet.
pub(crate) const KEPT: usize = 4_096;

/// What happened to a session. None carries an id: compare with [`Store::handle_of`](crate::Store::handle_of).
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
    /// Its time had run out. Told at least once, across restarts too: see [`Store::events`](crate::Store::events).
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
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::Ended { .. } | Self::Cleared)
    }
}

/// Why a session was ended before its time.
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
pub struct Events {
    hub: Arc<Hub>,
    number: u64,
}

impl Events {
    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<SessionEvent> {
        self.hub.ring.lock().take(self.number)
    }

    /// The next event, if there is one within this time; `None` also when the store has been closed and nothing is left.
    pub fn next_within(&mut self, time: Duration) -> Option<SessionEvent> {
        let mut ring = self.hub.ring.lock();
        let nothing = |ring: &mut Ring| !ring.closed && !ring.has_next(self.number);
        self.hub.changed.wait_while_for(&mut ring, nothing, time);
        ring.take(self.number)
    }

    /// How many events this listener has missed, because it was slower than they came.
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

/// Where events come together and go out.
pub(crate) struct Hub {
    /// Whether anybody listens or did: without that, an event costs one load.
    kept: AtomicBool,
    /// Whether there is something that listeners have not been woken for.
    news: AtomicBool,
    ring: Mutex<Ring>,
    changed: Condvar,
}

struct Ring {
    events: VecDeque<Told>,
    /// The number of the first event in the ring.
    first: u64,
    listeners: BTreeMap<u64, Listener>,
    numbers: u64,
    /// Where the last listener stopped.
    parked: u64,
    /// Sessions that have run out, were told of, and are still in the index.
    held: HashSet<Digest>,
    /// Those that nobody holds any more.
    released: Vec<Entry>,
    /// Everything that was due by then stands in the ring, or has been taken.
    reaped_ms: u64,
    closed: bool,
}

struct Told {
    event: SessionEvent,
    held: Option<Entry>,
}

struct Listener {
    next: u64,
    missed: u64,
    waker: Option<Waker>,
}

impl Hub {
    /// A hub that keeps events from the beginning if somebody has listened to this store before, and has taken every expiry
    /// up to this moment.
    pub fn new(told_ms: Option<u64>) -> Self {
        Self {
            kept: AtomicBool::new(told_ms.is_some()),
            news: AtomicBool::new(false),
            ring: Mutex::new(Ring {
                events: VecDeque::new(),
                first: 0,
                listeners: BTreeMap::new(),
                numbers: 0,
                parked: 0,
                held: HashSet::new(),
                released: Vec::new(),
                reaped_ms: told_ms.unwrap_or(0),
                closed: false,
            }),
            changed: Condvar::default(),
        }
    }

    /// Whether events are kept for anybody.
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }

    /// Somebody listens from here on, or from where the last one stopped.
    pub fn listen(self: &Arc<Self>, settled_ms: u64) -> Events {
        let mut ring = self.ring.lock();
        if !self.is_kept() {
            ring.reaped_ms = settled_ms;
        }
        let next = if ring.listeners.is_empty() && self.is_kept() { ring.parked } else { ring.end() };
        ring.numbers += 1;
        let (number, missed) = (ring.numbers, ring.first.saturating_sub(next));
        let listener = Listener { next: next.max(ring.first), missed, waker: None };
        ring.listeners.insert(number, listener);
        self.kept.store(true, Ordering::Release);
        drop(ring);
        Events { hub: Arc::clone(self), number }
    }

    /// Tells whoever listens. The caller holds the id's lock, and calls [`notify`](Self::notify) when he no longer does.
    pub fn tell(&self, event: impl FnOnce() -> SessionEvent) {
        if self.is_kept() {
            self.ring.lock().push(Told { event: event(), held: None });
            self.news.store(true, Ordering::Release);
        }
    }

    /// Tells that a session has run out, once; `true` when it must stay in the index until everybody knows.
    pub fn hold(&self, entry: Entry, digest: Digest, event: SessionEvent) -> bool {
        if !self.is_kept() {
            return false;
        }
        let mut ring = self.ring.lock();
        if ring.held.insert(digest) {
            ring.push(Told { event, held: Some(entry) });
            drop(ring);
            self.news.store(true, Ordering::Release);
        }
        true
    }

    /// A session that had run out has left the index; `false` when nobody has been told yet.
    pub fn forget(&self, digest: Digest) -> bool {
        self.is_kept() && self.ring.lock().held.remove(&digest)
    }

    /// All sessions have left the index.
    pub fn forget_all(&self) {
        if self.is_kept() {
            self.ring.lock().held.clear();
        }
    }

    /// The sessions that may leave the index, now that everybody knows of their end.
    pub fn released(&self) -> Vec<Entry> {
        if self.is_kept() { std::mem::take(&mut self.ring.lock().released) } else { Vec::new() }
    }

    /// Holds nothing any more: the store has no room for it. The events stay in the ring.
    pub fn let_go(&self) {
        if self.is_kept() {
            let mut ring = self.ring.lock();
            let Ring { events, released, .. } = &mut *ring;
            released.extend(events.iter_mut().filter_map(|told| told.held.take()));
        }
    }

    /// Whatever was due by then has been told.
    pub fn reaped(&self, settled_ms: u64) {
        if self.is_kept() {
            self.ring.lock().reaped_ms = settled_ms;
        }
    }

    /// Every expiry up to this moment has been taken; `None` when none are kept.
    pub fn told_ms(&self) -> Option<u64> {
        self.is_kept().then(|| self.ring.lock().told_ms())
    }

    /// Wakes listeners if there is something new for them. The caller holds no lock.
    pub fn notify(&self) {
        if self.news.load(Ordering::Acquire) && self.news.swap(false, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// Nothing more will happen.
    pub fn close(&self) {
        self.ring.lock().closed = true;
        self.wake();
    }

    fn wake(&self) {
        let mut ring = self.ring.lock();
        let wakers: Vec<_> =
            ring.listeners.values_mut().filter_map(|listener| listener.waker.take()).collect();
        drop(ring);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn push(&mut self, told: Told) {
        self.events.push_back(told);
        if self.events.len() > KEPT {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(told) = self.events.pop_front() {
            self.first += 1;
            if let Some(entry) = told.held {
                self.released.push(entry);
            }
        }
    }

    fn has_next(&self, number: u64) -> bool {
        self.listeners.get(&number).is_some_and(|listener| listener.next < self.end())
    }

    fn missed(&self, number: u64) -> u64 {
        let missed = |listener: &Listener| listener.missed + self.first.saturating_sub(listener.next);
        self.listeners.get(&number).map_or(0, missed)
    }

    fn take(&mut self, number: u64) -> Option<SessionEvent> {
        let first = self.first;
        let listener = self.listeners.get_mut(&number)?;
        listener.missed += first.saturating_sub(listener.next);
        listener.next = listener.next.max(first);
        let at = usize::try_from(listener.next - first).ok()?;
        let event = self.events.get(at)?.event;
        listener.next += 1;
        self.trim();
        Some(event)
    }

    /// Drops what everybody has taken.
    fn trim(&mut self) {
        let slowest = self.listeners.values().map(|listener| listener.next).min();
        while self.first < slowest.unwrap_or(self.parked) && !self.events.is_empty() {
            self.drop_first();
        }
    }

    #[cfg(feature = "async")]
    fn wait(&mut self, number: u64, waker: Waker) -> Option<Waker> {
        self.listeners.get_mut(&number).and_then(|listener| listener.waker.replace(waker))
    }

    fn leave(&mut self, number: u64) -> Option<Listener> {
        let left = self.listeners.remove(&number);
        if self.listeners.is_empty() {
            self.parked = left.as_ref().map_or(self.parked, |left| left.next);
        }
        self.trim();
        left
    }

    fn told_ms(&self) -> u64 {
        let held = self.events.iter().filter_map(|told| told.held);
        let first = held.map(|entry| entry.deadline().bits().saturating_sub(1)).min();
        first.map_or(self.reaped_ms, |first| first.min(self.reaped_ms))
    }
}
