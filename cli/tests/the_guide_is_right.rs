//! Every command in docs/moving.md is one that this command understands: what it names is not there, and that is all.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::path::Path;
use std::process::Command;

#[test]
fn every_command_of_the_guide_is_understood() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/moving.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let commands: Vec<_> = guide.lines().map(str::trim).filter(|line| line.starts_with("sessile ")).collect();
    assert!(commands.len() > 15, "{commands:?}");
    for line in commands {
        let temp = tempfile::tempdir().unwrap();
        // Servers that nobody is reached at, whatever runs on this machine.
        let line = line
            .replace("127.0.0.1:6379", "127.0.0.1:1")
            .replace("@127.0.0.1/", "@127.0.0.1:1/")
            .replace('\'', "");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
        command
            .current_dir(temp.path())
            .env("OLD", "connect-pg-simple:postgres://app:secret@127.0.0.1:1/app");
        let output = command.args(line.split(' ').skip(1)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // A store's directory that is not there is told from all else.
        let code = if line.starts_with("sessile export") { 6 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        let is_absence =
            ["No such file", "no directory", "refused", "failed"].iter().any(|words| said.contains(words));
        assert!(is_absence && !said.contains("secret"), "{line}: {said}");
    }
}
