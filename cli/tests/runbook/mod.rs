//! The runbook's sections, and the scene that each is played in.

pub mod server;

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A section of the runbook.
pub struct Section {
    pub title: String,
    pub state: Option<String>,
    pub blocks: Vec<Block>,
}

/// A fenced block.
pub enum Block {
    Commands { text: String, code: i32 },
    Output(String),
    Other,
}

impl Block {
    pub fn is_run(&self) -> bool {
        matches!(self, Self::Commands { .. })
    }

    fn new(info: &str, text: String) -> Self {
        let mut words = info.split_whitespace();
        match words.next() {
            Some("sh") => {
                let code = words
                    .next()
                    .and_then(|word| word.strip_prefix("exit="))
                    .map_or(0, |n| n.parse().unwrap());
                Self::Commands { text, code }
            }
            Some("text") => Self::Output(text),
            _ => Self::Other,
        }
    }
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands in docs/operations.md.
pub fn sections() -> Vec<Section> {
    let text = std::fs::read_to_string(here().join("../docs/operations.md")).unwrap();
    let mut sections = vec![Section { title: "beginning".to_owned(), state: None, blocks: Vec::new() }];
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let section = sections.last_mut().unwrap();
        if let Some(title) = line.strip_prefix("## ") {
            sections.push(Section { title: title.to_owned(), state: None, blocks: Vec::new() });
        } else if let Some(state) =
            line.strip_prefix("<!-- state: ").and_then(|rest| rest.strip_suffix(" -->"))
        {
            section.state = Some(state.to_owned());
        } else if let Some(info) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            section.blocks.push(Block::new(info, block.join("\n")));
        }
    }
    sections
}

/// Says in the summary of a run what this machine did not let it check.
pub fn not_checked(what: &str) {
    use std::io::Write as _;
    println!("not checked here: {what}");
    if let Some(path) = std::env::var_os("SESSILE_TEST_NOTES") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        writeln!(file.unwrap(), "not checked here: {what}").unwrap();
    }
}

/// What a script came to.
pub struct Ran {
    pub code: i32,
    pub said: String,
}

impl Ran {
    /// Why the state cannot be had here.
    pub fn skipped(&self) -> Option<&str> {
        (self.code == 3).then(|| self.said.trim().lines().last().unwrap_or_default())
    }
}

/// A directory with the command on its path, and whatever was started in it.
pub struct Scene {
    top: tempfile::TempDir,
}

impl Scene {
    pub fn new() -> Self {
        let scene = Self { top: tempfile::tempdir().unwrap() };
        let bin = scene.path("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sessile"), bin.join("sessile")).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Brings the store into a state.
    pub fn prepare(&self, state: &str) -> Ran {
        self.run(&format!(". {}", here().join(format!("tests/runbook/{state}.sh")).display()))
    }

    /// Runs commands, as they stand in the runbook.
    pub fn run(&self, commands: &str) -> Ran {
        let common = here().join("tests/runbook/common.sh");
        let script = format!("set -euo pipefail\n. {}\n{commands}\n", common.display());
        // Not a pipe: a server that a script starts keeps it open.
        let said = self.path("said");
        let file = std::fs::File::create(&said).unwrap();
        let path = std::env::var("PATH").unwrap();
        let status = Command::new("bash")
            .args(["-c", &script])
            .current_dir(self.top.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("TOP", self.top.path())
            .env("DIR", "sessions")
            .env("BACKUP", "backup")
            .env("SERVER", std::env::current_exe().unwrap())
            .env("COLUMNS", "200")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .status()
            .unwrap();
        let said = String::from_utf8_lossy(&std::fs::read(&said).unwrap()).into_owned();
        Ran { code: status.code().unwrap_or(-1), said }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.run("end");
    }
}
