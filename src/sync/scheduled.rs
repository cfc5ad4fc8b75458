//! Shuttle's primitives under the names that the engine uses: each call here is a point at which the scheduler may let
//! another task go on.
//!
//! Owns: the differences. Locks give no poison, and a condition variable takes its guard by reference, as parking_lot's
//! do. Time is virtual: it passes only for whoever waits, by as much as was waited for, so a timed wait always times out,
//! after any other task may have run; a budget of time therefore never runs out in the middle of work. Random bytes come
//! from the scheduler, so that one seed decides the salts too. Orderings of atomics count as sequentially consistent.

use std::cell::Cell;
use std::convert::Infallible;
use std::ops::{Add, Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

use shuttle::rand::RngCore;
pub(crate) use shuttle::sync::atomic;
pub(crate) use shuttle::thread;

use atomic::{AtomicBool, Ordering};

/// As `parking_lot::Mutex`.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: &self.0, held: Some(hold(&self.0)) }
    }
}

fn hold<T>(mutex: &shuttle::sync::Mutex<T>) -> shuttle::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As `parking_lot::MutexGuard`.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a shuttle::sync::Mutex<T>,
    /// Empty only while its owner waits for a [`Condvar`].
    held: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "who could see it waits")]
    fn deref(&self) -> &T {
        self.held.as_ref().expect("a guard is held unless it waits")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[expect(clippy::expect_used, reason = "who could see it waits")]
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("a guard is held unless it waits")
    }
}

/// As `parking_lot::Condvar`.
#[derive(Debug, Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    /// Lets others go on, and then the time is up.
    pub fn wait_while_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        time: Duration,
    ) {
        if condition(guard) {
            guard.held = None;
            pause(time);
            guard.held = Some(hold(guard.mutex));
        }
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// As `std::sync::OnceLock`: set and seen at one point of the schedule.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    set: AtomicBool,
    value: std::sync::OnceLock<T>,
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> OnceLock<T> {
    pub const fn new() -> Self {
        Self { set: AtomicBool::new(false), value: std::sync::OnceLock::new() }
    }

    pub fn get(&self) -> Option<&T> {
        let set = self.set.load(Ordering::Acquire);
        self.value.get().filter(|_| set)
    }

    pub fn set(&self, value: T) -> Result<(), T> {
        // Nothing can happen between the two lines: the only point of the schedule here is before the first.
        self.set.store(true, Ordering::Release);
        self.value.set(value)
    }
}

/// As `std::sync::LazyLock` in a `static`: anew in each execution.
pub(crate) struct LazyLock<T: Sync>(shuttle::lazy_static::Lazy<T>);

impl<T: Sync> LazyLock<T> {
    pub const fn new(init: fn() -> T) -> Self {
        Self(shuttle::lazy_static::Lazy::new(init))
    }
}

impl<T: Sync> LazyLock<T> {
    pub fn force(this: &'static Self) -> &'static T {
        this.0.get()
    }
}

thread_local! {
    /// The time that has passed. An execution has one thread, and nobody compares times of two executions.
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// As `std::time::Instant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub fn now() -> Self {
        Self(PASSED.get())
    }

    pub fn elapsed(self) -> Duration {
        PASSED.get().saturating_sub(self.0)
    }

    pub fn checked_add(self, time: Duration) -> Option<Self> {
        self.0.checked_add(time).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

/// Lets others go on, and then so much time has passed.
pub(crate) fn pause(time: Duration) {
    PASSED.set(PASSED.get().saturating_add(time));
    thread::yield_now();
}

/// Random bytes that the seed decides.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Infallible> {
    shuttle::rand::thread_rng().fill_bytes(bytes);
    Ok(())
}

/// At most four parts: enough for two that do not meet, few enough to meet.
pub(crate) const fn stripe_bits(bits: u32) -> u32 {
    if bits > 2 { 2 } else { bits }
}
