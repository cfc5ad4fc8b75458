//! What the peers take of memory, and to open after a clean close and after a kill.

use std::path::Path;
use std::time::Instant;

use super::child::{self, given, number, say};
use super::{Failed, Measures};
use crate::data::{Id, payloads};
use crate::meter;
use crate::outcome::Measure;
use crate::peer::{Peer, Wait};
use crate::peers::{self, Known, Redis};
use crate::run::Run;

/// A million sessions in all of them.
pub const NAME: &str = "million, peers";
/// Ten million sessions in those that take them in reasonable time.
pub const TEN_MILLION: &str = "ten million, peers";
/// Those.
const QUICK: [&str; 2] = ["fjall", "rocksdb"];
const OPEN: &str = "open until a session was read";
const MEMORY: &str = "memory after reading";
const FOUND: &str = "found of the last";
const LOADED: &str = "loaded a second";
const DISK: &str = "disk";
/// How many sessions are written before the process is killed.
const LAST_WRITES: u64 = 10_000;

/// Opens the stores that the workloads over a million sessions have left in `directory`.
pub fn measure(run: &mut Run, directory: &Path) {
    let sessions = run.scale.million;
    for known in peers::chosen(&run.peers).collect::<Vec<_>>() {
        run.begin(&format!("million, opening: {}", known.called));
        if let Err(failure) = one(run, known, directory, sessions) {
            eprintln!("  {}: {failure}", known.called);
            run.outcome.failures.push(format!("opening {}: {failure}", known.called));
        }
        run.keep();
    }
}

fn one(run: &mut Run, known: &Known, directory: &Path, sessions: u64) -> Result<(), Failed> {
    let (count, name, called) = (sessions.to_string(), known.chosen_by, known.called);
    if known.forgets() {
        let loaded = child::run("peer-load", directory, &[&count, name])?;
        run.size(called, sessions).memory_bytes = Some(loaded.get(MEMORY)?);
        return Ok(());
    }
    // Whoever waits in a queue is the same store; where there is no server there is no peer.
    if known.is_queue() || name == "redis" && !Redis::is_here() {
        return Ok(());
    }
    let closed = child::run("peer-open", directory, &[&count, name, "read"])?;
    child::run("peer-kill", directory, &[&count, name])?;
    let killed = child::run("peer-open", directory, &[&count, name, ""])?;
    let size = run.size(called, sessions);
    size.open_closed_ms = Some(closed.get(OPEN)?);
    size.memory_bytes = Some(closed.get(MEMORY)?);
    size.open_killed_ms = Some(killed.get(OPEN)?);
    size.missing = Some(LAST_WRITES as f64 - killed.get(FOUND)?);
    Ok(())
}

/// The case of ten million sessions.
///
/// # Errors
/// A child failed.
pub fn ten_million(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let sessions = run.scale.million * 10;
    let mut measures = Measures::of(TEN_MILLION);
    let quick = |known: &&&Known| QUICK.contains(&known.chosen_by);
    for known in peers::chosen(&run.peers).filter(|known| quick(&known)).collect::<Vec<_>>() {
        let (name, called) = (known.chosen_by, known.called);
        let loaded = child::run("peer-load", directory, &[&sessions.to_string(), name])?;
        let size = run.size(called, sessions);
        size.loaded_per_second = Some(loaded.get(LOADED)?);
        size.disk_bytes = Some(loaded.get(DISK)?);
        one(run, known, directory, sessions)?;
        let size = run.size(called, sessions).clone();
        for (end, ms) in [("clean close", size.open_closed_ms), ("kill", size.open_killed_ms)] {
            measures.add(&format!("{called}: open after a {end}"), ms.unwrap_or(f64::NAN), "ms");
        }
        let _ = std::fs::remove_dir_all(directory.join(name));
    }
    Ok(measures.measures)
}

fn opened(arguments: &[String]) -> Box<dyn Peer> {
    let (directory, name) = (given(arguments, 0), given(arguments, 2));
    let peer = peers::open(name, Path::new(directory)).expect("the store opens");
    peer.wait_for(Wait::Written);
    peer
}

fn held(peer: &dyn Peer, before: u64) -> f64 {
    peer.server_bytes().unwrap_or_else(|| meter::anonymous_bytes().saturating_sub(before)) as f64
}

/// A child: stores so many sessions.
pub fn load(arguments: &[String]) {
    let sessions = number(arguments, 1);
    let payloads = payloads();
    let before = meter::anonymous_bytes();
    let peer = opened(arguments);
    let start = Instant::now();
    // In parts, so that not all ids are held at once.
    for first in (0..sessions).step_by(100_000) {
        let ids: Vec<Id> = (first..sessions.min(first + 100_000)).map(Id::of).collect();
        let payload = |at: usize| payloads[(first as usize + at) % payloads.len()].as_slice();
        peer.load(&mut ids.iter().enumerate().map(|(at, id)| (id.as_str(), payload(at))));
    }
    peer.settle();
    say(LOADED, sessions as f64 / start.elapsed().as_secs_f64());
    say(MEMORY, held(peer.as_ref(), before));
    say(DISK, meter::disk_bytes(&Path::new(given(arguments, 0)).join(given(arguments, 2))) as f64);
}

/// A child: opens, reads, and closes.
pub fn open(arguments: &[String]) {
    let sessions = number(arguments, 1);
    let before = meter::anonymous_bytes();
    let start = Instant::now();
    let peer = opened(arguments);
    let mut client = peer.client();
    let mut is_there = |number: u64| client.get(Id::of(number).as_str()).is_some();
    assert!(is_there(0), "session 0 is missing");
    say(OPEN, start.elapsed().as_secs_f64() * 1e3);
    // A server has everything in memory already, and takes its time to answer.
    if given(arguments, 3) == "read" && peer.server_bytes().is_none() {
        assert!((0..sessions).all(&mut is_there), "a session is missing");
    }
    say(FOUND, (sessions..sessions + LAST_WRITES).filter(|number| is_there(*number)).count() as f64);
    say(MEMORY, held(peer.as_ref(), before));
}

/// A child: opens, writes, and is gone.
pub fn kill(arguments: &[String]) {
    let sessions = number(arguments, 1);
    let payloads = payloads();
    let peer = opened(arguments);
    let mut client = peer.client();
    for number in sessions..sessions + LAST_WRITES {
        client.set(Id::of(number).as_str(), &payloads[number as usize % payloads.len()]);
    }
    peer.kill();
    std::process::abort();
}
