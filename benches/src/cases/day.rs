//! A day of traffic in fast forward: users who come back and are remembered for hours, updates, logouts, and bots that never
//! return. What is on the disk after it, and how many bytes reached the device for each byte that a user wrote.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sessile::Durability;

use super::child::{self, given, number, say};
use super::{Ahead, Failed, Measures};
use crate::data::{Dataset, Id, PAYLOAD_BYTES_MIN, Random};
use crate::device::Device;
use crate::meter::{self, Io};
use crate::outcome::{Measure, OURS};
use crate::peer::{Client, Peer, Wait};
use crate::peers::{self, Known, Sessile, keeps};
use crate::run::Run;

/// What it is chosen by.
pub const CASE: &str = "day";
/// On disk by what it may be: 1.3 times the live frames, and two segments.
pub const SPACE: &str = "sessile, large: on disk, by 1.3 times the live frames plus two segments";
/// Of a large day.
pub const DEVICE: &str = "sessile, large: bytes to the device a byte of the user";
const ON_DISK: &str = "on disk a session";
const ON_DEVICE: &str = "bytes to the device a byte of the user";
const WRITTEN: &str = "bytes written a byte of the user";
const SESSIONS: &str = "sessions in the end";
const BOUND: &str = "on disk, by 1.3 times the live frames plus two segments";
const COMPACTED: &str = "of these by compaction";
const LOGGED: &str = "touches that are logged, of a hundred";
const MINUTES: u64 = 24 * 60;
const MINUTE: Duration = Duration::from_secs(60);
/// How long a session lives without being used.
const LIFE: Duration = Duration::from_secs(4 * 3600);
/// A peer prunes so often, in minutes.
const PRUNE_EVERY: u64 = 60;
/// Of a hundred requests, so many are from bots.
const BOTS: usize = 5;
/// Sessile with endings that do not wait for the disk, as the peers' do not.
const RELAXED: &str = "sessile-relaxed";
const ID_BYTES: usize = 32;
const DEADLINE_BYTES: usize = 8;
const SEGMENT_BYTES: f64 = (64 << 20) as f64;

/// The case: the same small day for every peer that goes by the program's clock, and a large one.
///
/// # Errors
/// A child failed.
pub fn run(run: &mut Run, directory: &Path) -> Result<Vec<Measure>, Failed> {
    let mut measures = Measures::of(CASE);
    let small = (run.scale.million / 50, run.scale.million / 10);
    let large = (run.scale.million * 2 / 5, run.scale.million * 6);
    let drivable = |known: &&Known| !known.forgets() && !known.is_queue() && known.chosen_by != "redis";
    let mut days = vec![
        (format!("{OURS}, large"), OURS, large),
        (format!("{OURS}, large, endings not synced"), RELAXED, large),
        (format!("{OURS}, endings not synced"), RELAXED, small),
    ];
    days.extend(
        peers::chosen(&run.peers)
            .filter(drivable)
            .map(|known| (known.called.to_owned(), known.chosen_by, small)),
    );
    for (called, chosen_by, (users, requests)) in days {
        run.say(format!("{CASE}: {called}"));
        let store = directory.join(chosen_by);
        let report = child::run("day", &store, &[chosen_by, &users.to_string(), &requests.to_string()])?;
        let _ = std::fs::remove_dir_all(&store);
        for (name, unit) in [
            (ON_DEVICE, "x"),
            (WRITTEN, "x"),
            (COMPACTED, "x"),
            (ON_DISK, "B"),
            (BOUND, "x"),
            (LOGGED, "%"),
            (SESSIONS, "sessions"),
        ] {
            if let Ok(value) = report.get(name) {
                measures.add(&format!("{called}: {name}"), value, unit);
            }
        }
    }
    Ok(measures.measures)
}

/// A store whose clock can be moved, and what lets it keep itself.
struct Driven {
    peer: Box<dyn Peer>,
    ours: Option<sessile::Store>,
}

impl Driven {
    fn open(chosen_by: &str, directory: &Path) -> Self {
        if ![OURS, RELAXED].contains(&chosen_by) {
            let peer = peers::open(chosen_by, directory).expect("the store opens");
            return Self { peer, ours: None };
        }
        let options = peers::options().clock(Arc::new(Ahead)).manual_maintenance(true);
        let relaxed = chosen_by == RELAXED;
        let options = options.durability(Durability::Written).logouts_may_be_lost_on_power_failure(relaxed);
        let peer = Sessile::with(options, directory);
        let ours = Some(peer.store().clone());
        Self { peer: Box::new(peer), ours }
    }

    /// A minute is over.
    fn minute(&self, number: u64) {
        match &self.ours {
            Some(store) => {
                while store.maintain(Duration::from_secs(5)).expect("sessile keeps itself").more {}
            }
            None if number % PRUNE_EVERY == PRUNE_EVERY - 1 => self.peer.prune(),
            None => {}
        }
    }
}

/// Lives through a day.
pub fn child(arguments: &[String]) {
    let (directory, chosen_by) = (Path::new(given(arguments, 0)), given(arguments, 1));
    let (users, requests) = (number(arguments, 2) as usize, number(arguments, 3));
    std::fs::create_dir_all(directory).expect("the directory can be made");
    let data = Dataset::new(users);
    let driven = Driven::open(chosen_by, directory);
    driven.peer.wait_for(Wait::Written);
    let device = Device::under(directory);
    device.settle();
    let (io, on_device) = (Io::now(), device.written_bytes());
    let mut traffic = Traffic {
        client: driven.peer.client(),
        data: &data,
        random: Random::new(requests),
        requests: 0,
        user_bytes: 0,
    };
    for minute in 0..MINUTES {
        for _ in 0..requests / MINUTES {
            traffic.request();
        }
        keeps::pass(MINUTE);
        driven.minute(minute);
    }
    let user_bytes = traffic.user_bytes as f64;
    drop(traffic);
    driven.peer.settle();
    device.settle();
    say(ON_DEVICE, device.written_bytes().saturating_sub(on_device) as f64 / user_bytes);
    say(WRITTEN, (Io::now() - io).written_bytes as f64 / user_bytes);
    let on_disk = meter::disk_bytes(directory) as f64;
    if let Some(store) = &driven.ours {
        let stats = store.stats();
        say(COMPACTED, stats.compacted_bytes as f64 / user_bytes);
        say(SESSIONS, stats.sessions as f64);
        say(ON_DISK, on_disk / stats.sessions as f64);
        say(BOUND, on_disk / (stats.live_bytes as f64 * 1.3 + 2.0 * SEGMENT_BYTES));
        say(LOGGED, 100.0 * (stats.touched - stats.coalesced) as f64 / stats.touched.max(1) as f64);
        return;
    }
    let mut client = driven.peer.client();
    let live = (0..users).filter(|user| client.get(data.stored[*user].as_str()).is_some()).count();
    say(ON_DISK, on_disk / live.max(1) as f64);
    say(SESSIONS, live as f64);
}

struct Traffic<'a> {
    client: Box<dyn Client + 'a>,
    data: &'a Dataset,
    random: Random,
    requests: usize,
    /// Ids, deadlines and data that were given to be kept.
    user_bytes: usize,
}

impl Traffic<'_> {
    fn request(&mut self) {
        let number = self.requests;
        self.requests += 1;
        if self.random.below(100) < BOTS {
            return self.set(Id::of(number as u64 + (1 << 44)));
        }
        // Popularity as on the web; who has not been here for long comes as a stranger.
        let id = self.data.zipf[number % self.data.zipf.len()];
        let found = self.client.get(id.as_str());
        if found.is_none_or(|bytes| bytes < PAYLOAD_BYTES_MIN) {
            return self.set(id);
        }
        match self.random.below(100) {
            0 => {
                self.client.destroy(id.as_str());
                self.user_bytes += ID_BYTES;
            }
            1..=5 => self.set(id),
            6..=7 => self.set(Id::of(number as u64 + (1 << 43))),
            _ => {
                self.client.touch(id.as_str(), LIFE);
                self.user_bytes += ID_BYTES + DEADLINE_BYTES;
            }
        }
    }

    fn set(&mut self, id: Id) {
        let payload = self.data.payload(self.requests);
        self.client.set_for(id.as_str(), payload, LIFE);
        self.user_bytes += ID_BYTES + DEADLINE_BYTES + payload.len();
    }
}
