//! The ring: events in the order in which they happened, a bounded number of them, and a place in it for each listener.
//!
//! Owns: the numbers of events, who has taken what, and which sessions are held for whom.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::task::Waker;

use super::SessionEvent;
use crate::id::Digest;
use crate::index::Entry;

/// How many events are kept for listeners who have not taken them yet.
const KEPT: usize = 4_096;

/// What happened last, and how far each listener has heard.
pub(super) struct Ring {
    pub events: VecDeque<Told>,
    /// The number of the first event in the ring.
    pub first: u64,
    pub listeners: BTreeMap<u64, Listener>,
    pub numbers: u64,
    /// Where the last listener stopped.
    pub parked: u64,
    /// Sessions that have run out, were told of, and are still in the index.
    pub held: HashSet<Digest>,
    /// Those that nobody holds any more.
    pub released: Vec<Entry>,
    /// Everything that was due by then stands in the ring, or has been taken.
    pub reaped_ms: u64,
    pub closed: bool,
}

/// An event, and the session that stays in the index because of it.
pub(super) struct Told {
    pub event: SessionEvent,
    pub held: Option<Entry>,
}

/// Where somebody is in the ring.
pub(super) struct Listener {
    pub next: u64,
    pub missed: u64,
    pub waker: Option<Waker>,
}

impl Ring {
    /// An empty one; everything that was due by then has been told.
    pub fn new(reaped_ms: u64) -> Self {
        Self {
            events: VecDeque::new(),
            first: 0,
            listeners: BTreeMap::new(),
            numbers: 0,
            parked: 0,
            held: HashSet::new(),
            released: Vec::new(),
            reaped_ms,
            closed: false,
        }
    }

    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    pub fn push(&mut self, told: Told) {
        self.events.push_back(told);
        if self.events.len() > KEPT {
            self.drop_first();
        }
    }

    pub fn drop_first(&mut self) {
        if let Some(told) = self.events.pop_front() {
            self.first += 1;
            if let Some(entry) = told.held {
                self.released.push(entry);
            }
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
        let event = self.events.get(at)?.event;
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

    pub fn told_ms(&self) -> u64 {
        let held = self.events.iter().filter_map(|told| told.held);
        let first = held.map(|entry| entry.deadline().bits().saturating_sub(1)).min();
        first.map_or(self.reaped_ms, |first| first.min(self.reaped_ms))
    }
}
