//! The mailbox: the way from the store's threads to the event loop.
//!
//! Owns: what has been told and not fetched, and the bell. Invariants:
//! 1. The bell rings once for all that is told until it is fetched: a group commit is one turn of the event loop.
//! 2. Nothing is called under the lock of the letters.
//! 3. The event loop does not stay alive for the bell, but while JavaScript asks for it with [`Mailbox::hold`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, Unknown};
use napi_derive::napi;

use crate::answer::Answer;
use crate::failure::Failure;

/// Calls a JavaScript function without arguments from any thread; keeps nobody alive.
pub type Bell = ThreadsafeFunction<(), Unknown<'static>, (), Status, false, true>;

/// The answer to a call that had to wait.
#[napi(object)]
pub struct Told {
    /// Which call.
    pub ticket: u32,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// A count, or 1 and 0 for yes and no.
    pub number: Option<f64>,
    /// Numbers with their names.
    pub report: Option<HashMap<String, f64>>,
}

/// Where answers wait for the event loop.
pub struct Mailbox {
    letters: Mutex<Vec<Told>>,
    bell: Mutex<Bell>,
    rung: AtomicBool,
    tickets: AtomicU32,
}

impl Mailbox {
    /// A mailbox with this bell.
    pub fn new(bell: Bell) -> Self {
        Self {
            letters: Mutex::default(),
            bell: Mutex::new(bell),
            rung: AtomicBool::new(false),
            tickets: AtomicU32::new(0),
        }
    }

    /// A number for a call. Comes round after four thousand million calls, of which few are under way.
    pub fn ticket(&self) -> u32 {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        // A value is not negative, and nor is zero.
        if ticket == 0 { self.ticket() } else { ticket }
    }

    /// Answers a call, from any thread.
    pub fn tell(&self, ticket: u32, done: Result<Answer, Failure>) {
        let mut told = Told { ticket, failure: None, number: None, report: None };
        match done {
            Ok(Answer::Nothing) => {}
            Ok(Answer::Number(number)) => told.number = Some(number),
            Ok(Answer::Report(report)) => told.report = Some(report),
            Err(failure) => told.failure = Some(failure),
        }
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        self.ring();
    }

    /// Has the event loop look.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
            // It says that nobody hears it when the event loop is gone; then nobody waits either.
            let _ = bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// What has been told since the last time.
    pub fn drain(&self) -> Vec<Told> {
        // First: what is told after this rings again.
        self.rung.store(false, Ordering::Release);
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the event loop alive for the bell, or not.
    #[expect(deprecated, reason = "the type can be weak or not, but not now the one and now the other")]
    pub fn hold(&self, env: &Env, waits: bool) -> napi::Result<()> {
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        if waits { bell.refer(env) } else { bell.unref(env) }
    }
}
