//! Real servers, private to a test: each in a directory of its own, on a free port or a socket in it, ended with the test.

pub mod certificates;
pub mod cluster;
pub mod postgres;
pub mod redis;
pub mod wire;

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Whether this machine has a program; says so loudly when it has not.
pub fn is_here(program: &str) -> bool {
    let here = Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success());
    if !here {
        not_checked(&format!(
            "there is no {program}, so the home that needs it was not held to the contract"
        ));
    }
    here
}

/// A Valkey server, if this machine has one; says so loudly when it has not.
pub fn valkey() -> Option<String> {
    let program = std::env::var("SESSILE_VALKEY_SERVER").unwrap_or_else(|_| "valkey-server".to_owned());
    is_here(&program).then_some(program)
}

/// Loudly: what this machine does not allow has not been shown on it.
pub fn not_checked(what: &str) {
    eprintln!("NOT CHECKED HERE: {what}");
    say(&format!("not checked here: {what}"));
}

/// Says it on the test's output, and in the file that `SESSILE_TEST_NOTES` names, where there is one.
pub fn say(line: &str) {
    println!("{line}");
    if let Some(path) = std::env::var_os("SESSILE_TEST_NOTES") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that ends with the test.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Its own number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGSTOP or SIGCONT: whether it answers.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until something holds, for as long as a server may take to start on a busy machine.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
