//! The place of a store by its URL, read by the engine's own parser, so that it means in JavaScript what it means in Rust.
//!
//! Owns: what of a URL is JavaScript's affair; the rest goes from the URL to the engine's options as it is.

use std::time::Duration;

use napi_derive::napi;
use sessile::Place;

use crate::answer::count;
use crate::failure::Failure;

/// What a URL says, as far as JavaScript has a use for it. Times in milliseconds.
#[napi(object)]
pub struct Said {
    /// The directory, as the URL has it.
    pub directory: String,
    /// `idle`: how long a session lives unused whose cookie does not say.
    pub ttl: Option<f64>,
    /// `first_lifetime`.
    pub first_lifetime: Option<f64>,
    /// `lock_wait`.
    pub lock_wait: Option<f64>,
    /// `keep_ids`.
    pub keep_ids: Option<bool>,
    /// `keys`.
    pub keys: Option<String>,
}

/// Reads a URL.
pub fn said(url: &str) -> Result<Said, Failure> {
    let place = Place::parse(url)?;
    let Some(directory) = place.directory().to_str() else {
        return Err(Failure::new("ERR_SESSILE_INVALID", "the directory in a store's URL is no text (UTF-8)"));
    };
    let time = |name| place.time(name).map(millis);
    Ok(Said {
        directory: directory.to_owned(),
        ttl: time("idle"),
        first_lifetime: time("first_lifetime"),
        lock_wait: time("lock_wait"),
        keep_ids: place.setting("keep_ids").map(|keeps| keeps == "true"),
        keys: place.setting("keys").map(str::to_owned),
    })
}

/// The URL without its keys, for who has read them already.
pub fn without_keys(url: &str) -> String {
    let Some((place, query)) = url.split_once('?') else { return url.to_owned() };
    let rest: Vec<_> = query.split('&').filter(|part| !part.starts_with("keys=")).collect();
    format!("{place}?{}", rest.join("&"))
}

fn millis(time: Duration) -> f64 {
    count(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javascript_is_told_what_the_url_says_last() {
        let said = said("sessile:./a?idle=30m&lock_wait=1s&lock_wait=20ms&keep_ids=true").unwrap();
        assert_eq!(
            (said.directory.as_str(), said.ttl, said.lock_wait),
            ("./a", Some(1_800_000.0), Some(20.0))
        );
        assert_eq!((said.first_lifetime, said.keep_ids), (None, Some(true)));
    }

    #[test]
    fn keys_are_taken_out_and_nothing_else_is() {
        let without = without_keys("sessile:./a?keys=file:b&idle=30m&keys=env:C");
        assert_eq!(without, "sessile:./a?idle=30m");
        assert_eq!(without_keys("sessile:./a"), "sessile:./a");
        assert!(Place::parse(&without_keys("sessile:./a?keys=file:b")).is_ok());
    }

    #[test]
    fn a_directory_that_is_no_text_is_refused_with_a_reason() {
        assert!(said("sessile:%ff").is_err_and(|failure| failure.message.contains("no text")));
    }
}
