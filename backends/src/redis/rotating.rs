//! Rotating: a session gets another id.
//!
//! Owns: the one script that does it on one server, and the steps that do it between two. Those are:
//!
//! 1. *prepare*: the session as it will be is written at its new key, marked as pending: nobody sees it.
//! 2. *leave*: at the old key, if nothing has changed there, the session becomes a note that says where it went. This is the
//!    moment: before it the old id works, after it the new one does.
//! 3. *arrive*: the mark at the new key is taken away.
//! 4. *settle*: the note at the old key goes.
//!
//! Whoever dies in between leaves the rest to the next who looks: one who finds a pending session reads at the old key whether it has
//! left, and if so takes the third and fourth step. One who needs the new key for something else first sees to it that the
//! session will not leave (*fence*: its version moves on, and *leave* finds that it has changed). Note and pending session end
//! with the session, so nothing stays behind.
//!
//! While somebody clears, a rotate ends the session: it would carry it from where the walk has not been to where it was already.

use sessile::{Handle, Version, Write};

use super::asked::Arguments;
use super::reply::Reply;
use super::script::{ARRIVE, FENCE, LEAVE, PREPARE, ROTATE, SETTLE};
use super::sessions::{Looks, Needs, Remote, Sure};
use crate::backend::unknown;
use crate::error::Result;

/// What a rotate makes of a session.
pub(super) struct Renewed<'a> {
    pub from: Handle,
    pub to: Handle,
    pub write: Option<&'a Write>,
    /// The new id, where ids are kept.
    pub id: &'a [u8],
}

impl Remote {
    pub async fn rotate(&self, renewed: &Renewed<'_>) -> Result<Version> {
        if !self.link.is_near() {
            return self.rotate_far(renewed).await;
        }
        let (old, new) = (self.keys.session(renewed.from), self.keys.session(renewed.to));
        let arguments = self.arguments(&self.keys.writer()).add(renewed.from.to_string());
        let arguments = arguments.add(renewed.to.to_string()).flag(renewed.write.is_some());
        let data = renewed.write.map(Write::data).unwrap_or_default();
        let reply = self.run(&ROTATE, &[&old, &new], &self.renewed(arguments, renewed, data)?).await?;
        match reply.word() {
            "ok" => reply.version(1),
            "duplicate" => Err(sessile::Error::Duplicate.into()),
            "unknown" => Err(unknown()),
            _ => Err(reply.strange()),
        }
    }

    /// What the write says, or one that says nothing.
    fn renewed(&self, arguments: Arguments, renewed: &Renewed<'_>, data: &[u8]) -> Result<Arguments> {
        let nothing = Write::default();
        let write = renewed.write.unwrap_or(&nothing);
        Ok(arguments.deadlines(write).subject(write, &self.keys)?.add(data).add(renewed.id))
    }

    async fn rotate_far(&self, renewed: &Renewed<'_>) -> Result<Version> {
        let mut looks = Looks::new();
        loop {
            let Some(before) = self.read(renewed.from).await? else { return Err(unknown()) };
            if renewed.from == renewed.to {
                return Err(sessile::Error::Duplicate.into());
            }
            let number = self.keys.writer();
            let (version, until_ms) = self.prepare(renewed, &before, &number).await?;
            // Looked at after the new session is there: so whoever begins to clear later meets it.
            if self.is_clearing().await? {
                self.arrive(renewed.to, &number, false).await?;
                self.destroy(renewed.from).await?;
                return Err(unknown());
            }
            let arguments = self.arguments("").add(renewed.from.to_string()).add(number.as_str());
            let to = until_ms.map_or_else(String::new, |_| renewed.to.to_string());
            let arguments = arguments.add(to).add(before.bytes(1)).add(before.bytes(5));
            let arguments = arguments.add(before.bytes(7)).add(before.bytes(8)).number(until_ms.unwrap_or(0));
            let left = self.run(&LEAVE, &[&self.keys.session(renewed.from)], &arguments).await?;
            self.arrive(renewed.to, &number, left.word() == "ok").await?;
            if left.word() == "ok" {
                self.settle(renewed.from, &number).await?;
                self.detach(before.text(7)?, renewed.from).await;
                return Ok(version);
            }
            looks.again(&self.link)?;
        }
    }

    /// The first step. Says the version, and the deadline unless that has passed: then there is nothing to arrive.
    async fn prepare(
        &self,
        renewed: &Renewed<'_>,
        before: &Reply,
        number: &str,
    ) -> Result<(Version, Option<u64>)> {
        let key = self.keys.session(renewed.to);
        let data = renewed.write.map_or(before.bytes(9), Write::data);
        let (mut sure, mut looks) = (Sure::default(), Looks::new());
        loop {
            let arguments = self.arguments(number).add(renewed.to.to_string()).add(number);
            let arguments = arguments.add(renewed.from.to_string());
            // Version, beginning, idle lifetime, deadline, absolute deadline, subject, its generation.
            let facts = [1, 2, 4, 5, 6, 7, 8];
            let arguments =
                facts.into_iter().fold(arguments, |arguments, at| arguments.add(before.bytes(at)));
            let arguments = self.renewed(arguments, renewed, data)?.add(sure.ready.as_str());
            let arguments = arguments.add(sure.ready_generation.as_str()).number(sure.held_ms);
            let reply = self.run(&PREPARE, &[&key], &arguments).await?;
            match reply.word() {
                "ok" => return Ok((reply.version(1)?, Some(reply.number(2)?))),
                "over" => return Ok((reply.version(1)?, None)),
                "ask" => {
                    let made = self.make_sure((renewed.from, renewed.to), &reply).await?;
                    sure = made.ok_or_else(unknown)?;
                }
                "there" => {
                    let (subject, generation) = (reply.text(1)?, reply.text(2)?);
                    if subject.is_empty() || self.check(renewed.to, subject, generation).await? {
                        return Err(sessile::Error::Duplicate.into());
                    }
                }
                "pending" | "rotated" => drop(self.resolve(renewed.to, &reply, Needs::Room).await?),
                _ => return Err(reply.strange()),
            }
            looks.again(&self.link)?;
        }
    }

    /// What becomes of a rotate that somebody finds on its way, at `handle`. Whether it is worth looking there again.
    pub async fn resolve(&self, handle: Handle, found: &Reply, needs: Needs) -> Result<bool> {
        let (number, other) = (found.text(1)?, found.text(2)?);
        let other: Handle = other.parse()?;
        if found.word() == "rotated" {
            self.arrive(other, number, true).await?;
            self.settle(handle, number).await?;
            return Ok(true);
        }
        let old = self.keys.session(other);
        let arguments = self.arguments("").add(number).flag(needs == Needs::Room);
        let has_left = self.run(&FENCE, &[&old], &arguments).await?.word() == "left";
        if has_left {
            self.arrive(handle, number, true).await?;
            self.settle(other, number).await?;
            return Ok(true);
        }
        if needs == Needs::Room {
            self.arrive(handle, number, false).await?;
            return Ok(true);
        }
        // Either it has not left; or it had left, arrived and settled before the old key was asked.
        let mut command = ::redis::cmd("HGET");
        command.arg(self.keys.session(handle)).arg("q");
        let still = matches!(self.link.send(&command).await?, ::redis::Value::BulkString(it) if it == number.as_bytes());
        Ok(!still)
    }

    /// Whether somebody ends all sessions.
    async fn is_clearing(&self) -> Result<bool> {
        let found = self.link.send(::redis::cmd("EXISTS").arg(self.keys.clearing())).await?;
        Ok(found != ::redis::Value::Int(0))
    }

    async fn arrive(&self, to: Handle, number: &str, arrives: bool) -> Result<()> {
        let arguments = self.arguments("").add(number).flag(arrives);
        self.run(&ARRIVE, &[&self.keys.session(to)], &arguments).await.map(drop)
    }

    async fn settle(&self, from: Handle, number: &str) -> Result<()> {
        let arguments = self.arguments("").add(number);
        self.run(&SETTLE, &[&self.keys.session(from)], &arguments).await.map(drop)
    }
}
