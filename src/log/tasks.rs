//! Tasks that wait for the disk: wakers, by what they wait for.
//!
//! Owns: the wakers, and who leads when nobody else does. A task cannot lead a sync, for it must not block; so the store has
//! a thread that does it, the committer. Invariants:
//! 1. A task stands here once, however often it is polled, and not at all when its future is gone.
//! 2. Wakers are woken and dropped outside of every lock: what they do is not ours.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::sync::thread::Thread;

/// The waiting tasks of one log.
#[derive(Default)]
pub(super) struct Tasks {
    /// By LSN, and by ticket where two wait for the same.
    waiting: BTreeMap<(u64, u64), Waker>,
    tickets: u64,
    committer: Option<Thread>,
}

impl Tasks {
    /// What tells a waiter from all others.
    pub fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Waits for this LSN; gives the waker back that stood there before.
    pub fn wait(&mut self, lsn: u64, ticket: u64, waker: Waker) -> Option<Waker> {
        self.waiting.insert((lsn, ticket), waker)
    }

    /// Waits no more.
    pub fn leave(&mut self, lsn: u64, ticket: u64) -> Option<Waker> {
        self.waiting.remove(&(lsn, ticket))
    }

    /// Takes those who wait for no more than this.
    pub fn served(&mut self, durable_lsn: u64) -> Vec<Waker> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let rest = self.waiting.split_off(&(durable_lsn.saturating_add(1), 0));
        std::mem::replace(&mut self.waiting, rest).into_values().collect()
    }

    /// The highest LSN that somebody waits for.
    pub fn wanted(&self) -> Option<u64> {
        self.waiting.last_key_value().map(|((lsn, _), _)| *lsn)
    }

    /// Who leads for those who wait.
    pub fn leader(&self) -> Option<Thread> {
        if self.waiting.is_empty() { None } else { self.committer.clone() }
    }

    /// This thread leads when nobody else does.
    pub fn led_by(&mut self, committer: Thread) {
        self.committer = Some(committer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_served_who_wait_for_no_more_and_each_once() {
        let mut tasks = Tasks::default();
        let [a, b, c] = [tasks.ticket(), tasks.ticket(), tasks.ticket()];
        for (lsn, ticket) in [(5, a), (7, b), (7, c), (7, c)] {
            tasks.wait(lsn, ticket, Waker::noop().clone());
        }
        assert_eq!(tasks.wanted(), Some(7));
        assert_eq!(tasks.served(4).len(), 0);
        assert_eq!(tasks.served(6).len(), 1);
        assert!(tasks.leave(7, b).is_some() && tasks.leave(7, b).is_none());
        assert_eq!(tasks.served(u64::MAX).len(), 1);
        assert_eq!(tasks.wanted(), None);
    }

    #[test]
    fn nobody_leads_for_nobody() {
        let mut tasks = Tasks::default();
        tasks.led_by(crate::sync::thread::current());
        assert!(tasks.leader().is_none());
        tasks.wait(1, 1, Waker::noop().clone());
        assert!(tasks.leader().is_some());
    }
}
