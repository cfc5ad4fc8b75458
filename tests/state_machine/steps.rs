//! What a user, an operator and a clock may do, drawn at random.

use std::time::Duration;

use proptest::prelude::*;
use sessile::{Deadline, Durability, Subject, Write};

use super::model::Rules;

pub const IDS: u8 = 5;
pub const DATA_MAX: usize = 256;

/// A deadline, as a write may give it.
#[derive(Debug, Clone, Copy)]
pub enum Life {
    For(u64),
    Forever,
    /// So many milliseconds from now; negative is in the past.
    Near(i64),
    At(u64),
}

impl Life {
    pub fn deadline(self, now_ms: u64) -> Deadline {
        match self {
            Self::For(ms) => Deadline::after(now_ms, Duration::from_millis(ms)),
            Self::Forever => Deadline::NEVER,
            Self::Near(ms) => Deadline::at_ms(now_ms.saturating_add_signed(ms)),
            Self::At(ms) => Deadline::at_ms(ms),
        }
    }
}

#[derive(Debug, Clone)]
pub struct WriteSpec {
    pub byte: u8,
    pub length: usize,
    pub idle: Option<Life>,
    pub absolute: Option<Life>,
    /// Keep, clear, or set.
    pub subject: Option<Option<u8>>,
    pub shorten: bool,
    pub synced: Option<bool>,
}

impl WriteSpec {
    pub fn data(&self) -> Vec<u8> {
        vec![self.byte; self.length]
    }

    pub fn is_too_large(&self) -> bool {
        self.length > DATA_MAX
    }

    pub fn write(&self, now_ms: u64) -> Write {
        let mut write = Write::new(self.data());
        write = match self.idle {
            None => write,
            Some(Life::For(ms)) => write.idle(Duration::from_millis(ms)),
            Some(Life::Forever) => write.idle(Duration::MAX),
            Some(life) => write.idle_until(life.deadline(now_ms)),
        };
        write = match self.absolute {
            None => write,
            Some(Life::For(ms)) => write.absolute(Duration::from_millis(ms)),
            Some(Life::Forever) => write.absolute(Duration::MAX),
            Some(life) => write.absolute_until(life.deadline(now_ms)),
        };
        write = match self.subject {
            None => write,
            Some(None) => write.subject_change(Subject::Clear),
            Some(Some(subject)) => write.subject(subject_name(subject)),
        };
        if self.shorten {
            write = write.shorten();
        }
        match self.synced {
            None => write,
            Some(true) => write.durability(Durability::Synced),
            Some(false) => write.durability(Durability::Written),
        }
    }
}

/// What the closure of an `update_with` does.
#[derive(Debug, Clone, Copy)]
pub enum Closure {
    Writes,
    Declines,
    Panics,
    /// Writes the session itself the first time it runs.
    Conflicts,
    /// Ends the session behind its own back.
    Destroys,
}

#[derive(Debug, Clone)]
pub enum Step {
    Create(u8, WriteSpec),
    Update(u8, WriteSpec),
    Set(u8, WriteSpec),
    Touch(u8, Duration),
    ReplaceIf(u8, bool, WriteSpec),
    UpdateWith(u8, Closure, WriteSpec),
    Destroy(u8),
    DestroyHandle(u8),
    Rotate(u8, u8, Option<WriteSpec>),
    DestroySubject(u8, Option<u8>),
    Clear,
    Maintain,
    /// One step of compaction, and no more.
    MaintainABit,
    Flush,
    /// Time passes.
    Advance(u64),
    /// Somebody sets the wall clock, by so much.
    Jump(i64),
    Confirm,
    /// Closes and opens again, with or without a snapshot, and with a clock that has moved meanwhile.
    Reopen {
        snapshot: bool,
        moved_ms: i64,
    },
}

pub fn id_name(id: u8) -> String {
    format!("id-{id}")
}

pub fn subject_name(subject: u8) -> String {
    format!("subject-{subject}")
}

const MINUTE_MS: u64 = 60_000;

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![
        6 => prop::sample::select(vec![1_000, 30_000, 10 * MINUTE_MS, 60 * MINUTE_MS, 7_654_321]).prop_map(Life::For),
        1 => prop::sample::select(vec![0, 1]).prop_map(Life::For),
        1 => Just(Life::Forever),
        2 => prop::sample::select(vec![-5_000, -1, 0, 1, 300_000]).prop_map(Life::Near),
        1 => prop::sample::select(vec![0, 1, 1 << 47, u64::MAX]).prop_map(Life::At),
    ]
}

fn write() -> impl Strategy<Value = WriteSpec> {
    let length = prop_oneof![20 => 0..=DATA_MAX, 1 => DATA_MAX + 1..DATA_MAX + 20];
    let subject =
        prop_oneof![4 => Just(None), 1 => Just(Some(None)), 4 => (0..2u8).prop_map(|s| Some(Some(s)))];
    (
        any::<u8>(),
        length,
        prop::option::weighted(0.6, life()),
        prop::option::weighted(0.2, life()),
        subject,
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, any::<bool>()),
    )
        .prop_map(|(byte, length, idle, absolute, subject, shorten, synced)| WriteSpec {
            byte,
            length,
            idle,
            absolute,
            subject,
            shorten,
            synced,
        })
}

fn jump() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(3_000),
        Just(-3_000),
        Just(-90_000),
        Just(20 * MINUTE_MS as i64),
        Just(-30 * MINUTE_MS as i64),
        Just(3 * 86_400_000),
        Just(90 * 86_400_000),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let id = || 0..IDS;
    let touch = prop::sample::select(vec![0, 1_000, 45_000, 10 * MINUTE_MS, 61 * MINUTE_MS, u64::MAX]);
    let closure = prop::sample::select(vec![
        Closure::Writes,
        Closure::Declines,
        Closure::Panics,
        Closure::Conflicts,
        Closure::Destroys,
    ]);
    let wait = prop_oneof![
        4 => prop::sample::select(vec![1, 700, 1_000, 29_000, 31_000]),
        3 => prop::sample::select(vec![5 * MINUTE_MS, 11 * MINUTE_MS, 61 * MINUTE_MS]),
    ];
    let away = prop_oneof![3 => Just(0), 1 => Just(1_000), 2 => jump()];
    prop_oneof![
        12 => (id(), write()).prop_map(|(id, write)| Step::Create(id, write)),
        10 => (id(), write()).prop_map(|(id, write)| Step::Update(id, write)),
        5 => (id(), write()).prop_map(|(id, write)| Step::Set(id, write)),
        10 => (id(), touch).prop_map(|(id, ms)| Step::Touch(id, Duration::from_millis(ms))),
        4 => (id(), any::<bool>(), write()).prop_map(|(id, stale, write)| Step::ReplaceIf(id, stale, write)),
        5 => (id(), closure, write()).prop_map(|(id, closure, write)| Step::UpdateWith(id, closure, write)),
        4 => id().prop_map(Step::Destroy),
        2 => id().prop_map(Step::DestroyHandle),
        6 => (id(), id(), prop::option::of(write())).prop_map(|(old, new, write)| Step::Rotate(old, new, write)),
        3 => (0..2u8, prop::option::of(id())).prop_map(|(subject, keep)| Step::DestroySubject(subject, keep)),
        1 => Just(Step::Clear),
        3 => Just(Step::Maintain),
        5 => Just(Step::MaintainABit),
        1 => Just(Step::Flush),
        8 => wait.prop_map(Step::Advance),
        2 => jump().prop_map(Step::Jump),
        1 => Just(Step::Confirm),
        6 => (any::<bool>(), away).prop_map(|(snapshot, moved_ms)| Step::Reopen { snapshot, moved_ms }),
    ]
}

pub fn rules() -> impl Strategy<Value = Rules> {
    let minutes = |minutes: u64| Duration::from_millis(minutes * MINUTE_MS);
    (
        prop::sample::select(vec![minutes(30), minutes(2), Duration::MAX]),
        prop::option::weighted(0.3, Just(minutes(90))),
        prop::option::weighted(0.3, Just(minutes(1))),
        prop::sample::select(vec![0, 10_000, 60_000]),
        prop::option::weighted(0.3, 2..4usize),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(idle, absolute, first_lifetime, touch_slack_ms, sessions_max, evict, synced, mapped)| Rules {
                idle,
                absolute,
                first_lifetime,
                touch_slack_ms,
                sessions_max,
                evict,
                synced,
                mapped,
            },
        )
}
