//! A scheduler between the random one, which switches at every other step, and PCT, which switches a few times in all:
//! tasks run for stretches, whose mean length each execution draws anew.

use shuttle::scheduler::{DataSource, RandomDataSource, Schedule, Scheduler, Task, TaskId};

/// The mean length of a stretch is a power of two up to this one.
const BITS_MAX: u64 = 7;

/// See the module.
#[derive(Debug)]
pub struct Runs {
    left: usize,
    state: u64,
    data: RandomDataSource,
    /// A switch comes after each step with a chance of one in `1 << bits`.
    bits: u64,
}

impl Runs {
    pub fn new_from_seed(seed: u64, executions: usize) -> Self {
        Self { left: executions, state: seed, data: RandomDataSource::initialize(seed), bits: 1 }
    }

    /// The next number of SplitMix64 (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Scheduler for Runs {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.left = self.left.checked_sub(1)?;
        self.bits = 1 + self.next() % BITS_MAX;
        Some(Schedule::new(self.data.reinitialize()))
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yielding: bool) -> Option<TaskId> {
        let stays = current.filter(|current| !yielding && runnable.iter().any(|task| task.id() == *current));
        if stays.is_some() && self.next() >> (64 - self.bits) != 0 {
            return stays;
        }
        let others: Vec<_> =
            runnable.iter().map(|task| task.id()).filter(|id| Some(*id) != current).collect();
        let nth = usize::try_from(self.next() % others.len().max(1) as u64).ok()?;
        others.get(nth).copied().or(current)
    }

    fn next_u64(&mut self) -> u64 {
        self.data.next_u64()
    }
}
