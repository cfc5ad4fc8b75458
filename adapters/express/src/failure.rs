//! Failures: errors as JavaScript sees them, each with a `code` and a sentence that names JavaScript's options.
//!
//! Owns: the codes, which are part of the contract. None is ever `ENOENT`: express-session takes that for "no such session".
//! No sentence carries an id or anything of a session.

use napi_derive::napi;
use sessile::{Error, Full, Holder, Unknown};

/// What went wrong.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which kind of error.
    pub code: String,
    /// What happened, and what to do.
    pub message: String,
}

/// The same, to be thrown: JavaScript finds the code in `code`.
pub type Thrown = napi::Error<String>;

impl Failure {
    /// A failure of this kind.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }

    /// What Node.js itself refused.
    pub fn of_node(error: &napi::Error) -> Self {
        Self::new("ERR_SESSILE", error.to_string())
    }

    /// Why a store could not be opened.
    pub fn of_opening(error: Error, lock_wait_ms: f64) -> Self {
        match error {
            Error::Locked(holder) => Self::new("ERR_SESSILE_LOCKED", locked(&holder, lock_wait_ms)),
            error => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(code(&error), message(&error))
    }
}

impl From<Failure> for Thrown {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code, failure.message)
    }
}

fn code(error: &Error) -> &'static str {
    match error {
        Error::Unknown(Unknown::Expired) => "ERR_SESSILE_EXPIRED",
        Error::Unknown(Unknown::Ended) => "ERR_SESSILE_ENDED",
        Error::Unknown(_) => "ERR_SESSILE_UNKNOWN",
        Error::Duplicate => "ERR_SESSILE_DUPLICATE",
        Error::Conflict { .. } => "ERR_SESSILE_CONFLICT",
        Error::Invalid(_) => "ERR_SESSILE_INVALID",
        Error::TooLarge { .. } => "ERR_SESSILE_TOO_LARGE",
        Error::Full(_) | Error::FullAtOpening(_) => "ERR_SESSILE_FULL",
        Error::ClockUnconfirmed => "ERR_SESSILE_CLOCK",
        Error::Closed => "ERR_SESSILE_CLOSED",
        Error::Latched { .. } => "ERR_SESSILE_LATCHED",
        Error::Io { .. } => "ERR_SESSILE_IO",
        Error::Corrupt(_) => "ERR_SESSILE_CORRUPT",
        Error::Locked(_) => "ERR_SESSILE_LOCKED",
        Error::NotAStore(_) => "ERR_SESSILE_NOT_A_STORE",
        Error::IsBackup(_) => "ERR_SESSILE_IS_BACKUP",
        Error::RestoreUnfinished(_) => "ERR_SESSILE_RESTORE_UNFINISHED",
        Error::NewerFormat { .. } => "ERR_SESSILE_NEWER_FORMAT",
        Error::NetworkFileSystem { .. } => "ERR_SESSILE_NETWORK_FILE_SYSTEM",
        Error::ReadOnly => "ERR_SESSILE_READ_ONLY",
        Error::KeyMissing { .. }
        | Error::KeyWrong { .. }
        | Error::KeysForPlain
        | Error::KeysUnfinished
        | Error::KeysUnreadable { .. } => "ERR_SESSILE_KEYS",
        _ => "ERR_SESSILE",
    }
}

/// The engine's own sentence, but where it names what only Rust has.
fn message(error: &Error) -> String {
    match error {
        Error::TooLarge { bytes, bytes_max } => format!(
            "the session has {bytes} bytes as JSON and the store allows {bytes_max}; \
             keep less in the session or raise the option sessionBytesMax"
        ),
        Error::Full(Full::Sessions) => {
            "the store holds as many sessions as the option sessionsMax allows and may evict none; raise it".to_owned()
        }
        Error::Full(Full::DiskBytes) => {
            "the store's files have reached the option diskBytesMax; raise it, or let maintenance reclaim dead records"
                .to_owned()
        }
        Error::FullAtOpening(path) => format!(
            "the file system of {} has no room for opening the store there; free some space and start again",
            path.display()
        ),
        Error::Corrupt(damage) if damage.file != "STORE" => format!(
            "{} is damaged at byte {}: {}; restore a backup, or open with the option recovery: 'salvage'",
            damage.file, damage.offset, damage.what
        ),
        Error::IsBackup(path) => format!(
            "{} is a backup, and what was ended after it was made would be back; restore it to a directory of its own \
             (restore, or the command: sessile restore)",
            path.display()
        ),
        Error::NetworkFileSystem { kind } => {
            format!("the directory lies on {kind}, where locks and syncs cannot be relied on; use a local disk")
        }
        Error::ClockUnconfirmed => "that session is past its end only by a clock that has jumped; it is back, or over, when the \
             clock has been steady for ten minutes"
            .to_owned(),
        Error::Closed => "the store is closed; make a new SessileStore".to_owned(),
        error => error.to_string(),
    }
}

fn locked(holder: &Holder, lock_wait_ms: f64) -> String {
    let process = holder.pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    let host = holder.host.as_ref().map_or_else(String::new, |host| format!(" on {host}"));
    format!(
        "{} is held by {process}{host}, and was not let go within {lock_wait_ms} ms (the option lockWait). \
         One directory serves one process: stop the other one, or run a single one (no node:cluster; with PM2, \
         `instances: 1` and `exec_mode: 'fork'`)",
        holder.directory.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_store_names_its_holder_and_what_to_do() {
        let mut holder = Holder::default();
        (holder.directory, holder.pid, holder.host) = ("/srv/s".into(), Some(41), Some("box".to_owned()));
        let failure = Failure::of_opening(Error::Locked(holder), 30_000.0);
        assert_eq!(failure.code, "ERR_SESSILE_LOCKED");
        for said in ["/srv/s", "process 41", "box", "30000 ms", "lockWait", "cluster"] {
            assert!(failure.message.contains(said), "{said}: {}", failure.message);
        }
    }

    #[test]
    fn no_code_is_what_express_session_takes_for_no_such_session() {
        assert_eq!(code(&Error::Closed), "ERR_SESSILE_CLOSED");
        assert!(code(&Error::Unknown(Unknown::Ended)).starts_with("ERR_SESSILE_"));
    }
}
