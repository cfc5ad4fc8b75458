//! What concerns a store as a whole, at 100,000 sessions: its two ends, its upkeep, its copies, and what is asked of all its
//! sessions. Times are of the whole call, not of a session.

#![expect(clippy::expect_used, reason = "an operation that fails has no speed: the run ends")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sessile::{Durability, ManualClock, Options, Restoring, Store, Write};
use sessile_bench::data::{Dataset, Id};
use sessile_bench::peer::IDLE;

const SESSIONS: usize = 100_000;
/// How many expire at once, are cleared, or are written anew before maintenance.
const CROWD: u64 = 10_000;
const SHORT: Duration = Duration::from_secs(60);

/// A directory for the stores of this run, removed at the end.
struct Scratch {
    directory: PathBuf,
    copies: std::cell::Cell<u64>,
}

impl Scratch {
    fn new() -> Self {
        let directory =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("upkeep-{}", std::process::id()));
        Self { directory, copies: std::cell::Cell::new(0) }
    }

    fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// A name that nothing has.
    fn fresh(&self) -> PathBuf {
        self.copies.set(self.copies.get() + 1);
        self.directory.join(format!("copy {}", self.copies.get()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What the operating system would remove some day anyway.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A copy that is removed when the measurement of it is over.
struct Backup(PathBuf);

impl Drop for Backup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options(clock: &ManualClock) -> Options {
    Options::new()
        .idle(IDLE)
        .durability(Durability::Written)
        .logouts_may_be_lost_on_power_failure(true)
        .sessions_max(64_000_000)
        .disk_bytes_max(32 << 30)
        .manual_maintenance(true)
        .clock(Arc::new(clock.clone()))
}

fn maintain(store: &Store) -> u64 {
    let mut expired = 0;
    loop {
        let done = store.maintain(Duration::from_secs(60)).expect("sessile maintains");
        expired += done.expired;
        if !done.more {
            return expired;
        }
    }
}

fn upkeep(criterion: &mut Criterion) {
    let scratch = Scratch::new();
    let data = Dataset::new(SESSIONS);
    let clock = ManualClock::at_ms(1_800_000_000_000);
    let open = |path: &Path| options(&clock).open(path).expect("sessile opens");
    let store = open(&scratch.store());
    for (number, id) in data.stored.iter().enumerate() {
        store.set(id.as_str(), data.payload(number)).expect("sessile sets");
    }
    maintain(&store);
    questions(criterion, &store);
    disk(criterion, &store, &data);
    time(criterion, &store, &data, &clock);
    copies(criterion, &store, &scratch, &open);
    ends(criterion, store, &scratch.store(), &open);
}

/// What is asked of all sessions.
fn questions(criterion: &mut Criterion, store: &Store) {
    criterion.bench_function("len", |bencher| bencher.iter(|| store.len()));
    criterion.bench_function("stats", |bencher| bencher.iter(|| store.stats()));
    criterion.bench_function("endings_ahead", |bencher| bencher.iter(|| store.endings_ahead()));
    criterion.bench_function("iter", |bencher| {
        bencher.iter(|| assert_eq!(store.iter().expect("a stream").count(), SESSIONS));
    });
    criterion.bench_function("verify", |bencher| {
        bencher.iter(|| store.verify().expect("sessile verifies"));
    });
}

/// What waits for the disk, or gives it back.
fn disk(criterion: &mut Criterion, store: &Store, data: &Dataset) {
    let mut ids = data.uniform.iter().cycle();
    let mut set = || {
        let id = ids.next().expect("the sequence repeats");
        store.set(id.as_str(), data.payload(7)).expect("sessile sets");
    };
    criterion.bench_function("flush, after a set", |bencher| {
        bencher.iter_batched(&mut set, |()| store.flush().expect("it is durable"), BatchSize::PerIteration);
    });
    criterion.bench_function("maintain, at rest", |bencher| bencher.iter(|| maintain(store)));
    criterion.bench_function("maintain, after 10,000 sets", |bencher| {
        bencher.iter_batched(
            || (0..CROWD).for_each(|_| set()),
            |()| maintain(store),
            BatchSize::PerIteration,
        );
    });
}

/// What time ends.
fn time(criterion: &mut Criterion, store: &Store, data: &Dataset, clock: &ManualClock) {
    let mut number = 1 << 50;
    criterion.bench_function("maintain, 10,000 sessions expire", |bencher| {
        bencher.iter_batched(
            || {
                for _ in 0..CROWD {
                    number += 1;
                    let write = Write::new(data.payload(7)).idle(SHORT);
                    store.create(Id::of(number).as_str(), write).expect("sessile creates");
                }
                clock.advance(SHORT);
            },
            |()| assert_eq!(maintain(store), CROWD),
            BatchSize::PerIteration,
        );
    });
}

/// A second store: as a backup, and as after a crash.
fn copies(criterion: &mut Criterion, store: &Store, scratch: &Scratch, open: &impl Fn(&Path) -> Store) {
    let backup = |copy: Backup| {
        store.backup(&copy.0).expect("sessile copies");
        copy
    };
    criterion.bench_function("backup", |bencher| {
        bencher.iter_batched(|| Backup(scratch.fresh()), backup, BatchSize::PerIteration);
    });
    // What is restored opens like a store after a crash.
    let restored = || {
        let (copy, again) = (backup(Backup(scratch.fresh())), Backup(scratch.fresh()));
        Options::new().restore(&copy.0, &again.0, Restoring::Keep).expect("sessile restores");
        again
    };
    criterion.bench_function("open, as after a crash", |bencher| {
        bencher.iter_batched(restored, |copy| (open(&copy.0), copy), BatchSize::PerIteration);
    });
    criterion.bench_function("clear", |bencher| {
        bencher.iter_batched(
            || {
                let copy = restored();
                (open(&copy.0), copy)
            },
            |(store, copy)| {
                assert!(store.clear().expect("sessile clears") >= SESSIONS as u64);
                (store, copy)
            },
            BatchSize::PerIteration,
        );
    });
}

/// The two ends. Closing writes the snapshot that opening reads.
fn ends(criterion: &mut Criterion, store: Store, path: &Path, open: &impl Fn(&Path) -> Store) {
    store.close().expect("sessile closes");
    criterion.bench_function("open, closed", |bencher| {
        // Each is closed before the next: a second opening in one process would share the first.
        bencher.iter_batched(|| (), |()| open(path), BatchSize::PerIteration);
    });
    criterion.bench_function("close", |bencher| {
        bencher.iter_batched(
            || open(path),
            |store| store.close().expect("sessile closes"),
            BatchSize::PerIteration,
        );
    });
}

fn short() -> Criterion {
    let quick = std::env::var_os("SESSILE_BENCH_QUICK").is_some();
    let measured_ms = if quick { 150 } else { 1000 };
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(measured_ms / 3))
        .measurement_time(Duration::from_millis(measured_ms))
}

criterion_group! {
    name = benches;
    config = short();
    targets = upkeep
}
criterion_main!(benches);
