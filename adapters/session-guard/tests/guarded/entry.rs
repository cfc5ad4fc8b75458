//! What stands in the store of a session and its tokens, and what an update makes of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use session_guard::store::{SessionRecord, SessionUpdate, Supersede, TokenLookup, TokenRecord};
use session_guard::{Baseline, SessionOrigin, StoreError, TokenHash};
use uuid::Uuid;

/// A session with its tokens in the order of their issue: the last one is current. All of it is one record of the store, so
/// whoever compares and swaps that swaps all of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Entry {
    id: [u8; 16],
    pub subject: String,
    created_at: DateTime<Utc>,
    authenticated_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    step_up_required: bool,
    baseline: Baseline,
    origin: Option<SessionOrigin>,
    pub tokens: Vec<Token>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Token {
    pub hash: [u8; 32],
    issued_at: DateTime<Utc>,
    first_used_at: Option<DateTime<Utc>>,
    superseded_at: Option<DateTime<Utc>>,
}

impl Token {
    fn issued(hash: &TokenHash, issued_at: DateTime<Utc>) -> Self {
        Self { hash: *hash.as_bytes(), issued_at, first_used_at: None, superseded_at: None }
    }
}

impl Entry {
    pub fn new(session: &SessionRecord, token: &TokenHash) -> Self {
        Self {
            id: *session.id.as_bytes(),
            subject: session.subject.clone(),
            created_at: session.created_at,
            authenticated_at: session.authenticated_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            step_up_required: session.step_up_required,
            baseline: session.baseline.clone(),
            origin: session.origin.clone(),
            tokens: vec![Token::issued(token, session.created_at)],
        }
    }

    pub fn read(data: &[u8]) -> Result<Self, StoreError> {
        Ok(serde_json::from_slice(data)?)
    }

    pub fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        Ok(serde_json::to_vec(self)?)
    }

    pub fn id(&self) -> Uuid {
        Uuid::from_bytes(self.id)
    }

    pub fn record(&self) -> SessionRecord {
        SessionRecord {
            id: self.id(),
            subject: self.subject.clone(),
            created_at: self.created_at,
            authenticated_at: self.authenticated_at,
            last_seen_at: self.last_seen_at,
            expires_at: self.expires_at,
            step_up_required: self.step_up_required,
            baseline: self.baseline.clone(),
            origin: self.origin.clone(),
        }
    }

    /// `None` for a token that the session does not have, or not any more.
    pub fn lookup(&self, hash: &TokenHash) -> Option<TokenLookup> {
        let position = self.tokens.iter().position(|token| token.hash == *hash.as_bytes())?;
        let (token, newer) = self.tokens.get(position..)?.split_first()?;
        Some(TokenLookup {
            session: self.record(),
            token: TokenRecord {
                hash: *hash,
                issued_at: token.issued_at,
                first_used_at: token.first_used_at,
                superseded_at: token.superseded_at,
            },
            newer_token_used: newer.iter().any(|token| token.first_used_at.is_some()),
        })
    }

    /// Whether it rotated.
    pub fn apply(&mut self, update: &SessionUpdate) -> bool {
        let rotated = self.rotate(update);
        if let Some(hash) = update.mark_used
            && let Some(token) = self.tokens.iter_mut().find(|token| token.hash == *hash.as_bytes())
        {
            token.first_used_at.get_or_insert(update.now);
        }
        self.last_seen_at = update.now;
        if let Some(baseline) = &update.baseline {
            self.baseline.clone_from(baseline);
        }
        self.step_up_required = update.step_up_required.unwrap_or(self.step_up_required);
        self.authenticated_at = update.authenticated_at.unwrap_or(self.authenticated_at);
        rotated
    }

    fn rotate(&mut self, update: &SessionUpdate) -> bool {
        let (Some(rotation), Some(current)) = (&update.rotation, self.tokens.last_mut()) else {
            return false;
        };
        let holds = match rotation.supersede {
            Supersede::Exact(hash) => current.hash == *hash.as_bytes(),
            Supersede::CurrentIssuedBefore(moment) => current.issued_at < moment,
            Supersede::Current => true,
        };
        if holds {
            current.superseded_at = Some(update.now);
            self.tokens.push(Token::issued(&rotation.new_token, update.now));
            let cutoff = rotation.prune_superseded_before;
            self.tokens.retain(|token| token.superseded_at.is_none_or(|at| at >= cutoff));
        }
        holds
    }
}
