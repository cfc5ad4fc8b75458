//! What futures add: `cargo bench -p sessile-bench --bench nonblocking`, with `TMPDIR` on the disk that is meant.
//!
//! One call after the other with and without them, in turns. Then ten thousand that wait for the disk at once on a runtime of
//! two threads, and beside them a task that only wants to be polled again: how long it had to wait, and how long one poll of a
//! write held its thread. A poll is timed from outside, so what the kernel made it wait for is in it; the same without a store
//! says how much of it is the machine's.
//!
//! Then what can block a thread of the executor all the same: a read of pages that are not in memory, and writes so fast that
//! the kernel makes them wait for the disk.

use std::fs::File;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sessile::nonblocking::AsyncStore;
use sessile::{Durability, Options, Write};
use tokio::runtime::{Builder, Runtime};

const AT_ONCE: u64 = 10_000;
const REPETITIONS: usize = 7;
/// Creates of 100 kB: three gigabytes.
const THROTTLED: u64 = 30_000;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let store = AsyncStore::new(Options::new().open(directory.path())?)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let write = |durability| Write::new(vec![b'x'; 490]).durability(durability);
    for n in 0..100_000 {
        store.store().create(format!("{n}"), write(Durability::Written))?;
    }
    println!("one after the other, medians of {REPETITIONS} in turns, us a call");
    for (what, durability, calls) in
        [("Written", Durability::Written, 50_000), ("Synced", Durability::Synced, 500)]
    {
        compare(
            &format!("set, {what}"),
            calls,
            &runtime,
            |n| store.store().set(format!("{n}"), write(durability)).map(drop),
            async |n| store.set(format!("{n}"), write(durability)).await.map(drop),
        )?;
    }
    compare(
        "get",
        100_000,
        &runtime,
        |n| store.store().get(format!("{n}")).map(drop),
        async |n| store.get(format!("{n}")).await.map(drop),
    )?;
    println!("\n{AT_ONCE} sets, Synced, at once on two threads");
    for _ in 0..3 {
        at_once(&runtime, Some(&store))?;
    }
    println!("\nthe same for {AT_ONCE} tasks that only yield, without a store");
    for _ in 0..3 {
        at_once(&runtime, None)?;
    }
    runtime.block_on(store.close())?;
    cold(&runtime, directory.path())?;
    throttled(&runtime)
}

/// Reads sessions whose pages are on the disk alone: each page is fetched once, and its neighbours with it.
fn cold(runtime: &Runtime, directory: &Path) -> Result<(), Failed> {
    for file in std::fs::read_dir(directory)? {
        let file = File::open(file?.path())?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    let store = AsyncStore::new(Options::new().open(directory)?)?;
    let mut polls = Histogram::<u64>::new(3)?;
    for n in (0..1_000_u64).map(|n| n * 7_919 % 100_000) {
        let began = Instant::now();
        runtime.block_on(store.get(format!("{n}")))?;
        polls.record(u64::try_from(began.elapsed().as_nanos())?)?;
    }
    println!("\n1000 gets from cold pages: {}", told(&polls));
    Ok(runtime.block_on(store.close())?)
}

/// Writes, and nobody waits for the disk, until the kernel does.
fn throttled(runtime: &Runtime) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let store = AsyncStore::new(Options::new().open(directory.path())?)?;
    let mut polls = Histogram::<u64>::new(3)?;
    let (data, began) = (vec![b'x'; 100_000], Instant::now());
    for n in 0..THROTTLED {
        let write = Write::new(data.as_slice()).durability(Durability::Written);
        let asked = Instant::now();
        runtime.block_on(store.create(format!("{n}"), write))?;
        polls.record(u64::try_from(asked.elapsed().as_nanos())?)?;
    }
    let rate = THROTTLED as f64 * 0.1 / began.elapsed().as_secs_f64();
    println!("{THROTTLED} creates of 100 kB, Written, at {rate:.0} MB/s: {}", told(&polls));
    Ok(runtime.block_on(store.close())?)
}

fn told(times: &Histogram<u64>) -> String {
    let us = |ns: u64| ns as f64 / 1e3;
    let at = |quantile| us(times.value_at_quantile(quantile));
    format!(
        "p50 {:.1} us, p99 {:.1}, p99.9 {:.1}, longest {:.1}",
        at(0.5),
        at(0.99),
        at(0.999),
        us(times.max())
    )
}

/// Both ways in turns, so that a neighbour's noise meets both.
fn compare(
    what: &str,
    calls: u64,
    runtime: &Runtime,
    threaded: impl Fn(u64) -> sessile::Result<()>,
    awaited: impl AsyncFn(u64) -> sessile::Result<()>,
) -> Result<(), Failed> {
    let (mut plain, mut futures) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let began = Instant::now();
        (0..calls).try_for_each(&threaded)?;
        plain.push(began.elapsed() / u32::try_from(calls)?);
        let began = Instant::now();
        runtime.block_on(async {
            for n in 0..calls {
                awaited(n).await?;
            }
            Ok::<_, sessile::Error>(())
        })?;
        futures.push(began.elapsed() / u32::try_from(calls)?);
    }
    let us = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times.get(REPETITIONS / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    let (plain, futures) = (us(plain), us(futures));
    println!("{what:>14}: {plain:8.2} on the thread, {futures:8.2} awaited, {:+6.2}", futures - plain);
    Ok(())
}

/// Writes down how long each poll of a future takes.
struct Timed<F> {
    future: F,
    longest_ns: Arc<AtomicU64>,
}

impl<F: Future + Unpin> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = Instant::now();
        let polled = pin!(&mut self.future).poll(context);
        self.longest_ns
            .fetch_max(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        polled
    }
}

fn at_once(runtime: &Runtime, store: Option<&AsyncStore>) -> Result<(), Failed> {
    let (longest_ns, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let syncs = || store.map_or(0, |store| store.stats().syncs);
    let (syncs_before, began) = (syncs(), Instant::now());
    let waits = runtime.block_on(async {
        let over = Arc::clone(&done);
        let bystander = tokio::spawn(async move {
            let mut waits = Histogram::<u64>::new(3)?;
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                tokio::task::yield_now().await;
                waits.record(u64::try_from(asked.elapsed().as_nanos())?)?;
            }
            Ok::<_, Failed>(waits)
        });
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..AT_ONCE {
            let (store, longest_ns) = (store.cloned(), Arc::clone(&longest_ns));
            tasks.spawn(async move {
                let Some(store) = store else {
                    Timed { future: Box::pin(tokio::task::yield_now()), longest_ns }.await;
                    return Ok(());
                };
                let write = Write::new(vec![b'x'; 490]).durability(Durability::Synced);
                Timed { future: Box::pin(store.set(format!("{n}"), write)), longest_ns }.await.map(drop)
            });
        }
        while let Some(written) = tasks.join_next().await {
            written??;
        }
        done.store(true, Ordering::Relaxed);
        bystander.await?
    })?;
    println!(
        "in {:.0} ms, {} syncs; longest poll of a write {:.2} ms; the bystander waited {:.2} ms at p99, {:.2} at most",
        began.elapsed().as_secs_f64() * 1e3,
        syncs() - syncs_before,
        longest_ns.load(Ordering::Relaxed) as f64 / 1e6,
        waits.value_at_quantile(0.99) as f64 / 1e6,
        waits.max() as f64 / 1e6,
    );
    Ok(())
}
