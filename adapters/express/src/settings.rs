//! Settings: what JavaScript says of how a store is opened. Times in milliseconds; what is not said is the engine's default.

use std::sync::Arc;
use std::time::Duration;

use napi_derive::napi;
use sessile::{AtLimit, Durability, KeyRing, Options, Place, ReadMode, Recovery};

use crate::failure::Failure;
use crate::place::without_keys;

/// The keys of an encrypted store, read once: by now the file may be another, and the variable not be there.
#[napi]
pub struct Keys(Arc<KeyRing>);

impl Keys {
    /// Reads them from `file:PATH` or `env:NAME`.
    pub fn at(place: &str) -> Result<Self, Failure> {
        Ok(Self(Arc::new(KeyRing::from_place(place)?)))
    }

    /// The ring that was read.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.0)
    }
}

/// The options of a store, as `lib/options.js` has checked them.
#[napi(object)]
pub struct Settings {
    /// How long a touch may be behind on the disk.
    pub touch_after: Option<f64>,
    /// `synced` or `written`.
    pub durability: Option<String>,
    /// How long opening waits for another process.
    pub lock_wait: f64,
    /// How long a session lives at most, whatever use is made of it.
    pub absolute: Option<f64>,
    /// How long a session lives that is not used a second time.
    pub first_lifetime: Option<f64>,
    /// Whether the ids themselves are kept.
    pub keep_ids: Option<bool>,
    /// The most sessions.
    pub sessions_max: Option<f64>,
    /// The most bytes of one session.
    pub session_bytes_max: Option<f64>,
    /// The most bytes on the disk.
    pub disk_bytes_max: Option<f64>,
    /// `strict` or `salvage`.
    pub recovery: Option<String>,
    /// Whether a write is refused at a limit, and nothing evicted.
    pub evict_nothing: Option<bool>,
    /// Whether operators can act on the store while this process holds it; yes, unless it is said.
    pub control: Option<bool>,
    /// The store's URL: what it says counts, whatever is said above.
    pub url: Option<String>,
}

impl Settings {
    /// The engine's options, with these keys and no others.
    pub fn options(self, keys: Option<Arc<KeyRing>>) -> Result<Options, Failure> {
        // Plainly: where the disk cannot give a page, a request gets an error; under a map the process would get a signal.
        // And a process with maps looks twice as large as it is.
        let mut options = Options::new().lock_wait(duration(self.lock_wait)).read_mode(ReadMode::Plain);
        if let Some(slack) = self.touch_after {
            options = options.touch_slack(duration(slack));
        }
        if let Some(lifetime) = self.absolute {
            options = options.absolute(duration(lifetime));
        }
        if let Some(lifetime) = self.first_lifetime {
            options = options.first_lifetime(duration(lifetime));
        }
        if let Some(keep) = self.keep_ids {
            options = options.keep_ids(keep);
        }
        if let Some(sessions) = self.sessions_max {
            options = options.sessions_max(millis(sessions));
        }
        if let Some(bytes) = self.session_bytes_max {
            options = options.session_bytes_max(millis(bytes));
        }
        if let Some(bytes) = self.disk_bytes_max {
            options = options.disk_bytes_max(millis(bytes));
        }
        if self.evict_nothing == Some(true) {
            options = options.at_limit(AtLimit::Reject);
        }
        if let Some(keys) = keys {
            options = options.encryption(keys);
        }
        options = match self.durability.as_deref() {
            None | Some("synced") => options.durability(Durability::Synced),
            Some("written") => options.durability(Durability::Written),
            Some(_) => return Err(invalid("durability is 'synced' or 'written'")),
        };
        options = match self.recovery.as_deref() {
            None | Some("strict") => options.recovery(Recovery::Strict),
            Some("salvage") => options.recovery(Recovery::Salvage),
            Some(_) => return Err(invalid("recovery is 'strict' or 'salvage'")),
        };
        Ok(match self.url {
            None => options,
            Some(url) => Place::parse(&without_keys(&url))?.options(options),
        })
    }
}

fn invalid(what: &str) -> Failure {
    Failure::new("ERR_SESSILE_INVALID", what)
}

fn duration(ms: f64) -> Duration {
    match millis(ms) {
        u64::MAX => Duration::MAX,
        ms => Duration::from_millis(ms),
    }
}

/// A whole number that is not negative; what is too large, or infinite, is the largest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as said")]
pub fn millis(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_javascript_saturate() {
        assert_eq!((millis(-1.0), millis(1.9), millis(f64::INFINITY), millis(f64::NAN)), (0, 1, u64::MAX, 0));
        assert_eq!(duration(f64::INFINITY), Duration::MAX);
    }
}
