//! Bugs that other wheels have had, one test each. The numbers are those of the list that the design keeps of them;
//! the projects and changes are named at each.
//!
//! Each test was seen to fail with its bug put into this wheel (some in two forms): a moment too far ahead taken for now
//! (1), a level chosen one slot too far (2), a firing that ends at the first entry that lives (3), a horizon of 2^36 ms for
//! a deadline or for the wheel's age (4), nothing behind or at the hand (5), moments compared as 32 or as 47 signed bits
//! (6), a step of time narrowed (7), the end of a slot told for its start (8), an entry taken out before its callback (9),
//! no budget or no backlog (10), a tolerance of a millisecond (11), an arming that loses half or all of its bits (12), time that
//! goes back (13), a next moment of now or an entry put back to now (14), clearing that keeps the time or the entries (15).

use super::*;

const NOW: u64 = 1_763_000_000_000;
/// The first moment that is never.
const LAST_MS: u64 = (1 << 44) - 1;
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// Netty #7760: a long timeout overflowed and fired at once.
#[test]
fn b1_a_very_long_timeout_does_not_fire_early() {
    let mut sessions = Sessions::new();
    let last = Deadline::NEVER.bits() - 1;
    for (short, ms) in
        [(1, last), (2, u64::MAX - 1), (3, u64::MAX), (4, NOW + 400 * DAY), (5, i64::MAX as u64)]
    {
        sessions.arm(short, ms, NOW);
    }
    assert_eq!(sessions.wheel.len(), 2, "what never ends is not in the wheel");
    assert_eq!(
        sessions.due(NOW + DAY, usize::MAX).checked,
        0,
        "nor is anything asked about that is far ahead"
    );
    assert!(sessions.expire(NOW + 400 * DAY - 1).is_empty());
    assert_eq!(sessions.expire(NOW + 400 * DAY), [4]);
    assert!(sessions.expire(last - 1).is_empty());
    assert_eq!(sessions.expire(last), [1]);
    assert_eq!((sessions.expire(u64::MAX).len(), sessions.wheel.len()), (0, 0));
}

/// Netty #1959: timeouts landed in the wrong slot. Every delay at both sides of every slot size is exact here.
#[test]
fn b2_every_delay_fires_in_its_own_millisecond() {
    for hand in [0, NOW, NOW | 63, NOW | ((1 << 30) - 1), (1 << 42) - 1] {
        for bit in 0..42 {
            for delay in [(1 << bit) - 1, 1 << bit, (1 << bit) + 1, 63 << bit, 64 << bit, 65 << bit] {
                let mut sessions = Sessions::new();
                sessions.arm(1, hand + delay, hand);
                if delay > 0 {
                    let early = sessions.expire((hand + delay - 1).min(LAST_MS - 1));
                    assert!(early.is_empty(), "{hand} + {delay}");
                }
                assert_eq!(sessions.live.len(), 1);
                if hand + delay < LAST_MS {
                    assert_eq!(sessions.expire(hand + delay), [1], "{hand} + {delay}");
                }
            }
        }
    }
}

/// Netty #13018: a walk over a bucket ended at the first entry that was not due, and the rest were late.
#[test]
fn b3_an_entry_that_lives_on_does_not_hide_those_behind_it() {
    let mut sessions = Sessions::new();
    (0..1_000).for_each(|n| sessions.arm(n, NOW + 10_000, NOW));
    (0..1_000).filter(|n| n % 3 != 0).for_each(|n| sessions.touch(n, NOW + 60_000));
    assert_eq!(sessions.expire(NOW + 10_000).len(), 334);
    assert!(sessions.expire(NOW + 59_999).is_empty());
    assert_eq!(sessions.expire(NOW + 60_000).len(), 666);
}

/// Tokio #1953, #2408, #5536: a deadline past 2^36 ms panicked, even one that merely existed that long.
#[test]
fn b4_there_is_no_horizon_to_be_past_of_or_to_outlive() {
    let mut sessions = Sessions::new();
    sessions.arm(1, NOW + (1 << 36), NOW);
    sessions.arm(2, NOW + (1 << 40), NOW);
    let mut now = NOW;
    while sessions.live.len() == 2 {
        assert!(now < NOW + (1 << 37), "the first of the two is long over");
        now += 100 * DAY;
        sessions.due(now, usize::MAX);
    }
    assert!((0..100 * DAY).contains(&(now - NOW - (1 << 36))));
    assert_eq!(sessions.expire(NOW + (1 << 40)), [1, 2]);
}

/// Tokio #2473: a deadline of exactly now panicked; arming again what had fired corrupted the wheel.
#[test]
fn b5_a_deadline_of_now_or_of_the_past_is_due_at_once_and_may_be_armed_again() {
    let mut sessions = Sessions::new();
    sessions.arm(1, NOW, NOW);
    sessions.arm(2, 0, NOW);
    assert_eq!(sessions.expire(NOW), [1, 2]);
    sessions.arm(1, NOW, NOW);
    sessions.arm(2, NOW - 1, NOW);
    assert_eq!(sessions.expire(NOW), [1, 2], "the same moment again");
    sessions.arm(1, NOW + 1, NOW);
    assert_eq!((sessions.expire(NOW).len(), sessions.expire(NOW + 1)), (0, vec![1]));
}

/// Caffeine #541 and two more: cascades failed where the clock crossed a sign or a narrower type's end.
#[test]
fn b6_no_boundary_of_a_number_stalls_the_wheel() {
    for boundary in (1..48).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]) {
        let mut sessions = Sessions::new();
        let start = boundary - boundary.min(70_000);
        (1..=140).for_each(|n| sessions.arm(n, start + n * 1_000, start));
        let mut expired = 0;
        for n in 1..=140 {
            let now = start + n * 1_000;
            expired += sessions.expire(now - 1).len();
            assert!((expired as u64) < n, "none early around {boundary}");
            expired += sessions.expire(now).len();
            if now < LAST_MS {
                assert_eq!(expired as u64, n, "none late around {boundary}");
            }
        }
    }
}

/// Caffeine b7e10e34c: a large jump of the clock was narrowed and did nothing. And it must not take a step a tick.
#[test]
fn b7_a_jump_of_the_clock_is_one_step_and_expires_everything() {
    let mut sessions = Sessions::new();
    (0..100).for_each(|n| sessions.arm(n, 1 << (n % 43), 0));
    let work = sessions.due(u64::MAX, usize::MAX);
    assert_eq!((work.dropped, sessions.wheel.len(), sessions.live.len()), (100, 0, 0));
    assert!(work.checked <= 8 * 100);
    sessions.expired.clear();
    sessions.arm(1, 5, u64::MAX);
    assert_eq!(sessions.expire(u64::MAX), [1], "after the end of time, everything is due at once");
}

/// Caffeine 7cc9f1f41: an occupied far slot hid a nearer one, and the sleep until the next was a span too long.
#[test]
fn b8_the_next_moment_is_never_after_the_next_deadline() {
    let mut sessions = Sessions::new();
    assert_eq!(sessions.wheel.next_ms(), None);
    let delays = [90_000, 64 * 64, 64, 4_097, 1, 30 * 60_000, 14 * DAY, 63, 7];
    for (short, delay) in (0..).zip(delays) {
        sessions.arm(short, NOW + delay, NOW);
    }
    let mut wakings = 0;
    while let Some(next) = sessions.wheel.next_ms() {
        let first = sessions.live.values().map(|(deadline, _)| deadline.as_ms()).min().unwrap();
        assert!(next <= first, "asleep until {next}, but {first} is due");
        sessions.due(next, usize::MAX);
        assert!(sessions.live.values().all(|(deadline, _)| !deadline.has_passed(next)));
        wakings += 1;
        assert!(wakings <= 8 * delays.len(), "awake again and again, with nothing to do at {next}");
    }
    assert!(sessions.live.is_empty());
}

/// Caffeine 3e66fe9de: a callback that changed its neighbour stranded the chain. Here it cannot reach the wheel at
/// all, and one that panics leaves its own entry and all others where they were.
#[test]
fn b9_a_callback_that_panics_loses_no_entry() {
    let mut sessions = Sessions::new();
    (0..100).for_each(|n| sessions.arm(n, NOW, NOW));
    let mut calls = 0;
    let panics = std::panic::AssertUnwindSafe(|| {
        sessions.wheel.due(NOW, usize::MAX, |_, _| {
            calls += 1;
            assert!(calls < 40, "on purpose");
            Verdict::Gone
        })
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!((sessions.wheel.len(), sessions.wheel.backlog()), (61, 61));
    assert_eq!(sessions.expire(NOW).len(), 61);
}

/// Caffeine 3cf6d2937: the first call after a long sleep evicted everything under the lock.
#[test]
fn b10_after_a_long_sleep_work_comes_in_slices_and_the_backlog_is_told() {
    let mut sessions = Sessions::new();
    (0..10_000).for_each(|n| sessions.arm(n, NOW + n * 100, NOW));
    let wake = NOW + 10_000_000;
    let (mut calls, mut backlog) = (0, usize::MAX);
    loop {
        let work = sessions.due(wake, 64);
        assert!(work.checked <= 64);
        calls += 1;
        assert!(sessions.wheel.backlog() < backlog, "each call leaves less to do");
        backlog = sessions.wheel.backlog();
        assert_eq!(work.more, backlog > 0);
        if !work.more {
            break;
        }
    }
    assert_eq!((sessions.expired.len(), backlog), (10_000, 0));
    assert_eq!(calls, 10_000usize.div_ceil(64), "what is long due is not put off slot by slot");
}

/// Caffeine #478: an entry whose deadline moved by less than a tick was never scheduled again.
#[test]
fn b11_a_deadline_that_moves_by_a_millisecond_still_fires() {
    let mut sessions = Sessions::new();
    sessions.arm(1, NOW + 5_000, NOW);
    for step in 0..200 {
        sessions.touch(1, NOW + 5_000 + step + 1);
        assert!(sessions.expire(NOW + 5_000 + step).is_empty());
    }
    assert_eq!(sessions.expire(NOW + 5_200), [1]);
}

/// moka #527: an entry that spoke of a node freed long ago, and then a generation that lost its bits. Stale entries are
/// harmless here, every bit of an arming comes back, and a shortened deadline is honoured by the second entry that
/// it gets.
#[test]
fn b12_a_stale_entry_ends_nothing_and_a_shortened_deadline_is_kept() {
    let mut sessions = Sessions::new();
    sessions.arm(1, NOW + 1_000, NOW);
    sessions.live.remove(&1);
    sessions.arm(1, NOW + 9_000, NOW);
    assert!(sessions.expire(NOW + 1_000).is_empty(), "the entry of the session that was ended");
    sessions.arm(2, NOW + 9_000, NOW);
    sessions.arm(2, NOW + 2_000, NOW);
    assert_eq!(sessions.expire(NOW + 2_000), [2]);
    assert_eq!(sessions.expire(NOW + 9_000), [1]);
    assert_eq!(sessions.wheel.len(), 0);
    let mut seen = Vec::new();
    (0..u64::from(u8::BITS))
        .for_each(|bit| sessions.wheel.arm(bit, 1 << bit, Deadline::at_ms(NOW + 20_000), NOW));
    sessions.wheel.due(NOW + 20_000, usize::MAX, |short, arming| {
        seen.push((short, arming));
        Verdict::Gone
    });
    seen.sort_unstable();
    assert!(
        seen.into_iter().eq((0..u64::from(u8::BITS)).map(|bit| (bit, 1 << bit))),
        "all of an arming comes back"
    );
}

/// Caffeine d01b0b175: a clock that went back was compared wrongly. Here an earlier moment does nothing.
#[test]
fn b13_an_earlier_moment_does_nothing() {
    let mut sessions = Sessions::new();
    (0..10).for_each(|n| sessions.arm(n, NOW + n, NOW));
    assert!(sessions.due(NOW + 20, 3).more);
    assert_eq!(sessions.due(NOW + 19, usize::MAX), Work::default());
    assert_eq!(sessions.due(0, usize::MAX), Work::default());
    assert_eq!((sessions.wheel.backlog(), sessions.expired.len()), (7, 3));
    assert_eq!(sessions.expire(NOW + 20).len(), 10);
}

/// Netty #9714: a tick too short for the clock span for ever. Nothing to do is no work, the next moment is ahead, and
/// who is kept past its deadline is asked about once a millisecond.
#[test]
fn b14_an_idle_wheel_does_not_spin() {
    let mut sessions = Sessions::new();
    sessions.arm(1, NOW + 30 * 60_000, NOW);
    for _ in 0..1_000 {
        assert_eq!(sessions.due(NOW, usize::MAX), Work::default());
    }
    assert!(sessions.wheel.next_ms().unwrap() > NOW);
    sessions.arm(2, NOW - 1, NOW);
    let kept = |_, _| Verdict::Later(Deadline::at_ms(NOW - 1));
    assert_eq!(sessions.wheel.due(NOW, usize::MAX, kept).checked, 1);
    assert_eq!(sessions.wheel.due(NOW, usize::MAX, kept), Work::default());
    assert_eq!(sessions.wheel.next_ms(), Some(NOW + 1));
}

/// Netty 14b1c2fd78: stopping left tasks behind.
#[test]
fn b15_clearing_leaves_nothing_behind_not_even_the_time() {
    let mut sessions = Sessions::new();
    let empty = sessions.wheel.memory_bytes();
    (0..1_000).for_each(|n| sessions.arm(n, NOW + n * n * n, NOW));
    sessions.due(NOW + 1_000, 10);
    sessions.wheel.clear();
    assert_eq!((sessions.wheel.len(), sessions.wheel.backlog(), sessions.wheel.next_ms()), (0, 0, None));
    assert_eq!(sessions.wheel.memory_bytes(), empty);
    sessions.live.clear();
    sessions.expired.clear();
    sessions.arm(1, 500, 100);
    assert_eq!((sessions.expire(499), sessions.expire(500)), (vec![], vec![1]));
}
