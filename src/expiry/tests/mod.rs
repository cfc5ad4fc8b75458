//! The wheel's tests: the bugs of other wheels, a plain model, and the bounds on memory and work.

mod bounds;
mod bugs;
mod model;

use super::*;
use crate::session::Deadline;
use std::collections::BTreeMap;

/// A wheel and what it is about: sessions with the deadline and arming that an index would hold.
struct Sessions {
    wheel: Wheel,
    live: BTreeMap<u64, (Deadline, u8)>,
    /// What has expired since the last look.
    expired: Vec<u64>,
    next_arming: u8,
}

impl Sessions {
    fn new() -> Self {
        Self { wheel: Wheel::new(), live: BTreeMap::new(), expired: Vec::new(), next_arming: 0 }
    }

    /// A create, or an update that shortens: both arm.
    fn arm(&mut self, short: u64, ms: u64, now_ms: u64) {
        self.next_arming = self.next_arming.wrapping_add(1);
        self.live.insert(short, (Deadline::at_ms(ms), self.next_arming));
        self.wheel.arm(short, self.next_arming, Deadline::at_ms(ms), now_ms);
    }

    /// Another process, whose memory is filled from what is alive.
    fn begin_anew(&mut self, now_ms: u64) {
        self.wheel = Wheel::new();
        for (short, (deadline, arming)) in &self.live {
            self.wheel.arm(*short, *arming, *deadline, now_ms);
        }
    }

    /// A touch: extends, and leaves the wheel alone.
    fn touch(&mut self, short: u64, ms: u64) {
        if let Some((deadline, _)) = self.live.get_mut(&short) {
            *deadline = (*deadline).max(Deadline::at_ms(ms));
        }
    }

    fn due(&mut self, now_ms: u64, budget: usize) -> Work {
        let (live, expired) = (&mut self.live, &mut self.expired);
        self.wheel.due(now_ms, budget, |short, arming| match live.get(&short) {
            Some((deadline, current)) if *current == arming => {
                if deadline.has_passed(now_ms) {
                    live.remove(&short);
                    expired.push(short);
                    Verdict::Gone
                } else {
                    Verdict::Later(*deadline)
                }
            }
            _ => Verdict::Gone,
        })
    }

    /// What expires at this moment, with all the budget it takes.
    fn expire(&mut self, now_ms: u64) -> Vec<u64> {
        assert!(!self.due(now_ms, usize::MAX).more);
        let mut expired = std::mem::take(&mut self.expired);
        expired.sort_unstable();
        expired
    }

    fn purge(&mut self, budget: usize) -> Work {
        let live = &self.live;
        self.wheel
            .purge(budget, |short, arming| live.get(&short).is_some_and(|(_, current)| *current == arming))
    }
}
