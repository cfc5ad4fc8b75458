//! The hub: where events come together and go out.
//!
//! Owns: the ring behind its lock, and whether anybody is to be woken.

use std::sync::Arc;
use std::task::Waker;

use super::ring::{Listener, Ring};
use super::{Events, SessionEvent};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex};

/// Where events come together and go out.
#[derive(Default)]
pub(crate) struct Hub {
    /// Whether anybody listens or did: without that, an event costs one load.
    kept: AtomicBool,
    /// Whether there is something that listeners have not been woken for.
    news: AtomicBool,
    pub(super) ring: Mutex<Ring>,
    pub(super) changed: Condvar,
}

impl Hub {
    /// Whether events are kept for anybody.
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }

    /// Somebody listens from here on, or from where the last one stopped.
    pub fn listen(self: &Arc<Self>) -> Events {
        let mut ring = self.ring.lock();
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
            self.ring.lock().push(event());
            self.news.store(true, Ordering::Release);
        }
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
