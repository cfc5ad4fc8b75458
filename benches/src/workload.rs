//! One kind of request, repeated: which session is next, and what is done with it.

use std::time::Duration;

use crate::data::{Dataset, Id};
use crate::peer::{Client, IDLE, Wait};

/// What is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
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
}

impl Workload {
    /// What it is chosen by: `set, Synced, 32 threads`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}, {} thread{}", self.name, self.threads, if self.threads == 1 { "" } else { "s" })
    }
}

/// More than the slack within which a touch needs no record.
const BEYOND_SLACK: Duration = Duration::from_secs(61);

impl Kind {
    /// Whether it changes the store.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(self, Self::GetZipf | Self::GetUniform | Self::GetMissing)
    }

    /// Does request number `number`, which no other thread does.
    pub fn step(self, client: &mut dyn Client, data: &Dataset, number: usize) {
        match self {
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
            Self::Web => web(client, data, number),
        }
    }
}

/// A sequence repeats after a power of two, so that finding the next id is no division.
fn at(sequence: &[Id], number: usize) -> &Id {
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

fn web(client: &mut dyn Client, data: &Dataset, number: usize) {
    let id = at(&data.zipf, number).as_str();
    let known = client.get(id).is_some();
    match number % 100 {
        // One session in a hundred logs out; whoever comes back without a session is given one.
        0 => {
            client.destroy(id);
        }
        1..=5 => client.set(id, data.payload(number)),
        6..=7 => client.set(Id::of(number as u64 + (1 << 41)).as_str(), data.payload(number)),
        _ if !known => client.set(id, data.payload(number)),
        _ => {
            client.touch(id, IDLE);
        }
    }
}
