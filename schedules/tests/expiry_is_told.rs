//! That a session has run out is told at least once: by this opening, or by the one after the machine has died, whenever that
//! is. Each session has a subject of its own, so that an event speaks of one session and not of an id. Who has been asked
//! for the next event has dealt with the one before; the others must be told again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use common::{BOOT_MS, Machine, Notes, explore, join, maintain, task};
use sessile_schedules::vfs::CrashPolicy;
use sessile_schedules::{Clock, Events, SessionEvent, Store, SubjectDigest, Write};

const SECOND: Duration = Duration::from_secs(1);

/// A machine whose store says of each touch, so that what was told is told up to now.
fn open(machine: &Machine) -> (Store, Events) {
    let store =
        machine.options().touch_slack(Duration::ZERO).open(Path::new("/store")).expect("the store opens");
    let events = store.events().unwrap();
    (store, events)
}

fn session(subject: &str, seconds: u64) -> Write {
    Write::new(subject).idle(SECOND * seconds as u32).subject(subject)
}

fn expired(event: Option<SessionEvent>) -> Option<SubjectDigest> {
    match event {
        Some(SessionEvent::Expired { subject, .. }) => subject,
        _ => None,
    }
}

fn to(machine: &Machine, seconds: u64) {
    let at_ms = BOOT_MS + seconds * 1000;
    machine.clock.advance(Duration::from_millis(at_ms - machine.clock.wall_ms()));
}

/// The machine as it died, and who must be told of there or had been dealt with before.
struct Died {
    machine: Machine,
    begun: Vec<String>,
    dealt: Vec<SubjectDigest>,
}

/// Who is told of what.
#[derive(Clone)]
struct Power {
    machine: Machine,
    begun: Notes<String>,
    dealt: Notes<SubjectDigest>,
}

impl Power {
    fn new(machine: &Machine) -> Self {
        Self { machine: machine.clone(), begun: Notes::new(), dealt: Notes::new() }
    }

    /// The power goes now; what goes on after it goes on for nobody.
    fn fails(&self) -> Died {
        // In this order: who was begun by then is on the disk, and who was dealt with by then may be known to be.
        let begun = self.begun.all();
        let left = Machine { vfs: self.machine.vfs.fork(), clock: self.machine.clock.clone() };
        let machine = left.crash(CrashPolicy::DropAll);
        Died { machine, begun, dealt: self.dealt.all() }
    }

    /// The power goes at some moment.
    fn fails_some_time(&self, steps: u64) -> shuttle::thread::JoinHandle<Died> {
        let power = self.clone();
        task(move || {
            for _ in 0..common::below(steps) {
                shuttle::thread::yield_now();
            }
            power.fails()
        })
    }
}

/// Whoever had been begun and has run out by now was dealt with, or is told by the next opening.
fn check(died: Died) {
    let Died { machine, begun, dealt } = died;
    let (store, mut events) = open(&machine);
    machine.clock.advance(SECOND * 100_000);
    store.confirm_clock().unwrap();
    maintain(&store);
    let mut told: BTreeSet<_> = dealt.into_iter().collect();
    while let Some(event) = events.try_next() {
        told.extend(expired(Some(event)));
    }
    assert_eq!(store.len(), 0);
    for subject in begun {
        assert!(told.contains(&store.subject_digest(&subject).unwrap()), "nobody is told of {subject}");
    }
}

/// Takes so many events and says whom it has dealt with, at the latest when it has.
fn listener(
    mut events: Events,
    dealt: &Notes<SubjectDigest>,
    most: usize,
) -> shuttle::thread::JoinHandle<Events> {
    let dealt = dealt.clone();
    task(move || {
        let mut in_hand = None;
        for _ in 0..most {
            expired(in_hand).into_iter().for_each(|subject| dealt.add(subject));
            in_hand = events.try_next();
        }
        // What he has in his hands he never deals with, and he is there until all is over.
        events
    })
}

#[test]
fn an_id_that_is_used_again_hides_nobody() {
    explore(3000, || {
        let machine = Machine::new();
        let (store, events) = open(&machine);
        let power = Power::new(&machine);
        let (begun, dealt) = (power.begun.clone(), power.dealt.clone());
        store.create("id", session("first", 100)).unwrap();
        begun.add("first".to_owned());
        to(&machine, 100);
        let reaper = {
            let store = store.clone();
            task(move || maintain(&store))
        };
        let writer = {
            let (store, power) = (store.clone(), power.clone());
            task(move || {
                store.create("id", session("second", 1000)).unwrap();
                power.begun.add("second".to_owned());
                power.fails()
            })
        };
        reaper.join().unwrap();
        let died = writer.join().unwrap();
        drop((dealt, events, store));
        check(died);
    });
}

#[test]
fn who_runs_out_while_compaction_is_at_work_is_told() {
    explore(3000, || {
        let machine = Machine::new();
        let (store, mut events) = open(&machine);
        let power = Power::new(&machine);
        let (begun, dealt) = (power.begun.clone(), power.dealt.clone());
        store.create("x", session("x", 100)).unwrap();
        begun.add("x".to_owned());
        // It moves to a segment without garbage; the touch stands in another one.
        common::make_garbage(&store, &machine.clock);
        maintain(&store);
        to(&machine, 95);
        store.touch("x", SECOND * 400).unwrap();
        for data in ["older", "newer"] {
            store.set("more garbage", Write::new(data)).unwrap();
        }
        while events.try_next().is_some() {}
        to(&machine, 490);
        let keeper = {
            let (store, power) = (store.clone(), power.clone());
            task(move || {
                store.maintain(SECOND).unwrap();
                power.fails()
            })
        };
        let time = {
            let clock = machine.clock.clone();
            task(move || clock.advance(SECOND * 70))
        };
        let listener = listener(events, &dealt, 2);
        time.join().unwrap();
        let died = keeper.join().unwrap();
        drop((listener.join().unwrap(), store));
        check(died);
    });
}

#[test]
fn whoever_runs_out_among_everybody_is_told() {
    explore(3000, || {
        let machine = Machine::new();
        let (store, events) = open(&machine);
        let power = Power::new(&machine);
        let (begun, dealt) = (power.begun.clone(), power.dealt.clone());
        for (id, subject) in [("a", "a0"), ("b", "b0")] {
            store.create(id, session(subject, 40)).unwrap();
            begun.add(subject.to_owned());
        }
        let writers = ["a", "b"].map(|id| {
            let (store, begun) = (store.clone(), begun.clone());
            task(move || {
                for turn in 1..=2 {
                    let subject = format!("{id}{turn}");
                    if store.create(id, session(&subject, 20)).is_ok() {
                        begun.add(subject);
                    }
                    let _ = store.touch(id, SECOND * 30);
                }
            })
        });
        let keeper = {
            let (store, clock) = (store.clone(), machine.clock.clone());
            task(move || {
                for _ in 0..2 {
                    common::make_garbage(&store, &clock);
                    maintain(&store);
                }
            })
        };
        let listener = listener(events, &dealt, 8);
        let power = power.fails_some_time(400);
        join(writers.into_iter().chain([keeper]));
        let died = power.join().unwrap();
        let events = listener.join().unwrap();
        drop((events, store));
        check(died);
    });
}

/// Whoever is in the middle of maintenance when the store is closed leaves the ledger alone from then on: it is another
/// opening's.
#[test]
fn a_closed_store_writes_no_ledger() {
    explore(2000, || {
        let machine = Machine::new();
        let (store, events) = open(&machine);
        store.create("id", session("first", 100)).unwrap();
        to(&machine, 100);
        let keeper = {
            let store = store.clone();
            task(move || {
                let _ = store.maintain(SECOND);
            })
        };
        store.close().unwrap();
        let read = || machine.vfs.read_file(Path::new("/store/EVENTS")).unwrap();
        let bytes = read();
        keeper.join().unwrap();
        assert!(bytes == read(), "the ledger was written after the store was closed");
        drop((events, store));
    });
}
