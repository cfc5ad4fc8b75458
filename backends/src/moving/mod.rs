//! Moving: from one home to another while the server runs, with nobody logged out.
//!
//! Owns: [`Moving`], a home that is two, and when a session goes from one to the other: at its first use. What it says is the new
//! home's word; the old one is only read, and told of endings afterwards. The [`ledger`](Ledger) decides. Of a session it says
//! nothing, `Moving`, `Moved` or `Ended`, and this is how one is brought:
//!
//! 1. An entry: the new home answers alone, or nobody does. No entry, and the new home has it: it began there, since that was empty
//!    when the move began.
//! 2. Otherwise the old home is asked. What lives there is entered as `Moving`, copied, judged by the marks, and entered as `Moved`,
//!    each durable before the next.
//! 3. A crash leaves it `Moving`, with a copy or without: whoever asks next goes on from there.
//!
//! Only one copies a session at a time: in this process by taking [turns](Turns), between servers by a lease.
//!
//! What has ended stays ended. A session that has moved ends in the new home, whose entry then keeps the old one from being asked, and so
//! it does when the session runs out there. One that has not is entered as `Ended` before anything else, whether the old home
//! can be reached or not, and whoever was copying it meanwhile finds that entry in the place of his own, and ends the copy. "Log out
//! everywhere" and "clear" leave marks first: whoever copies looks at them after the copy is there, and those who leave them end what is
//! there afterwards, so one of the two sees the other.

mod calls;
mod ledger;
mod left;
mod progress;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use sessile::{Carried, Deadline, Handle, Unknown, Version, Write};
use tokio::time::{Instant, timeout};

use crate::backend::Backend;
use crate::error::{Error, Result};
use ledger::{Ledger, State};
use left::Ours;
use turns::{Turn, Turns};

pub use left::{Left, Wanted};
pub use progress::Progress;

/// Two homes as one: sessions are read from the old one and live in the new one from their first use on.
///
/// Put it where the old home was, on all servers. Where several servers share the new home, they share the ledger too. When
/// [`move_rest`](Self::move_rest) has brought the last one, put the new home in its place.
///
/// ```
/// use sessile::Write;
/// use sessile_backends::{Backend, Memory, Moving, Settings};
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// let old: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new())?);
/// old.create(b"an id", Write::new("cart: 3 apples")).await?;
///
/// let new: Arc<dyn Backend> = Arc::new(Memory::new(Settings::new().secret(old.secret()))?);
/// let sessions = Moving::between(old, new.clone()).await?;
/// assert!(sessions.get(b"an id").await?.is_some()); // nobody was logged out
/// assert!(new.get(b"an id").await?.is_some()); // and here it is now
///
/// let done = sessions.move_rest().await?;
/// assert_eq!((done.left, done.refused), (0, 0)); // the old home can be switched off
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Moving {
    old: Arc<dyn Left>,
    new: Arc<dyn Backend>,
    ledger: Ledger,
    turns: Arc<Turns>,
    lease: Duration,
    name: Arc<str>,
}

/// Who answers for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// The new home, if it has it.
    New,
    /// Nobody: it is over.
    Nobody,
}

/// How often this call looks again at a session that another is moving, and how long it waits in between.
const TURNS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);
/// How long whoever moves a session is believed to be at it.
const LEASE: Duration = Duration::from_secs(30);

impl Moving {
    /// Leaves one of our homes for another, which must have been made with the secret of the old one.
    ///
    /// # Errors
    /// `Invalid` when the secrets differ, when the new home has sessions already that no such move has brought, or when the move is
    /// over; else what the new home says to a second set of sessions beside its own.
    pub async fn between(old: Arc<dyn Backend>, new: Arc<dyn Backend>) -> Result<Self> {
        if old.secret() != new.secret() {
            return Err(Error::invalid(format!(
                "{} has another secret than {}, so it would know no session by its id; make the new home with the old one's \
                 secret (Settings::secret, Options::secret)",
                new.name(),
                old.name()
            )));
        }
        let name = format!("{}, moving to {}", old.name(), new.name()).into();
        Ok(Self { name, ..Self::from_foreign(Arc::new(Ours(old)), new).await? })
    }

    /// Leaves a store of somebody else's.
    ///
    /// # Errors
    /// `Invalid` when the new home has sessions already that no such move has brought, or when the move is over; else what the new
    /// home says to a second set of sessions beside its own.
    pub async fn from_foreign(old: Arc<dyn Left>, new: Arc<dyn Backend>) -> Result<Self> {
        let ledger = Ledger::beside(new.as_ref()).await?;
        let name = format!("another store, moving to {}", new.name()).into();
        Ok(Self { old, new, ledger, turns: Arc::default(), lease: LEASE, name })
    }

    /// How long the others wait, in a home that several servers share, for a server that died while it was moving a session; that
    /// session answers with an error meanwhile. Default 30 s. It must be more than three times as long as the new home's calls may
    /// take.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    fn wanted<'a>(&self, id: &'a [u8]) -> Result<Wanted<'a>> {
        Ok(Wanted { handle: self.new.handle_of(id)?, id: Some(id) })
    }

    /// Brings a session here if it lives in the old home, and says who answers for it.
    async fn bring(&self, wanted: Wanted<'_>) -> Result<Answers> {
        self.try_bring(wanted).await?.ok_or_else(|| self.busy())
    }

    /// Others are at a session for so long that this call gives up.
    fn busy(&self) -> Error {
        Error::TimedOut { home: Arc::clone(&self.name), after: PAUSE * TURNS }
    }

    /// The same; `None` when others are at it for too long.
    async fn try_bring(&self, wanted: Wanted<'_>) -> Result<Option<Answers>> {
        let handle = wanted.handle;
        // Who is settled does not wait for those who wait for the old home.
        match self.ledger.state(handle).await? {
            Some(State::Moved) => return Ok(Some(Answers::New)),
            None if self.began_here(handle).await? => return Ok(Some(Answers::New)),
            _ => {}
        }
        let Ok(mut turn) = timeout(PAUSE * TURNS, self.turns.of(handle)).await else { return Ok(None) };
        for _ in 0..TURNS {
            let begun = match self.ledger.state(handle).await? {
                Some(State::Moved) => {
                    turn.forget(handle);
                    return Ok(Some(Answers::New));
                }
                Some(State::Ended) => {
                    turn.forget(handle);
                    self.end_copy(wanted).await?;
                    return Ok(Some(Answers::Nobody));
                }
                Some(State::Moving(begun)) => {
                    // The others give him a lease from his new entry on, so his own time begins before that.
                    let since = Instant::now();
                    match self.take_over(&mut turn, handle, begun).await? {
                        Some(begun) => Some((begun, since)),
                        None => continue,
                    }
                }
                None if self.new.get_handle(handle).await?.is_some() => {
                    if self.ledger.state(handle).await?.is_none() {
                        return Ok(Some(Answers::New));
                    }
                    continue;
                }
                None => None,
            };
            let Some(carried) = self.old.load(wanted).await? else {
                let Some((begun, _)) = begun else { return Ok(Some(Answers::New)) };
                self.without_original(handle, begun).await?;
                continue;
            };
            if let Some(answers) = self.copy(&carried, begun).await? {
                return Ok(Some(answers));
            }
        }
        Ok(None)
    }

    /// Whether the new home has a session that nobody has moved. That there is no entry is looked at when it has been found there:
    /// another server may have begun to move it, and made the copy.
    async fn began_here(&self, handle: Handle) -> Result<bool> {
        Ok(self.new.get_handle(handle).await?.is_some() && self.ledger.state(handle).await?.is_none())
    }

    /// Ends the copy of what has ended: who was making it may have died before he could.
    async fn end_copy(&self, wanted: Wanted<'_>) -> Result<()> {
        let Some(copy) = self.new.get_handle(wanted.handle).await? else { return Ok(()) };
        // Or a new session has been given that id, of which the ledger knew before it began.
        if self.ledger.state(wanted.handle).await? != Some(State::Ended) {
            return Ok(());
        }
        let Some(id) = wanted.id else { return self.new.destroy_handle(wanted.handle).await.map(drop) };
        let over = Write::new("").shorten().idle_until(Deadline::at_ms(0));
        match self.new.replace_if(id, copy.version(), over).await {
            Err(Error::Store(sessile::Error::Conflict { .. } | sessile::Error::Unknown(_))) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Goes on with what somebody began who has died; `None` when he has not, as far as one can know, after a pause.
    ///
    /// In a home that one process has to itself, whoever has the turn knows that nobody else is at it. In one that several share,
    /// the other may be at work on another machine. He copies only while less than a third of the lease has passed, and is given
    /// all of it: so there are never two who copy, of whom the second would bring back what has ended since the first.
    async fn take_over(
        &self,
        turn: &mut Turn<'_>,
        handle: Handle,
        begun: Version,
    ) -> Result<Option<Version>> {
        if !self.new.capabilities().shared {
            return Ok(Some(begun));
        }
        if turn.has_seen(handle, begun) < self.lease {
            tokio::time::sleep(PAUSE.min(self.lease)).await;
            return Ok(None);
        }
        turn.forget(handle);
        self.ledger.take_over(handle, begun).await
    }

    /// Copies what lives in the old home; `None` when somebody else has decided meanwhile.
    async fn copy(&self, carried: &Carried, begun: Option<(Version, Instant)>) -> Result<Option<Answers>> {
        let (handle, until) = (carried.handle, carried.deadline.min(carried.absolute));
        if begun.is_none() && self.ledger.is_marked(carried.subject).await? {
            return Ok(Some(Answers::Nobody));
        }
        let (begun, since) = match begun {
            Some(begun) => begun,
            None => {
                let since = Instant::now();
                match self.ledger.begin(handle, until).await? {
                    Some(begun) => (begun, since),
                    None => return Ok(None),
                }
            }
        };
        if since.elapsed() > self.lease / 3 {
            return Ok(None);
        }
        match self.new.adopt(carried).await {
            // By somebody who died before he could say so, or by another server right now.
            Ok(_) | Err(Error::Store(sessile::Error::Duplicate)) => {}
            Err(Error::Store(sessile::Error::Unknown(Unknown::Expired))) => {
                self.ledger.take_back(handle, begun).await?;
                return Ok(Some(Answers::New));
            }
            Err(error) => return Err(error),
        }
        if self.ledger.is_marked(carried.subject).await? {
            self.ledger.end(handle, until).await?;
            self.new.destroy_handle(handle).await?;
            return Ok(Some(Answers::Nobody));
        }
        Ok(self.ledger.moved(handle, begun, until).await?.then_some(Answers::New))
    }

    /// Somebody began to move a session that the old home does not have any more: the copy, if there is one, is all there is.
    async fn without_original(&self, handle: Handle, begun: Version) -> Result<()> {
        let Some(copy) = self.new.get_handle(handle).await? else {
            return self.ledger.take_back(handle, begun).await;
        };
        let until = copy.deadline().min(copy.absolute_deadline());
        if self.ledger.is_marked(copy.subject()).await? {
            self.ledger.end(handle, until).await?;
            return self.new.destroy_handle(handle).await.map(drop);
        }
        self.ledger.moved(handle, begun, until).await.map(drop)
    }

    /// Ends a session wherever it is; says whether it lived. It waits for nobody who moves it.
    async fn end(&self, wanted: Wanted<'_>) -> Result<bool> {
        let handle = wanted.handle;
        let (mut state, mut was_here) = (self.ledger.state(handle).await?, false);
        if matches!(state, None | Some(State::Moved)) {
            was_here = self.new.destroy_handle(handle).await?;
            if state == Some(State::Moved) {
                return Ok(was_here);
            }
            // It began here, and the old home has never had it; or another server has just copied it.
            state = self.ledger.state(handle).await?;
            if was_here && state.is_none() {
                return Ok(true);
            }
        }
        let there = match self.old.load(wanted).await {
            Ok(there) => there.map(|there| there.deadline.min(there.absolute)),
            // Who cannot reach the old home logs out all the same; until when it would have lived nobody knows.
            Err(_) => Some(Deadline::NEVER),
        };
        let is_over = state == Some(State::Ended);
        if let Some(until) = there.or_else(|| state.map(|_| Deadline::NEVER)) {
            self.ledger.end(handle, until).await?;
        }
        let was_copied = self.new.destroy_handle(handle).await?;
        if there.is_some() {
            // The logout holds without it.
            let _ = self.old.forget(wanted).await;
        }
        Ok(!is_over && (was_here || was_copied || there.is_some()))
    }
}
