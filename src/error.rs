//! What can go wrong, and what to do about it: one enum, whose every message is a sentence.
//!
//! Invariant: no variant ever carries an id, a subject or a payload.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::session::Version;

/// The result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. `Display` is a sentence that says what happened, to what, and what to do next.
///
/// ```
/// # use sessile::{Error, Options, Write};
/// # let dir = tempfile::tempdir()?;
/// # let store = Options::new().open(dir.path())?;
/// match store.update("not-there", Write::new("data")) {
///     Err(Error::Unknown(why)) => println!("no such session: {why:?}"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// There is no live session of that id or handle. Never an I/O error.
    Unknown(Unknown),
    /// The id belongs to a live session already.
    Duplicate,
    /// The session has moved on since the version that the caller had read.
    Conflict {
        /// Its version now.
        current: Version,
    },
    /// An argument or option is outside its limits; the text says which and what to change.
    Invalid(String),
    /// The session's data is longer than the store allows.
    TooLarge {
        /// How long it is.
        bytes: u64,
        /// The store's limit, [`Options::session_bytes_max`](crate::Options::session_bytes_max).
        bytes_max: u64,
    },
    /// A limit of the store or the disk is reached, and nothing could be evicted. Endings still work.
    Full(Full),
    /// The deadline of that session has passed only by a clock that has jumped and is not confirmed yet: it can be
    /// neither read nor replaced, only ended. See [`Store::confirm_clock`](crate::Store::confirm_clock).
    ClockUnconfirmed,
    /// The store was closed.
    Closed,
    /// A write or sync failed earlier, so the store takes no more writes; reads go on. Close and open it again.
    Latched {
        /// What failed first.
        cause: Arc<str>,
        /// The operation took effect in memory (an ending does), but may be undone by a crash.
        in_memory: bool,
    },
    /// The file system failed.
    Io {
        /// What was being done, and to which file.
        doing: Arc<str>,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The store's files are damaged at this place.
    Corrupt(Damage),
    /// Another process holds the store.
    Locked(Holder),
    /// The directory holds something, but no store.
    NotAStore(PathBuf),
    /// The store was written by a newer release.
    NewerFormat {
        /// The format it has.
        found: u32,
        /// The newest one that this release reads.
        newest_known: u32,
    },
    /// The directory lies on a network file system, whose locks and syncs cannot be relied on.
    NetworkFileSystem {
        /// Its kind, for example `nfs`.
        kind: String,
    },
    /// The store is open for reading only.
    ReadOnly,
    /// A value of a typed store cannot be decoded; the session itself is untouched.
    Codec(Arc<str>),
}

/// Why an id is unknown, as far as a bounded memory of recent endings can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// Nothing is remembered of it: it never was, or it ended long ago.
    Never,
    /// Its deadline passed.
    Expired,
    /// It was destroyed, rotated away, revoked, cleared or evicted.
    Ended,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Full {
    /// [`Options::sessions_max`](crate::Options::sessions_max).
    Sessions,
    /// [`Options::disk_bytes_max`](crate::Options::disk_bytes_max).
    DiskBytes,
    /// The file system has no room for another segment.
    FileSystem,
}

/// A place where the store's files are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file, by its name in the store's directory.
    pub file: String,
    /// The byte offset in it.
    pub offset: u64,
    /// What is wrong there, and which sessions it can concern.
    pub what: String,
}

/// Who holds a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Holder {
    /// The store's directory.
    pub directory: PathBuf,
    /// The process, where its lock file could be read.
    pub pid: Option<u32>,
    /// The host that process runs on.
    pub host: Option<String>,
    /// When it opened the store, in milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into().into(), source: Arc::new(source) }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }

    pub(crate) fn corrupt(file: impl Into<String>, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt(Damage { file: file.into(), offset, what: what.into() })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(Unknown::Never) => out.write_str("there is no live session of that id; create one"),
            Self::Unknown(Unknown::Expired) => out.write_str("that session has expired; create a new one"),
            Self::Unknown(Unknown::Ended) => out.write_str("that session was ended and stays ended; create a new one"),
            Self::Duplicate => out.write_str("a live session has that id already; generate another id"),
            Self::Conflict { current } => {
                write!(out, "the session has changed since it was read (now version {current}); read it again")
            }
            Self::Invalid(what) => out.write_str(what),
            Self::TooLarge { bytes, bytes_max } => write!(
                out,
                "the session's data has {bytes} bytes and the store allows {bytes_max}; \
                 keep less in the session or raise Options::session_bytes_max"
            ),
            Self::Full(Full::Sessions) => out.write_str(
                "the store holds as many sessions as Options::sessions_max allows and may evict none; \
                 raise the limit or let anonymous sessions be evicted",
            ),
            Self::Full(Full::DiskBytes) => out.write_str(
                "the store's files have reached Options::disk_bytes_max; raise it, or let maintenance reclaim dead records",
            ),
            Self::Full(Full::FileSystem) => {
                out.write_str("the file system has no room for another segment; free some space, endings still work")
            }
            Self::ClockUnconfirmed => out.write_str(
                "that session is past its deadline only by a clock that has jumped; wait until the clock is confirmed \
                 or call confirm_clock",
            ),
            Self::Closed => out.write_str("the store is closed; open it again"),
            Self::Latched { cause, in_memory: false } => {
                write!(out, "the store takes no more writes since this failed: {cause}; check the disk, close and reopen")
            }
            Self::Latched { cause, in_memory: true } => write!(
                out,
                "the session is ended but the ending is not durable, since this failed: {cause}; \
                 check the disk, close and reopen"
            ),
            Self::Io { doing, source } => write!(out, "{doing} failed: {source}{}", remedy(source.kind())),
            Self::Corrupt(damage) => write!(
                out,
                "{} is damaged at byte {}: {}; restore a backup, or open with Recovery::Salvage",
                damage.file, damage.offset, damage.what
            ),
            Self::Locked(holder) => holder.fmt(out),
            Self::NotAStore(path) => write!(
                out,
                "{} is neither empty nor a session store; give the store a directory of its own",
                path.display()
            ),
            Self::NewerFormat { found, newest_known } => write!(
                out,
                "the store has format {found} and this release reads up to {newest_known}; use the newer release"
            ),
            Self::NetworkFileSystem { kind } => write!(
                out,
                "the directory lies on {kind}, where locks and syncs cannot be relied on; \
                 use a local disk or set Options::allow_network_file_system"
            ),
            Self::ReadOnly => out.write_str("the store is open for reading only; open it for writing to change it"),
            Self::Codec(what) => write!(out, "the session's value cannot be decoded: {what}; the session is untouched"),
        }
    }
}

/// What to do about an error of the file system, where that is known.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => "; run as the user who owns the directory",
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount it writable, or open with Options::read_only to look only"
        }
        io::ErrorKind::FileTooLarge => "; raise the limit on the length of files (ulimit -f)",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space",
        io::ErrorKind::NotFound => "; check the path, or let the store be created there",
        _ => "; see what the system's log says of that disk",
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is held by ", self.directory.display())?;
        match self.pid {
            Some(pid) => write!(out, "process {pid}")?,
            None => out.write_str("another process")?,
        }
        if let Some(host) = &self.host {
            write!(out, " on {host}")?;
        }
        if let Some(since_ms) = self.since_ms {
            write!(out, ", open since {since_ms} ms after the Unix epoch")?;
        }
        out.write_str("; stop it, or wait for it with Options::lock_wait")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
