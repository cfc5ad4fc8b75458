//! How far a move has come, in a small file, so that one that was cut off can go on.
//!
//! Invariants:
//! 1. The file is replaced in one step, after everything up to its position is durable in the new home.
//! 2. It holds no id, no password and no session: of FROM and TO only digests.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::sources::Position;

#[derive(Serialize, Deserialize)]
struct Noted {
    from: String,
    to: String,
    position: Position,
    report: Report,
}

/// The file.
pub(crate) struct Bookmark {
    path: PathBuf,
    from: String,
    to: String,
}

impl Bookmark {
    pub fn new(path: &Path, from: &Address, to: &Address) -> Self {
        Self { path: path.to_path_buf(), from: from.fingerprint(), to: to.fingerprint() }
    }

    /// Where an earlier move was cut off, and what it had counted.
    pub fn read(&self) -> Result<Option<(Position, Report)>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("reading", &self.path, error)),
        };
        match serde_json::from_slice::<Noted>(&text) {
            Ok(noted) if noted.from == self.from && noted.to == self.to => {
                Ok(Some((noted.position, noted.report)))
            }
            Ok(_) => Err(self.unfit("is of a move between two other places")),
            Err(_) => Err(self.unfit("is no note of how far a move has come")),
        }
    }

    fn unfit(&self, what: &str) -> Error {
        Error::Unfit(format!("{} {what}; name another file, or remove it to begin anew", self.path.display()))
    }

    pub fn write(&self, position: &Position, report: &Report) -> Result<()> {
        let noted = Noted {
            from: self.from.clone(),
            to: self.to.clone(),
            position: position.clone(),
            report: report.clone(),
        };
        self.replace(&noted).map_err(|error| Error::file("writing", &self.path, error))
    }

    fn replace(&self, noted: &Noted) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".tmp");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        serde_json::to_writer(&mut file, noted)?;
        file.flush()?;
        file.sync_all()?;
        fs::rename(&aside, &self.path)?;
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    }

    /// Removes it: there is nothing left to go on with.
    pub fn done(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::file("removing", &self.path, error))
            }
            _ => Ok(()),
        }
    }
}
