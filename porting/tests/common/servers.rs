//! Private servers on Unix sockets, which end with the test; nothing where they are missing.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that ends with the test.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(mut ready: impl FnMut() -> bool) {
    for _ in 0..200 {
        if ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the server did not start");
}

pub fn redis(dir: &Path) -> Option<(Server, PathBuf)> {
    let socket = dir.join("redis.sock");
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).arg("--dir").arg(dir);
    let server = Server(command.stdout(Stdio::null()).spawn().ok()?);
    until(|| socket.exists());
    Some((server, socket))
}

/// A Cluster of one, which has all slots: a script reaches one key there, as on many.
pub fn cluster(dir: &Path) -> Option<(Server, u16)> {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() % 20_000 + 20_000;
    let ask = |words: &[&str]| {
        let mut ask = Command::new("redis-cli");
        let said = ask.args(["-p", &port.to_string()]).args(words).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    let mut command = Command::new("redis-server");
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--cluster-enabled",
        "yes",
    ]);
    command.args(["--cluster-announce-ip", "127.0.0.1", "--dir"]).arg(dir);
    let server = Server(command.stdout(Stdio::null()).spawn().ok()?);
    until(|| ask(&["PING"]).contains("PONG"));
    ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until(|| ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    Some((server, port))
}

/// PostgreSQL refuses to be root: then it is another user.
pub fn postgres(dir: &Path) -> Option<(Server, PathBuf)> {
    let home = dir.join("postgres");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    let id = |kind| {
        let output =
            ["postgres", "nobody"].map(|user| Command::new("id").args([kind, user]).output().unwrap());
        let text = output.into_iter().find(|output| output.status.success()).unwrap().stdout;
        String::from_utf8(text).unwrap().trim().parse::<u32>().unwrap()
    };
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let (user, group) = (id("-u"), id("-g"));
    let run = |program: &str| {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(program);
        if is_root {
            command.uid(user).gid(group);
        }
        command.current_dir(&home).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    if is_root {
        chown(&home, Some(user), Some(group)).unwrap();
    }
    let data = home.join("data");
    let init =
        run("initdb").arg("-D").arg(&data).args(["-U", "app", "-A", "trust", "--no-sync"]).status().ok()?;
    assert!(init.success());
    let mut server = run("postgres");
    server.arg("-D").arg(&data).arg("-k").arg(&home).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
    let server = Server(server.spawn().ok()?);
    let host = home.clone();
    until(|| {
        let mut ask = Command::new("psql");
        ask.arg("-h").arg(&host).args(["-U", "app", "-d", "postgres", "-c", "select 1"]);
        ask.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    });
    Some((server, home))
}
