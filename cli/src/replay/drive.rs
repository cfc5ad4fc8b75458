//! Traffic run against a real store.
//!
//! Invariants:
//! 1. The store's clock is the log's, and runs as the log does: nothing here looks at the machine's clock but to
//!    measure how long the replay takes.
//! 2. Whether a session is live is judged by the store at every request, whenever maintenance was last. What depends
//!    on maintenance is `len`, which may count some that have expired. So a count is taken with care wherever one
//!    matters: when `len` is more than were ever live, at the end of each stretch of the chart, and at the time of the
//!    last request. Maintenance itself is done every minute of the log's time, so that files are compacted as in a
//!    server; each second, a long log would be spent waiting for the disk.
//! 3. All counts are the store's own answers; no second book is kept here.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sessile::{AtLimit, Durability, Error, ManualClock, Options, Result, Store, Write};

use super::chart::{COLUMNS, Sample};
use super::traffic::{Request, Traffic};

const MAINTAIN_EVERY_MS: u64 = 60_000;

/// Up to so many sessions it is quicker to look at each, some 10 ns, than to maintain, which waits for the disk.
const LOOKED_AT_MAX: u64 = 50_000;

/// What a replay found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub created: u64,
    pub hits: u64,
    pub expired: u64,
    pub live: u64,
    pub peak_live: u64,
    pub peak_live_at_ms: u64,
    pub first_ms: u64,
    pub last_ms: u64,
    /// Touches among the hits that needed no record.
    pub coalesced: u64,
    pub disk_bytes: u64,
    pub disk_bytes_peak: u64,
    pub live_bytes: u64,
    pub memory_bytes_peak: u64,
    pub wall: Duration,
    /// Live sessions over time: the most that were counted in each of [`COLUMNS`] equal stretches.
    pub samples: Vec<Sample>,
}

/// Runs all of `traffic`; `progress` hears of requests done.
pub(super) fn drive(
    dir: &Path,
    idle: Duration,
    data_bytes: u32,
    traffic: &Traffic,
    progress: impl Fn(u64),
) -> Result<Outcome> {
    let start = Instant::now();
    let mut run = Run::begin(dir, idle, data_bytes, traffic)?;
    for request in &traffic.requests {
        run.advance_to(request.at_ms)?;
        run.request(request, traffic)?;
        progress(1);
    }
    let mut outcome = run.end()?;
    outcome.wall = start.elapsed();
    Ok(outcome)
}

struct Run {
    store: Store,
    clock: ManualClock,
    now_ms: u64,
    maintained_ms: u64,
    /// How many sessions are live, and the time at which that is exact.
    live: u64,
    live_at_ms: Option<u64>,
    idle: Duration,
    data: Vec<u8>,
    step_ms: u64,
    /// The most live sessions that were counted in the stretch that runs.
    stretch_live: u64,
    outcome: Outcome,
}

impl Run {
    fn begin(dir: &Path, idle: Duration, data_bytes: u32, traffic: &Traffic) -> Result<Self> {
        let first_ms = traffic.requests.first().map_or(0, |request| request.at_ms);
        let last_ms = traffic.requests.last().map_or(0, |request| request.at_ms);
        let clock = ManualClock::at_ms(first_ms);
        let store = Options::new()
            .clock(Arc::new(clock.clone()))
            .durability(Durability::Written)
            .touch_durability(Durability::Written)
            .manual_maintenance(true)
            .at_limit(AtLimit::Reject)
            .idle(idle)
            .open(dir)?;
        let columns = u64::try_from(COLUMNS).unwrap_or(1);
        Ok(Self {
            store,
            clock,
            now_ms: first_ms,
            maintained_ms: first_ms,
            live: 0,
            live_at_ms: Some(first_ms),
            idle,
            data: vec![b'x'; usize::try_from(data_bytes).unwrap_or(0)],
            step_ms: (last_ms - first_ms).div_ceil(columns).max(1),
            stretch_live: 0,
            outcome: Outcome { first_ms, last_ms, ..Outcome::default() },
        })
    }

    /// Lets the clock run to `at_ms`, stopping where a stretch of the chart ends.
    fn advance_to(&mut self, at_ms: u64) -> Result<()> {
        while self.now_ms < at_ms {
            let end_ms = self.stretch_begin_ms().saturating_add(self.step_ms);
            let next_ms = end_ms.min(at_ms);
            self.clock.advance(Duration::from_millis(next_ms - self.now_ms));
            self.now_ms = next_ms;
            if next_ms == end_ms {
                self.end_stretch()?;
            } else if next_ms - self.maintained_ms >= MAINTAIN_EVERY_MS {
                self.maintain()?;
            }
        }
        Ok(())
    }

    /// Maintains until nothing is left to do; then `len` is exact.
    fn maintain(&mut self) -> Result<()> {
        while self.maintained_ms < self.now_ms {
            let done = self.store.maintain(Duration::MAX)?;
            let idle = done.expired + done.segments_removed + done.segments_compacted == 0;
            if idle || !done.more {
                self.maintained_ms = self.now_ms;
            }
        }
        self.is_live(self.store.len());
        Ok(())
    }

    fn is_live(&mut self, live: u64) {
        (self.live, self.live_at_ms) = (live, Some(self.now_ms));
        self.stretch_live = self.stretch_live.max(live);
        if live > self.outcome.peak_live {
            (self.outcome.peak_live, self.outcome.peak_live_at_ms) = (live, self.now_ms);
        }
    }

    /// A session was created. While the clock stands none expires, so one count serves all requests of a moment.
    fn one_more(&mut self) -> Result<()> {
        let len = self.store.len();
        if self.live_at_ms == Some(self.now_ms) {
            self.is_live(self.live + 1);
        } else if len > LOOKED_AT_MAX && len > self.outcome.peak_live {
            self.maintain()?;
        } else if len > self.outcome.peak_live {
            self.is_live(self.store.endings_ahead().sessions);
        }
        Ok(())
    }

    fn stretch_begin_ms(&self) -> u64 {
        let ended = u64::try_from(self.outcome.samples.len()).unwrap_or(u64::MAX);
        self.outcome.first_ms.saturating_add(self.step_ms.saturating_mul(ended))
    }

    fn end_stretch(&mut self) -> Result<()> {
        self.maintain()?;
        self.outcome.samples.push(Sample { from_ms: self.stretch_begin_ms(), live: self.stretch_live });
        self.stretch_live = self.live;
        self.weigh();
        Ok(())
    }

    fn weigh(&mut self) {
        let stats = self.store.stats();
        let outcome = &mut self.outcome;
        outcome.disk_bytes_peak = outcome.disk_bytes_peak.max(stats.disk_bytes);
        outcome.memory_bytes_peak = outcome.memory_bytes_peak.max(stats.memory_bytes);
    }

    fn request(&mut self, request: &Request, traffic: &Traffic) -> Result<()> {
        let visitor = usize::try_from(request.visitor).ok();
        let Some(id) = visitor.and_then(|visitor| traffic.visitors.get(visitor)) else {
            return Ok(());
        };
        match self.store.touch(id, self.idle) {
            Ok(_) => self.outcome.hits += 1,
            Err(Error::Unknown(_)) => {
                self.store.create(id, Write::new(self.data.as_slice()).idle(self.idle))?;
                self.outcome.created += 1;
                self.one_more()?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn end(mut self) -> Result<Outcome> {
        self.store.flush()?;
        self.end_stretch()?;
        let stats = self.store.stats();
        self.outcome.live = self.store.len();
        self.outcome.expired = stats.expired;
        self.outcome.coalesced = stats.coalesced;
        self.outcome.disk_bytes = stats.disk_bytes;
        self.outcome.live_bytes = stats.live_bytes;
        self.store.close()?;
        Ok(self.outcome)
    }
}
