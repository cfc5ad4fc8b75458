//! When sessions end.

use sessile::{Deadline, Durability, Error, Touched, Write};

use super::{Bench, HOUR, MINUTE, SECOND, START_MS, Store};

fn deadline_ms(store: &Store, id: &str) -> u64 {
    store.get(id).unwrap().unwrap().deadline().as_ms()
}

#[test]
fn dead_when_the_deadline_is_now() {
    let bench = Bench::new();
    let store = bench.store();
    store.create("id", Write::new("x").idle(SECOND)).unwrap();
    bench.clock.advance(SECOND - std::time::Duration::from_millis(1));
    assert!(store.get("id").unwrap().is_some());
    bench.clock.advance(std::time::Duration::from_millis(1));
    assert!(store.get("id").unwrap().is_none());
    assert!(store.get_ref("id").unwrap().is_none() && store.iter().unwrap().next().is_none());
    assert!(matches!(store.touch("id", HOUR), Err(Error::Unknown(_))), "too late");
}

#[test]
fn a_deadline_in_the_past_means_gone() {
    let store = Bench::new().store();
    for past in [0, 1, START_MS - 1, START_MS] {
        store.create("id", Write::new("x").idle_until(Deadline::at_ms(past))).unwrap();
        store.create("id", Write::new("x").absolute_until(Deadline::at_ms(past))).unwrap();
        assert!(store.get("id").unwrap().is_none());
    }
    store.create("id", "x").unwrap();
    store.update("id", Write::new("x").absolute_until(Deadline::at_ms(0))).unwrap();
    assert!(store.get("id").unwrap().is_none());
    assert_eq!(store.len(), 0);
}

#[test]
fn never_is_never() {
    let bench = Bench::new();
    let store = bench.store();
    store.create("id", Write::new("x").idle(std::time::Duration::MAX)).unwrap();
    store.create("far", Write::new("x").idle_until(Deadline::at_ms(u64::MAX))).unwrap();
    assert_eq!(deadline_ms(&store, "id"), u64::MAX);
    bench.clock.advance(24 * 366 * 100 * HOUR);
    store.maintain(SECOND).unwrap();
    assert_eq!(store.len(), 2);
    store.update("id", Write::new("x").idle(MINUTE).shorten()).unwrap();
    bench.clock.advance(MINUTE);
    store.maintain(SECOND).unwrap();
    assert_eq!(store.len(), 1, "one that was never to end can be ended");
}

#[test]
fn an_update_never_shortens_the_idle_deadline_unless_asked() {
    let store = Bench::new().store();
    store.create("id", Write::new("x").idle(HOUR)).unwrap();
    store.update("id", Write::new("x").idle(MINUTE)).unwrap();
    assert_eq!(deadline_ms(&store, "id"), START_MS + 3_600_000);
    store.update("id", Write::new("x").idle(MINUTE).shorten()).unwrap();
    assert_eq!(deadline_ms(&store, "id"), START_MS + 60_000);
}

#[test]
fn the_absolute_deadline_can_only_come_closer_and_holds_against_any_use() {
    let bench = Bench::new();
    let store = bench.store();
    store.create("id", Write::new("x").absolute(HOUR)).unwrap();
    store.update("id", Write::new("x").absolute(2 * HOUR)).unwrap();
    assert_eq!(store.get("id").unwrap().unwrap().absolute_deadline().as_ms(), START_MS + 3_600_000);
    store.update("id", Write::new("x").absolute(30 * MINUTE)).unwrap();
    store.touch("id", 10 * HOUR).unwrap();
    assert_eq!(deadline_ms(&store, "id"), START_MS + 1_800_000);
    store.rotate("id", "new", Some(Write::new("x").absolute(HOUR).idle(HOUR))).unwrap();
    assert_eq!(deadline_ms(&store, "new"), START_MS + 1_800_000);
}

#[test]
fn first_lifetime_ends_what_is_not_used_a_second_time() {
    let bench = Bench::new();
    let store = bench.open(bench.options().first_lifetime(MINUTE));
    for id in ["bot", "touched", "updated", "rotated"] {
        store.create(id, "x").unwrap();
        assert_eq!(deadline_ms(&store, id), START_MS + 60_000);
    }
    store.touch("touched", 10 * MINUTE).unwrap();
    store.update("updated", "y").unwrap();
    store.rotate("rotated", "user", None).unwrap();
    bench.clock.advance(MINUTE);
    store.maintain(SECOND).unwrap();
    assert!(store.get("bot").unwrap().is_none());
    for id in ["touched", "updated", "user"] {
        assert_eq!(deadline_ms(&store, id), START_MS + 600_000, "{id}");
    }
}

#[test]
fn a_crash_takes_back_less_than_the_slack_of_a_touch() {
    for (idle, slack) in [(HOUR, MINUTE), (5 * MINUTE, 30 * SECOND), (10 * SECOND, SECOND)] {
        let mut bench = Bench::new();
        let options = |bench: &Bench| bench.options().touch_durability(Durability::Synced);
        let store = bench.open(options(&bench));
        store.create("id", Write::new("x").idle(idle)).unwrap();
        let (mut logged, step) = (0, slack / 4);
        for _ in 0..40 {
            bench.clock.advance(step);
            logged += u32::from(store.touch("id", idle).unwrap() == Touched::Logged);
        }
        assert_eq!(logged, 10, "one touch in four enters a new step of the slack");
        bench.clock.advance(step);
        store.touch("id", idle).unwrap();
        let before_ms = deadline_ms(&store, "id");
        bench.power_loss();
        let lost_ms = before_ms - deadline_ms(&bench.open(options(&bench)), "id");
        assert!(lost_ms > 0 && u128::from(lost_ms) < slack.as_millis(), "{lost_ms} ms");
    }
}

#[test]
fn a_jump_forward_hides_and_ends_nothing_until_it_is_confirmed() {
    let bench = Bench::new();
    let store = bench.store();
    store.create("id", Write::new("x").subject("alice")).unwrap();
    bench.clock.set_wall_ms(START_MS + 3_600_000);
    store.maintain(SECOND).unwrap();
    assert!(store.stats().clock_unconfirmed);
    assert!(store.get("id").unwrap().is_none(), "hidden");
    assert!(matches!(store.create("id", "y"), Err(Error::ClockUnconfirmed)));
    assert!(matches!(store.set("id", "y"), Err(Error::ClockUnconfirmed)));
    assert!(matches!(store.update("id", "y"), Err(Error::Unknown(_))));
    assert!(matches!(store.touch("id", HOUR), Err(Error::Unknown(_))));
    assert_eq!((store.sessions_of("alice").unwrap().count(), store.len()), (0, 1));
    bench.clock.set_wall_ms(START_MS + 1_000);
    assert!(store.get("id").unwrap().is_some(), "a bad reading has ended nothing");
    bench.clock.set_wall_ms(START_MS + 3_600_000);
    store.maintain(SECOND).unwrap();
    store.confirm_clock().unwrap();
    store.maintain(SECOND).unwrap();
    assert_eq!(store.len(), 0);
    bench.clock.set_wall_ms(START_MS);
    assert!(store.get("id").unwrap().is_none(), "what has ended stays ended, whatever the clock says then");
    store.close().unwrap();
    assert!(bench.store().get("id").unwrap().is_none());
}

/// The deadlines that a snapshot brings back may lie beyond all that the log says, by coalesced touches. A `clear`
/// must outlive them too, or its end brings a session back.
#[test]
fn a_clear_outlives_the_touches_that_only_a_snapshot_has_kept() {
    let bench = Bench::new();
    let store = bench.open(bench.options().erase_within(MINUTE));
    store.create("id", "x").unwrap();
    store.create("garbage", Write::new("x").idle(MINUTE)).unwrap();
    store.destroy("garbage").unwrap();
    bench.clock.advance(50 * SECOND);
    assert_eq!(store.touch("id", 10 * MINUTE).unwrap(), Touched::Coalesced);
    store.close().unwrap();
    let store = bench.open(bench.options().erase_within(MINUTE).close_budget(std::time::Duration::ZERO));
    assert!(store.stats().recovery.from_snapshot);
    bench.clock.advance(40 * SECOND);
    assert!(
        store.maintain(SECOND).unwrap().segments_compacted > 0,
        "the deadline is written with the record"
    );
    assert_eq!(store.clear().unwrap(), 1);
    // Until just behind the deadline that the log knew.
    bench.clock.advance(512 * SECOND);
    // No longer than one step of compaction.
    store.maintain(std::time::Duration::ZERO).unwrap();
    store.close().unwrap();
    assert!(bench.store().get("id").unwrap().is_none(), "what was cleared is back");
}

/// Nothing stays behind of a subject whose sessions have ended.
#[test]
fn subjects_that_come_and_go_take_no_memory() {
    let bench = Bench::new();
    let store = bench.open(bench.options().durability(Durability::Written));
    let session = |n: u32| Write::new("").subject(format!("subject-{n}"));
    let mut bytes = 0;
    for n in 0..20_000 {
        store.set("id", session(n)).unwrap();
        if n % 2 == 0 {
            store.destroy("id").unwrap();
        }
        if n == 1_000 {
            bytes = store.stats().memory_bytes;
        }
    }
    store.destroy("id").unwrap();
    assert!(store.stats().memory_bytes < bytes + 16_384, "{bytes} and then {}", store.stats().memory_bytes);
}
