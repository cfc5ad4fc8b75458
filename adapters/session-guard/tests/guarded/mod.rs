//! A store for session-guard over sessile, for tests: it shows that the engine has what such a store needs, and its README
//! would be longer than it is.
//!
//! Four kinds of entries, told apart by the first byte of their ids. A *session* holds its record and its tokens, and belongs to
//! its subject. A *token* says which session to ask, and nothing else: that session alone decides whether it has the token, so
//! a token is written before the session that has it, and what a crash or a lost race leaves of it leads nowhere. *Claims*
//! and *notes* (the log of what was suspicious) belong to one subject each, under which all of them are found.

mod entry;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sessile::nonblocking::AsyncStore;
use sessile::{Deadline, Error, SessionId, Write};
use session_guard::store::{ClaimScope, SessionRecord, SessionStore, SessionUpdate, TokenLookup};
use session_guard::{EventKind, SessionEvent, StoreError, TokenHash};
use uuid::Uuid;

use entry::Entry;

const CLAIMS: &str = "claims";
const NOTES: &str = "notes";

/// How long a session lives without use, and where.
#[derive(Clone)]
pub struct Guarded {
    pub sessions: AsyncStore,
    pub idle: Duration,
}

fn session_key(id: Uuid) -> Vec<u8> {
    [b"s", &id.as_bytes()[..]].concat()
}

fn token_key(hash: &[u8; 32]) -> Vec<u8> {
    [b"t", &hash[..]].concat()
}

fn subject_key(subject: &str) -> String {
    format!("user {subject}")
}

/// What is before 1970 has passed in any case.
fn deadline_of(moment: DateTime<Utc>) -> Deadline {
    Deadline::at_ms(u64::try_from(moment.timestamp_millis()).unwrap_or(0))
}

impl Guarded {
    async fn entry(&self, id: Uuid) -> Result<Option<Entry>, StoreError> {
        let found = self.sessions.get_ref(session_key(id)).await?;
        found.map(|session| Entry::read(session.data())).transpose()
    }

    async fn insert_token(&self, hash: &TokenHash, entry: &Entry) -> Result<(), Error> {
        let until = deadline_of(entry.expires_at);
        let token = Write::new(entry.id().as_bytes()).idle_until(until).absolute_until(until);
        self.sessions.create(token_key(hash.as_bytes()), token).await.map(drop)
    }

    /// Ends the session first: its tokens lead nowhere from then on.
    async fn delete(&self, entry: &Entry) -> Result<bool, StoreError> {
        let existed = self.sessions.destroy(session_key(entry.id())).await?;
        for token in &entry.tokens {
            self.sessions.destroy(token_key(&token.hash)).await?;
        }
        Ok(existed)
    }

    fn entries_of(&self, subject: &str) -> Result<Vec<Entry>, StoreError> {
        let found = self.sessions.store().sessions_of(subject_key(subject))?;
        found.map(|session| Entry::read(session?.data())).collect()
    }

    /// The claims or notes from before a moment.
    fn before(&self, kind: &str, moment: DateTime<Utc>) -> Result<Vec<sessile::Handle>, StoreError> {
        let mut old = Vec::new();
        for one in self.sessions.store().sessions_of(kind)? {
            let one = one?;
            let (at, _): (DateTime<Utc>, String) = serde_json::from_slice(one.data())?;
            if at < moment {
                old.push(one.handle());
            }
        }
        Ok(old)
    }
}

impl SessionStore for Guarded {
    async fn insert_session(&self, session: &SessionRecord, token: &TokenHash) -> Result<(), StoreError> {
        let entry = Entry::new(session, token);
        self.insert_token(token, &entry).await?;
        let write = Write::new(entry.bytes()?)
            .subject(subject_key(&session.subject))
            .idle(self.idle)
            .absolute_until(deadline_of(session.expires_at));
        self.sessions.create(session_key(session.id), write).await?;
        Ok(())
    }

    async fn find_by_token(&self, token: &TokenHash) -> Result<Option<TokenLookup>, StoreError> {
        let Some(leads_to) = self.sessions.get(token_key(token.as_bytes())).await? else { return Ok(None) };
        let entry = self.entry(Uuid::from_slice(leads_to.data())?).await?;
        Ok(entry.and_then(|entry| entry.lookup(token)))
    }

    async fn apply(&self, update: &SessionUpdate) -> Result<bool, StoreError> {
        let Some(before) = self.entry(update.session_id).await? else { return Ok(false) };
        let mut update = update.clone();
        if let Some(rotation) = &update.rotation {
            match self.insert_token(&rotation.new_token, &before).await {
                // Somebody has this token already: nothing rotates, and it is not ours to delete.
                Err(Error::Duplicate) => update.rotation = None,
                inserted => inserted?,
            }
        }
        // Compare and swap: `update_with` asks again until nobody else has written in between.
        let mut outcome = (false, None);
        let written = self.sessions.update_with(session_key(update.session_id), |session| {
            let mut entry = Entry::read(session.data()).ok()?;
            let rotated = entry.apply(&update);
            let bytes = entry.bytes().ok()?;
            outcome = (rotated, Some(entry));
            Some(Write::new(bytes).idle(self.idle))
        });
        let (rotated, after) = match written.await {
            Ok(Some(_)) => outcome,
            Ok(None) => return Err("a session that cannot be read".into()),
            Err(Error::Unknown(_)) => (false, None), // It has ended meanwhile, and stays so.
            Err(error) => return Err(error.into()),
        };
        let has =
            |hash: &[u8; 32]| after.iter().flat_map(|entry| &entry.tokens).any(|token| token.hash == *hash);
        let inserted = update.rotation.iter().map(|rotation| *rotation.new_token.as_bytes());
        for hash in before.tokens.iter().map(|token| token.hash).chain(inserted).filter(|hash| !has(hash)) {
            self.sessions.destroy(token_key(&hash)).await?;
        }
        Ok(rotated)
    }

    async fn delete_session(&self, session_id: Uuid) -> Result<bool, StoreError> {
        match self.entry(session_id).await? {
            Some(entry) => self.delete(&entry).await,
            None => Ok(false),
        }
    }

    /// One record ends them all. It also ends a session that began after they were listed, whose id is then not among these.
    async fn delete_subject_sessions(&self, subject: &str) -> Result<Vec<Uuid>, StoreError> {
        let entries = self.entries_of(subject)?;
        self.sessions.destroy_subject(subject_key(subject), None).await?;
        for entry in &entries {
            self.delete(entry).await?;
        }
        Ok(entries.iter().map(Entry::id).collect())
    }

    async fn list_subject_sessions(&self, subject: &str) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(self.entries_of(subject)?.iter().map(Entry::record).collect())
    }

    /// What has expired by the store's clock is gone already and not counted.
    async fn delete_expired(
        &self,
        now: DateTime<Utc>,
        idle_cutoff: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut deleted = 0;
        for session in self.sessions.iter()? {
            let Ok(entry) = Entry::read(session?.data()) else { continue };
            if entry.expires_at <= now || entry.last_seen_at <= idle_cutoff {
                deleted += u64::from(self.delete(&entry).await?);
            }
        }
        Ok(deleted)
    }

    async fn record_event(&self, event: &SessionEvent) -> Result<(), StoreError> {
        let note = serde_json::to_vec(&(event.at, format!("{event:?}")))?;
        let write = Write::new(note).subject(NOTES).idle(Duration::MAX);
        self.sessions.create([b"n", SessionId::generate()?.as_ref()].concat(), write).await?;
        Ok(())
    }

    async fn delete_events_before(&self, cutoff: DateTime<Utc>) -> Result<u64, StoreError> {
        for claim in self.before(CLAIMS, cutoff)? {
            self.sessions.destroy_handle(&claim).await?;
        }
        let mut deleted = 0;
        for note in self.before(NOTES, cutoff)? {
            deleted += u64::from(self.sessions.destroy_handle(&note).await?);
        }
        Ok(deleted)
    }

    async fn claim_event(
        &self,
        scope: ClaimScope<'_>,
        kind: EventKind,
        now: DateTime<Utc>,
        window: TimeDelta,
    ) -> Result<bool, StoreError> {
        let claim = match scope {
            ClaimScope::Session(id) => format!("{kind} of session {id}"),
            ClaimScope::Subject(subject) => format!("{kind} of {}", subject_key(subject)),
            other => return Err(format!("{other:?} is new to this store").into()),
        };
        let key = [b"c", claim.as_bytes()].concat();
        let data = serde_json::to_vec(&(now, claim))?;
        let write = Write::new(data).subject(CLAIMS).idle(Duration::MAX);
        loop {
            match self.sessions.create(&key, write.clone()).await {
                Err(Error::Duplicate) => {}
                created => return Ok(created.map(|_| true)?),
            }
            let taken = self.sessions.update_with(&key, |claim| {
                let (at, _): (DateTime<Utc>, String) = serde_json::from_slice(claim.data()).ok()?;
                (now - at >= window).then(|| write.clone())
            });
            match taken.await {
                Err(Error::Unknown(_)) => {} // It was deleted in between, so it is free.
                taken => return Ok(taken?.is_some()),
            }
        }
    }
}
