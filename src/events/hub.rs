//! The hub: where events come together and go out.
//!
//! Owns: the ring behind its lock, and whether anybody is to be woken.

use std::sync::Arc;
use std::task::Waker;

use super::ring::{KEPT, Listener, Ring, Unwritten};
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

    /// Events are kept from here on, whether or not somebody listens yet; these come before all others, and so many were lost.
    pub fn keep(&self, untold: Vec<SessionEvent>, missed: u64) {
        let mut ring = self.ring.lock();
        ring.lost += missed;
        untold.into_iter().for_each(|event| ring.push(event));
        self.kept.store(true, Ordering::Release);
    }

    /// Nobody listens any more, and nobody is expected to.
    pub fn forget(&self) {
        let mut ring = self.ring.lock();
        if ring.listeners.is_empty() {
            self.kept.store(false, Ordering::Release);
            (ring.first, ring.parked) = (ring.end(), ring.end());
            ring.events.clear();
            ring.unwritten.clear();
            ring.writing.clear();
        }
    }

    /// Somebody listens from here on, or from where the last one stopped.
    pub fn listen(self: &Arc<Self>) -> Events {
        let mut ring = self.ring.lock();
        let next = if ring.listeners.is_empty() && self.is_kept() { ring.parked } else { ring.end() };
        ring.numbers += 1;
        let goes_on = ring.listeners.is_empty();
        let lost = if goes_on { std::mem::take(&mut ring.lost) } else { 0 };
        let (number, missed) = (ring.numbers, lost + ring.first.saturating_sub(next));
        let next = next.max(ring.first);
        ring.listeners.insert(number, Listener { next, told: next, missed, waker: None });
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

    /// Somebody has run out of whom nothing can be told: he could not be read.
    pub fn lose(&self) {
        if self.is_kept() {
            self.ring.lock().lose();
        }
    }

    /// What the next opening must tell if this one ends now, and how many it must call missed, for the ledger. Until
    /// [`written`](Self::written) says that it knows of them, it does not.
    pub fn untold(&self) -> (Vec<SessionEvent>, u64) {
        let mut ring = self.ring.lock();
        let unwritten = std::mem::take(&mut ring.unwritten);
        ring.writing.extend(unwritten);
        (ring.untold().collect(), ring.lost())
    }

    /// The ledger could be written, or not.
    pub fn written(&self, durable: bool) {
        let mut ring = self.ring.lock();
        let writing = std::mem::take(&mut ring.writing);
        if !durable {
            ring.unwritten.extend(writing);
        }
    }

    /// Whether somebody whom this names may have run out without the ledger's knowing of it.
    pub fn may_be_unwritten(&self, names: impl Fn(&Unwritten) -> bool) -> bool {
        self.is_kept() && self.ring.lock().may_be_unwritten(names)
    }

    /// How many have run out since the ledger was written.
    pub fn unwritten_count(&self) -> usize {
        self.ring.lock().unwritten.len()
    }

    /// How many events the next opening must tell if this one ends now.
    pub fn untold_count(&self) -> usize {
        self.ring.lock().untold().count()
    }

    /// How far the slowest listener is, if half of what can be kept waits for him.
    pub fn crowded(&self) -> Option<u64> {
        let ring = self.ring.lock();
        let slowest = ring.listeners.values().map(|listener| listener.told).min();
        slowest.filter(|_| ring.end() - ring.told() >= KEPT as u64 / 2)
    }

    /// Whether nobody listens.
    pub fn is_alone(&self) -> bool {
        self.ring.lock().listeners.is_empty()
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
