//! What of the touches reaches the disk in the web mix, where most of them are coalesced.

use std::path::Path;
use std::time::{Duration, Instant};

use sessile::{Durability, Write};

use super::child::{self, given, number, say};
use super::{Failed, Measures};
use crate::data::Dataset;
use crate::meter::Io;
use crate::outcome::Measure;
use crate::peer::{IDLE, Peer, Wait};
use crate::peers::{self, Sessile};
use crate::run::Run;
use crate::workload::{Kind, Remembered};

/// What it is chosen by.
pub const CASE: &str = "touches";
/// Logged bytes of touches by touches.
pub const BYTES: &str = "bytes a touch in the web mix";
const FRAME: &str = "bytes of a touch that is logged";
const LOGGED: &str = "touches that are logged, of a hundred";
const LONG: Duration = Duration::from_secs(3);
const FORCED: u64 = 1000;

/// The case.
///
/// # Errors
/// The child failed.
pub fn run(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let report = child::run("touch", directory, &[&run.scale.sessions.to_string()])?;
    let mut measures = Measures::of(CASE);
    measures.take(&report, BYTES, "B")?;
    measures.take(&report, FRAME, "B")?;
    measures.take(&report, LOGGED, "%")?;
    Ok(measures.measures)
}

/// Runs the web mix for a while, and counts.
pub fn child(arguments: &[String]) {
    let (directory, sessions) = (Path::new(given(arguments, 0)), number(arguments, 1));
    let data = Dataset::new(sessions as usize);
    let peer = Sessile::with(peers::options(), &directory.join("web"));
    peer.load(&mut data.stored.iter().enumerate().map(|(at, id)| (id.as_str(), data.payload(at))));
    peer.wait_for(Wait::Written);
    let (remembered, mut client) = (Remembered::new(0), peer.client());
    let (before, began, mut requests) = (peer.store().stats(), Instant::now(), 0);
    while began.elapsed() < LONG {
        Kind::Web.step(client.as_mut(), &data, &remembered, requests);
        requests += 1;
    }
    let after = peer.store().stats();
    let touched = after.touched - before.touched;
    let logged = touched - (after.coalesced - before.coalesced);

    let store =
        peers::options().manual_maintenance(true).open(directory.join("frame")).expect("sessile opens");
    let id = |number: u64| data.stored[number as usize % data.stored.len()];
    for number in 0..FORCED {
        let write = Write::new(data.payload(0)).durability(Durability::Written);
        store.set(id(number).as_str(), write).expect("sessile sets");
    }
    let io = Io::now();
    for number in 0..FORCED {
        store.touch(id(number).as_str(), IDLE * 2).expect("sessile touches");
    }
    let frame = (Io::now() - io).written_bytes as f64 / FORCED as f64;
    say(FRAME, frame);
    say(BYTES, frame * logged as f64 / touched.max(1) as f64);
    say(LOGGED, 100.0 * logged as f64 / touched.max(1) as f64);
}
