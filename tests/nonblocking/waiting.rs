//! What it means that a future waits.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use sessile::nonblocking::AsyncStore;
use sessile::vfs::{CallKind, CallWatcher, CrashPolicy, Fault, SimVfs, Times, WatchedVfs};
use sessile::{Durability, Error, ManualClock, Options, Write};

use super::{HOUR, START_MS};

fn options(sim: &SimVfs) -> Options {
    Options::new()
        .vfs(Arc::new(sim.clone()))
        .clock(Arc::new(ManualClock::at_ms(START_MS)))
        .manual_maintenance(true)
        .segment_bytes(1 << 20)
}

fn open(sim: &SimVfs) -> AsyncStore {
    AsyncStore::new(options(sim).open("/store").unwrap()).unwrap()
}

/// Lets no sync begin while it is shut, so that a future stays where it is.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.changed.notify_all();
    }
}

impl CallWatcher for Gate {
    fn before(&self, kind: CallKind, _: &str) {
        if kind == CallKind::Sync {
            drop(self.changed.wait_while(self.shut.lock().unwrap(), |shut| *shut).unwrap());
        }
    }
}

/// A store whose syncs wait at a gate, and the gate, shut.
fn open_behind_a_gate(sim: &SimVfs) -> (AsyncStore, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let watched = WatchedVfs::new(sim.clone(), Arc::clone(&gate) as Arc<dyn CallWatcher>);
    let store = AsyncStore::new(options(sim).vfs(Arc::new(watched)).open("/store").unwrap()).unwrap();
    gate.set(true);
    (store, gate)
}

fn synced() -> Write {
    Write::new("x").durability(Durability::Synced)
}

/// How often it was woken.
#[derive(Default)]
struct Woken(AtomicU64);

impl Woken {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

fn poll<F: Future>(future: Pin<&mut F>, woken: &Arc<Woken>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn many_wait_for_few_syncs_and_what_was_acknowledged_survives_power_loss() {
    const COUNT: usize = 1_500; // They fit the first segment: to begin another is a sync too.
    let sim = SimVfs::new();
    let (store, gate) = open_behind_a_gate(&sim);
    let syncs_before = store.stats().syncs;
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..COUNT {
            let store = store.clone();
            tasks.spawn(async move {
                let write = Write::new(format!("data {n}").as_str()).durability(Durability::Synced);
                store.create(format!("id {n}"), write).await.map(|_| ())
            });
        }
        // All have appended, and wait: nobody holds a thread of the two.
        while store.len() < COUNT as u64 {
            tokio::task::yield_now().await;
        }
        gate.set(false);
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    });
    let syncs = store.stats().syncs - syncs_before;
    assert!(syncs <= 20, "{syncs} syncs for {COUNT} writes");
    let after = sim.crash(CrashPolicy::DropAll);
    let store = options(&after).open("/store").unwrap();
    assert_eq!(store.len(), COUNT as u64);
}

#[test]
fn a_future_that_was_not_polled_has_done_nothing() {
    let store = open(&SimVfs::new());
    drop(store.create("id", "x"));
    drop(store.destroy("id"));
    assert!(store.store().get("id").unwrap().is_none());
    assert_eq!(store.stats().created, 0);
}

#[test]
fn a_future_that_is_dropped_while_it_waits_has_written_and_nobody_is_woken() {
    let sim = SimVfs::new();
    let (store, gate) = open_behind_a_gate(&sim);
    let woken = Arc::new(Woken::default());
    {
        let mut create = pin!(store.create("id", synced()));
        assert!(poll(create.as_mut(), &woken).is_pending());
        assert!(poll(create.as_mut(), &woken).is_pending(), "however often it is polled");
        assert!(store.store().get("id").unwrap().is_some(), "memory has it at once, like for any other call");
    }
    gate.set(false);
    store.store().flush().unwrap();
    assert_eq!(woken.count(), 0);
    let after = sim.crash(CrashPolicy::DropAll);
    assert!(options(&after).open("/store").unwrap().get("id").unwrap().is_some());
}

#[test]
fn the_last_waker_is_woken_once_and_no_other() {
    let sim = SimVfs::new();
    let (store, gate) = open_behind_a_gate(&sim);
    let (first, last) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let mut create = pin!(store.create("id", synced()));
    assert!(poll(create.as_mut(), &first).is_pending());
    assert!(poll(create.as_mut(), &last).is_pending());
    gate.set(false);
    wait_until("the waking", || last.count() > 0);
    assert!(matches!(poll(create.as_mut(), &last), Poll::Ready(Ok(_))));
    assert_eq!((first.count(), last.count()), (0, 1));
}

#[test]
fn reads_and_what_needs_no_disk_are_ready_at_once() {
    let store = open(&SimVfs::new());
    let woken = Arc::new(Woken::default());
    let write = Write::new("x").idle(HOUR).durability(Durability::Written);
    assert!(poll(pin!(store.create("id", write)), &woken).is_ready());
    assert!(poll(pin!(store.get("id")), &woken).is_ready());
    assert!(poll(pin!(store.touch("id", HOUR)), &woken).is_ready());
    assert!(poll(pin!(store.get_ref("nobody")), &woken).is_ready());
    assert!(poll(pin!(store.create("id", "y")), &woken).is_ready(), "refused at once");
}

#[test]
fn a_failed_sync_reaches_everybody_who_waits() {
    let sim = SimVfs::new();
    let (store, gate) = open_behind_a_gate(&sim);
    sim.fail(CallKind::Sync, 1, Fault::Eio, Times::Forever);
    let woken = Arc::new(Woken::default());
    let writes = (0..8).map(|n| store.create(format!("{n}"), synced()));
    let mut writes: Vec<_> = writes.map(Box::pin).collect();
    for write in &mut writes {
        assert!(poll(write.as_mut(), &woken).is_pending());
    }
    let mut destroy = pin!(store.destroy("0"));
    assert!(poll(destroy.as_mut(), &woken).is_pending());
    gate.set(false);
    wait_until("the waking", || woken.count() == 9);
    for write in &mut writes {
        let done = poll(write.as_mut(), &woken);
        assert!(matches!(done, Poll::Ready(Err(Error::Latched { in_memory: false, .. }))), "{done:?}");
    }
    let destroyed = poll(destroy.as_mut(), &woken);
    assert!(matches!(destroyed, Poll::Ready(Err(Error::Latched { in_memory: true, .. }))), "{destroyed:?}");
    let late = poll(pin!(store.create("late", "x")), &woken);
    assert!(matches!(late, Poll::Ready(Err(Error::Latched { .. }))), "and whoever comes later: {late:?}");
}

#[test]
fn closing_serves_those_who_wait() {
    let sim = SimVfs::new();
    let (store, gate) = open_behind_a_gate(&sim);
    let woken = Arc::new(Woken::default());
    let mut create = pin!(store.create("id", synced()));
    assert!(poll(create.as_mut(), &woken).is_pending());
    let mut close = pin!(store.close());
    assert!(poll(close.as_mut(), &woken).is_pending());
    gate.set(false);
    wait_until("the waking", || woken.count() >= 2);
    assert!(matches!(poll(close.as_mut(), &woken), Poll::Ready(Ok(()))));
    assert!(matches!(poll(create.as_mut(), &woken), Poll::Ready(Ok(_))));
    let late = poll(pin!(store.create("late", "x")), &woken);
    assert!(matches!(late, Poll::Ready(Err(Error::Closed))), "{late:?}");
}

/// Threads lead for tasks, and the committer for threads.
#[test]
fn threads_and_tasks_wait_side_by_side() {
    let sim = SimVfs::new();
    let store = open(&sim);
    let runtime = runtime();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = store.store();
            scope.spawn(move || {
                for n in 0..500 {
                    store.create(format!("{thread} {n}"), synced()).unwrap();
                }
            });
        }
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..16 {
                let store = store.clone();
                tasks.spawn(async move {
                    for n in 0..125 {
                        let write = synced();
                        store.create(format!("task {task} {n}"), write).await.unwrap();
                    }
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
        });
    });
    let after = sim.crash(CrashPolicy::DropAll);
    assert_eq!(options(&after).open("/store").unwrap().len(), 4_000);
}

/// Wakes by letting go of the future, and with it of the last handle to the store: as when an executor is gone.
struct LetsGo(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for LetsGo {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
    }
}

#[test]
fn the_last_handle_may_go_on_the_thread_that_wakes() {
    let sim = SimVfs::new();
    let (store, gate) = open_behind_a_gate(&sim);
    let future = Box::pin(async move { drop(store.create("id", synced()).await) });
    let lets_go = Arc::new(LetsGo(Mutex::new(Some(future))));
    let waker = Waker::from(Arc::clone(&lets_go));
    let polled = lets_go.0.lock().unwrap().as_mut().unwrap().as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    gate.set(false);
    wait_until("the store to be closed", || options(&sim).open("/store").is_ok());
    assert!(options(&sim).open("/store").unwrap().get("id").unwrap().is_some());
}
