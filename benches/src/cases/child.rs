//! A process of its own: this program, started again with [`ARGUMENT`], a task and what the task needs. It says what it found
//! in lines of `value name`.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Failed, day, expiry, frames, growth, keepers, opening, overwrites, revocation, stalls, touches};

/// What tells the program that it is a child.
pub const ARGUMENT: &str = "--child";

/// What a child does, with what it is given.
type Task = fn(&[String]);

const TASKS: &[(&str, Task)] = &[
    ("grow", growth::child),
    ("open", opening::open),
    ("kill", opening::kill),
    ("peer-load", keepers::load),
    ("peer-open", keepers::open),
    ("peer-kill", keepers::kill),
    ("revoke", revocation::child),
    ("expire", expiry::child),
    ("day", day::child),
    ("touch", touches::child),
    ("overwrite", overwrites::child),
    ("stall", stalls::child),
    ("frames", frames::child),
];

/// What a child found.
pub struct Report(Vec<(String, f64)>);

impl Report {
    /// The figure of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<f64, Failed> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value).ok_or_else(|| format!("the child did not say: {name}"))
    }

    /// All figures whose name begins so, with the rest of it.
    pub fn all<'r>(&'r self, begin: &'r str) -> impl Iterator<Item = (&'r str, f64)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(begin)?, *value)))
    }
}

/// Runs a child in `directory` and waits for what it finds. One that is to be killed kills itself.
///
/// # Errors
/// It could not be started, or failed.
pub fn run(task: &str, directory: &Path, arguments: &[&str]) -> Result<Report, Failed> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args([ARGUMENT, task])
        .arg(directory)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("starting a child: {error}"))?;
    let aborts = task.ends_with("kill");
    if !output.status.success() && !aborts {
        return Err(format!("the child that should {task} {arguments:?} failed: {}", output.status));
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let values = lines.lines().filter_map(|line| {
        let (value, name) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Ok(Report(values.collect()))
}

/// What a child does with its arguments.
pub fn main(arguments: &[String]) {
    let Some((task, rest)) = arguments.split_first() else { panic!("a child needs a task") };
    let Some((_, run)) = TASKS.iter().find(|(name, _)| name == task) else { panic!("no child does {task}") };
    run(rest);
}

/// Says what a child found.
pub fn say(name: &str, value: f64) {
    println!("{value} {name}");
}

/// What a child was given in this place.
pub fn given(arguments: &[String], place: usize) -> &str {
    arguments
        .get(place)
        .map(String::as_str)
        .unwrap_or_else(|| panic!("a child needs {} arguments", place + 1))
}

/// The same as a number.
pub fn number(arguments: &[String], place: usize) -> u64 {
    given(arguments, place).parse().expect("a number")
}
