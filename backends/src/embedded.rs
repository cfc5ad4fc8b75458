//! Embedded: the engine itself, a directory beside the server. What you want unless one machine is not enough.
//!
//! Owns: [`Embedded`], which adds nothing to [`AsyncStore`] but the shape of the contract. Reads are answered on the caller's
//! thread; writes wait as futures; maintenance and closing are done on a thread of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use sessile::nonblocking::AsyncStore;
use sessile::{Carried, Durability, Handle, Options, Secret, Session, Touched, Version, Write};
use tokio::sync::oneshot;

use crate::backend::{Backend, Maintained, Sessions, check_name};
use crate::capabilities::{Capabilities, Counting, Failover, Survives};
use crate::error::{Error, Result};

/// Sessions in a directory of this machine, by the engine.
///
/// ```
/// use sessile::Options;
/// use sessile_backends::{Backend, Embedded};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let directory = dir.path();
/// let home = Embedded::open(Options::new(), directory).await?;
/// home.create(b"an id", "some data".into()).await?;
/// // What only the engine has: events, backups, figures.
/// assert_eq!(home.store().stats().created, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Embedded {
    store: AsyncStore,
    directory: PathBuf,
    options: Options,
    name: Arc<str>,
}

impl Embedded {
    /// Opens the store in `directory`, and creates it where there is none.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub async fn open(options: Options, directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref().to_owned();
        let store = AsyncStore::open_with(options.clone(), &directory).await?;
        let name = format!("sessile:{}", directory.display()).into();
        Ok(Self { store, directory, options, name })
    }

    /// The store, for what the contract has no word for.
    #[must_use]
    pub fn store(&self) -> &AsyncStore {
        &self.store
    }
}

#[async_trait]
impl Backend for Embedded {
    async fn create(&self, id: &[u8], write: Write) -> Result<Version> {
        Ok(self.store.create(id, write).await?)
    }

    async fn update(&self, id: &[u8], write: Write) -> Result<Version> {
        Ok(self.store.update(id, write).await?)
    }

    async fn set(&self, id: &[u8], write: Write) -> Result<Version> {
        Ok(self.store.set(id, write).await?)
    }

    async fn get(&self, id: &[u8]) -> Result<Option<Session>> {
        Ok(self.store.get(id).await?)
    }

    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched> {
        Ok(self.store.touch(id, idle).await?)
    }

    async fn replace_if(&self, id: &[u8], version: Version, write: Write) -> Result<Version> {
        Ok(self.store.replace_if(id, version, write).await?)
    }

    async fn update_with(
        &self,
        id: &[u8],
        f: &mut (dyn for<'a> FnMut(&'a Session) -> Option<Write> + Send),
    ) -> Result<Option<Version>> {
        Ok(self.store.update_with(id, f).await?)
    }

    async fn destroy(&self, id: &[u8]) -> Result<bool> {
        Ok(self.store.destroy(id).await?)
    }

    async fn rotate(&self, old: &[u8], new: &[u8], write: Option<Write>) -> Result<Version> {
        Ok(self.store.rotate(old, new, write).await?)
    }

    fn sessions_of(&self, subject: &[u8]) -> Sessions {
        streamed(self.store.store().sessions_of(subject))
    }

    async fn get_handle(&self, handle: Handle) -> Result<Option<Session>> {
        Ok(self.store.get_handle(&handle).await?)
    }

    async fn destroy_handle(&self, handle: Handle) -> Result<bool> {
        Ok(self.store.destroy_handle(&handle).await?)
    }

    async fn destroy_subject(&self, subject: &[u8], keep: Option<&[u8]>) -> Result<u64> {
        Ok(self.store.destroy_subject(subject, keep).await?)
    }

    async fn len(&self) -> Result<u64> {
        Ok(self.store.len())
    }

    /// Each step reads a record on the caller's thread.
    fn iter(&self) -> Sessions {
        streamed(self.store.iter())
    }

    async fn clear(&self) -> Result<u64> {
        Ok(self.store.clear().await?)
    }

    async fn flush(&self) -> Result<()> {
        Ok(self.store.flush().await?)
    }

    async fn close(&self) -> Result<()> {
        Ok(self.store.close().await?)
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        let store = self.store.store().clone();
        let done = aside("sessile-maintain", move || store.maintain(budget)).await??;
        Ok(Maintained { expired: done.expired, more: done.more })
    }

    async fn adopt(&self, carried: &Carried) -> Result<Version> {
        Ok(self.store.adopt(carried).await?)
    }

    /// A store of its own, in a directory of this name within this one.
    async fn beside(&self, name: &str) -> Result<Arc<dyn Backend>> {
        check_name(name)?;
        // Whoever writes there goes on to what follows from it, perhaps elsewhere.
        let options = self.options.clone().durability(Durability::Synced).secret(self.secret());
        let beside = Self::open(options, self.directory.join(name)).await?;
        if beside.secret() != self.secret() {
            return Err(Error::invalid(format!(
                "the store in {} has another secret than the one around it; move it away",
                beside.directory.display()
            )));
        }
        Ok(Arc::new(beside))
    }

    fn secret(&self) -> Secret {
        self.store.store().secret()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            survives: Survives::PowerLoss,
            failover: Failover::None,
            shared: false,
            expiry_granularity: Duration::from_millis(1),
            atomic_rotate: true,
            atomic_destroy_subject: true,
            atomic_clear: true,
            counting: Counting::AtOnce,
            tells_why_unknown: true,
            removes_expired: true,
            lists_once: true,
            round_trips_to_read: 0,
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

fn streamed(sessions: sessile::Result<sessile::Sessions>) -> Sessions {
    match sessions {
        Ok(sessions) => Box::pin(stream::iter(sessions.map(|session| Ok(session?)))),
        Err(error) => Box::pin(stream::iter([Err(error.into())])),
    }
}

/// Does `work` on a thread of its own, whatever executor waits for it.
pub(crate) async fn aside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let failed = |source: std::io::Error| {
        Error::Store(sessile::Error::Io {
            doing: "doing maintenance on a thread".into(),
            source: Arc::new(source),
        })
    };
    let (done, waiting) = oneshot::channel();
    let work = move || drop(done.send(work()));
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(failed)?;
    waiting.await.map_err(|_| failed(std::io::Error::other("it has panicked")))
}
