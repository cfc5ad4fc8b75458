//! What a crash may do to the names in a directory.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::{CrashPolicy, Hazards, SimVfs};
use super::{SEEDS, at, machine, machine_with, names, put, read, sync_names};
use crate::vfs::{Vfs, write_all_at};

/// Every list of names that some seed leaves.
fn outcomes(machine: &SimVfs) -> BTreeSet<Vec<String>> {
    let hazards = Hazards { names: true, ..Hazards::NONE };
    (0..SEEDS).map(|seed| names(&machine.fork().crash(CrashPolicy::Chosen(seed, hazards)))).collect()
}

fn lists<const N: usize>(wanted: [&[&str]; N]) -> BTreeSet<Vec<String>> {
    wanted.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect()
}

#[test]
fn a_synced_file_vanishes_with_a_name_that_was_not() {
    let machine = machine();
    put(&machine, "log", b"record").sync().unwrap();
    assert_eq!(outcomes(&machine), lists([&[], &["log"]]));
    assert!(names(&machine.crash(CrashPolicy::DropAll)).is_empty());
}

#[test]
fn a_durable_name_may_lead_to_an_empty_file() {
    let machine = machine();
    put(&machine, "log", b"record");
    sync_names(&machine);
    let after = machine.crash(CrashPolicy::DropAll);
    assert_eq!(read(&after, "log"), b"");
}

#[test]
fn each_creation_is_decided_on_by_itself() {
    let machine = machine();
    put(&machine, "a", b"");
    put(&machine, "b", b"");
    assert_eq!(outcomes(&machine), lists([&[], &["a"], &["b"], &["a", "b"]]));
}

#[test]
fn a_lost_rename_leaves_the_old_name_and_what_it_would_have_replaced() {
    let (machine, _) = machine_with("header", b"before");
    machine.write_file(&at("header.tmp"), b"after").unwrap();
    machine.rename(&at("header.tmp"), &at("header")).unwrap();
    assert_eq!(outcomes(&machine), lists([&["header"], &["header", "header.tmp"]]));
    let lost = machine.fork().crash(CrashPolicy::DropAll);
    assert_eq!(read(&lost, "header"), b"before");
    assert_eq!(read(&lost, "header.tmp"), b"after");
    sync_names(&machine);
    let kept = machine.crash(CrashPolicy::DropAll);
    assert_eq!((names(&kept), read(&kept, "header")), (vec!["header".to_owned()], b"after".to_vec()));
}

#[test]
fn a_rename_may_survive_with_a_file_that_was_never_synced() {
    let machine = machine();
    put(&machine, "header.tmp", b"unsynced");
    machine.rename(&at("header.tmp"), &at("header")).unwrap();
    assert_eq!(outcomes(&machine), lists([&[], &["header.tmp"], &["header"]]));
    sync_names(&machine);
    assert_eq!(read(&machine.crash(CrashPolicy::DropAll), "header"), b"");
}

#[test]
fn a_lost_removal_brings_the_file_back_whole() {
    let (machine, file) = machine_with("segment", b"record");
    drop(file);
    machine.remove(&at("segment")).unwrap();
    assert!(names(&machine).is_empty());
    assert_eq!(outcomes(&machine), lists([&[], &["segment"]]));
    assert_eq!(read(&machine.fork().crash(CrashPolicy::DropAll), "segment"), b"record");
    sync_names(&machine);
    assert!(names(&machine.crash(CrashPolicy::DropAll)).is_empty());
}

#[test]
fn a_name_given_to_a_new_file_is_one_of_the_two() {
    let (machine, file) = machine_with("segment", b"old");
    drop(file);
    machine.remove(&at("segment")).unwrap();
    put(&machine, "segment", b"new").sync().unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let after = machine.fork().crash(CrashPolicy::Random(seed));
        seen.insert(after.read_file(&at("segment")).ok());
    }
    assert_eq!(seen, BTreeSet::from([None, Some(b"old".to_vec()), Some(b"new".to_vec())]));
}

#[test]
fn no_durable_file_loses_all_its_names_by_renames() {
    // a moves away, another takes its place; b moves on twice.
    let (machine, _) = machine_with("a", b"first");
    machine.write_file(&at("b"), b"second").unwrap();
    machine.rename(&at("a"), &at("c")).unwrap();
    machine.rename(&at("b"), &at("a")).unwrap();
    machine.rename(&at("a"), &at("d")).unwrap();
    put(&machine, "a", b"third").sync().unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let after = machine.fork().crash(CrashPolicy::Random(seed));
        let mut contents: Vec<Vec<u8>> = names(&after).iter().map(|name| read(&after, name)).collect();
        contents.sort();
        contents.retain(|content| content != b"third");
        assert_eq!(contents, [b"first".to_vec(), b"second".to_vec()], "seed {seed}: {:?}", names(&after));
        seen.insert(names(&after));
    }
    assert!(seen.len() >= 5, "{seen:?}");
}

#[test]
fn a_link_is_a_name_that_may_be_lost() {
    let (machine, _) = machine_with("first", b"one");
    machine.hard_link(&at("first"), &at("second")).unwrap();
    assert_eq!(outcomes(&machine), lists([&["first"], &["first", "second"]]));
    machine.remove(&at("first")).unwrap();
    sync_names(&machine);
    let after = machine.crash(CrashPolicy::DropAll);
    assert_eq!((names(&after), read(&after, "second")), (vec!["second".to_owned()], b"one".to_vec()));
}

#[test]
fn a_directory_is_synced_by_itself() {
    let machine = machine();
    machine.create_dir(Path::new("/other/inner")).unwrap();
    put(&machine, "here", b"");
    machine.create(Path::new("/other/there")).unwrap();
    machine.sync_dir(Path::new("/other")).unwrap();
    let after = machine.crash(CrashPolicy::DropAll);
    assert!(names(&after).is_empty());
    assert_eq!(after.list(Path::new("/other")).unwrap(), ["there"]);
    assert!(after.list(Path::new("/other/inner")).unwrap().is_empty(), "a directory is durable at once");
}

#[test]
fn a_file_that_nothing_leads_to_is_forgotten() {
    let (machine, file) = machine_with("segment", &[1; 4096]);
    machine.remove(&at("segment")).unwrap();
    sync_names(&machine);
    assert_eq!(machine.world.lock().disk.inodes.len(), 1, "still open");
    write_all_at(&*file, b"x", 0).unwrap();
    drop(file);
    sync_names(&machine);
    assert_eq!(machine.world.lock().disk.inodes.len(), 0);
}
