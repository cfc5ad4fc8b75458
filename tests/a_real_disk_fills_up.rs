//! P1, P2 and P4 on a disk that fills up under a real process, is given room again, and loses the process in between
//! (rule 13): errors are typed and nothing latches, endings find room, and nothing that was acknowledged is lost.
//!
//! The file systems are small ones of the tests' own, where privileges allow (see `process::small`); the limit on the
//! length of a file is there for everybody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod process;

use std::path::Path;
use std::time::Duration;

use process::child::Orders;
use process::dice::Dice;
use process::expected::Expected;
use process::notes::say;
use process::protocol::{Line, Op, Outcome};
use process::small::{Ballast, Kind, Makeable, free, given, with_file_system};
use process::supervisor::{End, Start, Then, directory, settle, watch};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

const CHILD: &str = "a_child";
const SEGMENT_BYTES: u64 = 256 << 10;

/// Not a test: what the others run in a process of its own.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn a_child() {
    process::child::run();
}

#[test]
fn a_full_tmpfs_refuses_and_recovers() {
    with_file_system(Kind::Tmpfs, 10 << 20, 12, "on_a_small_file_system");
}

#[test]
fn a_full_ext4_refuses_and_recovers() {
    with_file_system(Kind::Ext4, 24 << 20, 5, "on_a_small_file_system");
}

/// How a round with a full disk went.
#[derive(Debug, Default)]
struct Round {
    calls: u64,
    /// Since the disk was filled.
    refused: u64,
    endings: u64,
    undurable: u64,
    /// Since room was given again.
    done_after: u64,
    refused_after: u64,
}

/// Not a test: what runs on the small file system. Each round fills the disk under a child at work, sees it refuse, gives
/// room again and sees it go on; or kills it while the disk is full, and opens the store on the full disk.
#[test]
#[ignore = "run by the tests of small file systems, in a mount namespace"]
fn on_a_small_file_system() {
    let Some(top) = given() else { return };
    let rounds = process::small::rounds();
    let seed = process::seed();
    println!("PROCESS_SEED={seed} PROCESS_ROUNDS={rounds}");
    let mut dice = Dice::new(seed);
    let (path, ballast) = (top.join("store"), Ballast::new(&top));
    let mut makeable = Makeable::new(&top, 4, 2 * SEGMENT_BYTES as usize);
    let mut expected = Expected::new(4);
    let (mut opened_full, mut not_opened, mut all) = (0, 0, Round::default());
    let mut full_now = false;
    for run in 0..rounds {
        let mut orders = Orders::new(&path, seed.wrapping_add(run));
        orders.segment_bytes = SEGMENT_BYTES;
        orders.data_bytes_max = dice.pick(&[10_000, 30_000, 60_000]);
        let begins_full = full_now;
        let (fill_at, kill_full) = (20 + dice.below(200), run % 3 == 1);
        let (mut round, mut seen) = (Round::default(), expected.counts.undurable);
        let (mut given_back, mut filled_at) = (false, 0);
        let mut opened = true;
        let mut last_op = vec![None; 4];
        let end = watch(&Start::plain(CHILD), &orders, &mut expected, |line, expected, _| {
            match line {
                Line::Event(event) => {
                    if event.contains("Latched") {
                        expected.fail("a full disk latches nothing");
                    }
                    if event.starts_with("not opened") {
                        assert!(event.contains("no room"), "{event}");
                        opened = false;
                    }
                }
                Line::Try { thread, op, .. } => last_op[*thread] = Some(op.clone()),
                Line::Did { thread, outcome, .. } => {
                    round.calls += 1;
                    if full_now {
                        round.refused += u64::from(*outcome == Outcome::Full);
                        let ends = matches!(last_op[*thread], Some(Op::Destroy(_) | Op::DestroySubject(_)));
                        round.endings += u64::from(ends && matches!(outcome, Outcome::Count(1..)));
                        round.undurable += expected.counts.undurable - seen;
                    } else if given_back {
                        round.done_after += u64::from(*outcome == Outcome::Done);
                        round.refused_after += u64::from(*outcome == Outcome::Full);
                    }
                    seen = expected.counts.undurable;
                }
                _ => {}
            }
            if !full_now && !given_back && round.calls >= fill_at {
                ballast.take_all();
                (full_now, filled_at) = (true, round.calls);
            } else if full_now
                && (round.refused >= 10 && round.calls >= filled_at + 150 || round.calls >= filled_at + 1_000)
            {
                if kill_full {
                    return Then::Kill(Duration::from_micros(dice.below(2_000)));
                }
                ballast.give_back();
                (full_now, given_back) = (false, true);
            } else if given_back && (round.done_after >= 100 || round.calls > 20_000) {
                return Then::Kill(Duration::from_micros(dice.below(2_000)));
            }
            Then::GoOn
        });
        opened_full += u64::from(begins_full && opened);
        if !opened {
            // Too full even for a first segment: typed, and it can be looked at all the same.
            // Or it has filled the disk itself, with garbage that no compaction came to before it was killed.
            assert!(
                begins_full || free(&top) < 2 * SEGMENT_BYTES,
                "not opened with {} bytes free",
                free(&top)
            );
            let look = sessile::Options::new().read_only(true).open(&path).unwrap();
            assert!(look.verify().unwrap().damage.is_empty() && look.iter().unwrap().count() > 0);
            not_opened += 1;
            if !begins_full {
                makeable.make();
            }
            ballast.give_back();
            full_now = false;
            continue;
        }
        check(&end, &round, &expected);
        all.refused += round.refused;
        all.endings += round.endings;
        all.undurable += round.undurable;
        all.done_after += round.done_after;
        all.refused_after += round.refused_after;
    }
    ballast.give_back();
    let orders = Orders {
        calls: Some(0),
        segment_bytes: SEGMENT_BYTES,
        ..Orders::new(&path, seed.wrapping_add(rounds))
    };
    assert!(watch(&Start::plain(CHILD), &orders, &mut expected, |_, _, _| Then::GoOn).status.success());
    settle(&path, SEGMENT_BYTES);
    say(&format!(
        "a full disk at {}: {rounds} rounds, {} recoveries checked ({opened_full} of them on the full disk, {not_opened} refused \
         for want of room); while full {} calls were refused, {} endings acknowledged and {} told to hold in memory only; with \
         room again {} writes went through and {} were refused; {} calls acknowledged",
        top.display(),
        expected.counts.looks,
        all.refused,
        all.endings,
        all.undurable,
        all.done_after,
        all.refused_after,
        expected.counts.acknowledged,
    ));
    assert!(all.refused > 0 && all.done_after > 0 && all.endings > 0, "{all:?}");
}

fn check(end: &End, round: &Round, expected: &Expected) {
    if end.status.code().is_some() {
        expected.fail(&format!("the child ended by itself, with {:?}; {round:?}", end.status));
    }
}

/// What a limit on the length of files does to a process that does not ignore its signal: it dies in the middle of a
/// call. To one that does: a write that is cut short, and then fails.
fn limit(child: &std::process::Child, bytes: Option<u64>) {
    let pid = Pid::from_child(child);
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

fn ignoring_the_signal() -> Start {
    after("trap '' XFSZ")
}

/// The limit is there before the store is opened: one that came while it opens would meet a segment that is in use already.
fn limited_to_300_kib() -> Start {
    after("trap '' XFSZ; ulimit -f 600")
}

fn after(commands: &str) -> Start {
    let shell = ["sh", "-c", &format!("{commands}; exec \"$0\" \"$@\"")];
    Start { body: CHILD, before: shell.map(str::to_owned).into() }
}

fn last_look(path: &Path, expected: &mut Expected, run: u64) {
    let orders = Orders { calls: Some(0), segment_bytes: 1 << 20, ..Orders::new(path, run) };
    assert!(watch(&Start::plain(CHILD), &orders, expected, |_, _, _| Then::GoOn).status.success());
    settle(path, 1 << 20);
}

/// Segments that grow with the store meet the limit: it goes on with small ones.
#[test]
fn a_limit_on_the_length_of_files_is_met_like_a_full_disk() {
    let seed = process::seed();
    let (_top, path) = directory();
    let (mut expected, mut limited) = (Expected::new(4), 0);
    for run in 0..4 {
        let mut orders = Orders::new(&path, seed.wrapping_add(run));
        (orders.segment_bytes, orders.data_bytes_max) = (1 << 20, 60_000);
        let (mut calls, mut opened) = (0, true);
        let end = watch(&limited_to_300_kib(), &orders, &mut expected, |line, expected, _| {
            match line {
                // What must be written anew at once, above the last mark, can be too much for such a file: typed.
                Line::Event(event) if event.starts_with("not opened") => opened = !event.contains("no room"),
                Line::Event(event) if event.contains("Latched") => expected.fail("latched"),
                Line::Did { .. } => calls += 1,
                _ => {}
            }
            if calls > 800 { Then::Kill(Duration::ZERO) } else { Then::GoOn }
        });
        assert!(end.status.code().is_none() || !opened, "{:?}", end.status);
        limited += u64::from(opened);
        if run == 0 {
            let lengths = path.read_dir().unwrap().map(|file| file.unwrap().metadata().unwrap().len());
            assert!(lengths.max().unwrap() <= 300 << 10, "the limit was there from the beginning");
        }
        last_look(&path, &mut expected, seed.wrapping_add(100 + run));
    }
    assert!(limited > 0);
    last_look(&path, &mut expected, seed.wrapping_add(9));
    say(&format!(
        "a limit of 300 KiB a file: {} calls acknowledged, {} refused",
        expected.counts.acknowledged, expected.counts.full
    ));
}

/// The limit comes down upon a segment that is being written: a real short write, and then an error. The store latches and
/// says so; what was acknowledged is there when it is opened again.
#[test]
fn a_write_that_is_cut_short_latches_and_loses_nothing() {
    let seed = process::seed();
    let mut dice = Dice::new(seed);
    let (_top, path) = directory();
    let mut expected = Expected::new(4);
    let (mut latched, mut killed) = (0, 0);
    for run in 0..30 {
        let orders = Orders::new(&path, seed.wrapping_add(run));
        // Every other child does not ignore the signal, and dies of it in the middle of its write.
        let start = if run % 2 == 0 { ignoring_the_signal() } else { Start::plain(CHILD) };
        let (lines, bytes) = (20 + dice.below(100), 8_000 + dice.below(50_000));
        let (mut calls, mut told, mut latches) = (0, false, 0);
        let end = watch(&start, &orders, &mut expected, |line, _, child| {
            match line {
                Line::Did { outcome, .. } => {
                    calls += 1;
                    latches += u64::from(*outcome == Outcome::Latched);
                }
                Line::Event(event) => told |= event.starts_with("Latched"),
                _ => {}
            }
            if calls == lines {
                limit(child, Some(bytes));
            }
            if latches > 40 || calls > 5_000 { Then::Kill(Duration::ZERO) } else { Then::GoOn }
        });
        let signal = std::os::unix::process::ExitStatusExt::signal(&end.status);
        match signal {
            Some(9) => assert!(latches == 0 || told, "latched, and the observer was not told"),
            Some(25) => killed += 1,
            _ => expected.fail(&format!("the child ended with {:?}", end.status)),
        }
        latched += u64::from(latches > 0);
    }
    last_look(&path, &mut expected, seed.wrapping_add(99));
    say(&format!(
        "writes cut short: {latched} stores latched, {killed} processes died of the signal; {} recoveries checked, {} calls \
         acknowledged",
        expected.counts.looks, expected.counts.acknowledged
    ));
    assert!(latched > 0 && killed > 0);
}
