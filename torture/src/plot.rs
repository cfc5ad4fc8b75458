//! Plots: sequences that chance alone would take long to come to.
//!
//! Owns: how a session could come back, played out. A first version stands in a segment that stays as it is, because nearly
//! all of it lives. What ends it stands in a segment of which most is garbage, so that it is rewritten, when the end has
//! been there for a while. Whatever a rewrite forgets that was still needed, the next recovery finds.

use crate::dice::Dice;
use crate::script::{Act, Say, Whose};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// Bytes of data of which ten are more than the first segment of an opening takes, and five more than any later one.
const LARGE: u32 = 13_000;
/// Records that leave less room behind them than the smallest takes, wherever in a segment they begin.
const BRIM: [u32; 26] = [
    LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, 6_000, 6_000, 3_000, 3_000, 1_500,
    1_500, 700, 700, 300, 300, 120, 120, 40, 40, 8, 8,
];
/// The same for what endings have in reserve.
const RESERVE: [u32; 9] = [1_500, 1_500, 1_500, 700, 300, 150, 60, 8, 8];
/// How many plots there are of a session that ends.
const PLOTS: u64 = 8;
/// Ids that fill a segment.
const FILL: u8 = 11;

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Short {
    /// Room on the disk.
    OfDisk,
    /// Room below the store's own limit.
    OfLimit,
}

/// One plot, on ids below `ids`, of which there are at least 22.
pub(crate) fn plot(dice: &mut Dice, ids: u8, short: Option<Short>) -> Vec<Act> {
    let first = dice.below(u64::from(ids)) as u8;
    let mut plot = Plot { first, ids, acts: Vec::new() };
    let subject = dice.below(3) as u8;
    match short {
        _ if cfg!(torture_scheduled) && dice.one_in(2) => plot.hurried(),
        Some(Short::OfDisk) => plot.crowded_out(subject),
        Some(Short::OfLimit) => plot.filled_up(subject),
        None => plot.ended(subject, dice),
    }
    plot.acts
}

struct Plot {
    first: u8,
    ids: u8,
    acts: Vec<Act>,
}

impl Plot {
    fn ended(&mut self, subject: u8, dice: &mut Dice) {
        match dice.below(PLOTS) {
            0 => self.shortened(false),
            1 => self.shortened(true),
            2 => self.created_anew(),
            3 => self.revoked(subject),
            4 => self.rotated(),
            5 => self.touched(),
            6 => self.buried(),
            _ => self.hers_and_revoked(subject, dice.one_in(2)),
        }
    }

    /// The id of a part in the plot: 0 and 1 are those that it is about, the others fill segments.
    fn id(&self, part: u8) -> u8 {
        (self.first + part) % self.ids
    }

    fn say(bytes: u32, idle_ms: u64, subject: Whose) -> Say {
        Say { bytes, idle_ms: Some(idle_ms), absolute_ms: None, subject, shorten: true, synced: false }
    }

    fn set(&mut self, part: u8, idle_ms: u64, subject: Whose) {
        let id = self.id(part);
        self.acts.push(Act::Set(id, Self::say(100, idle_ms, subject)));
    }

    /// Fills a segment with what lives long: with one group of ids or with the other.
    fn fill(&mut self, group: u8) {
        for number in 0..FILL.min((self.ids - 2) / 2) {
            let id = self.id(2 + group * ((self.ids - 2) / 2) + number);
            self.acts.push(Act::Set(id, Self::say(LARGE, 10 * DAY, Whose::Nobody)));
        }
    }

    /// Time passes, and what has become garbage meanwhile is rewritten.
    fn later(&mut self, ms: u64) {
        self.acts.push(Act::Advance(ms));
        self.acts.push(Act::Maintain);
    }

    /// A shorter version expires, or is destroyed, before the longer one that it replaced.
    fn shortened(&mut self, destroyed: bool) {
        self.set(0, 10 * DAY, Whose::Nobody);
        self.fill(0);
        self.set(0, MINUTE, Whose::Nobody);
        if destroyed {
            self.acts.push(Act::Destroy(self.id(0)));
        }
        self.fill(1);
        self.fill(1);
        self.later(5 * MINUTE);
    }

    /// The end of a session stands among nothing but garbage.
    fn buried(&mut self) {
        self.set(0, 10 * DAY, Whose::Nobody);
        self.fill(0);
        self.fill(1);
        self.acts.push(Act::Destroy(self.id(0)));
        self.fill(1);
        self.fill(1);
        self.later(MINUTE);
    }

    /// The id of a destroyed session begins anew and ends soon, and its second life leaves nothing behind.
    fn created_anew(&mut self) {
        self.set(0, 10 * DAY, Whose::Nobody);
        self.fill(0);
        self.acts.push(Act::Destroy(self.id(0)));
        self.fill(1);
        self.set(0, 20 * MINUTE, Whose::Nobody);
        self.fill(1);
        self.acts.push(Act::Maintain);
        self.fill(1);
        self.later(40 * MINUTE);
    }

    /// Two sessions of a subject end together, one of which had long to live.
    fn revoked(&mut self, subject: u8) {
        self.set(0, 10 * DAY, Whose::Of(subject));
        self.fill(0);
        self.set(1, 2 * MINUTE, Whose::Of(subject));
        self.acts.push(Act::Revoke(subject, None));
        self.fill(1);
        self.fill(1);
        self.later(8 * MINUTE);
    }

    /// A session becomes somebody's, and ends with all of his.
    fn hers_and_revoked(&mut self, subject: u8, rewritten: bool) {
        self.set(0, 10 * DAY, Whose::Nobody);
        self.fill(0);
        self.set(0, 10 * DAY, Whose::Of(subject));
        self.acts.push(Act::Revoke(subject, None));
        if rewritten {
            self.fill(1);
            self.fill(1);
            self.later(MINUTE);
        }
    }

    /// A session gets another id, and is written anew under that.
    fn rotated(&mut self) {
        self.set(0, 10 * DAY, Whose::Nobody);
        self.fill(0);
        self.acts.push(Act::Destroy(self.id(1)));
        // Of several actors at once, nobody can say which data an operation without any takes along.
        let say = cfg!(torture_scheduled).then(|| Self::say(100, 10 * DAY, Whose::Nobody));
        self.acts.push(Act::Rotate(self.id(0), self.id(1), say));
        self.fill(1);
        self.set(1, DAY, Whose::Keep);
        self.fill(1);
        self.later(MINUTE);
    }

    /// Three actors: two write their session again and again, so that a segment is full and nearly all garbage soon; the third
    /// rewrites it while one of the writes may still be on its way to the index.
    fn hurried(&mut self) {
        for _ in 0..8 {
            for part in 0..2 {
                let id = self.id(part);
                self.acts.push(Act::Set(id, Self::say(LARGE, 10 * DAY, Whose::Nobody)));
            }
            self.acts.push(Act::Maintain);
        }
    }

    /// A touched session moves.
    fn touched(&mut self) {
        self.set(0, 10 * MINUTE, Whose::Nobody);
        self.acts.push(Act::Touch(self.id(0), DAY));
        self.fill(0);
        self.fill(0);
        self.later(MINUTE);
    }

    /// Somebody else takes the disk's room. Records fill the last segment to the brim, and there is still room for endings;
    /// endings fill what they have in reserve, and those that find no room are told to the log when there is some.
    fn crowded_out(&mut self, subject: u8) {
        let whose = Whose::Of(subject);
        (0..6).for_each(|part| self.set(part, 10 * DAY, whose));
        for (number, bytes) in BRIM.into_iter().enumerate() {
            if number % 4 == 0 {
                self.acts.push(Act::Room(Some(0)));
            }
            let id = self.id(6 + number as u8 % 14);
            self.acts.push(Act::Set(id, Self::say(bytes, 10 * DAY, whose)));
        }
        self.acts.push(Act::Room(Some(0)));
        (0..3).for_each(|part| self.acts.push(Act::Destroy(self.id(part))));
        for (number, bytes) in RESERVE.into_iter().enumerate() {
            // Each takes the id that the one before has left.
            let number = number as u8;
            let (from, to) = (self.id(6 + number), self.id(if number == 0 { 0 } else { 5 + number }));
            self.acts.push(Act::Rotate(from, to, Some(Self::say(bytes, 10 * DAY, whose))));
        }
        let last = |plot: &mut Self| (3..6).for_each(|part| plot.acts.push(Act::Destroy(plot.id(part))));
        last(self);
        self.acts.push(Act::Room(None));
        last(self);
    }

    /// The store's own limit is met, with little that lives in each segment and garbage around it: that has to be moved before
    /// anything can go.
    fn filled_up(&mut self, subject: u8) {
        for round in 0..11 {
            // Of four records that fill a segment, one stays.
            for part in [round, 11, 12, 11] {
                self.acts.push(Act::Set(self.id(part), Self::say(LARGE, 10 * DAY, Whose::Of(subject))));
            }
        }
        self.acts.push(Act::Maintain);
        for part in [11, 12, 11, 12, 11] {
            self.acts.push(Act::Set(self.id(part), Self::say(LARGE, 10 * DAY, Whose::Of(subject))));
        }
    }
}
