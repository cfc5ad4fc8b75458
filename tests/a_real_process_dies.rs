//! P1 and P2 against the death of a real process: what was acknowledged, even as `Written` only, survives `kill -9`, and
//! nothing that was ended is back. See `process` for how it is known what may be found.
//!
//! `PROCESS_KILLS` says how often a child is killed, `PROCESS_SEED` with which choices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod process;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use process::child::Orders;
use process::dice::Dice;
use process::expected::Expected;
use process::notes::say;
use process::protocol::Line;
use process::supervisor::{Start, Then, directory, settle, watch};

const CHILD: &str = "a_child";
const SEGMENT_BYTES: u64 = 64 << 10;

/// Not a test: what the others run in a process of its own.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn a_child() {
    process::child::run();
}

/// Where a child is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Opening,
    Working,
    Compacting,
    Closing,
}

#[test]
fn what_was_written_survives_kill_9_wherever_it_falls() {
    let kills: u64 = std::env::var("PROCESS_KILLS").map_or(300, |kills| kills.parse().unwrap());
    let seed = process::seed();
    println!("PROCESS_SEED={seed} PROCESS_KILLS={kills}");
    let mut dice = Dice::new(seed);
    let (_top, path) = directory();
    let mut expected = Expected::new(4);
    let (mut opening_us, mut killed, mut ended) = (5_000, BTreeMap::new(), 0);
    let began = Instant::now();
    for run in 0..kills {
        let place = [Place::Opening, Place::Working, Place::Working, Place::Compacting, Place::Closing];
        let place = dice.pick(&place);
        let mut orders = Orders::new(&path, seed.wrapping_add(run));
        if place == Place::Closing {
            orders.calls = Some(1 + dice.below(60));
        }
        // So many lines after the first call, so many tries of compaction, and then so long.
        let (lines, compactions) = (1 + dice.below(250), 1 + dice.below(12));
        let after = |dice: &mut Dice, up_to_us: u64| Then::Kill(Duration::from_micros(dice.below(up_to_us)));
        let (mut calls, mut tries) = (0, 0);
        let end = watch(&Start::plain(CHILD), &orders, &mut expected, |line, _, _| {
            calls += u64::from(matches!(line, Line::Did { .. } | Line::Try { .. }));
            tries += u64::from(matches!(line, Line::Compacting));
            match (place, line) {
                (Place::Opening, Line::Opening) => after(&mut dice, opening_us * 5 / 4),
                (Place::Working, _) if calls >= lines => after(&mut dice, 300),
                (Place::Compacting, Line::Compacting) if tries >= compactions => after(&mut dice, 3_000),
                (Place::Closing, Line::Closing) => after(&mut dice, 4_000),
                _ => Then::GoOn,
            }
        });
        match end.status.code() {
            None => *killed.entry(place).or_insert(0) += 1,
            Some(0) => ended += 1,
            Some(code) => expected.fail(&format!("the child ended by itself, with {code}")),
        }
        if let Some(opening) = end.opening {
            opening_us = (opening_us * 3 + u64::try_from(opening.as_micros()).unwrap()) / 4;
        }
    }
    let orders = Orders { calls: Some(0), ..Orders::new(&path, seed.wrapping_add(kills)) };
    assert!(watch(&Start::plain(CHILD), &orders, &mut expected, |_, _, _| Then::GoOn).status.success());
    settle(&path, SEGMENT_BYTES);
    let counts = &expected.counts;
    say(&format!(
        "kill -9: {} of {kills} processes killed ({killed:?}), {ended} had closed first; {} recoveries checked, {} sessions \
         found in them, {} calls acknowledged, {} segments compacted; of the calls in flight {} had happened and {} had not; \
         {:.0} s",
        killed.values().sum::<u64>(),
        counts.looks,
        counts.sessions,
        counts.acknowledged,
        counts.compacted,
        counts.happened,
        counts.not_happened,
        began.elapsed().as_secs_f64(),
    ));
    assert!(counts.latched + counts.undurable + counts.full == 0, "{counts:?}");
    assert!(
        kills < 100 || (counts.compacted > 0 && killed.len() == 4),
        "not every place was met: {killed:?}"
    );
}
