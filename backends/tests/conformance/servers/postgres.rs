//! A private PostgreSQL, as a user that may run one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sessile_backends::{Postgres, Settings};
use tempfile::TempDir;

use super::certificates::Certificate;
use super::{Running, free_port, not_checked, until};

/// One server that is its own cluster of databases.
pub struct PostgresServer {
    programs: PathBuf,
    dir: TempDir,
    more: Vec<String>,
    pub port: u16,
    running: Running,
    pub password: &'static str,
}

/// Where the programs are, on this machine; says so loudly where they are not.
pub fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").exists())
        .collect();
    found.sort();
    if found.is_empty() {
        not_checked("there is no PostgreSQL server, so the home that needs it was not held to the contract");
    }
    found.pop()
}

/// A program as a user that is not root: PostgreSQL refuses to run as that.
fn as_nobody(program: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout == b"0\n");
    let mut command = Command::new(if is_root { Path::new("setpriv") } else { program });
    if is_root {
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).current_dir("/");
    command
}

impl PostgresServer {
    /// Nothing where there is no PostgreSQL.
    pub async fn start() -> Option<Self> {
        Self::start_with(None).await
    }

    /// With TLS, by a certificate and a key.
    pub async fn start_with(certificate: Option<&Certificate>) -> Option<Self> {
        let programs = programs()?;
        let (dir, port, password) = (tempfile::tempdir().unwrap(), free_port(), "hunter2");
        std::fs::write(dir.path().join("password"), password).unwrap();
        let mut more = Vec::new();
        if let Some(certificate) = certificate {
            for (file, setting) in
                [(&certificate.certificate, "ssl_cert_file"), (&certificate.key, "ssl_key_file")]
            {
                let copy = dir.path().join(setting);
                std::fs::copy(file, &copy).unwrap();
                std::fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
                more.extend(["-c".to_owned(), format!("{setting}={}", copy.display())]);
            }
            more.extend(["-c", "ssl=on"].map(str::to_owned));
        }
        let _ = Command::new("chown")
            .args(["-R", "nobody:nogroup"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        let mut make = as_nobody(&programs.join("initdb"));
        make.args([
            "--no-sync",
            "--auth=scram-sha-256",
            "--username=sessile",
            "--encoding=UTF8",
            "--locale=C",
            "-D",
        ]);
        make.arg(dir.path().join("data")).arg("--pwfile").arg(dir.path().join("password"));
        assert!(make.status().unwrap().success(), "initdb");
        let running = Self::spawn(&programs, &more, &dir, port);
        let server = Self { programs, dir, more, port, running, password };
        server.until_it_answers().await;
        Some(server)
    }

    fn spawn(programs: &Path, more: &[String], dir: &TempDir, port: u16) -> Running {
        let mut command = as_nobody(&programs.join("postgres"));
        command
            .arg("-D")
            .arg(dir.path().join("data"))
            .arg("-k")
            .arg(dir.path())
            .args(["-p", &port.to_string()]);
        command
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"])
            .args(more);
        Running::start(&mut command)
    }

    async fn until_it_answers(&self) {
        // Whoever has a certificate to show has to be believed by it.
        let plainly = format!("{}?sslmode=disable", self.address());
        until("postgres answers", async || Postgres::connect(&plainly, Settings::new()).await.is_ok()).await;
    }

    pub fn address(&self) -> String {
        self.address_at(self.port)
    }

    /// By another port, which leads there.
    pub fn address_at(&self, port: u16) -> String {
        format!("postgres://sessile:{}@127.0.0.1:{port}/postgres", self.password)
    }

    /// From now on it takes no writes, as a standby.
    pub async fn take_no_writes(&self) {
        self.run("ALTER SYSTEM SET default_transaction_read_only = on").await;
        self.run("SELECT pg_reload_conf()").await;
    }

    /// From now on it takes nobody who does not speak TLS.
    pub async fn take_tls_only(&self) {
        let rules = "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(self.dir.path().join("data/pg_hba.conf"), rules).unwrap();
        self.run("SELECT pg_reload_conf()").await;
    }

    /// By its socket.
    pub fn address_of_socket(&self) -> String {
        let directory = self.dir.path().display().to_string().replace('/', "%2F");
        format!("postgres://sessile:{}@{directory}:{}/postgres", self.password, self.port)
    }

    /// SIGKILL, for the server and all that serve somebody: the power of its machine is gone.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.running.kill();
    }

    pub async fn start_again(&mut self) {
        self.running = Self::spawn(&self.programs, &self.more, &self.dir, self.port);
        self.until_it_answers().await;
    }

    /// A signal, for the server and all that serve somebody.
    pub fn signal(&self, name: &str) {
        let of = self.running.id();
        let children = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap();
        let kill =
            |process: &str| Command::new("kill").args([&format!("-{name}"), process]).status().unwrap();
        assert!(kill(&of.to_string()).success());
        // One of them may have gone by itself meanwhile.
        for child in children.split_whitespace() {
            kill(child);
        }
    }

    /// One number from the database.
    pub async fn number(&self, statement: &str) -> i64 {
        let (client, connection) =
            tokio_postgres::connect(&self.address(), tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let number = client.query_one(statement, &[]).await.unwrap().get(0);
        drop(client);
        connection.await.unwrap().unwrap();
        number
    }

    pub async fn run(&self, statements: &str) {
        let (client, connection) =
            tokio_postgres::connect(&self.address(), tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }
}
