//! A private Redis Cluster: three primaries, three replicas.

use std::process::{Command, Stdio};

use sessile_backends::{Redis, Settings};
use tempfile::TempDir;

use super::{Running, free_port, until};

/// Six servers on loopback.
pub struct Cluster {
    _dirs: Vec<TempDir>,
    nodes: Vec<(u16, Running)>,
}

/// A port whose neighbour, ten thousand above, is free for the servers' own talk.
fn port_of_a_node() -> u16 {
    loop {
        let port = free_port() % 20_000 + 20_000;
        let free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

impl Cluster {
    pub async fn start() -> Self {
        Self::start_of("redis-server", 15_000).await
    }

    /// Six that miss one of them within a second, also if the machine is only busy.
    pub async fn start_hasty() -> Self {
        Self::start_of("redis-server", 1000).await
    }

    /// Six of some make, which miss one of them after so long.
    pub async fn start_of(program: &str, patience_ms: u32) -> Self {
        let mut dirs = Vec::new();
        let mut nodes: Vec<(u16, Running)> = Vec::new();
        while nodes.len() < 6 {
            let (dir, port) = (tempfile::tempdir().unwrap(), port_of_a_node());
            if nodes.iter().any(|(other, _)| *other == port) {
                continue;
            }
            let mut command = Command::new(program);
            command.args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--appendonly",
                "no",
            ]);
            command
                .args([
                    "--cluster-enabled",
                    "yes",
                    "--cluster-node-timeout",
                    &patience_ms.to_string(),
                    "--dir",
                ])
                .arg(dir.path());
            command.args(["--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"]);
            nodes.push((port, Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()))));
            dirs.push(dir);
        }
        let cluster = Self { _dirs: dirs, nodes };
        for (port, _) in &cluster.nodes {
            until("a node answers", async || cli(*port, &["PING"]).contains("PONG")).await;
        }
        let mut make = Command::new("redis-cli");
        make.args(["--cluster", "create"])
            .args(cluster.nodes.iter().map(|(port, _)| format!("127.0.0.1:{port}")));
        make.args(["--cluster-replicas", "1", "--cluster-yes"]).stdin(Stdio::null());
        let made = make.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        cluster.until_whole(6).await;
        cluster
    }

    /// Waits until so many nodes agree that the Cluster is whole, and each replica has caught up.
    async fn until_whole(&self, nodes: usize) {
        until("the cluster is whole", async || {
            let fine = |port: &u16| {
                let slots = cli(*port, &["CLUSTER", "INFO"]).contains("cluster_state:ok");
                let replication = cli(*port, &["INFO", "replication"]);
                slots
                    && (replication.contains("role:master") || replication.contains("master_link_status:up"))
            };
            self.nodes.iter().filter(|(port, _)| fine(port)).count() >= nodes
        })
        .await;
    }

    /// Some of its nodes.
    pub fn address(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    pub async fn connect(&self, settings: Settings) -> Redis {
        Redis::connect(&self.address(), settings).await.unwrap()
    }

    /// SIGKILL for a primary; says its port.
    pub fn kill_a_primary(&mut self) -> u16 {
        let is_primary = |port: u16| cli(port, &["ROLE"]).starts_with("master");
        let (port, node) = self.nodes.iter_mut().find(|(port, _)| is_primary(*port)).expect("a primary");
        node.kill();
        *port
    }

    /// Waits until another node has taken over.
    pub async fn until_taken_over(&self) {
        self.until_whole(5).await;
    }

    /// All keys that match, of all primaries.
    pub fn keys(&self, pattern: &str) -> Vec<String> {
        let primaries = self.nodes.iter().filter(|(port, _)| cli(*port, &["ROLE"]).starts_with("master"));
        primaries
            .flat_map(|(port, _)| {
                cli(*port, &["KEYS", pattern]).lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .filter(|key| !key.is_empty())
            .collect()
    }

    /// What one server answers.
    pub fn ask(&self, command: &[&str]) -> String {
        let mut arguments = vec!["-c"];
        arguments.extend(command);
        cli(self.nodes[0].0, &arguments)
    }
}

fn cli(port: u16, command: &[&str]) -> String {
    let said = Command::new("redis-cli").args(["-p", &port.to_string()]).args(command).output().unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned()
}
