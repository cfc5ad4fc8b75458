//! A history of operations, crashes and restarts, against a plain model.
//!
//! The bytes are steps for the runner of the crash tests, which knows after each crash what may be found, and the calls at
//! which the power goes. What must hold is what its oracle says: acknowledged ⊆ recovered ⊆ issued, nothing ended is
//! back, all ways of looking agree, opening again gives the same.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use sessile::vfs::CrashPolicy;
use sessile::{Durability, Subject};

use common::machine::{DAY, HOUR, MINUTE, Machine, SECOND};
use common::script::Runner;
use common::workload::{Say, Step};

use crate::allocation::bounded;

const IDS: usize = 5;
const SUBJECTS: usize = 2;
/// What a few recoveries of a small store may hold at once, tables and simulated disk together.
const BYTES_MAX: usize = 64 << 20;
const LIVES_MAX: usize = 4;
const STEPS_MAX: usize = 40;
/// Each death is checked by half a dozen openings.
const DEATHS_MAX: usize = 2;

pub fn check(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    bounded(BYTES_MAX, || {
        // An input that ends early is a shorter history.
        let _ = live(&mut bytes);
    });
}

fn live(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut runner = Runner::new(Machine::new(), IDS, SUBJECTS);
    for _ in 0..LIVES_MAX {
        if bytes.is_empty() {
            break;
        }
        let steps = steps(bytes)?;
        let nth = u64::from(bytes.arbitrary::<u16>()? % 400) + 1;
        if bytes.arbitrary()? {
            runner.machine.sim.crash_at_call(nth);
        } else {
            runner.machine.sim.crash_after_call(nth);
        }
        let policy = match bytes.arbitrary::<u8>()? {
            0..40 => CrashPolicy::KeepAll,
            40..80 => CrashPolicy::DropAll,
            _ => CrashPolicy::Random(bytes.arbitrary()?),
        };
        // Whether it runs to its end or the power goes before: the crash comes.
        let _ = runner.run(&steps);
        let found = runner.check_after(policy);
        runner.machine = runner.machine.crash(policy);
        drop(runner.store.take());
        runner.oracle.begin_again(found);
        runner.run(&[]).expect("no crash is due");
        runner.store.as_ref().expect("it is open").confirm_clock().expect("it is open");
    }
    Ok(())
}

fn steps(bytes: &mut Unstructured<'_>) -> Result<Vec<Step>> {
    let count = bytes.int_in_range(1..=STEPS_MAX)?;
    let mut steps = Vec::new();
    for _ in 0..count {
        if bytes.is_empty() {
            break;
        }
        steps.push(step(bytes)?);
    }
    let mut deaths = 0;
    steps.retain(|step| {
        deaths += usize::from(matches!(step, Step::Die));
        !matches!(step, Step::Die) || deaths <= DEATHS_MAX
    });
    Ok(steps)
}

fn step(bytes: &mut Unstructured<'_>) -> Result<Step> {
    let kind = bytes.int_in_range(0..=19u8)?;
    Ok(match kind {
        0 | 1 => Step::Create(id(bytes)?, say(bytes)?),
        2 | 3 => Step::Update(id(bytes)?, say(bytes)?),
        4 => Step::Set(id(bytes)?, say(bytes)?),
        5 | 6 => Step::Touch(id(bytes)?, *bytes.choose(&[MINUTE, MINUTE * 10, HOUR, DAY])?),
        7 => Step::ReplaceIf(id(bytes)?, say(bytes)?, bytes.arbitrary()?),
        8 => Step::UpdateWith(id(bytes)?, say(bytes)?),
        9 => Step::Destroy(id(bytes)?),
        10 => Step::DestroyHandle(id(bytes)?),
        11 | 12 => {
            let (from, to) = (id(bytes)?, id(bytes)?);
            let to = if from == to { (to + 1) % IDS } else { to };
            Step::Rotate(from, to, if bytes.arbitrary()? { Some(say(bytes)?) } else { None })
        }
        13 => Step::DestroySubject(
            bytes.int_in_range(0..=SUBJECTS - 1)?,
            if bytes.arbitrary()? { Some(id(bytes)?) } else { None },
        ),
        14 => Step::Clear,
        15 => Step::Maintain,
        16 => Step::Flush,
        17 => Step::Advance(*bytes.choose(&[SECOND, SECOND * 20, MINUTE * 5, MINUTE * 20, HOUR * 2])?),
        18 => Step::CloseAndReopen,
        _ => Step::Die,
    })
}

fn id(bytes: &mut Unstructured<'_>) -> Result<usize> {
    bytes.int_in_range(0..=IDS - 1)
}

fn say(bytes: &mut Unstructured<'_>) -> Result<Say> {
    let flags: u8 = bytes.arbitrary()?;
    let subject = match flags & 3 {
        0 | 1 => Subject::Keep,
        2 => Subject::Clear,
        _ => Subject::Set(format!("subject {}", bytes.int_in_range(0..=SUBJECTS - 1)?).into_bytes()),
    };
    let idle: &[Option<Duration>] =
        &[None, Some(MINUTE), Some(MINUTE * 10), Some(HOUR), Some(DAY), Some(DAY * 10)];
    Ok(Say {
        bytes: *bytes.choose(&[20, 600, 3000, 6000, 30_000])?,
        idle: *bytes.choose(idle)?,
        absolute: if flags & 0x30 == 0x30 { Some(*bytes.choose(&[HOUR * 3, DAY])?) } else { None },
        subject,
        shorten: flags & 4 != 0,
        durability: if flags & 8 != 0 { Durability::Written } else { Durability::Synced },
    })
}
