//! FROM and TO: a format, a place, and what is said about it: `connect-sqlite3:./sessions.db?table=user_sessions`.
//!
//! Owns: [`Address`]. Invariants:
//! 1. The format is the name of the package whose sessions are meant.
//! 2. A place can hold a password. It is never repeated, neither in an error nor by `Debug`; the format is.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use crate::error::{Error, Result};

/// Where sessions come from or go to.
///
/// ```
/// use sessile_porting::Address;
/// let from: Address = "connect-pg-simple:postgres://app:secret@db/app?table=user_sessions".parse()?;
/// assert_eq!(from.to_string(), "connect-pg-simple");
/// assert!("my-own-store:./x".parse::<Address>().is_err());
/// # Ok::<(), sessile_porting::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// What the sessions are written as.
    pub format: Format,
    place: String,
    words: BTreeMap<String, String>,
    whole: String,
}

macro_rules! formats {
    ($($variant:ident $name:literal $about:literal,)*) => {
        /// What sessions are written as.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Format { $(#[doc = $about] $variant,)* }

        impl Format {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in an address.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

formats! {
    ConnectSqlite3 "connect-sqlite3" "A file of connect-sqlite3.",
    BetterSqlite3 "better-sqlite3-session-store" "A file of better-sqlite3-session-store.",
    ConnectPgSimple "connect-pg-simple" "A table of connect-pg-simple.",
    ConnectRedis "connect-redis" "The keys of connect-redis.",
    ConnectMongo "connect-mongo" "A collection of connect-mongo, as mongoexport writes it.",
    SessionFileStore "session-file-store" "A folder of session-file-store.",
    TowerSqlx "tower-sessions-sqlx-store" "A table of tower-sessions-sqlx-store, in SQLite or PostgreSQL.",
    Actix "actix-session" "The Redis keys of actix-session.",
    Lines "jsonl" "JSON lines of our own.",
    Store "sessile" "A directory of sessile's.",
    Redis "redis" "A home of sessile's on Redis or Valkey, by any URL that such a home has.",
    Postgres "postgres" "A home of sessile's in PostgreSQL.",
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The format and nothing else.
impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.format.fmt(out)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Address({}, ..)", self.format)
    }
}

impl std::str::FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, rest) = text.split_once(':').unwrap_or(("", text));
        let format = match name {
            "postgresql" => Some(Format::Postgres),
            "rediss" | "redis+unix" | "valkey" | "valkeys" | "valkey+unix" | "redis+cluster"
            | "rediss+cluster" | "redis+sentinel" | "rediss+sentinel" => Some(Format::Redis),
            name => Format::ALL.iter().find(|format| format.name() == name).copied(),
        };
        let format = format.ok_or_else(unknown)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut words = BTreeMap::new();
        for word in query.split('&').filter(|word| !word.is_empty()) {
            let (key, value) = word.split_once('=').ok_or_else(|| {
                Error::address(format!(
                    "{name}: behind the question mark stand words such as table=sessions, joined by &"
                ))
            })?;
            words.insert(decoded(key, format)?, decoded(value, format)?);
        }
        if place.is_empty() {
            return Err(Error::address(format!("{name}: behind the colon stands where the sessions are")));
        }
        Ok(Self { format, place: place.to_owned(), words, whole: text.to_owned() })
    }
}

/// What was written is not repeated: it can be an address that lacks its format, and holds a password.
fn unknown() -> Error {
    let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
    Error::address(format!(
        "an address begins with a format and a colon; the formats are {}",
        names.join(", ")
    ))
}

fn decoded(text: &str, format: Format) -> Result<String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(String::from).map_err(|_| Error::address(format!("{format}: what %XX stands for is no text")))
}

impl Address {
    /// The address from this text, or if it is `env:NAME`, from that variable of the environment: arguments are visible to
    /// every user of a machine, and an address can hold a password.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn from_argument(text: &str) -> Result<Self> {
        let Some(name) = text.strip_prefix("env:") else { return text.parse() };
        match std::env::var(name) {
            Ok(value) => value.parse(),
            Err(_) => Err(Error::address(
                "env: is followed by the name of a variable that holds an address; there is none",
            )),
        }
    }

    /// The store in this directory, whatever characters its name has; who holds it is waited for so long.
    #[must_use]
    pub fn of_store(dir: &Path, wait: Duration) -> Self {
        const SPECIAL: &AsciiSet = &CONTROLS.add(b'%').add(b'?');
        let place = percent_encode(dir.as_os_str().as_bytes(), SPECIAL).to_string();
        // As if the path were a host's, two slashes in front of it would be refused.
        let place = if place.starts_with("//") { format!("/.{place}") } else { place };
        let wait_ms = wait.as_millis();
        let whole = format!("sessile:{place}?lock_wait={wait_ms}ms");
        Self { format: Format::Store, place, words: BTreeMap::new(), whole }
    }

    /// The directory, if it is a store's.
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        let is_store = self.format == Format::Store;
        is_store.then(|| self.store().ok()).flatten().map(|place| place.directory().to_path_buf())
    }

    /// The file or directory.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        decoded(&self.place, self.format).map(PathBuf::from)
    }

    /// The server's URL, with the words that nobody took.
    #[cfg(any(feature = "redis", feature = "postgres"))]
    pub(crate) fn url(&self) -> String {
        let encoded =
            |text: &str| percent_encode(text.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string();
        // Of a home the format is the scheme.
        let place = match self.format {
            Format::Redis | Format::Postgres => self.whole.split('?').next().unwrap_or_default(),
            _ => &self.place,
        };
        let words: Vec<String> =
            self.words.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
        if words.is_empty() { place.to_owned() } else { format!("{place}?{}", words.join("&")) }
    }

    /// Whether its server is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        self.place.starts_with("postgres://") || self.place.starts_with("postgresql://")
    }

    /// Whether its URL names one server of Redis.
    #[cfg(feature = "redis")]
    pub(crate) fn is_one_server(&self) -> bool {
        ["redis:", "rediss:", "redis+unix:", "valkey:", "valkeys:", "valkey+unix:"]
            .iter()
            .any(|scheme| self.whole.starts_with(scheme))
    }

    /// The words that nobody took.
    #[cfg(any(feature = "redis", feature = "postgres"))]
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.keys().map(String::as_str)
    }

    /// The store, whose words are those of its own URL.
    pub(crate) fn store(&self) -> Result<sessile::Place> {
        sessile::Place::parse(&self.whole).map_err(|error| Error::address(error.to_string()))
    }

    /// Whether it is standard input or output.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        self.place == "-"
    }

    /// Takes a word that was said about it.
    pub(crate) fn take(&mut self, word: &str) -> Option<String> {
        self.words.remove(word)
    }

    /// As [`take`](Self::take), or else what is usual.
    pub(crate) fn take_or(&mut self, word: &str, usual: &str) -> String {
        self.take(word).unwrap_or_else(|| usual.to_owned())
    }

    /// Refuses words that nobody took.
    pub(crate) fn taken(&self) -> Result<()> {
        match self.words.keys().next() {
            None => Ok(()),
            // Not repeated, like everything behind the format.
            Some(_) => Err(Error::address(format!(
                "{}: there is a word behind the question mark that this format does not know; docs/moving.md lists those it does",
                self.format
            ))),
        }
    }

    /// Names the address without showing it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        blake3::hash(self.whole.as_bytes()).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn words_are_taken_and_decoded() {
        let mut from = address("connect-sqlite3:./a%3Fb.db?table=user%20sessions&id=sid");
        assert_eq!(from.path().unwrap(), PathBuf::from("./a?b.db"));
        assert_eq!(from.take_or("table", "sessions"), "user sessions");
        assert!(from.taken().is_err());
        assert_eq!(from.take("id").as_deref(), Some("sid"));
        assert!(from.taken().is_ok());
        assert_eq!(from.take_or("data", "sess"), "sess");
    }

    #[test]
    fn a_directory_may_have_any_name() {
        for dir in ["/a?b%41", "//srv/x", "./é", "x"] {
            let place = Address::of_store(Path::new(dir), Duration::from_secs(1)).store().unwrap();
            let same = place.directory().components().eq(Path::new(dir).components());
            assert!(same, "{dir}: {}", place.directory().display());
        }
    }

    #[test]
    fn nothing_of_a_wrong_address_is_repeated() {
        for text in [
            "hunter2",
            "mysql://app:hunter2@db/app",
            "",
            "connect-redis:",
            "connect-redis:redis://x?hunter2",
            "jsonl:x?hunter2=1",
        ] {
            let error = match text.parse::<Address>() {
                Ok(address) => address.taken().unwrap_err(),
                Err(error) => error,
            };
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert!(!format!("{:?}", address("connect-redis:redis://:hunter2@x")).contains("hunter2"));
    }
}
