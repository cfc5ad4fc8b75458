//! A private redis-server.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use sessile_backends::{Redis, Settings};
use tempfile::TempDir;

use super::{Running, free_port, until};

/// One server with an append-only file, so that it comes back with what it had.
pub struct RedisServer {
    dir: TempDir,
    program: String,
    more: Vec<String>,
    pub port: u16,
    running: Running,
    pub password: &'static str,
}

impl RedisServer {
    pub async fn start() -> Self {
        Self::start_of("redis-server", Vec::new()).await
    }

    /// One of another make, or with more settings.
    pub async fn start_of(program: &str, more: Vec<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, password) = (free_port(), "hunter2");
        let running = Self::spawn(program, &more, &dir, port, password);
        let server = Self { dir, program: program.to_owned(), more, port, running, password };
        server.until_it_answers().await;
        server
    }

    fn spawn(program: &str, more: &[String], dir: &TempDir, port: u16, password: &str) -> Running {
        let mut command = Command::new(program);
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--dir",
            dir.path().to_str().unwrap(),
        ]);
        command.args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--save",
            "",
            "--requirepass",
            password,
        ]);
        command.args(["--unixsocket", dir.path().join("socket").to_str().unwrap()]).args(more);
        Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    async fn until_it_answers(&self) {
        until("redis-server answers", async || {
            Redis::connect(&self.address(), Settings::new()).await.is_ok()
        })
        .await;
    }

    pub fn address(&self) -> String {
        self.address_at(self.port)
    }

    /// By another port, which leads there.
    pub fn address_at(&self, port: u16) -> String {
        format!("redis://:{}@127.0.0.1:{port}/0", self.password)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// SIGKILL; and nobody listens any more.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    pub async fn start_again(&mut self) {
        self.running = Self::spawn(&self.program, &self.more, &self.dir, self.port, self.password);
        self.until_it_answers().await;
    }

    pub fn stop(&self) {
        self.running.signal("STOP");
    }

    pub fn go_on(&self) {
        self.running.signal("CONT");
    }

    /// All keys that there are.
    pub async fn keys(&self) -> Vec<String> {
        self.ask(&["KEYS", "*"]).await
    }

    /// What the server answers.
    pub async fn ask<T: ::redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = ::redis::Client::open(self.address()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        ::redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
    }
}

/// A server, its replica, and three Sentinels that watch them.
pub struct Sentinels {
    _dirs: Vec<TempDir>,
    servers: Vec<Running>,
    _sentinels: Vec<Running>,
    ports: Vec<u16>,
}

impl Sentinels {
    pub async fn start() -> Self {
        let (primary, replica) = (free_port(), free_port());
        let (mut dirs, mut servers, mut sentinels, mut ports) = (vec![], vec![], vec![], vec![]);
        let mut start = |configuration: String, mode: &[&str]| {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("redis.conf");
            let common = format!("bind 127.0.0.1\ndir {}\n", dir.path().display());
            std::fs::write(&file, common + &configuration).unwrap();
            let mut command = Command::new("redis-server");
            command.arg(file).args(mode).stdout(Stdio::null()).stderr(Stdio::null());
            dirs.push(dir);
            Running::start(&mut command)
        };
        let both = "save \"\"\nrequirepass hunter2\nmasterauth hunter2\nrepl-diskless-sync-delay 0\n";
        servers.push(start(format!("port {primary}\n{both}"), &[]));
        servers.push(start(format!("port {replica}\n{both}replicaof 127.0.0.1 {primary}\n"), &[]));
        for _ in 0..3 {
            let port = free_port();
            let watch = format!(
                "port {port}\nsentinel monitor main 127.0.0.1 {primary} 2\nsentinel auth-pass main hunter2\n\
                 sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
            );
            sentinels.push(start(watch, &["--sentinel"]));
            ports.push(port);
        }
        let started = Self { _dirs: dirs, servers, _sentinels: sentinels, ports };
        until("all Sentinels know all", async || {
            started.ports.iter().all(|port| {
                let mut ask = Command::new("redis-cli");
                ask.args(["-p", &port.to_string(), "SENTINEL", "master", "main"]);
                let said =
                    ask.output().map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap();
                said.contains("num-slaves\n1\n") && said.contains("num-other-sentinels\n2\n")
            })
        })
        .await;
        started
    }

    pub fn address(&self) -> String {
        let hosts: Vec<_> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://:hunter2@{}/main", hosts.join(","))
    }

    pub fn kill_the_primary(&mut self) {
        self.servers[0].kill();
    }
}
