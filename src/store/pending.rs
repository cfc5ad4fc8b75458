//! Pending: what a call has done, and the disk that it still waits for.
//!
//! Owns: the line between the two. Up to it a call is the same for everybody: memory has changed, the record stands in the log,
//! no lock is held. Behind it a thread waits on its own, leading the sync if nobody else does, or a future waits
//! ([`AsyncStore`](crate::nonblocking::AsyncStore)). Whoever goes away in between has written all the same; only the answer
//! is lost.

#[cfg(feature = "async")]
use std::task::{Poll, Waker};

use super::core::Core;
use super::write::undurable;
use crate::error::Result;
use crate::log::appender::{Appender, Placed};
use crate::session::Durability;

/// The answer of a call, and what must come true before anybody is told.
#[derive(Debug)]
#[must_use = "nobody has waited for the disk yet"]
pub(crate) struct Pending<T> {
    pub value: T,
    pub wait: Option<Wait>,
}

/// How far the log must be durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    lsn: u64,
    /// It has taken effect in memory whatever becomes of the disk, and an error says so.
    ending: bool,
    /// What somebody else wrote is waited for: a store that has latched may have told him that it failed.
    anothers: bool,
}

impl<T> Pending<T> {
    /// Nothing is left to wait for.
    pub fn done(value: T) -> Self {
        Self { value, wait: None }
    }

    /// Waits for this record as that says.
    pub fn record(value: T, placed: &Placed, durability: Durability) -> Self {
        Self::log(value, placed.lsn, durability)
    }

    /// Waits for the log up to here as that says.
    pub fn log(value: T, lsn: u64, durability: Durability) -> Self {
        let wait = Wait { lsn, ending: false, anothers: false };
        let waits = !planted!(AcknowledgesBeforeSync) && durability == Durability::Synced;
        Self { value, wait: waits.then_some(wait) }
    }

    /// The same for an ending.
    pub fn ending(self) -> Self {
        Self { wait: self.wait.map(|wait| Wait { ending: true, ..wait }), ..self }
    }

    /// The same for an ending that somebody else wrote.
    pub fn anothers_ending(self) -> Self {
        Self { wait: self.wait.map(|wait| Wait { ending: true, anothers: true, ..wait }), ..self }
    }

    /// The same with another answer.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Pending<U> {
        Pending { value: f(self.value), wait: self.wait }
    }
}

impl Wait {
    fn outcome(self, appender: &Appender, reached: Result<()>) -> Result<()> {
        let reached = if self.anothers { reached.and_then(|()| appender.latch.check()) } else { reached };
        if self.ending { reached.map_err(undurable) } else { reached }
    }
}

impl Core {
    /// Waits for the disk on the caller's thread.
    pub fn settle<T>(&self, pending: Result<Pending<T>>) -> Result<T> {
        self.hub.notify();
        let pending = pending?;
        // Also when the store has been closed meanwhile: then it has been synced.
        if let (Some(wait), Some(appender)) = (pending.wait, &self.appender) {
            wait.outcome(appender, appender.sync_promptly(wait.lsn))?;
        }
        Ok(pending.value)
    }

    /// Everything that was written before.
    pub fn appended(&self) -> Result<Pending<()>> {
        Ok(Pending::log((), self.appender()?.appended_lsn(), Durability::Synced))
    }

    /// Whether the disk has come so far; if not, `waker` is woken when it has, or never will. `ticket` is the waiter's own.
    #[cfg(feature = "async")]
    pub fn poll_settled(&self, wait: Wait, ticket: &mut Option<u64>, waker: &Waker) -> Poll<Result<()>> {
        let Some(appender) = &self.appender else { return Poll::Ready(Ok(())) };
        let reached = appender.commit().poll(wait.lsn, ticket, &appender.latch, waker);
        reached.map(|reached| wait.outcome(appender, reached))
    }

    /// A waiter has gone.
    #[cfg(feature = "async")]
    pub fn leave(&self, wait: Wait, ticket: u64) {
        if let Some(appender) = &self.appender {
            appender.commit().leave(wait.lsn, ticket);
        }
    }
}
