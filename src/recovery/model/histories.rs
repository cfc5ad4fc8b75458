//! The operations of a history, and the tests: none goes wrong as the rules are, one each when a rule is broken.

use super::*;

/// Lifetimes and waits that no rounding leaves as they are.
const LIVES_MS: [u64; 5] = [1_003, 3_017, 10_041, 60_127, 3_600_011];
const WAITS_MS: [u64; 4] = [701, 1_009, 4_001, 15_013];
const STEPS: usize = 60;

#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    Update,
    Touch,
    Destroy,
    Rotate,
    Revoke,
    Clear,
    Seal,
    Wait,
    Rewrite,
    Retire,
    Reopen,
}

/// Each as often as its number says.
const STEPS_OF_USERS: [(Step, usize); 7] = [
    (Step::Create, 18),
    (Step::Update, 16),
    (Step::Touch, 14),
    (Step::Destroy, 8),
    (Step::Rotate, 5),
    (Step::Revoke, 6),
    (Step::Clear, 1),
];
const STEPS_OF_STORE: [(Step, usize); 5] =
    [(Step::Seal, 10), (Step::Wait, 10), (Step::Rewrite, 16), (Step::Retire, 3), (Step::Reopen, 3)];

fn draw(dice: &mut Dice, of: &[(Step, usize)]) -> Step {
    let mut left = dice.below(of.iter().map(|(_, weight)| weight).sum());
    for (step, weight) in of {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return *step,
        }
    }
    panic!("the weights were summed")
}

impl History {
    fn version<'a>(digest: Digest, deadline: Deadline, subject: Option<Digest>) -> Version<'a> {
        Version {
            digest,
            deadline,
            created_ms: 1,
            idle_ms: 1,
            birth: 0,
            absolute: Deadline::NEVER,
            ceiling: deadline,
            subject,
            ends: None,
            id: None,
            payload: b"payload",
            sealed_to: None,
        }
    }

    /// One step of a user, drawn.
    pub(super) fn operate(&mut self) {
        let step = draw(&mut self.dice, &STEPS_OF_USERS);
        self.user(step);
    }

    fn user(&mut self, step: Step) {
        self.lsn += 2;
        let (lsn, id) = (self.lsn, self.dice.pick(&IDS));
        let subject = Some(self.dice.pick(&SUBJECTS)).filter(|_| self.dice.below(4) > 0);
        let life_ms = self.dice.pick(&LIVES_MS);
        let forever = self.dice.below(40) == 0;
        let deadline = if forever { Deadline::NEVER } else { Deadline::at_ms(self.now_ms + life_ms) };
        let before = self.live(id);
        let ceiling_of = |mine: Mine| match self.broken {
            Some(Break::DeadlineNotCeiling) => mine.deadline,
            _ => mine.ceiling.max(mine.deadline),
        };
        self.story.push(format!("{lsn} t={} {step:?} {id:?} {subject:?} until {deadline:?}", self.now_ms));
        match (step, before) {
            (Step::Create, None) => {
                self.put(Version { birth: lsn, ..Self::version(id, deadline, subject) });
            }
            (Step::Update, Some(mine)) => {
                let ceiling = deadline.max(ceiling_of(mine));
                self.put(Version { birth: mine.birth, ceiling, ..Self::version(id, deadline, subject) });
            }
            (Step::Touch, Some(mine)) => self.touch(id, mine, deadline),
            (Step::Destroy, Some(mine)) => {
                let (birth, ceiling) = (mine.birth, ceiling_of(mine));
                self.append(What::Stub { digest: id, birth, ceiling, ends: None });
                self.memory.remove(&id);
            }
            (Step::Rotate, Some(mine)) => {
                let to = self.dice.pick(&IDS);
                if to != id && self.live(to).is_none() {
                    let ends = Some(Ends { digest: id, ceiling: ceiling_of(mine) });
                    self.put(Version { birth: lsn, ends, ..Self::version(to, deadline, subject) });
                    self.memory.remove(&id);
                }
            }
            (Step::Revoke, _) => {
                let keep = Some(self.dice.pick(&IDS)).filter(|_| self.dice.below(2) > 0);
                let whose = self.dice.pick(&SUBJECTS);
                let gone = |id: Digest, mine: Mine| mine.subject == Some(whose) && Some(id) != keep;
                self.sweep(gone, |ceiling| What::Revoke { subject: whose, keep, ceiling });
            }
            (Step::Clear, _) => self.sweep(|_, _| true, |ceiling| What::Clear { ceiling }),
            _ => {}
        }
    }

    fn touch(&mut self, id: Digest, mine: Mine, deadline: Deadline) {
        let last_wins = self.broken == Some(Break::TouchLastWins);
        let deadline = if last_wins { deadline } else { deadline.max(mine.deadline) };
        let step = |deadline: Deadline| deadline.bits() / SLACK_MS;
        let log =
            if self.coalescing { step(deadline) != step(mine.deadline) } else { deadline != mine.deadline };
        if log {
            self.append(What::Touch { digest: id, base: mine.lsn, deadline });
        }
        self.memory.insert(id, Mine { deadline, ..mine });
    }

    fn sweep(&mut self, gone: impl Fn(Digest, Mine) -> bool, what: impl Fn(Deadline) -> What<'static>) {
        let live = IDS.into_iter().filter_map(|id| Some((id, self.live(id)?)));
        let gone: Vec<_> = live.filter(|(id, mine)| gone(*id, *mine)).collect();
        let Some(ceiling) = gone.iter().map(|(_, mine)| mine.ceiling.max(mine.deadline)).max() else {
            return;
        };
        self.append(what(ceiling));
        self.memory.retain(|id, _| !gone.iter().any(|(other, _)| other == id));
    }

    fn step(&mut self) -> bool {
        let all = [&STEPS_OF_USERS[..], &STEPS_OF_STORE[..]].concat();
        let step = draw(&mut self.dice, &all);
        match step {
            Step::Seal => self.seal(),
            Step::Wait => self.now_ms += self.dice.pick(&WAITS_MS),
            Step::Reopen => self.reopen(),
            Step::Retire => self.retire(),
            Step::Rewrite => {
                self.story.push(format!("t={} rewrite", self.now_ms));
                if !self.rewrite() {
                    return false;
                }
            }
            of_users => self.user(of_users),
        }
        self.agree()
    }

    /// Runs to the end, or to where memory and the scan disagree.
    fn run(mut self) -> Result<Self, Self> {
        for _ in 0..STEPS {
            if !self.step() {
                return Err(self);
            }
        }
        for segment in &mut self.segments {
            segment.hints.sort();
            let end = START + segment.bytes.len() as u64;
            let footer = segment.hints.encode(segment.salt, end);
            assert_eq!(Hints::decode(&footer, segment.salt, end), Some(segment.hints.clone()));
        }
        if self.agree() { Ok(self) } else { Err(self) }
    }
}

fn never_wrong(seeds: std::ops::Range<u64>, coalescing: bool) {
    let mut sessions = 0;
    for seed in seeds {
        match History::new(seed, None, coalescing).run() {
            Ok(history) => sessions += history.memory.len(),
            Err(history) => panic!("history {seed} is wrong:\n{}", history.story.join("\n")),
        }
    }
    assert!(sessions > 1_000, "histories in which nothing lives prove nothing");
}

/// Looks for a history that goes wrong with this rule broken; where `revives`, one in which a session comes back.
fn noticed(broken: Break, revives: bool) {
    for seed in 0..20_000 {
        if let Err(history) = History::new(seed, Some(broken), false).run()
            && (history.revived || !revives)
        {
            return;
        }
    }
    panic!("20,000 histories without {broken:?}, and nobody noticed");
}

#[test]
fn as_the_rules_are_memory_always_equals_the_scan() {
    never_wrong(0..20_000, false);
}

#[test]
fn a_coalesced_touch_is_behind_by_less_than_the_slack_and_nothing_ended_is_back() {
    never_wrong(20_000..40_000, true);
}

#[test]
fn without_stubs_a_session_comes_back() {
    noticed(Break::NoStub, true);
}

#[test]
fn a_stub_that_goes_by_its_own_deadline_lets_a_session_back() {
    noticed(Break::DeadlineNotCeiling, true);
}

#[test]
fn a_revoked_session_without_a_stub_comes_back() {
    noticed(Break::RevocationForgets, true);
}

#[test]
fn a_touch_of_an_older_record_must_not_extend_the_newest() {
    noticed(Break::TouchAnyBase, false);
}

#[test]
fn a_touch_that_shortens_goes_wrong() {
    noticed(Break::TouchLastWins, false);
}

#[test]
fn a_moved_record_with_a_new_lsn_survives_its_ending() {
    noticed(Break::FreshLsn, true);
}

#[test]
fn a_rotate_that_goes_too_early_brings_the_old_id_back() {
    noticed(Break::RotateOneEffect, true);
}

#[test]
fn a_revocation_of_any_record_brings_back_the_anonymous_version() {
    noticed(Break::RevocationOfAnyRecord, true);
}

#[test]
fn a_move_that_forgets_the_touches_ends_sessions_early() {
    noticed(Break::TouchNotFolded, false);
}
