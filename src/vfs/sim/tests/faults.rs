//! Which call fails, how, and what it does to the disk.

use std::io::ErrorKind;
use std::path::Path;

use super::super::{CallKind, CrashPolicy, Fault, SimVfs, Times};
use super::{at, machine, machine_with, names, put, read, sync_names};
use crate::vfs::{Vfs, VfsFile, read_exact_at, write_all_at};

fn kind_of<T>(result: std::io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn raw<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

const EIO: Option<i32> = Some(rustix::io::Errno::IO.raw_os_error());

#[test]
fn a_fault_strikes_the_nth_call_of_its_kind_and_no_other() {
    let (machine, file) = machine_with("log", b"");
    file.write_at(b"uncounted", 0).unwrap();
    machine.fail(CallKind::Write, 2, Fault::Eio, Times::Once);
    file.write_at(b"first", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(raw(file.write_at(b"second", 0)), EIO);
    file.write_at(b"third", 0).unwrap();
    assert_eq!(read(&machine, "log"), b"thirdnted", "the failed write left nothing");
}

#[test]
fn a_fault_strikes_as_often_as_it_is_told() {
    let (machine, file) = machine_with("log", b"");
    machine.fail(CallKind::Write, 1, Fault::Eio, Times::N(2));
    let failed: Vec<bool> = (0..4).map(|_| file.write_at(b"x", 0).is_err()).collect();
    assert_eq!(failed, [true, true, false, false]);
    machine.fail(CallKind::Write, 1, Fault::Enospc, Times::Forever);
    assert!((0..10).all(|_| kind_of(file.write_at(b"x", 0)) == Some(ErrorKind::StorageFull)));
    machine.clear_faults();
    file.write_at(b"x", 0).unwrap();
}

#[test]
fn a_fault_finds_a_file_by_the_name_it_has_now() {
    let machine = machine();
    let segment = put(&machine, "7.tmp", b"");
    let other = put(&machine, "lock", b"");
    machine.rename(&at("7.tmp"), &at("7.segment")).unwrap();
    machine.fail_named(".segment", CallKind::Write, 1, Fault::Eio, Times::Forever);
    machine.fail_named("store", CallKind::SyncDir, 1, Fault::Eio, Times::Once);
    machine.fail_named("new", CallKind::Rename, 1, Fault::Eio, Times::Once);
    assert!(segment.write_at(b"x", 0).is_err());
    assert!(other.write_at(b"x", 0).is_ok());
    assert!(machine.sync_dir(Path::new("/")).is_ok());
    assert!(machine.sync_dir(Path::new("/store")).is_err());
    assert!(machine.rename(&at("lock"), &at("new")).is_err());
    assert!(machine.rename(&at("lock"), &at("newer")).is_ok());
}

#[test]
fn every_kind_of_call_can_fail_and_has_no_effect_then() {
    type Call = fn(&SimVfs, &dyn VfsFile) -> std::io::Result<()>;
    let calls: [(CallKind, Call); 13] = [
        (CallKind::CreateDir, |machine, _| machine.create_dir(Path::new("/new"))),
        (CallKind::List, |machine, _| machine.list(Path::new("/store")).map(drop)),
        (CallKind::Create, |machine, _| machine.create(&at("new")).map(drop)),
        (CallKind::Open, |machine, _| machine.open(&at("log"), true).map(drop)),
        (CallKind::Rename, |machine, _| machine.rename(&at("log"), &at("new"))),
        (CallKind::Remove, |machine, _| machine.remove(&at("log"))),
        (CallKind::HardLink, |machine, _| machine.hard_link(&at("log"), &at("new"))),
        (CallKind::SyncDir, |machine, _| machine.sync_dir(Path::new("/store"))),
        (CallKind::Read, |_, file| file.read_at(&mut [0], 0).map(drop)),
        (CallKind::Write, |_, file| file.write_at(b"new", 0).map(drop)),
        (CallKind::Allocate, |_, file| file.allocate(1 << 20)),
        (CallKind::Release, |_, file| file.release_from(0)),
        (CallKind::Sync, |_, file| file.sync()),
    ];
    for (kind, call) in calls {
        let (machine, file) = machine_with("log", b"old");
        let before = machine.count(kind);
        machine.fail(kind, 1, Fault::Eio, Times::Once);
        assert_eq!(raw(call(&machine, &*file)), EIO, "{kind:?}");
        assert_eq!(machine.count(kind), before + 1, "{kind:?}");
        assert_eq!((names(&machine), read(&machine, "log")), (vec!["log".to_owned()], b"old".to_vec()));
        machine.fail_any(1, Fault::Interrupted, Times::Once);
        assert_eq!(kind_of(call(&machine, &*file)), Some(ErrorKind::Interrupted), "{kind:?}");
        machine.fail_any(1, Fault::ShortWrite, Times::Once);
        assert_eq!(kind_of(call(&machine, &*file)), None, "{kind:?} goes on when no fault strikes it");
    }
}

#[test]
fn after_a_failed_sync_a_later_one_succeeds_and_saves_nothing_of_before() {
    let (machine, file) = machine_with("log", b"synced------");
    write_all_at(&*file, b"lost", 0).unwrap();
    machine.fail(CallKind::Sync, 1, Fault::Eio, Times::Once);
    assert_eq!(raw(file.sync()), EIO);
    assert_eq!(read(&machine, "log"), b"losted------", "the cache still has it");
    file.sync().unwrap();
    write_all_at(&*file, b"saved", 6).unwrap();
    file.sync().unwrap();
    let restarted = machine.crash(CrashPolicy::KeepAll);
    assert_eq!(read(&restarted, "log"), b"lostedsaved-", "and so it does after a restart");
    restarted.open(&at("log"), true).unwrap().sync().unwrap();
    for policy in [CrashPolicy::DropAll, CrashPolicy::Random(1), CrashPolicy::Random(2)] {
        assert_eq!(
            read(&restarted.fork().crash(policy), "log"),
            b"syncedsaved-",
            "but not after a power loss"
        );
    }
}

#[test]
fn an_interrupted_sync_loses_nothing() {
    let (machine, file) = machine_with("log", b"");
    write_all_at(&*file, b"record", 0).unwrap();
    machine.fail(CallKind::Sync, 1, Fault::Interrupted, Times::Once);
    assert_eq!(kind_of(file.sync()), Some(ErrorKind::Interrupted));
    file.sync().unwrap();
    assert_eq!(read(&machine.crash(CrashPolicy::DropAll), "log"), b"record");
}

#[test]
fn a_failed_directory_sync_loses_its_names_for_good() {
    let machine = machine();
    put(&machine, "lost", b"");
    machine.fail(CallKind::SyncDir, 1, Fault::Eio, Times::Once);
    assert!(machine.sync_dir(Path::new("/store")).is_err());
    sync_names(&machine);
    put(&machine, "saved", b"");
    sync_names(&machine);
    assert_eq!(names(&machine), ["lost", "saved"]);
    for policy in [CrashPolicy::DropAll, CrashPolicy::Random(1)] {
        assert_eq!(names(&machine.fork().crash(policy)), ["saved"]);
    }
}

#[test]
fn short_transfers_and_interrupts_are_carried_on_by_the_loops() {
    let (machine, file) = machine_with("log", b"");
    machine.fail(CallKind::Write, 1, Fault::ShortWrite, Times::N(2));
    machine.fail(CallKind::Write, 3, Fault::Interrupted, Times::Once);
    assert_eq!(file.write_at(b"1234567", 0).unwrap(), 4);
    write_all_at(&*file, b"12345678", 0).unwrap();
    assert_eq!(machine.count(CallKind::Write), 4);
    assert_eq!(read(&machine, "log"), b"12345678");
    machine.fail(CallKind::Read, 1, Fault::ShortRead, Times::Once);
    machine.fail(CallKind::Read, 2, Fault::Interrupted, Times::Once);
    let mut bytes = [0; 8];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!((&bytes, machine.count(CallKind::Read)), (b"12345678", 3));
}

#[test]
fn a_read_may_flip_one_bit_and_leaves_the_file_alone() {
    let (machine, file) = machine_with("log", &[0; 64]);
    machine.fail(CallKind::Read, 1, Fault::FlipBit, Times::N(2));
    let mut places = Vec::new();
    for _ in 0..2 {
        let mut bytes = [0; 64];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
        assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        places.push(bytes);
    }
    assert_ne!(places[0], places[1], "another bit each time");
    let mut bytes = [1; 64];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(bytes, [0; 64]);
}

#[test]
fn a_read_may_be_stale() {
    let (machine, file) = machine_with("log", b"old");
    write_all_at(&*file, b"new and longer", 0).unwrap();
    machine.fail(CallKind::Read, 1, Fault::StaleRead, Times::Once);
    let mut bytes = [0xAA; 14];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"old\0\0\0\0\0\0\0\0\0\0\0");
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"new and longer");
}

#[test]
fn a_full_disk_refuses_reservations_whole_and_writes_at_a_block() {
    let machine = machine();
    machine.set_capacity(Some(4 * 4096));
    let file = machine.create(&at("segment")).unwrap();
    assert_eq!(kind_of(file.allocate(5 * 4096)), Some(ErrorKind::StorageFull));
    assert_eq!(file.len().unwrap(), 0);
    file.allocate(2 * 4096).unwrap();
    assert_eq!(machine.free_bytes(Path::new("/store")).unwrap(), 2 * 4096);
    assert_eq!(file.write_at(&[1; 2 * 4096], 0).unwrap(), 2 * 4096, "what is reserved is there");
    assert_eq!(file.write_at(&[1; 4 * 4096], 4096 + 100).unwrap(), 3 * 4096 - 100, "up to the last block");
    assert_eq!(kind_of(write_all_at(&*file, &[1], 4 * 4096)), Some(ErrorKind::StorageFull));
    write_all_at(&*file, &[2; 4096], 0).unwrap();
    machine.set_capacity(Some(5 * 4096));
    write_all_at(&*file, &[1], 4 * 4096).unwrap();
}

#[test]
fn room_comes_back_by_release_and_by_removing_what_nobody_has_open() {
    let machine = machine();
    machine.set_capacity(Some(4 * 4096));
    let free = || machine.free_bytes(Path::new("/store")).unwrap() / 4096;
    let file = machine.create(&at("segment")).unwrap();
    file.allocate(4 * 4096).unwrap();
    assert_eq!(free(), 0);
    file.release_from(2 * 4096).unwrap();
    assert_eq!(free(), 2);
    machine.remove(&at("segment")).unwrap();
    assert_eq!(free(), 2, "still open");
    drop(file);
    assert_eq!(free(), 4);
}

#[test]
fn it_is_known_which_call_lost_the_power_and_what_has_struck() {
    let machine = machine();
    assert_eq!(machine.crashed_in(), None);
    machine.fail(CallKind::Write, 2, Fault::Eio, Times::N(2));
    let file = put(&machine, "a", b"one");
    assert!(file.write_at(b"two", 0).is_err() && file.write_at(b"two", 0).is_err());
    file.write_at(b"two", 0).unwrap();
    assert_eq!(machine.struck(), [(CallKind::Write, Fault::Eio, 2)]);
    machine.crash_at_call(2);
    file.sync().unwrap();
    assert!(machine.rename(&at("a"), &at("b")).is_err());
    assert_eq!(machine.crashed_in(), Some((CallKind::Rename, "b".to_owned())));
    assert_eq!(machine.crash(CrashPolicy::DropAll).crashed_in(), None, "that was another machine");
}
