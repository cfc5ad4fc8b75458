//! The model of the rules about records, run against the engine's own parts: `model.py` of the design, ported.
//!
//! A history is random operations on three ids and two subjects. Its segments hold real frames; what they mean is
//! asked of [`merge_all`] and `judge`, and what a rewrite keeps of them is asked of `fate`. After every step memory must
//! equal the scan. Break one rule, and a history comes up in which a session returns, or dies early.

mod histories;
mod rewrite;

use std::collections::BTreeMap;

use super::merge::merge_all;
use super::run::Run;
use super::scan::scan;
use super::verdict::{Alive, Sweeping, Verdict};
use crate::id::Digest;
use crate::log::frame;
use crate::log::hint::{Hint, Hinted, Hints};
use crate::log::record::{Ends, Record, Version, What};
use crate::session::Deadline;

/// A rule that a history may break, to see that the oracle notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// An ended record leaves nothing behind.
    NoStub,
    /// A stub goes when its own deadline has passed, not the largest since birth.
    DeadlineNotCeiling,
    /// The newest record of a revoked session leaves no stub: only the revocation stays.
    RevocationForgets,
    /// A touch extends whatever record of its id is there.
    TouchAnyBase,
    /// The newest touch sets the deadline, also to an earlier one.
    TouchLastWins,
    /// A moved record gets a new LSN.
    FreshLsn,
    /// A rotate goes when the session that it made has moved on.
    RotateOneEffect,
    /// A revocation is judged against any record of an id, not against the newest.
    RevocationOfAnyRecord,
    /// A moved record forgets what touches have made of its deadline.
    TouchNotFolded,
}

/// Time is cut into steps as wide as this when touches are coalesced.
const SLACK_MS: u64 = 900;
/// Where the frames of a segment begin.
const START: u64 = 64;

/// The generator of everything random in a history (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A segment of real frames, with the hints that the frames gave when they were read back.
struct Segment {
    number: u32,
    salt: u64,
    bytes: Vec<u8>,
    hints: Hints,
}

impl Segment {
    fn new(number: u32, salt: u64) -> Self {
        Self { number, salt, bytes: Vec::new(), hints: Hints::default() }
    }

    /// Appends a record and says where it stands.
    fn add(&mut self, record: &Record<'_>) -> u64 {
        let at = self.bytes.len();
        let offset = START + at as u64;
        record.encode(&mut self.bytes, self.salt, offset);
        let (salt, hints) = (self.salt, &mut self.hints);
        let holes = scan(&self.bytes[at..], offset, salt, true, |offset, frame| {
            hints.note(&Record::decode(&frame).expect("it was just encoded"), offset, frame.span());
        });
        assert!(holes.is_empty());
        offset
    }

    /// The record at an offset, as its frame has it: with its lifetimes rounded.
    fn at(&self, offset: u64) -> Record<'_> {
        let bytes = &self.bytes[(offset - START) as usize..];
        Record::decode(&frame::decode(bytes, self.salt, offset).expect("a frame")).expect("a record")
    }

    /// All records with their offsets.
    fn records(&self) -> Vec<(u64, Record<'_>)> {
        let mut records = Vec::new();
        let holes = scan(&self.bytes, START, self.salt, false, |offset, frame| {
            records.push((offset, Record::decode(&frame).expect("a record")));
        });
        assert!(holes.is_empty());
        records
    }
}

/// What memory knows of a session: its entry in the index, and the record that it points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mine {
    lsn: u64,
    birth: u64,
    recorded: Deadline,
    ceiling: Deadline,
    subject: Option<Digest>,
    deadline: Deadline,
    place: (u32, u64),
}

/// One random history.
struct History {
    dice: Dice,
    broken: Option<Break>,
    coalescing: bool,
    segments: Vec<Segment>,
    memory: BTreeMap<Digest, Mine>,
    lsn: u64,
    now_ms: u64,
    numbers: u32,
    story: Vec<String>,
    /// Some session came back, rather than dying early.
    revived: bool,
}

const IDS: [Digest; 3] = [Digest([1; 16]), Digest([2; 16]), Digest([3; 16])];
const SUBJECTS: [Digest; 2] = [Digest([11; 16]), Digest([12; 16])];

impl History {
    fn new(seed: u64, broken: Option<Break>, coalescing: bool) -> Self {
        let mut history = Self {
            dice: Dice(seed),
            broken,
            coalescing,
            segments: Vec::new(),
            memory: BTreeMap::new(),
            lsn: 0,
            now_ms: 1,
            numbers: 0,
            story: Vec::new(),
            revived: false,
        };
        history.seal();
        history
    }

    fn seal(&mut self) {
        self.numbers += 1;
        let salt = self.dice.next();
        self.segments.push(Segment::new(self.numbers, salt));
    }

    fn live(&self, id: Digest) -> Option<Mine> {
        self.memory.get(&id).copied().filter(|mine| !mine.deadline.has_passed(self.now_ms))
    }

    fn append(&mut self, what: What<'_>) -> u64 {
        let record = Record { lsn: self.lsn, what };
        let tail = self.segments.last_mut().expect("there is always a tail");
        tail.add(&record)
    }

    /// Appends a version and makes it the session's, from what the frame says when it is read back.
    fn put(&mut self, version: Version<'_>) {
        let offset = self.append(What::Put(version));
        self.note(self.segments.last().expect("a tail").number, offset, None);
    }

    /// Makes the version at this place the session's, with this deadline or its own.
    fn note(&mut self, number: u32, offset: u64, deadline: Option<Deadline>) {
        let segment = self.segments.iter().find(|segment| segment.number == number).expect("it is there");
        let Record { lsn, what: What::Put(version) } = segment.at(offset) else { panic!("a version") };
        let mine = Mine {
            lsn,
            birth: version.birth,
            recorded: version.deadline,
            ceiling: version.ceiling.max(version.deadline),
            subject: version.subject,
            deadline: deadline.unwrap_or(version.deadline),
            place: (number, offset),
        };
        self.memory.insert(version.digest, mine);
    }

    /// What a full scan of the segments finds alive.
    fn scan(&self) -> BTreeMap<Digest, Alive> {
        let mut runs: Vec<_> = self.segments.iter().map(|s| (s.number, s.hints.clone())).collect();
        let mut sweeping = Sweeping::default();
        runs.iter().flat_map(|(_, hints)| &hints.sweeping).for_each(|ending| sweeping.add(ending));
        self.break_runs(&mut runs);
        let runs: Vec<_> = runs.into_iter().map(|(number, hints)| Run::of(number, hints).unwrap()).collect();
        let mut alive = BTreeMap::new();
        merge_all(&runs, &sweeping, self.now_ms, |verdict| match verdict {
            Verdict::Alive(one) => assert!(alive.insert(one.digest, one).is_none()),
            Verdict::Dead => {}
            Verdict::PerhapsEnded => panic!("nothing is damaged here"),
        });
        alive
    }

    /// Changes what the engine's verdict is given, as if it had not the rule that is broken.
    fn break_runs(&self, runs: &mut [(u32, Hints)]) {
        let all: Vec<Hint> = runs.iter().flat_map(|(_, hints)| hints.hints.iter().copied()).collect();
        match self.broken {
            Some(Break::TouchAnyBase) => {
                for hint in runs.iter_mut().flat_map(|(_, hints)| &mut hints.hints) {
                    let Hinted::Touch { base } = &mut hint.what else { continue };
                    let versions = all
                        .iter()
                        .filter(|o| o.digest == hint.digest && matches!(o.what, Hinted::Put { .. }));
                    *base = versions.map(|other| other.lsn).max().unwrap_or(*base);
                }
            }
            Some(Break::TouchLastWins) => {
                let last_of = |lsn: u64| {
                    let touches = all.iter().filter(|o| o.what == Hinted::Touch { base: lsn });
                    touches.max_by_key(|touch| touch.lsn).map(|touch| touch.deadline)
                };
                for hint in runs.iter_mut().flat_map(|(_, hints)| &mut hints.hints) {
                    let last = match hint.what {
                        Hinted::Put { .. } => last_of(hint.lsn),
                        Hinted::Touch { base } => last_of(base),
                        _ => None,
                    };
                    hint.deadline = last.unwrap_or(hint.deadline);
                }
            }
            Some(Break::RevocationOfAnyRecord) => {
                let ended = |hint: &Hint, sweep: &Hints| {
                    sweep.sweeping.iter().any(|ending| {
                        let Hinted::Put { subject: Some(subject), .. } = hint.what else { return false };
                        matches!(ending.what, crate::log::mark::Ended::Subject { subject: whose, keep }
                            if whose == subject && keep != Some(hint.digest) && ending.lsn > hint.lsn)
                    })
                };
                let sweeps: Vec<Hints> = runs.iter().map(|(_, hints)| hints.clone()).collect();
                for (_, hints) in runs {
                    hints.hints.retain(|hint| !sweeps.iter().any(|sweep| ended(hint, sweep)));
                }
            }
            _ => {}
        }
    }

    /// Compares memory with the scan.
    fn agree(&mut self) -> bool {
        let found = self.scan();
        let mut agree = true;
        for id in IDS {
            let (scanned, mine) = (found.get(&id), self.live(id));
            self.revived |= scanned.is_some() && mine.is_none();
            agree &= match (scanned, mine) {
                (None, None) => true,
                (Some(scanned), Some(mine)) => {
                    let exact = scanned.deadline == mine.deadline;
                    let step = |deadline: Deadline| deadline.as_ms() / SLACK_MS;
                    let near =
                        scanned.deadline <= mine.deadline && step(scanned.deadline) == step(mine.deadline);
                    scanned.lsn == mine.lsn
                        && scanned.subject == mine.subject
                        && (exact || self.coalescing && near)
                }
                // The log may be behind a touch by less than the slack, and never the other way.
                (None, Some(mine)) => self.coalescing && mine.deadline.as_ms() - self.now_ms < SLACK_MS,
                (Some(_), None) => false,
            };
        }
        if !agree {
            self.story.push(format!("the scan finds {found:?}, memory has {:?}", self.memory));
        }
        agree
    }

    /// What the engine's opening does: memory is what the scan finds, and no more.
    fn reopen(&mut self) {
        self.memory.clear();
        for (_, alive) in self.scan() {
            self.note(alive.segment, u64::from(alive.place) * 8, Some(alive.deadline));
        }
    }
}
