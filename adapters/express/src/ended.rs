//! Endings, for whoever listens: a socket that must close, a cache that must forget.
//!
//! Owns: one listener to the store's events, which rings the mailbox's bell when there is something to fetch.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use napi_derive::napi;
use sessile::{Events, Reason, SessionEvent};

use crate::mailbox::Mailbox;

/// A session has ended.
#[napi(object)]
pub struct Ended {
    /// Which one; nothing when all have.
    pub handle: Option<String>,
    /// `destroyed`, `revoked`, `rotated`, `evicted`, `expired`, `cleared`, or `missed` for those that came too fast to be told.
    pub reason: String,
    /// Which one it is now, when it was rotated.
    pub to: Option<String>,
}

impl Ended {
    fn of(event: &SessionEvent) -> Option<Self> {
        let ended = |handle: Option<String>, reason: &str, to: Option<String>| {
            Some(Self { handle, reason: reason.to_owned(), to })
        };
        match event {
            SessionEvent::Expired { handle, .. } => ended(Some(handle.to_string()), "expired", None),
            SessionEvent::Ended { handle, reason, .. } => {
                let (reason, to) = match reason {
                    Reason::Revoked => ("revoked", None),
                    Reason::Rotated { to } => ("rotated", Some(to.to_string())),
                    Reason::Evicted => ("evicted", None),
                    _ => ("destroyed", None),
                };
                ended(Some(handle.to_string()), reason, to)
            }
            SessionEvent::Cleared => ended(None, "cleared", None),
            _ => None,
        }
    }
}

/// Who listens.
pub struct Listener {
    events: Events,
    waker: Waker,
    missed: u64,
}

struct Ear(Arc<Mailbox>);

impl Wake for Ear {
    fn wake(self: Arc<Self>) {
        self.0.ring();
    }
}

impl Listener {
    /// Listens, and rings at once: only who has looked is woken again.
    pub fn new(events: Events, mailbox: &Arc<Mailbox>) -> Self {
        mailbox.ring();
        Self { events, waker: Waker::from(Arc::new(Ear(Arc::clone(mailbox)))), missed: 0 }
    }

    /// The endings that have come.
    pub fn take(&mut self) -> Vec<Ended> {
        let mut endings = Vec::new();
        let mut context = Context::from_waker(&self.waker);
        while let Poll::Ready(Some(event)) = Pin::new(&mut self.events).poll_next(&mut context) {
            endings.extend(Ended::of(&event));
        }
        let missed = self.events.missed();
        if missed > self.missed {
            self.missed = missed;
            endings.push(Ended { handle: None, reason: "missed".to_owned(), to: None });
        }
        endings
    }
}
