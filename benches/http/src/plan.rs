//! How much is measured, and for how long.

use std::time::Duration;

use crate::generator::Crowd;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Who is logged in, over how many connections.
    pub crowd: Crowd,
    /// How often each store has its turn on each page.
    pub repetitions: usize,
    /// How long a turn lasts before anything counts.
    pub warm_up: Duration,
    /// How long it lasts after that.
    pub window: Duration,
    /// How long the machine is given to come to rest before it.
    pub rest_max: Duration,
    /// Whether goals are judged.
    pub judges: bool,
}

impl Scale {
    /// Figures.
    pub const FULL: Self = Self {
        crowd: Crowd { visitors: 10_000, connections: 64 },
        repetitions: 5,
        warm_up: Duration::from_millis(300),
        window: Duration::from_millis(1500),
        rest_max: Duration::from_secs(2),
        judges: true,
    };

    /// A test of the program.
    pub const QUICK: Self = Self {
        crowd: Crowd { visitors: 200, connections: 8 },
        repetitions: 1,
        warm_up: Duration::from_millis(50),
        window: Duration::from_millis(150),
        rest_max: Duration::ZERO,
        judges: false,
    };
}
