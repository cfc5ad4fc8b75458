//! One of two million sessions runs out at the same moment, while a foreground reads and writes the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use std::path::Path;

use sessile::{Deadline, Durability, Store, Write};

use super::child::{self, given, number, say};
use super::paced::{Foreground, Times, p999_us};
use super::{Ahead, Failed, Measures};
use crate::data::{Id, payloads};
use crate::meter;
use crate::outcome::Measure;
use crate::peers::{self, keeps};
use crate::run::Run;

/// What it is chosen by.
pub const CASE: &str = "expiry";
/// Work of the thread that keeps the store until all have ended.
pub const WORK: &str = "processor work a session that expires";
/// Of the foreground, until all have ended.
pub const LONGEST: &str = "longest operation beside it";
/// From the moment on.
pub const GIVEN_BACK: &str = "until the disk is given back";
/// Of the same thread for one session more.
pub const ONE: &str = "processor work for one session that expires among all";
/// Before it.
pub const GET_QUIET: &str = "p99.9 of get, quiet";
/// During it.
pub const GET_EXPIRY: &str = "p99.9 of get, expiry";
/// Before it.
pub const SET_QUIET: &str = "p99.9 of set, quiet";
/// During it.
pub const SET_EXPIRY: &str = "p99.9 of set, expiry";
const LONGEST_QUIET: &str = "longest operation, quiet";
const LONGEST_GET: &str = "longest get beside it";
const LONGEST_GET_QUIET: &str = "longest get, quiet";
const REAPED: &str = "until all have ended";
const RECLAIM: &str = "processor work a session to give the disk back";
const REWRITTEN: &str = "rewritten to give the disk back";
const LONGEST_RECLAIM: &str = "longest operation while the disk is given back";
const DISK: &str = "on disk in the end by live frames";
const KEEPER: &str = "sessile-keep";
const LIFE: Duration = Duration::from_secs(3600);
const SLICE: Duration = Duration::from_millis(50);
const QUIET: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(100);
const SEGMENT_BYTES: u64 = 64 << 20;

/// The case.
///
/// # Errors
/// The child failed.
pub fn run(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let report = child::run("expire", directory, &[&(run.scale.million * 2).to_string()])?;
    let mut measures = Measures::of(CASE);
    for (name, unit) in [
        (WORK, "us"),
        (REAPED, "s"),
        (GIVEN_BACK, "s"),
        (RECLAIM, "us"),
        (REWRITTEN, "MiB"),
        (DISK, "x"),
        (ONE, "us"),
        (LONGEST_QUIET, "ms"),
        (LONGEST, "ms"),
        (LONGEST_GET_QUIET, "ms"),
        (LONGEST_GET, "ms"),
        (LONGEST_RECLAIM, "ms"),
        (GET_QUIET, "us"),
        (GET_EXPIRY, "us"),
        (SET_QUIET, "us"),
        (SET_EXPIRY, "us"),
    ] {
        measures.take(&report, name, unit)?;
    }
    Ok(measures.measures)
}

/// Whether what is dead has gone, but for what every store of this size has: a third over what lives, and two segments.
fn is_given_back(store: &Store) -> bool {
    let stats = store.stats();
    stats.disk_bytes as f64 <= stats.live_bytes as f64 * 1.3 + (2 * SEGMENT_BYTES) as f64
}

/// Stores sessions of which every second one runs out at the same moment, and lets that come.
pub fn child(arguments: &[String]) {
    let (directory, sessions) = (given(arguments, 0), number(arguments, 1));
    let store = peers::options().clock(Arc::new(Ahead)).open(directory).expect("sessile opens");
    let moment = Deadline::at_ms(keeps::now_ms() + LIFE.as_millis() as u64);
    {
        let payloads = payloads();
        for number in 0..sessions {
            let write = Write::new(payloads[number as usize % payloads.len()].as_slice());
            let write = write.durability(Durability::Written);
            let write = if number % 2 == 0 { write.idle_until(moment) } else { write };
            store.create(Id::of(number).as_str(), write).expect("sessile creates");
        }
    }
    let early = Write::new("early").idle_until(Deadline::at_ms(moment.as_ms() - LIFE.as_millis() as u64 / 2));
    store.create("one that runs out earlier", early).expect("sessile creates");
    store.flush().expect("sessile flushes");
    settle(&store);
    let mut foreground = Foreground::new(&store, sessions / 2, |number| number * 2 + 1);
    foreground.work(QUIET / 4);
    let quiet = foreground.work(QUIET);
    say(GET_QUIET, p999_us(&quiet.gets));
    say(SET_QUIET, p999_us(&quiet.sets));
    say(LONGEST_QUIET, quiet.longest_ms());
    say(LONGEST_GET_QUIET, quiet.gets.max() as f64 / 1e6);
    one_alone(&store);

    let expired_before = store.stats().expired;
    let (keeper, rewritten) = (meter::thread_ns(KEEPER), store.stats().compacted_bytes);
    keeps::pass(LIFE / 2 + Duration::from_secs(1));
    let began = Instant::now();
    let mut during = Times::new();
    while store.stats().expired - expired_before < sessions / 2 {
        during.add(&foreground.work(SLICE));
        assert!(began.elapsed() < PATIENCE, "they do not expire");
    }
    let reaping = meter::thread_ns(KEEPER) - keeper;
    let each = |ns: u64| ns as f64 / 1e3 / (sessions / 2) as f64;
    say(WORK, each(reaping));
    say(REAPED, began.elapsed().as_secs_f64());
    say(GET_EXPIRY, p999_us(&during.gets));
    say(SET_EXPIRY, p999_us(&during.sets));
    say(LONGEST, during.longest_ms());
    say(LONGEST_GET, during.gets.max() as f64 / 1e6);

    let mut reclaiming = Times::new();
    while !is_given_back(&store) && began.elapsed() < PATIENCE {
        reclaiming.add(&foreground.work(SLICE));
    }
    let is_back = is_given_back(&store);
    say(GIVEN_BACK, if is_back { began.elapsed().as_secs_f64() } else { f64::INFINITY });
    say(RECLAIM, each(meter::thread_ns(KEEPER) - keeper - reaping));
    let stats = store.stats();
    say(REWRITTEN, (stats.compacted_bytes - rewritten) as f64 / f64::from(1 << 20));
    say(LONGEST_RECLAIM, reclaiming.longest_ms());
    say(DISK, stats.disk_bytes as f64 / stats.live_bytes as f64);
    store.close().expect("sessile closes");
}

/// Waits until the store has nothing to do.
fn settle(store: &Store) {
    let began = Instant::now();
    while store.maintain(Duration::from_secs(1)).expect("sessile keeps itself").more {
        assert!(began.elapsed() < PATIENCE, "the store does not come to rest");
    }
}

/// Lets one session run out, with nothing else to do: work that grows with the store would be seen here.
fn one_alone(store: &Store) {
    settle(store);
    let second = Duration::from_secs(1);
    let keeper = meter::thread_ns(KEEPER);
    std::thread::sleep(second * 2);
    let nothing = meter::thread_ns(KEEPER) - keeper;
    let (keeper, expired) = (meter::thread_ns(KEEPER), store.stats().expired);
    keeps::pass(LIFE / 2 + second);
    std::thread::sleep(second * 2);
    assert_eq!(store.stats().expired, expired + 1, "one session runs out");
    say(ONE, (meter::thread_ns(KEEPER) - keeper).saturating_sub(nothing) as f64 / 1e3);
}
