//! `sessile bench`: the same sessions and requests for any home, to see what each costs where you would run it.
//!
//! | room | owns |
//! |---|---|
//! | `data` | ids, data and users by number, and who is asked for next |
//! | `work` | the phases, and one request of each |
//! | `crew` | the workers that repeat a phase, and the clock |
//! | `report` | the outcome, as text or JSON |
//!
//! Invariant: the sessions are a set of their own, made empty and removed at the end, also when it was interrupted or failed.

mod crew;
mod data;
mod report;
mod work;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use sessile_backends::{Footprint, Trial};

use crate::args::Bench;
use crate::failure::Failure;
use crate::{output, progress};
use crew::{Crew, Found};
use data::Zipf;
use report::Benched;
use work::Phase;

/// What is to be measured.
#[derive(Debug)]
struct Plan {
    sessions: u64,
    users: u64,
    data_bytes: usize,
    workers: u64,
    time: Duration,
}

impl Plan {
    fn new(bench: &Bench) -> Self {
        Self {
            sessions: bench.sessions.into(),
            users: bench.users.map_or(u64::from(bench.sessions) / 2, Into::into),
            data_bytes: bench.data_bytes.try_into().unwrap_or(usize::MAX),
            workers: bench.workers.into(),
            time: Duration::from_secs(bench.seconds.into()),
        }
    }
}

pub(crate) fn run(bench: &Bench) -> Result<(), Failure> {
    let address = address(&bench.backend)?;
    let plan = Arc::new(Plan::new(bench));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io("starting threads", error))?;
    let phases = 1 + Phase::TIMED.len();
    let benched = progress::of_things("connecting", phases, |bar| {
        runtime.block_on(trial(&address, &bench.namespace, plan, bar))
    })?;
    output::show(&benched, bench.json)?;
    match benched.failed() {
        0 => Ok(()),
        failed => Err(Failure::Calls(failed)),
    }
}

/// The address as it is written, or as the environment has it: arguments are visible to every user of the machine.
fn address(text: &str) -> Result<String, Failure> {
    let Some(name) = text.strip_prefix("env:") else { return Ok(text.to_owned()) };
    std::env::var(name).map_err(|_| {
        Failure::Usage(
            "env: is followed by the name of a variable in the environment that holds the address; there is none of \
             that name"
                .into(),
        )
    })
}

/// Makes the set, measures it, and removes it whatever has happened.
async fn trial(address: &str, name: &str, plan: Arc<Plan>, bar: &ProgressBar) -> Result<Benched, Failure> {
    let trial = Trial::begin(address, name).await.map_err(Failure::Home)?;
    let home = trial.home().name().to_owned();
    let measured = unless_interrupted(measure(&trial, plan, bar)).await;
    bar.set_message("removing");
    match (measured, trial.end().await) {
        (measured, Ok(())) => measured,
        (measured, Err(error)) => {
            output::complain(&format_args!(
                "what was made is still in {home}, under the name {name}: {error}"
            ));
            measured.and(Err(Failure::Home(error)))
        }
    }
}

async fn unless_interrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

async fn measure(trial: &Trial, plan: Arc<Plan>, bar: &ProgressBar) -> Result<Benched, Failure> {
    let zipf = Arc::new(Zipf::new(plan.sessions));
    let crew = Crew { plan: Arc::clone(&plan), home: Arc::clone(trial.home()), zipf };
    let empty = weigh(trial).await?;
    let (fill, filled) = phase(trial, &crew, Phase::Fill, bar, empty).await?;
    let mut found = vec![fill];
    let mut before = filled;
    for timed in Phase::TIMED {
        let (one, after) = phase(trial, &crew, timed, bar, before).await?;
        found.push(one);
        before = after;
    }
    Ok(Benched::new(trial.home().name(), &plan, found, (empty, filled)))
}

/// Repeats a phase; says what it found, how much the home's log grew, and what the set takes afterwards.
async fn phase(
    trial: &Trial,
    crew: &Crew,
    phase: Phase,
    bar: &ProgressBar,
    before: Footprint,
) -> Result<((Found, Option<u64>), Footprint), Failure> {
    bar.set_message(phase.name());
    let found = crew.repeat(phase).await?;
    bar.inc(1);
    // A home that went away meanwhile is told by its errors.
    let after = if found.failed() == 0 { weigh(trial).await? } else { Footprint::default() };
    let logged = before.logged.zip(after.logged).and_then(|(before, after)| after.checked_sub(before));
    Ok(((found, logged), after))
}

async fn weigh(trial: &Trial) -> Result<Footprint, Failure> {
    trial.footprint().await.map_err(Failure::Home)
}
