//! Subjects: a user's sessions, listed and ended together.
//!
//! Owns: the revocation. Its one step is at the subject: the generation changes, and with that every session of an older one is
//! dead, wherever it is. That they are then removed one by one is done before the call returns, for those who are writing one.

use futures_util::StreamExt;
use futures_util::stream;
use sessile::{Handle, Session};

use super::reply::Reply;
use super::script::{FORGET, REVOKE};
use super::sessions::Remote;
use super::walking::AT_A_TIME;
use crate::error::Result;

impl Remote {
    /// The live sessions of a subject.
    pub async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>> {
        let mut command = ::redis::cmd("ZRANGE");
        command.arg(self.keys.index(subject)).arg(0).arg(-1);
        let listed = self.link.send(&command).await?;
        let listed: Vec<String> =
            ::redis::from_redis_value(listed).map_err(|_| Reply::unreadable(&self.link.home))?;
        let handles: Vec<Handle> = listed.iter().filter_map(|one| one.parse().ok()).collect();
        let mut found = stream::iter(handles).map(|handle| self.get(handle)).buffer_unordered(AT_A_TIME);
        let mut sessions = Vec::new();
        while let Some(session) = found.next().await {
            sessions.extend(session?.filter(|session| Self::digits(session) == subject));
        }
        Ok(sessions)
    }

    /// Ends all sessions of a subject but one.
    pub async fn revoke(&self, subject: &str, keep: Option<Handle>) -> Result<u64> {
        let mut keep_generation = String::new();
        if let (Some(keep), false) = (keep, self.link.is_near())
            && let Some(kept) = self.read(keep).await?
            && kept.text(7)? == subject
        {
            keep_generation = kept.text(8)?.to_owned();
        }
        let keep = keep.map(|keep| keep.to_string()).unwrap_or_default();
        let arguments = self.arguments(&self.keys.writer()).add(subject).add(keep).add(keep_generation);
        let keys = [self.keys.generation(subject), self.keys.index(subject)];
        let reply = self.run(&REVOKE, &[&keys[0], &keys[1]], &arguments).await?;
        if self.link.is_near() || reply.nested.is_empty() {
            return reply.number(1);
        }
        let handles =
            reply.nested.chunks(2).filter_map(|pair| std::str::from_utf8(pair.first()?).ok()?.parse().ok());
        let handles: Vec<Handle> = handles.collect();
        let mut removed = stream::iter(handles)
            .map(|handle| self.forget(handle, subject, &reply))
            .buffer_unordered(AT_A_TIME);
        let mut ended = 0;
        while let Some(lived) = removed.next().await {
            ended += lived?;
        }
        drop(removed);
        self.tidy(subject, &reply.nested).await;
        Ok(ended)
    }

    async fn forget(&self, handle: Handle, subject: &str, revoked: &Reply) -> Result<u64> {
        let arguments = self.arguments("").add(handle.to_string()).add(subject);
        let arguments = arguments.add(revoked.bytes(2)).add(revoked.bytes(3)).add(revoked.bytes(4));
        self.run(&FORGET, &[&self.keys.session(handle)], &arguments).await?.number(1)
    }
}
