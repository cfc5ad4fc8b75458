//! Tasks: futures of the store, on their way.
//!
//! Owns: who polls. The first time it is the event loop's own thread: then the write stands in the log, in the order in which
//! JavaScript called. After that it is the store's thread that wakes it, which has just synced for all who waited and holds no
//! lock. Invariants:
//! 1. A future is polled by one thread at a time. Who is woken meanwhile has it polled again.
//! 2. A task is answered once: by its call when it is ready at once, by the mailbox otherwise.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::answer::{Answer, Reply};
use crate::failure::Failure;
use crate::mailbox::Mailbox;

type Doing = Pin<Box<dyn Future<Output = sessile::Result<f64>> + Send>>;

struct Task {
    doing: Mutex<Option<Doing>>,
    /// How often somebody asked since it was last found pending; who asks first polls.
    asked: AtomicUsize,
    ticket: u32,
    mailbox: Arc<Mailbox>,
}

/// Begins a call on this thread.
pub fn begin(
    mailbox: &Arc<Mailbox>,
    future: impl Future<Output = sessile::Result<f64>> + Send + 'static,
) -> Result<f64, Failure> {
    let task = Arc::new(Task {
        doing: Mutex::new(Some(Box::pin(future))),
        asked: AtomicUsize::new(0),
        ticket: mailbox.ticket(),
        mailbox: Arc::clone(mailbox),
    });
    match task.poll() {
        Some(done) => Ok(Reply::Now(done?).into()),
        None => Ok(Reply::Later(task.ticket).into()),
    }
}

impl Task {
    /// Polls as often as somebody asks; what it comes to, if it does.
    fn poll(self: &Arc<Self>) -> Option<sessile::Result<f64>> {
        if self.asked.fetch_add(1, Ordering::AcqRel) > 0 {
            return None;
        }
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        let mut seen = 1;
        loop {
            let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
            if let Poll::Ready(done) = doing.as_mut()?.as_mut().poll(&mut context) {
                // Nobody polls it again: `asked` stays above zero. With the future goes its handle to the store.
                let finished = doing.take();
                drop(doing);
                drop(finished);
                return Some(done);
            }
            drop(doing);
            let left = self.asked.fetch_sub(seen, Ordering::AcqRel) - seen;
            if left == 0 {
                return None;
            }
            seen = left;
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if let Some(done) = self.poll() {
            self.mailbox.tell(self.ticket, done.map(Answer::Number).map_err(Failure::from));
        }
    }
}
