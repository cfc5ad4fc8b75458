//! What is measured: the phases, and one request of each.
//!
//! Invariant: what a phase does follows from the plan and a number, and not from the home that it is done to.

use std::time::Duration;

use sessile::Write;
use sessile_backends::{Backend, Error, Result};

use super::Plan;
use super::data::{self, Random, Zipf};

/// How long a session lives: longer than a trial, and gone some time after one that was cut off.
const IDLE: Duration = Duration::from_secs(3600);

/// A kind of request, repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Creates the sessions that the others find.
    Fill,
    Get,
    Touch,
    Update,
    /// A login and a logout: a session is created and destroyed.
    Life,
    /// What a web server does.
    Web,
}

impl Phase {
    /// Those that are repeated for a time, in their order.
    pub const TIMED: [Self; 5] = [Self::Get, Self::Touch, Self::Update, Self::Life, Self::Web];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fill => "create",
            Self::Get => "get",
            Self::Touch => "touch",
            Self::Update => "update",
            Self::Life => "create and destroy",
            Self::Web => "web mix",
        }
    }

    /// In a number, so that no two phases draw the same.
    fn seed(self) -> u64 {
        match self {
            Self::Fill => 0,
            Self::Get => 1,
            Self::Touch => 2,
            Self::Update => 3,
            Self::Life => 4,
            Self::Web => 5,
        }
    }
}

/// Who repeats a phase: draws what is next, and asks the home for it.
#[derive(Debug)]
pub(super) struct Visitor<'a> {
    plan: &'a Plan,
    zipf: &'a Zipf,
    phase: Phase,
    random: Random,
}

impl<'a> Visitor<'a> {
    pub fn new(plan: &'a Plan, zipf: &'a Zipf, phase: Phase, worker: u64) -> Self {
        let random = Random::new((phase.seed() << 32 | worker).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { plan, zipf, phase, random }
    }

    /// One request; `number` is nobody else's in this phase.
    pub async fn request(&mut self, home: &dyn Backend, number: u64) -> Result<()> {
        let any = self.random.below(self.plan.sessions);
        match self.phase {
            Phase::Fill => home.create(&data::id(number), self.new_session(number)).await.map(drop),
            Phase::Get => found(home.get(&data::id(any)).await?.is_some()),
            Phase::Touch => home.touch(&data::id(any), IDLE).await.map(drop),
            Phase::Update => home.update(&data::id(any), self.data(any, number)).await.map(drop),
            Phase::Life => {
                let number = self.beyond(number);
                home.create(&data::id(number), self.new_session(number)).await?;
                found(home.destroy(&data::id(number)).await?)
            }
            Phase::Web => self.web(home, number).await,
        }
    }

    /// Of a hundred requests 92 read and touch, 5 read and replace, 2 create, 1 reads and destroys; a few sessions are asked for very
    /// often. Whoever comes back to a session that has ended is given one.
    async fn web(&mut self, home: &dyn Backend, number: u64) -> Result<()> {
        let whose = self.zipf.draw(&mut self.random);
        // Which session is popular has nothing to do with when it was created.
        let whose = Random::new(whose).below(self.plan.sessions);
        let id = data::id(whose);
        let kind = self.random.below(100);
        if kind < 2 {
            let number = self.beyond(number);
            return home.create(&data::id(number), self.new_session(number)).await.map(drop);
        }
        let known = home.get(&id).await?.is_some();
        match kind {
            2 => home.destroy(&id).await.map(drop),
            _ if !known => home.set(&id, self.new_session(whose)).await.map(drop),
            3..=7 => lively(home.update(&id, self.data(whose, number)).await.map(drop)),
            _ => lively(home.touch(&id, IDLE).await.map(drop)),
        }
    }

    fn new_session(&self, number: u64) -> Write {
        let write = self.data(number, 0);
        match data::user(number, self.plan.users) {
            Some(user) => write.subject(user),
            None => write,
        }
    }

    fn data(&self, number: u64, version: u64) -> Write {
        Write::new(data::data(number, version, self.plan.data_bytes)).idle(IDLE)
    }

    /// The number of a session that is not among those of the beginning, nor of another phase.
    fn beyond(&self, number: u64) -> u64 {
        (self.phase.seed() << 48) + number
    }
}

/// A session that must be there is.
fn found(there: bool) -> Result<()> {
    match there {
        true => Ok(()),
        false => Err(Error::Store(sessile::Error::Unknown(sessile::Unknown::Never))),
    }
}

/// In the mix another visitor may have ended the session meanwhile: that is an answer.
fn lively(done: Result<()>) -> Result<()> {
    match done {
        Err(error) if error.is_unknown() => Ok(()),
        done => done,
    }
}
