//! One line of an access log, in Common or Combined Log Format.
//!
//! ```text
//! 203.0.113.7 - alice [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 512 "http://a.example/" "Mozilla/5.0"
//! address     ident user  time                       request       status bytes referer          agent
//! ```
//!
//! Common ends behind the bytes; Combined adds referer and agent. Behind those, further fields are taken as long as
//! each is quoted or a number, as the widespread `main` format of nginx has them. Inside quotes a backslash takes the
//! next byte with it, as both servers write it. Pure functions on bytes, which never panic.

use jiff::fmt::strtime;

/// What a replay needs of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When the request came, in milliseconds since the Unix epoch; the zone of the log is taken into account.
    pub at_ms: u64,
    /// The client's address or name.
    pub address: &'a [u8],
    /// The user agent, with its escapes as they stand; `-` where the format has none.
    pub agent: &'a [u8],
}

/// Reads one line, without its line end. `None` where it is not in either format.
///
/// ```
/// use sessile_cli::replay::log::parse;
/// let line = br#"::1 - - [17/May/2015:12:05:03 +0200] "GET / HTTP/1.1" 200 - "-" "curl/8""#;
/// let entry = parse(line).ok_or("not a log line")?;
/// assert_eq!((entry.at_ms, entry.address, entry.agent), (1_431_857_103_000, &b"::1"[..], &b"curl/8"[..]));
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn parse(line: &[u8]) -> Option<Entry<'_>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (address, rest) = until(line, b' ')?;
    let (ident, rest) = until(rest, b' ')?;
    // A user's name may hold spaces.
    let (user, rest) = until(rest, b'[')?;
    let (time, rest) = until(rest, b']')?;
    let (_request, rest) = quoted(rest.strip_prefix(b" ")?)?;
    let (status, rest) = field(rest.strip_prefix(b" ")?);
    let (bytes, rest) = field(rest.strip_prefix(b" ")?);
    let sound = !address.is_empty()
        && !ident.is_empty()
        && user.len() > 1
        && user.ends_with(b" ")
        && status.len() == 3
        && status.iter().all(u8::is_ascii_digit)
        && (bytes == b"-" || is_number(bytes));
    if !sound {
        return None;
    }
    let agent = if rest.is_empty() { b"-" } else { agent(rest)? };
    Some(Entry { at_ms: at_ms(time)?, address, agent })
}

/// The agent out of ` "referer" "agent"` and whatever stands behind.
fn agent(rest: &[u8]) -> Option<&[u8]> {
    let (_referer, rest) = quoted(rest.strip_prefix(b" ")?)?;
    let (agent, mut rest) = quoted(rest.strip_prefix(b" ")?)?;
    while !rest.is_empty() {
        let more = rest.strip_prefix(b" ")?;
        rest = match quoted(more) {
            Some((_, behind)) => behind,
            None => match field(more) {
                (number, behind) if number == b"-" || is_number(number) => behind,
                _ => return None,
            },
        };
    }
    Some(agent)
}

/// `17/May/2015:10:05:03 +0000`.
fn at_ms(time: &[u8]) -> Option<u64> {
    let time = strtime::parse("%d/%b/%Y:%H:%M:%S %z", time).ok()?.to_timestamp().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

/// What stands before `end`, and what behind it.
fn until(text: &[u8], end: u8) -> Option<(&[u8], &[u8])> {
    let (before, from) = text.split_at_checked(text.iter().position(|byte| *byte == end)?)?;
    Some((before, from.get(1..)?))
}

/// What stands before the next space, or all of it.
fn field(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((text, b""))
}

/// A quoted string at the beginning: its inside, and what stands behind it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let mut escaped = false;
    let length = inside.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    let (inside, from) = inside.split_at_checked(length)?;
    Some((inside, from.get(1..)?))
}

fn is_number(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
        && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMBINED: &str = r#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 203023 "http://a/" "Mozilla/5.0 (X; Y)""#;

    fn agent_of(line: &str) -> Option<&[u8]> {
        parse(line.as_bytes()).map(|entry| entry.agent)
    }

    fn at_of(time: &str) -> Option<u64> {
        let line = format!(r#"a - - [{time}] "GET /" 200 1"#);
        parse(line.as_bytes()).map(|entry| entry.at_ms)
    }

    #[test]
    fn both_formats() {
        let entry = parse(COMBINED.as_bytes()).unwrap();
        assert_eq!((entry.at_ms, entry.address), (1_431_857_103_000, &b"83.149.9.216"[..]));
        assert_eq!(entry.agent, b"Mozilla/5.0 (X; Y)");
        let common =
            r#"2001:db8::7 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#;
        let entry = parse(common.as_bytes()).unwrap();
        assert_eq!((entry.at_ms, entry.address), (971_211_336_000, &b"2001:db8::7"[..]));
        assert_eq!(entry.agent, b"-", "no agent is the same as `-`");
    }

    #[test]
    fn a_line_cut_anywhere_is_no_line_unless_it_is_common() {
        let common = COMBINED.find(r#" "http"#).unwrap();
        // The number of bytes may lose digits, and what is left is a sound line.
        for cut in (0..common - 5).chain(common + 1..COMBINED.len()) {
            assert_eq!(agent_of(&COMBINED[..cut]), None, "{}", &COMBINED[..cut]);
        }
        assert_eq!(agent_of(&COMBINED[..common]), Some(&b"-"[..]));
    }

    #[test]
    fn the_zone_counts() {
        let noon = at_of("17/May/2015:12:00:00 +0000").unwrap();
        assert_eq!(at_of("17/May/2015:05:00:00 -0700"), Some(noon));
        assert_eq!(at_of("17/May/2015:17:30:00 +0530"), Some(noon));
        assert_eq!(at_of("18/May/2015:01:00:00 +1300"), Some(noon));
    }

    #[test]
    fn times_that_are_none() {
        for time in [
            "",
            "-",
            "17/May/2015:10:05:03",
            "31/Feb/2015:10:05:03 +0000",
            "17/Mai/2015:10:05:03 +0000",
            "17/May/2015:25:05:03 +0000",
            "17/May/2015:10:05:03 +0000 x",
            "17/May/1815:10:05:03 +0000",
            "2015-05-17T10:05:03Z",
            "17/May/99999:10:05:03 +0000",
        ] {
            assert_eq!(at_of(time), None, "{time}");
        }
        assert_eq!(at_of("01/Jan/1970:00:00:00 +0000"), Some(0));
        assert!(at_of("31/Dec/9998:23:59:59 +0000").is_some());
    }

    #[test]
    fn quotes_may_be_escaped() {
        let line = r#"a - - [17/May/2015:10:05:03 +0000] "GET /\" HTTP/1.1" 200 1 "-" "say \"hi\" \\""#;
        assert_eq!(agent_of(line), Some(&br#"say \"hi\" \\"#[..]));
        assert_eq!(
            agent_of(r#"a - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "open\""#),
            None
        );
    }

    #[test]
    fn a_user_may_have_spaces_and_lines_may_end_with_cr() {
        let line = "a - J. Doe [17/May/2015:10:05:03 +0000] \"GET /\" 304 - \"-\" \"\"\r";
        assert_eq!(agent_of(line), Some(&b""[..]));
    }

    #[test]
    fn further_fields_are_quoted_or_numbers() {
        assert!(agent_of(&format!(r#"{COMBINED} "10.0.0.1, 10.0.0.2" 0.003 - 17"#)).is_some());
        for more in [" ", "  1", " garbage", " \"open", "\"\"", " 1x", " 10.0.0.1 - - [x]"] {
            assert_eq!(agent_of(&format!("{COMBINED}{more}")), None, "{more}");
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            " ",
            "- - -",
            "# comment",
            r#" - - [17/May/2015:10:05:03 +0000] "GET /" 200 1"#,
            r#"a  - [17/May/2015:10:05:03 +0000] "GET /" 200 1"#,
            r#"a - [17/May/2015:10:05:03 +0000] "GET /" 200 1"#,
            r#"a - -[17/May/2015:10:05:03 +0000] "GET /" 200 1"#,
            r#"a - - [17/May/2015:10:05:03 +0000] GET / 200 1"#,
            r#"a - - [17/May/2015:10:05:03 +0000] "GET /" 2000 1"#,
            r#"a - - [17/May/2015:10:05:03 +0000] "GET /" 200 x"#,
            r#"a - - [17/May/2015:10:05:03 +0000] "GET /" 200"#,
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&line);
        }

        #[test]
        fn no_change_to_a_sound_line_panics(at in 0..COMBINED.len(), byte: u8, cut in 0..COMBINED.len()) {
            let mut line = COMBINED.as_bytes().to_vec();
            line[at] = byte;
            line.truncate(cut.max(1));
            let _ = parse(&line);
            line.rotate_left(at % cut.max(1));
            let _ = parse(&line);
        }
    }
}
