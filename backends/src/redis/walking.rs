//! Walking: all sessions, a page of keys at a time.
//!
//! Owns: the cursor. The server promises that whoever is there throughout is met at least once; when its table shrinks meanwhile,
//! some twice. It promises that of a cursor of its own: where it was started again meanwhile, or another has its place, the walk ends with an
//! error, and `clear` walks again. On a Cluster one primary is walked after another. A page is read to its end before its first session is shown: nothing is on its
//! way while whoever reads the stream does something else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Value;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use sessile::{Handle, Session};

use super::link::{Layout, Node, is_torn};
use super::reply::Reply;
use super::script::{CLEARED, CLEARING as CLEARING_SIGN};
use super::sessions::{Needs, Remote};
use crate::error::{Error, Result};

/// How many keys the server looks at for a page.
const PAGE: u32 = 500;
/// How many calls are on their way at a time.
pub(super) const AT_A_TIME: usize = 64;
/// How long it is believed that somebody clears who has not said so again.
const CLEARING: Duration = Duration::from_secs(60);

/// Where a walk is.
struct Walk {
    remote: Arc<Remote>,
    layout: Layout,
    nodes: VecDeque<Node>,
    cursor: String,
}

impl Remote {
    /// The handles of all sessions, a page at a time.
    pub fn pages(self: &Arc<Self>) -> impl Stream<Item = Result<Vec<Handle>>> + Send + use<> {
        let remote = Arc::clone(self);
        let begun = stream::once(async move {
            let layout = remote.link.layout().await?;
            let nodes = layout.nodes().collect();
            Ok::<_, Error>(Walk { remote, layout, nodes, cursor: "0".to_owned() })
        });
        begun.map_ok(|walk| stream::try_unfold(walk, Walk::step)).try_flatten()
    }

    /// All live sessions.
    pub fn walk(self: &Arc<Self>) -> impl Stream<Item = Result<Session>> + Send + use<> {
        let remote = Arc::clone(self);
        let read = move |page: Vec<Handle>| {
            let remote = Arc::clone(&remote);
            async move {
                let all = stream::iter(page).map(|handle| remote.get(handle)).buffer_unordered(AT_A_TIME);
                all.try_filter_map(|found| async move { Ok(found) }).try_collect::<Vec<_>>().await
            }
        };
        self.pages().and_then(read).map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten()
    }

    /// How many keys of sessions there are.
    pub async fn count(self: &Arc<Self>) -> Result<u64> {
        self.pages().try_fold(0, |sum, page| async move { Ok(sum + page.len() as u64) }).await
    }

    /// Ends all sessions that it meets; says how many. While it walks, a session that would be given another id, perhaps behind its
    /// back, ends instead: so by the end it has met everybody.
    pub async fn clear(self: &Arc<Self>) -> Result<u64> {
        let name = self.keys.writer();
        let mut ended = 0;
        self.clearing(&name, true).await?;
        while !self.end_all(&name, &mut ended).await? {}
        self.run(&CLEARED, &[&self.keys.clearing()], &self.arguments(&name)).await?;
        Ok(ended)
    }

    /// One walk; `false` if the sign that somebody clears was gone meanwhile, or a server was another one, so that somebody may have
    /// got past.
    async fn end_all(self: &Arc<Self>, name: &str, ended: &mut u64) -> Result<bool> {
        let mut pages = std::pin::pin!(self.pages());
        while let Some(page) = pages.next().await {
            let page = match page {
                Err(error) if is_torn(&error) => return Ok(false),
                page => page?,
            };
            let mut destroyed =
                stream::iter(page).map(|handle| self.end(handle, Needs::Room)).buffer_unordered(AT_A_TIME);
            while let Some(lived) = destroyed.next().await {
                *ended += u64::from(lived?);
            }
            if !self.clearing(name, false).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says that somebody clears, from now on or still; whether it has been said since he began.
    async fn clearing(&self, name: &str, begins: bool) -> Result<bool> {
        let lasts = u64::try_from(CLEARING.as_millis()).unwrap_or(u64::MAX);
        let arguments = self.arguments(name).flag(begins).number(lasts);
        Ok(self.run(&CLEARING_SIGN, &[&self.keys.clearing()], &arguments).await?.word() == "ok")
    }
}

impl Walk {
    async fn step(mut self) -> Result<Option<(Vec<Handle>, Self)>> {
        let Some(node) = self.nodes.front() else {
            let is_whole = self.remote.link.layout().await? == self.layout;
            return if is_whole { Ok(None) } else { Err(self.remote.link.torn()) };
        };
        let mut command = ::redis::cmd("SCAN");
        command.arg(&self.cursor).arg("MATCH").arg(self.remote.keys.pattern()).arg("COUNT").arg(PAGE);
        let strange = || Reply::unreadable(&self.remote.link.home);
        let Value::Array(answer) = self.remote.link.send_to(&command, node).await? else {
            return Err(strange());
        };
        let [cursor, keys] = <[Value; 2]>::try_from(answer).map_err(|_| strange())?;
        let cursor: String = ::redis::from_redis_value(cursor).map_err(|_| strange())?;
        let keys: Vec<String> = ::redis::from_redis_value(keys).map_err(|_| strange())?;
        let page = keys.iter().filter_map(|key| self.remote.keys.handle_in(key)).collect();
        if cursor == "0" {
            self.nodes.pop_front();
        }
        self.cursor = cursor;
        Ok(Some((page, self)))
    }
}
