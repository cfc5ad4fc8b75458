//! Real servers, private to a test: each in a directory of its own, ended with the test.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn silent(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Loudly, and in the file that `SESSILE_TEST_NOTES` names: what was not shown on this machine.
fn not_checked(what: &str) {
    eprintln!("NOT CHECKED HERE: {what}");
    if let Some(path) = std::env::var_os("SESSILE_TEST_NOTES") {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "not checked here: {what}"));
    }
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// What a program answers, once it does; a server may take a while to start on a busy machine.
fn answer(mut ask: impl FnMut() -> Command) -> String {
    let begun = Instant::now();
    loop {
        let output = ask().stdin(Stdio::null()).output().unwrap();
        if output.status.success() {
            return String::from_utf8(output.stdout).unwrap().trim().to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for a minute: {output:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A redis-server with an append-only file and a password.
pub struct Redis {
    port: String,
    _running: Running,
    _dir: TempDir,
}

impl Redis {
    pub fn start() -> Option<Self> {
        if silent(Command::new("redis-server").arg("--version")).status().is_err() {
            not_checked("there is no redis-server, so the bench of it was not tried");
            return None;
        }
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--requirepass", "hunter2", "--save", ""]);
        command.args(["--appendonly", "yes", "--dir"]).arg(dir.path());
        let redis = Self { port, _running: Running(silent(&mut command).spawn().unwrap()), _dir: dir };
        redis.ask(&["PING"]);
        Some(redis)
    }

    pub fn address(&self) -> String {
        format!("redis://:hunter2@127.0.0.1:{}", self.port)
    }

    pub fn ask(&self, command: &[&str]) -> String {
        answer(|| {
            let mut ask = Command::new("redis-cli");
            ask.env("REDISCLI_AUTH", "hunter2").args(["-e", "-p", &self.port]).args(command);
            ask
        })
    }
}

/// A PostgreSQL.
pub struct Database {
    programs: PathBuf,
    port: String,
    _running: Running,
    _dir: TempDir,
}

impl Database {
    pub fn start() -> Option<Self> {
        let programs = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let programs = programs.map(|entry| entry.unwrap().path().join("bin"));
        let Some(programs) = programs.filter(|bin| bin.join("initdb").exists()).max() else {
            not_checked("there is no PostgreSQL server, so the bench of it was not tried");
            return None;
        };
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let (data, password) = (dir.path().join("data"), dir.path().join("password"));
        fs::write(&password, "hunter2").unwrap();
        let _ = silent(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(dir.path())).status();
        let mut make = as_nobody(&programs.join("initdb"));
        make.args(["--no-sync", "--auth=scram-sha-256", "--username=sessile", "--locale=C", "-D"]);
        assert!(make.arg(&data).arg("--pwfile").arg(password).status().unwrap().success(), "initdb");
        let mut command = as_nobody(&programs.join("postgres"));
        command.args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"]);
        command.arg(dir.path()).arg("-D").arg(data);
        let running = Running(command.spawn().unwrap());
        let database = Self { programs, port, _running: running, _dir: dir };
        database.ask("SELECT 1");
        Some(database)
    }

    pub fn address(&self) -> String {
        format!("postgres://sessile:hunter2@127.0.0.1:{}/postgres", self.port)
    }

    pub fn ask(&self, statement: &str) -> String {
        answer(|| {
            let mut ask = Command::new(self.programs.join("psql"));
            ask.args(["-X", "-A", "-t", "-c", statement, &self.address()]);
            ask
        })
    }
}

/// A program as a user that is not root: PostgreSQL refuses to run as that.
fn as_nobody(program: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout == b"0\n");
    let mut command = Command::new(if is_root { Path::new("setpriv") } else { program });
    if is_root {
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    }
    silent(&mut command).current_dir("/");
    command
}
