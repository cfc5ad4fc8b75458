//! The ring: events in the order in which they happened, a bounded number of them, and a place in it for each listener.
//!
//! Owns: the numbers of events, and who has taken what.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use super::SessionEvent;

/// How many events are kept for listeners who have not taken them yet.
const KEPT: usize = 4_096;

/// What happened last, and how far each listener has heard.
#[derive(Default)]
pub(super) struct Ring {
    pub events: VecDeque<SessionEvent>,
    /// The number of the first event in the ring.
    pub first: u64,
    pub listeners: BTreeMap<u64, Listener>,
    pub numbers: u64,
    /// Where the last listener stopped.
    pub parked: u64,
    pub closed: bool,
}

/// Where somebody is in the ring.
pub(super) struct Listener {
    pub next: u64,
    pub missed: u64,
    pub waker: Option<Waker>,
}

impl Ring {
    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    pub fn push(&mut self, event: SessionEvent) {
        self.events.push_back(event);
        if self.events.len() > KEPT {
            self.drop_first();
        }
    }

    pub fn drop_first(&mut self) {
        if self.events.pop_front().is_some() {
            self.first += 1;
        }
    }

    pub fn has_next(&self, number: u64) -> bool {
        self.listeners.get(&number).is_some_and(|listener| listener.next < self.end())
    }

    pub fn missed(&self, number: u64) -> u64 {
        let missed = |listener: &Listener| listener.missed + self.first.saturating_sub(listener.next);
        self.listeners.get(&number).map_or(0, missed)
    }

    pub fn take(&mut self, number: u64) -> Option<SessionEvent> {
        let first = self.first;
        let listener = self.listeners.get_mut(&number)?;
        listener.missed += first.saturating_sub(listener.next);
        listener.next = listener.next.max(first);
        let at = usize::try_from(listener.next - first).ok()?;
        let event = *self.events.get(at)?;
        listener.next += 1;
        self.trim();
        Some(event)
    }

    /// Drops what everybody has taken.
    pub fn trim(&mut self) {
        let slowest = self.listeners.values().map(|listener| listener.next).min();
        while self.first < slowest.unwrap_or(self.parked) && !self.events.is_empty() {
            self.drop_first();
        }
    }

    #[cfg(feature = "async")]
    pub fn wait(&mut self, number: u64, waker: Waker) -> Option<Waker> {
        self.listeners.get_mut(&number).and_then(|listener| listener.waker.replace(waker))
    }

    pub fn leave(&mut self, number: u64) -> Option<Listener> {
        let left = self.listeners.remove(&number);
        if self.listeners.is_empty() {
            self.parked = left.as_ref().map_or(self.parked, |left| left.next);
        }
        self.trim();
        left
    }
}
