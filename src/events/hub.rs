//! The hub: where events come together and go out.
//!
//! Owns: the ring behind its lock, and whether anybody is to be woken.

use std::sync::Arc;
use std::task::Waker;

use super::ring::{Listener, Ring, Told};
use super::{Events, SessionEvent};
use crate::id::Digest;
use crate::index::Entry;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex};

/// Where events come together and go out.
pub(crate) struct Hub {
    /// Whether anybody listens or did: without that, an event costs one load.
    kept: AtomicBool,
    /// Whether there is something that listeners have not been woken for.
    news: AtomicBool,
    pub(super) ring: Mutex<Ring>,
    pub(super) changed: Condvar,
}

impl Hub {
    /// A hub that keeps events from the beginning if somebody has listened to this store before, and has taken every expiry
    /// up to this moment.
    pub fn new(told_ms: Option<u64>) -> Self {
        Self {
            kept: AtomicBool::new(told_ms.is_some()),
            news: AtomicBool::new(false),
            ring: Mutex::new(Ring::new(told_ms.unwrap_or(0))),
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
