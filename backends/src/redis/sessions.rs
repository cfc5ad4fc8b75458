//! Sessions: one at a time, written, used, read and ended.
//!
//! Owns: what is asked of a script, and what becomes of its answer. Where all keys are on one server each call is one script. On a
//! Cluster a script reaches one key, and a call is a conversation: a script that needs to know something from elsewhere
//! *asks*, the caller makes sure of it there, and the script looks again whether its own key is still as it was when it asked.
//! So what counts is always one script on one key. Invariant: who finds a session that was revoked removes it before saying so;
//! whoever was about to write it then finds it gone.

use std::sync::Arc;
use std::time::Duration;

use ::redis::Value;
use sessile::{Handle, Session, Touched, Unknown, Version};

use super::asked::{Arguments, Expect};
use super::keys::Keys;
use super::link::Link;
use super::reply::{Reply, hex};
use super::script::{ADMIT, DESTROY, DROP, GET, PUT, Script, TIDY, TOUCH};
use crate::backend::unknown;
use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::settings::Settings;
use crate::terms::{NEVER_MS, lifetime_ms};

/// How often a call looks again because others were faster.
const LOOKS_MAX: u32 = 100;
/// A place on a subject's list is held for longer than asked for, so that it is enough a moment later.
const MARGIN_MS: u64 = 60_000;

/// One set of sessions on a server.
pub(super) struct Remote {
    pub link: Arc<Link>,
    pub keys: Keys,
    pub settings: Settings,
    pub guard: Guard,
}

/// What a caller has made sure of at the subjects.
#[derive(Default)]
pub(super) struct Sure {
    pub seen: String,
    pub seen_generation: String,
    pub ready: String,
    pub ready_generation: String,
    pub held_ms: u64,
}

/// Whoever looks at a key where a rotate is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// To know whether the session is there.
    Sight,
    /// The key for something else.
    Room,
}

/// Counts how often a call has looked again.
pub(super) struct Looks(u32);

impl Looks {
    pub fn new() -> Self {
        Self(0)
    }

    pub fn again(&mut self, link: &Link) -> Result<()> {
        self.0 += 1;
        if self.0 > LOOKS_MAX {
            return Err(Error::TimedOut { home: Arc::clone(&link.home), after: link.timeout });
        }
        Ok(())
    }
}

impl Remote {
    /// The secret is the one that this process goes by; looked at again if it was not for a while.
    pub async fn confirm(&self) -> Result<()> {
        if self.guard.is_due() { self.look().await } else { Ok(()) }
    }

    /// Looks whether the secret on the server is still ours. Where there is none, ours goes back before anybody makes another.
    pub async fn look(&self) -> Result<()> {
        let (since, key, own) =
            (tokio::time::Instant::now(), Keys::secret_of(&self.keys.prefix), self.keys.secret.to_bytes());
        let read = ::redis::cmd("GET").arg(&key).to_owned();
        let mut there = self.link.send(&read).await?;
        if there == Value::Nil {
            self.link.send(::redis::cmd("SET").arg(&key).arg(own.as_slice()).arg("NX")).await?;
            there = self.link.send(&read).await?;
        }
        if !matches!(&there, Value::BulkString(there) if **there == own) {
            return Err(Error::Replaced { home: Arc::clone(&self.link.home) });
        }
        self.guard.saw(since);
        Ok(())
    }

    /// What every script is told first.
    pub fn arguments(&self, writer: &str) -> Arguments {
        Arguments::default().flag(self.link.is_near()).add(self.keys.prefix.as_str()).add(writer)
    }

    pub async fn run(&self, script: &Script, keys: &[&str], arguments: &Arguments) -> Result<Reply> {
        Reply::new(self.link.run(script, keys, &arguments.as_slices()).await?, &self.link.home)
    }

    /// Writes a session. `ask` adds what the write says, from its deadlines to the times of one from elsewhere.
    pub async fn put(
        &self,
        handle: Handle,
        expect: Expect,
        ask: impl Fn(Arguments) -> Result<Arguments> + Sync,
    ) -> Result<Version> {
        let (key, writer, (word, version)) = (self.keys.session(handle), self.keys.writer(), expect.words());
        let needs = match expect {
            Expect::Present | Expect::At(_) => Needs::Sight,
            _ => Needs::Room,
        };
        let (mut sure, mut looks) = (Sure::default(), Looks::new());
        loop {
            let arguments = self.arguments(&writer).add(handle.to_string()).add(word).number(version);
            let arguments = ask(arguments)?.sure(&sure).add(sure.ready.as_str());
            let arguments = arguments.add(sure.ready_generation.as_str()).number(sure.held_ms);
            let reply = self.run(&PUT, &[&key], &arguments).await?;
            match reply.word() {
                "ok" => {
                    self.detach(reply.text(2)?, handle).await;
                    return reply.version(1);
                }
                "ask" => sure = self.make_sure((handle, handle), &reply).await?.unwrap_or_default(),
                "pending" | "rotated" if self.resolve(handle, &reply, needs).await? => {}
                "pending" | "rotated" => return Err(unknown()),
                "duplicate" => return Err(sessile::Error::Duplicate.into()),
                // It may be this very write that somebody else has got past since.
                "conflict" if reply.twice => return Err(self.link.nobody_knows()),
                "conflict" => return Err(sessile::Error::Conflict { current: reply.version(1)? }.into()),
                _ => return Err(refused(&reply)),
            }
            looks.again(&self.link)?;
        }
    }

    pub async fn touch(&self, handle: Handle, idle: Duration) -> Result<Touched> {
        let (key, writer) = (self.keys.session(handle), self.keys.writer());
        let (mut sure, mut looks) = (Sure::default(), Looks::new());
        loop {
            let arguments = self.arguments(&writer).add(handle.to_string()).number(lifetime_ms(idle));
            let reply = self.run(&TOUCH, &[&key], &arguments.sure(&sure).number(sure.held_ms)).await?;
            match reply.word() {
                "ok" => return Ok(Touched::Logged),
                "ask" => sure = self.make_sure((handle, handle), &reply).await?.unwrap_or_default(),
                "pending" if self.resolve(handle, &reply, Needs::Sight).await? => {}
                "pending" => return Err(unknown()),
                _ => return Err(refused(&reply)),
            }
            looks.again(&self.link)?;
        }
    }

    /// What the script `get` says of a live session.
    pub async fn read(&self, handle: Handle) -> Result<Option<Reply>> {
        let (key, arguments) = (self.keys.session(handle), self.arguments("").add(handle.to_string()));
        let mut looks = Looks::new();
        loop {
            let reply = self.run(&GET, &[&key], &arguments).await?;
            match reply.word() {
                "ok" => {
                    let (subject, generation) = (reply.text(7)?, reply.text(8)?);
                    let lives = self.link.is_near() || subject.is_empty();
                    let lives = lives || self.check(handle, subject, generation).await?;
                    return Ok(Some(reply).filter(|_| lives));
                }
                "pending" if self.resolve(handle, &reply, Needs::Sight).await? => looks.again(&self.link)?,
                "pending" | "unknown" => return Ok(None),
                _ => return Err(reply.strange()),
            }
        }
    }

    pub async fn get(&self, handle: Handle) -> Result<Option<Session>> {
        self.read(handle).await?.map(|reply| reply.session(handle)).transpose()
    }

    pub async fn destroy(&self, handle: Handle) -> Result<bool> {
        self.end(handle, Needs::Sight).await
    }

    /// Ends a session. With `Needs::Room`, so does one that is on its way to this handle: it will not come.
    pub async fn end(&self, handle: Handle, needs: Needs) -> Result<bool> {
        let (key, writer) = (self.keys.session(handle), self.keys.writer());
        let mut looks = Looks::new();
        loop {
            let reply = self.run(&DESTROY, &[&key], &self.arguments(&writer).add(handle.to_string())).await?;
            match reply.word() {
                "ok" => {
                    let (subject, generation) = (reply.text(1)?, reply.text(2)?);
                    if self.link.is_near() || subject.is_empty() {
                        return Ok(true);
                    }
                    // It is gone; whether it lived until now its subject knows.
                    let lived = self.admit(subject, (handle, handle), generation, 0).await?.is_some();
                    self.detach(subject, handle).await;
                    return Ok(lived);
                }
                "pending" if self.resolve(handle, &reply, needs).await? => looks.again(&self.link)?,
                "pending" | "unknown" => return Ok(false),
                _ => return Err(reply.strange()),
            }
        }
    }

    /// Does what a script asks for: whose the session is, whether that still holds, and whose list it needs a place on, under
    /// the second handle. `None` when it was revoked; then it has been removed.
    pub async fn make_sure(&self, (handle, listed): (Handle, Handle), asked: &Reply) -> Result<Option<Sure>> {
        let (seen, generation, wanted) = (asked.text(1)?, asked.text(2)?, asked.text(3)?);
        let held_ms = (asked.number(4)? + MARGIN_MS).min(NEVER_MS);
        let mut sure = Sure { seen: seen.into(), seen_generation: generation.into(), ..Sure::default() };
        if !seen.is_empty() && seen != wanted && !self.check(handle, seen, generation).await? {
            return Ok(None);
        }
        if !wanted.is_empty() {
            let own = if seen == wanted { generation } else { "" };
            let Some(current) = self.admit(wanted, (handle, listed), own, held_ms).await? else {
                self.drop_revoked(handle, seen, generation).await?;
                return Ok(None);
            };
            sure = Sure { ready: wanted.into(), ready_generation: current, held_ms, ..sure };
        }
        Ok(Some(sure))
    }

    /// Whether a session is still its subject's. One that is not is removed, so that nobody finds it alive later.
    pub async fn check(&self, handle: Handle, subject: &str, generation: &str) -> Result<bool> {
        let belongs = self.admit(subject, (handle, handle), generation, 0).await?.is_some();
        if !belongs {
            self.drop_revoked(handle, subject, generation).await?;
        }
        Ok(belongs)
    }

    async fn drop_revoked(&self, handle: Handle, subject: &str, generation: &str) -> Result<()> {
        let arguments = self.arguments("").add(subject).add(generation);
        self.run(&DROP, &[&self.keys.session(handle)], &arguments).await.map(drop)
    }

    /// The subject's generation, if a session of `generation` (or any, if that is empty) is the subject's; with a deadline, a
    /// place on the list until then, under the second handle.
    pub async fn admit(
        &self,
        subject: &str,
        (handle, listed): (Handle, Handle),
        generation: &str,
        held_ms: u64,
    ) -> Result<Option<String>> {
        let (generations, index) = (self.keys.generation(subject), self.keys.index(subject));
        let arguments = self.arguments("").add(handle.to_string()).add(generation).number(held_ms);
        let arguments = arguments.add(listed.to_string());
        let reply = self.run(&ADMIT, &[&generations, &index], &arguments).await?;
        (reply.word() == "ok").then(|| reply.text(1).map(str::to_owned)).transpose()
    }

    /// Takes a session off the list of a subject that it was attached to. Only tidiness: who is on the list and not the subject's
    /// is passed over, and whoever lives and is not on it comes back with its next use.
    pub async fn detach(&self, subject: &str, handle: Handle) {
        if subject.is_empty() || self.link.is_near() {
            return;
        }
        let mut command = ::redis::cmd("ZREM");
        command.arg(self.keys.index(subject)).arg(handle.to_string());
        let _: Result<Value> = self.link.send(&command).await;
    }

    /// Takes those off a subject's list that are still there as they were seen.
    pub async fn tidy(&self, subject: &str, listed: &[Vec<u8>]) {
        let arguments =
            listed.iter().fold(self.arguments(""), |arguments, one| arguments.add(one.as_slice()));
        let _ = self.run(&TIDY, &[&self.keys.index(subject)], &arguments).await;
    }

    /// The digits of a subject.
    pub fn digits(session: &Session) -> String {
        session.subject().map(|subject| hex(subject.to_bytes())).unwrap_or_default()
    }
}

impl Arguments {
    fn sure(self, sure: &Sure) -> Self {
        self.add(sure.seen.as_str()).add(sure.seen_generation.as_str())
    }
}

/// What the contract calls it that a script has declined.
fn refused(reply: &Reply) -> Error {
    match reply.word() {
        "unknown" => unknown(),
        "ended" => sessile::Error::Unknown(Unknown::Ended).into(),
        "expired" => sessile::Error::Unknown(Unknown::Expired).into(),
        _ => reply.strange(),
    }
}
