//! Somebody on call acts on a server that is at work: each command of `sessile`, on a real server's process, while browsers log
//! in, look and log out. The tests of both servers are this one.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

/// How many browsers come and go.
const BROWSERS: usize = 4;
/// Between the test's own output and the command's.
const MARK: &str = "---- sessile says ----";

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(program: &str, directory: &Path) -> Self {
        let mut process = Command::new(program)
            .env("ADDR", "127.0.0.1:0")
            .env("SESSILE_DIR", directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, address }
    }

    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Waited for already, unless the test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Browser {
    agent: Agent,
    address: String,
    cookie: Option<String>,
}

impl Browser {
    fn new(server: &Server) -> Self {
        let config = Agent::config_builder().max_redirects(0).timeout_global(Some(Duration::from_secs(30)));
        Self { agent: config.build().into(), address: server.address.clone(), cookie: None }
    }

    fn keep<B>(&mut self, answer: &ureq::http::Response<B>) {
        let cookie = answer.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok());
        if let Some(cookie) = cookie.and_then(|cookie| cookie.split(';').next()) {
            self.cookie = Some(cookie.to_owned());
        }
    }

    fn me(&mut self) -> Value {
        let mut request = self.agent.get(format!("{}/me", self.address));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let mut answer = request.call().unwrap();
        self.keep(&answer);
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    fn post(&mut self, path: &str, body: &str) {
        let mut request = self.agent.post(format!("{}{path}", self.address));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let form = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = form.send(body).unwrap();
        self.keep(&answer);
    }

    fn log_in(&mut self, name: &str) {
        self.post("/login", &format!("name={name}"));
        assert_eq!(self.me()["user"], name);
    }

    /// The handle of its own session.
    fn handle(&mut self) -> String {
        let me = self.me();
        let devices = me["devices"].as_array().unwrap();
        devices.iter().find(|one| one["this"] == true).unwrap()["handle"].as_str().unwrap().to_owned()
    }
}

/// Runs the command `sessile` in a process of its own: this program, asked for the test [`the_command`].
fn sessile(stdin: &str, words: &[&str]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "operators::the_command", "--nocapture"])
        .env("SESSILE_WORDS", serde_json::to_string(words).unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    said.split_once(MARK).unwrap().1.trim().to_owned()
}

fn json(words: &[&str]) -> Value {
    serde_json::from_str(&sessile("", words)).unwrap()
}

/// In the command's process only.
#[test]
fn the_command() {
    let Some(words) = std::env::var_os("SESSILE_WORDS") else { return };
    let words: Vec<String> = serde_json::from_str(words.to_str().unwrap()).unwrap();
    println!("{MARK}");
    let words = ["sessile".to_owned()].into_iter().chain(words).map(Into::into);
    let code = sessile_cli::run(words);
    std::process::exit(if code == std::process::ExitCode::SUCCESS { 0 } else { 1 });
}

pub fn act_on(program: &str) {
    let temp = tempfile::tempdir().unwrap();
    let (path, copy) = (temp.path().join("sessions"), temp.path().join("copy"));
    let dir = path.to_str().unwrap();
    let server = Server::start(program, &path);
    let (stop, requests) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for number in 0..BROWSERS {
            let (server, stop, requests) = (&server, &stop, &requests);
            scope.spawn(move || {
                let mut browser = Browser::new(server);
                while !stop.load(Ordering::Relaxed) {
                    browser.log_in(&format!("visitor{number}"));
                    (0..10).for_each(|_| assert!(browser.me()["user"].is_string()));
                    browser.post("/logout", "");
                    assert!(browser.me()["user"].is_null());
                    requests.fetch_add(13, Ordering::Relaxed);
                }
            });
        }
        let stopping = OnDrop(&stop);
        let under_load = |what: &str| {
            let before = requests.load(Ordering::Relaxed);
            while requests.load(Ordering::Relaxed) < before + 26 {
                assert!(!stop.load(Ordering::Relaxed), "nothing goes on: {what}");
                std::thread::yield_now();
            }
        };
        under_load("at the beginning");
        all_commands(&server, (dir, copy.to_str().unwrap()), under_load);
        drop(stopping);
    });
    server.stop();
    assert!(!path.join("control.sock").exists());
    // What was ended stays so.
    let left = sessile("", &["ls", dir, "--json"]);
    assert!(!left.contains("alice"), "{left}");
}

fn all_commands(server: &Server, (dir, copy): (&str, &str), under_load: impl Fn(&str)) {
    let (mut laptop, mut phone) = (Browser::new(server), Browser::new(server));
    laptop.log_in("alice");
    phone.log_in("alice");
    let (ours, theirs) = (laptop.handle(), phone.handle());

    let stats = json(&["stats", dir, "--json"]);
    assert_eq!(stats["held_by"]["pid"], server.process.id());
    assert!(stats["sessions"].as_u64() >= Some(2) && stats["health"] == "sound", "{stats}");
    let listed = sessile("", &["ls", dir, "--json"]);
    assert!(listed.contains(&ours) && listed.contains(&theirs), "{listed}");
    let one = json(&["get", dir, "--handle", &ours, "--data", "--json"]);
    assert!(one["has_subject"] == true && one["data"].as_str().unwrap().contains("alice"), "{one}");
    let top = json(&["top", dir, "--once", "--json", "--every", "300ms"]);
    assert!(top["per_second"]["created"].as_f64() > Some(0.0), "{top}");
    under_load("after looking");

    // A browser whose session an operator ends is logged out at its next request, and nobody else is.
    sessile("", &["destroy", dir, "--handle", &ours]);
    assert!(laptop.me()["user"].is_null());
    assert_eq!(phone.me()["user"], "alice");
    assert_eq!(sessile("alice", &["destroy-subject", dir]), "1 session ended.");
    assert!(phone.me()["user"].is_null());
    under_load("after ending");

    let clock = json(&["clock", dir, "--json"]);
    assert!(clock["unconfirmed"] == false && clock["believed_ms"].as_u64() > Some(0), "{clock}");
    let compacted = json(&["compact", dir, "--json"]);
    assert_eq!(compacted["clock_unconfirmed"], false, "{compacted}");
    let verified = json(&["verify", dir, "--json"]);
    assert_eq!(verified["damage"], Value::Array(Vec::new()), "{verified}");
    let backup = json(&["backup", dir, copy, "--json"]);
    assert!(backup["segments"].as_u64() > Some(0), "{backup}");
    assert_eq!(json(&["stats", copy, "--json"])["health"], "sound");
    under_load("between two backups");
    let again = json(&["backup", dir, copy, "--json"]);
    assert!(again["segments_kept"].as_u64() > Some(0), "{again}");
    let restored = format!("{copy}-restored");
    let made = json(&["restore", "--from", copy, "--dir", &restored, "--keep", "--json"]);
    assert_eq!(made["sessions"], again["sessions"], "{made}");
    let listed = sessile("", &["ls", &restored, "--json"]);
    assert!(
        !listed.contains(&ours) && !listed.contains(&theirs),
        "who was logged out before stays so: {listed}"
    );
    under_load("after compacting, testing and copying");
}

/// Stops the load also where an assertion fails.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
