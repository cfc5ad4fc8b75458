//! What a child tells: one line a time, each written by one call, so that a killed process leaves whole lines.
//!
//! The line of an intention is in the pipe before the call begins, and that of its outcome after the call has returned. So
//! if an outcome stands before an intention, the one call had ended before the other began, whatever threads they ran in.

use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Sets a child's lines apart from what a test harness prints.
const MARK: &str = "@ ";

/// How a session is written: its data (see [`data`]), its idle lifetime, its subject, and what the call waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    pub tag: String,
    pub bytes: usize,
    pub idle_ms: u64,
    pub subject: String,
    pub synced: bool,
}

/// A call that changes or reads the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    Create(String, Put),
    Update(String, Put),
    Set(String, Put),
    Touch(String, u64),
    Rotate(String, String, Option<Put>),
    Destroy(String),
    DestroySubject(String),
    Get(String),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done,
    Duplicate,
    Unknown,
    Count(u64),
    /// The data that was read, as [`short`] gives it.
    Data(String),
    Nothing,
    /// No room for it: nothing has happened.
    Full,
    /// An ending that holds in memory only, for want of room.
    Undurable,
    /// The store takes no more writes.
    Latched,
    /// Any other error, in full.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Opening,
    /// A session that was found, as it is after opening.
    Found {
        id: String,
        data: String,
        deadline_ms: u64,
    },
    /// All that was found has been told, and the ways of looking at it agree; looked at from when to when.
    Looked {
        from_ms: u64,
        to_ms: u64,
    },
    Try {
        thread: usize,
        at_ms: u64,
        op: Op,
    },
    Did {
        thread: usize,
        at_ms: u64,
        outcome: Outcome,
    },
    Compacting,
    /// So many segments were rewritten or removed.
    Compacted(u64),
    /// The observer heard of this.
    Event(String),
    Closing,
    Closed,
    /// The child itself saw something that must not be.
    Violation(String),
}

/// Tells the supervisor. Who cannot be heard any more has nothing more to do.
pub fn tell(line: &Line) {
    let text = format!("{MARK}{line}\n");
    assert!(text.len() <= 4096, "a longer line could be torn");
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(3);
    }
}

/// The line in what a child printed, if it is one.
pub fn parse(printed: &str) -> Option<Line> {
    let whole = printed.strip_suffix('\n')?;
    whole.strip_prefix(MARK)?.parse().ok()
}

pub fn wall_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The data of a version: what it is, over and over, so that every byte of it is known.
pub fn data(id: &str, tag: &str, bytes: usize) -> Vec<u8> {
    let head = format!("{id},{tag},{bytes};");
    head.bytes().cycle().take(bytes.max(head.len())).collect()
}

/// Reads [`data`] back: the id that it was written under, and what it is in short; `None` when a byte is wrong.
pub fn short(found: &[u8]) -> Option<(String, String)> {
    let head = found.split(|byte| *byte == b';').next()?;
    let text = std::str::from_utf8(head).ok()?;
    let mut parts = text.split(',');
    let (id, tag, bytes) = (parts.next()?, parts.next()?, parts.next()?);
    (data(id, tag, bytes.parse().ok()?) == found).then(|| (id.to_owned(), text.to_owned()))
}

impl Put {
    pub fn data(&self, id: &str) -> Vec<u8> {
        data(id, &self.tag, self.bytes)
    }

    pub fn short(&self, id: &str) -> String {
        format!("{id},{},{}", self.tag, self.bytes)
    }
}

impl fmt::Display for Put {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {} {} {}", self.tag, self.bytes, self.idle_ms, self.subject, self.synced)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(id, put) => write!(out, "create {id} {put}"),
            Self::Update(id, put) => write!(out, "update {id} {put}"),
            Self::Set(id, put) => write!(out, "set {id} {put}"),
            Self::Touch(id, idle_ms) => write!(out, "touch {id} {idle_ms}"),
            Self::Rotate(old, new, None) => write!(out, "rotate {old} {new}"),
            Self::Rotate(old, new, Some(put)) => write!(out, "rotate {old} {new} {put}"),
            Self::Destroy(id) => write!(out, "destroy {id}"),
            Self::DestroySubject(subject) => write!(out, "revoke {subject}"),
            Self::Get(id) => write!(out, "get {id}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => out.write_str("done"),
            Self::Duplicate => out.write_str("duplicate"),
            Self::Unknown => out.write_str("unknown"),
            Self::Count(count) => write!(out, "count {count}"),
            Self::Data(data) => write!(out, "data {data}"),
            Self::Nothing => out.write_str("nothing"),
            Self::Full => out.write_str("full"),
            Self::Undurable => out.write_str("undurable"),
            Self::Latched => out.write_str("latched"),
            Self::Failed(why) => write!(out, "failed {}", why.replace('\n', " ")),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => out.write_str("opening"),
            Self::Found { id, data, deadline_ms } => write!(out, "found {id} {data} {deadline_ms}"),
            Self::Looked { from_ms, to_ms } => write!(out, "looked {from_ms} {to_ms}"),
            Self::Try { thread, at_ms, op } => write!(out, "try {thread} {at_ms} {op}"),
            Self::Did { thread, at_ms, outcome } => write!(out, "did {thread} {at_ms} {outcome}"),
            Self::Compacting => out.write_str("compacting"),
            Self::Compacted(count) => write!(out, "compacted {count}"),
            Self::Event(event) => write!(out, "event {}", event.replace('\n', " ")),
            Self::Closing => out.write_str("closing"),
            Self::Closed => out.write_str("closed"),
            Self::Violation(what) => write!(out, "violation {}", what.replace('\n', " ")),
        }
    }
}

/// The words of a line, one after the other.
struct Words<'l>(std::str::SplitN<'l, char>);

impl Words<'_> {
    fn word<T: FromStr>(&mut self) -> Result<T, ()> {
        self.0.next().ok_or(())?.parse().map_err(drop)
    }
}

fn words(text: &str, count: usize) -> Words<'_> {
    Words(text.splitn(count, ' '))
}

impl FromStr for Put {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = words(text, 5);
        let (tag, bytes, idle_ms) = (words.word()?, words.word()?, words.word()?);
        Ok(Self { tag, bytes, idle_ms, subject: words.word()?, synced: words.word()? })
    }
}

impl FromStr for Op {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, rest) = text.split_once(' ').ok_or(())?;
        let mut two = words(rest, 2);
        Ok(match name {
            "create" => Self::Create(two.word()?, two.word()?),
            "update" => Self::Update(two.word()?, two.word()?),
            "set" => Self::Set(two.word()?, two.word()?),
            "touch" => Self::Touch(two.word()?, two.word()?),
            "rotate" => {
                let mut three = words(rest, 3);
                Self::Rotate(three.word()?, three.word()?, three.0.next().map(str::parse).transpose()?)
            }
            "destroy" => Self::Destroy(two.word()?),
            "revoke" => Self::DestroySubject(two.word()?),
            "get" => Self::Get(two.word()?),
            _ => return Err(()),
        })
    }
}

impl FromStr for Outcome {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match name {
            "done" => Self::Done,
            "duplicate" => Self::Duplicate,
            "unknown" => Self::Unknown,
            "count" => Self::Count(rest.parse().map_err(drop)?),
            "data" => Self::Data(rest.to_owned()),
            "nothing" => Self::Nothing,
            "full" => Self::Full,
            "undurable" => Self::Undurable,
            "latched" => Self::Latched,
            "failed" => Self::Failed(rest.to_owned()),
            _ => return Err(()),
        })
    }
}

impl FromStr for Line {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut three = words(rest, 3);
        Ok(match name {
            "opening" => Self::Opening,
            "found" => Self::Found { id: three.word()?, data: three.word()?, deadline_ms: three.word()? },
            "looked" => Self::Looked { from_ms: three.word()?, to_ms: three.word()? },
            "try" => Self::Try { thread: three.word()?, at_ms: three.word()?, op: three.word()? },
            "did" => Self::Did { thread: three.word()?, at_ms: three.word()?, outcome: three.word()? },
            "compacting" => Self::Compacting,
            "compacted" => Self::Compacted(rest.parse().map_err(drop)?),
            "event" => Self::Event(rest.to_owned()),
            "closing" => Self::Closing,
            "closed" => Self::Closed,
            "violation" => Self::Violation(rest.to_owned()),
            _ => return Err(()),
        })
    }
}
