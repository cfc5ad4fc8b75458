//! The slowest gets and sets while upkeep works, beside those while it does not: one busy foreground thread, and a core for
//! upkeep.

use std::path::Path;
use std::time::{Duration, Instant};

use sessile::{Durability, Store, Write};

use super::child::{self, given, number, say};
use super::paced::{Foreground, Times, p999_us};
use super::{Failed, Measures};
use crate::data::{Id, payloads};
use crate::meter;
use crate::outcome::Measure;
use crate::peers;
use crate::run::Run;

/// What it is chosen by.
pub const CASE: &str = "stalls";
/// While nothing else is done.
pub const GET_QUIET: &str = "p99.9 of get, quiet";
/// While segments are rewritten.
pub const GET_COMPACTION: &str = "p99.9 of get, compaction";
/// While a full segment is sealed and the next one prepared.
pub const GET_SEALING: &str = "p99.9 of get, sealing";
/// While a backup, which is the snapshot that can be taken of a running store, is made.
pub const GET_SNAPSHOT: &str = "p99.9 of get, backup";
/// While nothing else is done.
pub const SET_QUIET: &str = "p99.9 of set, quiet";
/// While segments are rewritten.
pub const SET_COMPACTION: &str = "p99.9 of set, compaction";
/// While a full segment is sealed and the next one prepared.
pub const SET_SEALING: &str = "p99.9 of set, sealing";
/// While a backup is made.
pub const SET_SNAPSHOT: &str = "p99.9 of set, backup";
/// Of all of these.
pub const LONGEST: &str = "longest operation at all";
const SLICE: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(8);
const KEEPER: &str = "sessile-keep";
/// Its turn each second takes no more if there is nothing to do.
const RESTS_NS: u64 = 300_000;

/// The case.
///
/// # Errors
/// The child failed.
pub fn run(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let report = child::run("stall", directory, &[&run.scale.million.to_string()])?;
    let mut measures = Measures::of(CASE);
    measures.take(&report, LONGEST, "ms")?;
    for (name, value) in report.all("") {
        if name.starts_with("p99.9") {
            measures.add(name, value, "us");
        } else if name != LONGEST {
            measures.add(name, value, if name.starts_with("longest") { "ms" } else { "operations" });
        }
    }
    Ok(measures.measures)
}

/// Reads and writes while the store fills segments, then while it rewrites them, then while it is backed up.
pub fn child(arguments: &[String]) {
    let (directory, sessions) = (Path::new(given(arguments, 0)), number(arguments, 1));
    // A segment that is full every few seconds at the pace of the foreground.
    let store = peers::options().segment_bytes(16 << 20);
    let store = store.open(directory.join("store")).expect("sessile opens");
    {
        let payloads = payloads();
        for number in 0..sessions {
            let payload = payloads[number as usize % payloads.len()].as_slice();
            let write = Write::new(payload).durability(Durability::Written);
            store.create(Id::of(number).as_str(), write).expect("sessile creates");
        }
    }
    store.flush().expect("sessile flushes");
    while store.maintain(Duration::from_secs(1)).expect("sessile keeps itself").more {}
    let mut foreground = Foreground::new(&store, sessions, |number| number);
    foreground.work(Duration::from_secs(1));

    let mut watch = Watch::new(&store);
    watch.over(&mut foreground, LONG);
    // Garbage everywhere: upkeep has to rewrite, and goes on doing so while the foreground is watched.
    for _ in 0..4 {
        foreground.overwrite(sessions / 5);
        watch.over(&mut foreground, LONG / 4);
    }
    let mut longest = 0.0f64;
    for (beside, times) in
        [("quiet", &watch.quiet), ("sealing", &watch.sealing), ("compaction", &watch.compaction)]
    {
        tell(times, beside);
        longest = longest.max(times.longest_ms());
    }
    let times = std::thread::scope(|scope| {
        let backup = scope.spawn(|| store.backup(directory.join("backup")).expect("sessile is backed up"));
        let mut times = Times::new();
        while !backup.is_finished() || times.gets.len() < 1000 {
            times.add(&foreground.work(SLICE));
        }
        times
    });
    tell(&times, "backup");
    say(LONGEST, longest.max(times.longest_ms()));
    store.close().expect("sessile closes");
}

/// Sorts what the foreground did by what upkeep did meanwhile. While its thread works, it is not known at what: that shows when
/// it rests again.
struct Watch<'s> {
    store: &'s Store,
    quiet: Times,
    sealing: Times,
    compaction: Times,
}

impl<'s> Watch<'s> {
    fn new(store: &'s Store) -> Self {
        Self { store, quiet: Times::new(), sealing: Times::new(), compaction: Times::new() }
    }

    fn over(&mut self, foreground: &mut Foreground<'_>, time: Duration) {
        let began = Instant::now();
        let rewrites = || self.store.stats().compactions;
        let (mut worked_ns, mut rewritten) = (meter::thread_ns(KEEPER), rewrites());
        let mut busy: Option<Times> = None;
        while began.elapsed() < time || busy.is_some() {
            let times = foreground.work(SLICE);
            let now_ns = meter::thread_ns(KEEPER);
            let works = now_ns - std::mem::replace(&mut worked_ns, now_ns) > RESTS_NS;
            if works {
                busy.get_or_insert_with(Times::new).add(&times);
                continue;
            }
            if let Some(mut done) = busy.take() {
                done.add(&times);
                let before = std::mem::replace(&mut rewritten, rewrites());
                let is_compaction = rewritten != before;
                if is_compaction { &mut self.compaction } else { &mut self.sealing }.add(&done);
            } else {
                self.quiet.add(&times);
            }
        }
    }
}

fn tell(times: &Times, beside: &str) {
    if times.gets.is_empty() {
        return;
    }
    say(&format!("p99.9 of get, {beside}"), p999_us(&times.gets));
    say(&format!("p99.9 of set, {beside}"), p999_us(&times.sets));
    say(&format!("longest operation, {beside}"), times.longest_ms());
    say(&format!("pairs of get and set, {beside}"), times.gets.len() as f64);
}
