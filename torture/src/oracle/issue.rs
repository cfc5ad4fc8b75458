//! Operations as the oracle hears of them when they are issued; what comes back of them is heard in `answer`.
//!
//! Owns: what an operation makes of each state that an id may be in. Where several operations on an id are under way at
//! once, only tag, data and bounds of what they leave are certain.

use super::expect::Lives;
use super::judge::Now;
use super::{Known, Level, Op, Oracle, Pending, State};
use crate::script::{Act, Say, Whose};

/// The idle lifetime that the store gives where a write says none.
pub const IDLE_MS: u64 = 3_600_000;
/// Behind this no deadline is told from `NEVER` with certainty.
const FAR_MS: u64 = 1 << 43;

/// What a write expects of the session before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is none.
    Create,
    /// There is one.
    Update,
    /// Whatever there is.
    Set,
    /// There is one, but not of this version.
    Stale,
}

/// An operation that was issued, and the tag of what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Which operation.
    pub op: usize,
    /// The tag of its version.
    pub tag: u64,
    /// Whether others were under way on the same id.
    pub busy: bool,
    /// Whether nothing else was under way at all.
    pub alone: bool,
}

impl Oracle {
    pub(crate) fn open_op(&mut self, what: Option<Act>) -> usize {
        let issued = self.next_moment();
        let level = Level::Perhaps;
        self.ops.push(Op { what, issued, returned: None, level, refused: false, peek: false });
        self.ops.len() - 1
    }

    /// Other operations on this id may be under way: then nothing of what they leave is certain but its bounds, and they may
    /// leave what no state before them made possible; here, and where a rotation takes what it finds here.
    fn overlap(&mut self, op: usize, id: usize, mine: Option<&Known>) -> bool {
        let reached = self.reached(op, id);
        for Pending { op, id, might_leave } in self.pending_of_those_at(&reached, op) {
            // All effects of an operation or none, also those on ids that nobody else is at.
            if let Some(known) = might_leave
                && !self.ids[id].states.iter().any(|state| state.op == op)
            {
                self.ids[id].states.push(State { op, known });
            }
        }
        let early_ms = mine.map_or(u64::MAX, |mine| mine.early_ms.min(mine.absolute_ms));
        for id in reached {
            let busy: Vec<Pending> = self.others_at(op, id).copied().collect();
            for state in &mut self.ids[id].states {
                if let Some(known) = &mut state.known
                    && let Some(pending) = busy.iter().find(|pending| pending.op == state.op)
                {
                    let least = pending.might_leave.flatten().map_or(u64::MAX, |known| known.early_ms);
                    *known = Known { early_ms: known.early_ms.min(early_ms).min(least), ..loose(*known) };
                }
            }
        }
        self.others_at(op, id).next().is_some()
    }

    /// Operations but this one that are under way on an id.
    fn others_at(&self, op: usize, id: usize) -> impl Iterator<Item = &Pending> {
        self.pending.iter().filter(move |pending| pending.id == id && pending.op != op)
    }

    /// Everything that operations but this one, which are under way on these ids, may leave anywhere.
    fn pending_of_those_at(&self, ids: &[usize], op: usize) -> Vec<Pending> {
        let there = |of: usize| ids.iter().any(|id| self.others_at(op, *id).any(|other| other.op == of));
        self.pending.iter().filter(|pending| there(pending.op)).copied().collect()
    }

    /// This id, and those to which operations but this one that are under way may carry what it leaves here.
    fn reached(&self, op: usize, id: usize) -> Vec<usize> {
        let mut reached = vec![id];
        let mut next = 0;
        while let Some(id) = reached.get(next).copied() {
            next += 1;
            for of in self.others_at(op, id) {
                let carried = |to: &&Pending| to.op == of.op && matches!(to.might_leave, Some(Some(_)));
                for to in self.pending.iter().filter(carried) {
                    if !reached.contains(&to.id) {
                        reached.push(to.id);
                    }
                }
            }
        }
        reached
    }

    fn leave(&mut self, op: usize, id: usize, known: Option<Known>) {
        let states = &mut self.ids[id].states;
        if !states.iter().any(|state| state.op == op && state.known == known) {
            states.push(State { op, known });
        }
        self.touched(op, id, None);
    }

    /// The id is busy until the operation returns, whatever it leaves; and what ends many sessions may end this one too.
    fn touched(&mut self, op: usize, id: usize, might_leave: Option<Option<Known>>) {
        let sweeps = self.sweeps.clone();
        for sweep in sweeps.into_iter().filter(|sweep| *sweep != op) {
            self.pend(Pending { op: sweep, id, might_leave: None });
            let states = &mut self.ids[id].states;
            if !states.iter().any(|state| state.op == sweep && state.known.is_none()) {
                let kept: Vec<State> = states.iter().filter(|state| state.op != op).copied().collect();
                states.push(State { op: sweep, known: None });
                // What was there before need not be concerned.
                states.extend(kept.iter().map(|state| State { op: sweep, known: state.known }));
            }
        }
        self.pend(Pending { op, id, might_leave });
    }

    fn pend(&mut self, pending: Pending) {
        let known = self.pending.iter_mut().find(|known| known.op == pending.op && known.id == pending.id);
        match known {
            Some(known) => known.might_leave = known.might_leave.or(pending.might_leave),
            None => self.pending.push(pending),
        }
    }

    fn tag(&mut self) -> u64 {
        self.tags += 1;
        self.tags
    }

    /// A version that a write makes of what was before.
    fn version(&self, tag: u64, say: Option<&Say>, before: Option<&Known>, now: Now) -> Known {
        let now_ms = now.shown_ms();
        let asked = say.and_then(|say| say.idle_ms);
        let idle_ms = asked.or(before.map(|before| before.idle_ms)).unwrap_or(IDLE_MS);
        let fresh = match now_ms.saturating_add(idle_ms) {
            deadline if deadline >= FAR_MS => u64::MAX,
            deadline => deadline,
        };
        let absolute = say.and_then(|say| say.absolute_ms).map_or(u64::MAX, |ms| now_ms.saturating_add(ms));
        let absolute_ms = absolute.min(before.map_or(u64::MAX, |before| before.absolute_ms));
        let kept = before.filter(|_| !say.is_some_and(|say| say.shorten));
        let deadline_ms = fresh.max(kept.map_or(0, |kept| kept.deadline_ms)).min(absolute_ms);
        // For ever is remembered as a long time, which an earlier clock makes a moment.
        let least = if fresh == u64::MAX && asked.is_none() { FAR_MS } else { fresh };
        let early_ms = least.max(kept.map_or(0, |kept| kept.early_ms)).min(absolute_ms);
        let subject = match say.map_or(Whose::Keep, |say| say.subject) {
            Whose::Keep => before.and_then(|before| before.subject),
            Whose::Nobody => None,
            Whose::Of(subject) => Some(subject),
        };
        let known = Known {
            serial: tag,
            tag,
            bytes: say.map_or(8, |say| say.bytes.max(8)),
            created_ms: before.map_or(now_ms, |before| before.created_ms),
            idle_ms,
            deadline_ms,
            early_ms,
            absolute_ms,
            subject,
            version: 0,
            loose: false,
        };
        if before.is_some_and(|before| before.loose) {
            // What it keeps of the version before is not certain.
            return loose(Known {
                early_ms: known.early_ms.min(before.map_or(0, |before| before.early_ms)),
                ..known
            });
        }
        known
    }

    /// A write is issued.
    pub fn put(&mut self, act: Act, id: usize, kind: Kind, say: &Say, now: Now) -> Call {
        let alone = self.is_calm();
        let (op, tag) = (self.open_op(Some(act)), self.tag());
        let loosest = self.loosest(id, tag, say, now);
        let busy = self.overlap(op, id, Some(&loosest));
        let mut left = Vec::new();
        for before in self.current(id) {
            let lives = before.map(|before| Lives::of(&before, now));
            let fresh = lives.is_none_or(|lives| lives.over);
            let alive = lives.is_some_and(|lives| lives.alive);
            if fresh && matches!(kind, Kind::Create | Kind::Set) {
                left.push(self.version(tag, Some(say), None, now));
            }
            if alive && matches!(kind, Kind::Update | Kind::Set) {
                left.push(self.version(tag, Some(say), before.as_ref(), now));
            }
        }
        if busy && kind != Kind::Stale {
            left = vec![loosest];
        }
        left.into_iter().for_each(|known| self.leave(op, id, Some(known)));
        self.touched(op, id, (kind != Kind::Stale).then_some(Some(loosest)));
        Call { op, tag, busy, alone }
    }

    /// A version of which only tag, data and bounds are certain, whatever was there before.
    fn loosest(&self, id: usize, tag: u64, say: &Say, now: Now) -> Known {
        let known = loose(self.version(tag, Some(say), None, now));
        let templates = self.pending.iter().filter(|pending| pending.id == id);
        let templates = templates.filter_map(|pending| pending.might_leave.flatten());
        let before = self.ids[id].states.iter().filter_map(|state| state.known).chain(templates);
        let early = before.map(|before| self.version(tag, Some(say), Some(&before), now).early_ms);
        Known { early_ms: early.min().unwrap_or(u64::MAX).min(known.early_ms), ..known }
    }

    /// A touch is issued.
    pub fn touch(&mut self, act: Act, id: usize, idle_ms: u64, now: Now) -> Call {
        let alone = self.is_calm();
        let op = self.open_op(Some(act));
        let busy = self.overlap(op, id, None);
        for before in self.current(id).into_iter().flatten() {
            if !Lives::of(&before, now).alive {
                continue;
            }
            let to = |kept: u64| now.shown_ms().saturating_add(idle_ms).min(before.absolute_ms).max(kept);
            let mut known =
                Known { deadline_ms: to(before.deadline_ms), early_ms: to(before.early_ms), ..before };
            if busy || before.loose {
                known = Known { early_ms: before.early_ms, ..loose(known) };
            }
            self.leave(op, id, Some(known));
        }
        self.touched(op, id, None);
        Call { op, tag: 0, busy, alone }
    }

    /// The ending of one session is issued.
    pub fn end(&mut self, act: Act, id: usize, now: Now) -> Call {
        let alone = self.is_calm();
        let op = self.open_op(Some(act));
        let busy = self.overlap(op, id, None);
        if busy || self.current(id).iter().flatten().any(|known| !is_over(known, now)) {
            self.leave(op, id, None);
        }
        self.touched(op, id, Some(None));
        Call { op, tag: 0, busy, alone }
    }

    /// A rotation is issued.
    pub fn rotate(&mut self, act: Act, from: usize, to: usize, say: Option<&Say>, now: Now) -> Call {
        let alone = self.is_calm();
        let (op, tag) = (self.open_op(Some(act)), self.tag());
        let loosest = say.map(|say| self.loosest(from, tag, say, now));
        let busy = self.overlap(op, from, None) | self.overlap(op, to, loosest.as_ref());
        let free = self.current(to).iter().any(|known| known.is_none_or(|k| Lives::of(&k, now).over));
        if free || busy {
            for before in self.current(from).into_iter().flatten() {
                if !Lives::of(&before, now).alive {
                    continue;
                }
                let mut known = self.version(tag, say, Some(&before), now);
                if say.is_none() {
                    // The data stay, and the tag in them.
                    (known.tag, known.bytes) = (before.tag, before.bytes);
                }
                if busy {
                    known = loosest.unwrap_or(loose(known));
                }
                self.leave(op, from, None);
                self.leave(op, to, Some(known));
            }
        }
        self.touched(op, from, loosest.map(|_| None));
        self.touched(op, to, loosest.map(Some));
        Call { op, tag, busy, alone }
    }

    /// The ending of a subject's sessions is issued.
    pub fn revoke(&mut self, act: Act, subject: u8, keep: Option<usize>, now: Now) -> Call {
        let alone = self.is_calm();
        let op = self.open_op(Some(act));
        for id in (0..self.ids.len()).filter(|id| Some(*id) != keep) {
            let busy = self.overlap(op, id, None);
            let current = self.current(id);
            let ends =
                |known: &Known| (known.subject == Some(subject) || known.loose) && !is_over(known, now);
            if !busy && !current.iter().flatten().any(ends) {
                continue;
            }
            self.leave(op, id, None);
            for known in current.into_iter().flatten() {
                // What is over is not ended, and may only be hidden if the clock goes back.
                if known.loose || known.subject != Some(subject) || Lives::of(&known, now).over {
                    self.leave(op, id, Some(known));
                }
            }
        }
        self.sweeps.push(op);
        Call { op, tag: 0, busy: false, alone }
    }

    /// The ending of all sessions is issued.
    pub fn clear(&mut self, act: Act) -> Call {
        let alone = self.is_calm();
        let op = self.open_op(Some(act));
        for id in 0..self.ids.len() {
            if self.overlap(op, id, None) || self.current(id) != [None] {
                self.leave(op, id, None);
            }
        }
        self.sweeps.push(op);
        Call { op, tag: 0, busy: false, alone }
    }

    /// Something that has no effect on a session is issued: what it makes durable counts.
    pub fn other(&mut self, act: Act) -> Call {
        let alone = self.is_calm();
        let op = self.open_op(Some(act));
        self.pend(Pending { op, id: usize::MAX, might_leave: None });
        Call { op, tag: 0, busy: false, alone }
    }

    /// An ending took effect in memory; the log may hear of it later, or never.
    pub fn ended_in_memory(&mut self, act: Act, id: usize) {
        let op = self.open_op(Some(act));
        self.ids[id].states.push(State { op, known: None });
        let moment = self.next_moment();
        self.ops[op].returned = Some(moment);
        self.ops[op].level = Level::Memory;
    }

    /// Sessions without a subject may be evicted by what comes now: an operation for each that may be.
    pub fn may_evict(&mut self, act: Act) -> Vec<(Call, usize)> {
        let mut calls = Vec::new();
        self.evicting = true;
        for id in 0..self.ids.len() {
            if self.current(id).iter().flatten().any(|known| known.subject.is_none() || known.loose) {
                let op = self.open_op(Some(act));
                self.ids[id].states.push(State { op, known: None });
                calls.push((Call { op, tag: 0, busy: false, alone: true }, id));
            }
        }
        calls
    }
}

/// A version of which only tag, data and the earliest deadline are certain.
fn loose(known: Known) -> Known {
    Known { loose: true, deadline_ms: u64::MAX, ..known }
}

/// Whether a version is certainly over.
fn is_over(known: &Known, now: Now) -> bool {
    known.deadline_ms <= now.settled_ms
}

#[cfg(test)]
mod tests {
    use super::super::payload;

    #[test]
    fn data_begin_with_their_tag() {
        assert_eq!(payload(7, 3), 7u64.to_le_bytes());
        assert_eq!(payload(7, 30).len(), 30);
    }
}
