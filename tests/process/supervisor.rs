//! Who starts a child, listens to it, and kills it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::child::{ORDERS, Orders, options};
use super::expected::Expected;
use super::protocol::{Line, parse};

/// A child that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(60);

/// What the supervisor does when it has heard a line.
pub enum Then {
    GoOn,
    /// Kills the child, after so long.
    Kill(Duration),
}

/// How a child ended.
pub struct End {
    pub status: ExitStatus,
    pub lines: u64,
    /// How long it took to open its store, if it got so far.
    pub opening: Option<Duration>,
}

/// How a child is started.
pub struct Start {
    /// The test that is the child's body.
    pub body: &'static str,
    /// What stands before it on the command line: a tracer, a shell.
    pub before: Vec<String>,
}

impl Start {
    pub fn plain(body: &'static str) -> Self {
        Self { body, before: Vec::new() }
    }

    fn command(&self, orders: &Orders) -> Command {
        let this = std::env::current_exe().unwrap();
        let mut words: Vec<_> = self.before.iter().map(Into::into).collect();
        words.push(this.into_os_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args([
            "--exact",
            self.body,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ]);
        command.env(ORDERS, orders.text()).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

/// Runs a child until it ends or is killed, and tells `expected` what it says.
pub fn watch(
    start: &Start,
    orders: &Orders,
    expected: &mut Expected,
    mut heard: impl FnMut(&Line, &Expected, &Child) -> Then,
) -> End {
    let mut child = start.command(orders).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut printed = Vec::new();
        while out.read_until(b'\n', &mut printed).is_ok_and(|read| read > 0) {
            if let Some(line) = parse(&String::from_utf8_lossy(&printed))
                && sender.send(line).is_err()
            {
                break;
            }
            printed.clear();
        }
    });
    let mut killed = false;
    let (mut end, mut began) = ((0, None), Instant::now());
    loop {
        let line = match lines.recv_timeout(SILENCE) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                child.wait().unwrap();
                expected.fail("the child hangs");
            }
        };
        match line {
            Line::Opening => began = Instant::now(),
            Line::Looked { .. } => end.1 = Some(began.elapsed()),
            _ => {}
        }
        end.0 += 1;
        expected.hear(&line);
        if let Then::Kill(after) = heard(&line, expected, &child)
            && !killed
        {
            let from = Instant::now();
            while from.elapsed() < after {
                std::thread::park_timeout(after - from.elapsed().min(after));
            }
            child.kill().unwrap();
            killed = true;
        }
    }
    reader.join().unwrap();
    End { status: child.wait().unwrap(), lines: end.0, opening: end.1 }
}

/// A directory for a store on the disk that the tests are on.
pub fn directory() -> (tempfile::TempDir, PathBuf) {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("store");
    (top, path)
}

/// Looks at the store once more, in this process: sound, and closed without a complaint.
pub fn settle(directory: &Path, segment_bytes: u64) {
    let store = options(segment_bytes).manual_maintenance(true).open(directory).unwrap();
    while store.maintain(Duration::from_secs(10)).unwrap().more {}
    // Time goes on: what is seen before may have run out after.
    let before = store.iter().unwrap().count() as u64;
    let verified = store.verify().unwrap();
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
    let after = store.iter().unwrap().count() as u64;
    assert!((after..=before).contains(&verified.sessions), "{before}, {} and {after}", verified.sessions);
    store.close().unwrap();
}
