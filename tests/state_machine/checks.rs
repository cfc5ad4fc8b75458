//! Opening the store under test, and reading back everything that is in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sessile::vfs::SimVfs;
use sessile::{AtLimit, Durability, ManualClock, Options, ReadMode, Store};

use super::Machine;
use super::model::{Rules, State, slack_ms};
use super::steps::{self, IDS, id_name, subject_name};

impl Machine {
    /// The log may be behind a touch by less than the slack.
    pub fn forgive_slack(&mut self) {
        let time = self.time();
        let rules = &self.rules;
        for (id, session) in &mut self.model.sessions {
            let slack_ms = slack_ms(session, rules);
            match self.store.get(id_name(*id)).unwrap() {
                Some(read) => {
                    let lost_ms = session.deadline.as_ms().saturating_sub(read.deadline().as_ms());
                    assert!(
                        lost_ms < slack_ms,
                        "{lost_ms} ms of a touch are lost, the slack is {slack_ms} ms"
                    );
                    session.deadline = session.deadline.min(read.deadline());
                }
                None if session.deadline.has_passed(time.now_ms) => {
                    // Hidden or ended: nobody can see which, and the log may be behind. End it, to be sure.
                    let may_be_ms = session.deadline.as_ms().saturating_sub(slack_ms);
                    if may_be_ms <= time.settled_ms && !session.deadline.has_passed(time.settled_ms) {
                        self.store.destroy(id_name(*id)).unwrap();
                        session.deadline = sessile::Deadline::at_ms(0);
                    }
                }
                None => {
                    let left_ms = session.deadline.as_ms() - time.now_ms;
                    assert!(left_ms < slack_ms, "a session ended {left_ms} ms early");
                    session.deadline = sessile::Deadline::at_ms(time.now_ms);
                }
            }
        }
    }

    /// Reads everything there is, in every way there is.
    pub fn compare(&mut self) {
        let time = self.time();
        for id in 0..IDS {
            let read = self.store.get(id_name(id)).unwrap();
            let in_place = self.store.get_ref(id_name(id)).unwrap();
            assert_eq!(
                read.as_ref().map(|read| read.data()),
                in_place.as_ref().map(|in_place| in_place.data()),
                "a copy and the place"
            );
            let handle = self.store.handle_of(id_name(id)).unwrap();
            assert_eq!(read, self.store.get_handle(&handle).unwrap());
            if self.model.state(id, time) != State::Alive {
                assert!(read.is_none(), "{id} is back: {read:?}");
                continue;
            }
            let expected = &self.model.sessions[&id];
            let read = read.unwrap_or_else(|| panic!("{id} is gone: {expected:?}"));
            let subject = expected.subject.map(|s| self.store.subject_digest(subject_name(s)).unwrap());
            assert_eq!(read.data(), expected.data);
            assert_eq!(read.version(), expected.version);
            assert_eq!(read.created_ms(), expected.created_ms);
            assert_eq!(read.deadline(), expected.deadline);
            assert_eq!(read.absolute_deadline(), expected.absolute);
            assert_eq!(read.subject(), subject);
            assert_eq!(read.handle(), handle);
            let used_by_ms = time.now_ms.max(read.created_ms());
            assert!((read.created_ms()..=used_by_ms).contains(&read.last_used_ms()));
        }
        let handles = |ids: Vec<u8>| -> BTreeSet<_> {
            ids.into_iter().map(|id| self.store.handle_of(id_name(id)).unwrap()).collect()
        };
        let streamed = |stream: sessile::Sessions| {
            let all: Vec<_> = stream.map(|session| session.unwrap().handle()).collect();
            let unique: BTreeSet<_> = all.iter().copied().collect();
            assert_eq!(all.len(), unique.len(), "each exactly once");
            unique
        };
        assert_eq!(streamed(self.store.iter().unwrap()), handles(self.model.alive(None, time)));
        for subject in 0..2 {
            let stream = self.store.sessions_of(subject_name(subject)).unwrap();
            assert_eq!(streamed(stream), handles(self.model.alive(Some(subject), time)));
        }
        assert!(self.store.len() >= self.model.not_ended(time).len() as u64);
    }
}

/// Opens the store; `snapshot` says whether its close will leave one.
pub fn open(sim: &SimVfs, clock: &ManualClock, rules: &Rules, snapshot: bool) -> Store {
    let mut options = Options::new()
        .vfs(Arc::new(sim.clone()))
        .clock(Arc::new(clock.clone()))
        .manual_maintenance(true)
        .segment_bytes(64 << 10)
        .eager_compaction(true)
        .session_bytes_max(steps::DATA_MAX as u64)
        .erase_within(Duration::from_secs(60))
        .idle(rules.idle)
        .touch_slack(Duration::from_millis(rules.touch_slack_ms))
        .durability(if rules.synced { Durability::Synced } else { Durability::Written })
        .read_mode(if rules.mapped { ReadMode::Map } else { ReadMode::Plain })
        .at_limit(if rules.evict { AtLimit::EvictAnonymous } else { AtLimit::Reject });
    if !snapshot {
        options = options.close_budget(Duration::ZERO);
    }
    if let Some(lifetime) = rules.absolute {
        options = options.absolute(lifetime);
    }
    if let Some(lifetime) = rules.first_lifetime {
        options = options.first_lifetime(lifetime);
    }
    if let Some(max) = rules.sessions_max {
        options = options.sessions_max(max as u64);
    }
    options.open(Path::new("/store")).unwrap()
}
