//! Moments as other stores write them: numbers of several units, dates as text.
//!
//! Invariant: of all readings that give a time after the spring of 1973, the earliest is taken. So nobody's session is
//! lengthened by a guess.

use jiff::civil::DateTime;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use sessile::Deadline;

use crate::session::{Kind, Note, Unit, Why};

/// A value as a database holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// Text.
    Text(&'a str),
}

/// What a format writes by itself; anything else is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    /// A number of this unit.
    Number(Unit),
    /// A date as text.
    Text,
}

type Moment = (Deadline, Option<Note>);

/// Reads a moment.
///
/// Units are told apart by size: in 1973 there were 10^8 seconds, and 10^11 milliseconds, so a number below 10^11 is in
/// seconds (until the year 5138), one below 10^14 in milliseconds, and so on. Below 10^8 it is a time long past in any unit.
pub fn read(raw: Raw<'_>, usual: Usual) -> Result<Moment, Why> {
    match raw {
        Raw::Null => Err(Kind::Moment.into()),
        Raw::Whole(number) => Ok(number_of(i128::from(number), usual)),
        Raw::Real(number) if number.is_nan() => Err(Kind::Moment.into()),
        Raw::Real(number) if number == f64::INFINITY => Ok((Deadline::NEVER, Some(Note::Endless))),
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and so is as late as it can be")]
        Raw::Real(number) => Ok(number_of(number.floor() as i128, usual)),
        Raw::Text(text) => text_of(text.trim(), usual),
    }
}

fn number_of(number: i128, usual: Usual) -> Moment {
    const SECONDS: i128 = 100_000_000;
    let (unit, ms) = if number < SECONDS {
        return (Deadline::at_ms(0), None);
    } else if number < SECONDS * 1_000 {
        (Unit::Seconds, number * 1_000)
    } else if number < SECONDS * 1_000_000 {
        (Unit::Milliseconds, number)
    } else if number < SECONDS * 1_000_000_000 {
        (Unit::Microseconds, number / 1_000)
    } else {
        (Unit::Nanoseconds, number / 1_000_000)
    };
    let note = (usual != Usual::Number(unit)).then_some(Note::OtherUnit(unit));
    (Deadline::at_ms(u64::try_from(ms).unwrap_or(u64::MAX)), note)
}

fn text_of(text: &str, usual: Usual) -> Result<Moment, Why> {
    if let Ok(number) = text.parse::<i64>() {
        return read(Raw::Whole(number), usual);
    }
    if let Ok(number) = text.parse::<f64>() {
        return read(Raw::Real(number), usual);
    }
    let as_text = (usual != Usual::Text).then_some(Note::DateAsText);
    if let Some(moment) = zoned(text) {
        return Ok((at(moment), as_text));
    }
    let local = text.parse::<DateTime>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    match local {
        Some(date) => Ok((at(date.timestamp()), Some(Note::NoZone))),
        None => Err(Why::with(Kind::Moment, "the text there is no date")),
    }
}

/// As RFC 3339 and JavaScript's `toISOString`, `toUTCString` and `toString` write it.
fn zoned(text: &str) -> Option<Timestamp> {
    let javascript = || {
        let (date, _) = text.split_once(" (").unwrap_or((text, ""));
        jiff::fmt::strtime::parse("%a %b %d %Y %H:%M:%S GMT%z", date).ok()?.to_timestamp().ok()
    };
    let rfc2822 = || jiff::fmt::rfc2822::parse(text).ok().map(|date: Zoned| date.timestamp());
    text.parse::<Timestamp>().ok().or_else(rfc2822).or_else(javascript)
}

fn at(moment: Timestamp) -> Deadline {
    Deadline::at_ms(u64::try_from(moment.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Usual = Usual::Number(Unit::Milliseconds);
    const NOV_2023: u64 = 1_700_000_000_000;
    const SPRING_OF_1973: i64 = 100_000_000_000;

    fn ms(raw: Raw<'_>, usual: Usual) -> (u64, Option<Note>) {
        let (deadline, note) = read(raw, usual).unwrap();
        (deadline.as_ms(), note)
    }

    #[test]
    fn units_are_told_apart_and_said() {
        let whole = 1_700_000_000_i64;
        assert_eq!(ms(Raw::Whole(whole * 1000), MS), (NOV_2023, None));
        assert_eq!(ms(Raw::Whole(whole), MS), (NOV_2023, Some(Note::OtherUnit(Unit::Seconds))));
        assert_eq!(ms(Raw::Whole(whole), Usual::Number(Unit::Seconds)), (NOV_2023, None));
        assert_eq!(ms(Raw::Whole(whole * 1_000_000), MS).0, NOV_2023);
        assert_eq!(ms(Raw::Whole(whole * 1_000_000_000), MS).0, NOV_2023);
        assert_eq!(ms(Raw::Real(1_700_000_000_000.9), MS), (NOV_2023, None), "never later");
        assert_eq!(ms(Raw::Text(" 1700000000000 "), MS), (NOV_2023, None));
        assert_eq!(ms(Raw::Text("1700000000.0"), MS).0, NOV_2023);
    }

    #[test]
    fn dates_as_text() {
        for text in [
            "2023-11-14T22:13:20.000Z",
            "2023-11-14T22:13:20+00:00",
            "2023-11-14 23:13:20+01",
            "2023-11-14T22:13:20.000999999+00:00",
            "Tue, 14 Nov 2023 22:13:20 GMT",
            "Tue Nov 14 2023 22:13:20 GMT+0000 (Coordinated Universal Time)",
            "Tue Nov 14 2023 23:13:20 GMT+0100",
        ] {
            assert_eq!(ms(Raw::Text(text), Usual::Text), (NOV_2023, None), "{text}");
            assert_eq!(ms(Raw::Text(text), MS), (NOV_2023, Some(Note::DateAsText)), "{text}");
        }
        for text in ["2023-11-14 22:13:20", "2023-11-14T22:13:20"] {
            assert_eq!(ms(Raw::Text(text), Usual::Text), (NOV_2023, Some(Note::NoZone)), "{text}");
        }
    }

    #[test]
    fn nothing_and_nonsense_are_no_moment() {
        for raw in [Raw::Null, Raw::Real(f64::NAN), Raw::Text(""), Raw::Text("soon"), Raw::Text("2023-99-99")]
        {
            assert_eq!(read(raw, MS).unwrap_err().kind, Kind::Moment, "{raw:?}");
        }
        assert_eq!(ms(Raw::Real(f64::INFINITY), MS).0, u64::MAX);
        for raw in [
            Raw::Whole(0),
            Raw::Whole(-5),
            Raw::Whole(i64::MIN),
            Raw::Real(f64::NEG_INFINITY),
            Raw::Whole(3600),
        ] {
            assert_eq!(ms(raw, MS).0, 0, "{raw:?} has passed");
        }
        assert_eq!(ms(Raw::Text("1850-01-01T00:00:00Z"), MS).0, 0);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = read(Raw::Text(&text), Usual::Text);
        }

        /// Of all units in which a number could have been meant and that give a plausible date, none is earlier.
        #[test]
        fn no_number_is_read_as_later_than_it_need_be(digits in 0_u32..19, spread in any::<i64>()) {
            let number = spread % 10_i64.pow(digits);
            let in_ms = [number.saturating_mul(1_000), number, number / 1_000, number / 1_000_000];
            let earliest = in_ms.into_iter().filter(|&ms| ms >= SPRING_OF_1973).min().unwrap_or(0);
            let earliest = Deadline::at_ms(u64::try_from(earliest).unwrap()).as_ms();
            prop_assert_eq!(ms(Raw::Whole(number), MS).0, earliest);
        }

        #[test]
        fn what_javascript_writes_is_read_exactly(at in 100_000_000_000_i64..4_000_000_000_000) {
            let text = Timestamp::from_millisecond(at).unwrap().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            prop_assert_eq!(ms(Raw::Text(&text), Usual::Text), (u64::try_from(at).unwrap(), None));
        }
    }
}
