//! Expiry against those who use a session at the last moment. Each operation goes by the clock as it stood at some moment
//! while it ran, and a touch or write in between wins over the end of a session. So: what was touched or written in time,
//! and has been told so, is alive until the deadline that this gave it; and once anybody has been told that a session is
//! over while nobody was at it, it is over for everybody who comes after that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use common::{BOOT_MS, Machine, explore, join, maintain, task};
use sessile_schedules::vfs::CrashPolicy;
use sessile_schedules::{Clock, Error, ManualClock, Store, Write};

/// Where the session stands that all tasks are after: it ends at this moment unless it is used.
const ENDS_MS: u64 = BOOT_MS + 100_000;

struct Scene {
    machine: Machine,
    store: Store,
    seen: Arc<Seen>,
}

/// What is known of the session outside the store.
#[derive(Default)]
struct Seen {
    /// Somebody has been told that it is over while nobody was at it.
    over: AtomicBool,
    /// How many uses have begun, and how many of them have not been answered yet.
    begun: AtomicU64,
    at_it: AtomicU64,
}

impl Seen {
    /// The uses that had begun, if all have been answered.
    fn quiet(&self) -> Option<u64> {
        let begun = self.begun.load(SeqCst);
        (self.at_it.load(SeqCst) == 0).then_some(begun)
    }

    /// Somebody was told that it is over, who began when it was so quiet and has used it himself so often.
    fn over(&self, quiet: Option<u64>, own: u64) {
        let alone = quiet.is_some_and(|begun| self.begun.load(SeqCst) == begun + own);
        self.over.fetch_or(alone, SeqCst);
    }
}

impl Scene {
    /// Two seconds before the end.
    fn new() -> Self {
        let machine = Machine::new();
        let store = machine.open();
        store.create("s", Write::new("0").idle(Duration::from_secs(100)).subject("owner")).unwrap();
        machine.clock.advance(Duration::from_secs(98));
        Self { machine, store, seen: Arc::default() }
    }

    fn actor(&self) -> Actor {
        Actor { store: self.store.clone(), clock: self.machine.clock.clone(), seen: Arc::clone(&self.seen) }
    }

    /// Time passes, and the reaper comes.
    fn reaper(&self) -> shuttle::thread::JoinHandle<()> {
        let (store, clock) = (self.store.clone(), self.machine.clock.clone());
        task(move || {
            clock.advance(Duration::from_secs(3));
            maintain(&store);
        })
    }
}

/// Somebody who uses the session and remembers until when it must live.
struct Actor {
    store: Store,
    clock: ManualClock,
    seen: Arc<Seen>,
}

impl Actor {
    /// Uses it for so long; `None` when it was over.
    fn used<T>(&self, idle: Duration, operation: impl FnOnce() -> Result<T, Error>) -> Option<u64> {
        let (was_over, quiet) = (self.seen.over.load(SeqCst), self.seen.quiet());
        let from_ms = self.clock.wall_ms();
        self.seen.begun.fetch_add(1, SeqCst);
        self.seen.at_it.fetch_add(1, SeqCst);
        let outcome = operation();
        self.seen.at_it.fetch_sub(1, SeqCst);
        match outcome {
            Ok(_) => {
                assert!(!was_over, "it was over before, and is back");
                Some(from_ms + idle.as_millis() as u64)
            }
            Err(Error::Unknown(_)) => {
                assert!(self.clock.wall_ms() >= ENDS_MS, "it was over before its time");
                self.seen.over(quiet, 1);
                None
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// What was promised holds.
    fn check(&self, lives_until_ms: Option<u64>) {
        let (was_over, quiet) = (self.seen.over.load(SeqCst), self.seen.quiet());
        let there = self.store.get("s").unwrap().is_some();
        let now_ms = self.clock.wall_ms();
        assert!(!(was_over && there), "it was over before, and is back");
        if let Some(until_ms) = lives_until_ms {
            assert!(there || now_ms >= until_ms, "it was used in time and is gone");
        }
        if !there {
            self.seen.over(quiet, 0);
        }
    }
}

#[test]
fn a_session_that_is_touched_in_time_lives_on() {
    explore(4000, || {
        let scene = Scene::new();
        // The short one stays within a step of the grid, so only memory hears of it; the long one is logged.
        let touches = [4, 5, 500].map(|seconds| {
            let actor = scene.actor();
            task(move || {
                let idle = Duration::from_secs(seconds);
                let until_ms = actor.used(idle, || actor.store.touch("s", idle));
                actor.check(until_ms);
                until_ms
            })
        });
        let reaper = scene.reaper();
        let until_ms = join(touches).into_iter().flatten().max();
        reaper.join().unwrap();
        scene.actor().check(until_ms);
    });
}

#[test]
fn a_session_that_is_only_touched_in_memory_lives_on() {
    explore(3000, || {
        let scene = Scene::new();
        let actor = scene.actor();
        let touch = task(move || {
            let idle = Duration::from_secs(5);
            let until_ms = actor.used(idle, || actor.store.touch("s", idle));
            actor.check(until_ms);
            until_ms
        });
        let reaper = scene.reaper();
        let until_ms = touch.join().unwrap();
        reaper.join().unwrap();
        scene.actor().check(until_ms);
    });
}

#[test]
fn a_session_that_is_written_in_time_lives_on_in_memory_and_on_the_disk() {
    explore(3000, || {
        let scene = Scene::new();
        let writers = [30, 400].map(|seconds| {
            let actor = scene.actor();
            task(move || {
                let idle = Duration::from_secs(seconds);
                let write = Write::new("1").idle(idle);
                let until_ms = actor.used(idle, || actor.store.update("s", write));
                actor.check(until_ms);
                until_ms
            })
        });
        let reaper = scene.reaper();
        let until_ms = join(writers).into_iter().flatten().max();
        reaper.join().unwrap();
        let actor = scene.actor();
        actor.check(until_ms);
        let machine = scene.machine.crash(CrashPolicy::DropAll);
        let seen = Arc::clone(&scene.seen);
        drop((scene, actor));
        Actor { store: machine.open(), clock: machine.clock.clone(), seen }.check(until_ms);
    });
}

#[test]
fn a_write_does_not_take_back_the_time_that_a_touch_has_given() {
    explore(3000, || {
        let scene = Scene::new();
        let actor = scene.actor();
        let touch = task(move || {
            let idle = Duration::from_secs(5);
            actor.used(idle, || actor.store.touch("s", idle))
        });
        let actor = scene.actor();
        let write = task(move || {
            let idle = Duration::from_secs(1);
            actor.used(idle, || actor.store.update("s", Write::new("1").idle(idle)))
        });
        let until_ms = join([touch, write]).into_iter().flatten().max();
        scene.actor().check(until_ms);
        let deadline = scene.store.get("s").unwrap().unwrap().deadline().as_ms();
        assert!(Some(deadline) >= until_ms, "{deadline} is before {until_ms:?}");
    });
}

#[test]
fn a_login_does_not_take_back_the_time_that_a_touch_has_given() {
    explore(3000, || {
        let scene = Scene::new();
        let actor = scene.actor();
        let touch = task(move || actor.store.touch("s", Duration::from_secs(5)).is_ok());
        let login = {
            let store = scene.store.clone();
            task(move || {
                let write = Write::new("1").idle(Duration::from_secs(1));
                store.rotate("s", "t", Some(write)).unwrap();
            })
        };
        let touched = touch.join().unwrap();
        login.join().unwrap();
        let deadline = scene.store.get("t").unwrap().unwrap().deadline().as_ms();
        assert!(deadline >= if touched { BOOT_MS + 103_000 } else { ENDS_MS }, "{deadline}");
    });
}

#[test]
fn an_id_that_is_taken_anew_after_its_end_is_the_new_session() {
    explore(3000, || {
        let scene = Scene::new();
        let store = scene.store.clone();
        let login = task(move || store.create("s", "new").is_ok());
        let actor = scene.actor();
        let touch = task(move || {
            let idle = Duration::from_secs(5);
            actor.store.touch("s", idle).is_ok()
        });
        let reaper = scene.reaper();
        let created = login.join().unwrap();
        touch.join().unwrap();
        reaper.join().unwrap();
        if created {
            assert_eq!(common::text(&scene.store, "s").as_deref(), Some("new"));
        }
        assert_eq!(
            scene.store.sessions_of("owner").unwrap().count(),
            usize::from(!created && scene.store.len() == 1)
        );
        let machine = scene.machine.crash(CrashPolicy::DropAll);
        drop(scene);
        if created {
            assert_eq!(common::text(&machine.open(), "s").as_deref(), Some("new"));
        }
    });
}
