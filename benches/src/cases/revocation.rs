//! Ending all sessions of a user: 50 among a million.

use std::path::Path;
use std::time::Instant;

use sessile::{Durability, Store, Write};

use super::child::{self, given, number, say};
use super::{Failed, Measures};
use crate::data::{Id, payloads};
use crate::meter::{self, Io};
use crate::outcome::{Measure, median};
use crate::peers;
use crate::run::Run;

/// What it is chosen by.
pub const CASE: &str = "revocation";
/// Without waiting for the disk.
pub const UNSYNCED: &str = "destroy_subject of 50 sessions, not synced";
/// How often it writes.
pub const RECORDS: &str = "write calls, which is records, of one";
const SYNCED: &str = "destroy_subject of 50 sessions, synced";
const BYTES: &str = "bytes logged by one";
const MEMORY: &str = "memory with a subject for 50 sessions, RssAnon";
const SESSIONS_EACH: u64 = 50;
const REVOKED: u64 = 200;

/// The case.
///
/// # Errors
/// The child failed.
pub fn run(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let report = child::run("revoke", directory, &[&run.scale.million.to_string()])?;
    let mut measures = Measures::of(CASE);
    for (name, unit) in
        [(UNSYNCED, "us"), (SYNCED, "us"), (RECORDS, "calls"), (BYTES, "B"), (MEMORY, "B a session")]
    {
        measures.take(&report, name, unit)?;
    }
    Ok(measures.measures)
}

/// Stores sessions of users, and ends them user by user.
pub fn child(arguments: &[String]) {
    let (directory, sessions) = (given(arguments, 0), number(arguments, 1));
    let payloads = payloads();
    let before = meter::anonymous_bytes();
    let relaxed = peers::options().logouts_may_be_lost_on_power_failure(true).durability(Durability::Written);
    let store = relaxed.open(directory).expect("sessile opens");
    let users = (sessions / SESSIONS_EACH).max(1);
    for number in 0..sessions {
        // A user's sessions lie far from each other.
        let write = Write::new(payloads[number as usize % payloads.len()].as_slice());
        let write = write.subject((number % users).to_string()).durability(Durability::Written);
        store.create(Id::of(number).as_str(), write).expect("sessile creates");
    }
    store.flush().expect("sessile flushes");
    say(MEMORY, meter::anonymous_bytes().saturating_sub(before) as f64 / sessions as f64);
    let each = (REVOKED / 2).min(users / 3).max(1);
    let unsynced: Vec<Revoked> = (0..each).map(|user| revoke(&store, user)).collect();
    say(UNSYNCED, median(unsynced.iter().map(|revoked| revoked.us).collect()));
    say(RECORDS, median(unsynced.iter().map(|revoked| revoked.calls).collect()));
    say(BYTES, median(unsynced.iter().map(|revoked| revoked.bytes).collect()));
    store.close().expect("sessile closes");
    drop(store);
    let store = peers::options().open(directory).expect("sessile opens");
    let synced = (each..2 * each).map(|user| revoke(&store, user).us).collect();
    say(SYNCED, median(synced));
    store.close().expect("sessile closes");
}

struct Revoked {
    us: f64,
    calls: f64,
    bytes: f64,
}

fn revoke(store: &Store, user: u64) -> Revoked {
    let user = user.to_string();
    let io = Io::now();
    let start = Instant::now();
    let ended = store.destroy_subject(&user, None).expect("sessile revokes");
    let us = start.elapsed().as_nanos() as f64 / 1e3;
    let io = Io::now() - io;
    assert!(ended > 0, "the user had sessions");
    Revoked { us, calls: io.write_calls as f64, bytes: io.written_bytes as f64 }
}
