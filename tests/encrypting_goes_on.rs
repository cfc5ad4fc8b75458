//! A plain store is encrypted by a call that can be interrupted anywhere: what is left is a plain store, a store that only who
//! goes on can open, or an encrypted one; everybody's session is there, and in the end nothing plain.

#![cfg(all(feature = "simulation", feature = "encryption"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::collections::BTreeMap;

use common::machine::{HOUR, Machine, is_crash, maintain, telling};
use common::script::Runner;
use common::workload::workload;
use sessile::vfs::{CallKind, CrashPolicy, Fault, Hazards, Times};
use sessile::{Error, KeyRing, Store, Write};

const PAYLOAD: &str = "hunter2-payload";

fn ring() -> Option<KeyRing> {
    Some(KeyRing::new("2026", [1; 32]).unwrap())
}

type Sessions = BTreeMap<String, Vec<u8>>;

/// A closed plain store over several segments, with ends, touches and a user who was logged out in it.
fn plain() -> (Machine, Sessions) {
    let machine = Machine::new();
    let store = machine.open();
    let data = |name: usize| format!("{PAYLOAD}-{name}-{}", "x".repeat(1500));
    for name in 0..120 {
        let subject = if name % 6 == 0 { "bob" } else { "alice" };
        store.create(format!("id {name}"), Write::new(data(name)).subject(subject)).unwrap();
    }
    for name in 0..40 {
        store.destroy(format!("id {name}")).unwrap();
        store.touch(format!("id {}", 40 + name), 2 * HOUR).unwrap();
    }
    store.destroy_subject("bob", None).unwrap();
    store.update("id 119", Write::new(data(0))).unwrap();
    maintain(&store);
    let sessions = sessions(&store);
    assert!(sessions.len() > 60 && store.stats().segments > 2);
    store.close().unwrap();
    (machine, sessions)
}

fn sessions(store: &Store) -> Sessions {
    let ids = (0..120).map(|name| format!("id {name}"));
    ids.filter_map(|id| Some((id.clone(), store.get(&id).unwrap()?.data().to_vec()))).collect()
}

fn holds_what_is_plain(machine: &Machine) -> bool {
    let is_plain = |bytes: Vec<u8>| bytes.windows(PAYLOAD.len()).any(|window| window == PAYLOAD.as_bytes());
    machine.names().iter().any(|name| is_plain(machine.bytes(name)))
}

fn encrypt(machine: &Machine) -> Result<sessile::Reencrypted, Error> {
    machine.clone().with_keys(ring()).options().encrypt("/store", |_| {})
}

/// What is left opens for those for whom it is, goes on, and is whole in the end.
fn goes_on(left: &Machine, sessions_before: &Sessions) -> &'static str {
    let sealed = left.clone().with_keys(ring());
    let in_use = left.options().keys_in_use("/store").unwrap();
    let says_encrypted =
        !in_use.unfinished && in_use.uses.iter().any(|used| used.name.is_some() && used.has_secret);
    assert!(!says_encrypted || !holds_what_is_plain(left), "before anybody tidies up");
    let is = match sealed.fork().try_open() {
        Ok(_) => "encrypted",
        Err(Error::KeysForPlain) => "plain",
        Err(Error::KeysUnfinished) => "between",
        Err(error) => panic!("with keys: {error}"),
    };
    match (is, left.fork().try_open()) {
        ("plain", Ok(store)) => assert!(sessions(&store) == *sessions_before),
        ("encrypted" | "between", Err(Error::KeyMissing { name })) => assert_eq!(name, "2026"),
        (_, opened) => panic!("{is}, and without keys {:?}", opened.map(drop)),
    }
    if is != "plain" {
        let looked = sealed.fork().options().read_only(true).open("/store").unwrap();
        assert!(sessions(&looked) == *sessions_before, "everybody can be brought away");
        assert!(left.fork().options().read_only(true).open("/store").is_err(), "but not without keys");
    }
    match encrypt(left) {
        Ok(_) => assert_ne!(is, "encrypted"),
        Err(Error::EncryptedAlready) => assert_eq!(is, "encrypted"),
        Err(error) => panic!("going on: {error}"),
    }
    assert!(!holds_what_is_plain(left));
    let store = sealed.open();
    assert!(sessions(&store) == *sessions_before);
    let in_use = sealed.options().keys_in_use("/store").unwrap();
    let names: Vec<_> = in_use.uses.iter().map(|used| used.name.as_deref()).collect();
    assert!(names == [Some("2026")] && !in_use.unfinished, "{in_use:?}");
    is
}

#[test]
fn a_plain_store_becomes_an_encrypted_one_with_everybody_in_it() {
    let (machine, before) = plain();
    assert!(holds_what_is_plain(&machine));
    let secret = machine.open().secret().to_bytes();
    machine.open().close().unwrap();
    let mut told = Vec::new();
    let options = machine.clone().with_keys(ring()).options();
    let done = options.encrypt("/store", |step| told.push((step.done, step.segments))).unwrap();
    assert!(done.done > 2 && told.last() == Some(&(done.done, done.segments)), "{done:?} {told:?}");
    assert!(told.is_sorted() && done.left_plain.is_empty());
    assert_eq!(goes_on(&machine, &before), "encrypted");
    // The same secret, so everybody's handle is what it was; and it stands nowhere any more.
    let store = machine.clone().with_keys(ring()).open();
    assert_eq!(store.secret().to_bytes(), secret);
    let shows = |bytes: Vec<u8>| bytes.windows(32).any(|window| window == secret);
    assert!(!machine.names().iter().any(|name| shows(machine.bytes(name))));
}

#[test]
fn interrupted_at_any_call_it_goes_on() {
    let (machine, before) = plain();
    let mut left_as = BTreeMap::new();
    let mut nth = 0;
    for (call, after) in (1..).flat_map(|call| [(call, false), (call, true)]) {
        let begun = machine.fork();
        match after {
            false => begun.sim.crash_at_call(call),
            true => begun.sim.crash_after_call(call),
        }
        match encrypt(&begun) {
            Ok(_) => break,
            Err(error) => assert!(is_crash(&error), "{error}"),
        }
        nth += 1;
        let garbage = CrashPolicy::Chosen(nth, Hazards { garbage: true, ..Hazards::NONE });
        for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll, CrashPolicy::Random(nth), garbage] {
            let left = begun.crashed(policy);
            let is = telling(&format!("call {call}, after {after}, {policy:?}"), || goes_on(&left, &before));
            *left_as.entry(is).or_insert(0) += 1;
        }
    }
    println!("{nth} crashes left it {left_as:?}");
    assert!(nth > 60 && left_as.len() == 3, "{nth} {left_as:?}");
}

#[test]
fn a_call_that_fails_once_is_told_and_it_goes_on() {
    let (machine, before) = plain();
    for kind in [CallKind::Write, CallKind::Sync, CallKind::Rename, CallKind::Create] {
        for nth in 1.. {
            let begun = machine.fork();
            begun.sim.fail(kind, nth, Fault::Eio, Times::Once);
            let done = encrypt(&begun);
            begun.sim.clear_faults();
            telling(&format!("{kind:?} {nth}"), || goes_on(&begun, &before));
            if done.is_ok() && nth > 40 {
                break;
            }
        }
    }
}

/// Encrypts, is refused, and has changed nothing: the store is as plain as before.
fn refused(machine: &Machine, sessions_before: &Sessions) -> Error {
    let files = |machine: &Machine| -> BTreeMap<_, _> {
        let names = machine.names().into_iter().filter(|name| name != "LOCK");
        names.map(|name| (name.clone(), machine.bytes(&name))).collect()
    };
    let before = files(machine);
    let error = encrypt(machine).expect_err("it cannot be ended");
    assert!(files(machine) == before, "something has changed");
    let damaged = machine.open();
    let read = sessions_before.keys().filter(|id| damaged.get(id).is_ok()).count();
    assert!(read + 1 >= sessions_before.len());
    error
}

/// A record that nobody would read in years must not be met half way.
#[test]
fn a_store_that_cannot_be_encrypted_to_the_end_is_not_begun_with() {
    let (machine, before) = plain();
    let mut refusals = 0;
    for name in machine.segments() {
        let machine = machine.fork();
        let mut bytes = machine.bytes(&name);
        let Some(at) = bytes.windows(PAYLOAD.len()).position(|window| window == PAYLOAD.as_bytes()) else {
            continue;
        };
        bytes[at] ^= 1;
        machine.put_bytes(&name, &bytes);
        if machine.fork().try_open().is_err() {
            continue;
        }
        refusals += 1;
        let error = refused(&machine, &before);
        assert!(matches!(&error, Error::Corrupt(damage) if damage.file == name), "{error}");
    }
    assert!(refusals > 0);
}

#[test]
fn a_disk_that_has_no_room_for_it_is_told_before_it_begins() {
    let (machine, before) = plain();
    let used: u64 = machine.names().iter().map(|name| machine.bytes(name).len() as u64).sum();
    let mut refusals = 0;
    for free in (0..).step_by(16 << 10) {
        let machine = machine.fork();
        machine.sim.set_capacity(Some(used + free));
        match encrypt(&machine) {
            Ok(_) => break,
            Err(Error::FullAtOpening(_)) => refusals += 1,
            Err(error) => panic!("{free}: {error}"),
        }
        machine.sim.set_capacity(None);
        assert_eq!(goes_on(&machine, &before), "plain", "{free}");
    }
    assert!(refusals > 0);
}

/// A server that was killed leaves an end of its log that was perhaps never synced, which is no damage.
#[test]
fn what_a_killed_server_leaves_is_encrypted() {
    for seed in 0..8 {
        let machine = Machine::new();
        let store = machine.open();
        for name in 0..60 {
            store.create(format!("id {name}"), Write::new("x".repeat(1500))).unwrap();
        }
        for name in 0..60 {
            store.touch(format!("id {name}"), 2 * HOUR).unwrap();
        }
        let left = machine.crash(CrashPolicy::Random(seed));
        let before = sessions(&left.fork().open());
        assert_eq!(goes_on(&left, &before), "plain", "{seed}");
    }
}

/// What cannot be removed is told by its name, and the next opening removes it.
#[test]
fn what_is_left_plain_is_told() {
    let (machine, before) = plain();
    let first = machine.segments().remove(0);
    machine.put_bytes("00000002.seg.damaged", PAYLOAD.as_bytes());
    machine.sim.fail_named(&first, CallKind::Remove, 1, Fault::Eio, Times::Forever);
    let done = encrypt(&machine).unwrap();
    machine.sim.clear_faults();
    assert!(machine.segments().contains(&first), "it is there");
    assert_eq!(done.left_plain, [first.as_str(), "00000002.seg.damaged"]);
    machine.remove("00000002.seg.damaged");
    let store = machine.clone().with_keys(ring()).open();
    assert!(sessions(&store) == before && !machine.segments().contains(&first));
    assert!(!holds_what_is_plain(&machine));
}

/// A handle from before the end would go on with a store that is closed under it.
#[test]
fn while_a_store_is_being_encrypted_this_process_does_not_open_it_either() {
    let (machine, before) = plain();
    let sealed = machine.clone().with_keys(ring());
    let mut asked = 0;
    let done = sealed.options().encrypt("/store", |_| {
        asked += 1;
        assert!(matches!(sealed.try_open(), Err(Error::KeysUnfinished)));
        assert!(matches!(encrypt(&machine), Err(Error::KeysUnfinished)));
    });
    assert!(done.unwrap().done > 0 && asked > 0);
    assert!(sessions(&sealed.open()) == before);
}

#[test]
fn an_empty_directory_and_a_store_that_somebody_has_open_are_not_encrypted() {
    let machine = Machine::new();
    let nothing = encrypt(&machine);
    assert!(nothing.is_err(), "{nothing:?}");
    assert!(matches!(machine.options().encrypt("/store", |_| {}), Err(Error::Invalid(_))), "without keys");
    let (machine, _) = plain();
    let store = machine.open();
    assert!(matches!(encrypt(&machine), Err(Error::KeysForPlain)), "it is open here");
    store.close().unwrap();
    encrypt(&machine).unwrap();
    let store = machine.clone().with_keys(ring()).open();
    assert!(matches!(encrypt(&machine), Err(Error::EncryptedAlready)), "it is open here");
    store.create("still", "open").unwrap();
}

/// A life with everything in it, of a store that is encrypted, with the power going at calls all along it.
#[test]
fn an_encrypted_life_keeps_what_was_acknowledged() {
    const IDS: usize = 24;
    let steps = workload(11, 200, IDS, 3, false);
    let mut crashes = 0;
    for nth in (1..).step_by(5) {
        let mut runner = Runner::new(Machine::new().with_keys(ring()), IDS, 3);
        runner.machine.sim.crash_at_call(nth);
        if runner.run(&steps).is_ok() {
            break;
        }
        crashes += 1;
        for policy in [CrashPolicy::KeepAll, CrashPolicy::DropAll, CrashPolicy::Random(nth)] {
            telling(&format!("crash point {nth}, {policy:?}"), || runner.check_after(policy));
        }
    }
    assert!(crashes > 60, "{crashes}");
}
