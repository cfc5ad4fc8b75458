//! Runs the real command, and keeps what it said.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use sessile::{Options, Store, Write};

/// What one run of the command gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The report, which must be JSON on one line and have ended well.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        self.json_whatever_the_code()
    }

    #[track_caller]
    pub fn json_whatever_the_code(&self) -> Value {
        assert_eq!(self.text().lines().count(), 1, "{self:?}");
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// Asserts an exit code, and a complaint that holds `words`.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &str) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(words), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self
    }
}

/// Runs `sessile` with nothing on standard input.
pub fn sessile<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    sessile_with(b"", arguments)
}

/// Runs `sessile` with `stdin` on standard input.
pub fn sessile_with<S: AsRef<OsStr>>(stdin: &[u8], arguments: impl IntoIterator<Item = S>) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = stdin.to_vec();
    // A command that fails early does not read it.
    let feeder = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Ran {
        code: output.status.code().expect("ended by a signal"),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Ids that can be told from anything else that is printed.
pub fn id(number: usize) -> String {
    format!("SECRET{number:04}tokenOfSomebody")
}

/// A store with sessions 0 to 9: 0 to 2 of alice, 3 with binary data, 9 with an absolute deadline; 8 never ends.
pub fn fill(dir: &Path) -> Store {
    let store = Options::new().idle(Duration::from_secs(1800)).open(dir).unwrap();
    for number in 0..10 {
        let write = match number {
            0..3 => Write::new(format!("data of {number}")).subject("alice"),
            3 => Write::new([0xff, 0, 0xfe]),
            8 => Write::new("for ever").idle(Duration::MAX),
            9 => Write::new("a day").absolute(Duration::from_secs(86_400)),
            _ => Write::new("data"),
        };
        store.create(id(number), write).unwrap();
    }
    store
}

/// A closed store, filled.
pub fn filled(dir: &Path) {
    fill(dir).close().unwrap();
}

/// Whether these bytes show one of the ids, as it is or in hexadecimal or base64.
pub fn shows_an_id(bytes: &[u8]) -> bool {
    use base64::Engine;
    let text = String::from_utf8_lossy(bytes);
    (0..10).any(|number| {
        let id = id(number);
        let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
        let base64 = base64::prelude::BASE64_STANDARD_NO_PAD.encode(&id);
        text.contains(&id[..10]) || text.to_lowercase().contains(&hex[..20]) || text.contains(&base64[..12])
    })
}
