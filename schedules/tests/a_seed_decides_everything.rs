//! Nothing in the engine is decided behind the scheduler's back: a schedule that is run again takes the same steps, or
//! no failure found here, nor any seed of the torture, could be looked at twice.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::time::Duration;

use common::{Machine, config, join};
use sessile_schedules::vfs::CrashPolicy;
use sessile_schedules::{Durability, Write};
use shuttle::Runner;
use shuttle::scheduler::{RandomScheduler, UncontrolledNondeterminismCheckScheduler};
use shuttle::thread;

/// Writers, the store's own two threads, expiry, compaction, a power loss with hazards, and the recovery from it.
fn everything() {
    let machine = Machine::new();
    let store = machine.options().manual_maintenance(false).open("/store").unwrap();
    let writers = (0..3).map(|me| {
        let (store, clock) = (store.clone(), machine.clock.clone());
        thread::spawn(move || {
            for turn in 0..4 {
                let id = format!("{}", (me + turn) % 4);
                let write = Write::new(format!("{me}.{turn}")).durability(Durability::Written);
                let _ = store.set(&id, write.subject(format!("{me}")));
                let _ = store.touch(&id, Duration::from_secs(7200));
                clock.advance(Duration::from_secs(1200));
                let _ = store.destroy_subject(format!("{turn}"), None);
                let _ = store.maintain(Duration::ZERO);
            }
        })
    });
    join(writers.collect::<Vec<_>>());
    let machine = machine.crash(CrashPolicy::Random(3));
    drop(store);
    machine.open().close().unwrap();
}

#[test]
fn the_same_schedule_takes_the_same_steps() {
    let scheduler = UncontrolledNondeterminismCheckScheduler::new(RandomScheduler::new_from_seed(1, 40));
    Runner::new(scheduler, config()).run(everything);
}
