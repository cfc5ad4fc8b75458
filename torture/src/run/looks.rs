//! Operations that change no session: reads, maintenance, the operator's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sessile::{Clock, Error};

use super::look;
use super::stage::{Stage, Stop, id_name, locked};
use crate::oracle::{Call, Found, Level, Now, Seen};
use crate::report::count;
use crate::script::Act;

impl Stage {
    pub(super) fn get(&self, id: usize) -> Result<(), Stop> {
        let before = self.now()?;
        let since = self.oracle().watch(id);
        match self.store.get(id_name(id)) {
            Ok(session) => {
                let after = self.now()?;
                let now = Now { settled_latest_ms: after.settled_latest_ms, ..before };
                let seen = session.map(|session| Seen::of(&session, &self.subjects));
                self.oracle().sees(id, seen, now, since).map_err(Stop::Violated)
            }
            Err(error) => self.answer(&error).map(|_| ()),
        }
    }

    /// Reads everything in every way, and compares it with what memory must show.
    pub fn look(&self) -> Result<(), Stop> {
        let alone = self.oracle().is_calm();
        if self.stressed.load(Ordering::Relaxed) || !alone {
            return (0..usize::from(self.setup.ids)).try_for_each(|id| self.get(id));
        }
        let now = self.now()?;
        let found = look::all(&self.store, usize::from(self.setup.ids), &self.subjects, false)?;
        let mut oracle = self.oracle();
        for (id, found) in found.iter().enumerate() {
            if let Found::Shown(seen) = found {
                let since = oracle.watch(id);
                oracle.sees(id, *seen, now, since)?;
            }
        }
        Ok(())
    }

    pub(super) fn maintain(&self, act: Act) -> Result<(), Stop> {
        let maintained = self.maintain_whole(act);
        self.is_maintained();
        maintained
    }

    fn maintain_whole(&self, act: Act) -> Result<(), Stop> {
        let now = self.now()?;
        let call = self.oracle().other(act);
        let mut expired = 0;
        loop {
            let done = self.store.maintain(Duration::from_secs(3600));
            let Some(done) = self.maintained(call, done)? else { return Ok(()) };
            expired += done.expired;
            if !done.more {
                break;
            }
        }
        let mut oracle = self.oracle();
        oracle.returned(call, Some(Level::Synced));
        if self.stressed.load(Ordering::Relaxed) {
            return Ok(());
        }
        // What it has counted as expired stays expired, whatever the clocks do next.
        if expired > 0 {
            oracle.raise_floor(now.settled_ms);
        }
        if !oracle.was_alone(call) {
            return Ok(());
        }
        drop(oracle);
        let (now, len) = (self.now()?, self.store.len());
        let oracle = self.oracle();
        let (mut least, mut most) = (0, 0);
        for id in 0..oracle.id_count() {
            let (lives, none) = oracle.lives(id, now);
            least += u64::from(lives.alive && !lives.gone() && !none);
            most += u64::from(lives.alive || lives.hidden);
        }
        if oracle.was_alone(call) && !(least..=most).contains(&len) {
            return Err(format!("len is {len} after maintain, and there are {least} to {most}").into());
        }
        Ok(())
    }

    fn maintained<T>(&self, call: Call, done: Result<T, Error>) -> Result<Option<T>, Stop> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) => {
                self.answer(&error)?;
                self.oracle().returned(call, Some(Level::Perhaps));
                Ok(None)
            }
        }
    }

    pub(super) fn verify(&self) -> Result<(), Stop> {
        match self.store.verify() {
            Ok(verified) if verified.damage.is_empty() || self.stressed.load(Ordering::Relaxed) => Ok(()),
            Ok(verified) => Err(format!("verify found damage: {:?}", verified.damage).into()),
            Err(error) => self.answer(&error).map(|_| ()),
        }
    }

    pub(super) fn confirm(&self) -> Result<(), Stop> {
        locked(&self.belief).confirmed(&self.clocks);
        count(&mut locked(&self.tally).clocks, "confirmed".to_owned());
        match self.store.confirm_clock() {
            Ok(()) => {
                let now = self.store.stats().clock_ms;
                self.plain_clock.store(now == self.clocks.wall_ms(), Ordering::Relaxed);
                Ok(())
            }
            Err(error) => self.answer(&error).map(|_| ()),
        }
    }
}
