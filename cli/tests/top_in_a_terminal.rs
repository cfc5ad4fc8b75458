//! `sessile top` in a real terminal of 80 columns and 24 lines, which tmux is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail")]

mod common;

use std::io::Write as _;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::{fill, id};
use sessile_control::Control;

/// A terminal of our own, whatever else tmux is used for on this machine.
struct Terminal(String);

impl Terminal {
    /// Runs a line of shell in it; `None` where there is no tmux.
    fn run(line: &str) -> Option<Self> {
        let terminal = Self(format!("sessile-test-{}", std::process::id()));
        let began = Command::new("tmux")
            .args(["-L", &terminal.0, "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", line])
            .env("LC_ALL", "C.UTF-8")
            .output();
        let began = began.ok()?;
        assert!(began.status.success(), "{began:?}");
        Some(terminal)
    }

    fn tmux(&self, words: &[&str]) -> Output {
        Command::new("tmux").args(["-u", "-L", &self.0]).args(words).output().unwrap()
    }

    /// What it shows, as soon as that holds these words.
    #[track_caller]
    fn shows(&self, words: &[&str]) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let shown = String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap();
            if words.iter().all(|words| shown.contains(words)) {
                return shown;
            }
            assert!(Instant::now() < until, "{words:?} never came:\n{shown}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn not_checked(what: &str) {
    let line = format!("not checked here: {what}");
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("SESSILE_TEST_NOTES") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}

#[test]
fn it_is_drawn_goes_with_the_server_and_gives_the_terminal_back() {
    let temp = tempfile::tempdir().unwrap();
    let store = fill(temp.path());
    let control = Control::serve(&store).unwrap();
    let program = env!("CARGO_BIN_EXE_sessile");
    let line = format!("{program} top {} --every 100ms; echo ended with $?; cat", temp.path().display());
    let Some(terminal) = Terminal::run(&line) else {
        return not_checked("`sessile top` in a terminal, which takes tmux");
    };
    let shown = terminal.shows(&["held by     process", "health      sound", "10 live", "compaction"]);
    assert!(shown.lines().count() == 24 && shown.contains("█"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80) && !shown.contains("SECRET"), "{shown}");
    // What happens shows, and rates do.
    store.destroy(id(5)).unwrap();
    terminal.shows(&["9 live", "/s; half within"]);
    // A smaller terminal, and the old one again.
    terminal.tmux(&["resize-window", "-x", "60", "-y", "10"]);
    terminal.shows(&["9 live"]);
    terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
    terminal.shows(&["compaction"]);
    // The server goes, and comes again.
    drop(control);
    terminal.shows(&["serves no operators"]);
    let _control = Control::serve(&store).unwrap();
    terminal.shows(&["health      sound"]);
    terminal.tmux(&["send-keys", "q"]);
    let left = terminal.shows(&["ended with 0"]);
    assert!(!left.contains("health"), "the screen is not the one that was there before:\n{left}");
    // What is typed is seen again.
    terminal.tmux(&["send-keys", "typed", "Enter"]);
    terminal.shows(&["typed\ntyped"]);
}
