//! What is believed of the clocks, and when.
//!
//! Owns: the judgement of jumps, [`Watch`]. Design rule 8:
//! 1. `settled` never runs backwards, and is never behind the durable mark it began with, unless an operator sets it back and
//!    the store has seen to it that nothing depends on the later time ([`set_back`](Watch::set_back)). Only what has passed
//!    by `settled` has ended.
//! 2. `now` is `max(wall, settled)`: what has passed by `now` is not shown.
//! 3. The two differ only while a jump forward waits to be confirmed: the wall clock and the boot-time clock must
//!    agree for `confirm_ms`, and the jump must be at most `jump_ms_max`; otherwise an operator decides.
//!
//! So a bad reading can neither wipe a store (it ends nothing until it is confirmed) nor freeze it in the future
//! (the mark does not move to an unconfirmed time).

use std::sync::Arc;
use std::time::Duration;

use super::{Clock, millis};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far the wall clock may stray from the boot-time clock between two looks before it counts as a jump.
const TOLERANCE_MS: u64 = 5_000;

/// What the clocks are believed to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// What has passed by this is not shown.
    pub now_ms: u64,
    /// What has passed by this has ended.
    pub settled_ms: u64,
}

/// A change that the observer should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Jumped { by_ms: i64 },
    Confirmed,
}

/// Watches the two clocks and decides what to believe.
pub(crate) struct Watch {
    clock: Arc<dyn Clock>,
    confirm_ms: u64,
    jump_ms_max: u64,
    settled_ms: AtomicU64,
    pending: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// A pair of readings that is believed: from here the boot-time clock says what the wall clock should show.
    wall_ms: u64,
    boot_ms: u64,
    /// A pair of readings after a jump forward that is not believed yet.
    jump: Option<Jump>,
    went_back: bool,
}

#[derive(Clone, Copy)]
struct Jump {
    wall_ms: u64,
    boot_ms: u64,
    by_ms: u64,
}

impl Watch {
    /// Begins from the durable mark that the log was closed with; 0 for a new store, which believes its first reading.
    pub fn new(clock: Arc<dyn Clock>, mark_ms: u64, confirm: Duration, jump_max: Duration) -> Self {
        let (wall_ms, boot_ms) = (clock.wall_ms(), clock.boot_ms());
        let believed = if mark_ms == 0 { wall_ms } else { mark_ms };
        let watch = Self {
            clock,
            confirm_ms: millis(confirm),
            jump_ms_max: millis(jump_max),
            settled_ms: AtomicU64::new(believed),
            pending: AtomicBool::new(false),
            state: Mutex::new(State { wall_ms: believed, boot_ms, jump: None, went_back: false }),
        };
        watch.look();
        watch
    }

    fn settled(&self) -> u64 {
        let settled_ms = self.settled_ms.load(Ordering::Acquire);
        planted!(TimeRunsBackwards, settled_ms.min(self.clock.wall_ms()), settled_ms)
    }

    /// What is believed at this moment. Two clock readings and two atomic loads; no lock.
    pub fn now(&self) -> Now {
        let settled_ms = self.settled();
        let wall_ms = self.clock.wall_ms();
        Now { now_ms: wall_ms.max(settled_ms), settled_ms }
    }

    /// What was believed at most [`RECENT_MS`] ago. What is alive beyond that is alive, and needs no closer look.
    pub fn recently(&self) -> Now {
        let settled_ms = self.settled();
        Now { now_ms: self.clock.recent_wall_ms().max(settled_ms), settled_ms }
    }

    /// Looks at both clocks and moves `settled` as far as they can be believed. Called by every write and tick.
    pub fn look(&self) -> (Now, Option<Turn>) {
        let mut state = self.state.lock();
        let (wall_ms, boot_ms) = (self.clock.wall_ms(), self.clock.boot_ms());
        let expected_ms = state.wall_ms.saturating_add(boot_ms.saturating_sub(state.boot_ms));
        let turn = if wall_ms > expected_ms.saturating_add(TOLERANCE_MS) {
            self.ahead(&mut state, wall_ms, boot_ms, expected_ms)
        } else if wall_ms.saturating_add(TOLERANCE_MS) < expected_ms {
            // A jump back freezes: settled stays until the wall clock has caught up with it. The readings that were
            // believed are kept, so that coming back from a bad reading is no jump forward.
            let first = !std::mem::replace(&mut state.went_back, true);
            state.jump = None;
            self.settled_ms.fetch_max(wall_ms, Ordering::AcqRel);
            let back = i64::try_from(expected_ms - wall_ms).unwrap_or(i64::MAX);
            first.then_some(Turn::Jumped { by_ms: -back })
        } else {
            state.jump = None;
            state.went_back = false;
            self.believe(&mut state, wall_ms, boot_ms);
            None
        };
        self.pending.store(state.jump.is_some(), Ordering::Release);
        drop(state);
        // By the same reading: a tick since then would look like a jump that waits to be confirmed.
        let settled_ms = self.settled_ms.load(Ordering::Acquire);
        (Now { now_ms: wall_ms.max(settled_ms), settled_ms }, turn)
    }

    fn ahead(&self, state: &mut State, wall_ms: u64, boot_ms: u64, expected_ms: u64) -> Option<Turn> {
        state.went_back = false;
        // Whatever the wall clock shows, this much time has certainly passed.
        self.settled_ms.fetch_max(expected_ms, Ordering::AcqRel);
        if planted!(JumpIsBelieved) {
            self.believe(state, wall_ms, boot_ms);
            return None;
        }
        let steady = state.jump.filter(|jump| {
            let since_ms = boot_ms.saturating_sub(jump.boot_ms);
            wall_ms.abs_diff(jump.wall_ms.saturating_add(since_ms)) <= TOLERANCE_MS
        });
        let Some(jump) = steady else {
            let by_ms = wall_ms - expected_ms;
            state.jump = Some(Jump { wall_ms, boot_ms, by_ms });
            return Some(Turn::Jumped { by_ms: i64::try_from(by_ms).unwrap_or(i64::MAX) });
        };
        if boot_ms.saturating_sub(jump.boot_ms) < self.confirm_ms || jump.by_ms > self.jump_ms_max {
            return None;
        }
        state.jump = None;
        self.believe(state, wall_ms, boot_ms);
        Some(Turn::Confirmed)
    }

    fn believe(&self, state: &mut State, wall_ms: u64, boot_ms: u64) {
        (state.wall_ms, state.boot_ms) = (wall_ms, boot_ms);
        self.settled_ms.fetch_max(wall_ms, Ordering::AcqRel);
    }

    /// An operator says that the wall clock is right.
    pub fn confirm(&self) {
        let mut state = self.state.lock();
        let (wall_ms, boot_ms) = (self.clock.wall_ms(), self.clock.boot_ms());
        state.jump = None;
        state.went_back = false;
        self.believe(&mut state, wall_ms, boot_ms);
        self.pending.store(false, Ordering::Release);
    }

    /// What the machine's clock says, believed or not.
    pub fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// The time that is believed and the time on the wall, if that is behind by more than clocks stray: then time stands still
    /// here until the wall has caught up.
    pub fn behind(&self) -> Option<(u64, u64)> {
        let (settled_ms, wall_ms) = (self.settled(), self.clock.wall_ms());
        (wall_ms.saturating_add(TOLERANCE_MS) < settled_ms).then_some((settled_ms, wall_ms))
    }

    /// An operator says that the wall clock is right, and what was believed was not: time goes on from `wall_ms`. Whoever calls
    /// this has seen to it that nothing which ended by the later time could come back.
    pub fn set_back(&self, wall_ms: u64) {
        let mut state = self.state.lock();
        *state = State { wall_ms, boot_ms: self.clock.boot_ms(), jump: None, went_back: false };
        self.settled_ms.store(wall_ms, Ordering::Release);
        self.pending.store(false, Ordering::Release);
    }

    /// Whether a jump forward waits to be confirmed.
    pub fn unconfirmed(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const MINUTE_MS: u64 = 60_000;

    fn watch(clock: &ManualClock, mark_ms: u64) -> Watch {
        Watch::new(
            Arc::new(clock.clone()),
            mark_ms,
            Duration::from_secs(600),
            Duration::from_secs(30 * 86_400),
        )
    }

    #[test]
    fn time_that_runs_is_believed() {
        let clock = ManualClock::at_ms(1_000_000);
        let watch = watch(&clock, 0);
        clock.advance(Duration::from_secs(86_400 * 365));
        assert_eq!(watch.look().0, Now { now_ms: clock.wall_ms(), settled_ms: clock.wall_ms() });
    }

    #[test]
    fn a_jump_forward_hides_until_both_clocks_have_agreed_for_ten_minutes() {
        let clock = ManualClock::at_ms(1_000_000);
        let watch = watch(&clock, 0);
        clock.set_wall_ms(1_000_000 + 60 * MINUTE_MS);
        let (now, turn) = watch.look();
        assert_eq!(turn, Some(Turn::Jumped { by_ms: 3_600_000 }));
        assert_eq!((now.now_ms, now.settled_ms), (4_600_000, 1_000_000));
        assert!(watch.unconfirmed());
        clock.advance(Duration::from_secs(599));
        assert_eq!(watch.look().1, None);
        assert_eq!(watch.now().settled_ms, 1_599_000, "only what has certainly passed");
        clock.advance(Duration::from_secs(2));
        assert_eq!(watch.look().1, Some(Turn::Confirmed));
        assert_eq!(watch.now().settled_ms, clock.wall_ms());
        assert!(!watch.unconfirmed());
    }

    #[test]
    fn a_bad_reading_that_goes_away_has_ended_nothing() {
        let clock = ManualClock::at_ms(1_000_000);
        let watch = watch(&clock, 0);
        clock.set_wall_ms(u64::MAX);
        watch.look();
        clock.set_wall_ms(1_000_500);
        let (now, _) = watch.look();
        assert_eq!(now, Now { now_ms: 1_000_500, settled_ms: 1_000_500 });
    }

    #[test]
    fn too_long_a_jump_waits_for_an_operator() {
        let clock = ManualClock::at_ms(1_000_000);
        let watch = watch(&clock, 0);
        clock.set_wall_ms(1_000_000 + 31 * 86_400_000);
        watch.look();
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(watch.look().1, None);
        assert_eq!(watch.now().settled_ms, 87_400_000);
        watch.confirm();
        assert_eq!(watch.now().settled_ms, clock.wall_ms());
    }

    #[test]
    fn a_jump_back_freezes_and_never_runs_backwards() {
        let clock = ManualClock::at_ms(10_000_000);
        let watch = watch(&clock, 0);
        clock.set_wall_ms(1_000);
        let (now, turn) = watch.look();
        assert_eq!(now, Now { now_ms: 10_000_000, settled_ms: 10_000_000 });
        assert_eq!(turn, Some(Turn::Jumped { by_ms: -9_999_000 }));
        assert_eq!(watch.look().1, None, "told once");
    }

    #[test]
    fn coming_back_from_a_bad_reading_in_the_past_is_no_jump() {
        let clock = ManualClock::at_ms(10_000_000);
        let watch = watch(&clock, 0);
        clock.set_wall_ms(1_000);
        watch.look();
        clock.advance(Duration::from_secs(3_600));
        clock.set_wall_ms(13_600_000);
        assert_eq!(watch.look(), (Now { now_ms: 13_600_000, settled_ms: 13_600_000 }, None));
    }

    #[test]
    fn downtime_is_a_jump_that_is_confirmed() {
        let clock = ManualClock::at_ms(50_000_000);
        let watch = watch(&clock, 10_000_000);
        assert!(watch.unconfirmed());
        assert_eq!(watch.now(), Now { now_ms: 50_000_000, settled_ms: 10_000_000 });
        clock.advance(Duration::from_secs(601));
        assert_eq!(watch.look().1, Some(Turn::Confirmed));
    }

    #[test]
    fn an_operator_sets_back_what_stands_still() {
        let clock = ManualClock::at_ms(5_000_000);
        let watch = watch(&clock, 10_000_000);
        assert_eq!(watch.behind(), Some((10_000_000, 5_000_000)));
        watch.set_back(5_000_000);
        assert_eq!((watch.behind(), watch.look().1), (None, None));
        clock.advance(Duration::from_secs(60));
        assert_eq!(watch.look(), (Now { now_ms: 5_060_000, settled_ms: 5_060_000 }, None), "time goes on");
        clock.set_wall_ms(9_000_000);
        watch.look();
        assert!(watch.unconfirmed(), "and is judged as before");
    }

    #[test]
    fn clocks_that_stray_a_little_are_not_behind() {
        let watch = watch(&ManualClock::at_ms(9_999_000), 10_000_000);
        assert_eq!(watch.behind(), None);
    }

    #[test]
    fn a_restart_in_the_past_stays_at_the_mark() {
        let clock = ManualClock::at_ms(5_000);
        let watch = watch(&clock, 10_000_000);
        assert_eq!(watch.now(), Now { now_ms: 10_000_000, settled_ms: 10_000_000 });
        assert!(!watch.unconfirmed());
    }
}
