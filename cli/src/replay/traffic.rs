//! A whole log as compact traffic: who came when, in the order of time.
//!
//! Invariants:
//! 1. A request takes 16 bytes and a visitor about 100, whatever the length of their lines, so that a log of many
//!    millions of lines fits.
//! 2. No line is ever held whole beyond [`LINE_BYTES_MAX`], whatever the input.
//! 3. Requests of the same time stay in the order of the log.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::log;

/// The longest line that is looked at, in bytes; servers cut a request at 8 or 16 KiB.
pub const LINE_BYTES_MAX: usize = 64 << 10;

const BUFFER_BYTES: usize = 128 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// It cannot be opened.
    #[error("the log {} cannot be opened: {source}; check its name and that you may read it", .path.display())]
    Open {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading stopped in its middle.
    #[error("reading the log {} failed: {source}; copy it to a local disk and try again", .path.display())]
    Read {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It begins like gzip and is damaged or cut off.
    #[error("the log {} is damaged or incomplete gzip ({source}); fetch it again, or unpack what can be saved: gzip -dc FILE | sessile replay - ...", .path.display())]
    Gzip {
        /// The log.
        path: PathBuf,
        /// What the decoder said.
        source: io::Error,
    },
    /// It has no line.
    #[error("the log {} is empty; name one with requests in it", .0.display())]
    Empty(PathBuf),
    /// None of its lines is a request.
    #[error("no line of {} ({lines} in all) is in Common or Combined Log Format; name the access log of a web server, plain or gzip", .path.display())]
    NoRequests {
        /// The log.
        path: PathBuf,
        /// How many lines it has.
        lines: u64,
    },
    /// More visitors than can be numbered.
    #[error("the log {} has more than 4 billion visitors; replay a shorter one", .0.display())]
    TooManyVisitors(PathBuf),
}

/// One request: when, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub at_ms: u64,
    /// The visitor's place in [`Traffic::visitors`].
    pub visitor: u32,
}

/// The id of a visitor's session: a digest of address and agent.
pub(super) type VisitorId = [u8; 32];

/// A log, read and sorted.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub requests: Vec<Request>,
    pub visitors: Vec<VisitorId>,
    /// The numbers of the lines that do not parse, from 1.
    pub skipped: Vec<u64>,
    pub lines: u64,
}

impl Traffic {
    /// Reads a log, `-` for standard input; `progress` hears how many bytes were taken from it.
    pub fn read(path: &Path, progress: impl Fn(u64)) -> Result<Self, LogError> {
        if path == Path::new("-") {
            return Self::parse(path, Counting { inner: io::stdin().lock(), progress });
        }
        let open = |source| LogError::Open { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(open)?;
        Self::parse(path, Counting { inner: file, progress })
    }

    /// Reads a log from anywhere, plain or gzip by what it begins with.
    pub fn parse(path: &Path, input: impl Read) -> Result<Self, LogError> {
        let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
        let mut head = Vec::with_capacity(GZIP_MAGIC.len());
        let plain = |source| LogError::Read { path: path.to_path_buf(), source };
        // `fill_buf` may give one byte where a pipe is slow.
        input.by_ref().take(2).read_to_end(&mut head).map_err(plain)?;
        let gzip = head == GZIP_MAGIC;
        let input = io::Cursor::new(head).chain(input);
        if !gzip {
            return Reader::default().read(path, input, plain);
        }
        let decoder = BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(input));
        Reader::default().read(path, decoder, |source| match source.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                LogError::Gzip { path: path.to_path_buf(), source }
            }
            _ => plain(source),
        })
    }
}

/// Tells how far reading has come.
struct Counting<R, P> {
    inner: R,
    progress: P,
}

impl<R: Read, P: Fn(u64)> Read for Counting<R, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.progress)(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

#[derive(Default)]
struct Reader {
    traffic: Traffic,
    numbers: HashMap<VisitorId, u32>,
}

impl Reader {
    fn read(
        mut self,
        path: &Path,
        mut input: impl BufRead,
        failed: impl Fn(io::Error) -> LogError,
    ) -> Result<Traffic, LogError> {
        let mut line = Vec::new();
        while next_line(&mut input, &mut line).map_err(&failed)? {
            self.take(&line).ok_or_else(|| LogError::TooManyVisitors(path.to_path_buf()))?;
        }
        let mut traffic = self.traffic;
        match (traffic.lines, traffic.requests.is_empty()) {
            (0, _) => Err(LogError::Empty(path.to_path_buf())),
            (lines, true) => Err(LogError::NoRequests { path: path.to_path_buf(), lines }),
            _ => {
                traffic.requests.sort_by_key(|request| request.at_ms);
                Ok(traffic)
            }
        }
    }

    /// Takes one line; `None` when visitors have run out of numbers.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let traffic = &mut self.traffic;
        traffic.lines += 1;
        let parsed = if line.len() > LINE_BYTES_MAX { None } else { log::parse(line) };
        let Some(entry) = parsed else {
            traffic.skipped.push(traffic.lines);
            return Some(());
        };
        let id = visitor_id(entry.address, entry.agent);
        let visitor = match self.numbers.entry(id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let number = u32::try_from(traffic.visitors.len()).ok()?;
                traffic.visitors.push(id);
                *new.insert(number)
            }
        };
        traffic.requests.push(Request { at_ms: entry.at_ms, visitor });
        Some(())
    }
}

/// Reads the next line without its `\n`; of a line that is too long, one byte more than is allowed. `false` at the end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut some = false;
    loop {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(some);
        }
        some = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
        let room = (LINE_BYTES_MAX + 1).saturating_sub(line.len());
        line.extend(part.iter().take(room));
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Neither an address nor an agent can hold a zero byte that would make two visitors one: the length stands first.
fn visitor_id(address: &[u8], agent: &[u8]) -> VisitorId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&u64::try_from(address.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.update(address).update(agent);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn line(address: &str, second: u32, agent: &str) -> String {
        format!("{address} - - [17/May/2015:10:05:{second:02} +0000] \"GET /\" 200 1 \"-\" \"{agent}\"\n")
    }

    fn traffic(bytes: &[u8]) -> Result<Traffic, LogError> {
        Traffic::parse(Path::new("log"), bytes)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn requests_are_sorted_by_time_and_ties_keep_their_order() {
        let log = [line("a", 5, "x"), line("b", 3, "x"), line("c", 5, "x"), line("a", 3, "x")].concat();
        let traffic = traffic(log.as_bytes()).unwrap();
        let order: Vec<u32> = traffic.requests.iter().map(|request| request.visitor).collect();
        assert_eq!(order, [1, 0, 0, 2]);
        assert_eq!(traffic.visitors.len(), 3);
    }

    #[test]
    fn a_visitor_is_an_address_with_an_agent() {
        let log = [line("a", 1, "x"), line("a", 2, "y"), line("ax", 3, ""), line("a", 4, "x")].concat();
        assert_eq!(traffic(log.as_bytes()).unwrap().visitors.len(), 3);
    }

    #[test]
    fn damaged_lines_are_counted_by_number() {
        let long = line("a", 4, &"x".repeat(LINE_BYTES_MAX));
        let log = [&line("a", 1, "x"), "\n", &line("a", 2, "x"), "\0\u{fffd}\n", &long, &line("a", 3, "x")]
            .concat();
        let traffic = traffic(log.trim_end().as_bytes()).unwrap();
        assert_eq!((traffic.skipped, traffic.lines, traffic.requests.len()), (vec![2, 4, 5], 6, 3));
    }

    #[test]
    fn gzip_in_one_or_more_members_is_unpacked() {
        let (one, two) = (line("a", 1, "x"), line("b", 2, "x"));
        let packed = [gzip(one.as_bytes()), gzip(two.as_bytes())].concat();
        assert_eq!(traffic(&packed).unwrap().requests.len(), 2);
    }

    #[test]
    fn what_is_no_log_is_a_typed_error() {
        assert!(matches!(traffic(b""), Err(LogError::Empty(_))));
        assert!(matches!(traffic(&gzip(b"")), Err(LogError::Empty(_))));
        assert!(matches!(traffic(b"\x7fELF\0\n\n\xff"), Err(LogError::NoRequests { lines: 3, .. })));
        let packed = gzip(line("a", 1, "x").repeat(1000).as_bytes());
        assert!(matches!(traffic(&packed[..packed.len() / 2]), Err(LogError::Gzip { .. })));
        assert!(matches!(traffic(&GZIP_MAGIC), Err(LogError::Gzip { .. })));
        let mut flipped = packed;
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0xff;
        assert!(matches!(traffic(&flipped), Err(LogError::Gzip { .. })));
        assert!(matches!(Traffic::read(Path::new("/nonexistent/log"), |_| ()), Err(LogError::Open { .. })));
        assert!(matches!(Traffic::read(Path::new("/"), |_| ()), Err(LogError::Read { .. })));
    }

    proptest! {
        #[test]
        fn no_input_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..2000), packed: bool) {
            if packed {
                bytes.splice(..0, [0x1f, 0x8b, 8, 0]);
            }
            let _ = traffic(&bytes);
        }
    }
}
