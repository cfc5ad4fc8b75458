//! An open store with actors on it: each operation is told to the oracle, done, and its answer judged.
//!
//! Owns: [`Stage`]. Several actors may be on one stage: the oracle's lock is never held while the store is called.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sessile::vfs::SimVfs;
use sessile::{Clock, Error, Store, SubjectDigest, Unknown, Version};

use crate::clock::{Belief, Clocks};
use crate::oracle::{Answer, Kind, Level, Now, Oracle};
use crate::report::Tally;
use crate::script::{Act, Setup};

/// What endings have in reserve in the smallest segment, at least: half of a sixteenth, less the frames of the roster.
pub(super) const RESERVE_BYTES: u64 = 1_000;
/// What a store at its limit must take after maintenance: more than a segment.
const GRANTED_BYTES: u64 = 70_000;
/// What an ending takes of it at most, with the mark before it.
pub(super) const ENDING_BYTES: u64 = 250;

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
    /// Somebody else has taken the disk's room.
    pub short: AtomicBool,
    /// What may have drawn on the reserve of endings since.
    spent: AtomicU64,
    /// Bytes that must find room behind what maintenance has left.
    granted: AtomicU64,
    /// The clocks have done nothing but run since an operator confirmed them.
    pub plain_clock: AtomicBool,
    /// Somebody else on the stage was wronged.
    pub wronged: Mutex<Option<String>>,
    /// The settled clock when somebody last looked.
    settled_ms: AtomicU64,
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
            stressed: AtomicBool::new(
                shared.setup.sessions_max.is_some() || shared.setup.disk_bytes_max.is_some(),
            ),
            failing: AtomicBool::new(false),
            short: AtomicBool::new(false),
            spent: AtomicU64::new(0),
            granted: AtomicU64::new(0),
            plain_clock: AtomicBool::new(false),
            wronged: Mutex::new(None),
            settled_ms: AtomicU64::new(0),
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
        // Both before the store is asked: somebody else may carry them on meanwhile.
        let floor_ms = self.oracle().floor_ms();
        let before = self.settled_ms.load(Ordering::Relaxed);
        let settled_ms = self.store.stats().clock_ms;
        let latest_ms = locked(&self.belief).latest_ms;
        self.settled_ms.fetch_max(settled_ms, Ordering::Relaxed);
        if settled_ms > latest_ms {
            return Err(format!(
                "the store believes that it is {settled_ms}, and {latest_ms} is the latest that it may"
            )
            .into());
        }
        if settled_ms < before {
            return Err(format!("the settled clock went back from {before} to {settled_ms}").into());
        }
        if settled_ms < floor_ms {
            return Err(format!("the settled clock shows {settled_ms}, and {floor_ms} was durable").into());
        }
        Ok(Now { wall_ms, settled_ms, settled_latest_ms: settled_ms })
    }

    /// The same for what is about to be done, in which the store may look at its clocks.
    pub(super) fn now_on(&self) -> Result<Now, Stop> {
        let now = self.now()?;
        if self.plain_clock.load(Ordering::Relaxed) {
            return Ok(now);
        }
        let settled_latest_ms = locked(&self.belief).latest_ms.min(now.wall_ms).max(now.settled_ms);
        Ok(Now { settled_latest_ms, ..now })
    }

    pub(super) fn answer(&self, error: &Error) -> Result<Answer, Stop> {
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

    /// An operation may draw on what endings have in reserve. Whether there must be room for it if it is an ending: nothing
    /// but room was ever short, and what came before it cannot have used up the reserve.
    pub(super) fn spend(&self, bytes: u64) -> bool {
        if !self.short.load(Ordering::Relaxed) {
            return self.setup.disk_bytes_max.is_none();
        }
        let spent = self.spent.fetch_add(bytes, Ordering::Relaxed);
        self.setup.disk_bytes_max.is_none()
            && !self.failing.load(Ordering::Relaxed)
            && spent + bytes <= RESERVE_BYTES
    }

    /// Maintenance has done what there was to do.
    pub(super) fn is_maintained(&self) {
        self.granted.store(GRANTED_BYTES, Ordering::Relaxed);
    }

    /// Whether a write of so many bytes must find room: nobody but the store takes any, most of what it may take holds
    /// nothing that anybody needs, and maintenance has had its turn.
    pub(super) fn is_granted(&self, bytes: u32) -> bool {
        let taken = self.short.load(Ordering::Relaxed) || self.failing.load(Ordering::Relaxed);
        let bytes = u64::from(bytes) + ENDING_BYTES;
        let left = self.granted.load(Ordering::Relaxed).saturating_sub(bytes);
        self.granted.store(left, Ordering::Relaxed);
        let least = |limit: u64| self.oracle().bytes_at_most() <= limit / 3;
        left > 0 && !taken && self.setup.disk_bytes_max.is_some_and(least)
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
                    let session = self.store.get(name)?.ok_or(Error::Unknown(Unknown::Never))?;
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
}
