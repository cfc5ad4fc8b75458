//! The link: one connection that all calls share, and what becomes of a call when it breaks.
//!
//! Owns: connecting, within a time; sending scripts; telling a home that is away from one that says no. Invariants:
//! 1. Every call ends within the timeout, with an answer or an error. After one that did not, the connection is given up: what
//!    it might still bring is nobody's answer.
//! 2. A call whose connection broke is sent once more over a new one. So whatever is sent here may be done twice; scripts that
//!    mind know their writer again, and who asks is told.
//! 3. Nobody waits for a call that is not being polled: such a one has no lock and no turn, and a connection is made by a task of its
//!    own. Else a stream that its reader has put aside would hold up everybody, its reader first.
//! 4. A script that was not answered in time is not done later: it carries until when its caller waits.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use ::redis::sentinel::SentinelClient;
use ::redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use parking_lot::Mutex;

use super::script::Script;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// A way to the server.
pub(super) struct Link {
    line: Arc<Line>,
    clock: Clock,
    pub home: Arc<str>,
    pub timeout: Duration,
}

/// Who is asked for a connection.
pub(super) enum Way {
    /// One server.
    Single(Client),
    /// The server that Sentinels say is the one that takes writes.
    Sentinel(tokio::sync::Mutex<SentinelClient>),
    /// Servers that have the keys among them.
    Cluster(ClusterClient),
}

/// A server that has a part of the keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// The only one.
    Only,
    /// One of several primaries.
    At(String, u16),
}

/// Who has which keys, and as which process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Stretches of slots, from and to, on a Cluster.
    stretches: Vec<(u16, u16, Node)>,
    /// The servers, each with what it has called itself since it was started.
    servers: Vec<(Node, String)>,
}

impl Layout {
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        self.servers.iter().map(|(node, _)| node.clone())
    }
}

/// The connection, and how another is made.
struct Line {
    way: Way,
    held: Mutex<Option<Held>>,
    /// One makes a new one, and the others who need it wait.
    making: tokio::sync::Mutex<()>,
    timeout: Duration,
}

/// A connection, and which it is.
#[derive(Clone)]
struct Held {
    connection: Connection,
    number: u64,
}

#[derive(Clone)]
enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn ask(mut self, command: &Cmd, node: &Node) -> Result<Value, RedisError> {
        match (&mut self, node) {
            (Self::Server(connection), _) => command.query_async(connection).await,
            (Self::Cluster(connection), Node::Only) => command.query_async(connection).await,
            (Self::Cluster(connection), Node::At(host, port)) => {
                let one = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                connection.route_command(command.clone(), RoutingInfo::SingleNode(one)).await?.extract_error()
            }
        }
    }
}

impl Link {
    pub fn new(way: Way, home: Arc<str>, timeout: Duration) -> Self {
        let line = Line { way, held: Mutex::new(None), making: tokio::sync::Mutex::default(), timeout };
        Self { line: Arc::new(line), clock: Clock::default(), home, timeout }
    }

    /// Whether all keys are on one server, so that a script may reach for any of them.
    pub fn is_near(&self) -> bool {
        !matches!(self.line.way, Way::Cluster(_))
    }

    /// Runs a script. Says, too, whether it was sent twice, so that it may have been done before it was answered.
    pub async fn run(&self, script: &Script, keys: &[&str], arguments: &[&[u8]]) -> Result<(Value, bool)> {
        let until = tokio::time::Instant::now() + self.timeout;
        let build = |name: &str, text: &str| {
            let mut command = ::redis::cmd(name);
            command.arg(text).arg(keys.len()).arg(keys).arg(arguments).arg(self.clock.at(until));
            command
        };
        self.within(async {
            let mut twice = false;
            loop {
                let answered = match self.try_twice(&build("EVALSHA", &script.digest), &Node::Only).await {
                    Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                        self.try_twice(&build("EVAL", script.source), &Node::Only).await
                    }
                    answered => answered,
                };
                let (answer, again) = answered?;
                twice |= again;
                match declined_at(&answer) {
                    Some(now_ms) => self.clock.hear(now_ms),
                    None => return Ok((answer, twice)),
                }
            }
        })
        .await
    }

    /// Sends a command.
    pub async fn send(&self, command: &Cmd) -> Result<Value> {
        self.within(self.try_twice(command, &Node::Only)).await.map(|(answer, _)| answer)
    }

    /// Sends a command to one server.
    pub async fn send_to(&self, command: &Cmd, node: &Node) -> Result<Value> {
        self.within(self.try_twice(command, node)).await.map(|(answer, _)| answer)
    }

    /// The servers that have the keys among them.
    pub async fn nodes(&self) -> Result<Vec<Node>> {
        Ok(nodes_of(&self.stretches().await?))
    }

    /// Who has which keys now.
    pub async fn layout(&self) -> Result<Layout> {
        let stretches = self.stretches().await?;
        let mut servers = Vec::new();
        for node in nodes_of(&stretches) {
            let info = self.send_to(::redis::cmd("INFO").arg("server"), &node).await?;
            let info: String = ::redis::from_redis_value(info).unwrap_or_default();
            let name = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
            servers.push((node, name.trim().to_owned()));
        }
        Ok(Layout { stretches, servers })
    }

    async fn stretches(&self) -> Result<Vec<(u16, u16, Node)>> {
        if self.is_near() {
            return Ok(Vec::new());
        }
        let stretches = match self.send(::redis::cmd("CLUSTER").arg("SLOTS")).await? {
            Value::Array(stretches) => stretches.into_iter().map(stretch_of).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let strange = || Error::Damaged {
            home: Arc::clone(&self.home),
            what: "nobody knows who has which keys".into(),
        };
        let mut stretches = stretches.ok_or_else(strange)?;
        stretches.sort();
        Ok(stretches)
    }

    /// The servers were not the same throughout: what was asked of one after the other is no answer.
    pub fn torn(&self) -> Error {
        Error::Unreachable { home: Arc::clone(&self.home), source: Arc::new(Torn) }
    }

    async fn within<T>(&self, asked: impl Future<Output = Result<T, RedisError>>) -> Result<T> {
        match tokio::time::timeout(self.timeout, asked).await {
            // The driver waits as long, and may be the first to say so.
            Ok(Err(error)) if !error.is_timeout() => Err(self.error(&error)),
            Ok(Ok(answer)) => Ok(answer),
            _ => {
                self.give_up(None);
                Err(Error::TimedOut { home: Arc::clone(&self.home), after: self.timeout })
            }
        }
    }

    /// The answer, and whether the command was sent a second time for it.
    async fn try_twice(&self, command: &Cmd, node: &Node) -> Result<(Value, bool), RedisError> {
        let held = self.connection().await?;
        match held.connection.ask(command, node).await {
            Err(error) if is_over(&error) => {
                self.give_up(Some(held.number));
                let answer = self.connection().await?.connection.ask(command, node).await?;
                Ok((answer, true))
            }
            answered => Ok((answered?, false)),
        }
    }

    /// The connection, made if there is none.
    async fn connection(&self) -> Result<Held, RedisError> {
        if let Some(held) = self.line.held.lock().clone() {
            return Ok(held);
        }
        let made = tokio::spawn(Arc::clone(&self.line).make()).await;
        made.unwrap_or_else(|_| Err((ErrorKind::Client, "the runtime is shutting down").into()))
    }

    /// The next call makes a new connection, unless somebody has done so already.
    fn give_up(&self, number: Option<u64>) {
        let mut held = self.line.held.lock();
        if number.is_none_or(|number| held.as_ref().is_some_and(|held| held.number == number)) {
            *held = None;
        }
    }

    /// The connection broke under a call, and its second answer does not tell what became of the first.
    pub fn nobody_knows(&self) -> Error {
        let said = "the connection broke, and whether the write was done before that nobody knows; read the session again";
        Error::Unreachable { home: Arc::clone(&self.home), source: Arc::new(Said(said.to_owned())) }
    }

    /// What a failure is to the caller.
    pub fn error(&self, error: &RedisError) -> Error {
        let home = Arc::clone(&self.home);
        if error.is_timeout() {
            return Error::TimedOut { home, after: self.timeout };
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed | ErrorKind::Extension | ErrorKind::Server(_) => {
                refusal(home, error)
            }
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => {
                Error::Damaged { home, what: "the server's answer makes no sense".into() }
            }
            _ => Error::Unreachable { home, source: Arc::new(Said(error.to_string())) },
        }
    }
}

impl Line {
    /// A new connection, unless somebody was faster.
    async fn make(self: Arc<Self>) -> Result<Held, RedisError> {
        let _turn = self.making.lock().await;
        if let Some(held) = self.held.lock().clone() {
            return Ok(held);
        }
        let connecting = tokio::time::timeout(self.timeout, self.connect()).await;
        let connection = connecting.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        Ok(self.held.lock().insert(Held { connection, number: numbered() }).clone())
    }

    async fn connect(&self) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        Ok(match &self.way {
            Way::Single(client) => {
                Connection::Server(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Way::Sentinel(client) => {
                let mut client = client.lock().await;
                Connection::Server(client.get_async_connection_with_config(&config).await?)
            }
            Way::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }
}

/// What time it was at the server when a script came there too late to be done.
fn declined_at(answer: &Value) -> Option<u64> {
    let Value::Array(parts) = answer else { return None };
    match parts.as_slice() {
        [Value::BulkString(word), Value::BulkString(now_ms)] if **word == *b"late" => {
            std::str::from_utf8(now_ms).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Whether another connection might fare better.
fn is_over(error: &RedisError) -> bool {
    let demoted = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
    demoted || error.is_connection_dropped() || error.is_unrecoverable_error()
}

/// The server's own words, without what it repeats of a command.
fn refusal(home: Arc<str>, error: &RedisError) -> Error {
    let code = error.code().unwrap_or("ERR");
    let detail = error.detail().unwrap_or_default();
    let detail = detail.split(", with args").next().unwrap_or_default();
    if code == "WRONGTYPE" || detail.contains("WRONGTYPE") {
        return Error::Damaged { home, what: "another program keeps something else under our keys".into() };
    }
    Error::Refused { home, said: format!("{code} {detail}").trim_end().into() }
}

/// A stretch of slots with its primary, as it is told: from, to, the primary with host and port, its replicas.
fn stretch_of(told: Value) -> Option<(u16, u16, Node)> {
    let Value::Array(parts) = told else { return None };
    let mut parts = parts.into_iter();
    let from = ::redis::from_redis_value(parts.next()?).ok()?;
    let to = ::redis::from_redis_value(parts.next()?).ok()?;
    let Value::Array(primary) = parts.next()? else { return None };
    let mut primary = primary.into_iter();
    let host = ::redis::from_redis_value(primary.next()?).ok()?;
    Some((from, to, Node::At(host, ::redis::from_redis_value(primary.next()?).ok()?)))
}

/// The servers of these stretches; where there are none, there is one server.
fn nodes_of(stretches: &[(u16, u16, Node)]) -> Vec<Node> {
    let mut nodes: Vec<_> = stretches.iter().map(|(_, _, node)| node.clone()).collect();
    nodes.sort();
    nodes.dedup();
    if nodes.is_empty() { vec![Node::Only] } else { nodes }
}

fn numbered() -> u64 {
    static LAST: Mutex<u64> = Mutex::new(0);
    let mut last = LAST.lock();
    *last += 1;
    *last
}

/// What the driver said, and no more: its own error may hold an address with a password.
#[derive(Debug)]
struct Said(String);

impl std::fmt::Display for Said {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

/// What [`Link::torn`] says.
#[derive(Debug)]
struct Torn;

impl std::fmt::Display for Torn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(
            "a server was started again, or replaced, or keys went from one to another, while sessions were listed; ask again",
        )
    }
}

impl std::error::Error for Torn {}

/// Whether an error is what [`Link::torn`] says.
pub(super) fn is_torn(error: &Error) -> bool {
    matches!(error, Error::Unreachable { source, .. } if source.is::<Torn>())
}
