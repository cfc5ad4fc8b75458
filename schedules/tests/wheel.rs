//! The wheel's re-arm: whoever shortens and whoever lengthens a deadline, from several tasks and against the reaper, leaves
//! an entry in the wheel by which the session is reaped when its time comes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::{Machine, below, explore, join, maintain, task};
use sessile_schedules::{Clock, Deadline, Durability, Store, Write};

/// Moves the deadline of a session about; it may end meanwhile.
fn unsettle(store: &Store, id: &str) {
    for _ in 0..3 {
        let seconds = Duration::from_secs(1 + below(400));
        let write = Write::new("x").idle(seconds).durability(Durability::Written);
        let done = match below(5) {
            0 => store.update(id, write).map(drop),
            1 | 2 => store.update(id, write.shorten()).map(drop),
            3 => store
                .set(id, Write::new("x").idle_until(Deadline::NEVER).durability(Durability::Written))
                .map(drop),
            _ => store.touch(id, seconds).map(drop),
        };
        assert!(matches!(done, Ok(()) | Err(sessile_schedules::Error::Unknown(_))), "{done:?}");
    }
}

#[test]
fn every_session_is_reaped_when_its_time_comes() {
    explore(2500, || {
        let machine = Machine::new();
        let store = machine.open();
        for id in ["a", "b"] {
            let write = Write::new("x").idle(Duration::from_secs(100)).durability(Durability::Written);
            store.create(id, write).unwrap();
        }
        let mut tasks: Vec<_> = ["a", "a", "b"]
            .into_iter()
            .map(|id| {
                let store = store.clone();
                task(move || unsettle(&store, id))
            })
            .collect();
        let (reaped, clock) = (store.clone(), machine.clock.clone());
        tasks.push(task(move || {
            for _ in 0..3 {
                clock.advance(Duration::from_secs(40));
                maintain(&reaped);
            }
        }));
        join(tasks);
        let shorten = |id: &str, deadline| {
            let write = Write::new("x").idle_until(deadline).shorten().durability(Durability::Written);
            let _ = store.update(id, write);
        };
        // What never ends by itself does not end; here it is given an end, from never.
        let later = Deadline::at_ms(machine.clock.wall_ms() + 7_777);
        for id in ["a", "b"] {
            if store.get(id).unwrap().is_some_and(|session| session.deadline() == Deadline::NEVER) {
                shorten(id, later);
            }
        }
        let mut deadlines: Vec<_> =
            store.iter().unwrap().map(|session| session.unwrap().deadline().as_ms()).collect();
        deadlines.sort_unstable();
        for (passed, deadline) in deadlines.iter().enumerate() {
            let now_ms = machine.clock.wall_ms();
            machine.clock.advance(Duration::from_millis((deadline - now_ms).saturating_sub(1)));
            maintain(&store);
            let already = deadlines.iter().filter(|other| **other <= machine.clock.wall_ms()).count();
            assert!(store.len() as usize >= deadlines.len() - already.max(passed), "reaped before its time");
            machine.clock.advance(Duration::from_millis(deadline.saturating_sub(machine.clock.wall_ms())));
            maintain(&store);
            let left = deadlines.iter().filter(|other| *other > deadline).count();
            assert_eq!(store.len() as usize, left, "the wheel has lost a session");
        }
    });
}
