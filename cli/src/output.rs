//! Reports as text or as JSON, and how figures and moments are written.

use std::fmt;
use std::io::{self, Write};

use bytesize::ByteSize;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;

/// What a command has to say: serialised as it is for `--json`, or as text for a reader.
pub(crate) trait Report: Serialize {
    fn text(&self) -> String;
}

/// Prints a report.
pub(crate) fn show(report: &impl Report, json: bool) -> Result<(), Failure> {
    let text = written(report, json)?;
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Prints a report on standard error, where standard output is for something else.
pub(crate) fn show_apart(report: &impl Report, json: bool) -> Result<(), Failure> {
    io::stderr().write_all(written(report, json)?.as_bytes()).map_err(Failure::Output)
}

fn written(report: &impl Report, json: bool) -> Result<String, Failure> {
    let mut text = if json {
        serde_json::to_string(report).map_err(|error| Failure::Output(error.into()))?
    } else {
        report.text()
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Prints a complaint on standard error.
pub(crate) fn complain(what: &impl fmt::Display) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "sessile: {what}");
}

/// A list of names and values.
pub(crate) fn facts<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([name, value.as_str()]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// A moment, in UTC.
pub(crate) fn moment(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| "never".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A deadline that may be never.
pub(crate) fn maybe_moment(ms: Option<u64>) -> String {
    ms.map_or_else(|| "never".to_owned(), moment)
}

/// A number of bytes, as people read it.
pub(crate) fn bytes(count: u64) -> String {
    ByteSize::b(count).display().iec().to_string()
}

/// A count with its noun: `1 session`, `2 sessions`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A count with its thousands set apart.
pub(crate) fn grouped(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// A figure that only the holder of the store knows.
pub(crate) fn or_unknown(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc_and_never_panic() {
        assert_eq!(moment(1_431_857_103_000), "2015-05-17T10:05:03Z");
        assert_eq!(moment(u64::MAX), "never");
        assert_eq!(moment(1 << 60), "never");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(counted(1, "session"), "1 session");
        assert_eq!(counted(12_345, "session"), "12,345 sessions");
        assert_eq!(bytes(2048), "2.0 KiB");
    }

    #[test]
    fn facts_line_up() {
        assert_eq!(facts([("a", "1".into()), ("long", "2".into())]), "a      1\nlong   2");
    }
}
