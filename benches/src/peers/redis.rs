//! Redis over a Unix socket, when `redis-server` is on the machine. The server shares the cores with its clients.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Client, Connection, Pipeline, Value};

use super::keeps::{Change, Keeps, What};
use crate::peer::Wait;

const START_MAX: Duration = Duration::from_secs(10);

/// A server of our own.
pub struct Redis {
    server: Child,
    client: Client,
    version: String,
}

impl Redis {
    /// Starts a server that keeps its files in `directory`; `None` when there is none on the machine.
    pub fn start(directory: &Path) -> Option<Self> {
        let version = Command::new("redis-server").arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&version.stdout);
        let version = version.split_whitespace().find_map(|word| word.strip_prefix("v="))?.to_owned();
        // A socket's path must be short.
        let socket: PathBuf = std::env::temp_dir().join(format!("sessile-bench-{}.sock", std::process::id()));
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        let client = Client::open(format!("unix://{}", socket.display())).expect("a path is an address");
        let began = Instant::now();
        while client.get_connection().is_err() {
            assert!(began.elapsed() < START_MAX, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { server, client, version })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn add(pipeline: &mut Pipeline, Change { id, what }: &Change<'_>) {
    match what {
        What::Set { data, expires_ms } => {
            pipeline.cmd("SET").arg(id.as_ref()).arg(data.as_ref()).arg("PXAT").arg(*expires_ms);
        }
        What::Touch { expires_ms, .. } => {
            pipeline.cmd("PEXPIREAT").arg(id.as_ref()).arg(*expires_ms);
        }
        What::Destroy => {
            pipeline.cmd("DEL").arg(id.as_ref());
        }
    }
}

fn was_there(answer: &Value) -> bool {
    !matches!(answer, Value::Int(0))
}

impl Keeps for Redis {
    type Access<'a> = Connection;

    fn settings(&self) -> String {
        format!(
            "redis-server {} on a Unix socket, appendonly yes, appendfsync everysec (Written) or always (Synced), save \"\"; \
             one blocking connection a thread; SET .. PXAT, GET, PEXPIREAT, DEL as connect-redis",
            self.version
        )
    }

    fn wait_for(&self, wait: Wait) {
        let when = if wait == Wait::Synced { "always" } else { "everysec" };
        let mut connection = self.access();
        let set = redis::cmd("CONFIG").arg(&["SET", "appendfsync", when]).exec(&mut connection);
        set.expect("Redis takes a setting");
    }

    fn settle(&self) {}

    fn access(&self) -> Connection {
        self.client.get_connection().expect("Redis takes a connection")
    }

    fn read(&self, access: &mut Connection, id: &str, _now_ms: u64, copy: &mut Vec<u8>) -> bool {
        let found: Option<Vec<u8>> = redis::cmd("GET").arg(id).query(access).expect("Redis gets");
        found.is_some_and(|found| {
            copy.extend_from_slice(&found);
            true
        })
    }

    fn make(&self, access: &mut Connection, change: &Change<'_>) -> bool {
        self.commit(access, std::slice::from_ref(change)) == [true]
    }

    fn commit(&self, access: &mut Connection, changes: &[Change<'_>]) -> Vec<bool> {
        let mut pipeline = redis::pipe();
        changes.iter().for_each(|change| add(&mut pipeline, change));
        let answers: Vec<Value> = pipeline.query(access).expect("Redis answers");
        answers.iter().map(was_there).collect()
    }
}
