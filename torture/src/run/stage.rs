//! An open store with actors on it: each operation is told to the oracle, done, and its answer judged.
//!
//! Owns: [`Stage`]. Several actors may be on one stage: the oracle's lock is never held while the store is called.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sessile::vfs::SimVfs;
use sessile::{Clock, Durability, Error, Store, Subject, SubjectDigest, Touched, Version, Write};

use crate::clock::{Belief, Clocks};
use crate::oracle::{Answer, Call, Kind, Known, Level, Now, Oracle, payload};
use crate::report::{Tally, count};
use crate::run::look;
use crate::script::{Act, Say, Setup, Whose};

/// Why an operation did not go on.
#[derive(Debug)]
pub enum Stop {
    /// The power went.
    PowerLost,
    /// A promise was broken.
    Violated(String),
}

impl From<String> for Stop {
    fn from(what: String) -> Self {
        Self::Violated(what)
    }
}

/// See the module.
pub struct Stage {
    pub store: Store,
    pub sim: SimVfs,
    pub setup: Setup,
    pub clocks: Clocks,
    pub subjects: Vec<SubjectDigest>,
    pub oracle: Arc<Mutex<Oracle>>,
    pub belief: Arc<Mutex<Belief>>,
    pub tally: Arc<Mutex<Tally>>,
    /// Calls may fail or room be short, so operations may fail without anybody's fault.
    pub stressed: AtomicBool,
    /// Calls may fail. A full disk alone latches nothing.
    pub failing: AtomicBool,
    /// The clocks have done nothing but run since an operator confirmed them.
    pub plain_clock: AtomicBool,
    /// Somebody else on the stage was wronged.
    pub wronged: Mutex<Option<String>>,
    /// The settled clock when somebody last looked.
    settled_ms: AtomicU64,
    evicted: AtomicU64,
    /// What is being done, for whoever asks what the power cut off.
    pub doing: Mutex<Vec<Act>>,
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn subject_name(subject: u8) -> String {
    format!("subject {subject}")
}

pub fn id_name(id: usize) -> String {
    format!("id {id}")
}

/// Whether a call failed because the machine had crashed, directly or through the latch.
pub fn is_crash(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => SimVfs::is_crash(source),
        Error::Latched { cause, .. } => cause.contains("the simulated machine has crashed"),
        _ => false,
    }
}

fn to_write(say: &Say, tag: u64) -> Write {
    let durability = if say.synced { Durability::Synced } else { Durability::Written };
    let subject = match say.subject {
        Whose::Keep => Subject::Keep,
        Whose::Nobody => Subject::Clear,
        Whose::Of(subject) => Subject::Set(subject_name(subject).into_bytes()),
    };
    let mut write = Write::new(payload(tag, say.bytes)).subject_change(subject).durability(durability);
    if let Some(idle) = say.idle_ms {
        write = write.idle(Duration::from_millis(idle));
    }
    if let Some(absolute) = say.absolute_ms {
        write = write.absolute(Duration::from_millis(absolute));
    }
    if say.shorten { write.shorten() } else { write }
}

const fn level(synced: bool) -> Level {
    if synced { Level::Synced } else { Level::Written }
}

/// All shared parts of a stage that outlive an opening.
#[derive(Clone)]
pub struct Shared {
    pub sim: SimVfs,
    pub setup: Setup,
    pub clocks: Clocks,
    pub oracle: Arc<Mutex<Oracle>>,
    pub belief: Arc<Mutex<Belief>>,
    pub tally: Arc<Mutex<Tally>>,
}

impl Stage {
    pub fn new(store: Store, shared: &Shared) -> Result<Self, Stop> {
        let digest = |subject| store.subject_digest(subject_name(subject)).map_err(|error| error.to_string());
        let subjects = (0..shared.setup.subjects).map(digest).collect::<Result<_, _>>()?;
        Ok(Self {
            store,
            sim: shared.sim.clone(),
            setup: shared.setup,
            clocks: shared.clocks.clone(),
            subjects,
            oracle: Arc::clone(&shared.oracle),
            belief: Arc::clone(&shared.belief),
            tally: Arc::clone(&shared.tally),
            stressed: AtomicBool::new(shared.setup.sessions_max.is_some()),
            failing: AtomicBool::new(false),
            plain_clock: AtomicBool::new(false),
            wronged: Mutex::new(None),
            settled_ms: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            doing: Mutex::new(Vec::new()),
        })
    }

    pub fn oracle(&self) -> MutexGuard<'_, Oracle> {
        locked(&self.oracle)
    }

    /// The time as the store may see it now.
    pub fn now(&self) -> Result<Now, Stop> {
        let wall_ms = self.clocks.wall_ms();
        if self.plain_clock.load(Ordering::Relaxed) {
            return Ok(Now { wall_ms, settled_ms: wall_ms, settled_latest_ms: wall_ms });
        }
        let settled_ms = self.store.stats().clock_ms;
        let latest_ms = locked(&self.belief).latest_ms;
        let before = self.settled_ms.fetch_max(settled_ms, Ordering::Relaxed);
        if settled_ms > latest_ms {
            return Err(format!(
                "the store believes that it is {settled_ms}, and {latest_ms} is the latest that it may"
            )
            .into());
        }
        if settled_ms < before {
            return Err(format!("the settled clock went back from {before} to {settled_ms}").into());
        }
        let floor_ms = self.oracle().floor_ms();
        if settled_ms < floor_ms {
            return Err(format!("the settled clock shows {settled_ms}, and {floor_ms} was durable").into());
        }
        Ok(Now { wall_ms, settled_ms, settled_latest_ms: settled_ms })
    }

    /// The same for what is about to be done, in which the store may look at its clocks.
    fn now_on(&self) -> Result<Now, Stop> {
        let now = self.now()?;
        if self.plain_clock.load(Ordering::Relaxed) {
            return Ok(now);
        }
        let settled_latest_ms = locked(&self.belief).latest_ms.min(now.wall_ms).max(now.settled_ms);
        Ok(Now { settled_latest_ms, ..now })
    }

    fn answer(&self, error: &Error) -> Result<Answer, Stop> {
        if is_crash(error) || self.sim.has_crashed() {
            return Err(Stop::PowerLost);
        }
        let stressed = self.stressed.load(Ordering::Relaxed);
        let failing = self.failing.load(Ordering::Relaxed);
        match error {
            Error::Latched { in_memory: false, .. } if !failing => {
                Err(format!("a store latched and no call has failed: {error}").into())
            }
            Error::Duplicate => Ok(Answer::Duplicate),
            Error::Unknown(_) => Ok(Answer::Unknown),
            Error::Conflict { .. } => Ok(Answer::Conflict),
            Error::ClockUnconfirmed => Ok(Answer::Unconfirmed),
            Error::Latched { in_memory, .. } if stressed => Ok(Answer::Trouble { in_memory: *in_memory }),
            Error::Io { .. } | Error::Full(_) | Error::Corrupt(_) if stressed => {
                Ok(Answer::Trouble { in_memory: false })
            }
            error => Err(format!("an operation failed with no reason to: {error} ({error:?})").into()),
        }
    }

    /// Another actor does something in the middle of an operation.
    pub fn intrude(&self, act: Act) {
        if self.sim.has_crashed() {
            // What cleans up behind the crash holds other locks than what went before it.
            return;
        }
        let reads = matches!(act, Act::Get(_) | Act::Look);
        // Where room may be short, a writer compacts, for which compaction itself would have to wait.
        if !reads && self.stressed.load(Ordering::Relaxed) {
            return;
        }
        // Nobody who waits for the disk may wait for himself.
        if self.setup.touch_synced && matches!(act, Act::Touch(..)) {
            return;
        }
        locked(&self.tally).interleaved += 1;
        if let Err(Stop::Violated(what)) = self.perform(act) {
            locked(&self.wronged).get_or_insert(what);
        }
    }

    /// Whether sessions may be running out just now.
    pub fn expires(&self) -> bool {
        let wall_ms = self.clocks.wall_ms();
        let oracle = self.oracle();
        (0..oracle.id_count()).any(|id| {
            oracle
                .current(id)
                .iter()
                .flatten()
                .any(|known| known.deadline_ms <= wall_ms && known.deadline_ms > oracle.floor_ms())
        })
    }

    /// Does one thing.
    pub fn perform(&self, act: Act) -> Result<(), Stop> {
        locked(&self.doing).push(act);
        let done = self.perform_inner(act);
        if !matches!(done, Err(Stop::PowerLost)) {
            locked(&self.doing).pop();
        }
        done
    }

    fn perform_inner(&self, act: Act) -> Result<(), Stop> {
        match act {
            Act::Create(id, say) => {
                self.put(act, id, Kind::Create, &say, |name, write| self.store.create(name, write))
            }
            Act::Update(id, say) => {
                self.put(act, id, Kind::Update, &say, |name, write| self.store.update(name, write))
            }
            Act::Set(id, say) => {
                self.put(act, id, Kind::Set, &say, |name, write| self.store.set(name, write))
            }
            Act::ReplaceIf(id, say, stale) => {
                let kind = if stale { Kind::Stale } else { Kind::Update };
                self.put(act, id, kind, &say, |name, write| {
                    let Some(session) = self.store.get(name)? else { return self.store.update(name, write) };
                    let version = session.version().as_u64() - u64::from(stale);
                    self.store.replace_if(name, Version::from_u64(version), write)
                })
            }
            Act::UpdateWith(id, say) => self.put(act, id, Kind::Update, &say, |name, write| {
                let written = self.store.update_with(name, |_| Some(write.clone()))?;
                written.ok_or_else(|| Error::Invalid("the closure did not decline".to_owned()))
            }),
            Act::Touch(id, idle_ms) => self.touch(act, id, idle_ms),
            Act::Destroy(id) => self.end(act, id, |name| self.store.destroy(name)),
            Act::DestroyHandle(id) => {
                self.end(act, id, |name| self.store.destroy_handle(&self.store.handle_of(name)?))
            }
            Act::Rotate(from, to, say) => self.rotate(act, usize::from(from), usize::from(to), say.as_ref()),
            Act::Revoke(subject, keep) => self.revoke(act, subject, keep.map(usize::from)),
            Act::Clear => self.clear(act),
            Act::Get(id) => self.get(usize::from(id)),
            Act::Look => self.look(),
            Act::Maintain => self.maintain(act),
            Act::Flush => {
                let call = self.oracle().other(act);
                self.settle(call, self.store.flush(), Level::Synced).map(|_| ())
            }
            Act::Verify => self.verify(),
            Act::Confirm => self.confirm(),
            _ => Ok(()),
        }
    }

    /// An operation that answers with nothing but success or trouble.
    fn settle<T>(&self, call: Call, done: Result<T, Error>, level: Level) -> Result<Option<T>, Stop> {
        match done {
            Ok(done) => {
                self.oracle().returned(call, Some(level));
                Ok(Some(done))
            }
            Err(error) => match self.answer(&error)? {
                Answer::Trouble { in_memory } => {
                    let level = if in_memory { Level::Memory } else { Level::Perhaps };
                    self.oracle().returned(call, Some(level));
                    Ok(None)
                }
                answer => Err(format!("{answer:?} is no answer").into()),
            },
        }
    }

    fn put(
        &self,
        act: Act,
        id: u8,
        kind: Kind,
        say: &Say,
        call: impl FnOnce(&str, Write) -> Result<Version, Error>,
    ) -> Result<(), Stop> {
        let id = usize::from(id);
        let now = self.now_on()?;
        let evictions = self.before_eviction(act);
        let (before, issued) = {
            let mut oracle = self.oracle();
            (oracle.current(id), oracle.put(act, id, kind, say, now))
        };
        let done = call(&id_name(id), to_write(say, issued.tag));
        self.after_eviction(evictions, &done)?;
        self.written(issued, id, &before, done, level(say.synced), now)
    }

    /// What came of a write that gives a version.
    fn written(
        &self,
        call: Call,
        id: usize,
        before: &[Option<Known>],
        done: Result<Version, Error>,
        level: Level,
        now: Now,
    ) -> Result<(), Stop> {
        let answer = match &done {
            Ok(_) => Answer::Done,
            Err(error) => self.answer(error)?,
        };
        let mut oracle = self.oracle();
        if let Some(wrong) = oracle.answers(call, answer, before, now) {
            return Err(Stop::Violated(wrong));
        }
        match (answer, done) {
            (Answer::Done, Ok(version)) => {
                oracle.told_version(call, id, version.as_u64())?;
                oracle.returned(call, Some(level));
            }
            (Answer::Trouble { .. }, _) => {
                oracle.returned(call, Some(Level::Perhaps));
                drop(oracle);
                return self.get(id);
            }
            _ => oracle.returned(call, None),
        }
        Ok(())
    }

    /// Sessions that a write may evict, in a store with a limit.
    fn before_eviction(&self, act: Act) -> Vec<(Call, usize)> {
        if self.setup.sessions_max.is_none() { Vec::new() } else { self.oracle().may_evict(act) }
    }

    fn after_eviction<T>(&self, perhaps: Vec<(Call, usize)>, done: &Result<T, Error>) -> Result<(), Stop> {
        if self.setup.sessions_max.is_none() || done.as_ref().is_err_and(is_crash) || self.sim.has_crashed() {
            return Ok(());
        }
        let evicted = self.store.stats().evicted;
        let any = self.evicted.swap(evicted, Ordering::Relaxed) != evicted;
        let now = self.now()?;
        for (call, id) in perhaps {
            let gone = any && self.store.get(id_name(id)).is_ok_and(|session| session.is_none());
            let mut oracle = self.oracle();
            let (lives, _) = oracle.lives(id, now);
            oracle.evicting = false;
            let level = match (gone, lives.alive, lives.gone()) {
                (true, true, false) => Some(Level::Written),
                // Of what no clock shows nobody can tell yet whether it was evicted.
                (true, _, true) => Some(Level::Perhaps),
                _ => None,
            };
            oracle.returned(call, level);
            locked(&self.tally).evictions += u64::from(level == Some(Level::Written));
        }
        Ok(())
    }

    fn touch(&self, act: Act, id: u8, idle_ms: u64) -> Result<(), Stop> {
        let id = usize::from(id);
        let now = self.now_on()?;
        let (before, call) = {
            let mut oracle = self.oracle();
            (oracle.current(id), oracle.touch(act, id, idle_ms, now))
        };
        let done = self.store.touch(id_name(id), Duration::from_millis(idle_ms));
        let (answer, level) = match &done {
            Ok(Touched::Logged) => (Answer::Done, level(self.setup.touch_synced)),
            Ok(_) => (Answer::Done, Level::Written),
            Err(error) => (self.answer(error)?, Level::Perhaps),
        };
        let mut oracle = self.oracle();
        if let Some(wrong) = oracle.answers(call, answer, &before, now) {
            return Err(Stop::Violated(wrong));
        }
        let refused = !matches!(answer, Answer::Done | Answer::Trouble { .. });
        oracle.returned(call, (!refused).then_some(level));
        drop(oracle);
        if matches!(answer, Answer::Trouble { .. }) { self.get(id) } else { Ok(()) }
    }

    fn end(&self, act: Act, id: u8, end: impl FnOnce(&str) -> Result<bool, Error>) -> Result<(), Stop> {
        let id = usize::from(id);
        let now = self.now_on()?;
        let (before, call) = {
            let mut oracle = self.oracle();
            (oracle.current(id), oracle.end(act, id, now))
        };
        let answer = match end(&id_name(id)) {
            Ok(true) => Answer::Done,
            Ok(false) => Answer::Unknown,
            Err(error) => self.answer(&error)?,
        };
        let mut oracle = self.oracle();
        if let Some(wrong) = oracle.answers(call, answer, &before, now) {
            return Err(Stop::Violated(wrong));
        }
        match answer {
            Answer::Done => oracle.returned(call, Some(Level::Synced)),
            Answer::Unknown => {
                oracle.returned(call, None);
                if before.iter().all(Option::is_none) {
                    // Whoever ended it may still have been waiting for the disk: now that is over.
                    oracle.all_synced(call);
                }
            }
            Answer::Trouble { in_memory: true } => oracle.returned(call, Some(Level::Memory)),
            _ => {
                oracle.returned(call, Some(Level::Perhaps));
                drop(oracle);
                return self.get(id);
            }
        }
        Ok(())
    }

    fn rotate(&self, act: Act, from: usize, to: usize, say: Option<&Say>) -> Result<(), Stop> {
        let now = self.now_on()?;
        let (before, taken, call) = {
            let mut oracle = self.oracle();
            (oracle.current(from), oracle.current(to), oracle.rotate(act, from, to, say, now))
        };
        let write = say.map(|say| to_write(say, call.tag));
        let done = self.store.rotate(id_name(from), id_name(to), write);
        let answer = match &done {
            Ok(_) => Answer::Done,
            Err(error) => self.answer(error)?,
        };
        let states = match answer {
            Answer::Duplicate | Answer::Unconfirmed => &taken,
            _ => &before,
        };
        let mut oracle = self.oracle();
        if let Some(wrong) = oracle.answers(call, answer, states, now) {
            return Err(Stop::Violated(wrong));
        }
        match (answer, done) {
            (Answer::Done, Ok(version)) => {
                oracle.told_version(call, to, version.as_u64())?;
                oracle.returned(call, Some(Level::Synced));
            }
            (Answer::Trouble { in_memory }, _) => {
                oracle.returned(call, Some(Level::Perhaps));
                if in_memory {
                    oracle.ended_in_memory(act, from);
                }
                drop(oracle);
                self.get(from)?;
                self.get(to)?;
            }
            _ => oracle.returned(call, None),
        }
        Ok(())
    }

    fn revoke(&self, act: Act, subject: u8, keep: Option<usize>) -> Result<(), Stop> {
        let now = self.now_on()?;
        let (least, most, call) = {
            let mut oracle = self.oracle();
            let (mut least, mut most) = (0, 0);
            for id in (0..oracle.id_count()).filter(|id| Some(*id) != keep) {
                let current = oracle.current(id);
                let is_of = |known: &Known| known.subject == Some(subject) || known.loose;
                let all = |known: &Option<Known>| {
                    known.is_some_and(|k| {
                        k.subject == Some(subject) && !k.loose && k.early_ms > now.latest_ms()
                    })
                };
                least += u64::from(current.iter().all(all));
                most += u64::from(current.iter().flatten().any(is_of));
            }
            (least, most, oracle.revoke(act, subject, keep, now))
        };
        let kept = keep.map(id_name);
        let kept = kept.as_ref().map(|id| id.as_bytes());
        let done = self.store.destroy_subject(subject_name(subject), kept);
        if let Some(ended) = self.settle(call, done, Level::Synced)?
            && !(least..=most).contains(&ended)
            && !call.busy
        {
            return Err(format!("{act:?} ended {ended} sessions, and there were {least} to {most}").into());
        }
        Ok(())
    }

    fn clear(&self, act: Act) -> Result<(), Stop> {
        let call = self.oracle().clear(act);
        let done = self.store.clear();
        self.settle(call, done, Level::Synced).map(|_| ())
    }

    fn get(&self, id: usize) -> Result<(), Stop> {
        let before = self.now()?;
        match self.store.get(id_name(id)) {
            Ok(session) => {
                let after = self.now()?;
                let now = Now { settled_latest_ms: after.settled_latest_ms, ..before };
                let seen = session.map(|session| crate::oracle::Seen::of(&session, &self.subjects));
                self.oracle().sees(id, seen, now).map_err(Stop::Violated)
            }
            Err(error) => self.answer(&error).map(|_| ()),
        }
    }

    /// Reads everything in every way, and compares it with what memory must show.
    pub fn look(&self) -> Result<(), Stop> {
        if self.stressed.load(Ordering::Relaxed) {
            return (0..usize::from(self.setup.ids)).try_for_each(|id| self.get(id));
        }
        let now = self.now()?;
        let found = look::all(&self.store, usize::from(self.setup.ids), &self.subjects, false)?;
        let mut oracle = self.oracle();
        for (id, found) in found.iter().enumerate() {
            if let crate::oracle::Found::Shown(seen) = found {
                oracle.sees(id, *seen, now)?;
            }
        }
        Ok(())
    }

    fn maintain(&self, act: Act) -> Result<(), Stop> {
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
        drop(oracle);
        let now = self.now()?;
        let oracle = self.oracle();
        let (mut least, mut most) = (0, 0);
        for id in 0..oracle.id_count() {
            let (lives, none) = oracle.lives(id, now);
            least += u64::from(lives.alive && !lives.gone() && !none);
            most += u64::from(lives.alive || lives.hidden);
        }
        let len = self.store.len();
        if !(least..=most).contains(&len) {
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

    fn verify(&self) -> Result<(), Stop> {
        match self.store.verify() {
            Ok(verified) if verified.damage.is_empty() || self.stressed.load(Ordering::Relaxed) => Ok(()),
            Ok(verified) => Err(format!("verify found damage: {:?}", verified.damage).into()),
            Err(error) => self.answer(&error).map(|_| ()),
        }
    }

    fn confirm(&self) -> Result<(), Stop> {
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
