//! `sessile replay` against a plain dictionary: the same counts on a real log and on generated ones.
//!
//! The dictionary shares nothing with the command: its own way to read a line, its own calendar.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use common::{Ran, sessile, sessile_with};
use flate2::{Compression, write::GzEncoder};
use regex::bytes::Regex;

#[derive(Debug, PartialEq, Eq, Default)]
struct Counts {
    requests: u64,
    skipped: Vec<u64>,
    created: u64,
    hits: u64,
    expired: u64,
    live: u64,
    peak_live: u64,
}

/// Seconds since the epoch, by counting days.
fn seconds(year: i64, month: &str, rest: [i64; 4], zone_minutes: i64) -> i64 {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = MONTHS.find(month).unwrap() / 3;
    let [day, hour, minute, second] = rest;
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let days = years + lengths[..month].iter().sum::<i64>() + day - 1;
    ((days * 24 + hour) * 60 + minute - zone_minutes) * 60 + second
}

fn dictionary(log: &[u8], idle_s: i64) -> Counts {
    let line = Regex::new(
        r#"(?-u)^(\S+) \S+ \S+ \[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d\d)(\d\d)\] "[^"]*" \d{3} (?:\d+|-)(?: "[^"]*" "([^"]*)")?\r?$"#,
    )
    .unwrap();
    let mut counts = Counts::default();
    let mut requests = Vec::new();
    for (number, text) in (1..).zip(log.strip_suffix(b"\n").unwrap_or(log).split(|byte| *byte == b'\n')) {
        let Some(found) = line.captures(text) else {
            counts.skipped.push(number);
            continue;
        };
        let word = |group: usize| std::str::from_utf8(&found[group]).unwrap();
        let number = |group: usize| word(group).parse::<i64>().unwrap();
        let zone = number(8) * 60 + if word(8).starts_with('-') { -number(9) } else { number(9) };
        let at = seconds(number(4), word(3), [number(2), number(5), number(6), number(7)], zone);
        let agent = found.get(10).map_or(b"-".to_vec(), |agent| agent.as_bytes().to_vec());
        requests.push((at, (found[1].to_vec(), agent)));
    }
    requests.sort_by_key(|(at, _)| *at);
    counts.requests = requests.len() as u64;
    let last = requests.last().unwrap().0;
    let mut deadlines: HashMap<_, i64> = HashMap::new();
    let mut now = i64::MIN;
    for (at, visitor) in requests {
        if at != now {
            now = at;
            deadlines.retain(|_, deadline| *deadline > now);
        }
        match deadlines.insert(visitor, at + idle_s) {
            Some(_) => counts.hits += 1,
            None => counts.created += 1,
        }
        counts.peak_live = counts.peak_live.max(deadlines.len() as u64);
    }
    deadlines.retain(|_, deadline| *deadline > last);
    counts.live = deadlines.len() as u64;
    counts.expired = counts.created - counts.live;
    counts
}

#[track_caller]
fn counts(ran: &Ran) -> Counts {
    let json = ran.json();
    let figure = |name: &str| json[name].as_u64().unwrap_or_else(|| panic!("{name}: {json}"));
    for name in ["disk_bytes", "memory_bytes_peak", "disk_bytes_peak"] {
        assert!(figure(name) > 0, "{name}: {json}");
    }
    figure("wall_ms");
    Counts {
        requests: figure("requests"),
        skipped: json["skipped"].as_array().unwrap().iter().map(|line| line.as_u64().unwrap()).collect(),
        created: figure("created"),
        hits: figure("hits"),
        expired: figure("expired"),
        live: figure("live"),
        peak_live: figure("peak_live"),
    }
}

fn replay(log: &Path, idle: &str) -> Ran {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    let ran = sessile([
        "replay".as_ref(),
        log.as_os_str(),
        "--dir".as_ref(),
        dir.as_os_str(),
        "--idle".as_ref(),
        idle.as_ref(),
        "--json".as_ref(),
    ]);
    assert_eq!(ran.stderr, "");
    // What is left behind is a sound store.
    assert_eq!(sessile(["verify".as_ref(), dir.as_os_str()]).code, 0);
    ran
}

/// The log of a real site, where it is to be had.
fn real_log() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/access.log");
    let named = std::env::var_os("SESSILE_ACCESS_LOG").map(PathBuf::from);
    named.or(Some(beside)).filter(|path| path.is_file())
}

#[test]
fn on_the_log_of_a_real_site() {
    let Some(path) = real_log() else {
        eprintln!("the log is not here; the generated ones are replayed all the same");
        return;
    };
    let log = fs::read(&path).unwrap();
    for (idle, idle_s) in [("30m", 1800), ("1m", 60), ("1day", 86_400)] {
        assert_eq!(counts(&replay(&path, idle)), dictionary(&log, idle_s), "idle {idle}");
    }
}

/// A small generator of numbers (splitmix64), so that a log is its seed's.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// A log with jitter, ties at the deadline, zones, both formats, IPv4 and IPv6, damaged lines and either line end.
fn generate(seed: u64, lines: usize, idle_s: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    let mut log = Vec::new();
    let mut clock = 86_400 * 58 + numbers.below(86_400);
    for _ in 0..lines {
        // Now and then exactly the idle time passes, or all but a second of it, or a night.
        clock += match numbers.below(40) {
            0 => idle_s,
            1 => idle_s - 1,
            2 => idle_s * 3,
            3..20 => 0,
            _ => numbers.below(30),
        };
        let late = if numbers.below(5) == 0 { numbers.below(60) } else { 0 };
        let line = request(&mut numbers, clock - late);
        match numbers.below(30) {
            0 => log.extend(&line.as_bytes()[..numbers.below(line.len() as u64 / 2) as usize]),
            1 => log.extend((0..numbers.below(80)).map(|_| (numbers.below(255) as u8).max(b'\n' + 1))),
            2 => log.extend(line.replace('[', "").as_bytes()),
            _ => log.extend(line.as_bytes()),
        }
        log.extend(if numbers.below(10) == 0 { &b"\r\n"[..] } else { b"\n" });
    }
    log
}

/// One sound line. The year is 2024, whose first 60 days are written here by hand.
fn request(numbers: &mut Numbers, at: u64) -> String {
    let zones = [("+0000", 0), ("-0700", -420), ("+0530", 330), ("-0030", -30)];
    let (zone, minutes) = zones[numbers.below(4) as usize];
    let local = at as i64 + minutes * 60;
    let (day, second) = (local / 86_400, local % 86_400);
    let (month, day) = match day {
        ..31 => ("Jan", day + 1),
        31..60 => ("Feb", day - 30),
        60..91 => ("Mar", day - 59),
        _ => ("Apr", (day - 91) % 30 + 1),
    };
    let visitor = numbers.below(40);
    let address = match visitor % 3 {
        0 => format!("192.0.2.{visitor}"),
        1 => format!("2001:db8::{visitor:x}"),
        _ => "198.51.100.7".to_owned(),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut line = format!("{address} - u{} ", numbers.below(3));
    let _ = write!(line, "[{day:02}/{month}/2024:{hour:02}:{minute:02}:{second:02} {zone}]");
    let _ = write!(line, " \"GET /page HTTP/1.1\" 200 {}", numbers.below(9999));
    match numbers.below(8) {
        0 => {}
        1 => line.push_str(" \"-\" \"-\""),
        _ => {
            let _ = write!(line, " \"http://a.example/\" \"Agent/{}\"", visitor % 5);
        }
    }
    line
}

#[test]
fn on_generated_logs() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("access.log");
    for seed in 0..6 {
        let log = generate(seed, 1500, 600);
        fs::write(&path, &log).unwrap();
        let expected = dictionary(&log, 600);
        assert!(expected.skipped.len() > 50 && expected.hits > 100 && expected.expired > 100, "{expected:?}");
        assert_eq!(counts(&replay(&path, "10m")), expected, "seed {seed}");
    }
}

#[test]
fn on_gzip_and_on_standard_input_as_on_the_plain_log() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a log without any ending");
    let log = generate(99, 400, 600);
    let half = log.iter().skip(log.len() / 2).position(|byte| *byte == b'\n').unwrap() + log.len() / 2 + 1;
    let mut packed = Vec::new();
    // Two members, as rotated logs have when they are joined.
    for part in [&log[..half], &log[half..]] {
        let mut encoder = GzEncoder::new(&mut packed, Compression::default());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    fs::write(&path, &packed).unwrap();
    let expected = dictionary(&log, 600);
    assert_eq!(counts(&replay(&path, "10m")), expected);
    let dir = temp.path().join("from a pipe");
    let arguments = [
        "replay".as_ref(),
        "-".as_ref(),
        "--json".as_ref(),
        "--idle=10m".as_ref(),
        "--dir".as_ref(),
        dir.as_os_str(),
    ];
    assert_eq!(counts(&sessile_with(&log, arguments)), expected);
}

#[test]
fn a_deadline_that_equals_the_time_of_the_request_has_passed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("access.log");
    let line = |at: &str| format!("a - - [17/May/2015:{at} +0000] \"GET /\" 200 1\n");
    fs::write(&path, [line("10:00:00"), line("10:29:59"), line("10:59:59"), line("11:29:58")].concat())
        .unwrap();
    let counts = counts(&replay(&path, "30m"));
    assert_eq!((counts.created, counts.hits, counts.expired, counts.live), (2, 2, 1, 1));
}

#[test]
fn sessions_that_end_with_the_last_request_have_expired() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("access.log");
    let line = |who: &str, at: &str| format!("{who} - - [17/May/2015:{at} +0000] \"GET /\" 200 1\n");
    fs::write(&path, [line("a", "10:00:00"), line("b", "10:10:00"), line("c", "10:30:00")].concat()).unwrap();
    let counts = counts(&replay(&path, "30m"));
    assert_eq!((counts.created, counts.expired, counts.live, counts.peak_live), (3, 1, 2, 2));
}

#[test]
fn the_page_for_a_reader_has_the_figures_and_a_chart() {
    let temp = tempfile::tempdir().unwrap();
    let (path, dir) = (temp.path().join("access.log"), temp.path().join("store"));
    let log = generate(7, 1500, 600);
    fs::write(&path, &log).unwrap();
    let expected = dictionary(&log, 600);
    let ran = sessile([
        "replay".as_ref(),
        path.as_os_str(),
        "--idle".as_ref(),
        "10m".as_ref(),
        "--dir".as_ref(),
        dir.as_os_str(),
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = ran.text();
    for words in ["live sessions over time", "█", "do not parse", "on disk", "most at once"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let expired = text.lines().find_map(|line| line.strip_prefix("expired")).unwrap().trim().replace(',', "");
    assert_eq!(expired, expected.expired.to_string(), "{text}");
    assert!(!text.contains("192.0.2"), "no address: {text}");
}
