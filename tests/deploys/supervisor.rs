//! Who starts servers and stops them, as a service manager does: SIGTERM, and SIGKILL after ten seconds.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{ORDERS, Orders};

/// The test that is a server's body.
const BODY: &str = "a_server";
/// A process that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(300);
/// How long a process has from SIGTERM to SIGKILL.
pub const GRACE: Duration = Duration::from_secs(10);

/// A directory for a store, and the sockets of the processes that have it one after the other.
pub struct Site {
    pub top: PathBuf,
}

impl Site {
    pub fn new(top: &Path) -> Self {
        Self { top: top.to_owned() }
    }

    pub fn store(&self) -> PathBuf {
        self.top.join("store")
    }

    /// Where the process of that release answers.
    pub fn socket(&self, release: usize) -> PathBuf {
        self.top.join(format!("socket-{release}"))
    }

    pub fn orders(&self, release: usize) -> Orders {
        Orders {
            directory: self.store(),
            socket: self.socket(release),
            lock_wait: Duration::from_secs(30),
            fill: 0,
        }
    }

    pub fn start(&self, release: usize) -> Server {
        Server::start(&self.orders(release))
    }
}

/// What a process said of its opening.
#[derive(Debug, Clone)]
pub struct Opened {
    /// With the time that it waited for its predecessor.
    pub took: Duration,
    /// Without it.
    pub alone: Duration,
    pub sessions: u64,
    pub from_snapshot: bool,
}

pub struct Server {
    process: Child,
    lines: Receiver<String>,
}

impl Server {
    pub fn start(orders: &Orders) -> Self {
        Self::start_by(Command::new(this_program()), orders)
    }

    /// With what stands before it on the command line, or whose user it is.
    pub fn start_by(mut command: Command, orders: &Orders) -> Self {
        command.args(["--exact", BODY, "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(ORDERS, orders.text()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut printed = Vec::new();
            while out.read_until(b'\n', &mut printed).is_ok_and(|read| read > 0) {
                let line = String::from_utf8_lossy(&printed);
                if let Some(said) = line.strip_prefix("@ ")
                    && sender.send(said.trim_end().to_owned()).is_err()
                {
                    break;
                }
                printed.clear();
            }
        });
        Self { process, lines }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it says next.
    pub fn says(&self) -> String {
        self.lines.recv_timeout(SILENCE).expect("it ended or hangs, and says nothing")
    }

    /// The same where that is known: it begins with this word, and what follows is what counts.
    pub fn hears(&self, word: &str) -> String {
        let said = self.says();
        let rest =
            said.strip_prefix(word).unwrap_or_else(|| panic!("`{word}` was expected, and it said: {said}"));
        rest.trim_start().to_owned()
    }

    pub fn opened(&self) -> Opened {
        self.hears("opening");
        self.opens()
    }

    /// The same of one that was heard to begin.
    pub fn opens(&self) -> Opened {
        let said = self.hears("open");
        let words: Vec<&str> = said.split(' ').collect();
        let time = |word: &str| Duration::from_millis(word.parse().unwrap());
        Opened {
            took: time(words[0]),
            alone: time(words[1]),
            sessions: words[2].parse().unwrap(),
            from_snapshot: words[3] == "snapshot",
        }
    }

    /// Why it would not begin, and that it ended.
    pub fn refused(mut self) -> String {
        self.hears("opening");
        let why = self.hears("refused");
        assert!(!self.process.wait().unwrap().success());
        why
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// SIGTERM, and SIGKILL to who has not ended by then: how long closing took, and how it ended.
    pub fn stop(&mut self) -> (Option<Duration>, ExitStatus) {
        self.signal(Signal::TERM);
        self.wait_for_its_end()
    }

    pub fn wait_for_its_end(&mut self) -> (Option<Duration>, ExitStatus) {
        let until = Instant::now() + GRACE;
        let mut closing = None;
        // The channel ends with the process.
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(took) = line.strip_prefix("closed ") {
                closing = Some(Duration::from_millis(took.parse().unwrap()));
            }
        }
        let ended = loop {
            match self.process.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() >= until => {
                    self.process.kill().unwrap();
                    break self.process.wait().unwrap();
                }
                None => std::thread::park_timeout(Duration::from_millis(1)),
            }
        };
        (closing, ended)
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Waited for already, unless the test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program, by a name that needs no `/proc`.
pub fn this_program() -> PathBuf {
    std::fs::canonicalize(std::env::args_os().next().unwrap()).unwrap()
}
