//! Where the power goes, what is dead after it, and how a test gets at the disk.

use std::io::ErrorKind;
use std::path::Path;

use super::super::{CallKind, CrashPolicy, SimVfs};
use super::{SEEDS, at, machine, machine_with, names, put, read, sync_names};
use crate::vfs::{Keeps, Vfs, Volume, read_exact_at, write_all_at};

/// Creates a file with a record, durably: five calls that change or sync, two of them syncs.
fn workload(machine: &SimVfs) -> std::io::Result<()> {
    let file = machine.create(&at("log.tmp"))?;
    write_all_at(&*file, b"record", 0)?;
    file.sync()?;
    machine.rename(&at("log.tmp"), &at("log"))?;
    machine.sync_dir(Path::new("/store"))
}

#[test]
fn the_power_goes_at_the_nth_call_before_it_has_an_effect() {
    let mut seen = Vec::new();
    for nth in 1.. {
        let machine = machine();
        machine.crash_at_call(nth);
        match workload(&machine) {
            Ok(()) => break,
            Err(error) => assert!(SimVfs::is_crash(&error), "{error}"),
        }
        assert!(machine.has_crashed());
        assert_eq!(machine.calls(), 1 + nth, "one more for the directory made before");
        let dead = machine.crash(CrashPolicy::KeepAll);
        seen.push(names(&dead).first().map(|name| (name.clone(), read(&dead, name))));
    }
    let tmp = |bytes: &[u8]| Some(("log.tmp".to_owned(), bytes.to_vec()));
    let log = Some(("log".to_owned(), b"record".to_vec()));
    assert_eq!(seen, [None, tmp(b""), tmp(b"record"), tmp(b"record"), log]);
}

#[test]
fn the_power_goes_after_a_call_whose_effect_nobody_learns_of() {
    let (machine, file) = machine_with("log", b"old");
    machine.crash_after_call(1);
    assert!(SimVfs::is_crash(&file.write_at(b"new", 0).unwrap_err()));
    let restarted = machine.crash(CrashPolicy::KeepAll);
    assert_eq!(read(&restarted, "log"), b"new");
    restarted.crash_after_call(1);
    assert!(restarted.create(&at("other")).is_err_and(|error| SimVfs::is_crash(&error)));
    assert_eq!(names(&restarted.crash(CrashPolicy::KeepAll)), ["log", "other"]);
}

#[test]
fn crash_points_can_count_syncs_alone() {
    for nth in [1, 2] {
        let machine = machine();
        machine.crash_at_sync(nth);
        assert!(SimVfs::is_crash(&workload(&machine).unwrap_err()));
        assert_eq!(machine.syncs(), nth);
        assert!(names(&machine.crash(CrashPolicy::DropAll)).is_empty());
    }
    let machine = machine();
    machine.crash_after_sync(2);
    assert!(SimVfs::is_crash(&workload(&machine).unwrap_err()));
    let after = machine.crash(CrashPolicy::DropAll);
    assert_eq!((names(&after), read(&after, "log")), (vec!["log".to_owned()], b"record".to_vec()));
}

#[test]
fn a_cleared_crash_point_is_passed() {
    let machine = machine();
    machine.crash_at_call(3);
    machine.clear_faults();
    workload(&machine).unwrap();
    assert!(!machine.has_crashed());
}

#[test]
fn after_the_crash_every_handle_to_the_old_world_is_dead() {
    let (machine, file) = machine_with("log", b"record");
    let after = machine.crash(CrashPolicy::KeepAll);
    let path = Path::new("/store");
    let errors = [
        file.read_at(&mut [0], 0).err(),
        file.write_at(b"x", 0).err(),
        file.allocate(1).err(),
        file.release_from(0).err(),
        file.sync().err(),
        file.len().err(),
        file.allocated_bytes().err(),
        file.map(1).err(),
        file.try_lock().err(),
        machine.create_dir(path).err(),
        machine.list(path).err(),
        machine.create(&at("new")).err(),
        machine.open(&at("log"), true).err(),
        machine.rename(&at("log"), &at("new")).err(),
        machine.remove(&at("log")).err(),
        machine.hard_link(&at("log"), &at("new")).err(),
        machine.sync_dir(path).err(),
        machine.free_bytes(path).err(),
        machine.volume(path).err(),
        machine.identity(path).err(),
        machine.read_file(&at("log")).err(),
        machine.write_file(&at("log"), b"").err(),
        machine.flip_bit(&at("log"), 0, 0).err(),
        machine.truncate(&at("log"), 0).err(),
        machine.remove_file(&at("log")).err(),
    ];
    for (place, error) in errors.iter().enumerate() {
        assert!(error.as_ref().is_some_and(SimVfs::is_crash), "{place}: {error:?}");
    }
    drop(file);
    assert_eq!(read(&after, "log"), b"record");
}

#[test]
fn locks_end_with_the_process() {
    let (machine, file) = machine_with("lock", b"");
    assert!(file.try_lock().unwrap());
    let after = machine.crash(CrashPolicy::KeepAll);
    let other = after.open(&at("lock"), true).unwrap();
    let holder = after.open(&at("lock"), true).unwrap();
    assert!(holder.try_lock().unwrap());
    drop(file);
    assert!(!other.try_lock().unwrap(), "dropping the dead handle releases nothing here");
}

#[test]
fn open_files_end_with_the_process() {
    let (machine, file) = machine_with("segment", &[1; 4096]);
    machine.set_capacity(Some(4096));
    machine.remove(&at("segment")).unwrap();
    sync_names(&machine);
    assert_eq!(machine.free_bytes(Path::new("/store")).unwrap(), 0, "still open");
    let after = machine.crash(CrashPolicy::KeepAll);
    assert_eq!(after.free_bytes(Path::new("/store")).unwrap(), 4096);
    drop(file);
}

#[test]
fn an_ordinary_error_is_no_crash() {
    let machine = machine();
    let error = machine.open(&at("missing"), false).err().unwrap();
    assert!(!SimVfs::is_crash(&error));
    assert!(!SimVfs::is_crash(&std::io::Error::other("something else")));
}

#[test]
fn a_fork_goes_its_own_way() {
    let (machine, file) = machine_with("log", b"shared");
    write_all_at(&*file, b"unsync", 0).unwrap();
    assert!(file.try_lock().unwrap());
    let fork = machine.fork();
    assert!(fork.open(&at("log"), true).unwrap().try_lock().unwrap());
    write_all_at(&*file, b"MACHINE", 0).unwrap();
    fork.remove(&at("log")).unwrap();
    assert_eq!(read(&machine, "log"), b"MACHINE");
    assert_eq!(read(&fork.crash(CrashPolicy::DropAll), "log"), b"shared");
    assert!(!machine.has_crashed());
}

#[test]
fn each_world_is_a_device_of_its_own() {
    let machine = machine();
    let before = machine.identity(Path::new("/store")).unwrap();
    assert_ne!(before.0, machine.fork().identity(Path::new("/store")).unwrap().0);
    assert_ne!(before.0, machine.crash(CrashPolicy::KeepAll).identity(Path::new("/store")).unwrap().0);
}

#[test]
fn settings_outlive_a_crash_and_faults_do_not() {
    let machine = machine();
    machine.set_capacity(Some(4096));
    machine.set_volume(Volume::new(Some("NFS"), Keeps::Elsewhere));
    machine.crash_at_call(1);
    let after = machine.crash(CrashPolicy::DropAll);
    assert_eq!(after.free_bytes(Path::new("/store")).unwrap(), 4096);
    assert_eq!(after.volume(Path::new("/store")).unwrap().file_system, Some("NFS"));
    assert_eq!(after.calls(), 0);
    put(&after, "log", b"x");
    sync_names(&after);
}

#[test]
fn damage_is_durable_and_not_counted() {
    let machine = machine();
    machine.write_file(Path::new("/made/on/the/way"), b"abc").unwrap();
    machine.write_file(&at("log"), b"abcdef").unwrap();
    machine.flip_bit(&at("log"), 1, 0).unwrap();
    machine.truncate(&at("log"), 4).unwrap();
    machine.write_file(&at("gone"), b"").unwrap();
    machine.remove_file(&at("gone")).unwrap();
    assert_eq!(machine.flip_bit(&at("log"), 4, 0).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(machine.truncate(&at("gone"), 0).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((machine.count(CallKind::Write), machine.count(CallKind::Create)), (0, 0));
    let after = machine.crash(CrashPolicy::DropAll);
    assert_eq!((names(&after), read(&after, "log")), (vec!["log".to_owned()], b"accd".to_vec()));
    assert_eq!(after.read_file(Path::new("/made/on/the/way")).unwrap(), b"abc");
    after.truncate(&at("log"), 6).unwrap();
    after.write_file(&at("log"), b"xyz").unwrap();
    assert_eq!(read(&after, "log"), b"xyz");
}

#[test]
fn an_open_file_sees_the_damage() {
    let (machine, file) = machine_with("log", b"abc");
    machine.flip_bit(&at("log"), 0, 1).unwrap();
    let mut bytes = [0; 3];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"cbc");
}

#[test]
fn many_threads_may_use_one_file() {
    let (machine, file) = machine_with("log", b"");
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let file = &file;
            scope.spawn(move || {
                for place in 0..50 {
                    write_all_at(&**file, &[thread + 1; 10], (place * 4 + u64::from(thread)) * 10).unwrap();
                }
            });
        }
    });
    let bytes = read(&machine, "log");
    assert_eq!(bytes.len(), 2000);
    for (place, record) in bytes.chunks(10).enumerate() {
        assert_eq!(record, [u8::try_from(place % 4).unwrap() + 1; 10]);
    }
}

#[test]
#[ignore = "a measurement: run it with --ignored --nocapture"]
fn crash_and_recover_cycles_a_second() {
    let started = std::time::Instant::now();
    let cycles = 5000;
    for seed in 0..cycles {
        let machine = machine();
        let file = machine.create(&at("segment")).unwrap();
        file.allocate(64 << 20).unwrap();
        sync_names(&machine);
        write_all_at(&*file, &[0; 1 << 20], 0).unwrap();
        for record in 0..20 {
            write_all_at(&*file, &[7; 600], record * 600).unwrap();
            if record % 3 == 0 {
                file.sync().unwrap();
            }
        }
        let after = machine.crash(CrashPolicy::Random(seed));
        let file = after.open(&at("segment"), true).unwrap();
        let mut bytes = [0; 20 * 600];
        read_exact_at(&*file, &mut bytes, 0).unwrap();
    }
    println!(
        "{:.0} cycles a second",
        f64::from(u32::try_from(cycles).unwrap()) / started.elapsed().as_secs_f64()
    );
}

/// What a process writes about itself, which is not the same in each run, must not change what is lost of other files.
#[test]
fn what_is_lost_of_one_file_says_nothing_about_another() {
    for seed in 0..SEEDS {
        let left = |first: &[u8]| {
            let machine = machine();
            put(&machine, "first", first);
            put(&machine, "second", &[7; 3000]);
            machine.sync_dir(Path::new("/store")).unwrap();
            machine.crash(CrashPolicy::Random(seed)).read_file(&at("second")).unwrap()
        };
        assert!(left(b"4711") == left(b"the first file is longer here"), "seed {seed}");
    }
}
