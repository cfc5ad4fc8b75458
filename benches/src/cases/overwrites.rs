//! Uniform overwrites: how much is written for each byte that the user writes, by how much room the store is given over
//! what lives.

use std::path::Path;
use std::time::Duration;

use sessile::{AtLimit, Durability, Error, Write};

use super::child::{self, given, number, say};
use super::{Failed, Measures};
use crate::data::{Id, Random, payloads};
use crate::device::Device;
use crate::meter::Io;
use crate::outcome::Measure;
use crate::peers;
use crate::run::Run;

/// What it is chosen by.
pub const CASE: &str = "overwrites";
/// Most that the files may occupy by what lives, in percent; 0 is no limit.
const ROOMS: [u64; 5] = [0, 300, 200, 150, 130];
const WRITTEN: &str = "bytes written a byte of the user";
const DEVICE: &str = "bytes to the device a byte of the user";
const SPACE: &str = "space by live frames";
const REFUSED: &str = "sets refused at the limit";
/// Every session is overwritten so often.
const ROUNDS: u64 = 5;
const ID_BYTES: usize = 32;
const SEGMENT_BYTES: u64 = 4 << 20;

/// The case.
///
/// # Errors
/// A child failed.
pub fn run(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let sessions = (run.scale.million / 5).to_string();
    let mut measures = Measures::of(CASE);
    for room in ROOMS {
        let store = directory.join(room.to_string());
        let report = child::run("overwrite", &store, &[&sessions, &room.to_string()])?;
        let _ = std::fs::remove_dir_all(&store);
        let limit = if room == 0 {
            "without a limit".to_owned()
        } else {
            format!("limit {}.{:02}x", room / 100, room % 100)
        };
        for (name, unit) in [(SPACE, "x"), (WRITTEN, "x"), (DEVICE, "x"), (REFUSED, "sets")] {
            measures.add(&format!("{limit}: {name}"), report.get(name)?, unit);
        }
    }
    Ok(measures.measures)
}

/// Overwrites at random under a limit of so many percent of what lives.
pub fn child(arguments: &[String]) {
    let (directory, sessions, room) =
        (Path::new(given(arguments, 0)), number(arguments, 1), number(arguments, 2));
    let payloads = payloads();
    let payload = |number: u64| payloads[number as usize % payloads.len()].as_slice();
    let write = |number: u64| Write::new(payload(number)).durability(Durability::Written);
    let live: u64 = (0..sessions).map(|number| payload(number).len() as u64 + 64).sum();
    let mut options = peers::options().segment_bytes(SEGMENT_BYTES).at_limit(AtLimit::Reject);
    if room > 0 {
        options = options.disk_bytes_max((live * room / 100).max(SEGMENT_BYTES * 4));
    }
    let store = options.open(directory).expect("sessile opens");
    for number in 0..sessions {
        store.create(Id::of(number).as_str(), write(number)).expect("sessile creates");
    }
    store.flush().expect("sessile flushes");
    let device = Device::under(directory);
    device.settle();
    let (io, on_device) = (Io::now(), device.written_bytes());
    let (mut random, mut user_bytes, mut refused) = (Random::new(sessions), 0, 0u64);
    let (mut space, mut looks) = (0.0, 0u32);
    for round in 0..sessions * ROUNDS {
        let number = random.below(sessions as usize) as u64;
        let given = random.below(payloads.len()) as u64;
        loop {
            match store.set(Id::of(number).as_str(), write(given)) {
                Ok(_) => break,
                Err(Error::Full(_)) => {
                    refused += 1;
                    assert!(refused < 1_000_000, "the limit leaves no room to work in");
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(error) => panic!("sessile sets: {error}"),
            }
        }
        user_bytes += ID_BYTES + payload(given).len();
        if round % 10_000 == 0 {
            let stats = store.stats();
            (space, looks) = (space + stats.disk_bytes as f64 / stats.live_bytes as f64, looks + 1);
        }
    }
    store.flush().expect("sessile flushes");
    device.settle();
    say(WRITTEN, (Io::now() - io).written_bytes as f64 / user_bytes as f64);
    say(DEVICE, device.written_bytes().saturating_sub(on_device) as f64 / user_bytes as f64);
    say(SPACE, space / f64::from(looks.max(1)));
    say(REFUSED, refused as f64);
}
