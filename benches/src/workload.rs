//! One kind of request, repeated: which session is next, and what is done with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::data::{Dataset, Id};
use crate::peer::{Client, IDLE, Wait};
use crate::peers::keeps::now_ms;

/// What is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Store the sessions one by one, before anything else is measured.
    Load,
    /// Read a session; a few are read very often.
    GetZipf,
    /// Read a session; all are read equally often.
    GetUniform,
    /// Look for a session that is not there.
    GetMissing,
    /// Replace a session.
    Set,
    /// Let a session live longer, as every request to a web server does.
    Touch,
    /// Let a session live so much longer each time that the log has to hear of it.
    TouchFurther,
    /// What a web server does: 92% read and touch, 5% read and replace, 2% create, 1% read and destroy.
    Web,
    /// The same from an application that writes a touch only where the deadline that it wrote last is older than
    /// [`SLACK`], for stores that do not do that by themselves.
    WebCoalesced,
    /// What Redis publishes of its sessions: 400 to 600 bytes, a few are read very often, a tenth is written.
    Published,
}

/// A kind of request, from so many threads, with writes that wait for something.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// What it is called in the table.
    pub name: &'static str,
    /// What is repeated.
    pub kind: Kind,
    /// How many threads repeat it.
    pub threads: usize,
    /// What its writes wait for.
    pub wait: Wait,
    /// Whether it runs over a million sessions instead of the usual number.
    pub million: bool,
}

impl Workload {
    /// What it is chosen by: `set, Synced, 32 threads`.
    #[must_use]
    pub fn label(&self) -> String {
        let plural = if self.threads == 1 { "" } else { "s" };
        let million = if self.million { ", million" } else { "" };
        format!("{}, {} thread{plural}{million}", self.name, self.threads)
    }
}

/// By how much a deadline may be older than it could be, where touches are coalesced: sessile's default.
pub const SLACK: Duration = Duration::from_secs(60);
/// More than that.
const BEYOND_SLACK: Duration = Duration::from_secs(61);

/// What an application remembers of the deadlines that it wrote: when, of each stored session.
#[derive(Debug)]
pub struct Remembered(Vec<AtomicU64>);

impl Remembered {
    /// As if all `sessions` had just been written.
    #[must_use]
    pub fn new(sessions: usize) -> Self {
        let now_ms = now_ms();
        Self((0..sessions).map(|_| AtomicU64::new(now_ms)).collect())
    }

    fn written(&self, place: u32) {
        self.0[place as usize].store(now_ms(), Ordering::Relaxed);
    }

    fn is_old(&self, place: u32) -> bool {
        let since_ms = now_ms().saturating_sub(self.0[place as usize].load(Ordering::Relaxed));
        u128::from(since_ms) >= SLACK.as_millis()
    }
}

impl Kind {
    /// Whether it changes the store.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(self, Self::GetZipf | Self::GetUniform | Self::GetMissing)
    }

    /// Does request number `number`, which no other thread does.
    pub fn step(self, client: &mut dyn Client, data: &Dataset, remembered: &Remembered, number: usize) {
        match self {
            Self::Load => client.set(data.stored[number].as_str(), data.payload(number)),
            Self::GetZipf => read(client, at(&data.zipf, number)),
            Self::GetUniform => read(client, at(&data.uniform, number)),
            Self::GetMissing => {
                let found = client.get(at(&data.missing, number).as_str());
                assert!(found.is_none(), "a session was found that was never stored");
            }
            Self::Set => client.set(at(&data.uniform, number).as_str(), data.payload(number)),
            Self::Touch => touch(client, at(&data.uniform, number), IDLE),
            Self::TouchFurther => {
                let lap = number / data.stored.len() + 1;
                touch(client, &data.stored[number % data.stored.len()], IDLE + BEYOND_SLACK * lap as u32);
            }
            Self::Web => web(client, data, None, number),
            Self::WebCoalesced if client.coalesces() => web(client, data, None, number),
            Self::WebCoalesced => web(client, data, Some(remembered), number),
            Self::Published if number % 10 == 9 => {
                client.set(at(&data.zipf, number).as_str(), data.published_payload(number));
            }
            Self::Published => read(client, at(&data.zipf, number)),
        }
    }
}

/// A sequence repeats after a power of two, so that finding the next id is no division.
fn at<T>(sequence: &[T], number: usize) -> &T {
    debug_assert!(sequence.len().is_power_of_two());
    &sequence[number & (sequence.len() - 1)]
}

fn read(client: &mut dyn Client, id: &Id) {
    let bytes = client.get(id.as_str());
    assert!(
        bytes.is_some_and(|bytes| bytes >= crate::data::PAYLOAD_BYTES_MIN),
        "a stored session was not found"
    );
}

fn touch(client: &mut dyn Client, id: &Id, idle: Duration) {
    assert!(client.touch(id.as_str(), idle), "a stored session could not be touched");
}

fn web(client: &mut dyn Client, data: &Dataset, remembered: Option<&Remembered>, number: usize) {
    let (id, place) = (at(&data.zipf, number).as_str(), *at(&data.zipf_places, number));
    let known = client.get(id).is_some();
    let set = |client: &mut dyn Client| {
        client.set(id, data.payload(number));
        if let Some(remembered) = remembered {
            remembered.written(place);
        }
    };
    match number % 100 {
        // One session in a hundred logs out; whoever comes back without a session is given one.
        0 => {
            client.destroy(id);
        }
        1..=5 => set(client),
        6..=7 => client.set(Id::of(number as u64 + (1 << 41)).as_str(), data.payload(number)),
        _ if !known => set(client),
        _ if remembered.is_some_and(|remembered| !remembered.is_old(place)) => {}
        _ => {
            client.touch(id, IDLE);
            if let Some(remembered) = remembered {
                remembered.written(place);
            }
        }
    }
}
