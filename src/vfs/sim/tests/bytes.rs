//! What a crash may do to the bytes and the length of a file.

use super::super::{CrashPolicy, Hazards, SimVfs};
use super::{SEEDS, at, machine_with, read};
use crate::vfs::{Vfs, write_all_at};

/// One outcome for each seed, with only these hazards.
fn outcomes(machine: &SimVfs, hazards: Hazards) -> Vec<Vec<u8>> {
    let crash = |seed| read(&machine.fork().crash(CrashPolicy::Chosen(seed, hazards)), "log");
    (0..SEEDS).map(crash).collect()
}

fn seen(outcomes: &[Vec<u8>], wanted: &[u8]) -> bool {
    outcomes.iter().any(|outcome| outcome == wanted)
}

#[test]
fn what_was_synced_survives_every_crash() {
    let (machine, file) = machine_with("log", b"");
    write_all_at(&*file, &[1; 5000], 0).unwrap();
    file.sync().unwrap();
    write_all_at(&*file, &[2; 5000], 5000).unwrap();
    for seed in 0..SEEDS {
        let after = read(&machine.fork().crash(CrashPolicy::Random(seed)), "log");
        assert!(after.len() >= 5000 && after[..5000] == [1; 5000], "seed {seed}");
    }
    assert_eq!(read(&machine.crash(CrashPolicy::DropAll), "log"), [1; 5000]);
}

#[test]
fn what_was_not_synced_is_lost_when_nothing_reached_the_disk() {
    let (machine, file) = machine_with("log", b"synced");
    write_all_at(&*file, b"SYNC", 0).unwrap();
    write_all_at(&*file, b"more", 6).unwrap();
    file.allocate(9000).unwrap();
    file.release_from(2).unwrap();
    assert_eq!(read(&machine, "log").len(), 9000);
    let after = machine.crash(CrashPolicy::DropAll);
    assert_eq!(read(&after, "log"), b"synced");
}

#[test]
fn a_dead_process_loses_nothing_yet_makes_nothing_durable() {
    let (machine, file) = machine_with("log", b"old");
    write_all_at(&*file, b"new", 0).unwrap();
    let restarted = machine.crash(CrashPolicy::KeepAll);
    assert_eq!(read(&restarted, "log"), b"new");
    let file = restarted.open(&at("log"), true).unwrap();
    assert_eq!(read(&restarted.fork().crash(CrashPolicy::DropAll), "log"), b"old");
    file.sync().unwrap();
    assert_eq!(read(&restarted.crash(CrashPolicy::DropAll), "log"), b"new");
}

#[test]
fn each_write_is_dropped_or_kept_by_itself() {
    let (machine, file) = machine_with("log", b"----");
    write_all_at(&*file, b"a", 0).unwrap();
    write_all_at(&*file, b"b", 2).unwrap();
    let outcomes = outcomes(&machine, Hazards { drops: true, ..Hazards::NONE });
    for wanted in [b"----", b"a---", b"--b-", b"a-b-"] {
        assert!(seen(&outcomes, wanted), "{wanted:?}: also the later write without the earlier one");
    }
    assert!(
        outcomes
            .iter()
            .all(|outcome| [b"----", b"a---", b"--b-", b"a-b-"].contains(&&outcome[..].try_into().unwrap()))
    );
}

#[test]
fn without_hazards_everything_survives() {
    let (machine, file) = machine_with("log", b"old");
    write_all_at(&*file, b"new and longer", 0).unwrap();
    file.allocate(100).unwrap();
    let whole = read(&machine, "log");
    assert!(outcomes(&machine, Hazards::NONE).iter().all(|outcome| *outcome == whole));
}

#[test]
fn a_write_tears_where_the_sectors_of_the_file_are() {
    let (machine, file) = machine_with("log", &[0; 2048]);
    write_all_at(&*file, &[1; 1500], 100).unwrap();
    let outcomes = outcomes(&machine, Hazards { torn_sectors: true, ..Hazards::NONE });
    for outcome in &outcomes {
        for sector in outcome.chunks(512) {
            let written = &sector[usize::from(sector.as_ptr() == outcome.as_ptr()) * 100..];
            let changes = written.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(changes <= 1, "a sector is there or not, up to where the write ends");
        }
    }
    let hole = |outcome: &&Vec<u8>| outcome[100] == 1 && outcome[600] == 0 && outcome[1100] == 1;
    assert!(outcomes.iter().any(|outcome| hole(&outcome)), "a middle sector is missing");
    let backwards = |outcome: &&Vec<u8>| outcome[100] == 0 && outcome[1100] == 1;
    assert!(outcomes.iter().any(|outcome| backwards(&outcome)), "the first sector is missing");
}

#[test]
fn a_write_tears_at_any_byte_from_either_end() {
    let (machine, file) = machine_with("log", &[0; 8]);
    write_all_at(&*file, &[1; 8], 0).unwrap();
    let outcomes = outcomes(&machine, Hazards { torn_bytes: true, ..Hazards::NONE });
    for cut in 0..8 {
        let mut front = [0; 8];
        front[..cut].fill(1);
        assert!(seen(&outcomes, &front), "cut at {cut}");
    }
    assert!(seen(&outcomes, &[0, 0, 0, 0, 0, 1, 1, 1]));
}

#[test]
fn a_write_may_become_garbage_but_not_its_neighbours() {
    let (machine, file) = machine_with("log", &[9; 1024]);
    write_all_at(&*file, &[1; 100], 200).unwrap();
    let outcomes = outcomes(&machine, Hazards { garbage: true, ..Hazards::NONE });
    assert!(outcomes.iter().any(|outcome| outcome[200..300].iter().any(|byte| ![1, 9].contains(byte))));
    for outcome in outcomes {
        assert_eq!(outcome.len(), 1024);
        assert!(outcome[..200].iter().chain(&outcome[300..]).all(|byte| *byte == 9));
    }
}

#[test]
fn neighbours_in_the_sector_are_harmed_only_when_asked_for() {
    let (machine, file) = machine_with("log", &[9; 1024]);
    write_all_at(&*file, &[1; 100], 200).unwrap();
    let outcomes = outcomes(&machine, Hazards { garbage: true, neighbours: true, ..Hazards::NONE });
    assert!(outcomes.iter().any(|outcome| outcome[..200].iter().any(|byte| *byte != 9)));
    for outcome in outcomes {
        assert_eq!(outcome.len(), 1024);
        assert!(outcome[512..].iter().all(|byte| *byte == 9), "the next sector is nobody's neighbour");
    }
}

#[test]
fn a_length_survives_without_its_bytes_and_bytes_without_their_length() {
    let (machine, file) = machine_with("log", b"head");
    write_all_at(&*file, b"tail", 4).unwrap();
    let hazards = Hazards { drops: true, lengths: true, ..Hazards::NONE };
    let outcomes = outcomes(&machine, hazards);
    assert!(seen(&outcomes, b"head\0\0\0\0"), "the length without the bytes");
    assert!(seen(&outcomes, b"head"), "neither, or the bytes without the length");
    assert!(seen(&outcomes, b"headta"), "a length in between");
    assert!(outcomes.iter().all(|outcome| (4..=8).contains(&outcome.len())));
}

#[test]
fn bytes_cut_off_by_a_lost_length_do_not_come_back_with_a_longer_one() {
    let (machine, file) = machine_with("log", b"head");
    write_all_at(&*file, b"tail", 4).unwrap();
    for seed in 0..SEEDS {
        let after =
            machine.fork().crash(CrashPolicy::Chosen(seed, Hazards { lengths: true, ..Hazards::NONE }));
        let length = read(&after, "log").len();
        after.open(&at("log"), true).unwrap().allocate(8).unwrap();
        assert!(read(&after, "log")[length..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_reservation_survives_or_not() {
    let (machine, file) = machine_with("log", b"");
    file.allocate(8192).unwrap();
    let lengths: Vec<usize> =
        outcomes(&machine, Hazards { drops: true, ..Hazards::NONE }).iter().map(Vec::len).collect();
    assert!(lengths.contains(&0) && lengths.contains(&8192));
    file.sync().unwrap();
    let after = machine.crash(CrashPolicy::DropAll);
    assert_eq!(after.open(&at("log"), false).unwrap().allocated_bytes().unwrap(), 8192);
}

#[test]
fn released_bytes_may_come_back_until_the_release_is_synced() {
    let (machine, file) = machine_with("log", &[7; 8192]);
    file.release_from(4096).unwrap();
    assert_eq!(file.allocated_bytes().unwrap(), 4096);
    assert_eq!(read(&machine.fork().crash(CrashPolicy::DropAll), "log"), [7; 8192]);
    file.sync().unwrap();
    assert_eq!(read(&machine.crash(CrashPolicy::DropAll), "log")[4096..], [0; 4096]);
}

#[test]
fn after_a_power_loss_what_is_read_is_durable() {
    let (machine, file) = machine_with("log", b"old");
    write_all_at(&*file, &[3; 3000], 0).unwrap();
    for seed in 0..SEEDS {
        let once = machine.fork().crash(CrashPolicy::Random(seed));
        let bytes = read(&once, "log");
        assert_eq!(read(&once.crash(CrashPolicy::DropAll), "log"), bytes);
    }
}

#[test]
fn a_seed_fixes_the_outcome_and_seeds_differ() {
    let (machine, file) = machine_with("log", b"");
    for place in 0..20 {
        write_all_at(&*file, &[7; 700], place * 700).unwrap();
    }
    let outcome = |seed| read(&machine.fork().crash(CrashPolicy::Random(seed)), "log");
    assert!((0..50).all(|seed| outcome(seed) == outcome(seed)));
    let different: std::collections::BTreeSet<Vec<u8>> = (0..50).map(outcome).collect();
    assert!(different.len() > 20);
}
