//! Random lives of a store with a listener, and what he must have heard in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sessile::vfs::{CrashPolicy, Hazards, SimVfs};
use sessile::{Events, Handle, ManualClock, Options, SessionEvent, Store, Write};

#[path = "../common/dice.rs"]
mod dice;

use dice::Dice;

const HOUR: Duration = Duration::from_secs(3600);
const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// A session as the test knows it.
struct Known {
    handle: Handle,
    user: Option<&'static str>,
    deadline_ms: u64,
}

struct Life {
    dice: Dice,
    sim: SimVfs,
    clock: ManualClock,
    slack: Duration,
    made: u64,
    /// Sessions that nobody has ended but time, by id.
    known: BTreeMap<String, Known>,
    /// Ids that may be in use or not.
    unsure: BTreeSet<String>,
    /// Whose expiry must have been told when all is over.
    owed: BTreeMap<Handle, u64>,
    told: BTreeMap<Handle, u64>,
    /// Taken and perhaps not dealt with.
    in_hand: Option<SessionEvent>,
    crashes: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            slack: dice.pick(&[Duration::ZERO, Duration::from_secs(60)]),
            dice,
            sim: SimVfs::new(),
            clock: ManualClock::at_ms(1_800_000_000_000),
            made: 0,
            known: BTreeMap::new(),
            unsure: BTreeSet::new(),
            owed: BTreeMap::new(),
            told: BTreeMap::new(),
            in_hand: None,
            crashes: 0,
        }
    }

    fn options(&self) -> Options {
        Options::new()
            .vfs(Arc::new(self.sim.clone()))
            .clock(Arc::new(self.clock.clone()))
            .manual_maintenance(true)
            .eager_compaction(true)
            .segment_bytes(64 << 10)
            .touch_slack(self.slack)
    }

    fn now_ms(&self) -> u64 {
        sessile::Clock::wall_ms(&self.clock)
    }

    /// Opens and listens, after as many crashes as it takes.
    fn open(&mut self) -> (Store, Events) {
        loop {
            if self.dice.one_in(6) {
                self.sim.crash_after_call(1 + self.dice.below(40));
            }
            let opened = self.options().open("/store").and_then(|store| {
                store.confirm_clock()?;
                let events = store.events()?;
                Ok((store, events))
            });
            match opened {
                Ok(opened) if !self.sim.has_crashed() => return opened,
                _ => self.crash(),
            }
        }
    }

    fn crash(&mut self) {
        self.log("crash");
        let seed = self.dice.next();
        let all = Hazards {
            drops: true,
            torn_bytes: true,
            garbage: true,
            names: true,
            lengths: true,
            ..Hazards::NONE
        };
        let policy = match self.dice.below(3) {
            0 => CrashPolicy::KeepAll,
            1 => CrashPolicy::DropAll,
            _ => CrashPolicy::Chosen(seed, all),
        };
        self.sim = self.sim.crash(policy);
        self.in_hand = None;
        self.crashes += 1;
    }

    /// Whoever has run out by now is owed; the others are nobody's business any more.
    fn ended(&mut self, id: &str, by_hand: bool) {
        if let Some(known) = self.known.remove(id)
            && (!by_hand || known.deadline_ms <= self.now_ms())
        {
            self.log(("owed", id));
            *self.owed.entry(known.handle).or_default() += 1;
        }
    }

    fn hear(&mut self, events: &mut Events, most: u64) {
        for _ in 0..most {
            let event = events.try_next();
            self.log((
                "told",
                event.and_then(|event| event.handle()),
                event.map(|event| format!("{event:?}").chars().take(7).collect::<String>()),
            ));
            match std::mem::replace(&mut self.in_hand, event) {
                Some(SessionEvent::Expired { handle, .. }) => *self.told.entry(handle).or_default() += 1,
                // All that were owed by then were among those that it ended.
                Some(SessionEvent::Cleared) => {
                    for (handle, times) in &self.owed {
                        let told = self.told.entry(*handle).or_default();
                        *told = (*told).max(*times);
                    }
                }
                _ => {}
            }
            if self.in_hand.is_none() {
                return;
            }
        }
    }

    fn log(&self, what: impl std::fmt::Debug) {
        if std::env::var("EVENT_LOG").is_ok() {
            eprintln!("{} {what:?}", self.now_ms() - 1_800_000_000_000);
        }
    }

    /// One request. `Err` where the machine died in it: then nobody knows what it did.
    fn act(&mut self, store: &Store, events: &mut Events) -> sessile::Result<()> {
        let ids: Vec<_> = self.known.keys().cloned().collect();
        let id = if ids.is_empty() {
            String::new()
        } else {
            ids[self.dice.below(ids.len() as u64) as usize].clone()
        };
        let life = Duration::from_secs(self.dice.pick(&[1, 30, 600, 4_000]));
        let until = |life: &Self, time: Duration| life.now_ms() + time.as_millis() as u64;
        match self.dice.below(20) {
            0..6 => {
                self.made += 1;
                // Some ids are used again and again.
                let id = if self.dice.one_in(3) {
                    format!("again {}", self.made % 3)
                } else {
                    format!("{}", self.made)
                };
                let over = self.known.get(&id).is_some_and(|known| known.deadline_ms <= self.now_ms());
                if self.known.contains_key(&id) && !over || self.unsure.contains(&id) {
                    return Ok(());
                }
                self.ended(&id, false);
                // Until it is done: whether the machine that dies in it has done it nobody knows.
                self.unsure.insert(id.clone());
                let user = self.dice.pick(&[None, Some(USERS[0]), Some(USERS[1]), Some(USERS[2])]);
                let mut write = Write::new(vec![1; self.dice.below(6_000) as usize]).idle(life);
                if let Some(user) = user {
                    write = write.subject(user);
                }
                store.set(&id, write)?;
                self.unsure.remove(&id);
                let handle = store.handle_of(&id)?;
                self.log(("set", &id, life, handle));
                self.known.insert(id, Known { handle, user, deadline_ms: until(self, life) });
            }
            6..10 => match store.touch(&id, life) {
                Ok(touched) => {
                    self.log(("touch", &id, life, touched));
                    let deadline = until(self, life);
                    self.known
                        .entry(id)
                        .and_modify(|known| known.deadline_ms = known.deadline_ms.max(deadline));
                }
                Err(error) => return self.perhaps_longer(&id, error),
            },
            10..12 => match store.update(&id, Write::new("updated").idle(life)) {
                Ok(_) => {
                    let deadline = until(self, life);
                    self.known
                        .entry(id)
                        .and_modify(|known| known.deadline_ms = known.deadline_ms.max(deadline));
                }
                Err(error) => return self.perhaps_longer(&id, error),
            },
            12 if !id.is_empty() => {
                self.log(("destroy", &id));
                self.end_by_hand([id.clone()], || store.destroy(&id).map(drop))?;
            }
            13 if self.dice.one_in(3) => {
                let user = self.dice.pick(&USERS);
                let his: Vec<_> = ids.into_iter().filter(|id| self.known[id].user == Some(user)).collect();
                self.log(("revoke", user));
                self.end_by_hand(his, || store.destroy_subject(user, None).map(drop))?;
            }
            14 if self.dice.one_in(12) => {
                self.log("clear");
                self.end_by_hand(ids, || store.clear().map(drop))?;
            }
            15..18 => {
                self.clock.advance(Duration::from_millis(self.dice.pick(&[1, 900, 20_000, 700_000])));
                let done = store.maintain(HOUR)?;
                self.log(done);
            }
            _ => {
                let most = self.dice.below(12);
                self.hear(events, most);
            }
        }
        Ok(())
    }

    /// Somebody ends these. Whether what the machine died in has ended them nobody knows.
    fn end_by_hand(
        &mut self,
        ids: impl IntoIterator<Item = String>,
        end: impl FnOnce() -> sessile::Result<()>,
    ) -> sessile::Result<()> {
        let ids: Vec<_> = ids.into_iter().collect();
        ids.iter().for_each(|id| self.ended(id, true));
        end().inspect_err(|_| self.unsure.extend(ids))
    }

    /// What the machine died in may have been done: then nobody knows when the session runs out.
    fn perhaps_longer(&mut self, id: &str, error: sessile::Error) -> sessile::Result<()> {
        match error {
            sessile::Error::Unknown(_) | sessile::Error::Invalid(_) => Ok(()),
            error => {
                self.known.entry(id.to_owned()).and_modify(|known| known.deadline_ms = u64::MAX);
                Err(error)
            }
        }
    }

    fn live(mut self) -> (u64, usize) {
        let (mut store, mut events) = self.open();
        for _ in 0..8 {
            if !self.dice.one_in(3) {
                self.sim.crash_after_call(1 + self.dice.below(400));
            }
            for _ in 0..150 {
                if self.act(&store, &mut events).is_err() || self.sim.has_crashed() {
                    break;
                }
            }
            match self.dice.below(4) {
                0 if !self.sim.has_crashed() => {
                    // What he has in his hands is told again.
                    (self.in_hand, _) = (None, store.close());
                    drop((store, events));
                    if self.sim.has_crashed() {
                        self.crash();
                    }
                }
                _ => {
                    self.crash();
                    drop((store, events));
                }
            }
            self.clock.advance(Duration::from_secs(self.dice.pick(&[0, 1, 100, 10_000])));
            (store, events) = self.open();
        }
        self.sim.crash_after_call(u64::MAX);
        self.clock.advance(HOUR * 24);
        for _ in 0..3 {
            store.maintain(HOUR).unwrap();
            self.hear(&mut events, u64::MAX);
        }
        assert_eq!((store.stats().sessions, events.missed()), (0, 0));
        let ids: Vec<_> = self.known.keys().cloned().collect();
        ids.iter().for_each(|id| self.ended(id, false));
        let told = |handle: &Handle| self.told.get(handle).copied().unwrap_or(0);
        let untold: BTreeSet<_> = self.owed.iter().filter(|(handle, times)| told(handle) < **times).collect();
        assert!(untold.is_empty(), "{untold:?} of {}", self.owed.len());
        (self.crashes, self.owed.len())
    }
}

#[test]
fn whatever_happens_each_end_is_told() {
    let lives: u64 = std::env::var("EVENT_LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(150);
    let from: u64 = std::env::var("EVENT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let (mut crashes, mut owed) = (0, 0);
    for seed in from..from + lives {
        let lived = std::panic::catch_unwind(|| Life::new(seed).live());
        let (crashed, ended) = lived.unwrap_or_else(|_| panic!("EVENT_SEED={seed} EVENT_LIVES=1 shows it"));
        (crashes, owed) = (crashes + crashed, owed + ended);
    }
    assert!(crashes > 4 * lives && owed as u64 > 40 * lives, "{crashes} crashes, {owed} ends");
}
