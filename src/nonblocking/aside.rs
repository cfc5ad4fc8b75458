//! Aside: what takes long is done on a thread of its own, and a future waits for it.
//!
//! Owns: the one place between the two. For opening and closing, of which a program has one each: not worth a pool.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::error::{Error, Result};
use crate::sync::{Mutex, thread};

enum Between<T> {
    Waiting(Option<Waker>),
    Done(Result<T>),
}

/// Does `work` on a thread of this name. It is done whether anybody waits for it or not.
pub(super) async fn aside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let between = Arc::new(Mutex::new(Between::Waiting(None)));
    let other = Finishing(Arc::clone(&between));
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || other.finish(work()))
        .map_err(|error| Error::io("starting a thread", error))?;
    poll_fn(|context| match &mut *between.lock() {
        Between::Waiting(waker) => {
            *waker = Some(context.waker().clone());
            Poll::Pending
        }
        between => match std::mem::replace(between, Between::Waiting(None)) {
            Between::Done(done) => Poll::Ready(done),
            Between::Waiting(_) => Poll::Pending,
        },
    })
    .await
}

/// Tells whoever waits, also when the work has panicked.
struct Finishing<T>(Arc<Mutex<Between<T>>>);

impl<T> Finishing<T> {
    fn finish(self, done: Result<T>) {
        self.tell(done);
    }

    fn tell(&self, done: Result<T>) {
        let mut between = self.0.lock();
        if let Between::Waiting(waker) = &mut *between {
            let waker = waker.take();
            *between = Between::Done(done);
            drop(between);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Drop for Finishing<T> {
    fn drop(&mut self) {
        self.tell(Err(Error::io("waiting for a thread", std::io::Error::other("it has panicked"))));
    }
}
