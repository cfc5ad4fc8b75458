//! What another run would decide differently: which thread goes next, what a lock or an atomic finds, how much time has
//! passed, what a random number is.
//!
//! Owns: the one door through which the engine takes these. In every ordinary build it is the names of parking_lot and
//! std and nothing else. In the package `sessile-schedules`, which compiles the same sources with
//! `cfg(sessile_schedules)`, a scheduler that a seed drives decides instead (shuttle), and what stands in `scheduled`
//! gives it the same names. Invariants:
//! 1. Whatever threads of the engine share and decide by comes from here. `Arc` and `Weak` do not: nobody decides by
//!    them. Nor do numbers that are only told to people, the [`tally`], nor clocks: they would dilute the schedules for nothing.
//! 2. No `static` holds a lock or an atomic but in a [`LazyLock`], which each explored execution has anew.
//! 3. Whoever waits for time to pass waits in [`pause`] or in a [`Condvar`], so that no schedule waits for a clock.
//! 4. How finely the memory is striped is [`stripe_bits`] to say: with a few locks schedules meet more often.

#[cfg(sessile_schedules)]
mod scheduled;

#[cfg(sessile_schedules)]
pub(crate) use scheduled::{
    Condvar, Instant, LazyLock, Mutex, MutexGuard, OnceLock, atomic, pause, random, stripe_bits, thread,
};

#[cfg(not(sessile_schedules))]
pub(crate) use {
    getrandom::fill as random,
    parking_lot::{Condvar, Mutex, MutexGuard},
    std::sync::{LazyLock, OnceLock, atomic},
    std::thread::{self, park_timeout as pause},
    std::time::Instant,
};

/// Numbers that are counted for people and that nothing decides by.
pub(crate) mod tally {
    pub(crate) use std::sync::atomic::AtomicU64;
}

/// How many bits choose among the parts of something that is cut into `1 << bits`, each behind a lock of its own.
#[cfg(not(sessile_schedules))]
pub(crate) const fn stripe_bits(bits: u32) -> u32 {
    bits
}

/// Does `here`, and `beside` on another thread at the same time; `None` where no thread is to be had, or in schedules, which
/// would be diluted by one for nothing: what is divided in this way is divided alike by one.
#[cfg(not(sessile_schedules))]
pub(crate) fn together<A: Send, B>(
    beside: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> (Option<A>, B) {
    thread::scope(|scope| {
        let other = thread::Builder::new().name("sessile-opening".to_owned()).spawn_scoped(scope, beside);
        let done = here();
        (other.ok().and_then(|other| other.join().ok()), done)
    })
}

/// Does `here`.
#[cfg(sessile_schedules)]
pub(crate) fn together<A: Send, B>(
    beside: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> (Option<A>, B) {
    drop(beside);
    (None, here())
}
