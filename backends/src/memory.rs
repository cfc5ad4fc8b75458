//! Memory: sessions in this process and nowhere else. For development and tests; it says so, loudly, once a process.
//!
//! Owns: [`Memory`], and `Shelf`, the maps that one lock guards. A call holds the lock for as long as it works, so each is one
//! step; what has run out goes with the next write, in order of deadlines. It is the contract in its plainest form, and the tests
//! hold it and the others to the same table.

mod shelf;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures_util::stream;
use parking_lot::Mutex;
use sessile::{Carried, Handle, Secret, Session, Touched, Unknown, Version, Write};

use crate::backend::{Backend, Maintained, Sessions, check_name};
use crate::capabilities::{Capabilities, Counting, Failover, Survives};
use crate::error::Result;
use crate::open::Open;
use crate::settings::Settings;
use shelf::{Expect, Named, Rules, Shelf};

/// Sessions in the memory of this process: they are lost when it ends.
///
/// ```
/// use sessile_backends::{Backend, Memory, Settings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// let home = Memory::new(Settings::new())?;
/// home.create(b"an id", "some data".into()).await?;
/// assert_eq!(home.len().await?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Memory {
    home: Arc<Home>,
}

struct Home {
    secret: Secret,
    settings: Settings,
    shelf: Mutex<Shelf>,
    beside: Mutex<HashMap<String, Memory>>,
    open: Open,
}

impl Home {
    fn rules(&self) -> Rules<'_> {
        Rules { secret: self.secret, settings: &self.settings }
    }
}

impl Memory {
    /// An empty home. The first of a process warns on standard error that sessions will be lost.
    ///
    /// # Errors
    /// `Io` when the system has no randomness for a secret.
    pub fn new(settings: Settings) -> Result<Self> {
        static WARNED: AtomicBool = AtomicBool::new(false);
        if !WARNED.swap(true, Ordering::Relaxed) {
            eprintln!(
                "WARNING: sessions are kept in memory only. They are lost when this process ends, and no other process \
                 knows them. For anything but development set SESSION_STORE=sessile:./sessions"
            );
        }
        let secret = settings.secret.map_or_else(Secret::generate, Ok)?;
        Ok(Self::with(secret, settings))
    }

    fn with(secret: Secret, settings: Settings) -> Self {
        let (shelf, beside) = (Mutex::default(), Mutex::default());
        Self { home: Arc::new(Home { secret, settings, shelf, beside, open: Open::default() }) }
    }

    /// The handle of an id, if the home is open.
    fn handle(&self, id: &[u8]) -> Result<Handle> {
        self.home.open.check()?;
        Ok(self.home.secret.handle_of(id)?)
    }

    fn put(&self, id: &[u8], write: &Write, expect: Expect) -> Result<Version> {
        let handle = self.handle(id)?;
        self.home.shelf.lock().put(self.named(handle, id), write, expect, &self.home.rules(), now_ms())
    }

    fn named<'a>(&self, handle: Handle, id: &'a [u8]) -> Named<'a> {
        Named { handle, id: Some(self.home.settings.kept_id(id)).filter(|id| !id.is_empty()) }
    }

    /// All handles that are wanted now; each session is read when the stream comes to it.
    fn stream(&self, wanted: impl FnOnce(&Shelf) -> Result<Vec<Handle>>) -> Sessions {
        let wanted = self.home.open.check().and_then(|()| wanted(&self.home.shelf.lock()));
        let (handles, error) = wanted.map_or_else(|error| (Vec::new(), Some(error)), |all| (all, None));
        let memory = self.clone();
        let read = move |handle| memory.home.shelf.lock().get(handle, now_ms()).map(Ok);
        Box::pin(stream::iter(error.into_iter().map(Err).chain(handles.into_iter().filter_map(read))))
    }
}

#[async_trait]
impl Backend for Memory {
    async fn create(&self, id: &[u8], write: Write) -> Result<Version> {
        self.put(id, &write, Expect::Absent)
    }

    async fn update(&self, id: &[u8], write: Write) -> Result<Version> {
        self.put(id, &write, Expect::Present)
    }

    async fn set(&self, id: &[u8], write: Write) -> Result<Version> {
        self.put(id, &write, Expect::Anything)
    }

    async fn get(&self, id: &[u8]) -> Result<Option<Session>> {
        self.get_handle(self.handle(id)?).await
    }

    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched> {
        let handle = self.handle(id)?;
        self.home.shelf.lock().touch(handle, idle, now_ms())
    }

    async fn replace_if(&self, id: &[u8], version: Version, write: Write) -> Result<Version> {
        self.put(id, &write, Expect::At(version))
    }

    async fn destroy(&self, id: &[u8]) -> Result<bool> {
        self.destroy_handle(self.handle(id)?).await
    }

    async fn rotate(&self, old: &[u8], new: &[u8], write: Option<Write>) -> Result<Version> {
        let (from, to) = (self.handle(old)?, self.handle(new)?);
        self.home.shelf.lock().rotate(from, self.named(to, new), write.as_ref(), &self.home.rules(), now_ms())
    }

    fn sessions_of(&self, subject: &[u8]) -> Sessions {
        self.stream(|shelf| Ok(shelf.of_subject(self.home.secret.subject_digest(subject)?)))
    }

    async fn get_handle(&self, handle: Handle) -> Result<Option<Session>> {
        self.home.open.check()?;
        Ok(self.home.shelf.lock().get(handle, now_ms()))
    }

    async fn destroy_handle(&self, handle: Handle) -> Result<bool> {
        self.home.open.check()?;
        Ok(self.home.shelf.lock().end(handle, now_ms()))
    }

    async fn destroy_subject(&self, subject: &[u8], keep: Option<&[u8]>) -> Result<u64> {
        let keep = keep.map(|id| self.handle(id)).transpose()?;
        self.home.open.check()?;
        let subject = self.home.secret.subject_digest(subject)?;
        let (mut shelf, now_ms) = (self.home.shelf.lock(), now_ms());
        let doomed = shelf.of_subject(subject).into_iter().filter(|handle| Some(*handle) != keep);
        Ok(doomed.filter(|handle| shelf.end(*handle, now_ms)).count() as u64)
    }

    async fn len(&self) -> Result<u64> {
        self.home.open.check()?;
        Ok(self.home.shelf.lock().len())
    }

    fn iter(&self) -> Sessions {
        self.stream(|shelf| Ok(shelf.all()))
    }

    async fn clear(&self) -> Result<u64> {
        self.home.open.check()?;
        Ok(self.home.shelf.lock().clear(now_ms()))
    }

    async fn flush(&self) -> Result<()> {
        self.home.open.check()
    }

    async fn close(&self) -> Result<()> {
        self.home.open.close();
        Ok(())
    }

    async fn maintain(&self, _budget: Duration) -> Result<Maintained> {
        self.home.open.check()?;
        Ok(Maintained { expired: self.home.shelf.lock().reap(now_ms()), more: false })
    }

    async fn adopt(&self, carried: &Carried) -> Result<Version> {
        self.home.open.check()?;
        if carried.id.as_ref().is_some_and(|id| self.home.secret.handle_of(id).ok() != Some(carried.handle)) {
            return Err(crate::backend::foreign_handle());
        }
        let now_ms = now_ms();
        if carried.deadline.min(carried.absolute).has_passed(now_ms) {
            return Err(sessile::Error::Unknown(Unknown::Expired).into());
        }
        let mut carried = carried.clone();
        carried.id = carried.id.filter(|_| self.home.settings.keep_ids);
        self.home.shelf.lock().adopt(carried, &self.home.settings, now_ms)
    }

    async fn beside(&self, name: &str) -> Result<Arc<dyn Backend>> {
        self.home.open.check()?;
        check_name(name)?;
        let mut beside = self.home.beside.lock();
        let make = || Self::with(self.home.secret, self.home.settings.clone());
        Ok(Arc::new(beside.entry(name.to_owned()).or_insert_with(make).clone()))
    }

    fn secret(&self) -> Secret {
        self.home.secret
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            survives: Survives::Nothing,
            failover: Failover::None,
            shared: false,
            expiry_granularity: Duration::from_millis(1),
            atomic_rotate: true,
            atomic_destroy_subject: true,
            atomic_clear: true,
            counting: Counting::AtOnce,
            tells_why_unknown: false,
            removes_expired: true,
            lists_once: true,
            round_trips_to_read: 0,
        }
    }

    fn name(&self) -> &str {
        "memory:"
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Memory").field("sessions", &self.home.shelf.lock().len()).finish()
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
