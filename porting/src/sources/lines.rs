//! Files with a session a line: our own JSON lines, and what mongoexport writes of connect-mongo. `-` is standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use sessile::Secret;

use super::{Entry, PAGE, Page, Position, Source};
use crate::address::{Address, Format};
use crate::error::{Error, Result};
use crate::formats::{extended, lines};
use crate::session::{Kind, Why};

/// Longer than any session that a store takes. Of a line beyond it, nothing more is held in memory.
const LINE_BYTES_MAX: u64 = 64 << 20;

pub(super) struct Lines {
    input: Box<dyn BufRead>,
    path: PathBuf,
    format: Format,
    secret: Option<Secret>,
    /// A line that was read to see whether it is the first of ours, and is not.
    read_ahead: Option<Vec<u8>>,
    /// How many lines and bytes lie behind.
    line: u64,
    at: u64,
    /// What the file was, so that a position in another one means nothing.
    print: Option<String>,
}

impl Lines {
    pub fn open(address: &Address, from: Option<&Position>) -> Result<Self> {
        address.taken()?;
        let mut lines = Self {
            input: Box::new(io::empty()),
            path: address.path()?,
            format: address.format,
            secret: None,
            read_ahead: None,
            line: 0,
            at: 0,
            print: None,
        };
        if address.is_standard() {
            lines.path = "standard input".into();
            lines.input = Box::new(io::stdin().lock());
            lines.head()?;
            return Ok(lines);
        }
        let mut file = File::open(&lines.path).map_err(|error| lines.failed(error))?;
        let facts = file.metadata().map_err(|error| lines.failed(error))?;
        let changed = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        lines.print = changed.map(|changed| format!("{}-{}", facts.len(), changed.as_nanos()));
        lines.input = Box::new(BufReader::new(file.try_clone().map_err(|error| lines.failed(error))?));
        lines.head()?;
        if let Some((at, line)) = from.and_then(|position| lines.parse(position)) {
            file.seek(SeekFrom::Start(at)).map_err(|error| lines.failed(error))?;
            (lines.at, lines.line, lines.read_ahead) = (at, line, None);
            lines.input = Box::new(BufReader::new(file));
        }
        Ok(lines)
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::file("reading", &self.path, error)
    }

    /// Where a position points to, if the file is what it was.
    fn parse(&self, position: &Position) -> Option<(u64, u64)> {
        let mut parts = position.split(' ');
        (parts.next()? == self.print.as_deref()?).then_some(())?;
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    /// Reads the line that names our format, if it does.
    fn head(&mut self) -> Result<()> {
        if self.format != Format::Lines {
            return Ok(());
        }
        let Some(first) = self.next()? else { return Ok(()) };
        let Some(head) = lines::head(&first) else {
            (self.line, self.read_ahead) = (0, Some(first));
            return Ok(());
        };
        if head.version != lines::VERSION {
            let what = format!(
                "{}: its format is newer than this release reads; use a newer one",
                self.path.display()
            );
            return Err(Error::Shape(what));
        }
        self.secret = head.secret.and_then(|hex| lines::digest(&hex)).map(Secret::from_bytes);
        Ok(())
    }

    /// The next line, whole or cut at the limit; nothing at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = self.read_ahead.take().unwrap_or_default();
        if line.is_empty() {
            let read = (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            read.map_err(|error| self.failed(error))?;
            self.at += u64::try_from(line.len()).unwrap_or(u64::MAX);
            if !line.ends_with(b"\n") && u64::try_from(line.len()).unwrap_or(u64::MAX) == LINE_BYTES_MAX {
                self.skip_rest()?;
            }
        }
        self.line += u64::from(!line.is_empty());
        Ok((!line.is_empty()).then_some(line))
    }

    fn skip_rest(&mut self) -> Result<()> {
        loop {
            let buffer = self.input.fill_buf().map_err(|error| Error::file("reading", &self.path, error))?;
            let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(used);
            self.at += u64::try_from(used).unwrap_or(u64::MAX);
            if ended {
                return Ok(());
            }
        }
    }

    fn entry(&self, line: &[u8]) -> Option<Entry> {
        let text = line.trim_ascii();
        let read = match self.format {
            // The byte order mark that some editors put there, and empty lines, are nothing.
            _ if text.is_empty() || text == b"\xef\xbb\xbf" => return None,
            _ if u64::try_from(line.len()).unwrap_or(u64::MAX) >= LINE_BYTES_MAX => {
                Err(Why::from(Kind::TooLarge))
            }
            Format::ConnectMongo => extended::read(text),
            _ => lines::read(text),
        };
        Some(read.map_err(|why| (format!("line {}", self.line), why)))
    }
}

impl Source for Lines {
    fn total(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn page(&mut self) -> Result<Page> {
        let mut page = Page::default();
        while page.entries.len() < PAGE {
            let Some(line) = self.next()? else {
                page.last = true;
                break;
            };
            page.entries.extend(self.entry(&line));
        }
        page.position = self.print.as_ref().map(|print| format!("{print} {} {}", self.at, self.line));
        Ok(page)
    }

    fn secret(&self) -> Option<Secret> {
        self.secret
    }
}
