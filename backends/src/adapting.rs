//! What a framework's adapter asks of a home: a few of its calls, for the engine itself and for any home alike.
//!
//! Owns: [`Home`] and [`Seen`]. The engine answers without a box around each future, and lets an adapter look at a session
//! where it lies; whoever holds an `Arc<dyn Backend>` gets a copy.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sessile::nonblocking::AsyncStore;
use sessile::{Deadline, Session, SessionRef, SubjectDigest, Touched, Version, Write};

use crate::backend::Backend;
use crate::embedded::aside;
use crate::error::Result;

/// A session that an adapter looks at.
pub trait Seen: Send {
    /// Its bytes.
    fn data(&self) -> &[u8];
    /// When it ends.
    fn deadline(&self) -> Deadline;
    /// Whose it is.
    fn subject(&self) -> Option<SubjectDigest>;
}

/// A home of sessions, as an adapter takes it: an [`AsyncStore`], or any [`Backend`] in an `Arc`. Each call means what that of
/// [`sessile::Store`] with the same name means; its errors are those of [`Backend`].
pub trait Home: Clone + Debug + Send + Sync + 'static {
    /// A session that is looked at.
    type Seen: Seen;

    /// Creates a session.
    fn create(&self, id: &[u8], write: Write) -> impl Future<Output = Result<Version>> + Send;
    /// Writes a live session anew.
    fn update(&self, id: &[u8], write: Write) -> impl Future<Output = Result<Version>> + Send;
    /// Creates a session or writes it anew.
    fn set(&self, id: &[u8], write: Write) -> impl Future<Output = Result<Version>> + Send;
    /// Looks at a live session.
    fn look(&self, id: &[u8]) -> impl Future<Output = Result<Option<Self::Seen>>> + Send;
    /// A live session was used.
    fn touch(&self, id: &[u8], idle: Duration) -> impl Future<Output = Result<Touched>> + Send;
    /// Ends a session.
    fn destroy(&self, id: &[u8]) -> impl Future<Output = Result<bool>> + Send;
    /// Removes what has run out; works for about `budget`.
    fn maintain(&self, budget: Duration) -> impl Future<Output = Result<()>> + Send;
    /// What [`Seen::subject`] is for the sessions of this subject.
    ///
    /// # Errors
    /// `Invalid` for a subject out of its limits.
    fn subject_digest(&self, subject: &[u8]) -> Result<SubjectDigest>;
}

macro_rules! seen {
    ($type:ty) => {
        impl Seen for $type {
            fn data(&self) -> &[u8] {
                self.data()
            }

            fn deadline(&self) -> Deadline {
                self.deadline()
            }

            fn subject(&self) -> Option<SubjectDigest> {
                self.subject()
            }
        }
    };
}

seen!(Session);
seen!(SessionRef);

impl Home for AsyncStore {
    type Seen = SessionRef;

    async fn create(&self, id: &[u8], write: Write) -> Result<Version> {
        Ok(Self::create(self, id, write).await?)
    }

    async fn update(&self, id: &[u8], write: Write) -> Result<Version> {
        Ok(Self::update(self, id, write).await?)
    }

    async fn set(&self, id: &[u8], write: Write) -> Result<Version> {
        Ok(Self::set(self, id, write).await?)
    }

    async fn look(&self, id: &[u8]) -> Result<Option<SessionRef>> {
        Ok(self.get_ref(id).await?)
    }

    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched> {
        Ok(Self::touch(self, id, idle).await?)
    }

    async fn destroy(&self, id: &[u8]) -> Result<bool> {
        Ok(Self::destroy(self, id).await?)
    }

    async fn maintain(&self, budget: Duration) -> Result<()> {
        let store = self.store().clone();
        aside("sessile-maintain", move || store.maintain(budget)).await??;
        Ok(())
    }

    fn subject_digest(&self, subject: &[u8]) -> Result<SubjectDigest> {
        Ok(Self::subject_digest(self, subject)?)
    }
}

impl Home for Arc<dyn Backend> {
    type Seen = Session;

    async fn create(&self, id: &[u8], write: Write) -> Result<Version> {
        self.as_ref().create(id, write).await
    }

    async fn update(&self, id: &[u8], write: Write) -> Result<Version> {
        self.as_ref().update(id, write).await
    }

    async fn set(&self, id: &[u8], write: Write) -> Result<Version> {
        self.as_ref().set(id, write).await
    }

    async fn look(&self, id: &[u8]) -> Result<Option<Session>> {
        self.as_ref().get(id).await
    }

    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched> {
        self.as_ref().touch(id, idle).await
    }

    async fn destroy(&self, id: &[u8]) -> Result<bool> {
        self.as_ref().destroy(id).await
    }

    async fn maintain(&self, budget: Duration) -> Result<()> {
        self.as_ref().maintain(budget).await.map(drop)
    }

    fn subject_digest(&self, subject: &[u8]) -> Result<SubjectDigest> {
        self.as_ref().subject_digest(subject)
    }
}
