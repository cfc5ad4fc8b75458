//! A foreground of one thread that reads and writes at a steady pace, with the time of each operation: fewer busy threads than
//! cores, and never so many writes that upkeep is all there is.

use std::hint::black_box;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sessile::{Durability, Store, Write};

use crate::data::{Id, Random, payloads};
use crate::measure::latencies;

/// So many pairs of a get and a set a second.
const PAIRS_A_SECOND: u32 = 10_000;

/// What operations took, in nanoseconds.
pub struct Times {
    /// Gets.
    pub gets: Histogram<u64>,
    /// Sets.
    pub sets: Histogram<u64>,
}

impl Times {
    /// None yet.
    pub fn new() -> Self {
        Self { gets: latencies(), sets: latencies() }
    }

    /// These too.
    pub fn add(&mut self, other: &Self) {
        self.gets += &other.gets;
        self.sets += &other.sets;
    }

    /// The slowest of all, in milliseconds.
    pub fn longest_ms(&self) -> f64 {
        self.gets.max().max(self.sets.max()) as f64 / 1e6
    }
}

/// Of a histogram, in microseconds.
pub fn p999_us(times: &Histogram<u64>) -> f64 {
    times.value_at_quantile(0.999) as f64 / 1e3
}

/// See the module.
pub struct Foreground<'s> {
    store: &'s Store,
    payloads: Vec<Vec<u8>>,
    random: Random,
    pick: fn(u64) -> u64,
    count: u64,
}

impl<'s> Foreground<'s> {
    /// Over the sessions that `pick` makes of the numbers below `count`.
    pub fn new(store: &'s Store, count: u64, pick: fn(u64) -> u64) -> Self {
        Self { store, payloads: payloads(), random: Random::new(count), pick, count }
    }

    /// Works for so long at the usual pace.
    pub fn work(&mut self, time: Duration) -> Times {
        let mut times = Times::new();
        let (began, pause) = (Instant::now(), Duration::from_secs(1) / PAIRS_A_SECOND);
        let mut next = began;
        while next < began + time {
            while Instant::now() < next {
                std::hint::spin_loop();
            }
            next += pause;
            self.pair(&mut times);
            // Who was held up does not catch up: that would be another pace.
            next = next.max(Instant::now());
        }
        times
    }

    /// As much as possible, so many sets.
    pub fn overwrite(&mut self, sets: u64) {
        let mut times = Times::new();
        for _ in 0..sets {
            self.set(&mut times);
        }
    }

    fn id(&mut self) -> Id {
        Id::of((self.pick)(self.random.below(self.count as usize) as u64))
    }

    fn pair(&mut self, times: &mut Times) {
        let id = self.id();
        let start = Instant::now();
        let session = self.store.get(id.as_str()).expect("sessile gets");
        assert!(black_box(session).is_some(), "a session is missing");
        times.gets.saturating_record(start.elapsed().as_nanos() as u64);
        self.set(times);
    }

    fn set(&mut self, times: &mut Times) {
        let id = self.id();
        let at = self.random.below(self.payloads.len());
        let write = Write::new(self.payloads[at].as_slice()).durability(Durability::Written);
        let start = Instant::now();
        self.store.set(id.as_str(), write).expect("sessile sets");
        times.sets.saturating_record(start.elapsed().as_nanos() as u64);
    }
}
