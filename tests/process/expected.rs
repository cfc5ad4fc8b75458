//! What the supervisor knows of a store, from what the child said: which states may be found after it has died.
//!
//! A thread does one call after the other, so of its own sessions everything is known but whether the call that was in
//! flight took effect, and that as a whole. The death of a process spares what was `Written`, so every acknowledged call
//! counts, whatever it waited for. Only a touch may be behind, by less than the slack.

use std::collections::{BTreeMap, VecDeque};

use super::child::is_brief;
use super::contended::Contended;
use super::protocol::{Line, Op, Outcome, Put};

const HOUR_MS: u64 = 3_600_000;

/// A session as its thread knows it; its deadline lies between two moments.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    data: String,
    subject: String,
    idle_ms: u64,
    earliest_ms: u64,
    latest_ms: u64,
}

/// For each id what it may be in the log: one thing, as long as no call has failed in a way that leaves it open.
type Possible = BTreeMap<String, Vec<Option<Known>>>;

/// From when to when a call ran.
type Span = (u64, u64);

#[derive(Default)]
struct Thread {
    state: Possible,
    /// The call in flight, or the one in which the store latched: it has happened or not.
    open: Option<(Op, u64)>,
    latched: bool,
    /// Whether the call at hand is a touch, which may move a deadline in memory only.
    touching: bool,
}

/// What has been seen.
#[derive(Debug, Default)]
pub struct Counts {
    pub acknowledged: u64,
    pub looks: u64,
    pub sessions: u64,
    pub happened: u64,
    pub not_happened: u64,
    pub compacted: u64,
    pub full: u64,
    pub undurable: u64,
    pub latched: u64,
    /// Endings that were acknowledged.
    pub endings: u64,
    pub failed: u64,
}

pub struct Expected {
    threads: Vec<Thread>,
    contended: Contended,
    found: BTreeMap<String, (String, u64)>,
    pub counts: Counts,
    /// Whether a call may fail with an error of the file system.
    pub errors_allowed: bool,
    /// The last lines, for when something is wrong.
    story: VecDeque<String>,
}

impl Expected {
    /// An empty store, to be used by so many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            threads: (0..threads).map(|_| Thread::default()).collect(),
            contended: Contended::default(),
            found: BTreeMap::new(),
            counts: Counts::default(),
            errors_allowed: false,
            story: VecDeque::new(),
        }
    }

    /// Hears what a child says; fails the test when it contradicts what is known.
    pub fn hear(&mut self, line: &Line) {
        self.story.push_back(line.to_string());
        if self.story.len() > 400 {
            self.story.pop_front();
        }
        let heard = match line {
            Line::Opening => {
                self.found.clear();
                Ok(())
            }
            Line::Found { id, data, deadline_ms } => {
                self.found.insert(id.clone(), (data.clone(), *deadline_ms));
                Ok(())
            }
            Line::Looked { from_ms, to_ms } => self.check((*from_ms, *to_ms)),
            Line::Try { thread, at_ms, op } => {
                self.threads[*thread].touching = matches!(op, Op::Touch(..));
                if Contended::concerns(op) {
                    self.contended.tries(*thread, op);
                } else if !self.threads[*thread].latched {
                    self.threads[*thread].open = Some((op.clone(), *at_ms));
                }
                Ok(())
            }
            Line::Did { thread, at_ms, outcome } => self.did(*thread, *at_ms, outcome),
            Line::Compacted(count) => {
                self.counts.compacted += count;
                Ok(())
            }
            Line::Violation(what) => Err(what.clone()),
            _ => Ok(()),
        };
        if let Err(wrong) = heard {
            self.fail(&wrong);
        }
    }

    pub fn fail(&self, wrong: &str) -> ! {
        let story: Vec<_> = self.story.iter().map(String::as_str).collect();
        panic!("{wrong}\nwhat was heard last:\n{}", story.join("\n"));
    }

    fn did(&mut self, thread: usize, at_ms: u64, outcome: &Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Full => self.counts.full += 1,
            Outcome::Undurable => self.counts.undurable += 1,
            Outcome::Latched => self.counts.latched += 1,
            Outcome::Failed(why) if !self.errors_allowed => return Err(why.clone()),
            Outcome::Failed(_) => self.counts.failed += 1,
            _ => self.counts.acknowledged += 1,
        }
        if self.contended.did(thread, outcome) {
            self.counts.endings += u64::from(matches!(outcome, Outcome::Count(1..)));
            return Ok(());
        }
        let me = &mut self.threads[thread];
        if me.latched {
            return match outcome {
                Outcome::Done if !me.touching => Err("a latched store has taken a write".to_owned()),
                _ => Ok(()),
            };
        }
        let Some((op, from_ms)) = me.open.take() else { return Err("an outcome of nothing".to_owned()) };
        let span = (from_ms, at_ms);
        match outcome {
            Outcome::Latched => {
                me.latched = true;
                me.open = Some((op, from_ms));
                return Ok(());
            }
            // Memory has moved all the same, and a later record may tell.
            Outcome::Full | Outcome::Failed(_) if matches!(op, Op::Touch(..)) => {
                for (id, extended) in effect(&me.state, &op, span) {
                    let now = me.state.get_mut(&id).unwrap();
                    for (was, extended) in now.iter_mut().flatten().zip(extended.into_iter().flatten()) {
                        was.latest_ms = extended.latest_ms;
                    }
                }
                return Ok(());
            }
            Outcome::Full | Outcome::Failed(_) => return Ok(()),
            Outcome::Undurable => {
                for (id, after) in effect(&me.state, &op, span) {
                    if after.contains(&None) {
                        me.state.entry(id).or_insert_with(|| vec![None]).push(None);
                    }
                }
                return Ok(());
            }
            _ => {}
        }
        agrees(&me.state, &op, outcome)?;
        self.counts.endings += u64::from(matches!(outcome, Outcome::Count(1..)));
        if matches!(outcome, Outcome::Done | Outcome::Count(_)) {
            for (id, after) in effect(&me.state, &op, span) {
                me.state.insert(id, after);
            }
        }
        Ok(())
    }

    fn check(&mut self, looked: Span) -> Result<(), String> {
        let mut found = std::mem::take(&mut self.found);
        self.counts.looks += 1;
        self.counts.sessions += found.len() as u64;
        let shared = found.extract_if(.., |id, _| super::child::is_shared(id));
        self.contended.check(shared.map(|(id, (data, _))| (id, data)).collect())?;
        for (number, thread) in self.threads.iter_mut().enumerate() {
            let own = |id: &String| id.trim_start_matches('b').split('/').next() == Some(&number.to_string());
            let mine: BTreeMap<_, _> = found.extract_if(.., |id, _| own(id)).collect();
            let before = fits(&thread.state, &mine, looked);
            let open = thread.open.take();
            thread.latched = false;
            let after = open.map(|(op, from_ms)| {
                let mut state = thread.state.clone();
                state.extend(effect(&thread.state, &op, (from_ms, looked.1)));
                (fits(&state, &mine, looked), op)
            });
            thread.state = match (before, after) {
                (Ok(state), None) => state,
                (Ok(state), Some((after, _))) => {
                    self.counts.not_happened += u64::from(after.is_err());
                    state
                }
                (Err(_), Some((Ok(state), _))) => {
                    self.counts.happened += 1;
                    state
                }
                (Err(wrong), None) => return Err(format!("thread {number}: {wrong}")),
                (Err(wrong), Some((Err(also), op))) => {
                    return Err(format!("thread {number}: {wrong}; and if `{op}` has happened: {also}"));
                }
            };
        }
        match found.keys().next() {
            Some(id) => Err(format!("{id} belongs to nobody")),
            None => Ok(()),
        }
    }
}

fn possible<'s>(state: &'s Possible, id: &str) -> &'s [Option<Known>] {
    state.get(id).map_or(&[None], Vec::as_slice)
}

/// What becomes of each id that a call concerns, if it takes effect.
fn effect(state: &Possible, op: &Op, (from_ms, to_ms): Span) -> Vec<(String, Vec<Option<Known>>)> {
    let fresh = |id: &str, put: &Put| Known {
        data: put.short(id),
        subject: put.subject.clone(),
        idle_ms: put.idle_ms,
        earliest_ms: from_ms + put.idle_ms,
        latest_ms: to_ms + put.idle_ms,
    };
    // A write never shortens unless it is asked to.
    let anew = |id: &str, put: &Put, old: &Known| {
        let new = fresh(id, put);
        let (earliest_ms, latest_ms) =
            (new.earliest_ms.max(old.earliest_ms), new.latest_ms.max(old.latest_ms));
        Known { earliest_ms, latest_ms, ..new }
    };
    let live = |id: &str| possible(state, id).iter().flatten().cloned().collect::<Vec<_>>();
    match op {
        Op::Create(id, put) => vec![(id.clone(), vec![Some(fresh(id, put))])],
        Op::Update(id, put) => {
            vec![(id.clone(), live(id).iter().map(|old| Some(anew(id, put, old))).collect())]
        }
        Op::Set(id, put) => {
            let written = possible(state, id).iter().map(|old| match old {
                Some(old) => Some(anew(id, put, old)),
                None => Some(fresh(id, put)),
            });
            vec![(id.clone(), written.collect())]
        }
        Op::Touch(id, idle_ms) => {
            let touched = live(id).into_iter().map(|old| {
                let earliest_ms = old.earliest_ms.max(from_ms + idle_ms);
                Some(Known { earliest_ms, latest_ms: old.latest_ms.max(to_ms + idle_ms), ..old })
            });
            vec![(id.clone(), touched.collect())]
        }
        Op::Rotate(old_id, new_id, put) => {
            let moved = live(old_id).into_iter().map(|old| match put {
                Some(put) => Some(anew(new_id, put, &old)),
                // Its own idle lifetime begins anew, and no session here has a longer one.
                None => Some(Known { latest_ms: old.latest_ms.max(to_ms + 5 * HOUR_MS), ..old }),
            });
            match moved.collect::<Vec<_>>() {
                none if none.is_empty() => Vec::new(),
                moved => vec![(old_id.clone(), vec![None]), (new_id.clone(), moved)],
            }
        }
        Op::Destroy(id) => vec![(id.clone(), vec![None])],
        Op::DestroySubject(subject) => {
            let of = |known: &&Option<Known>| known.as_ref().is_some_and(|known| known.subject == *subject);
            let ends = state.iter().filter(|(_, known)| known.iter().any(|known| of(&known)));
            ends.map(|(id, known)| {
                let rest = known.iter().filter(|known| !of(known)).cloned();
                (id.clone(), rest.chain([None]).collect())
            })
            .collect()
        }
        Op::Get(_) => Vec::new(),
    }
    .into_iter()
    .filter(|(_, known): &(String, Vec<_>)| !known.is_empty())
    .collect()
}

/// Whether the store has answered as it must.
fn agrees(state: &Possible, op: &Op, outcome: &Outcome) -> Result<(), String> {
    let live = |id: &String| possible(state, id).iter().any(Option::is_some);
    let absent = |id: &String| possible(state, id).contains(&None);
    let right = match (op, outcome) {
        (Op::Create(id, _), Outcome::Done) => absent(id),
        (Op::Create(id, _), Outcome::Duplicate) => live(id),
        (Op::Update(id, _) | Op::Touch(id, _), Outcome::Done) => live(id),
        (Op::Update(id, _) | Op::Touch(id, _), Outcome::Unknown) => absent(id),
        (Op::Set(..), Outcome::Done) => true,
        (Op::Rotate(old, new, _), Outcome::Done) => live(old) && absent(new),
        (Op::Rotate(old, _, _), Outcome::Unknown) => absent(old),
        (Op::Rotate(_, new, _), Outcome::Duplicate) => live(new),
        (Op::Destroy(id), Outcome::Count(0)) => absent(id),
        (Op::Destroy(id), Outcome::Count(1)) => live(id),
        (Op::DestroySubject(subject), Outcome::Count(count)) => {
            let of = |known: &Option<Known>| {
                known.as_ref().is_some_and(|k| k.subject == *subject && k.idle_ms >= HOUR_MS)
            };
            let at_least = state.values().filter(|known| known.iter().all(of)).count() as u64;
            let maybe = |known: &Option<Known>| known.as_ref().is_some_and(|k| k.subject == *subject);
            let at_most = state.values().filter(|known| known.iter().any(maybe)).count() as u64;
            if !(at_least..=at_most).contains(count) {
                let of: Vec<_> = state.iter().filter(|(_, known)| known.iter().any(maybe)).collect();
                return Err(format!("`{op}` gave `{outcome}` and not {at_least} to {at_most}: {of:#?}"));
            }
            true
        }
        (Op::Get(id), Outcome::Nothing) => absent(id),
        (Op::Get(id), Outcome::Data(data)) => {
            possible(state, id).iter().flatten().any(|known| known.data == *data)
        }
        _ => false,
    };
    right.then_some(()).ok_or_else(|| format!("`{op}` gave `{outcome}`"))
}

/// What is known from now on, if what was found is possible.
fn fits(state: &Possible, found: &BTreeMap<String, (String, u64)>, looked: Span) -> Result<Possible, String> {
    let mut now = Possible::new();
    for (id, known) in state {
        match found.get(id) {
            None => {
                let may_be_gone = |known: &Option<Known>| {
                    known.as_ref().is_none_or(|k| k.earliest_ms.saturating_sub(slack_ms(k)) <= looked.1)
                };
                if !known.iter().any(may_be_gone) {
                    return Err(format!("{id} is lost: {known:?}"));
                }
                // What ran out while nobody was there is hidden, and not ended before the clock is confirmed: a revocation
                // still counts it.
                if is_brief(id) && known.iter().any(Option::is_some) {
                    now.insert(id.clone(), known.iter().flatten().cloned().map(Some).chain([None]).collect());
                }
            }
            Some((data, deadline_ms)) => {
                let is = |k: &&Known| {
                    k.data == *data
                        && (k.earliest_ms.saturating_sub(slack_ms(k))..=k.latest_ms).contains(deadline_ms)
                        && *deadline_ms > looked.0
                };
                let Some(known) = known.iter().flatten().find(is) else {
                    return Err(format!("{id} is {data} until {deadline_ms}, and known as {known:?}"));
                };
                let as_found = Known { earliest_ms: *deadline_ms, latest_ms: *deadline_ms, ..known.clone() };
                now.insert(id.clone(), vec![Some(as_found)]);
            }
        }
    }
    match found.keys().find(|id| !state.contains_key(*id)) {
        Some(id) => {
            Err(format!("{id} is there{}", if is_brief(id) { ", and was for a moment only" } else { "" }))
        }
        None => Ok(now),
    }
}

/// How much of a touch the death of a process may take back.
fn slack_ms(known: &Known) -> u64 {
    60_000.min(known.idle_ms / 10) + 1
}
