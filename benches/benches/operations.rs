//! Every operation on a session or a user by itself, in a store of 100,000 sessions: what the engine costs. Writes are
//! `Written` and endings relaxed unless the name says `synced`, so that the disk is waited for only there. What concerns the
//! store as a whole is in `upkeep`.

#![expect(clippy::expect_used, reason = "an operation that fails has no speed: the run ends")]

use std::path::PathBuf;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sessile::{Durability, Options, Store, Write};
use sessile_bench::data::{Dataset, Id};
use sessile_bench::peer::IDLE;

const SESSIONS: usize = 100_000;

/// Ids that nobody else has: each benchmark starts from a range of its own.
struct Fresh(u64);

impl Fresh {
    fn from_range(range: u64) -> Self {
        Self((1 << 50) + (range << 32))
    }

    fn id(&mut self) -> Id {
        self.0 += 1;
        Id::of(self.0)
    }
}

fn operations(criterion: &mut Criterion) {
    let directory =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("operations-{}", std::process::id()));
    let data = Dataset::new(SESSIONS);
    let store = Options::new()
        .idle(IDLE)
        .durability(Durability::Written)
        .logouts_may_be_lost_on_power_failure(true)
        .sessions_max(64_000_000)
        .disk_bytes_max(32 << 30)
        .open(&directory)
        .expect("sessile opens");
    for (number, id) in data.stored.iter().enumerate() {
        store.set(id.as_str(), data.payload(number)).expect("sessile sets");
    }
    store.flush().expect("sessile flushes");
    reads(criterion, &store, &data);
    touches(criterion, &store, &data);
    writes(criterion, &store, &data);
    endings(criterion, &store, &data);
    users(criterion, &store, &data);
    store.close().expect("sessile closes");
    // What the operating system would remove some day anyway.
    let _ = std::fs::remove_dir_all(&directory);
}

fn reads(criterion: &mut Criterion, store: &Store, data: &Dataset) {
    let mut zipf = data.zipf.iter().cycle();
    criterion.bench_function("get", |bencher| {
        bencher.iter(|| store.get(next(&mut zipf)).expect("sessile gets").expect("it is there"));
    });
    criterion.bench_function("get_ref", |bencher| {
        bencher.iter(|| store.get_ref(next(&mut zipf)).expect("sessile gets").expect("it is there"));
    });
    let mut handles = data.zipf.iter().map(|id| store.handle_of(id.as_str()).expect("a handle")).cycle();
    criterion.bench_function("get_handle", |bencher| {
        bencher.iter_batched(
            || handles.next().expect("the sequence repeats"),
            |handle| store.get_handle(&handle).expect("sessile gets").expect("it is there"),
            BatchSize::SmallInput,
        );
    });
    let mut missing = data.missing.iter().cycle();
    criterion.bench_function("get, missing", |bencher| {
        bencher.iter(|| store.get(next(&mut missing)).expect("sessile gets"));
    });
}

fn touches(criterion: &mut Criterion, store: &Store, data: &Dataset) {
    let mut uniform = data.uniform.iter().cycle();
    criterion.bench_function("touch, coalesced", |bencher| {
        bencher.iter(|| store.touch(next(&mut uniform), IDLE).expect("sessile touches"));
    });
    let (mut stored, mut touches) = (data.stored.iter().cycle(), 0);
    criterion.bench_function("touch, logged", |bencher| {
        bencher.iter(|| {
            touches += 1;
            let further = Duration::from_secs(61) * (touches / SESSIONS as u32 + 1);
            store.touch(next(&mut stored), IDLE + further).expect("sessile touches")
        });
    });
}

fn writes(criterion: &mut Criterion, store: &Store, data: &Dataset) {
    let mut uniform = data.uniform.iter().cycle();
    criterion.bench_function("set", |bencher| {
        bencher.iter(|| store.set(next(&mut uniform), data.payload(7)).expect("sessile sets"));
    });
    criterion.bench_function("set, synced", |bencher| {
        bencher.iter(|| {
            let write = Write::new(data.payload(7)).durability(Durability::Synced);
            store.set(next(&mut uniform), write).expect("sessile sets")
        });
    });
    let mut fresh = Fresh::from_range(0);
    criterion.bench_function("create", |bencher| {
        bencher.iter_batched(
            || fresh.id(),
            |id| store.create(id.as_str(), data.payload(7)).expect("sessile creates"),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("update", |bencher| {
        bencher.iter(|| store.update(next(&mut uniform), data.payload(7)).expect("sessile updates"));
    });
    let id = data.stored[0].as_str();
    let mut version = store.set(id, data.payload(7)).expect("sessile sets");
    criterion.bench_function("replace_if", |bencher| {
        bencher.iter(|| version = store.replace_if(id, version, data.payload(7)).expect("sessile replaces"));
    });
    criterion.bench_function("update_with", |bencher| {
        bencher.iter(|| {
            let write = |session: &sessile::Session| Some(Write::new(session.data()));
            store.update_with(next(&mut uniform), write).expect("sessile updates")
        });
    });
    rotations(criterion, store, data, fresh);
}

fn rotations(criterion: &mut Criterion, store: &Store, data: &Dataset, mut fresh: Fresh) {
    let mut old = fresh.id();
    store.create(old.as_str(), data.payload(7)).expect("sessile creates");
    criterion.bench_function("rotate", |bencher| {
        bencher.iter_batched(
            || {
                let new = fresh.id();
                (std::mem::replace(&mut old, new), new)
            },
            |(old, new)| store.rotate(old.as_str(), new.as_str(), None).expect("sessile rotates"),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("rotate, a login", |bencher| {
        bencher.iter_batched(
            || {
                let (old, new) = (fresh.id(), fresh.id());
                store.create(old.as_str(), data.payload(7)).expect("sessile creates");
                (old, new, Write::new(data.payload(8)).subject(new.as_str()))
            },
            |(old, new, login)| {
                store.rotate(old.as_str(), new.as_str(), Some(login)).expect("sessile rotates")
            },
            BatchSize::SmallInput,
        );
    });
}

fn endings(criterion: &mut Criterion, store: &Store, data: &Dataset) {
    let mut fresh = Fresh::from_range(1);
    criterion.bench_function("destroy", |bencher| {
        bencher.iter_batched(
            || {
                let id = fresh.id();
                store.create(id.as_str(), data.payload(7)).expect("sessile creates");
                id
            },
            |id| assert!(store.destroy(id.as_str()).expect("sessile destroys")),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("destroy, unknown", |bencher| {
        let mut missing = data.missing.iter().cycle();
        bencher.iter(|| store.destroy(next(&mut missing)).expect("sessile destroys"));
    });
    criterion.bench_function("destroy_handle", |bencher| {
        bencher.iter_batched(
            || {
                let id = fresh.id();
                store.create(id.as_str(), data.payload(7)).expect("sessile creates");
                store.handle_of(id.as_str()).expect("a handle")
            },
            |handle| assert!(store.destroy_handle(&handle).expect("sessile destroys")),
            BatchSize::SmallInput,
        );
    });
}

fn users(criterion: &mut Criterion, store: &Store, data: &Dataset) {
    let mut fresh = Fresh::from_range(2);
    let mut subjects = 0u64;
    let mut subject_of = |sessions: u64| {
        subjects += 1;
        for _ in 0..sessions {
            let write = Write::new(data.payload(7)).subject(subjects.to_le_bytes());
            store.create(fresh.id().as_str(), write).expect("sessile creates");
        }
        subjects.to_le_bytes()
    };
    for sessions in [4, 50] {
        let subject = subject_of(sessions);
        criterion.bench_function(&format!("sessions_of, {sessions} sessions"), |bencher| {
            bencher.iter(|| {
                let found = store.sessions_of(subject).expect("sessile finds");
                assert_eq!(found.filter(Result::is_ok).count() as u64, sessions);
            });
        });
        criterion.bench_function(&format!("destroy_subject, {sessions} sessions"), |bencher| {
            bencher.iter_batched(
                || subject_of(sessions),
                |subject| {
                    let ended = store.destroy_subject(subject, None).expect("sessile revokes");
                    assert_eq!(ended, sessions);
                },
                BatchSize::SmallInput,
            );
        });
    }
    let mut ids = data.uniform.iter().cycle();
    criterion.bench_function("handle_of", |bencher| {
        bencher.iter(|| store.handle_of(next(&mut ids)).expect("a handle"));
    });
    criterion.bench_function("subject_digest", |bencher| {
        bencher.iter(|| store.subject_digest(next(&mut ids)).expect("a digest"));
    });
    criterion.bench_function("SessionId::generate", |bencher| {
        bencher.iter(|| sessile::SessionId::generate().expect("the system has random bytes"));
    });
}

fn next<'a>(ids: &mut impl Iterator<Item = &'a Id>) -> &'a str {
    ids.next().expect("the sequence repeats").as_str()
}

fn short() -> Criterion {
    let quick = std::env::var_os("SESSILE_BENCH_QUICK").is_some();
    let (samples, measured_ms) = if quick { (10, 150) } else { (30, 1000) };
    Criterion::default()
        .sample_size(samples)
        .warm_up_time(Duration::from_millis(measured_ms / 3))
        .measurement_time(Duration::from_millis(measured_ms))
}

criterion_group! {
    name = benches;
    config = short();
    targets = operations
}
criterion_main!(benches);
