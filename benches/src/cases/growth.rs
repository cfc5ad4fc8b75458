//! Memory a session and the longest pause, from half as many sessions to all of them: over a whole doubling, so that tables
//! that have just grown and tables that are full both count.

use std::path::Path;
use std::time::Instant;

use sessile::{Durability, Write};

use super::child::{self, given, number, say};
use super::{Failed, Measures, opening};
use crate::data::{Id, Random, payloads};
use crate::measure::latencies;
use crate::meter;
use crate::outcome::Measure;
use crate::peers;
use crate::run::Run;

/// At a million sessions.
pub const MILLION: &str = "million";
/// At ten million.
pub const TEN_MILLION: &str = "ten million";
/// The least memory over the doubling.
pub const BEST: &str = "memory over the doubling, RssAnon, best";
/// The most.
pub const WORST: &str = "memory over the doubling, RssAnon, worst";
/// The longest create beside which the tables grew.
pub const PAUSE: &str = "longest create while the index grew";
const SAID: &str = "memory as Stats::memory_bytes says, at the end";
const LONGEST: &str = "longest create at all";
const P999: &str = "p99.9 of create";
const SLOW: &str = "creates of more than 0.5 ms";
const STILL: &str = "longest set that replaces a session";
const SPEED: &str = "created one by one, Written, with the clock in the loop";
const DISK: &str = "on disk";
const CLOSE: &str = "close";
const SUBJECT: &str = "memory with a subject each, RssAnon, worst over the doubling";

/// So many creates share a look at how much memory the store holds.
const LOOK_EVERY: u64 = 64;
/// Tables grow by more than that; what else does, by less.
const GROWN_BYTES: u64 = 8 << 10;
const SAMPLES: u64 = 64;

/// The case of a million.
///
/// # Errors
/// A child failed.
pub fn million(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let sessions = run.scale.million;
    let mut measures = measure(MILLION, sessions, directory, 3)?;
    let subjects = child::run("grow", &directory.join("subjects"), &[&sessions.to_string(), "subject"])?;
    measures.add(SUBJECT, subjects.get(WORST)?, "B a session");
    Ok(measures.measures)
}

/// The case of ten million.
///
/// # Errors
/// A child failed.
pub fn ten_million(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    Ok(measure(TEN_MILLION, run.scale.million * 10, directory, 2)?.measures)
}

fn measure(case: &'static str, sessions: u64, directory: &Path, openings: usize) -> Result<Measures, Failed> {
    let store = directory.join("store");
    let report = child::run("grow", &store, &[&sessions.to_string(), ""])?;
    let mut measures = Measures::of(case);
    for (name, unit) in [
        (BEST, "B a session"),
        (WORST, "B a session"),
        (SAID, "B a session"),
        (DISK, "B a session"),
        (PAUSE, "ms"),
        (LONGEST, "ms"),
        (P999, "us"),
        (SLOW, "creates"),
        (STILL, "ms"),
        (SPEED, "sessions a second"),
        (CLOSE, "ms"),
    ] {
        measures.take(&report, name, unit)?;
    }
    opening::measure(&mut measures, &store, sessions, openings)?;
    Ok(measures)
}

/// Stores sessions, and looks closely at the second half of them.
pub fn child(arguments: &[String]) {
    let (directory, sessions) = (given(arguments, 0), number(arguments, 1));
    let with_subject = given(arguments, 2) == "subject";
    let payloads = payloads();
    let before = meter::anonymous_bytes();
    let store = peers::options().open(directory).expect("sessile opens");
    let payload = |number: u64| payloads[number as usize % payloads.len()].as_slice();
    let create = |number: u64| {
        let mut write = Write::new(payload(number)).durability(Durability::Written);
        if with_subject {
            write = write.subject(number.to_string());
        }
        store.create(Id::of(number).as_str(), write).expect("sessile creates");
    };
    let half = sessions / 2;
    (0..half).for_each(create);

    let mut latency = latencies();
    let (mut best, mut worst) = (f64::INFINITY, 0.0f64);
    let (mut held, mut block_ns, mut pause_ns) = (store.stats().memory_bytes, 0, 0);
    let sample_every = ((sessions - half) / SAMPLES).max(1);
    let began = Instant::now();
    for number in half..sessions {
        let start = Instant::now();
        create(number);
        let took = start.elapsed().as_nanos() as u64;
        latency.saturating_record(took);
        block_ns = block_ns.max(took);
        if number % LOOK_EVERY == 0 {
            let holds = store.stats().memory_bytes;
            if holds > held + GROWN_BYTES {
                pause_ns = pause_ns.max(block_ns);
            }
            (held, block_ns) = (holds, 0);
        }
        if (number - half) % sample_every == 0 || number + 1 == sessions {
            let each = meter::anonymous_bytes().saturating_sub(before) as f64 / (number + 1) as f64;
            (best, worst) = (best.min(each), worst.max(each));
        }
    }
    let took = began.elapsed();
    let ms = |ns: u64| ns as f64 / 1e6;
    say(BEST, best);
    say(WORST, worst);
    say(SPEED, (sessions - half) as f64 / took.as_secs_f64());
    say(LONGEST, ms(latency.max()));
    say(PAUSE, ms(pause_ns));
    say(P999, latency.value_at_quantile(0.999) as f64 / 1e3);
    say(SLOW, latency.count_between(500_000, u64::MAX) as f64);
    store.flush().expect("sessile flushes");
    let stats = store.stats();
    say(SAID, stats.memory_bytes as f64 / sessions as f64);
    say(DISK, stats.disk_bytes as f64 / sessions as f64);
    assert_eq!(store.len(), sessions);

    let (mut random, mut longest) = (Random::new(sessions), 0);
    for _ in 0..(sessions - half) / 4 {
        let number = random.below(sessions as usize) as u64;
        let write = Write::new(payload(number)).durability(Durability::Written);
        let start = Instant::now();
        store.set(Id::of(number).as_str(), write).expect("sessile sets");
        longest = longest.max(start.elapsed().as_nanos() as u64);
    }
    say(STILL, ms(longest));
    let start = Instant::now();
    store.close().expect("sessile closes");
    say(CLOSE, start.elapsed().as_secs_f64() * 1e3);
}
