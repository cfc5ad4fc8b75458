//! The oracle: what may be found after a crash, from what was issued and what was acknowledged.
//!
//! The log is durable in order, so a store that recovers is as it was after some operation of its history: not before
//! the last one that was acknowledged with the durability that the crash respects, and not after the last one that
//! was issued. Only deadlines may differ: a touch is logged when the log would fall behind by the slack, so a deadline
//! may be found earlier by less than that, and never later than any that was issued.

use std::collections::BTreeMap;
use std::rc::Rc;

use sessile::{Error, Session, Store};

use super::machine::HOUR;

/// A session as its user knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Grows with every write to it, so that two versions of a session can be told apart.
    pub version: u64,
    pub data: Rc<Vec<u8>>,
    pub created_ms: u64,
    pub idle_ms: u64,
    pub deadline_ms: u64,
    pub absolute_ms: u64,
    pub subject: Option<String>,
}

impl Known {
    pub fn slack_ms(&self) -> u64 {
        (self.idle_ms / 10).clamp(1, 60_000)
    }
}

/// All sessions by id; those whose deadline has passed are still in it.
pub type State = BTreeMap<String, Known>;

/// The history of a store.
#[derive(Clone)]
pub struct Oracle {
    pub states: Vec<State>,
    /// What each state was made by.
    pub story: Vec<String>,
    /// The last state that was acknowledged as synced, and as written.
    pub synced: usize,
    pub written: usize,
    /// Every id and subject that ever was.
    pub ids: Vec<String>,
    pub subjects: Vec<String>,
}

impl Oracle {
    pub fn new(ids: Vec<String>, subjects: Vec<String>) -> Self {
        Self { states: vec![State::new()], story: vec!["begin".into()], synced: 0, written: 0, ids, subjects }
    }

    pub fn last(&self) -> &State {
        self.states.last().unwrap()
    }

    /// An operation was issued that leads to this state.
    pub fn issued(&mut self, what: String, state: State) {
        self.states.push(state);
        self.story.push(what);
    }

    pub fn acknowledged(&mut self, synced: bool) {
        self.written = self.states.len() - 1;
        if synced {
            self.synced = self.written;
        }
    }

    /// History begins anew with what was found.
    pub fn begin_again(&mut self, found: State) {
        self.states = vec![found];
        self.story = vec!["recovered".into()];
        (self.synced, self.written) = (0, 0);
    }

    /// The latest deadline that was ever issued to this version of the session.
    fn latest_ms(&self, id: &str, version: u64) -> u64 {
        let known = self.states.iter().filter_map(|state| state.get(id));
        known.filter(|known| known.version == version).map(|known| known.deadline_ms).max().unwrap_or(0)
    }

    /// Checks what a store shows against the history, and returns it as a state.
    pub fn check(&self, store: &Store, now_ms: u64, power_loss: bool) -> State {
        let found = look(store, &self.ids, &self.subjects);
        let oldest = if power_loss { self.synced } else { self.written };
        let mut why = Vec::new();
        for position in (oldest..self.states.len()).rev() {
            match self.fits(position, &found, now_ms) {
                Ok(state) => return state,
                Err(reason) => {
                    why.push(format!("  not after {position} ({}): {reason}", self.story[position]))
                }
            }
        }
        let from = oldest.saturating_sub(12);
        panic!(
            "acknowledged ⊆ recovered ⊆ issued does not hold at {now_ms} (acknowledged up to {oldest}):\n{}\nhistory from {from}: {:#?}",
            why.join("\n"),
            &self.story[from..],
        );
    }

    fn fits(&self, position: usize, found: &BTreeMap<String, Session>, now_ms: u64) -> Result<State, String> {
        let mut state = State::new();
        for (id, known) in &self.states[position] {
            let latest_ms = self.latest_ms(id, known.version);
            match found.get(id) {
                None if known.deadline_ms.saturating_sub(known.slack_ms()) > now_ms => {
                    return Err(format!("{id} is lost"));
                }
                None => {}
                Some(_) if latest_ms <= now_ms => return Err(format!("{id} has expired and is there")),
                Some(session) => {
                    let as_found = compare(id, session, known, latest_ms)?;
                    state.insert(id.clone(), as_found);
                }
            }
        }
        match found.keys().find(|id| !self.states[position].contains_key(*id)) {
            Some(id) => Err(format!("{id} is there")),
            None => Ok(state),
        }
    }
}

fn compare(id: &str, session: &Session, known: &Known, latest_ms: u64) -> Result<Known, String> {
    let deadline_ms = session.deadline().as_ms();
    if session.data() != known.data.as_slice() {
        let shown = |data: &[u8]| String::from_utf8_lossy(&data[..data.len().min(24)]).into_owned();
        return Err(format!("{id} holds {} and not {}", shown(session.data()), shown(&known.data)));
    }
    if session.created_ms() != known.created_ms {
        return Err(format!("{id} was created at {} and not {}", session.created_ms(), known.created_ms));
    }
    if session.absolute_deadline().as_ms() != known.absolute_ms {
        return Err(format!("{id} has the absolute deadline {:?}", session.absolute_deadline()));
    }
    if deadline_ms > latest_ms {
        return Err(format!("{id} lives until {deadline_ms}, later than the {latest_ms} that was issued"));
    }
    if deadline_ms < known.deadline_ms && deadline_ms + known.slack_ms() <= known.deadline_ms {
        return Err(format!("{id} lives until {deadline_ms} and not {}", known.deadline_ms));
    }
    Ok(Known { deadline_ms, ..known.clone() })
}

/// Everything that a store shows of these ids and subjects; its ways of showing it must agree.
pub fn look(store: &Store, ids: &[String], subjects: &[String]) -> BTreeMap<String, Session> {
    let mut listed: Vec<Session> = store.iter().unwrap().collect::<Result<_, Error>>().unwrap();
    listed.sort_by_key(Session::handle);
    let mut found = BTreeMap::new();
    for id in ids {
        let session = store.get(id).unwrap();
        let in_place = store.get_ref(id).unwrap();
        assert_eq!(session.is_some(), in_place.is_some());
        if let (Some(session), Some(in_place)) = (session, in_place) {
            assert_eq!(session.data(), in_place.data(), "get and get_ref of {id}");
            assert_eq!(session.version(), in_place.version());
            let by_handle = store.get_handle(&store.handle_of(id).unwrap()).unwrap();
            assert_eq!(by_handle.as_ref(), Some(&session), "get and get_handle of {id}");
            found.insert(id.clone(), session);
        }
    }
    let mut by_id: Vec<Session> = found.values().cloned().collect();
    by_id.sort_by_key(Session::handle);
    assert_eq!(listed.len(), by_id.len(), "iter shows as many as get");
    assert!(listed == by_id, "iter shows what get does");
    for subject in subjects {
        let digest = store.subject_digest(subject).unwrap();
        let mut of: Vec<Session> = store.sessions_of(subject).unwrap().collect::<Result<_, Error>>().unwrap();
        of.sort_by_key(Session::handle);
        let expected: Vec<_> = listed.iter().filter(|s| s.subject() == Some(digest)).cloned().collect();
        assert!(of == expected, "sessions_of({subject}): {} and not {}", of.len(), expected.len());
    }
    for session in found.values() {
        let subject = session.subject();
        let known = subjects.iter().any(|name| Some(store.subject_digest(name).unwrap()) == subject);
        assert!(subject.is_none() || known, "a subject that nobody set");
    }
    found
}

/// Sound, and counted right once maintenance has met what expired.
pub fn sound(store: &Store, shown: usize) {
    let verified = store.verify().unwrap();
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
    assert_eq!(verified.sessions, shown as u64, "verify counts what iter shows");
    assert!(store.len() >= shown as u64);
    store.confirm_clock().unwrap();
    while store.maintain(HOUR).unwrap().more {}
    assert_eq!(store.len(), shown as u64, "len is exact after maintain");
    let verified = store.verify().unwrap();
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
}
