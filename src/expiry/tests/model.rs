//! The wheel against a map from session to deadline, whatever is done to both, and whatever the clock does: it runs,
//! jumps by decades, is set back (which a wheel never hears of), or begins anew anywhere, with the process.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// A create, or a write that shortens or extends with a new arming.
    Arm(u64, u64),
    /// The same until a moment, wherever that lies: at nought, long ago, at the end of time.
    ArmAt(u64, u64),
    Touch(u64, u64),
    Destroy(u64),
    /// Time goes on by so much, and is asked about in one go.
    Advance(u64),
    /// The same with a budget, and not to the end.
    Slice(u64, usize),
    Back(u64),
    /// The process begins anew by another clock, and fills its wheel from what lives.
    Restart(u64),
    Purge(usize),
    Soonest(usize),
}

/// Spans from nothing to the end of time, each size as likely as another.
fn span() -> impl Strategy<Value = u64> {
    (0u32..=64, any::<u64>()).prop_map(|(bits, word)| word.checked_shr(64 - bits).unwrap_or(0))
}

/// Mostly spans of the size that sessions have, so that levels above the first are busy.
fn near() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0u64..200_000, 1 => span()]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || 0u64..40;
    let step = prop_oneof![
        8 => (id(), near()).prop_map(|(id, ms)| Step::Arm(id, ms)),
        2 => (id(), span()).prop_map(|(id, ms)| Step::ArmAt(id, ms)),
        4 => (id(), near()).prop_map(|(id, ms)| Step::Touch(id, ms)),
        2 => id().prop_map(Step::Destroy),
        4 => near().prop_map(Step::Advance),
        4 => (near(), 1usize..4).prop_map(|(ms, budget)| Step::Slice(ms, budget)),
        1 => near().prop_map(Step::Back),
        1 => span().prop_map(Step::Restart),
        2 => (0usize..20).prop_map(Step::Purge),
        2 => (0usize..20).prop_map(Step::Soonest),
    ];
    prop::collection::vec(step, 0..120)
}

/// What has to have expired by now: everything, and nothing else.
fn check_expired(sessions: &mut Sessions, now: u64, mut due: Vec<u64>) -> Result<(), TestCaseError> {
    due.sort_unstable();
    let mut expired = std::mem::take(&mut sessions.expired);
    expired.sort_unstable();
    prop_assert_eq!(expired, due);
    prop_assert!(sessions.live.values().all(|(deadline, _)| !deadline.has_passed(now)));
    prop_assert_eq!(sessions.wheel.backlog(), 0);
    Ok(())
}

fn passed(sessions: &Sessions, now: u64) -> Vec<u64> {
    let passed = sessions.live.iter().filter(|(_, (deadline, _))| deadline.has_passed(now));
    passed.map(|(short, _)| *short).chain(sessions.expired.iter().copied()).collect()
}

/// Evicts every fourth session that truly ends in the slot that it is met in.
fn evict(sessions: &mut Sessions, limit: usize) -> Work {
    let live = &mut sessions.live;
    sessions.wheel.soonest(limit, |short, arming, end_ms| match live.get(&short) {
        Some((deadline, current)) if *current == arming => {
            if deadline.as_ms() <= end_ms && short.is_multiple_of(4) {
                live.remove(&short);
                Verdict::Gone
            } else {
                Verdict::Later(*deadline)
            }
        }
        _ => Verdict::Gone,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 600 } else { 20_000 }))]

    #[test]
    fn the_wheel_agrees_with_a_map(start in span(), steps in steps()) {
        let mut sessions = Sessions::new();
        let mut now = start;
        for step in steps {
            match step {
                Step::Arm(id, ms) => sessions.arm(id, now.saturating_add(ms), now),
                Step::ArmAt(id, ms) => sessions.arm(id, ms, now),
                Step::Touch(id, ms) => sessions.touch(id, now.saturating_add(ms)),
                Step::Destroy(id) => { sessions.live.remove(&id); }
                Step::Advance(ms) => {
                    now = now.saturating_add(ms);
                    let due = passed(&sessions, now);
                    prop_assert!(!sessions.due(now, usize::MAX).more);
                    check_expired(&mut sessions, now, due)?;
                }
                Step::Slice(ms, budget) => {
                    now = now.saturating_add(ms);
                    let work = sessions.due(now, budget);
                    prop_assert!(work.checked <= budget);
                    prop_assert_eq!(work.more, sessions.wheel.backlog() > 0);
                }
                Step::Back(ms) => {
                    let earlier = now.saturating_sub(ms);
                    if earlier < now.min(1 << 43) && sessions.wheel.backlog() == 0 {
                        prop_assert_eq!(sessions.due(earlier, usize::MAX).dropped, 0);
                    }
                }
                Step::Restart(clock) => {
                    now = clock;
                    sessions.begin_anew(now);
                }
                Step::Purge(budget) => prop_assert!(sessions.purge(budget).checked <= budget),
                Step::Soonest(limit) => prop_assert!(evict(&mut sessions, limit).checked <= limit),
            }
            if let (Some(next), Some(first)) =
                (sessions.wheel.next_ms(), sessions.live.values().map(|(deadline, _)| *deadline).min())
            {
                prop_assert!(first == Deadline::NEVER || next <= first.as_ms().max(now));
            }
        }
        // Two rounds of purging leave one entry for each session that ends, and the end of time leaves none.
        let ends = |sessions: &Sessions| sessions.live.values().filter(|(d, _)| *d != Deadline::NEVER).count();
        prop_assert!(!sessions.purge(usize::MAX).more && !sessions.purge(usize::MAX).more);
        prop_assert!(sessions.wheel.len() >= ends(&sessions) && sessions.wheel.len() <= sessions.live.len());
        let mut budgets = 0;
        let due = passed(&sessions, u64::MAX);
        while sessions.due(u64::MAX, 1).more {
            budgets += 1;
            prop_assert!(budgets <= 8 * 40);
        }
        check_expired(&mut sessions, u64::MAX, due)?;
        prop_assert_eq!(sessions.wheel.len(), 0);
    }
}
