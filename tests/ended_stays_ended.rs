//! P2: what was ended stays ended. A destroyed, expired, rotated or revoked session never comes back: not after a
//! crash, a compaction, a rebuild of the index from the log, nor a clock that moves.
//!
//! The scenarios: the worked example of how other engines brought sessions back, with its variants, and each rule of
//! the design's model, broken there by name, at the level of the engine.

#![cfg(feature = "simulation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::time::Duration;

use common::machine::{DAY, HOUR, MINUTE, Machine, SECOND, START_MS, beacon, maintain, roll, telling};
use common::script::Runner;
use common::workload::workload;
use sessile::vfs::CrashPolicy;
use sessile::{Durability, Error, Store, Write};

const POLICIES: [CrashPolicy; 4] =
    [CrashPolicy::KeepAll, CrashPolicy::DropAll, CrashPolicy::Random(1), CrashPolicy::Random(2)];

/// Opens what any crash leaves of this machine, and again after maintenance and a clean close.
fn after_any_crash(machine: &Machine, check: impl Fn(&Store)) {
    for policy in POLICIES {
        telling(&format!("{policy:?}"), || {
            let machine = machine.crashed(policy);
            let store = machine.open();
            check(&store);
            store.confirm_clock().unwrap();
            maintain(&store);
            check(&store);
            assert!(store.verify().unwrap().damage.is_empty());
            store.close().unwrap();
            check(&machine.open());
            let machine = machine.crash(CrashPolicy::DropAll);
            check(&machine.open());
        });
    }
}

fn is_gone(store: &Store, id: &str) -> bool {
    store.get(id).unwrap().is_none()
        && store.iter().unwrap().all(|session| session.unwrap().handle() != store.handle_of(id).unwrap())
}

fn data_of(store: &Store, id: &str) -> Option<Vec<u8>> {
    store.get(id).unwrap().map(sessile::Session::into_data)
}

/// K's first version in a segment that will stay, because all else in it lives long.
fn with_old_version() -> (Machine, Store) {
    let machine = Machine::new();
    let store = machine.open();
    store.create("K", Write::new("K, the old version").idle(DAY * 14)).unwrap();
    roll(&store, &machine, "long", DAY * 30);
    (machine, store)
}

/// Lets everything that lives for a minute expire, and reclaims; the segment must go, the old version's must stay.
fn reclaim(machine: &Machine, store: &Store, segment: &str) {
    machine.clock.advance(MINUTE * 2);
    maintain(store);
    assert!(!machine.segments().contains(&segment.to_owned()), "{segment} was not reclaimed");
    assert!(machine.find(b"K, the old version").is_some(), "the old version is gone, so this shows nothing");
}

#[test]
fn worked_example_a_shorter_deadline_expires_before_the_longer_one_that_it_replaced() {
    let (machine, store) = with_old_version();
    store.update("K", Write::new("K, out in 10 s").idle(SECOND * 10).shorten()).unwrap();
    let segment = beacon(&store, &machine, "with the new version");
    roll(&store, &machine, "short", MINUTE);
    reclaim(&machine, &store, &segment);
    assert!(machine.find(b"K, out in 10 s").is_none());
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
    machine.clock.advance(DAY * 13);
    store.confirm_clock().unwrap();
    maintain(&store);
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
}

#[test]
fn worked_example_2_a_destroy_is_reclaimed_before_what_it_destroyed() {
    let (machine, store) = with_old_version();
    store.update("K", Write::new("K, the new version")).unwrap();
    assert!(store.destroy("K").unwrap());
    let segment = beacon(&store, &machine, "with the tombstone");
    roll(&store, &machine, "short", MINUTE);
    reclaim(&machine, &store, &segment);
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
}

#[test]
fn worked_example_4_compaction_drops_the_expired_record_from_a_segment_that_lives_on() {
    let (machine, store) = with_old_version();
    store.update("K", Write::new("K, out in 10 s").idle(SECOND * 10).shorten()).unwrap();
    for number in 0..6 {
        let neighbour = Write::new(vec![b'n'; 3000]).idle(DAY * 20);
        store.create(format!("neighbour {number}"), neighbour).unwrap();
    }
    let segment = beacon(&store, &machine, "with the new version");
    roll(&store, &machine, "short", MINUTE);
    reclaim(&machine, &store, &segment);
    after_any_crash(&machine, |store| {
        assert!(is_gone(store, "K"));
        assert!(data_of(store, "neighbour 5").is_some());
    });
}

#[test]
fn worked_example_5_the_clock_is_set_back_to_when_the_session_lived() {
    let (machine, store) = with_old_version();
    store.update("K", Write::new("K, out in 10 s").idle(SECOND * 10).shorten()).unwrap();
    machine.clock.advance(SECOND * 20);
    assert!(is_gone(&store, "K"));
    // Maintenance finds it expired: from here on it has ended, whatever the clock says.
    maintain(&store);
    machine.clock.set_wall_ms(START_MS + 1_000);
    assert!(is_gone(&store, "K"));
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
    machine.clock.set_wall_ms(START_MS - 86_400_000);
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
}

#[test]
fn model_no_stub_an_ended_record_leaves_its_stub_when_its_segment_goes() {
    let (machine, store) = with_old_version();
    store.update("K", Write::new("K, the new version").idle(DAY)).unwrap();
    let segment = beacon(&store, &machine, "with the new version");
    roll(&store, &machine, "short", MINUTE);
    store.destroy("K").unwrap();
    let tombstone = beacon(&store, &machine, "with the tombstone");
    roll(&store, &machine, "short too", MINUTE);
    reclaim(&machine, &store, &segment);
    assert!(!machine.segments().contains(&tombstone), "the tombstone was moved");
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
}

#[test]
fn model_revocation_forgets_the_anonymous_version_does_not_come_back() {
    let (machine, store) = with_old_version();
    store.update("K", Write::new("K, logged in").subject("alice")).unwrap();
    let segment = beacon(&store, &machine, "with the login");
    roll(&store, &machine, "short", MINUTE);
    assert_eq!(store.destroy_subject("alice", None).unwrap(), 1);
    reclaim(&machine, &store, &segment);
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
}

#[test]
fn model_touch_any_base_a_touch_of_an_older_version_does_not_extend_a_newer() {
    let (machine, store) = with_old_version();
    store.touch("K", DAY * 28).unwrap();
    store.update("K", Write::new("K, out in 2 h").idle(HOUR * 2).shorten()).unwrap();
    roll(&store, &machine, "short", MINUTE);
    let ends_ms = START_MS + 7_200_000;
    after_any_crash(&machine, |store| {
        assert_eq!(store.get("K").unwrap().unwrap().deadline().as_ms(), ends_ms);
    });
    machine.clock.advance(HOUR * 2);
    maintain(&store);
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
}

#[test]
fn model_touch_last_wins_a_touch_only_extends() {
    let (machine, store) = with_old_version();
    store.touch("K", DAY * 28).unwrap();
    store.touch("K", HOUR).unwrap();
    store.flush().unwrap();
    let ends_ms = START_MS + 28 * 86_400_000;
    after_any_crash(&machine, |store| {
        assert_eq!(store.get("K").unwrap().unwrap().deadline().as_ms(), ends_ms);
    });
}

#[test]
fn model_rotate_one_effect_the_old_id_stays_ended_when_the_new_one_has_moved_on() {
    let (machine, store) = with_old_version();
    store.rotate("K", "L", Some(Write::new("L, logged in").idle(DAY).subject("alice"))).unwrap();
    let segment = beacon(&store, &machine, "with the rotate");
    roll(&store, &machine, "short", MINUTE);
    store.update("L", Write::new("L, moved on")).unwrap();
    reclaim(&machine, &store, &segment);
    after_any_crash(&machine, |store| {
        assert!(is_gone(store, "K"));
        assert_eq!(data_of(store, "L").unwrap(), b"L, moved on");
    });
    store.destroy("L").unwrap();
    let segment = beacon(&store, &machine, "with the end of L");
    roll(&store, &machine, "short too", MINUTE);
    reclaim(&machine, &store, &segment);
    after_any_crash(&machine, |store| assert!(is_gone(store, "K") && is_gone(store, "L")));
}

#[test]
fn a_rotate_there_and_back_leaves_one_session() {
    let (machine, store) = with_old_version();
    store.rotate("K", "L", None).unwrap();
    let segment = beacon(&store, &machine, "with the rotate");
    roll(&store, &machine, "short", MINUTE);
    store.rotate("L", "K", Some(Write::new("K, back again"))).unwrap();
    roll(&store, &machine, "short too", MINUTE);
    machine.clock.advance(MINUTE * 2);
    maintain(&store);
    assert!(!machine.segments().contains(&segment));
    after_any_crash(&machine, |store| {
        assert!(is_gone(store, "L"));
        assert_eq!(data_of(store, "K").unwrap(), b"K, back again");
    });
    store.destroy("K").unwrap();
    after_any_crash(&machine, |store| assert!(is_gone(store, "K") && is_gone(store, "L")));
}

#[test]
fn an_id_that_was_ended_and_created_anew_has_only_its_new_life() {
    let (machine, store) = with_old_version();
    store.destroy("K").unwrap();
    let segment = beacon(&store, &machine, "with the tombstone");
    store.create("K", Write::new("K, its second life").idle(HOUR)).unwrap();
    roll(&store, &machine, "short", MINUTE);
    machine.clock.advance(HOUR + MINUTE);
    maintain(&store);
    assert!(!machine.segments().contains(&segment));
    after_any_crash(&machine, |store| assert!(is_gone(store, "K")));
}

#[test]
fn a_revocation_counts_at_the_first_recovery_after_it() {
    // It stands above the last mark, so that recovery copies it; a copy must be heard as well.
    let machine = Machine::new();
    let store = machine.open();
    store.create("phone", Write::new("phone").subject("alice")).unwrap();
    store.create("laptop", Write::new("laptop").subject("alice")).unwrap();
    assert_eq!(store.destroy_subject("alice", Some(b"laptop")).unwrap(), 1);
    after_any_crash(&machine, |store| {
        assert!(is_gone(store, "phone") && data_of(store, "laptop").is_some());
    });
    assert_eq!(store.clear().unwrap(), 1);
    after_any_crash(&machine, |store| assert_eq!(store.iter().unwrap().count(), 0));
}

#[test]
fn a_rotate_leaves_exactly_one_of_the_two_ids() {
    for call in 1..40 {
        let machine = Machine::new();
        let store = machine.open();
        store.create("before", Write::new("cart")).unwrap();
        machine.sim.crash_at_call(call);
        let rotated = store.rotate("before", "after", None);
        for policy in POLICIES {
            let store = machine.crashed(policy).open();
            let (before, after) = (data_of(&store, "before"), data_of(&store, "after"));
            assert!(before.is_some() != after.is_some(), "call {call}, {policy:?}: {before:?} {after:?}");
            assert!(rotated.is_err() || after.is_some());
        }
        if rotated.is_ok() {
            return;
        }
    }
    panic!("the rotate never came through");
}

#[test]
fn a_relaxed_ending_may_be_lost_to_power_but_not_to_the_death_of_the_process() {
    let machine = Machine::new();
    let options = machine.options().durability(Durability::Written);
    let store = options.logouts_may_be_lost_on_power_failure(true).open("/store").unwrap();
    store.create("K", Write::new("K").durability(Durability::Synced)).unwrap();
    store.destroy("K").unwrap();
    assert!(is_gone(&machine.crashed(CrashPolicy::KeepAll).open(), "K"));
    assert!(!is_gone(&machine.crashed(CrashPolicy::DropAll).open(), "K"), "the option has its price");
    store.flush().unwrap();
    assert!(is_gone(&machine.crashed(CrashPolicy::DropAll).open(), "K"));
}

#[test]
fn an_update_cannot_revive_who_has_logged_out() {
    let machine = Machine::new();
    let store = machine.open();
    store.create("K", Write::new("K")).unwrap();
    store.destroy("K").unwrap();
    for store in [store, machine.crashed(CrashPolicy::DropAll).open()] {
        assert!(matches!(store.update("K", Write::new("late")), Err(Error::Unknown(_))));
        assert!(matches!(store.touch("K", Duration::from_secs(60)), Err(Error::Unknown(_))));
        assert!(matches!(store.rotate("K", "L", None), Err(Error::Unknown(_))));
    }
}

/// Few ids, so that each is ended and made again and again, in whatever segments.
#[test]
fn a_crash_at_any_call_among_many_endings_brings_nothing_back() {
    let steps = workload(77, 320, 5, 2, false);
    for nth in (1..).step_by(2) {
        let mut runner = Runner::new(Machine::new(), 5, 2);
        runner.machine.sim.crash_after_call(nth);
        if runner.run(&steps).is_ok() {
            assert!(nth > 300);
            break;
        }
        for policy in POLICIES {
            telling(&format!("crash point {nth}, {policy:?}"), || runner.check_after(policy));
        }
    }
}
