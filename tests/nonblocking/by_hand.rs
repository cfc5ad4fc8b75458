//! Under an executor of a few lines: it polls, and sleeps until it is woken.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::blocking::{self, Blocking, Executor};
use super::{HOUR, MINUTE, SECOND, START_MS};

#[path = "../contract/deadlines.rs"]
mod deadlines;
#[path = "../contract/operations.rs"]
mod operations;

struct ByHand;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Executor for ByHand {
    fn run<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }
}

type Store = Blocking<ByHand>;
type Bench = blocking::Bench<ByHand>;
