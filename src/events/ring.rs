//! The ring: events in the order in which they happened, a bounded number of them, and a place in it for each listener.
//!
//! Owns: the numbers of events, and who has taken what and has dealt with it. Whoever asks for the next event has dealt
//! with the one before.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use super::SessionEvent;
use crate::id::{Handle, SubjectDigest};

/// How many events are kept for listeners who have not taken them yet.
pub(crate) const KEPT: usize = 4_096;

/// How many sessions that have run out are remembered for the ledger at most.
const UNWRITTEN_MAX: usize = 16 * KEPT;

/// Sessions that have run out, which the ledger does not know of, and whose they were.
pub(crate) type Unwritten = BTreeMap<Handle, Option<SubjectDigest>>;

/// What happened last, and how far each listener has heard.
#[derive(Default)]
pub(super) struct Ring {
    pub events: VecDeque<SessionEvent>,
    /// The number of the first event in the ring.
    pub first: u64,
    pub listeners: BTreeMap<u64, Listener>,
    pub numbers: u64,
    /// Up to where the last listener had dealt with what he was told.
    pub parked: u64,
    /// How many events nobody could be told, for the listener who goes on at `parked`.
    pub lost: u64,
    /// Who has run out since the ledger was written, and whose they were.
    pub unwritten: Unwritten,
    /// The same of whom the ledger is about to know.
    pub writing: Unwritten,
    pub closed: bool,
}

/// Where somebody is in the ring.
pub(super) struct Listener {
    pub next: u64,
    /// What is before this he has dealt with.
    pub told: u64,
    pub missed: u64,
    pub waker: Option<Waker>,
}

impl Ring {
    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    pub fn push(&mut self, event: SessionEvent) {
        // Only where the ledger cannot be written it comes to so many.
        if let SessionEvent::Expired { handle, subject } = event
            && self.unwritten.len() < UNWRITTEN_MAX
        {
            self.unwritten.insert(handle, subject);
        }
        self.events.push_back(event);
        if self.events.len() > KEPT {
            self.drop_first();
        }
    }

    /// Something has happened, and nobody knows to whom.
    pub fn lose(&mut self) {
        self.listeners.values_mut().for_each(|listener| listener.missed += 1);
        self.lost += u64::from(self.listeners.is_empty());
    }

    /// How many events were lost that the next listener of the next opening would have heard.
    pub fn lost(&self) -> u64 {
        let parked = self.lost + self.first.saturating_sub(self.parked);
        self.listeners.keys().map(|number| self.missed(*number)).max().unwrap_or(parked)
    }

    /// Whether somebody whom this names may have run out without the ledger's knowing of it.
    pub fn may_be_unwritten(&self, names: impl Fn(&Unwritten) -> bool) -> bool {
        self.unwritten.len() >= UNWRITTEN_MAX || names(&self.unwritten) || names(&self.writing)
    }

    fn drop_first(&mut self) {
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
        listener.told = listener.next;
        let at = usize::try_from(listener.next - first).ok()?;
        let event = self.events.get(at).copied();
        listener.next += u64::from(event.is_some());
        self.trim();
        event
    }

    /// Up to where everybody has dealt with what he was told.
    pub fn told(&self) -> u64 {
        let slowest = self.listeners.values().map(|listener| listener.told).min();
        slowest.unwrap_or(self.parked).max(self.first)
    }

    /// Drops what everybody has dealt with.
    fn trim(&mut self) {
        let told = self.told();
        while self.first < told && !self.events.is_empty() {
            self.drop_first();
        }
    }

    /// What the next opening must tell if this one ends now, oldest first.
    pub fn untold(&self) -> impl Iterator<Item = SessionEvent> {
        let told = usize::try_from(self.told() - self.first).unwrap_or(usize::MAX);
        self.events.iter().skip(told).filter(|event| event.is_kept_across_openings()).copied()
    }

    #[cfg(feature = "async")]
    pub fn wait(&mut self, number: u64, waker: Waker) -> Option<Waker> {
        self.listeners.get_mut(&number).and_then(|listener| listener.waker.replace(waker))
    }

    pub fn leave(&mut self, number: u64) -> Option<Listener> {
        let left = self.listeners.remove(&number);
        if self.listeners.is_empty() {
            self.parked = left.as_ref().map_or(self.parked, |left| left.told);
        }
        self.trim();
        left
    }
}
