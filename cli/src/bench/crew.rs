//! The crew: so many workers that repeat a phase, each waiting for its answer before it asks again.
//!
//! Owns: the clock, and what it found. The loop is closed: a home that is slow is asked less often, so latencies are those at the
//! rate that was reached, not at one that somebody else sets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sessile_backends::{Backend, Error};
use tokio::task::JoinSet;

use super::Plan;
use super::data::Zipf;
use super::work::{Phase, Visitor};
use crate::failure::Failure;

/// How long a worker waits after a failure, so that a home that is away is not asked a million times.
const PAUSE: Duration = Duration::from_millis(10);

/// What takes longer is taken for this: no call waits so long.
const LONGEST_NS: u64 = 600 * 1_000_000_000;

/// What a phase found.
#[derive(Debug)]
pub(super) struct Found {
    pub phase: Phase,
    /// How long requests took that were answered, in nanoseconds.
    pub took: Histogram<u64>,
    /// How many requests failed, by what they failed of.
    pub errors: BTreeMap<&'static str, u64>,
    pub lasted: Duration,
}

impl Found {
    fn nothing(phase: Phase) -> Result<Self, Failure> {
        let took = Histogram::new_with_bounds(1, LONGEST_NS, 2)
            .map_err(|error| strange("making a histogram", error))?;
        Ok(Self { phase, took, errors: BTreeMap::new(), lasted: Duration::ZERO })
    }

    fn add(&mut self, other: &Self) -> Result<(), Failure> {
        self.took.add(&other.took).map_err(|error| strange("adding histograms", error))?;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        Ok(())
    }

    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// The workers' common ground.
#[derive(Debug, Clone)]
pub(super) struct Crew {
    pub plan: Arc<Plan>,
    pub home: Arc<dyn Backend>,
    pub zipf: Arc<Zipf>,
}

impl Crew {
    /// Repeats a phase: to fill, until all sessions are there; else for the time of the plan.
    pub async fn repeat(&self, phase: Phase) -> Result<Found, Failure> {
        let (next, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let mut workers = JoinSet::new();
        for worker in 0..self.plan.workers {
            let (crew, next) = (self.clone(), Arc::clone(&next));
            workers.spawn(async move { crew.work(phase, worker, &next, begun).await });
        }
        let mut all = Found::nothing(phase)?;
        // Where one fails to fill, the others are dropped with the set.
        while let Some(done) = workers.join_next().await {
            all.add(&done.map_err(|error| strange("waiting for a worker", error))??)?;
        }
        all.lasted = begun.elapsed();
        Ok(all)
    }

    async fn work(
        &self,
        phase: Phase,
        worker: u64,
        next: &AtomicU64,
        begun: Instant,
    ) -> Result<Found, Failure> {
        let mut found = Found::nothing(phase)?;
        let mut visitor = Visitor::new(&self.plan, &self.zipf, phase, worker);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let start = Instant::now();
            let is_over = match phase {
                Phase::Fill => number >= self.plan.sessions,
                _ => start.duration_since(begun) >= self.plan.time,
            };
            if is_over {
                return Ok(found);
            }
            match visitor.request(self.home.as_ref(), number).await {
                Ok(()) => found.took.saturating_record(nanoseconds(start.elapsed())),
                // Without all sessions nothing else would mean anything.
                Err(error) if phase == Phase::Fill => return Err(Failure::Home(error)),
                Err(error) => {
                    *found.errors.entry(kind(&error)).or_default() += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
            // A home that answers at once would leave the other workers no turn.
            tokio::task::consume_budget().await;
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What a request failed of, in two words.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Unreachable { .. } => "unreachable",
        Error::TimedOut { .. } => "timed out",
        Error::Refused { .. } => "refused",
        Error::Damaged { .. } => "damaged",
        Error::Store(sessile::Error::Unknown(_)) => "not there",
        Error::Store(sessile::Error::Duplicate) => "there already",
        Error::Store(sessile::Error::Full(_)) => "full",
        _ => "other",
    }
}

fn strange(doing: &str, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::io(doing, std::io::Error::other(error))
}
