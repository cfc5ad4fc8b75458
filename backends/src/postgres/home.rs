//! The contract over a schema: each call a statement.
//!
//! Owns: nothing; what a call asks of the database is told in `statements`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sessile::{Carried, Handle, Secret, Session, Touched, Version, Write};
use tokio_postgres::types::Type;

use super::pool::Value;
use super::rows::{ASK, Asked, signed};
use super::statements::Expect;
use super::{Postgres, Schema};
use crate::backend::{Backend, Maintained, Sessions, check_name, foreign_handle, unknown};
use crate::capabilities::{Capabilities, Counting, Failover, Survives};
use crate::error::{Error, Result};
use crate::terms::lifetime_ms;

impl Postgres {
    /// Ends something, and looks meanwhile whether this is still the home in which it is to end.
    async fn looking<T>(&self, ending: impl Future<Output = Result<T>>) -> Result<T> {
        let (looked, ended) = join(self.schema.look(), ending).await;
        looked.and(ended)
    }

    async fn put(&self, id: &[u8], write: &Write, expect: Expect) -> Result<Version> {
        let handle = self.handle(id).await?;
        let schema = &self.schema;
        schema.settings.check_length(write.data())?;
        let asked = Asked::of_write(write, schema.secret, &schema.settings)?;
        schema.put(handle, expect, &asked, write.data(), (schema.settings.kept_id(id), None)).await
    }
}

#[async_trait]
impl Backend for Postgres {
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
        self.schema.get(self.handle(id).await?).await
    }

    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched> {
        let (handle, idle) = (self.handle(id).await?.to_bytes(), signed(lifetime_ms(idle)));
        let values: [Value<'_>; 2] = [(&handle.as_slice(), Type::BYTEA), (&idle, Type::INT8)];
        let rows = self.schema.rows("SELECT {schema}.touch($1, $2)", &values).await?;
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some(true) => Ok(Touched::Logged),
            Some(false) => Err(unknown()),
            None => Err(self.schema.strange()),
        }
    }

    async fn replace_if(&self, id: &[u8], version: Version, write: Write) -> Result<Version> {
        self.put(id, &write, Expect::At(version)).await
    }

    async fn destroy(&self, id: &[u8]) -> Result<bool> {
        self.open.check()?;
        self.looking(self.schema.destroy(self.schema.secret.handle_of(id)?)).await
    }

    async fn rotate(&self, old: &[u8], new: &[u8], write: Option<Write>) -> Result<Version> {
        let (from, to) = (self.handle(old).await?.to_bytes(), self.handle(new).await?.to_bytes());
        let schema = &self.schema;
        let (with_write, write) = (write.is_some(), write.unwrap_or_default());
        schema.settings.check_length(write.data())?;
        let asked = Asked::of_write(&write, schema.secret, &schema.settings)?;
        let (from, to, data) = (from.as_slice(), to.as_slice(), write.data());
        let id = Some(schema.settings.kept_id(new)).filter(|id| !id.is_empty());
        let statement = format!(
            "SELECT outcome, its_version FROM {{schema}}.rotate($11, $12, $13, {ASK}::{{schema}}.ask, $9, $10, $14, $15, $16)"
        );
        let mut values = asked.values();
        values.extend::<[Value<'_>; 5]>([
            (&from, Type::BYTEA),
            (&to, Type::BYTEA),
            (&with_write, Type::BOOL),
            (&id, Type::BYTEA),
            (&data, Type::BYTEA),
        ]);
        schema.write(&statement, &values).await
    }

    fn sessions_of(&self, subject: &[u8]) -> Sessions {
        let (home, subject) = (self.clone(), subject.to_vec());
        let found = async move {
            home.enter().await?;
            home.schema.sessions_of(&subject).await
        };
        stream::once(found).map_ok(|found| stream::iter(found.into_iter().map(Ok))).try_flatten().boxed()
    }

    async fn get_handle(&self, handle: Handle) -> Result<Option<Session>> {
        self.enter().await?;
        self.schema.get(handle).await
    }

    async fn destroy_handle(&self, handle: Handle) -> Result<bool> {
        self.open.check()?;
        self.looking(self.schema.destroy(handle)).await
    }

    async fn destroy_subject(&self, subject: &[u8], keep: Option<&[u8]>) -> Result<u64> {
        self.open.check()?;
        let keep = keep.map(|id| self.schema.secret.handle_of(id)).transpose()?;
        let keep = keep.map(|keep| keep.to_bytes().to_vec());
        let subject = self.schema.secret.subject_digest(subject)?.to_bytes();
        let values: [Value<'_>; 2] = [(&subject.as_slice(), Type::BYTEA), (&keep, Type::BYTEA)];
        self.looking(self.schema.number("SELECT {schema}.revoke($1, $2)", &values)).await
    }

    async fn len(&self) -> Result<u64> {
        self.enter().await?;
        self.schema
            .number("SELECT count(*) FROM {schema}.sessions WHERE deadline > {schema}.now_ms()", &[])
            .await
    }

    fn iter(&self) -> Sessions {
        let home = self.clone();
        let pages = stream::try_unfold(Some(Vec::new()), move |after| {
            let home = home.clone();
            async move {
                home.enter().await?;
                let Some(after) = after else { return Ok(None) };
                let page = home.schema.page(after).await?;
                let last = page.last().map(|session| session.handle().to_bytes().to_vec());
                Ok::<_, Error>(last.map(|last| (page, Some(last))))
            }
        });
        pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten().boxed()
    }

    async fn clear(&self) -> Result<u64> {
        self.open.check()?;
        self.looking(self.schema.clear()).await
    }

    /// Each statement has waited for the disk already, if the database is set so: this only waits for its answer.
    async fn flush(&self) -> Result<()> {
        self.enter().await?;
        self.schema.pool.rows("SELECT 1", &[]).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.open.close();
        Ok(())
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        self.open.check()?;
        self.schema.sweep(budget).await
    }

    async fn adopt(&self, carried: &Carried) -> Result<Version> {
        self.enter().await?;
        let schema = &self.schema;
        schema.settings.check_length(&carried.data)?;
        if let Some(id) = &carried.id
            && schema.secret.handle_of(id)? != carried.handle
        {
            return Err(foreign_handle());
        }
        let id = carried.id.as_deref().map(|id| schema.settings.kept_id(id)).unwrap_or_default();
        let times = Some((carried.created_ms, carried.last_used_ms));
        schema
            .put(carried.handle, Expect::Adopt, &Asked::of_carried(carried), &carried.data, (id, times))
            .await
    }

    /// Another schema: the name of this one, a dollar sign, the name.
    async fn beside(&self, name: &str) -> Result<Arc<dyn Backend>> {
        self.open.check()?;
        check_name(name)?;
        let Schema { pool, name: own, secret, settings, .. } = &*self.schema;
        let settings = settings.clone().secret(*secret);
        Ok(Arc::new(Self::over(Arc::clone(pool), format!("{own}${name}"), settings).await?))
    }

    fn secret(&self) -> Secret {
        self.schema.secret
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            survives: Survives::AsConfigured,
            failover: Failover::AsConfigured,
            shared: true,
            expiry_granularity: Duration::from_millis(1),
            atomic_rotate: true,
            atomic_destroy_subject: true,
            atomic_clear: true,
            counting: Counting::ByVisiting,
            tells_why_unknown: false,
            removes_expired: true,
            lists_once: true,
            round_trips_to_read: 1,
        }
    }

    fn name(&self) -> &str {
        &self.schema.pool.home
    }
}
