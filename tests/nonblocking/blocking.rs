//! A store that is called like the one that blocks, and does everything through futures on one executor: so the examples of
//! the contract can be run on it as they stand.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use sessile::nonblocking::AsyncStore;
use sessile::vfs::{CrashPolicy, SimVfs};
use sessile::{Handle, ManualClock, Options, Result, Session, SessionRef, Sessions, Touched, Version, Write};

use super::{MINUTE, START_MS};

/// Runs a future to its end.
pub trait Executor {
    fn run<F: Future>(future: F) -> F::Output;
}

/// What is not said here is the same for both kinds of handle.
pub struct Blocking<E> {
    inner: AsyncStore,
    executor: PhantomData<E>,
}

impl<E> Deref for Blocking<E> {
    type Target = sessile::Store;

    fn deref(&self) -> &sessile::Store {
        self.inner.store()
    }
}

impl<E: Executor> Blocking<E> {
    pub fn create(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        E::run(self.inner.create(id, write))
    }

    pub fn update(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        E::run(self.inner.update(id, write))
    }

    pub fn set(&self, id: impl AsRef<[u8]>, write: impl Into<Write>) -> Result<Version> {
        E::run(self.inner.set(id, write))
    }

    pub fn get(&self, id: impl AsRef<[u8]>) -> Result<Option<Session>> {
        E::run(self.inner.get(id))
    }

    pub fn get_ref(&self, id: impl AsRef<[u8]>) -> Result<Option<SessionRef>> {
        E::run(self.inner.get_ref(id))
    }

    pub fn touch(&self, id: impl AsRef<[u8]>, idle: Duration) -> Result<Touched> {
        E::run(self.inner.touch(id, idle))
    }

    pub fn replace_if(
        &self,
        id: impl AsRef<[u8]>,
        version: Version,
        write: impl Into<Write>,
    ) -> Result<Version> {
        E::run(self.inner.replace_if(id, version, write))
    }

    pub fn update_with(
        &self,
        id: impl AsRef<[u8]>,
        f: impl FnMut(&Session) -> Option<Write>,
    ) -> Result<Option<Version>> {
        E::run(self.inner.update_with(id, f))
    }

    pub fn destroy(&self, id: impl AsRef<[u8]>) -> Result<bool> {
        E::run(self.inner.destroy(id))
    }

    pub fn rotate(
        &self,
        old: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        write: Option<Write>,
    ) -> Result<Version> {
        E::run(self.inner.rotate(old, new, write))
    }

    pub fn sessions_of(&self, subject: impl AsRef<[u8]>) -> Result<Sessions> {
        E::run(self.inner.sessions_of(subject))
    }

    pub fn get_handle(&self, handle: &Handle) -> Result<Option<Session>> {
        E::run(self.inner.get_handle(handle))
    }

    pub fn destroy_handle(&self, handle: &Handle) -> Result<bool> {
        E::run(self.inner.destroy_handle(handle))
    }

    pub fn destroy_subject(&self, subject: impl AsRef<[u8]>, keep: Option<&[u8]>) -> Result<u64> {
        E::run(self.inner.destroy_subject(subject, keep))
    }

    pub fn clear(&self) -> Result<u64> {
        E::run(self.inner.clear())
    }

    pub fn close(&self) -> Result<()> {
        E::run(self.inner.close())
    }
}

/// A disk and a clock, and stores on them.
pub struct Bench<E> {
    sim: SimVfs,
    pub clock: ManualClock,
    executor: PhantomData<E>,
}

impl<E: Executor> Bench<E> {
    pub fn new() -> Self {
        Self { sim: SimVfs::new(), clock: ManualClock::at_ms(START_MS), executor: PhantomData }
    }

    pub fn options(&self) -> Options {
        Options::new()
            .vfs(Arc::new(self.sim.clone()))
            .clock(Arc::new(self.clock.clone()))
            .manual_maintenance(true)
            .segment_bytes(64 << 10)
            .idle(10 * MINUTE)
    }

    pub fn open(&self, options: Options) -> Blocking<E> {
        let inner = E::run(AsyncStore::open_with(options, "/store")).unwrap();
        Blocking { inner, executor: PhantomData }
    }

    pub fn store(&self) -> Blocking<E> {
        self.open(self.options())
    }

    /// The machine loses power, and keeps nothing that was not synced.
    pub fn power_loss(&mut self) {
        self.sim = self.sim.crash(CrashPolicy::DropAll);
    }
}
