//! Writes and reads: a session between JavaScript and the engine. Its data is text here, JSON as JavaScript made it.

use std::time::Duration;

use napi::bindgen_prelude::BigInt;
use napi::{Env, JsString};
use napi_derive::napi;
use sessile::{Clock, Deadline, Session, Subject, SystemClock, Version, Write};

use crate::answer::count;
use crate::failure::Failure;
use crate::settings::millis;

/// What JavaScript says of one write.
#[napi(object)]
pub struct Put {
    /// The session as JSON.
    pub data: String,
    /// When it ends, in milliseconds since the epoch; infinite for never.
    pub deadline: f64,
    /// Whose it is: empty for nobody's, nothing for as it was.
    pub subject: Option<String>,
}

impl Put {
    /// The engine's write. JavaScript says when a session ends, also when that is sooner than before.
    pub fn write(self) -> Write {
        let subject = match self.subject {
            None => Subject::Keep,
            Some(subject) if subject.is_empty() => Subject::Clear,
            Some(subject) => Subject::Set(subject.into_bytes()),
        };
        let deadline = Deadline::at_ms(millis(self.deadline));
        Write::new(self.data).idle_until(deadline).subject_change(subject).shorten()
    }
}

/// What JavaScript gets of a session.
#[napi(object)]
pub struct Found {
    /// The session as JSON.
    pub data: String,
    /// When it ends, in milliseconds since the epoch; infinite for never.
    pub deadline: f64,
    /// Which write it is at.
    pub version: BigInt,
}

impl Found {
    /// A session, if it is text.
    pub fn of(session: Session) -> Result<Self, Failure> {
        let (deadline, version) = (ms_of(session.deadline()), BigInt::from(session.version().as_u64()));
        Ok(Self { data: text_of(session.into_data())?, deadline, version })
    }
}

/// The data as text: what is none was not written by this package.
pub fn text_of(data: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(data).map_err(|_| no_text())
}

/// The same as JavaScript has it, without a copy in between. ASCII, as most of it is, is copied as it is.
pub fn text<'env>(env: &'env Env, data: &[u8]) -> Result<JsString<'env>, Failure> {
    let made = if data.is_ascii() {
        env.create_string_latin1(data)
    } else {
        env.create_string(str::from_utf8(data).map_err(|_| no_text())?)
    };
    made.map_err(|error| Failure::of_node(&error))
}

fn no_text() -> Failure {
    Failure::new("ERR_SESSILE_DATA", "the session's data is no text; who else writes to this store?")
}

/// A moment as JavaScript has it.
pub fn ms_of(deadline: Deadline) -> f64 {
    if deadline == Deadline::NEVER { f64::INFINITY } else { count(deadline.as_ms()) }
}

/// The version that JavaScript was given.
pub fn version_of(version: &BigInt) -> Version {
    Version::from_u64(version.get_u64().1)
}

/// How long it is from now to this moment, in whole milliseconds of the clock that the engine adds it to again: never less.
pub fn touch_for(deadline: f64) -> Duration {
    match millis(deadline) {
        u64::MAX => Duration::MAX,
        deadline_ms => Duration::from_millis(deadline_ms.saturating_sub(SystemClock.wall_ms())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_goes_to_javascript_and_back() {
        assert!(ms_of(Deadline::NEVER).is_infinite());
        let put = |deadline| Put { data: "{}".to_owned(), deadline, subject: None }.write();
        assert_eq!(put(f64::INFINITY), Write::new("{}").idle_until(Deadline::NEVER).shorten());
        assert_eq!(put(-5.0), Write::new("{}").idle_until(Deadline::at_ms(0)).shorten());
        assert_eq!(ms_of(Deadline::at_ms(1_700_000_000_123)), 1_700_000_000_123.0);
    }

    #[test]
    fn what_has_passed_is_touched_for_no_time() {
        assert_eq!(touch_for(5.0), Duration::ZERO);
        assert_eq!(touch_for(f64::INFINITY), Duration::MAX);
        assert!(touch_for(4e12) > Duration::from_secs(3600));
    }
}
