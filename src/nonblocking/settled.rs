//! Settled: the future that waits for the disk.
//!
//! Owns: its place among the log's waiting tasks, which it leaves when it is dropped.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::Result;
use crate::store::core::Core;
use crate::store::pending::Wait;

/// Ready when the disk has what a call has written.
pub(super) struct Settled<'s> {
    core: &'s Core,
    wait: Wait,
    ticket: Option<u64>,
}

impl<'s> Settled<'s> {
    pub fn new(core: &'s Core, wait: Wait) -> Self {
        Self { core, wait, ticket: None }
    }
}

impl Future for Settled<'_> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Self { core, wait, ref mut ticket } = *self;
        core.poll_settled(wait, ticket, context.waker())
    }
}

impl Drop for Settled<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.core.leave(self.wait, ticket);
        }
    }
}
