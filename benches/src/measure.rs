//! A window of time in which threads repeat a workload, and what came of it.
//!
//! Each repetition has two passes: one without a clock in the loop, which gives the throughput, and one that takes the
//! time after each request, which gives the latencies. Clients and the count of requests outlive the window, so that
//! caches stay warm and no request is repeated before its sequence is.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::device::Device;
use crate::meter::{self, Io};
use crate::peer::{Client, Peer, Wait};
use crate::workload::{Kind, Remembered, Workload};

/// What one repetition measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Requests a second, all threads together.
    pub per_second: f64,
    /// Half of the requests took no longer, in nanoseconds.
    pub p50_ns: f64,
    /// 90 of 100 requests took no longer, in nanoseconds.
    pub p90_ns: f64,
    /// 95 of 100 requests took no longer, in nanoseconds.
    pub p95_ns: f64,
    /// 99 of 100 requests took no longer, in nanoseconds.
    pub p99_ns: f64,
    /// 999 of 1,000 requests took no longer, in nanoseconds.
    pub p999_ns: f64,
    /// The slowest request, in nanoseconds.
    pub max_ns: f64,
    /// Processor time a request, that of threads in the background included, in nanoseconds.
    pub processor_ns: f64,
    /// Allocations a request, in the threads that made the requests.
    pub allocations: f64,
    /// System calls that write, a request.
    pub write_calls: f64,
    /// Bytes given to such calls, a request.
    pub written_bytes: f64,
    /// Bytes that reached the device until the peer had settled, a request; other programs' bytes too.
    pub device_bytes: f64,
    /// Requests that shared one sync, where the peer knows.
    pub per_sync: Option<f64>,
}

/// How long the passes of a repetition last.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The pass that gives the throughput.
    pub throughput: Duration,
    /// The pass that gives the latencies.
    pub latency: Duration,
    /// How long the machine is given to come to rest before each.
    pub rest_max: Duration,
}

/// One peer's threads in one workload.
pub struct Crew<'a> {
    peer: &'a dyn Peer,
    workload: Workload,
    data: &'a Dataset,
    device: &'a Device,
    clients: Vec<Box<dyn Client + 'a>>,
    remembered: Remembered,
    done: usize,
}

impl<'a> Crew<'a> {
    /// The clients of `peer` for `workload`, warmed up for as long as `warm_up`.
    pub fn new(
        peer: &'a dyn Peer,
        workload: Workload,
        data: &'a Dataset,
        device: &'a Device,
        warm_up: Duration,
    ) -> Self {
        let clients = (0..workload.threads).map(|_| peer.client()).collect();
        let remembered = Remembered::new(data.stored.len());
        let mut crew = Self { peer, workload, data, device, clients, remembered, done: 0 };
        peer.wait_for(workload.wait);
        crew.pass(warm_up, false);
        peer.settle();
        crew
    }

    /// Measures one repetition.
    pub fn repetition(&mut self, window: Window) -> Sample {
        self.peer.wait_for(self.workload.wait);
        self.device.rest(window.rest_max);
        let (io, device, syncs) = (Io::now(), self.device.written_bytes(), self.peer.syncs());
        let processor = meter::processor_ns();
        let pass = self.pass(window.throughput, false);
        let processor = meter::processor_ns() - processor;
        let (io, pass_syncs) = (Io::now() - io, self.peer.syncs());
        self.peer.settle();
        let device = self.device.written_bytes().saturating_sub(device);
        self.device.rest(window.rest_max);
        let timed = self.pass(window.latency, true);
        self.peer.settle();

        let each = |total: u64| total as f64 / pass.requests.max(1) as f64;
        Sample {
            per_second: pass.requests as f64 / pass.took.as_secs_f64(),
            processor_ns: each(processor),
            allocations: each(pass.allocations),
            write_calls: each(io.write_calls),
            written_bytes: each(io.written_bytes),
            device_bytes: each(device),
            per_sync: syncs
                .zip(pass_syncs)
                .filter(|(before, after)| after > before)
                .map(|(before, after)| pass.requests as f64 / (after - before) as f64),
            ..Sample::of_latencies(&timed.latency)
        }
    }

    fn pass(&mut self, duration: Duration, timed: bool) -> Pass {
        let (kind, data, threads) = (self.workload.kind, self.data, self.clients.len());
        let remembered = &self.remembered;
        let (first, stop, barrier) = (self.done, AtomicBool::new(false), Barrier::new(threads + 1));
        let (stop, barrier) = (&stop, &barrier);
        let mut total = Pass::default();
        let mut span: Option<(Instant, Instant)> = None;
        let mut rounds_max = 0;
        std::thread::scope(|scope| {
            let workers: Vec<_> = self
                .clients
                .iter_mut()
                .enumerate()
                .map(|(thread, client)| {
                    let step = move |client: &mut dyn Client, round: usize| {
                        kind.step(client, data, remembered, first + round * threads + thread);
                    };
                    scope.spawn(move || repeat(client.as_mut(), step, stop, barrier, timed))
                })
                .collect();
            barrier.wait();
            std::thread::sleep(duration);
            stop.store(true, Ordering::Relaxed);
            for worker in workers {
                let done = worker.join().expect("a worker failed");
                let (start, end) = span.get_or_insert((done.start, done.end));
                (*start, *end) = ((*start).min(done.start), (*end).max(done.end));
                rounds_max = rounds_max.max(done.rounds);
                total.requests += done.rounds as u64;
                total.allocations += done.allocations;
                total.latency.add(done.latency).expect("the histograms have the same bounds");
            }
        });
        self.done += rounds_max * threads;
        total.took = span.map_or(Duration::ZERO, |(start, end)| end - start);
        total
    }
}

/// Stores the sessions from `first` to `end`, one by one, `Written`: half of them without a clock in the loop, half with it.
///
/// What is there is new, so each of these requests can be made once.
pub fn load(peer: &dyn Peer, data: &Dataset, device: &Device, (first, end): (usize, usize)) -> Sample {
    let half = first + (end - first) / 2;
    let none = Remembered::new(0);
    let mut client = peer.client();
    peer.wait_for(Wait::Written);
    let (io, on_device, allocations) = (Io::now(), device.written_bytes(), meter::allocations());
    let (processor, start) = (meter::processor_ns(), Instant::now());
    for number in first..half {
        Kind::Load.step(client.as_mut(), data, &none, number);
    }
    let took = start.elapsed();
    let processor = meter::processor_ns() - processor;
    let (io, allocations) = (Io::now() - io, meter::allocations() - allocations);
    peer.settle();
    let on_device = device.written_bytes().saturating_sub(on_device);
    let mut latency = latencies();
    let mut before = Instant::now();
    for number in half..end {
        Kind::Load.step(client.as_mut(), data, &none, number);
        let now = Instant::now();
        latency.saturating_record((now - before).as_nanos() as u64);
        before = now;
    }
    peer.settle();
    let count = (half - first).max(1) as f64;
    Sample {
        per_second: count / took.as_secs_f64(),
        processor_ns: processor as f64 / count,
        allocations: allocations as f64 / count,
        write_calls: io.write_calls as f64 / count,
        written_bytes: io.written_bytes as f64 / count,
        device_bytes: on_device as f64 / count,
        per_sync: None,
        ..Sample::of_latencies(&latency)
    }
}

impl Sample {
    /// The quantiles of these latencies, and nothing else.
    #[must_use]
    pub fn of_latencies(latency: &Histogram<u64>) -> Self {
        let quantile = |quantile: f64| latency.value_at_quantile(quantile) as f64;
        Self {
            p50_ns: quantile(0.5),
            p90_ns: quantile(0.9),
            p95_ns: quantile(0.95),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            max_ns: latency.max() as f64,
            ..Self::default()
        }
    }
}

struct Pass {
    requests: u64,
    took: Duration,
    allocations: u64,
    latency: Histogram<u64>,
}

impl Default for Pass {
    fn default() -> Self {
        Self { requests: 0, took: Duration::ZERO, allocations: 0, latency: latencies() }
    }
}

struct Done {
    rounds: usize,
    start: Instant,
    end: Instant,
    allocations: u64,
    latency: Histogram<u64>,
}

/// Of up to a minute, in nanoseconds, to three digits.
#[must_use]
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are sound")
}

fn repeat(
    client: &mut dyn Client,
    step: impl Fn(&mut dyn Client, usize),
    stop: &AtomicBool,
    barrier: &Barrier,
    timed: bool,
) -> Done {
    let mut latency = latencies();
    barrier.wait();
    let allocations = meter::allocations();
    let start = Instant::now();
    let (mut rounds, mut end) = (0, start);
    while !stop.load(Ordering::Relaxed) {
        step(client, rounds);
        rounds += 1;
        if timed {
            let now = Instant::now();
            latency.saturating_record((now - end).as_nanos() as u64);
            end = now;
        }
    }
    if !timed {
        end = Instant::now();
    }
    Done { rounds, start, end, allocations: meter::allocations() - allocations, latency }
}
