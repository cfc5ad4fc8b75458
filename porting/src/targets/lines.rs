//! JSON lines of our own, into a file or to standard output (`-`).
//!
//! A file gets its name when it is whole and synced, and is readable by its owner alone: it holds ids, or the secret that
//! handles are digests under. It is read once more before that, and must be what was written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::{Aim, Digests, Look, Put, Target};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::formats::lines;
use crate::session::Moving;

pub(super) struct Lines {
    output: Box<dyn Write>,
    hash: blake3::Hasher,
    written: u64,
    path: PathBuf,
    /// The file under its first name.
    part: Option<PathBuf>,
}

impl Lines {
    pub fn open(address: &Address, aim: Aim) -> Result<Self> {
        address.taken()?;
        let mut lines = Self {
            output: Box::new(io::sink()),
            hash: blake3::Hasher::new(),
            written: 0,
            path: address.path()?,
            part: None,
        };
        if aim.dry_run {
            return Ok(lines);
        }
        if address.is_standard() {
            if io::stdout().is_terminal() {
                return Err(Error::Unfit(
                    "sessions are not shown on a terminal; name a file, or a pipe".into(),
                ));
            }
            lines.output = Box::new(BufWriter::new(io::stdout()));
        } else {
            if lines.path.exists() {
                return Err(Error::Unfit(format!(
                    "{} is there already; name another file",
                    lines.path.display()
                )));
            }
            let mut part = lines.path.clone().into_os_string();
            part.push(".part");
            let part = PathBuf::from(part);
            // Whatever a run that was cut off has left: perhaps with another's rights.
            let _ = fs::remove_file(&part);
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
            lines.output =
                Box::new(BufWriter::new(file.map_err(|error| Error::file("creating", &part, error))?));
            lines.part = Some(part);
        }
        let secret = aim.secret.map(|secret| lines::hex(&secret.to_bytes()));
        let head = lines::Head { format: lines::FORMAT.to_owned(), version: lines::VERSION, secret };
        let mut first = serde_json::to_vec(&head).map_err(|error| lines.failed(error.into()))?;
        first.push(b'\n');
        lines.append(&first)?;
        Ok(lines)
    }

    fn failed(&self, error: io::Error) -> Error {
        match &self.part {
            Some(part) => Error::file("writing", part, error),
            None => Error::Output(error),
        }
    }

    fn append(&mut self, line: &[u8]) -> Result<()> {
        self.hash.update(line);
        self.output.write_all(line).map_err(|error| self.failed(error))
    }

    /// Reads the file back: it is what was written, and each line a session.
    fn check(&self, part: &PathBuf) -> Result<u64> {
        let failed = |error| Error::file("reading back", part, error);
        let wrong = || Error::Server {
            home: part.display().to_string(),
            why: "what was written is not what is read back".into(),
        };
        let mut input = BufReader::new(File::open(part).map_err(failed)?);
        let (mut hash, mut line, mut sound) = (blake3::Hasher::new(), Vec::new(), 0);
        while input.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            hash.update(&line);
            sound += u64::from(lines::read(&line).is_ok());
            line.clear();
        }
        if hash.finalize() == self.hash.finalize() && sound == self.written {
            Ok(sound)
        } else {
            Err(wrong())
        }
    }
}

impl Target for Lines {
    fn digests(&self) -> Digests {
        Digests::Any
    }

    fn put(&mut self, sessions: &[&Moving]) -> Result<Vec<Put>> {
        for moving in sessions {
            let line = lines::write(moving).map_err(|error| self.failed(error.into()))?;
            self.append(&line)?;
            self.written += 1;
        }
        Ok(vec![Put::Written; sessions.len()])
    }

    fn settle(&mut self) -> Result<()> {
        self.output.flush().map_err(|error| self.failed(error))
    }

    fn look(&mut self, _: &[&Moving]) -> Result<Option<Vec<Look>>> {
        Ok(None)
    }

    fn finish(&mut self) -> Result<Option<u64>> {
        self.settle()?;
        let Some(part) = self.part.take() else { return Ok(None) };
        let failed = |error| Error::file("syncing", &part, error);
        File::open(&part).and_then(|file| file.sync_all()).map_err(failed)?;
        let sound = self.check(&part)?;
        fs::rename(&part, &self.path).map_err(|error| Error::file("naming", &self.path, error))?;
        let dir =
            self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| Error::file("syncing", dir, error))?;
        Ok(Some(sound))
    }
}

/// A file that did not get its name is of no use to anybody.
impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}
