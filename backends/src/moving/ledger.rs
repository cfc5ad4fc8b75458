//! The ledger of a move: which sessions of the old home the new one answers for, and which nobody does any more.
//!
//! Owns: the entries, in a set of sessions beside those of the new home. An entry stays until the old home has certainly
//! forgotten its session, however that came about. Invariants:
//! 1. An entry that is not `Moving` is never taken back.
//! 2. No entry is evicted by a home of ours: each has a subject where those without one are, and a home without room refuses, so
//!    that nothing is moved. What a server of its own accord evicts (Redis with a `maxmemory-policy` other than `noeviction`) nobody
//!    can know of.
//! 3. A mark, for a user or for everybody, speaks of all sessions that have not moved, and stays until the move is over.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sessile::{Carried, Deadline, Handle, SubjectDigest, Version, Write};

use crate::backend::{Backend, Maintained};
use crate::error::{Error, Result};

/// The set of sessions that the ledger is.
const NAME: &str = "moving";
/// An entry outlives its session by this much: two homes have two clocks, and an old server may still touch what it has.
const MARGIN: Duration = Duration::from_secs(24 * 3600);

const EVERYBODY: &[u8] = b"all";
/// Stands there for as long as the ledger does.
const BEGUN: &[u8] = b"begun";

/// What the ledger says of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Somebody is moving it, or died while doing so. The version tells whether that is still so.
    Moving(Version),
    /// The new home answers for it, alone.
    Moved,
    /// It has ended without having moved. Nobody answers for it.
    Ended,
}

#[derive(Debug, Clone)]
pub(super) struct Ledger {
    home: Arc<dyn Backend>,
}

impl Ledger {
    /// The ledger beside a new home: a new one if that is empty. Of a session that was there before, it could not say later whether
    /// it has ended, or was never there: and what the old home has of it would be back.
    pub async fn beside(new: &dyn Backend) -> Result<Self> {
        let ledger = Self { home: new.beside(NAME).await? };
        if ledger.home.get(BEGUN).await?.is_none() {
            if new.iter().next().await.transpose()?.is_some() {
                return Err(Error::invalid(format!(
                    "{} has sessions that no move has brought there, and what ends of them would be back from the old home; \
                     if the move is over, let it stand alone; if they were copied there, bring the rest in the same way, or \
                     clear it first",
                    new.name()
                )));
            }
            ledger.put_mark(BEGUN).await?;
        }
        Ok(ledger)
    }

    pub async fn state(&self, handle: Handle) -> Result<Option<State>> {
        let Some(entry) = self.home.get(&key(handle)).await? else { return Ok(None) };
        let (state, _) = self.read(entry.data(), entry.version())?;
        Ok(Some(state))
    }

    /// Notes that a session is being moved; `None` when there is an entry already.
    pub async fn begin(&self, handle: Handle, until: Deadline) -> Result<Option<Version>> {
        match self.enter(handle, b'>', until).await {
            Err(Error::Store(sessile::Error::Duplicate)) => Ok(None),
            begun => begun.map(Some),
        }
    }

    /// Whoever began has died: this one goes on, unless somebody was faster.
    pub async fn take_over(&self, handle: Handle, begun: Version) -> Result<Option<Version>> {
        match self.home.replace_if(&key(handle), begun, written(handle, b'>').into()).await {
            Ok(version) => Ok(Some(version)),
            Err(Error::Store(sessile::Error::Conflict { .. } | sessile::Error::Unknown(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The new home answers for it from now on; `false` when somebody has decided otherwise.
    pub async fn moved(&self, handle: Handle, begun: Version, until: Deadline) -> Result<bool> {
        match self.home.replace_if(&key(handle), begun, entry(handle, b'=', until)).await {
            Ok(_) => Ok(true),
            Err(Error::Store(sessile::Error::Conflict { .. } | sessile::Error::Unknown(_))) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Nobody answers for it any more.
    pub async fn end(&self, handle: Handle, until: Deadline) -> Result<()> {
        self.decide(handle, b'x', until).await
    }

    /// The new home answers for it, if nobody has said anything yet.
    pub async fn claim(&self, handle: Handle) -> Result<bool> {
        match self.enter(handle, b'=', Deadline::NEVER).await {
            Err(Error::Store(sessile::Error::Duplicate)) => Ok(false),
            entered => entered.map(|_| true),
        }
    }

    /// The new home answers for it, whatever the old one has.
    pub async fn own(&self, handle: Handle) -> Result<()> {
        self.decide(handle, b'=', Deadline::NEVER).await
    }

    /// There is nothing to move after all.
    pub async fn take_back(&self, handle: Handle, begun: Version) -> Result<()> {
        // Ended at once, by a write at that version: somebody else's decision stays.
        let nothing = entry(handle, b'>', Deadline::at_ms(0)).shorten();
        match self.home.replace_if(&key(handle), begun, nothing.idle_until(Deadline::at_ms(0))).await {
            Err(Error::Store(sessile::Error::Conflict { .. } | sessile::Error::Unknown(_))) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn mark(&self, subject: SubjectDigest) -> Result<()> {
        self.put_mark(&marked(subject)).await
    }

    pub async fn mark_everybody(&self) -> Result<()> {
        self.put_mark(EVERYBODY).await
    }

    /// Whether a session of this subject that has not moved is over.
    pub async fn is_marked(&self, subject: Option<SubjectDigest>) -> Result<bool> {
        if self.home.get(EVERYBODY).await?.is_some() {
            return Ok(true);
        }
        match subject {
            Some(subject) => Ok(self.home.get(&marked(subject)).await?.is_some()),
            None => Ok(false),
        }
    }

    /// The entries of sessions that are not in the new home by right: to be finished, or to be cleaned up after.
    pub async fn open_ends(&self) -> Result<Vec<(Handle, State)>> {
        let mut open = Vec::new();
        let mut entries = self.home.iter();
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if let Ok((state, Some(handle))) = self.read(entry.data(), entry.version())
                && state != State::Moved
            {
                open.push((handle, state));
            }
        }
        Ok(open)
    }

    /// The move is over, and nobody needs the ledger any more.
    pub async fn burn(&self) -> Result<()> {
        self.home.clear().await.map(drop)
    }

    pub async fn flush(&self) -> Result<()> {
        self.home.flush().await
    }

    pub async fn close(&self) -> Result<()> {
        self.home.close().await
    }

    pub async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        self.home.maintain(budget).await
    }

    async fn decide(&self, handle: Handle, state: u8, until: Deadline) -> Result<()> {
        match self.enter(handle, state, until).await {
            Err(Error::Store(sessile::Error::Duplicate)) => {
                self.home.set(&key(handle), entry(handle, state, until)).await.map(drop)
            }
            entered => entered.map(drop),
        }
    }

    /// Adopted and not created: so no option for new sessions shortens its life.
    async fn enter(&self, handle: Handle, state: u8, until: Deadline) -> Result<Version> {
        self.home.adopt(&self.carried(&key(handle), written(handle, state), until)?).await
    }

    async fn put_mark(&self, id: &[u8]) -> Result<()> {
        match self.home.adopt(&self.carried(id, b"!".to_vec(), Deadline::NEVER)?).await {
            Ok(_) | Err(Error::Store(sessile::Error::Duplicate)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn carried(&self, id: &[u8], data: Vec<u8>, until: Deadline) -> Result<Carried> {
        let (until, handle) = (with_margin(until), self.home.handle_of(id)?);
        let subject = match self.home.capabilities().shared {
            // It evicts nobody, and an entry would not outlive what it keeps of a subject.
            true => None,
            // One of 256, since a home may keep a list of what belongs to a subject.
            false => {
                let first = handle.to_bytes().first().copied().unwrap_or_default();
                Some(self.home.subject_digest(format!("ledger {first:02x}").as_bytes())?)
            }
        };
        Ok(Carried {
            handle,
            data,
            created_ms: 0,
            last_used_ms: 0,
            idle: Duration::MAX,
            deadline: until,
            absolute: until,
            subject,
            id: None,
        })
    }

    /// What an entry says, and of which session; a mark is of none.
    fn read(&self, data: &[u8], version: Version) -> Result<(State, Option<Handle>)> {
        let damaged = || Error::Damaged {
            home: self.home.name().into(),
            what: "an entry of the ledger of moves cannot be read".into(),
        };
        let (&state, handle) = data.split_first().ok_or_else(damaged)?;
        let handle = handle.try_into().ok().map(Handle::from_bytes);
        match state {
            b'>' => Ok((State::Moving(version), handle)),
            b'=' | b'!' => Ok((State::Moved, handle)),
            b'x' => Ok((State::Ended, handle)),
            _ => Err(damaged()),
        }
    }
}

fn with_margin(until: Deadline) -> Deadline {
    if until == Deadline::NEVER { until } else { Deadline::after(until.as_ms(), MARGIN) }
}

fn entry(handle: Handle, state: u8, until: Deadline) -> Write {
    Write::new(written(handle, state)).idle_until(with_margin(until))
}

fn written(handle: Handle, state: u8) -> Vec<u8> {
    let mut data = vec![state];
    data.extend_from_slice(&handle.to_bytes());
    data
}

fn key(handle: Handle) -> Vec<u8> {
    [b"session:".as_slice(), &handle.to_bytes()].concat()
}

fn marked(subject: SubjectDigest) -> Vec<u8> {
    [b"subject:".as_slice(), &subject.to_bytes()].concat()
}
