//! Workloads: lists of steps that a seed fixes, in which every operation of the store comes up.

use std::time::Duration;

use sessile::{Durability, Subject};

use super::dice::Dice;
use super::machine::{DAY, HOUR, MINUTE, SECOND};

/// What a write says, in a form that the oracle can follow.
#[derive(Debug, Clone)]
pub struct Say {
    pub bytes: usize,
    pub idle: Option<Duration>,
    pub absolute: Option<Duration>,
    pub subject: Subject,
    pub shorten: bool,
    pub durability: Durability,
}

/// One step of a workload; ids and subjects by number.
#[derive(Debug, Clone)]
pub enum Step {
    Create(usize, Say),
    Update(usize, Say),
    Set(usize, Say),
    Touch(usize, Duration),
    ReplaceIf(usize, Say, bool),
    UpdateWith(usize, Say),
    Destroy(usize),
    DestroyHandle(usize),
    Rotate(usize, usize, Option<Say>),
    DestroySubject(usize, Option<usize>),
    Clear,
    Maintain,
    Flush,
    Advance(Duration),
    CloseAndReopen,
    /// The process dies, and another opens the store.
    Die,
    /// To the newest format. No workload draws it: a test puts it where it wants it.
    Upgrade,
}

/// A workload of so many steps, in which every operation comes up.
pub fn workload(seed: u64, steps: usize, ids: usize, subjects: usize, with_deaths: bool) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    (0..steps).map(|_| one_step(&mut dice, ids, subjects, with_deaths)).collect()
}

fn one_step(dice: &mut Dice, ids: usize, subjects: usize, with_deaths: bool) -> Step {
    let id = |dice: &mut Dice| usize::try_from(dice.below(ids as u64)).unwrap();
    let who = |dice: &mut Dice| usize::try_from(dice.below(subjects as u64)).unwrap();
    match dice.below(100) {
        0..16 => Step::Create(id(dice), say(dice, subjects)),
        16..28 => Step::Update(id(dice), say(dice, subjects)),
        28..36 => Step::Set(id(dice), say(dice, subjects)),
        36..46 => Step::Touch(id(dice), dice.pick(&[MINUTE * 10, HOUR, DAY])),
        46..50 => Step::ReplaceIf(id(dice), say(dice, subjects), dice.one_in(4)),
        50..54 => Step::UpdateWith(id(dice), say(dice, subjects)),
        54..60 => Step::Destroy(id(dice)),
        60..62 => Step::DestroyHandle(id(dice)),
        62..70 => {
            let (from, to) = (id(dice), id(dice));
            let to = if from == to { (to + 1) % ids } else { to };
            Step::Rotate(from, to, dice.one_in(2).then(|| say(dice, subjects)))
        }
        70..74 => Step::DestroySubject(who(dice), dice.one_in(2).then(|| id(dice))),
        74 => Step::Clear,
        75..84 => Step::Maintain,
        84..86 => Step::Flush,
        86..95 => Step::Advance(dice.pick(&[SECOND, SECOND * 20, MINUTE * 5, MINUTE * 20, HOUR * 2])),
        95..98 if with_deaths => Step::Die,
        95..98 => Step::Maintain,
        _ => Step::CloseAndReopen,
    }
}

fn say(dice: &mut Dice, subjects: usize) -> Say {
    let subject = match dice.below(5) {
        0..2 => Subject::Keep,
        2 => Subject::Clear,
        _ => Subject::Set(format!("subject {}", dice.below(subjects as u64)).into_bytes()),
    };
    Say {
        bytes: usize::try_from(dice.pick(&[20, 600, 3000, 6000])).unwrap(),
        idle: dice.pick(&[None, Some(MINUTE), Some(MINUTE * 10), Some(HOUR), Some(DAY), Some(DAY * 10)]),
        absolute: dice.one_in(6).then(|| dice.pick(&[HOUR * 3, DAY])),
        subject,
        shorten: dice.one_in(4),
        durability: if dice.one_in(4) { Durability::Written } else { Durability::Synced },
    }
}
