//! tower-sessions-redis-store over a Unix socket, when `redis-server` is on the machine. The server shares the cores with
//! everybody else.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fred::prelude::{ClientLike, Config, Pool, ServerConfig};
use tower_sessions_redis_store::RedisStore;

use super::Opened;
use crate::{Failure, pages};

/// The longest that a server may take to begin.
const START_MAX: Duration = Duration::from_secs(10);

/// A Redis of our own.
pub struct Server(Child);

impl Server {
    /// Processor time that its threads have used so far, in nanoseconds.
    #[must_use]
    pub fn processor_ns(&self) -> u64 {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.0.id())) else { return 0 };
        let used = threads.flatten().filter_map(|thread| {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        used.sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it keeps is thrown away.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The version of the server on the machine, if there is one.
#[must_use]
pub fn version() -> Option<String> {
    let version = Command::new("redis-server").arg("--version").output().ok()?;
    let version = String::from_utf8_lossy(&version.stdout);
    version.split_whitespace().find_map(|word| word.strip_prefix("v=")).map(str::to_owned)
}

pub async fn open(directory: &Path, appendfsync: &str, connections: usize) -> Result<Opened, Failure> {
    let version = version().ok_or("there is no redis-server on this machine")?;
    // A socket's path must be short.
    let socket = std::env::temp_dir().join(format!("sessile-bench-http-{}.sock", std::process::id()));
    let child = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", appendfsync])
        .arg("--unixsocket")
        .arg(&socket)
        .arg("--dir")
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let server = Server(child);
    let clients = tokio::time::timeout(START_MAX, connect(&socket, connections)).await??;
    Ok(Opened {
        pages: pages::with_0_14::router(RedisStore::new(clients)),
        settings: format!(
            "tower-sessions-redis-store 0.16, tower-sessions 0.14, a pool of {connections} over a Unix socket, \
             redis-server {version}, appendonly yes, appendfsync {appendfsync}, save \"\""
        ),
        server: Some(server),
    })
}

async fn connect(socket: &PathBuf, connections: usize) -> Result<Pool, Failure> {
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let config = Config { server: ServerConfig::Unix { path: socket.clone() }, ..Config::default() };
    let clients = Pool::new(config, None, None, None, connections)?;
    clients.init().await?;
    // Whoever is connected needs the name no longer, and nothing is left behind.
    std::fs::remove_file(socket)?;
    Ok(clients)
}
