//! The slowest gets and sets while upkeep works, beside those while it does not: one busy foreground thread, and a core for
//! upkeep.

use std::path::Path;
use std::time::{Duration, Instant};

use sessile::{Durability, Write};

use super::child::{self, given, number, say};
use super::paced::{Foreground, Times, p999_us};
use super::{Failed, Measures};
use crate::data::{Id, payloads};
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
/// A segment is sealed by the next turn of upkeep, which comes each second.
const SEALING: Duration = Duration::from_millis(1300);

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

/// What upkeep was seen to do beside a slice of the foreground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Quiet,
    Sealing,
    Compaction,
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

    let mut seen = [Beside::Quiet, Beside::Sealing, Beside::Compaction].map(|beside| (beside, Times::new()));
    let mut watch = |foreground: &mut Foreground<'_>, time: Duration| {
        let began = Instant::now();
        let mut sealing_until = began;
        let mut before = store.stats();
        while began.elapsed() < time {
            let times = foreground.work(SLICE);
            let now = store.stats();
            let rewrites =
                now.compacted_bytes != before.compacted_bytes || now.compactions != before.compactions;
            if now.segments > before.segments && !rewrites {
                sealing_until = Instant::now() + SEALING;
            }
            before = now;
            let beside = match () {
                () if rewrites => Beside::Compaction,
                () if Instant::now() < sealing_until => Beside::Sealing,
                () => Beside::Quiet,
            };
            for (known, all) in &mut seen {
                if *known == beside {
                    all.add(&times);
                }
            }
        }
    };
    watch(&mut foreground, LONG);
    // Garbage everywhere: upkeep has to rewrite, and goes on doing so while the foreground is watched.
    for _ in 0..4 {
        foreground.overwrite(sessions / 5);
        watch(&mut foreground, LONG / 4);
    }
    let mut longest = 0.0f64;
    for (beside, times) in &seen {
        let called = format!("{beside:?}").to_lowercase();
        tell(times, &called);
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

fn tell(times: &Times, beside: &str) {
    if times.gets.is_empty() {
        return;
    }
    say(&format!("p99.9 of get, {beside}"), p999_us(&times.gets));
    say(&format!("p99.9 of set, {beside}"), p999_us(&times.sets));
    say(&format!("longest operation, {beside}"), times.longest_ms());
    say(&format!("pairs of get and set, {beside}"), times.gets.len() as f64);
}
