//! The contract: what every home of sessions does, and means by it.
//!
//! Owns: [`Backend`], and the two values that come with it. Invariants of every implementation:
//! 1. An id that has ended is free; nothing but a `create` or a `set` makes it live again.
//! 2. A session is dead when its deadline is at or before now, by the home's own clock, in milliseconds.
//! 3. Versions of a session grow.
//! 4. Each call waits for a bounded time, and says so when that was not enough. What was not answered may have been done.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::Stream;
use sessile::{Carried, Handle, Secret, Session, SubjectDigest, Touched, Unknown, Version, Write};

use crate::capabilities::Capabilities;
use crate::error::{Error, Result};

/// A stream of live sessions, each as it is when the stream comes to it; fetched a page at a time where the home is far away.
///
/// One that is created or ended meanwhile may or may not be in it. What ends it early is an error, its last item.
pub type Sessions = Pin<Box<dyn Stream<Item = Result<Session>> + Send>>;

/// What [`Backend::maintain`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maintained {
    /// How many sessions were removed that had run out.
    pub expired: u64,
    /// Whether there is more to do.
    pub more: bool,
}

/// A home of sessions. Each call means what that of [`sessile::Store`] with the same name means.
///
/// ```
/// use sessile::Write;
/// use sessile_backends::{Backend, Error, Memory, Settings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> sessile_backends::Result<()> {
/// # let home = Memory::new(Settings::new())?;
/// async fn log_in(home: &dyn Backend, old: &[u8], new: &[u8]) -> Result<(), Error> {
///     home.rotate(old, new, Some(Write::new("user: alice").subject("alice"))).await?;
///     Ok(())
/// }
///
/// home.create(b"before", Write::new("cart: 3 apples")).await?;
/// log_in(&home, b"before", b"after").await?;
/// assert!(home.get(b"before").await?.is_none());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Whatever the contract has a word for is [`Error::Store`], in every home. The rest says what became of the way there:
/// [`Error::Unreachable`], [`Error::TimedOut`], [`Error::Refused`], [`Error::Damaged`].
#[async_trait]
#[expect(clippy::len_without_is_empty, reason = "a home that is empty now says little about the next moment")]
pub trait Backend: Debug + Send + Sync + 'static {
    /// Creates a session. The id must not belong to a live one.
    async fn create(&self, id: &[u8], write: Write) -> Result<Version>;

    /// Writes a live session anew. One that has ended stays ended.
    async fn update(&self, id: &[u8], write: Write) -> Result<Version>;

    /// Creates a session or writes it anew, whichever it takes.
    async fn set(&self, id: &[u8], write: Write) -> Result<Version>;

    /// Reads a live session.
    async fn get(&self, id: &[u8]) -> Result<Option<Session>>;

    /// A live session was used: moves its deadline to `idle` from now, never closer, never beyond the absolute one.
    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched>;

    /// Writes a live session anew if it is still at `version`.
    async fn replace_if(&self, id: &[u8], version: Version, write: Write) -> Result<Version>;

    /// Reads a live session, asks `f` what to make of it, and writes that if nobody was faster; asks again if somebody was.
    /// `f` is called outside all locks and transactions, and may decline.
    async fn update_with(
        &self,
        id: &[u8],
        f: &mut (dyn for<'a> FnMut(&'a Session) -> Option<Write> + Send),
    ) -> Result<Option<Version>> {
        loop {
            let Some(session) = self.get(id).await? else { return Err(unknown()) };
            let Some(write) = f(&session) else { return Ok(None) };
            match self.replace_if(id, session.version(), write).await {
                // Whoever was faster has got on: so somebody always does.
                Err(Error::Store(sessile::Error::Conflict { .. })) => {}
                written => return written.map(Some),
            }
        }
    }

    /// Ends a session; `false` when there was none.
    async fn destroy(&self, id: &[u8]) -> Result<bool>;

    /// Gives a live session a new id. When it began and its absolute deadline stay; afterwards exactly one of the two works,
    /// whatever fails on the way.
    async fn rotate(&self, old: &[u8], new: &[u8], write: Option<Write>) -> Result<Version>;

    /// The live sessions of a subject.
    fn sessions_of(&self, subject: &[u8]) -> Sessions;

    /// Reads a live session by its handle.
    async fn get_handle(&self, handle: Handle) -> Result<Option<Session>>;

    /// Ends a session by its handle. Whether the caller may is for you to check.
    async fn destroy_handle(&self, handle: Handle) -> Result<bool>;

    /// Ends all sessions of a subject but that of the id `keep`; says how many.
    async fn destroy_subject(&self, subject: &[u8], keep: Option<&[u8]>) -> Result<u64>;

    /// How many sessions there are. [`Capabilities::counting`] says how exactly, and what it costs.
    async fn len(&self) -> Result<u64>;

    /// All live sessions.
    fn iter(&self) -> Sessions;

    /// Ends all sessions that there are when it is called; says how many.
    async fn clear(&self) -> Result<u64>;

    /// Waits until everything that was written before is as durable as the home makes it.
    async fn flush(&self) -> Result<()>;

    /// Lets go of the home; afterwards every call on it says `Closed`. Calling it again does nothing.
    async fn close(&self) -> Result<()>;

    /// Removes what has run out, where the home does not do that by itself; works for about `budget`.
    async fn maintain(&self, budget: Duration) -> Result<Maintained>;

    /// Creates a session as it was in another home with the same secret: see [`sessile::Store::adopt`].
    async fn adopt(&self, carried: &Carried) -> Result<Version>;

    /// Another, separate set of sessions in the same home, with the same secret; made where there is none. Its name has 1 to 32
    /// of the characters `a` to `z`, `0` to `9` and `_`. In a directory its writes wait for the disk, whatever those of this one do.
    async fn beside(&self, name: &str) -> Result<Arc<dyn Backend>>;

    /// What turns ids and subjects into digests here. Homes that share it know a session by the same handle.
    fn secret(&self) -> Secret;

    /// What the home promises, and what not.
    fn capabilities(&self) -> Capabilities;

    /// The home as a message may name it: never with a password.
    fn name(&self) -> &str;

    /// The handle of the session with this id, whether it lives or not.
    fn handle_of(&self, id: &[u8]) -> Result<Handle> {
        Ok(self.secret().handle_of(id)?)
    }

    /// What [`Session::subject`] is for the sessions of this subject.
    fn subject_digest(&self, subject: &[u8]) -> Result<SubjectDigest> {
        Ok(self.secret().subject_digest(subject)?)
    }
}

/// There is no such session, and nobody knows why.
pub(crate) fn unknown() -> Error {
    Error::Store(sessile::Error::Unknown(Unknown::Never))
}

/// What was carried here is not from a home with this one's secret.
pub(crate) fn foreign_handle() -> Error {
    Error::invalid(
        "the session's handle is not that of its id here; open the new home with the secret of the old one",
    )
}

/// Refuses a name that some home could not take.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=32).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::invalid("the name of a set of sessions has 1 to 32 of the characters a to z, 0 to 9 and _"))
}
