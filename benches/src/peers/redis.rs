//! Redis over a Unix socket, when `redis-server` is on the machine. The server shares the cores with its clients.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Client, Connection, Pipeline, Value};

use super::keeps::{Change, Keeps, What};
use crate::meter;
use crate::peer::Wait;

/// A million sessions are read from the log in a few seconds, ten million in half a minute.
const START_MAX: Duration = Duration::from_secs(120);

/// A server of our own.
pub struct Redis {
    server: Mutex<Child>,
    client: Client,
    version: String,
}

impl Redis {
    /// Whether there is a server on the machine.
    #[must_use]
    pub fn is_here() -> bool {
        version().is_some()
    }

    /// Starts a server that keeps its files in `directory`; `None` when there is none on the machine.
    pub fn start(directory: &Path) -> Option<Self> {
        let version = version()?;
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
        while !answers(&client) {
            assert!(began.elapsed() < START_MAX, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(Self { server: Mutex::new(server), client, version })
    }
}

fn version() -> Option<String> {
    let version = Command::new("redis-server").arg("--version").output().ok()?;
    let version = String::from_utf8_lossy(&version.stdout);
    version.split_whitespace().find_map(|word| word.strip_prefix("v=")).map(str::to_owned)
}

/// While it still reads its log it takes connections and refuses commands.
fn answers(client: &Client) -> bool {
    client.get_connection().is_ok_and(|mut connection| redis::cmd("PING").exec(&mut connection).is_ok())
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It answers by hanging up.
        let stopped = self.client.get_connection().map(|mut connection| {
            let _ = redis::cmd("SHUTDOWN").exec(&mut connection);
        });
        let server = self.server.get_mut();
        if stopped.is_err() {
            let _ = server.kill();
        }
        let _ = server.wait();
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

    fn server_bytes(&self) -> Option<u64> {
        Some(meter::anonymous_bytes_of(&self.server.lock().id().to_string()))
    }

    fn kill(&self) {
        let mut server = self.server.lock();
        server.kill().expect("the server can be killed");
        server.wait().expect("the server ends");
    }

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
