//! The contract of a home, on two. Each call brings the session here first, and is the new home's then.

use std::collections::HashSet;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use sessile::{Carried, Handle, Secret, Session, Touched, Unknown, Version, Write};

use super::ledger::State;
use super::left::Wanted;
use super::{Answers, Moving};
use crate::backend::{Backend, Maintained, Sessions};
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};

/// A session that has not moved has no version in the new home yet.
const UNMOVED: Version = Version::from_u64(0);

impl Moving {
    /// The session, if it is not over, is the new home's from here on.
    async fn bring_live(&self, id: &[u8]) -> Result<()> {
        match self.bring(self.wanted(id)?).await? {
            Answers::New => Ok(()),
            Answers::Nobody => Err(Error::Store(sessile::Error::Unknown(Unknown::Ended))),
        }
    }

    /// An id that is about to be given to a new session: one that is over is free, and what the old home has under it is
    /// over, too.
    async fn free(&self, id: &[u8]) -> Result<()> {
        let wanted = self.wanted(id)?;
        match self.try_bring(wanted).await {
            Ok(Some(Answers::New)) => Ok(()),
            Ok(Some(Answers::Nobody)) => self.ledger.own(wanted.handle).await,
            Ok(None) => Err(self.busy()),
            // Nobody can log in while the old home is away, if this waits for it; and no two sessions draw the same id.
            Err(error @ (Error::Unreachable { .. } | Error::TimedOut { .. })) => {
                if self.ledger.claim(wanted.handle).await? { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    /// Those of the old home that have not moved and are not over.
    pub(super) fn unmoved(
        &self,
        there: BoxStream<'static, Result<Carried>>,
    ) -> BoxStream<'static, Result<Carried>> {
        let this = self.clone();
        let unmoved = there.try_filter_map(move |carried| {
            let this = this.clone();
            async move { Ok((!this.is_settled(&carried).await?).then_some(carried)) }
        });
        unmoved.boxed()
    }

    /// Whether a session that the old home has is not its any more: it has moved, or is over.
    async fn is_settled(&self, carried: &Carried) -> Result<bool> {
        let is_moved = match self.ledger.state(carried.handle).await? {
            Some(State::Moved | State::Ended) => true,
            Some(State::Moving(_)) | None => self.new.get_handle(carried.handle).await?.is_some(),
        };
        Ok(is_moved || self.ledger.is_marked(carried.subject).await?)
    }

    /// Those that have not moved, and then those of the new home; what moves in between is shown once.
    fn both(
        &self,
        there: BoxStream<'static, Result<Carried>>,
        here: impl FnOnce(&dyn Backend) -> Sessions + Send + 'static,
    ) -> Sessions {
        let shown = Arc::new(Mutex::new(HashSet::new()));
        let (new, known) = (Arc::clone(&self.new), Arc::clone(&shown));
        let unmoved = self.unmoved(there).map_ok(move |carried| {
            shown.lock().insert(carried.handle);
            carried.into_session(UNMOVED)
        });
        let moved = stream::once(async move { here(new.as_ref()) }).flatten();
        let moved = moved.try_filter(move |session| ready(!known.lock().contains(&session.handle())));
        unmoved.chain(moved).boxed()
    }
}

#[async_trait]
impl Backend for Moving {
    async fn create(&self, id: &[u8], write: Write) -> Result<Version> {
        self.free(id).await?;
        self.new.create(id, write).await
    }

    async fn update(&self, id: &[u8], write: Write) -> Result<Version> {
        self.bring_live(id).await?;
        self.new.update(id, write).await
    }

    /// What the old home may have under that id is asked for: its subject and its end are this one's, too.
    async fn set(&self, id: &[u8], write: Write) -> Result<Version> {
        let wanted = self.wanted(id)?;
        if self.bring(wanted).await? == Answers::Nobody {
            self.ledger.own(wanted.handle).await?;
        }
        self.new.set(id, write).await
    }

    async fn get(&self, id: &[u8]) -> Result<Option<Session>> {
        match self.bring(self.wanted(id)?).await? {
            Answers::New => self.new.get(id).await,
            Answers::Nobody => Ok(None),
        }
    }

    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched> {
        self.bring_live(id).await?;
        self.new.touch(id, idle).await
    }

    async fn replace_if(&self, id: &[u8], version: Version, write: Write) -> Result<Version> {
        self.bring_live(id).await?;
        self.new.replace_if(id, version, write).await
    }

    async fn destroy(&self, id: &[u8]) -> Result<bool> {
        self.end(self.wanted(id)?).await
    }

    async fn rotate(&self, old: &[u8], new: &[u8], write: Option<Write>) -> Result<Version> {
        self.bring_live(old).await?;
        self.free(new).await?;
        self.new.rotate(old, new, write).await
    }

    fn sessions_of(&self, subject: &[u8]) -> Sessions {
        let (there, subject) = (self.old.sessions_of(subject), subject.to_vec());
        self.both(there, move |new| new.sessions_of(&subject))
    }

    async fn get_handle(&self, handle: Handle) -> Result<Option<Session>> {
        match self.bring(Wanted { handle, id: None }).await? {
            Answers::New => self.new.get_handle(handle).await,
            Answers::Nobody => Ok(None),
        }
    }

    async fn destroy_handle(&self, handle: Handle) -> Result<bool> {
        self.end(Wanted { handle, id: None }).await
    }

    async fn destroy_subject(&self, subject: &[u8], keep: Option<&[u8]>) -> Result<u64> {
        if let Some(keep) = keep {
            // Whoever asks has used it, so it is here. If not, and it cannot be brought, the revocation goes before it.
            let _ = self.bring(self.wanted(keep)?).await;
        }
        let digest = self.new.subject_digest(subject)?;
        // How many cannot be known while the old home is away.
        let unmoved = self.unmoved(self.old.sessions_of(subject));
        let unmoved = unmoved.try_fold(0, |sum, _| ready(Ok(sum + 1))).await.unwrap_or(0);
        self.ledger.mark(digest).await?;
        let here = self.new.destroy_subject(subject, keep).await?;
        let _ = self.old.forget_subject(subject).await;
        Ok(here + unmoved)
    }

    /// Those of the new home. [`Moving::progress`] counts what is left in the old one.
    async fn len(&self) -> Result<u64> {
        self.new.len().await
    }

    /// Those that have not moved, where the old home can list them, and then the rest.
    fn iter(&self) -> Sessions {
        let there = self.old.all().unwrap_or_else(|| stream::empty().boxed());
        self.both(there, |new| new.iter())
    }

    async fn clear(&self) -> Result<u64> {
        let there = self.old.all().unwrap_or_else(|| stream::empty().boxed());
        let unmoved = self.unmoved(there).try_fold(0, |sum, _| ready(Ok(sum + 1))).await.unwrap_or(0);
        self.ledger.mark_everybody().await?;
        let here = self.new.clear().await?;
        let _ = self.old.forget_all().await;
        Ok(here + unmoved)
    }

    async fn flush(&self) -> Result<()> {
        self.ledger.flush().await?;
        self.new.flush().await
    }

    /// Closes the new home and the ledger. The old home is its owner's to close.
    async fn close(&self) -> Result<()> {
        self.ledger.close().await?;
        self.new.close().await
    }

    /// What is told is of the new home.
    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        self.ledger.maintain(budget / 4).await?;
        self.new.maintain(budget).await
    }

    async fn adopt(&self, carried: &Carried) -> Result<Version> {
        match self.bring(Wanted { handle: carried.handle, id: carried.id.as_deref() }).await? {
            Answers::New => {}
            Answers::Nobody => self.ledger.own(carried.handle).await?,
        }
        self.new.adopt(carried).await
    }

    async fn beside(&self, name: &str) -> Result<Arc<dyn Backend>> {
        self.new.beside(name).await
    }

    fn secret(&self) -> Secret {
        self.new.secret()
    }

    /// Those of the new home, but that ending many sessions takes two steps.
    fn capabilities(&self) -> Capabilities {
        let new = self.new.capabilities();
        Capabilities {
            atomic_destroy_subject: false,
            atomic_clear: false,
            // One that began here: the ledger twice, and the session twice.
            round_trips_to_read: new.round_trips_to_read * 4,
            ..new
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}
