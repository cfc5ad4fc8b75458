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
    /// While the clock was being set back it was wrong once more, and was believed. The later time stays. See
    /// [`Store::set_clock_back`](crate::Store::set_clock_back).
    ClockUnsteady,
    /// The file system has no room for what opening the store must write. Nothing is lost, and nothing was begun.
    FullAtOpening(PathBuf),
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
    /// The directory is a backup: what was ended after it was made would be back. It is
    /// [restored](crate::Options::restore) to another directory, or opened for reading only.
    IsBackup(PathBuf),
    /// A restore to the directory was begun and not finished: there is no store yet.
    RestoreUnfinished(PathBuf),
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
    /// The store is encrypted with a key that was not given.
    KeyMissing {
        /// The key's name.
        name: String,
    },
    /// A key has the name that the store asks for, and does not open what that key has sealed.
    KeyWrong {
        /// The key's name.
        name: String,
    },
    /// Keys were given for a store that is not encrypted.
    KeysForPlain,
    /// The store is being encrypted, and that was interrupted.
    KeysUnfinished,
    /// A store was to be encrypted that is encrypted already.
    EncryptedAlready,
    /// The store is encrypted, and this program was built without the feature `encryption`.
    KeysUnsupported {
        /// The name of the key that would be needed.
        name: String,
    },
    /// A key ring cannot be read.
    KeysUnreadable {
        /// Where it was to come from.
        from: Arc<str>,
        /// What is wrong there.
        what: Arc<str>,
    },
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
            Self::Unknown(unknown) => unknown.fmt(out),
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
            Self::Full(full) => full.fmt(out),
            Self::FullAtOpening(path) => write!(
                out,
                "the file system of {} has no room for opening the store there; free some space and open it again; \
                 Options::read_only looks at it meanwhile",
                path.display()
            ),
            Self::ClockUnconfirmed => out.write_str(
                "that session is past its deadline only by a clock that has jumped; wait until the clock is confirmed \
                 or call confirm_clock",
            ),
            Self::ClockUnsteady => out.write_str(
                "the machine's clock was ahead once more while it was being set back, so the later time stays; \
                 see to it that one thing alone sets that clock, and ask again",
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
                "{} is damaged at byte {}: {}; restore a backup{}",
                damage.file,
                damage.offset,
                damage.what,
                // Without a header there is nothing that salvage could begin with.
                if damage.file == "STORE" { "" } else { ", or open with Recovery::Salvage" }
            ),
            Self::Locked(holder) => holder.fmt(out),
            Self::NotAStore(path) => write!(
                out,
                "{} is neither empty nor a session store; give the store a directory of its own",
                path.display()
            ),
            Self::NewerFormat { found, newest_known } if found <= newest_known => write!(
                out,
                "the store has format {found} with something in it that this release does not know; use the newer release"
            ),
            Self::IsBackup(path) => write!(
                out,
                "{} is a backup, and what was ended after it was made would be back; restore it to a directory of its own \
                 (sessile restore, Options::restore), or open it with Options::read_only",
                path.display()
            ),
            Self::RestoreUnfinished(path) => write!(
                out,
                "{} is no store yet: a restore or a salvage to it was not finished; run that again, or remove the directory",
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
            Self::KeyMissing { name } => write!(
                out,
                "the store is encrypted and needs the key named {name}, which was not given; give a key ring that has it \
                 (sessile keys shows what each key is still needed for)"
            ),
            Self::KeyWrong { name } => write!(
                out,
                "the key named {name} is not the one that the store was encrypted with; give the right key by that name"
            ),
            Self::KeysForPlain => out.write_str(
                "the store is not encrypted, so it is not opened with keys as if it were; if it never was, encrypt it first \
                 with sessile encrypt, or open it without keys; if it was, another has been put in its place",
            ),
            Self::KeysUnfinished => out.write_str(
                "the store is not encrypted whole, since that was interrupted; run sessile encrypt again, which goes on \
                 (until then it can be read, and written by nobody)",
            ),
            Self::EncryptedAlready => out.write_str(
                "the store is encrypted already; run sessile rekey to bring all of it under the newest key",
            ),
            Self::KeysUnsupported { name } => write!(
                out,
                "the store is encrypted, with the key named {name}, and this program was built without encryption; \
                 build it with the feature `encryption` of sessile"
            ),
            Self::KeysUnreadable { from, what } => write!(out, "no keys can be read from {from}: {what}"),
            Self::Codec(what) => write!(out, "the session's value cannot be decoded: {what}; the session is untouched"),
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Never => "there is no live session of that id; create one",
            Self::Expired => "that session has expired; create a new one",
            Self::Ended => "that session was ended and stays ended; create a new one",
        })
    }
}

impl fmt::Display for Full {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Sessions => {
                "the store holds as many sessions as Options::sessions_max allows and may evict none; \
                 raise the limit or let anonymous sessions be evicted"
            }
            Self::DiskBytes => {
                "the store's files have reached Options::disk_bytes_max; raise it, or let maintenance reclaim dead records"
            }
            Self::FileSystem => {
                "the file system has no room for another segment; free some space, endings still work"
            }
        })
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
