//! Rewriting segments of a history in any order, with the engine's judgement of every record.

use std::collections::HashMap;

use super::{Break, History, Segment};
use crate::compaction::fate::{Fate, Mine, fate, moved, stub_of};
use crate::id::Digest;
use crate::log::record::{Record, What};
use crate::session::Deadline;

/// A version that was copied: whose, from where, to where in the output.
type Copied = (Digest, (u32, u64), u64);

impl History {
    /// Removes segments in which nothing lives and nothing can matter any more, unread.
    pub fn retire(&mut self) {
        let (now_ms, memory) = (self.now_ms, &self.memory);
        let tail = self.segments.last().map(|tail| tail.number);
        self.segments.retain(|segment| {
            let lives = memory.values().any(|mine| mine.place.0 == segment.number);
            let matters = segment.records().iter().any(|(_, record)| !record.ceiling().has_passed(now_ms));
            Some(segment.number) == tail || lives || matters
        });
    }

    /// Rewrites some segments. `false` when memory and the scan disagree half-way.
    pub fn rewrite(&mut self) -> bool {
        let sealed = self.segments.len() - 1;
        if sealed == 0 {
            return true;
        }
        let mut chosen: Vec<u32> = self.segments[..sealed].iter().map(|segment| segment.number).collect();
        while chosen.len() > 1 && self.dice.below(2) == 0 {
            chosen.swap_remove(self.dice.below(chosen.len()));
        }
        self.numbers += 1;
        let mut output = Segment::new(self.numbers, self.dice.next());
        let copied = self.fill(&chosen, &mut output);
        // Anywhere: the position of a segment means nothing.
        let (number, position) = (output.number, self.dice.below(sealed + 1));
        self.segments.insert(position, output);
        // Old and new copies stand side by side, and a user's write may come in between: it wins.
        if self.dice.below(3) == 0 {
            self.operate();
        }
        if !self.agree() {
            return false;
        }
        if self.dice.below(12) == 0 {
            // A crash: the inputs have not left the roster.
            self.story.push("crash between enter and leave".to_owned());
            self.reopen();
            return true;
        }
        for (digest, from, to) in copied {
            let mine = self.memory.get(&digest).filter(|mine| mine.place == from).map(|mine| mine.deadline);
            if let Some(deadline) = mine {
                self.note(number, to, Some(deadline));
            }
        }
        self.segments.retain(|segment| !chosen.contains(&segment.number));
        true
    }

    /// Judges every record of the chosen segments, as the store does, and fills the output with what stays.
    fn fill(&mut self, chosen: &[u32], output: &mut Segment) -> Vec<Copied> {
        let now_ms = self.now_ms;
        let (mut copied, mut folded) = (Vec::new(), HashMap::<u64, Deadline>::new());
        let (mut destroyed, fresh) = (Vec::new(), self.broken == Some(Break::FreshLsn));
        let chosen = self.segments.iter().filter(|segment| chosen.contains(&segment.number));
        let records: Vec<_> = chosen
            .flat_map(|segment| {
                segment.records().into_iter().map(|(at, record)| ((segment.number, at), record))
            })
            .collect();
        let (touches, others): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|(_, record)| matches!(record.what, What::Touch { .. }));
        for (place, record) in others.into_iter().chain(touches) {
            if let What::Touch { base, deadline, .. } = record.what
                && folded.get(&base).is_some_and(|folded| *folded >= deadline)
                && self.broken != Some(Break::TouchLastWins)
            {
                continue;
            }
            let mine = self.mine_for(&record, place);
            match self.broken_fate(&record, mine) {
                Fate::Move { deadline } => {
                    let What::Put(version) = record.what else { panic!("only a version moves") };
                    let forgets = self.broken == Some(Break::TouchNotFolded);
                    let copied_deadline = if forgets { version.deadline } else { deadline };
                    let mut copy = moved(&record, copied_deadline, now_ms);
                    folded.insert(record.lsn, deadline);
                    if fresh && self.dice.below(5) == 0 {
                        // The user's destroy gets in between: the copy loses its race, under an LSN that is higher.
                        copy.lsn = self.lsn + 1;
                        destroyed.push((version.digest, version.birth, copy.ceiling()));
                    }
                    copied.push((version.digest, place, output.add(&copy)));
                }
                Fate::Keep => drop(output.add(&record)),
                Fate::Stub => drop(output.add(&stub_of(&record))),
                Fate::Drop => {}
            }
        }
        for (digest, birth, ceiling) in destroyed {
            self.append(What::Stub { digest, birth, ceiling, ends: None });
            self.memory.remove(&digest);
        }
        copied
    }

    fn mine_for(&self, record: &Record<'_>, place: (u32, u64)) -> Option<Mine> {
        let (What::Put(crate::log::record::Version { digest, .. })
        | What::Stub { digest, .. }
        | What::Touch { digest, .. }) = record.what
        else {
            return None;
        };
        self.memory.get(&digest).map(|mine| Mine {
            lsn: mine.lsn,
            birth: mine.birth,
            deadline: mine.recorded,
            is_this: mine.place == place,
            deadline_now: mine.deadline,
        })
    }

    /// The engine's fate of a record, changed as if the broken rule were not there.
    fn broken_fate(&self, record: &Record<'_>, mine: Option<Mine>) -> Fate {
        let mut judged = *record;
        let is_live = mine.is_some_and(|mine| mine.is_this);
        if let (What::Put(version), false) = (&mut judged.what, is_live) {
            match self.broken {
                Some(Break::DeadlineNotCeiling) => version.ceiling = version.deadline,
                Some(Break::RotateOneEffect) => version.ends = None,
                _ => {}
            }
        }
        match (self.broken, fate(&judged, mine, self.now_ms)) {
            (Some(Break::NoStub), Fate::Stub) => Fate::Drop,
            (Some(Break::NoStub), Fate::Keep) if matches!(record.what, What::Stub { .. }) => Fate::Drop,
            (Some(Break::RevocationForgets), Fate::Stub) if matches!(record.what, What::Put(version) if !version.deadline.has_passed(self.now_ms)) => {
                Fate::Drop
            }
            (_, fate) => fate,
        }
    }
}
