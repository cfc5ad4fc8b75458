//! Bytes around a payload: of a frame in the log, and of its hint in the footer of a sealed segment; and what blocks that were
//! written in advance cost a store that does little.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sessile::{Durability, Store, Write};

use super::child::{self, given, number, say};
use super::{Failed, Measures};
use crate::data::{Id, payloads};
use crate::device::Device;
use crate::meter::Io;
use crate::outcome::{Measure, median};
use crate::peers;
use crate::run::Run;

/// What it is chosen by.
pub const CASE: &str = "frames";
/// Of a session that was created.
pub const CREATED: &str = "frame over the payload, created";
/// Of one that was updated.
pub const UPDATED: &str = "frame over the payload, updated";
/// In the footer.
pub const FOOTER: &str = "footer, its head aside";
const LONE_WRITTEN: &str = "bytes written for a lone synced set";
const LONE_DEVICE: &str = "bytes to the device for a lone synced set";
const LONE_US: &str = "a lone synced set";
const REST_WRITTEN: &str = "bytes written by a store with one session, in all";
const REST_DISK: &str = "on disk of a store with one session";
const LONE: u64 = 200;
/// Longer than upkeep needs to prepare what it wants to have ready.
const REST: Duration = Duration::from_millis(2500);
/// As `src/log/hint.rs` draws it.
const HEAD_BYTES: usize = 24;
const MAGIC: &[u8] = b"SESHINT1";
const SEAL_MAX: Duration = Duration::from_secs(10);

/// The case.
///
/// # Errors
/// The child failed.
pub fn run(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let report = child::run("frames", directory, &[&(run.scale.million / 50).max(5_000).to_string()])?;
    let mut measures = Measures::of(CASE);
    for name in [CREATED, UPDATED, FOOTER] {
        measures.take(&report, name, "B a record")?;
    }
    for (name, unit) in
        [(LONE_US, "us"), (LONE_WRITTEN, "B"), (LONE_DEVICE, "B"), (REST_WRITTEN, "B"), (REST_DISK, "B")]
    {
        measures.take(&report, name, unit)?;
    }
    Ok(measures.measures)
}

/// Creates, updates, and looks at what that has made.
pub fn child(arguments: &[String]) {
    let (directory, sessions) = (Path::new(given(arguments, 0)), number(arguments, 1));
    let payloads = payloads();
    let store = peers::options().segment_bytes(1 << 20).open(directory.join("store")).expect("sessile opens");
    let mut payload_bytes = 0;
    let write = |number: u64, payload_bytes: &mut usize| {
        let payload = &payloads[number as usize % payloads.len()];
        *payload_bytes += payload.len();
        let write = Write::new(payload.as_slice()).durability(Durability::Written);
        store.set(Id::of(number).as_str(), write).expect("sessile sets");
    };
    (0..sessions).for_each(|number| write(number, &mut payload_bytes));
    let over = |payload_bytes: usize| {
        (store.stats().live_bytes as f64 - payload_bytes as f64) / store.stats().sessions as f64
    };
    say(CREATED, over(payload_bytes));
    if let Some(each) = footer_bytes(&store, &directory.join("store")) {
        say(FOOTER, each);
    }
    payload_bytes = 0;
    (0..sessions).for_each(|number| write(number, &mut payload_bytes));
    say(UPDATED, over(payload_bytes));
    store.close().expect("sessile closes");
    little(directory, payloads.first().map_or(&[], Vec::as_slice));
}

/// What a store that does little costs, and each set that nobody shares a sync with.
fn little(directory: &Path, payload: &[u8]) {
    let device = Device::under(directory);
    let io = Io::now();
    let store = peers::options().open(directory.join("little")).expect("sessile opens");
    let set = |number: u64| {
        let start = Instant::now();
        store.set(Id::of(number).as_str(), Write::new(payload)).expect("sessile sets");
        start.elapsed().as_nanos() as f64 / 1e3
    };
    set(0);
    std::thread::sleep(REST);
    say(REST_WRITTEN, (Io::now() - io).written_bytes as f64);
    say(REST_DISK, store.stats().disk_bytes as f64);
    device.settle();
    let (io, on_device) = (Io::now(), device.written_bytes());
    let took = (0..LONE).map(set).collect();
    say(LONE_US, median(took));
    say(LONE_WRITTEN, (Io::now() - io).written_bytes as f64 / LONE as f64);
    say(LONE_DEVICE, device.written_bytes().saturating_sub(on_device) as f64 / LONE as f64);
    store.close().expect("sessile closes");
}

/// Bytes of footer a record, over all segments that are sealed; waits until one is.
fn footer_bytes(store: &Store, directory: &Path) -> Option<f64> {
    let began = Instant::now();
    while began.elapsed() < SEAL_MAX {
        store.maintain(Duration::from_secs(1)).expect("sessile keeps itself");
        let segments = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
        let sealed: Vec<(usize, usize)> = segments
            .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
            .filter_map(|path| footer(&fs::read(path).ok()?))
            .collect();
        let (bytes, records) = sealed.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if records > 0 {
            return Some(bytes as f64 / records as f64);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// Bytes of the footer without its head and records in it, as `src/log/hint.rs` draws it; nothing but zeros may follow.
fn footer(segment: &[u8]) -> Option<(usize, usize)> {
    let at = segment.windows(MAGIC.len()).rposition(|window| window == MAGIC)?;
    let records = u32::from_le_bytes(segment.get(at + 8..at + 12)?.try_into().ok()?) as usize;
    let end = segment.iter().rposition(|byte| *byte != 0)? + 1;
    Some((end.checked_sub(at + HEAD_BYTES)?, records))
}
