//! What tower-sessions asks for, told in the words of the contract.
//!
//! Owns: when a save is only a use, and that one of a session that has ended is refused.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sessile::{Deadline, Subject, Write};
use sessile_backends::adapting::{Home, Seen};
use sessile_backends::{Error, Result};
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{self, ExpiredDeletion, SessionStore};

use crate::record::{Failed, date_of, deadline_of, encode, left_until};
use crate::{Saving, SessileStore};

impl<H: Home> SessileStore<H> {
    fn subject(&self, data: &HashMap<String, Value>) -> Subject {
        let Some(key) = &self.subject_key else { return Subject::Keep };
        match data.get(&**key) {
            None | Some(Value::Null) => Subject::Clear,
            Some(Value::String(name)) if name.is_empty() => Subject::Clear,
            Some(Value::String(name)) => Subject::Set(name.clone().into_bytes()),
            Some(value) => Subject::Set(value.to_string().into_bytes()),
        }
    }

    /// Whether a session already says what is to be written, but for its deadline.
    async fn is_same(
        &self,
        id: [u8; 16],
        data: &[u8],
        subject: &Subject,
        deadline: Deadline,
    ) -> Result<bool> {
        let Some(stored) = self.sessions.look(&id).await? else { return Ok(false) };
        let belongs = match subject {
            Subject::Set(name) => stored.subject() == Some(self.sessions.subject_digest(name)?),
            Subject::Clear => stored.subject().is_none(),
            Subject::Keep => true,
        };
        Ok(belongs && stored.deadline() <= deadline && stored.data() == data)
    }

    async fn write(&self, record: &Record) -> Result<(), Failed> {
        let (id, deadline) = (SessileStore::id_of(&record.id), deadline_of(record.expiry_date));
        let (data, subject) = (encode(&record.data)?, self.subject(&record.data));
        if self.is_same(id, &data, &subject, deadline).await? {
            match self.sessions.touch(&id, left_until(record.expiry_date)).await {
                // It has ended since it was looked at: then it is as if it had ended before.
                Err(error) if error.is_unknown() => {}
                touched => return Ok(touched.map(drop)?),
            }
        }
        let write = Write::new(data).idle_until(deadline).subject_change(subject).shorten();
        match self.saving {
            Saving::Strict => self.sessions.update(&id, write).await?,
            Saving::Upsert => self.sessions.set(&id, write).await?,
        };
        Ok(())
    }
}

#[async_trait]
impl<H: Home> SessionStore for SessileStore<H> {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let data = encode(&record.data)?;
        loop {
            let write = Write::new(data.clone())
                .idle_until(deadline_of(record.expiry_date))
                .subject_change(self.subject(&record.data));
            match self.sessions.create(&SessileStore::id_of(&record.id), write).await {
                // Another session has that id: whoever gets this one must not get that.
                Err(Error::Store(sessile::Error::Duplicate)) => record.id = Id::default(),
                created => return Ok(created.map(drop).map_err(Failed::from)?),
            }
        }
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        match self.write(record).await {
            Err(Failed::Store(error)) if error.is_unknown() => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            written => Ok(written?),
        }
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let found = self.sessions.look(&SessileStore::id_of(id)).await.map_err(Failed::from)?;
        let Some(session) = found else { return Ok(None) };
        let data = serde_json::from_slice(session.data())
            .map_err(|error| session_store::Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date: date_of(session.deadline()) }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        let destroyed = self.sessions.destroy(&SessileStore::id_of(id)).await;
        Ok(destroyed.map(drop).map_err(Failed::from)?)
    }
}

/// Expired sessions go by themselves; this is for code that asks for it at a certain moment.
#[async_trait]
impl<H: Home> ExpiredDeletion for SessileStore<H> {
    async fn delete_expired(&self) -> session_store::Result<()> {
        let maintained = self.sessions.maintain(Duration::from_secs(1)).await;
        Ok(maintained.map_err(Failed::from)?)
    }

    /// Goes on after an error, which the next round may not meet.
    #[cfg(feature = "deletion-task")]
    async fn continuously_delete_expired(self, period: Duration) -> session_store::Result<()> {
        let mut interval = tokio::time::interval(period);
        loop {
            interval.tick().await;
            let _ = self.delete_expired().await;
        }
    }
}
