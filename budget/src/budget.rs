//! The file `benches/budget.toml`: what each operation takes, and on what machine that was counted.
//!
//! Owns: its form. It is written by `./scripts/budget --record` and read by people and by the check.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::callgrind::Machine;
use crate::operations::Operation;

const HEAD: &str = "\
# How many instructions the hot operations take, each the mean of a fixed script (budget/src/operations.rs) under callgrind.
# Written by ./scripts/budget --record and compared by ./scripts/budget, which ./scripts/test runs. The check fails when a count is
# over 5 % away from `instructions`. That can be recorded anew when it fell; when it rose only with a reason, which then stands here as
# `because`. `least` is the fewest that were ever recorded, and who is over 5 % above it must say why.

";

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    pub recorded: Machine,
    #[serde(default, rename = "operation")]
    entries: Vec<Entry>,
}

/// One operation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub name: String,
    pub script: String,
    pub instructions: u64,
    pub least: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl Budget {
    /// Reads the file; an empty budget where there is none.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        toml::from_str(&text).map_err(|error| format!("{} is not as it should be: {error}", path.display()))
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("{} cannot be written: {error}", path.display());
        let text = toml::to_string(self).map_err(|error| failed(&error))?;
        std::fs::write(path, format!("{HEAD}{text}")).map_err(|error| failed(&error))
    }

    /// Whether nothing has been recorded yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is recorded of an operation.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Records an operation.
    pub(crate) fn write_entry(
        &mut self,
        of: Operation,
        instructions: u64,
        least: u64,
        because: Option<String>,
    ) {
        let (name, script) = (of.name().to_owned(), of.script().to_owned());
        let new = Entry { name, script, instructions, least, because };
        match self.entries.iter_mut().find(|entry| entry.name == new.name) {
            Some(entry) => *entry = new,
            None => self.entries.push(new),
        }
    }

    /// Puts the entries in the order of the operations, and takes out those of none.
    pub(crate) fn order(&mut self, operations: &[Operation]) {
        let place = |entry: &Entry| operations.iter().position(|operation| operation.name() == entry.name);
        self.entries.retain(|entry| place(entry).is_some());
        self.entries.sort_by_key(place);
    }

    /// Entries of operations that do not exist.
    pub(crate) fn strangers(&self, operations: &[Operation]) -> Vec<String> {
        let known = |entry: &&Entry| operations.iter().any(|operation| operation.name() == entry.name);
        self.entries.iter().filter(|entry| !known(entry)).map(|entry| entry.name.clone()).collect()
    }
}
