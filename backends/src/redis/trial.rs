//! A trial on a Redis server: whether the prefix is free, what the servers have in use, and the end of all keys.
//!
//! Owns: the list of the forms that keys have. Nothing else that begins with the prefix is removed.

use std::sync::Arc;

use ::redis::{Cmd, Value, cmd, from_redis_value};

use super::Redis;
use super::keys::Keys;
use super::link::Node;
use super::reply::Reply;
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::trial::Footprint;

/// How many keys the server looks at for a page.
const PAGE: u32 = 1000;

impl Redis {
    /// Connects, if there are no sessions with the prefix yet.
    pub(crate) async fn begin(address: &str, settings: Settings) -> Result<Self> {
        let link = Self::link(address, &settings)?;
        let prefix = settings.namespace.clone().unwrap_or_default();
        let there = link.send(cmd("EXISTS").arg(Keys::secret_of(&prefix))).await?;
        if there != Value::Int(0) {
            let what = format!("a set of sessions with the prefix {prefix}").into();
            return Err(Error::Occupied { home: Arc::clone(&link.home), what });
        }
        Self::over(link, &prefix, settings).await
    }

    /// What all servers together have in use, and have logged.
    pub(crate) async fn footprint(&self) -> Result<Footprint> {
        let link = &self.remote.link;
        let (mut memory, mut logged) = (0, 0);
        for node in link.nodes().await? {
            let said = self.ask::<String>(&cmd("INFO"), &node).await?;
            let figure = |name: &str| {
                let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.and_then(|figure| figure.trim().parse::<u64>().ok()).unwrap_or_default()
            };
            memory += figure("used_memory");
            logged += figure("aof_current_size");
        }
        let logged = Some(logged).filter(|logged| *logged > 0);
        Ok(Footprint { memory: Some(memory), logged, ..Footprint::default() })
    }

    /// Closes. Removes the keys of the sessions, then those of their subjects, then the secret, so that what is left by a failure is known
    /// to be a set of sessions.
    pub(crate) async fn remove(&self) -> Result<()> {
        self.open.close();
        let prefix = &self.remote.keys.prefix;
        for pattern in [self.remote.keys.pattern(), format!("{prefix}:g:{{*"), format!("{prefix}:s:{{*")] {
            for node in self.remote.link.nodes().await? {
                self.remove_from(&node, &pattern).await?;
            }
        }
        self.remote.link.send(cmd("DEL").arg(self.remote.keys.clearing())).await?;
        self.remote.link.send(cmd("DEL").arg(Keys::secret_of(prefix))).await.map(drop)
    }

    async fn remove_from(&self, node: &Node, pattern: &str) -> Result<()> {
        let mut cursor = "0".to_owned();
        loop {
            let mut page = cmd("SCAN");
            page.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE);
            let (next, keys) = self.ask::<(String, Vec<String>)>(&page, node).await?;
            // One at a time on a Cluster: its servers take no command for keys in several slots.
            let at_a_time = if self.remote.link.is_near() { keys.len().max(1) } else { 1 };
            for keys in keys.chunks(at_a_time) {
                self.remote.link.send(cmd("UNLINK").arg(keys)).await?;
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn ask<T: ::redis::FromRedisValue>(&self, command: &Cmd, node: &Node) -> Result<T> {
        let link = &self.remote.link;
        from_redis_value(link.send_to(command, node).await?).map_err(|_| Reply::unreadable(&link.home))
    }
}
