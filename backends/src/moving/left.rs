//! The home that is being left: what a move needs of it, which is little.
//!
//! Owns: [`Left`]. Any home of ours can be left for another with the same secret; a foreign store can be left by whoever
//! implements this for it.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use sessile::{Carried, Handle};

use crate::backend::Backend;
use crate::error::Result;

/// How a session of the old home is asked for: by its handle in the new home, and by its id where the caller has that.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The handle.
    pub handle: Handle,
    /// The id. A foreign store needs it; a page of devices has only handles.
    pub id: Option<&'a [u8]>,
}

/// A home that is being left. An error is passed on to whoever asked; it is never taken for "no session".
#[async_trait]
pub trait Left: Debug + Send + Sync + 'static {
    /// A live session of the old home as the new one is to adopt it, under the new home's handle.
    async fn load(&self, wanted: Wanted<'_>) -> Result<Option<Carried>>;

    /// A session has ended, and the new home has that on record: the old one may delete it. A courtesy.
    async fn forget(&self, wanted: Wanted<'_>) -> Result<()>;

    /// The same for all sessions of a subject, of which none is alive in the old home by now.
    async fn forget_subject(&self, _subject: &[u8]) -> Result<()> {
        Ok(())
    }

    /// The same for all.
    async fn forget_all(&self) -> Result<()> {
        Ok(())
    }

    /// The live sessions of a subject, where the old home can say.
    fn sessions_of(&self, _subject: &[u8]) -> BoxStream<'static, Result<Carried>> {
        stream::empty().boxed()
    }

    /// All live sessions; `None` where the old home cannot say.
    fn all(&self) -> Option<BoxStream<'static, Result<Carried>>> {
        None
    }
}

/// One of our own homes, left for another.
#[derive(Debug)]
pub(super) struct Ours(pub Arc<dyn Backend>);

#[async_trait]
impl Left for Ours {
    async fn load(&self, wanted: Wanted<'_>) -> Result<Option<Carried>> {
        Ok(self.0.get_handle(wanted.handle).await?.map(Carried::from))
    }

    async fn forget(&self, wanted: Wanted<'_>) -> Result<()> {
        self.0.destroy_handle(wanted.handle).await.map(drop)
    }

    async fn forget_subject(&self, subject: &[u8]) -> Result<()> {
        self.0.destroy_subject(subject, None).await.map(drop)
    }

    async fn forget_all(&self) -> Result<()> {
        self.0.clear().await.map(drop)
    }

    fn sessions_of(&self, subject: &[u8]) -> BoxStream<'static, Result<Carried>> {
        self.0.sessions_of(subject).map(|session| Ok(session?.into())).boxed()
    }

    fn all(&self) -> Option<BoxStream<'static, Result<Carried>>> {
        Some(self.0.iter().map(|session| Ok(session?.into())).boxed())
    }
}
