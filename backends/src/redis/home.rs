//! The contract over a set of sessions on a server: each call by name.
//!
//! Owns: nothing; what a call does is told in `sessions`, `rotating`, `subjects` and `walking`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sessile::{Carried, Handle, Secret, Session, Touched, Version, Write};

use super::Redis;
use super::asked::Expect;
use super::rotating::Renewed;
use crate::backend::{Backend, Maintained, Sessions, check_name, foreign_handle};
use crate::capabilities::{Capabilities, Counting, Failover, Survives};
use crate::error::Result;

impl Redis {
    /// Ends something, and looks meanwhile whether this is still the home in which it is to end.
    async fn looking<T>(&self, ending: impl Future<Output = Result<T>>) -> Result<T> {
        let (looked, ended) = join(self.remote.look(), ending).await;
        looked.and(ended)
    }

    async fn put(&self, id: &[u8], write: &Write, expect: Expect) -> Result<Version> {
        let handle = self.handle(id).await?;
        let remote = &self.remote;
        remote.settings.check_length(write.data())?;
        let kept = remote.settings.kept_id(id);
        let ask = |arguments: super::asked::Arguments| {
            let arguments =
                arguments.deadlines(write).defaults(&remote.settings).subject(write, &remote.keys)?;
            Ok(arguments.add(write.data()).add(kept).add("").add(""))
        };
        remote.put(handle, expect, ask).await
    }
}

#[async_trait]
impl Backend for Redis {
    async fn create(&self, id: &[u8], write: Write) -> Result<Version> {
        self.put(id, &write, Expect::Absent).await
    }

    async fn update(&self, id: &[u8], write: Write) -> Result<Version> {
        self.put(id, &write, Expect::Present).await
    }

    async fn set(&self, id: &[u8], write: Write) -> Result<Version> {
        self.put(id, &write, Expect::Anything).await
    }

    async fn get(&self, id: &[u8]) -> Result<Option<Session>> {
        self.remote.get(self.handle(id).await?).await
    }

    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched> {
        self.remote.touch(self.handle(id).await?, idle).await
    }

    async fn replace_if(&self, id: &[u8], version: Version, write: Write) -> Result<Version> {
        self.put(id, &write, Expect::At(version)).await
    }

    async fn destroy(&self, id: &[u8]) -> Result<bool> {
        self.open.check()?;
        self.looking(self.remote.destroy(self.remote.keys.handle(id)?)).await
    }

    async fn rotate(&self, old: &[u8], new: &[u8], write: Option<Write>) -> Result<Version> {
        let (from, to) = (self.handle(old).await?, self.handle(new).await?);
        if let Some(write) = &write {
            self.remote.settings.check_length(write.data())?;
        }
        let id = self.remote.settings.kept_id(new);
        self.remote.rotate(&Renewed { from, to, write: write.as_ref(), id }).await
    }

    fn sessions_of(&self, subject: &[u8]) -> Sessions {
        let (home, subject) = (self.clone(), subject.to_vec());
        let found = async move {
            home.enter().await?;
            home.remote.sessions_of(&home.remote.keys.subject(&subject)?).await
        };
        let all = stream::once(found).map_ok(|found| stream::iter(found.into_iter().map(Ok)));
        Box::pin(all.try_flatten())
    }

    async fn get_handle(&self, handle: Handle) -> Result<Option<Session>> {
        self.enter().await?;
        self.remote.get(handle).await
    }

    async fn destroy_handle(&self, handle: Handle) -> Result<bool> {
        self.open.check()?;
        self.looking(self.remote.destroy(handle)).await
    }

    async fn destroy_subject(&self, subject: &[u8], keep: Option<&[u8]>) -> Result<u64> {
        self.open.check()?;
        let keep = keep.map(|id| self.remote.keys.handle(id)).transpose()?;
        let subject = self.remote.keys.subject(subject)?;
        self.looking(self.remote.revoke(&subject, keep)).await
    }

    async fn len(&self) -> Result<u64> {
        self.enter().await?;
        self.remote.count().await
    }

    fn iter(&self) -> Sessions {
        let home = self.clone();
        let entered = stream::once(async move { home.enter().await.map(|()| home.remote.walk()) });
        entered.try_flatten().boxed()
    }

    async fn clear(&self) -> Result<u64> {
        self.open.check()?;
        self.looking(self.remote.clear()).await
    }

    /// What is durable, and when, is for the server's settings to say: this only waits for its answer.
    async fn flush(&self) -> Result<()> {
        self.enter().await?;
        self.remote.link.send(&::redis::cmd("PING")).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.open.close();
        Ok(())
    }

    /// The server removes what has run out by itself.
    async fn maintain(&self, _budget: Duration) -> Result<Maintained> {
        self.open.check()?;
        Ok(Maintained::default())
    }

    async fn adopt(&self, carried: &Carried) -> Result<Version> {
        self.enter().await?;
        let remote = &self.remote;
        remote.settings.check_length(&carried.data)?;
        if let Some(id) = &carried.id
            && remote.keys.handle(id)? != carried.handle
        {
            return Err(foreign_handle());
        }
        let kept = carried.id.as_deref().map(|id| remote.settings.kept_id(id)).unwrap_or_default();
        let subject = carried.subject.map(|subject| super::reply::hex(subject.to_bytes()));
        let ask = |arguments: super::asked::Arguments| {
            let arguments = arguments.begun(carried).defaults(&remote.settings);
            let arguments = match &subject {
                Some(subject) => arguments.add("set").add(subject.as_str()),
                None => arguments.add("clear").add(""),
            };
            let arguments = arguments.add(carried.data.as_slice()).add(kept);
            Ok(arguments.number(carried.created_ms).number(carried.last_used_ms))
        };
        remote.put(carried.handle, Expect::Adopt, ask).await
    }

    /// Keys with another prefix: this one, a full stop, the name.
    async fn beside(&self, name: &str) -> Result<Arc<dyn Backend>> {
        self.open.check()?;
        check_name(name)?;
        let prefix = format!("{}.{name}", self.remote.keys.prefix);
        let settings = self.remote.settings.clone().secret(self.secret());
        Ok(Arc::new(Self::over(Arc::clone(&self.remote.link), &prefix, settings).await?))
    }

    fn secret(&self) -> Secret {
        self.remote.keys.secret
    }

    fn capabilities(&self) -> Capabilities {
        let near = self.remote.link.is_near();
        Capabilities {
            survives: Survives::AsConfigured,
            failover: Failover::LosesTheLast,
            shared: true,
            expiry_granularity: Duration::from_millis(1),
            atomic_rotate: true,
            atomic_destroy_subject: true,
            atomic_clear: false,
            counting: Counting::ByVisiting,
            tells_why_unknown: false,
            removes_expired: true,
            lists_once: false,
            round_trips_to_read: if near { 1 } else { 2 },
        }
    }

    fn name(&self) -> &str {
        &self.remote.link.home
    }
}
