//! Where a store is, as an operator says it: a URL, in the environment or in a file of settings.
//!
//! Owns: [`Place`], and the words a URL can say. Invariant: a place that was parsed names a directory, and settings that
//! [`Options`] takes. A URL of another scheme may hold a password, so none is ever repeated in an error.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::options::{AtLimit, Options, ReadMode, Recovery};
use crate::sealing::KeyRing;
use crate::session::Durability;
use crate::store::Store;

/// The variable of the environment that says where sessions are kept.
const VARIABLE: &str = "SESSION_STORE";
const SCHEME: &str = "sessile";

/// Where a store is and how it is opened, from a URL such as `sessile:./sessions?durability=synced&idle=14d`.
///
/// Behind `sessile:` stands the directory, relative to the working directory of the process or absolute; behind a question
/// mark settings, joined by `&`, with the names and meanings that they have in [`Options`]:
///
/// | setting | value |
/// |---|---|
/// | `durability`, `touch_durability` | `synced` or `written` |
/// | `idle`, `absolute`, `first_lifetime`, `touch_slack`, `sync_interval`, `erase_within`, `lock_wait`, `close_budget`, `clock_confirm`, `clock_jump_max` | a time: `250ms`, `30s`, `15m`, `12h`, `14d` |
/// | `segment_bytes`, `session_bytes_max`, `disk_bytes_max` | bytes: `65536`, `64KiB`, `1MiB`, `2GiB` |
/// | `sessions_max` | a number |
/// | `at_limit` | `reject` or `evict-anonymous` |
/// | `recovery` | `strict` or `salvage` |
/// | `read_mode` | `map` or `plain` |
/// | `keep_ids`, `allow_network_file_system` | `true` or `false` |
/// | `keys` | where the keys of an encrypted store are: `file:/etc/sessile/keys` or `env:SESSILE_KEYS`; read when the URL is |
///
/// A `%` and two hexadecimal digits stand for a byte, so a directory may have a `?` in its name.
///
/// ```
/// use sessile::{Options, Place};
///
/// let place = Place::parse("sessile:./sessions?durability=written&idle=30m")?;
/// assert_eq!(place.directory(), std::path::Path::new("./sessions"));
/// let options = place.options(Options::new()); // what the URL does not say stays as the program has it
/// # let _ = options;
/// # Ok::<(), sessile::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    directory: PathBuf,
    settings: Vec<(&'static Setting, String)>,
    keys: Keys,
}

impl Place {
    /// Reads a URL.
    ///
    /// # Errors
    /// `Invalid`: another scheme, no directory, a setting that is not known or whose value is not one.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        if scheme != SCHEME {
            return Err(Error::invalid(no_scheme_of_ours(scheme)));
        }
        let (directory, query) = rest.split_once('?').unwrap_or((rest, ""));
        // `sessile:///srv/sessions`: an authority that is empty.
        let directory = match directory.strip_prefix("//") {
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) => {
                return Err(Error::invalid(
                    "a store is on this machine: write sessile:/srv/sessions or sessile:./sessions, with no host",
                ));
            }
            None => directory,
        };
        let directory = path(decoded(directory).filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
            Error::invalid("a store's URL names its directory, for example sessile:./sessions")
        })?)?;
        let settings =
            query.split('&').filter(|part| !part.is_empty()).map(setting).collect::<Result<_>>()?;
        let mut place = Self { directory, settings, keys: Keys(None) };
        place.options(Options::new()).validate()?;
        place.keys = Keys(place.setting("keys").map(ring).transpose()?);
        Ok(place)
    }

    /// Reads the URL in the variable `SESSION_STORE` of the environment; `None` where there is none or it is empty.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_env() -> Result<Option<Self>> {
        match std::env::var(VARIABLE) {
            Ok(url) if !url.is_empty() => Self::parse(&url).map(Some).map_err(|error| match error {
                Error::Invalid(what) => Error::invalid(format!("{VARIABLE} in the environment: {what}")),
                error => error,
            }),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Error::invalid(format!("{VARIABLE} in the environment is not text; write bytes as %2F")))
            }
        }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The settings of the URL, and for the rest those of the program.
    #[must_use]
    pub fn options(&self, program: Options) -> Options {
        let say = |options: Options, (setting, value): &(&'static Setting, String)| {
            // What was parsed is understood.
            (setting.say)(options.clone(), value).unwrap_or(options)
        };
        let mut options = self.settings.iter().fold(program, say);
        if let Some(ring) = &self.keys.0 {
            options.keys = Some(Arc::clone(ring));
        }
        options
    }

    /// What the URL says of a setting, for an adapter with a use of its own for it.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(setting, _)| setting.name == name).map(|(_, value)| value.as_str())
    }

    /// The same of a setting that is a time.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Duration> {
        self.setting(name).and_then(time)
    }

    /// Opens the store there.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(&self) -> Result<Store> {
        self.options(Options::new()).open(&self.directory)
    }
}

/// Names a scheme, which no password can be, and nothing behind it.
fn no_scheme_of_ours(scheme: &str) -> String {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_known = scheme.len() <= 32 && !scheme.is_empty() && scheme.bytes().all(is_scheme);
    let found = if is_known {
        format!("this one begins with {scheme}:")
    } else {
        "this one has no scheme".to_owned()
    };
    format!("a store's URL begins with sessile:, as in sessile:./sessions; {found}")
}

/// The keys that a URL has named. Two places are the same by what their URLs say.
#[derive(Debug, Clone)]
struct Keys(Option<Arc<KeyRing>>);

impl PartialEq for Keys {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Keys {}

/// The ring that is at this place. It is read once: what cannot be read must not come to a store without keys.
#[cfg(feature = "encryption")]
fn ring(place: &str) -> Result<Arc<KeyRing>> {
    KeyRing::from_place(place).map(Arc::new)
}

#[cfg(not(feature = "encryption"))]
fn ring(_: &str) -> Result<Arc<KeyRing>> {
    Err(Error::invalid(
        "a store's URL names keys, and this program was built without encryption; build it with the feature `encryption` of \
         sessile",
    ))
}

/// A setting that a URL can say.
struct Setting {
    name: &'static str,
    /// What a value looks like.
    value: &'static str,
    say: fn(Options, &str) -> Option<Options>,
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Setting {}

impl std::fmt::Debug for Setting {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

const TIME: &str = "a time, such as 250ms, 30s, 15m, 12h or 14d";
const BYTES: &str = "a number of bytes, such as 65536, 64KiB, 1MiB or 2GiB";
const YES_OR_NO: &str = "true or false";
const DURABILITY: &str = "synced or written";

const KEYS: Setting = Setting {
    name: "keys",
    value: "file:/path/to/keys or env:VARIABLE",
    // The ring itself is read apart: see `ring`.
    say: |options, text| ["file:", "env:"].iter().any(|from| text.starts_with(from)).then_some(options),
};

macro_rules! settings {
    ($($name:ident: $read:ident, $value:expr;)*) => {
        [KEYS, $(Setting {
            name: stringify!($name),
            value: $value,
            say: |options, text| $read(text).map(|value| options.$name(value)),
        }),*]
    };
}

static SETTINGS: [Setting; 22] = settings! {
    durability: durability, DURABILITY;
    touch_durability: durability, DURABILITY;
    idle: time, TIME;
    absolute: time, TIME;
    first_lifetime: time, TIME;
    touch_slack: time, TIME;
    sync_interval: time, TIME;
    erase_within: time, TIME;
    lock_wait: time, TIME;
    close_budget: time, TIME;
    clock_confirm: time, TIME;
    clock_jump_max: time, TIME;
    segment_bytes: bytes, BYTES;
    session_bytes_max: bytes, BYTES;
    disk_bytes_max: bytes, BYTES;
    sessions_max: number, "a number";
    at_limit: at_limit, "reject or evict-anonymous";
    recovery: recovery, "strict or salvage";
    read_mode: read_mode, "map or plain";
    keep_ids: yes_or_no, YES_OR_NO;
    allow_network_file_system: yes_or_no, YES_OR_NO;
};

fn setting(part: &str) -> Result<(&'static Setting, String)> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
        let known: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        return Err(Error::invalid(format!(
            "a store's URL can say {}; it says something else",
            known.join(", ")
        )));
    };
    let value = decoded(value).and_then(|bytes| String::from_utf8(bytes).ok());
    match value.filter(|value| (setting.say)(Options::new(), value).is_some()) {
        Some(value) => Ok((setting, value)),
        None => Err(Error::invalid(format!("{} in a store's URL is {}", setting.name, setting.value))),
    }
}

fn durability(text: &str) -> Option<Durability> {
    match text {
        "synced" => Some(Durability::Synced),
        "written" => Some(Durability::Written),
        _ => None,
    }
}

fn at_limit(text: &str) -> Option<AtLimit> {
    match text {
        "reject" => Some(AtLimit::Reject),
        "evict-anonymous" => Some(AtLimit::EvictAnonymous),
        _ => None,
    }
}

fn recovery(text: &str) -> Option<Recovery> {
    match text {
        "strict" => Some(Recovery::Strict),
        "salvage" => Some(Recovery::Salvage),
        _ => None,
    }
}

fn read_mode(text: &str) -> Option<ReadMode> {
    match text {
        "map" => Some(ReadMode::Map),
        "plain" => Some(ReadMode::Plain),
        _ => None,
    }
}

fn yes_or_no(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// Digits and nothing else: no sign, no space.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A number with one of these units.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let &(_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number(digits)?.checked_mul(size)
}

fn time(text: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 3600 * 1000), ("d", 24 * 3600 * 1000)];
    measured(text, &units).map(Duration::from_millis)
}

fn bytes(text: &str) -> Option<u64> {
    measured(text, &[("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)])
}

/// The bytes that a part of a URL stands for.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digits =
            std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    Some(decoded)
}

fn path(bytes: Vec<u8>) -> Result<PathBuf> {
    if bytes.contains(&0) {
        return Err(Error::invalid("a directory's name has no zero byte"));
    }
    Ok(OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests;
