//! What can go wrong: each a sentence that says what to do, and an exit code.
//!
//! Invariant: no variant carries an id or a subject.

use std::io;
use std::path::{Path, PathBuf};

use sessile::{Full, Holder};
use sessile_control::{HeldBy, Kind, Refused, Unheard};

use crate::output::moment;
use crate::replay::LogError;

/// The exit code for a wrong command line.
pub(crate) const USAGE: u8 = 2;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("there is no live session of that {0}: it never was, it has expired or it was ended")]
    NotFound(&'static str),
    #[error("{}", locked(.0))]
    Locked(Holder),
    #[error("{} is damaged: {what}; restore a backup{}", .dir.display(), or_salvage(.what))]
    Damaged { dir: PathBuf, what: String },
    #[error("{} is damaged in {places}, as listed; restore a backup, or see with `sessile salvage` what can be kept", .dir.display())]
    DamageFound { dir: PathBuf, places: String },
    // The name is not repeated: who forgets the directory may have put an id in its place.
    #[error("there is no directory of that name; name the one that the server opens")]
    NoDirectory,
    #[error("{} holds no session store; name the directory that the server opens", .0.display())]
    NotAStore(PathBuf),
    // The sentence names the directory.
    #[error("{0}")]
    NoStoreYet(sessile::Error),
    #[error("{0}")]
    Choice(String),
    #[error("{}: {source}", .dir.display())]
    NewerFormat { dir: PathBuf, source: sessile::Error },
    #[error(
        "{} lies on {kind}, where locks and syncs cannot be relied on; run this on the machine whose disk it is",
        .dir.display()
    )]
    Network { dir: PathBuf, kind: String },
    #[error("{}: {}", .dir.display(), full(*.which))]
    Full { dir: PathBuf, which: Full },
    #[error(
        "{} belongs to user {owner} and you are user {user}: files that you write there could lock the server out; \
         run this as its owner: sudo -u '#{owner}' sessile ...", .dir.display()
    )]
    NotOwner { dir: PathBuf, owner: u32, user: u32 },
    #[error("{doing} is not permitted: {source}; run this as the user that the server runs as")]
    NotPermitted { doing: String, source: io::Error },
    #[error("{0}")]
    Input(String),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}")]
    Moving(sessile_porting::Error),
    #[error("{0} could not be moved, as listed; without --strict that is no failure")]
    Skipped(String),
    #[error(
        "of the old store's sessions {missing} are not in the new one, {different} have other data and {longer} end later; \
         if the old store was in use meanwhile, stop its server and run this again with --again"
    )]
    Unsound { missing: u64, different: u64, longer: u64 },
    #[error("{} is not empty; name a new or empty directory", .0.display())]
    Occupied(PathBuf),
    #[error("{0}")]
    Keys(sessile::Error),
    #[error(
        "{} is encrypted, and this needs its keys: {source}; say where they are, as in SESSILE_KEYS=file:/etc/sessile/keys",
        .dir.display()
    )]
    KeysNeeded { dir: PathBuf, source: sessile::Error },
    #[error("{}: {source}", .dir.display())]
    Store { dir: PathBuf, source: sessile::Error },
    #[error(transparent)]
    Home(sessile_backends::Error),
    #[error("{} failed, as listed", crate::output::counted(*.0, "request"))]
    Calls(u64),
    #[error("interrupted before anything could be said")]
    Interrupted,
    #[error("{}: {refused}", .dir.display())]
    Refused { dir: PathBuf, refused: Refused },
    #[error("{0}")]
    Unheard(Unheard),
    #[error("{doing} failed: {source}")]
    Io { doing: String, source: io::Error },
    #[error("writing to standard output failed: {0}")]
    Output(io::Error),
}

impl Failure {
    /// What the store in `dir` answered.
    pub fn store(dir: &Path, error: sessile::Error) -> Self {
        let dir = dir.to_path_buf();
        match error {
            sessile::Error::Locked(mut holder) => {
                if holder.directory.as_os_str().is_empty() {
                    holder.directory = dir;
                }
                Self::Locked(holder)
            }
            sessile::Error::Corrupt(damage) => Self::Damaged {
                dir,
                what: format!("{} at byte {}: {}", damage.file, damage.offset, damage.what),
            },
            sessile::Error::NotAStore(_) => Self::NotAStore(dir),
            error @ (sessile::Error::IsBackup(_) | sessile::Error::RestoreUnfinished(_)) => {
                Self::NoStoreYet(error)
            }
            source @ sessile::Error::NewerFormat { .. } => Self::NewerFormat { dir, source },
            sessile::Error::NetworkFileSystem { kind } => Self::Network { dir, kind },
            sessile::Error::Full(which) => Self::Full { dir, which },
            sessile::Error::FullAtOpening(dir) => Self::Full { dir, which: Full::FileSystem },
            sessile::Error::Invalid(what) => Self::Input(what),
            sessile::Error::Unknown(_) => Self::NotFound("id"),
            sessile::Error::Io { doing, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::NotPermitted { doing: doing.to_string(), source: copy(&source) }
            }
            source @ (sessile::Error::KeyMissing { .. } | sessile::Error::KeyWrong { .. }) => {
                Self::KeysNeeded { dir, source }
            }
            source => Self::Store { dir, source },
        }
    }

    /// What keeps sessions from being moved.
    pub fn moving(error: sessile_porting::Error) -> Self {
        use sessile_porting::Error;
        match error {
            Error::Store { dir, source } => Self::store(&dir, source),
            Error::Address(_) | Error::LeftOut { .. } => Self::Usage(error.to_string()),
            Error::Output(source) => Self::Output(source),
            Error::File { doing, path, source } => Self::io(format!("{doing} {}", path.display()), source),
            error => Self::Moving(error),
        }
    }

    /// What the store in `dir` answered to a request.
    pub fn refused(dir: &Path, refused: Refused) -> Self {
        let dir = dir.to_path_buf();
        match (refused.kind, refused.place) {
            (Kind::Damaged, Some(place)) => Self::Damaged {
                dir,
                what: format!("{} at byte {}: {}", place.file, place.offset, place.what),
            },
            (Kind::Invalid, _) => Self::Input(refused.says),
            (_, place) => Self::Refused { dir, refused: Refused { place, ..refused } },
        }
    }

    /// The failure of a call to the system.
    pub fn io(doing: impl Into<String>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted { doing: doing.into(), source },
            _ => Self::Io { doing: doing.into(), source },
        }
    }

    /// The exit code; the list stands at the top of the crate and in `sessile --help`.
    pub fn code(&self) -> u8 {
        match self {
            Self::Store { .. }
            | Self::Full { .. }
            | Self::Io { .. }
            | Self::Output(_)
            | Self::Unsound { .. } => 1,
            Self::Moving(sessile_porting::Error::Server { .. }) => 1,
            Self::Home(error) => home(error),
            Self::Calls(_) | Self::Interrupted => 1,
            Self::Usage(_) => USAGE,
            Self::NotFound(_) => 3,
            Self::Locked(_) => 4,
            Self::Refused { refused, .. } => match refused.kind {
                Kind::Version => 6,
                Kind::NotPermitted => 7,
                Kind::Busy => 4,
                _ => 1,
            },
            Self::Unheard(Unheard::Version { .. }) => 6,
            Self::Unheard(_) => 1,
            Self::Damaged { .. } | Self::DamageFound { .. } => 5,
            Self::NoDirectory
            | Self::NotAStore(_)
            | Self::NoStoreYet(_)
            | Self::NewerFormat { .. }
            | Self::Network { .. } => 6,
            Self::NotOwner { .. } | Self::NotPermitted { .. } => 7,
            Self::Keys(_) | Self::KeysNeeded { .. } => 8,
            Self::Input(_) | Self::Log(_) | Self::Occupied(_) | Self::Moving(_) | Self::Skipped(_) => 8,
            Self::Choice(_) => 9,
        }
    }

    /// Whether the reader of standard output has gone away.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The exit code for what a home answered.
fn home(error: &sessile_backends::Error) -> u8 {
    use sessile_backends::Error;
    match error {
        Error::Address(_) | Error::Store(sessile::Error::Invalid(_)) => USAGE,
        Error::Occupied { .. } => 8,
        _ => 1,
    }
}

fn copy(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

/// Without a header salvage has nothing to begin with.
fn or_salvage(what: &str) -> &'static str {
    if what.starts_with("STORE ") { "" } else { ", or see with `sessile salvage` what can be kept" }
}

fn full(which: Full) -> &'static str {
    match which {
        Full::Sessions => {
            "more sessions are live at once than an eighth of this machine's memory can hold; \
             use a larger machine, or a shorter idle time"
        }
        _ => "its disk has no room for more; free some, or name a directory on a larger disk",
    }
}

fn locked(holder: &Holder) -> String {
    format!(
        "{} is held by {}, which does not do this for operators; stop it and try again, or wait for it with --wait 30s (what \
         can be done while it runs, it does where it serves them: sessile_control::Control::serve, or `control: true` of \
         connect-sessile)",
        holder.directory.display(),
        describe(&holder.clone().into())
    )
}

/// Who holds a store, in words.
pub(crate) fn describe(by: &HeldBy) -> String {
    let mut words = by.pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    if let Some(host) = &by.host {
        words.push_str(" on ");
        words.push_str(host);
    }
    if let Some(since_ms) = by.since_ms {
        words.push_str(" since ");
        words.push_str(&moment(since_ms));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named() {
        let mut holder = Holder::default();
        let described = |holder: &Holder| describe(&holder.clone().into());
        assert_eq!(described(&holder), "another process");
        (holder.pid, holder.host, holder.since_ms) = (Some(7), Some("web1".into()), Some(0));
        assert_eq!(described(&holder), "process 7 on web1 since 1970-01-01T00:00:00Z");
        holder.directory = "/data".into();
        let failure = Failure::store(Path::new("/data"), sessile::Error::Locked(holder));
        assert_eq!(failure.code(), 4);
        assert!(failure.to_string().starts_with("/data is held by process 7 on web1"), "{failure}");
    }

    #[test]
    fn permission_has_its_own_code() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(Failure::io("reading x", denied()).code(), 7);
        assert_eq!(Failure::io("reading x", io::ErrorKind::Other.into()).code(), 1);
    }
}
