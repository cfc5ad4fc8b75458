//! What a recovered store may show.
//!
//! Owns: the judgement of what was found against the history, and the history that begins with it.

use super::{History, Known, Level, Oracle, Seen, State};

/// The time by which a store judges, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall_ms: u64,
    /// The settled clock, at least.
    pub settled_ms: u64,
    /// The settled clock, at most.
    pub settled_latest_ms: u64,
}

impl Now {
    /// By this, sessions are shown or not.
    #[must_use]
    pub fn shown_ms(self) -> u64 {
        self.wall_ms.max(self.settled_ms)
    }

    /// The latest time by which a session may be hidden.
    #[must_use]
    pub fn latest_ms(self) -> u64 {
        self.wall_ms.max(self.settled_latest_ms)
    }

    /// Whether something may be hidden that has not ended.
    #[must_use]
    pub fn is_doubtful(self) -> bool {
        self.wall_ms > self.settled_ms
    }
}

/// What a store shows of one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A session, or none.
    Shown(Option<Seen>),
    /// Its record is damaged, and the store says so.
    Damaged,
}

/// Which operations must be found, and why.
struct Must {
    needed: Level,
    /// Operations that returned before this moment.
    before: u64,
    witnessed: Vec<bool>,
}

impl Must {
    fn holds(&self, oracle: &Oracle, op: usize) -> bool {
        let it = &oracle.ops[op];
        let seen = || it.returned.is_some_and(|returned| returned < self.before);
        !it.refused
            && !it.peek
            && (it.level >= self.needed || self.witnessed[op] || it.level >= Level::Written && seen())
    }

    fn witness(&mut self, oracle: &Oracle, op: usize) -> bool {
        let new = !std::mem::replace(&mut self.witnessed[op], true);
        self.before = self.before.max(oracle.ops[op].issued);
        new
    }
}

impl History {
    pub(crate) fn serials(&self) -> Vec<u64> {
        let mut serials: Vec<u64> = self.states.iter().filter_map(|s| s.known).map(|k| k.serial).collect();
        serials.dedup();
        serials.sort_unstable();
        serials.dedup();
        serials
    }
}

impl Oracle {
    fn counts(&self, state: &State) -> bool {
        !self.ops[state.op].refused && !self.ops[state.op].peek
    }

    fn first(&self, id: usize, serial: u64) -> Option<usize> {
        let of =
            |state: &&State| self.counts(state) && state.known.is_some_and(|known| known.serial == serial);
        self.ids[id].states.iter().filter(of).map(|state| state.op).min()
    }

    /// Whether something that must be found came after this operation's effect and left something else.
    fn is_superseded(&self, id: usize, op: usize, serial: Option<u64>, must: &Must) -> bool {
        let states = &self.ids[id].states;
        states.iter().any(|state| {
            self.counts(state)
                && self.is_after(state.op, op)
                && must.holds(self, state.op)
                && !states
                    .iter()
                    .any(|other| other.op == state.op && other.known.map(|known| known.serial) == serial)
        })
    }

    /// The latest deadline that was ever issued to a version, and the earliest that must be kept to.
    fn bounds(&self, id: usize, serial: u64, must: &Must) -> (u64, u64) {
        let of = self.ids[id].states.iter().filter(|state| self.counts(state));
        let of: Vec<(usize, Known)> =
            of.filter_map(|s| s.known.map(|k| (s.op, k))).filter(|(_, k)| k.serial == serial).collect();
        let latest = of.iter().map(|(_, known)| known.deadline_ms).max().unwrap_or(0);
        let first = of.first().map_or(0, |(op, _)| *op);
        let mut early = u64::MAX;
        for (_, known) in of.iter().filter(|(op, _)| *op == first) {
            early = early.min(known.early_ms.saturating_sub(known.slack_ms(self.setup.slack_ms) - 1));
        }
        for (op, known) in of.iter().filter(|(op, _)| *op != first && must.holds(self, *op)) {
            let by_op = |state: &&State| state.op == *op && self.counts(state);
            let alone = self.ids[id].states.iter().filter(by_op).count() == 1;
            let kept = known.early_ms.saturating_sub(known.slack_ms(self.setup.slack_ms) - 1);
            if alone && !known.loose {
                early = early.max(kept);
            }
        }
        (latest, early)
    }

    /// Judges what was found after a crash that respects this level, and begins a new history with it.
    ///
    /// # Errors
    /// What does not fit.
    pub fn judge(&mut self, found: &[Found], needed: Level, now: Now) -> Result<(), String> {
        let must = self.fits(found, needed, now)?;
        let mut next = Vec::with_capacity(found.len());
        for (id, found) in found.iter().enumerate() {
            next.push(self.collapsed(id, *found, &must, now));
        }
        self.ids = next;
        self.begin();
        Ok(())
    }

    /// Judges what was found, and leaves the history as it is.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, found: &[Found], needed: Level, now: Now) -> Result<(), String> {
        self.fits(found, needed, now).map(|_| ())
    }

    fn fits(&self, found: &[Found], needed: Level, now: Now) -> Result<Must, String> {
        let before = if needed == Level::Synced { self.synced_before } else { 0 };
        let mut must = Must { needed, before, witnessed: vec![false; self.ops.len()] };
        // Each witness may make others certain.
        loop {
            let mut changed = false;
            for (id, found) in found.iter().enumerate() {
                let witness = match found {
                    Found::Shown(Some(seen)) => self.explain_shown(id, seen, &must, now)?,
                    Found::Shown(None) => self.explain_absent(id, &must, now)?,
                    Found::Damaged => None,
                };
                if let Some(op) = witness {
                    changed |= must.witness(self, op);
                }
            }
            if !changed {
                return Ok(must);
            }
        }
    }

    /// The operation that alone can have left what is shown.
    fn explain_shown(&self, id: usize, seen: &Seen, must: &Must, now: Now) -> Result<Option<usize>, String> {
        let over_ms = now.wall_ms.max(self.floor_ms);
        let mut why = Vec::new();
        let mut by = Vec::new();
        for serial in self.ids[id].serials() {
            match self.explains(id, serial, seen, must, over_ms) {
                Ok(op) => by.push(op),
                Err(reason) => why.extend(reason),
            }
        }
        match by.as_slice() {
            [] if why.is_empty() => Err(format!("id {id} shows {seen:?}, which is none of its versions")),
            [] => Err(format!("id {id} shows {seen:?}: {}", why.join("; "))),
            [op] => Ok(Some(*op)),
            _ => Ok(None),
        }
    }

    fn explains(
        &self,
        id: usize,
        serial: u64,
        seen: &Seen,
        must: &Must,
        over_ms: u64,
    ) -> Result<usize, Option<String>> {
        let Some(first) = self.first(id, serial) else { return Err(None) };
        let (latest, early) = self.bounds(id, serial, must);
        let mut differs = None;
        let of =
            |state: &&State| self.counts(state) && state.known.is_some_and(|known| known.serial == serial);
        for known in self.ids[id].states.iter().filter(of).filter_map(|state| state.known) {
            differs = Known { deadline_ms: latest, ..known }.differs(seen, early);
            if differs.is_none() {
                break;
            }
        }
        if let Some(reason) = differs {
            return Err(Some(reason));
        }
        if latest <= over_ms {
            return Err(Some(format!("it was over at {latest}, and it is {over_ms}")));
        }
        if self.is_superseded(id, first, Some(serial), must) {
            return Err(Some("something that must be found came after it".to_owned()));
        }
        Ok(first)
    }

    /// The operation that alone can have left nothing.
    fn explain_absent(&self, id: usize, must: &Must, now: Now) -> Result<Option<usize>, String> {
        let mut by: Vec<usize> = Vec::new();
        for state in self.ids[id].states.iter().filter(|state| self.counts(state)) {
            if state.known.is_none() && !self.is_superseded(id, state.op, None, must) {
                if state.op == 0 {
                    return Ok(None);
                }
                by.push(state.op);
            }
        }
        for serial in self.ids[id].serials() {
            let Some(first) = self.first(id, serial) else { continue };
            let (_, early) = self.bounds(id, serial, must);
            if early <= now.latest_ms() && !self.is_superseded(id, first, Some(serial), must) {
                return Ok(None);
            }
        }
        match by.as_slice() {
            [] => Err(format!("id {id} is lost")),
            [op] => Ok(Some(*op)),
            _ => Ok(None),
        }
    }

    /// What the next opening begins with.
    fn collapsed(&self, id: usize, found: Found, must: &Must, now: Now) -> History {
        match found {
            Found::Shown(Some(seen)) => self.begun_with(id, &seen, must, now),
            Found::Shown(None) => self.begun_empty(id, must, now),
            Found::Damaged => self.ids[id].clone(),
        }
    }

    fn begun_with(&self, id: usize, seen: &Seen, must: &Must, now: Now) -> History {
        let over_ms = now.wall_ms.max(self.floor_ms);
        let serials = self.ids[id].serials();
        let serial =
            serials.into_iter().find(|serial| self.explains(id, *serial, seen, must, over_ms).is_ok());
        let of = |known: &Known| Some(known.serial) == serial && known.tag == seen.tag;
        let known = self.ids[id].states.iter().filter_map(|s| s.known).find(of);
        let state = |known: Known| State { op: 0, known: Some(known.as_seen(seen)) };
        let mut older = self.older(id, must, serial);
        older.retain(|_, older| older.loose || older.created_ms == seen.created_ms);
        History { states: known.map(state).into_iter().collect(), older }
    }

    /// Nothing is shown: it has ended, or it is over, or only hidden by a clock.
    fn begun_empty(&self, id: usize, must: &Must, now: Now) -> History {
        let counted = || self.ids[id].states.iter().filter(|state| self.counts(state));
        let mut gone = counted().any(|s| s.known.is_none() && !self.is_superseded(id, s.op, None, must));
        let mut states = Vec::new();
        for serial in self.ids[id].serials() {
            let Some(first) = self.first(id, serial) else { continue };
            let (latest, early) = self.bounds(id, serial, must);
            if early > now.latest_ms() || self.is_superseded(id, first, Some(serial), must) {
                continue;
            }
            gone |= early <= now.settled_ms.max(self.floor_ms);
            if latest > self.floor_ms {
                let mut of = counted().filter_map(|s| s.known).filter(|known| known.serial == serial);
                if let Some(known) = of.next() {
                    let alike = |other: &Known| {
                        other.subject == known.subject && other.created_ms == known.created_ms
                    };
                    let loose = known.loose || of.any(|other| other.loose || !alike(&other));
                    let known = Known { deadline_ms: latest, early_ms: early.min(latest), loose, ..known };
                    states.push(State { op: 0, known: Some(known) });
                }
            }
        }
        if gone || states.is_empty() {
            states.push(State { op: 0, known: None });
        }
        // Running out is no record: where damage takes the version that ran out, an older one may show.
        History { states, older: self.older(id, must, None) }
    }

    /// Older versions of what may be alive, which no certain ending has come after.
    fn older(&self, id: usize, must: &Must, but: Option<u64>) -> std::collections::BTreeMap<u64, Known> {
        let mut older = self.ids[id].older.clone();
        let ended = |since: usize| {
            let states = &self.ids[id].states;
            states.iter().any(|s| {
                self.counts(s)
                    && s.known.is_none()
                    && must.holds(self, s.op)
                    && self.is_after(s.op, since)
                    && !states.iter().any(|other| other.op == s.op && other.known.is_some())
            })
        };
        if ended(0) {
            older.clear();
        }
        for serial in self.ids[id].serials().into_iter().filter(|serial| Some(*serial) != but) {
            if let Some(first) = self.first(id, serial)
                && !ended(first)
            {
                let (latest, _) = self.bounds(id, serial, must);
                let states = self.ids[id].states.iter().filter_map(|s| s.known);
                let mut of = states.filter(|known| known.serial == serial);
                if let Some(known) = of.next() {
                    // Where an eviction before it was doubtful, it may have begun anew or carried on.
                    let loose = known.loose || of.any(|other| !known.is_alike(&other));
                    older.insert(serial, Known { deadline_ms: latest, early_ms: 0, loose, ..known });
                }
            }
        }
        self.narrow(id, must, &mut older);
        older
    }

    /// A version that ends sooner, or belongs to somebody else, has ended those before it in the same life.
    fn narrow(&self, id: usize, must: &Must, older: &mut std::collections::BTreeMap<u64, Known>) {
        let states = &self.ids[id].states;
        for state in states.iter().filter(|state| state.op != 0 && self.counts(state)) {
            let alone = states.iter().filter(|other| other.op == state.op).count() == 1;
            let Some(later) = state.known.filter(|known| alone && !known.loose && must.holds(self, state.op))
            else {
                continue;
            };
            older.retain(|serial, known| {
                let before = self.first(id, *serial).is_none_or(|first| self.is_after(state.op, first));
                // Of which life a loose one is, nobody knows.
                let same_life = !known.loose && known.created_ms == later.created_ms;
                if before && *serial != later.serial && same_life {
                    known.deadline_ms = known.deadline_ms.min(later.deadline_ms);
                    return known.subject == later.subject;
                }
                true
            });
        }
    }

    /// What may be shown where damage may have taken what came later: versions that no certain ending came after.
    pub(crate) fn undead(&self, id: usize, needed: Level) -> std::collections::BTreeMap<u64, Known> {
        let before = if needed == Level::Synced { self.synced_before } else { 0 };
        let must = Must { needed, before, witnessed: vec![false; self.ops.len()] };
        self.older(id, &must, None)
    }
}
