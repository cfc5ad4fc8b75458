//! The wheel: for each session, the moment at which somebody should look it up.
//!
//! Owns: [`Wheel`]. A hierarchical timing wheel (Varghese and Lauck, 1987) with *lazy re-arming*: a touch writes the
//! deadline in the index and leaves the wheel alone; a slot fires at its *start*, and the caller looks each entry up
//! and says that it is gone, or later, which puts it into a finer slot. On the lowest level a slot is a millisecond, so
//! expiry is exact to the millisecond of [`due`](Wheel::due), and there is no partly elapsed tick to go wrong.
//!
//! Invariants, beside those of [`levels`](super::levels):
//! 1. A session with a deadline has an entry with its current arming, in a slot that begins at or before that
//!    deadline. Extending it keeps that true; **shortening it does not**, so whoever shortens arms again, with a new
//!    arming. `NEVER` has no entry, and an entry whose session has become `NEVER` is dropped when it fires.
//! 2. What an entry says is true only if the index agrees: entries of sessions that have ended or were armed again
//!    stay until they fire or are purged, and harm nobody. For that, an arming must not be one that the same id has
//!    used lately: take it from a counter, the low bits of the LSN for example.
//! 3. Never more entries than twice the live sessions and a constant, whatever clients do, if each arming and each
//!    ending is followed by `purge(PURGE_STEP, ..)` while [`needs_purge`](Wheel::needs_purge) says so.
//! 4. Work in one call is capped by its budget, and what was left undone is where the next call goes on. Time that
//!    nothing happens in costs nothing, however long it is.
//! 5. Time never runs backwards here. A reading that may be wrong must not be given to [`due`](Wheel::due): only
//!    [`clear`](Wheel::clear) takes the wheel back.
//! 6. A callback cannot reach the wheel that calls it, and an entry leaves its slot only after its callback has
//!    returned: one that panics loses nothing.

use super::levels::{At, LAST_MS, LEVELS, Levels};
use super::slot::{Packed, Slot};
use crate::session::Deadline;

/// Entries to purge with each arming and each ending while the wheel needs it; see invariant 3.
pub(crate) const PURGE_STEP: usize = 16;

/// Stale entries that nobody minds, so that a small store never purges.
const SPARE: usize = 1_024;

const FIRST: At = At { start_ms: 0, level: 0 };

/// What the index says of an entry that the wheel asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing to look at any more: it has ended, it ends now, or a newer entry speaks for it.
    Gone,
    /// It lives until this deadline, as far as is known now.
    Later(Deadline),
}

/// What a call has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Work {
    /// Entries that were looked at.
    pub checked: usize,
    /// Of these, the ones that left the wheel.
    pub dropped: usize,
    /// The budget ended it: there is more to look at.
    pub more: bool,
}

/// See the module. Not synchronised: who shares it wraps it in a lock.
pub(crate) struct Wheel {
    levels: Levels,
    /// Every slot that begins before this moment is empty.
    hand_ms: u64,
    /// The latest moment that `due` was asked about; ahead of the hand while there is a backlog.
    clock_ms: u64,
    len: usize,
    purge_from: At,
    soonest_from: At,
}

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

impl Wheel {
    /// An empty wheel. It takes its time from the first arming.
    pub fn new() -> Self {
        Self {
            levels: Levels::new(),
            hand_ms: 0,
            clock_ms: 0,
            len: 0,
            purge_from: FIRST,
            soonest_from: FIRST,
        }
    }

    /// Adds an entry: this session, under this arming, is to be looked at by its deadline.
    pub fn arm(&mut self, short: u64, arming: u8, deadline: Deadline, now_ms: u64) {
        if deadline == Deadline::NEVER {
            return;
        }
        if self.len == 0 {
            // No slot is occupied, so the hand may go anywhere; near to now, slots are fine.
            self.hand_ms = self.hand_ms.max(now_ms.min(LAST_MS));
        }
        self.put(Packed::new(short, arming), deadline.bits());
        self.len += 1;
    }

    /// Asks about the entries whose time has come, at most `budget` of them; those that live on are put to their
    /// later deadline. With budget enough, every session whose deadline is at or before `now_ms` has been asked
    /// about. A `now_ms` earlier than one given before does nothing.
    pub fn due(&mut self, now_ms: u64, budget: usize, mut look: impl FnMut(u64, u8) -> Verdict) -> Work {
        let now_ms = now_ms.min(LAST_MS);
        let mut work = Work::default();
        if now_ms < self.clock_ms {
            return work;
        }
        self.clock_ms = now_ms;
        // In one call an entry is asked about at most once on each level, so this cap is met by no honest caller; one
        // that says `Later` with a deadline long gone is stopped by it at the end of time.
        let budget = budget.min(self.len.saturating_mul(LEVELS));
        while let Some(at) = self.levels.soonest(self.hand_ms).filter(|at| at.start_ms <= now_ms) {
            if work.checked >= budget {
                work.more = true;
                return work;
            }
            self.hand_ms = self.hand_ms.max(at.start_ms);
            self.fire(at, budget, &mut look, &mut work);
        }
        self.hand_ms = self.hand_ms.max(now_ms);
        work
    }

    fn fire(&mut self, at: At, budget: usize, look: &mut impl FnMut(u64, u8) -> Verdict, work: &mut Work) {
        while work.checked < budget {
            let Some(entry) = self.levels.change(at, |slot| slot.any().last()) else { return };
            let verdict = look(entry.short(), entry.arming());
            work.checked += 1;
            self.levels.change(at, |slot| slot.any().pop());
            match verdict {
                Verdict::Later(deadline) if deadline != Deadline::NEVER => {
                    // Not before the next millisecond, or a deadline in the past would fire again at once, for ever.
                    self.put(entry, deadline.bits().max(self.clock_ms + 1));
                }
                _ => {
                    self.len -= 1;
                    work.dropped += 1;
                }
            }
        }
    }

    /// Walks over the entries from those that fire soonest, asks about at most `limit`, and goes on at the next call
    /// where it stopped; `more` is false when it has come round. For evicting: `look` gets the last moment of the
    /// slot too. A session whose deadline is after that moment was touched and does not end soonest: `Later` moves it to
    /// its true slot. `Gone` takes it out, and `Later` within the slot leaves it there. What is armed behind the walk
    /// is met in the next round. Sessions that never end are not here.
    pub fn soonest(&mut self, limit: usize, mut look: impl FnMut(u64, u8, u64) -> Verdict) -> Work {
        let from = self.soonest_from;
        let (from, work) =
            self.walk(from, limit, |at, entry| match look(entry.short(), entry.arming(), at.end_ms()) {
                Verdict::Later(deadline) if at.covers(deadline.bits()) => Step::Stay,
                Verdict::Later(deadline) if deadline != Deadline::NEVER => Step::Move(deadline.bits()),
                _ => Step::Drop,
            });
        self.soonest_from = from;
        work
    }

    /// Whether stale entries have become so many that each arming and ending should purge a few.
    pub const fn needs_purge(&self, live: usize) -> bool {
        // Half of the way to twice: the rest is for what piles up until the walk has come round to it.
        self.len > live.saturating_add(live / 2).saturating_add(SPARE)
    }

    /// Drops the entries among the next `budget` that `keep` does not want, and goes on at the next call where it
    /// stopped; `more` is false when it has come round. Any two rounds meet every entry that was there before them.
    pub fn purge(&mut self, budget: usize, mut keep: impl FnMut(u64, u8) -> bool) -> Work {
        let from = self.purge_from;
        let (from, work) = self.walk(from, budget, |_, entry| {
            if keep(entry.short(), entry.arming()) { Step::Stay } else { Step::Drop }
        });
        self.purge_from = from;
        work
    }

    #[cfg(test)]
    /// How many entries there are, stale ones included.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// How many entries are in slots that have begun, by the latest moment given to [`due`](Self::due): what its
    /// budgets have left undone.
    pub fn backlog(&self) -> usize {
        self.levels.elapsed(self.hand_ms, self.clock_ms)
    }

    #[cfg(test)]
    /// The moment at which there will be something to do: the start of the first occupied slot.
    pub fn next_ms(&self) -> Option<u64> {
        self.levels.soonest(self.hand_ms).map(|at| at.start_ms)
    }

    /// Forgets all entries, and the time.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Bytes of memory.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.levels.memory_bytes()
    }

    fn put(&mut self, entry: Packed, when_ms: u64) {
        self.levels.push(Levels::at(self.hand_ms, when_ms), entry);
    }

    /// Goes over the slots in the order in which they fire, beginning with `from`; gives where it stopped.
    fn walk(&mut self, mut from: At, limit: usize, mut step: impl FnMut(At, Packed) -> Step) -> (At, Work) {
        let mut work = Work::default();
        while let Some(at) = self.levels.next(self.hand_ms, from) {
            from = at;
            while let Some(entry) = self.levels.change(at, |slot| slot.ahead.last()) {
                if work.checked >= limit {
                    work.more = true;
                    return (from, work);
                }
                let step = step(at, entry);
                work.checked += 1;
                self.take_step(at, entry, step, &mut work);
            }
            self.levels.change(at, Slot::turn);
            from = At { level: at.level + 1, ..at };
        }
        (FIRST, work)
    }

    fn take_step(&mut self, at: At, entry: Packed, step: Step, work: &mut Work) {
        self.levels.change(at, |slot| {
            slot.ahead.pop();
            if matches!(step, Step::Stay) {
                slot.behind.push(entry);
            }
        });
        match step {
            Step::Stay => {}
            Step::Move(when_ms) => self.put(entry, when_ms),
            Step::Drop => {
                self.len -= 1;
                work.dropped += 1;
            }
        }
    }
}

/// What a walk does with an entry.
enum Step {
    Stay,
    Move(u64),
    Drop,
}
