//! Addresses: where a home is, as an operator writes it.
//!
//! Owns: taking one apart into its scheme, what the home's own driver understands, and the settings that are ours. Invariant: an
//! address may hold a password, so nothing of one is ever repeated in an error but the names of settings.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::settings::Settings;

/// An address without the settings that are ours.
pub(crate) struct Address {
    pub driver: String,
    pub settings: Settings,
}

impl Address {
    /// Takes our settings out of an address, but `sessile:`, which has its own; `namespace` is what the home calls that.
    pub fn parse(address: &str, namespace: &str) -> Result<Self> {
        let (front, query) = address.split_once('?').unwrap_or((address, ""));
        let mut settings = Settings::new();
        let mut kept = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = || decoded(value);
            settings = match name {
                "idle" => settings.idle(time(name, &value()?)?),
                "absolute" => settings.absolute(time(name, &value()?)?),
                "timeout" => settings.timeout(time(name, &value()?)?),
                "session_bytes_max" => settings.session_bytes_max(bytes(name, &value()?)?),
                "keep_ids" => settings.keep_ids(whether(name, &value()?)?),
                _ if name == namespace => settings.namespace(value()?),
                _ => {
                    kept.push(part);
                    settings
                }
            };
        }
        let driver = if kept.is_empty() { front.to_owned() } else { format!("{front}?{}", kept.join("&")) };
        Ok(Self { driver, settings })
    }
}

/// A part of an address with its bytes in place of `%` and two digits.
pub(crate) fn decoded(part: &str) -> Result<String> {
    let decoded = percent_encoding::percent_decode_str(part).decode_utf8();
    decoded
        .map(Into::into)
        .map_err(|_| Error::Address("a part of the address is not UTF-8 behind its % signs".into()))
}

fn time(name: &str, text: &str) -> Result<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 3600 * 1000), ("d", 24 * 3600 * 1000)];
    let ms = measured(text, &units).filter(|ms| *ms > 0);
    ms.map(Duration::from_millis).ok_or_else(|| unreadable(name, "a time, as in 250ms, 30s, 15m, 12h or 14d"))
}

fn bytes(name: &str, text: &str) -> Result<u64> {
    let units = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    measured(text, &units).ok_or_else(|| unreadable(name, "bytes, as in 65536, 64KiB or 1MiB"))
}

fn whether(name: &str, text: &str) -> Result<bool> {
    text.parse().map_err(|_| unreadable(name, "true or false"))
}

fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn unreadable(name: &str, wanted: &str) -> Error {
    Error::Address(format!("the setting {name} of the address has another value than {wanted}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_settings_are_taken_out_and_the_driver_gets_the_rest() {
        let text = "postgres://u:p@h/db?sslmode=require&idle=30m&schema=web&keep_ids=true&connect_timeout=3&timeout=250ms";
        let address = Address::parse(text, "schema").unwrap();
        assert_eq!(address.driver, "postgres://u:p@h/db?sslmode=require&connect_timeout=3");
        let Settings { idle, timeout, namespace, keep_ids, .. } = address.settings;
        assert_eq!((idle, timeout), (Duration::from_secs(1800), Duration::from_millis(250)));
        assert_eq!((namespace.as_deref(), keep_ids), (Some("web"), true));
        assert_eq!(Address::parse("redis://h?idle=30m", "prefix").unwrap().driver, "redis://h");
    }

    #[test]
    fn a_value_that_is_refused_is_not_repeated() {
        for setting in ["idle", "absolute", "timeout", "session_bytes_max", "keep_ids"] {
            for value in ["hunter2", "", "0", "18446744073709551615d", "-1s", "1w"] {
                let address = format!("redis://:hunter2@h?{setting}={value}");
                match Address::parse(&address, "prefix") {
                    Err(error) => {
                        let error = error.to_string();
                        assert!(error.contains(setting) && !error.contains("hunter2"), "{error}");
                    }
                    Ok(_) => assert!(setting == "session_bytes_max" && value == "0", "{setting}={value}"),
                }
            }
        }
    }
}
