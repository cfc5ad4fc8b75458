//! What the wheel may cost: entries under churn, work in a call, memory for a session.

use super::*;
use crate::index::{Entry, Index, Place, SegmentTable};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NOW: u64 = 1_763_000_000_000;
const HALF_HOUR: u64 = 30 * 60_000;

fn tag(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

fn purge_if_needed(sessions: &mut Sessions) {
    if sessions.wheel.needs_purge(sessions.live.len()) {
        sessions.purge(PURGE_STEP);
    }
    let (entries, live) = (sessions.wheel.len(), sessions.live.len());
    assert!(entries <= 2 * live + 2_048, "{entries} entries for {live} sessions");
}

#[test]
fn creating_and_destroying_one_id_for_ever_costs_no_memory() {
    let mut sessions = Sessions::new();
    for turn in 0..200_000 {
        sessions.arm(7, NOW + HALF_HOUR + turn % 977, NOW);
        purge_if_needed(&mut sessions);
        sessions.live.remove(&7);
        purge_if_needed(&mut sessions);
    }
}

#[test]
fn entries_stay_below_twice_the_sessions_when_a_crowd_logs_out() {
    let mut sessions = Sessions::new();
    (0..100_000).for_each(|n| sessions.arm(n, NOW + HALF_HOUR + n, NOW));
    for n in 0..100_000 {
        sessions.live.remove(&n);
        purge_if_needed(&mut sessions);
    }
    assert!(sessions.wheel.memory_bytes() < 200_000);
}

#[test]
fn entries_stay_below_twice_the_sessions_when_deadlines_are_shortened_again_and_again() {
    let mut sessions = Sessions::new();
    for round in 0..20 {
        for n in 0..10_000 {
            sessions.arm(n, NOW + HALF_HOUR * (30 - round), NOW);
            purge_if_needed(&mut sessions);
            // Evictions leave half of a slot looked at; purging must meet it nevertheless.
            let live = &sessions.live;
            sessions.wheel.soonest(1, |short, arming, _| match live.get(&short) {
                Some((deadline, current)) if *current == arming => Verdict::Later(*deadline),
                _ => Verdict::Gone,
            });
        }
    }
}

/// A purge that stopped in the middle of a slot has set entries aside; they fire in time all the same, however small
/// the slices in which they do.
#[test]
fn a_purge_half_way_through_a_slot_delays_nothing() {
    for purged in [1, 50, 99] {
        let mut sessions = Sessions::new();
        (0..100).for_each(|n| sessions.arm(n, NOW + 10_000, NOW));
        assert!(sessions.purge(purged).more);
        while sessions.due(NOW + 10_000, 1).more {}
        assert_eq!((sessions.expired.len(), sessions.wheel.len()), (100, 0));
    }
}

/// While a jump of the clock waits to be confirmed, what it would expire is kept: each is asked about at most once a
/// level in one call, and not again before the next millisecond.
#[test]
fn a_session_that_is_kept_past_its_deadline_does_not_fire_for_ever() {
    let mut wheel = Wheel::new();
    (0..100).for_each(|n| wheel.arm(n, 0, Deadline::at_ms(NOW + n), NOW));
    let keep = |_, _| Verdict::Later(Deadline::at_ms(NOW));
    let work = wheel.due(NOW + 100, usize::MAX, keep);
    assert!((100..=200).contains(&work.checked) && work.dropped == 0 && !work.more);
    assert_eq!(wheel.due(NOW + 100, usize::MAX, keep), Work::default());
    assert_eq!(wheel.due(NOW + 101, usize::MAX, |_, _| Verdict::Gone).dropped, 100);
}

#[test]
fn touches_add_no_entry() {
    let mut sessions = Sessions::new();
    (0..1_000).for_each(|n| sessions.arm(n, NOW + HALF_HOUR, NOW));
    let mut checked = 0;
    for second in 0..7_200 {
        let now = NOW + second * 1_000;
        (0..1_000).filter(|n| n % 30 == second % 30).for_each(|n| sessions.touch(n, now + HALF_HOUR));
        checked += sessions.due(now, usize::MAX).checked;
        assert_eq!(sessions.wheel.len(), 1_000);
    }
    assert!(checked <= 6 * 1_000, "{checked} looks for 240,000 touches of 1,000 sessions in two hours");
}

#[test]
fn a_far_deadline_is_looked_at_a_handful_of_times_in_its_life() {
    for days in [1, 14, 90, 400] {
        let mut sessions = Sessions::new();
        let end = NOW + days * 24 * 60 * 60_000;
        sessions.arm(1, end, NOW);
        let (mut now, mut checked) = (NOW, 0);
        while !sessions.live.is_empty() {
            now += 10_000;
            checked += sessions.due(now, usize::MAX).checked;
        }
        assert!(now >= end && now < end + 10_000 && checked <= 6, "{days} days: {checked} looks");
    }
}

/// Those that end soonest come first, whoever must stay is passed over once a round, and who was touched is not
/// mistaken for one that ends soon.
#[test]
fn eviction_finds_the_anonymous_session_that_ends_soonest_behind_many_that_must_stay() {
    let mut sessions = Sessions::new();
    (0..5_000).for_each(|n| sessions.arm(n, NOW + 10_000, NOW));
    (5_000..6_000).for_each(|n| sessions.arm(n, NOW + 11_000, NOW));
    (5_000..6_000).for_each(|n| sessions.touch(n, NOW + HALF_HOUR));
    sessions.arm(6_000, NOW + HALF_HOUR / 2, NOW);
    let (mut evicted, mut calls) = (Vec::new(), 0);
    while evicted.is_empty() {
        let live = &sessions.live;
        let work = sessions.wheel.soonest(100, |short, _, end_ms| {
            let (deadline, _) = live[&short];
            if short >= 5_000 && deadline.as_ms() <= end_ms && evicted.is_empty() {
                evicted.push(short);
                return Verdict::Gone;
            }
            Verdict::Later(deadline)
        });
        assert!(work.checked <= 100 && work.more);
        calls += 1;
    }
    assert_eq!((evicted, calls), (vec![6_000], 61));
    assert_eq!(sessions.wheel.len(), 6_000);
    sessions.live.remove(&6_000);
    assert_eq!(sessions.expire(NOW + 10_000).len(), 5_000);
    assert_eq!(
        (sessions.expire(NOW + HALF_HOUR - 1).len(), sessions.expire(NOW + HALF_HOUR).len()),
        (0, 1_000)
    );
}

#[test]
fn sessions_take_at_most_32_bytes_each_in_index_and_wheel_at_every_size() {
    const SESSIONS: u64 = 1_000_000;
    let index = Index::new(SegmentTable::new(64 << 20, (0, 0)));
    assert!(index.add_segment(1, 64 << 20, &Arc::new(())));
    let (mut wheel, mut most, mut longest) = (Wheel::new(), 0.0_f64, Duration::ZERO);
    for n in 0..SESSIONS {
        let deadline = Deadline::at_ms(NOW + HALF_HOUR + n % HALF_HOUR);
        let entry = Entry::new(tag(n), Place { segment: 1, offset: n as u32 }, deadline, n as u8);
        let began = Instant::now();
        assert!(index.insert(entry));
        longest = longest.max(began.elapsed());
        wheel.arm(entry.short(), entry.arming(), deadline, NOW + n % HALF_HOUR);
        if n >= SESSIONS / 2 && n % 10_000 == 0 {
            most = most.max((index.memory_bytes() + wheel.memory_bytes()) as f64 / n as f64);
        }
    }
    let per_session = |bytes: usize| bytes as f64 / SESSIONS as f64;
    let (of_index, of_wheel) = (per_session(index.memory_bytes()), per_session(wheel.memory_bytes()));
    println!("bytes a session at {SESSIONS}: index {of_index:.2}, wheel {of_wheel:.2}; at most {most:.2}");
    println!("the longest insertion took {longest:?}");
    assert!(most <= 32.0 && of_wheel <= 7.0, "index {of_index:.2}, wheel {of_wheel:.2}, most {most:.2}");
    // The two find each other: every entry's tag and arming lead to its session.
    let work = wheel.due(NOW + 2 * HALF_HOUR, usize::MAX, |short, arming| {
        let entry = index.by_short(short, arming).unwrap();
        match entry.deadline().has_passed(NOW + 2 * HALF_HOUR) {
            true => index.remove(entry.tag(), entry.place()).map_or(Verdict::Gone, |_| Verdict::Gone),
            false => Verdict::Later(entry.deadline()),
        }
    });
    assert_eq!((work.dropped as u64, index.len(), wheel.len()), (SESSIONS, 0, 0));
}

/// `NEVER` has no entry: one that is found to live for ever leaves, or it would wait in the last slot of time.
#[test]
fn a_session_that_has_become_endless_leaves_the_wheel() {
    for evicting in [false, true] {
        let mut wheel = Wheel::new();
        wheel.arm(1, 1, Deadline::at_ms(NOW + 1_000), NOW);
        let work = if evicting {
            wheel.soonest(10, |_, _, _| Verdict::Later(Deadline::NEVER))
        } else {
            wheel.due(NOW + 1_000, 10, |_, _| Verdict::Later(Deadline::NEVER))
        };
        assert_eq!((work.dropped, wheel.len()), (1, 0), "evicting: {evicting}");
    }
}

/// A small store has no use for a walk over its wheel with each write.
#[test]
fn a_few_stale_entries_call_for_no_purge() {
    let mut wheel = Wheel::new();
    assert!(!wheel.needs_purge(0));
    (0..1_024).for_each(|n| wheel.arm(n, 1, Deadline::at_ms(NOW + n), NOW));
    assert!(!wheel.needs_purge(0), "1,024 are minded by nobody");
    wheel.arm(2_000, 1, Deadline::at_ms(NOW), NOW);
    assert!(wheel.needs_purge(0));
    assert!(!wheel.needs_purge(1), "the more live, the more may be stale");
}

/// What the wheel says that it takes is what operators plan with: each entry's six bytes are in it, and those too that
/// a walk has set aside.
#[test]
fn the_memory_that_is_told_grows_with_the_entries_wherever_they_are() {
    let (empty, mut wheel) = (Wheel::new().memory_bytes(), Wheel::new());
    assert!(empty > 8 * 64 * 16, "the slots themselves: {empty}");
    (0..7_200).for_each(|n| wheel.arm(n, 1, Deadline::at_ms(NOW + 1_000), NOW));
    let fits = |told: usize| (7_200 * 6..7_200 * 8).contains(&(told - empty));
    assert!(fits(wheel.memory_bytes()), "{}", wheel.memory_bytes() - empty);
    assert!(wheel.purge(3_600, |_, _| true).more);
    assert!(fits(wheel.memory_bytes()), "half of them looked at: {}", wheel.memory_bytes() - empty);
}

/// It is far behind the last deadline, which has 44 bits, and the levels reach exactly so far.
#[test]
fn the_wheels_last_moment_is_the_last_that_its_levels_can_name() {
    assert_eq!(crate::expiry::levels::LAST_MS, 0xffff_ffff_ffff);
}
