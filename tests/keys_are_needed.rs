//! Keys are needed: an encrypted store opens with the keys that it is sealed with and with no others, a plain one with none; and
//! whoever comes with what does not fit changes nothing.

#![cfg(all(feature = "simulation", feature = "encryption"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use common::machine::{Machine, maintain};
use sessile::{Error, Format, KeyRing, Options, Result, Store, Write};

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn old() -> KeyRing {
    KeyRing::new("old", OLD).unwrap()
}

fn new() -> KeyRing {
    KeyRing::new("new", NEW).unwrap()
}

fn both() -> KeyRing {
    new().and_older("old", OLD).unwrap()
}

/// A closed store with sessions in several segments.
fn filled(keys: Option<KeyRing>) -> Machine {
    let machine = Machine::new().with_keys(keys);
    let store = machine.open();
    for name in 0..200 {
        store.create(format!("id {name}"), Write::new(vec![7; 1000])).unwrap();
    }
    store.close().unwrap();
    machine
}

fn open(machine: &Machine, keys: Option<KeyRing>) -> Result<Store> {
    machine.clone().with_keys(keys).try_open()
}

/// Every file but the lock's, which says who has tried.
fn files(machine: &Machine) -> Vec<(String, Vec<u8>)> {
    let names = machine.names().into_iter().filter(|name| name != "LOCK");
    names.map(|name| (name.clone(), machine.bytes(&name))).collect()
}

/// Opens with these keys, for writing and for reading only; both are refused, and no file changes.
fn refused(machine: &Machine, keys: impl Fn() -> Option<KeyRing>) -> Error {
    let before = files(machine);
    let error = open(machine, keys()).expect_err("the keys do not fit");
    let looking = machine.clone().with_keys(keys()).options().read_only(true).open("/store");
    assert_eq!(looking.expect_err("nor for a look").to_string(), error.to_string());
    assert!(files(machine) == before, "something has changed");
    error
}

#[test]
fn without_its_keys_or_with_others_an_encrypted_store_stays_closed_and_as_it_is() {
    let machine = filled(Some(old()));
    for crashed in [false, true] {
        let machine =
            if crashed { machine.crash(sessile::vfs::CrashPolicy::DropAll) } else { machine.fork() };
        assert!(matches!(refused(&machine, || None), Error::KeyMissing { name } if name == "old"));
        assert!(matches!(refused(&machine, || Some(new())), Error::KeyMissing { name } if name == "old"));
        let wrong = || Some(KeyRing::new("old", NEW).unwrap());
        assert!(matches!(refused(&machine, wrong), Error::KeyWrong { name } if name == "old"));
        let store = open(&machine, Some(old())).unwrap();
        assert_eq!(store.get("id 7").unwrap().unwrap().data(), [7; 1000]);
    }
}

#[test]
fn a_plain_store_is_not_opened_with_keys_and_told_how_to_encrypt_it() {
    let machine = filled(None);
    let error = refused(&machine, || Some(old()));
    assert!(matches!(error, Error::KeysForPlain));
    assert!(error.to_string().contains("sessile encrypt"), "{error}");
    assert!(open(&machine, None).unwrap().get("id 7").unwrap().is_some());
}

#[test]
fn new_segments_need_the_newest_key_and_reencrypting_ends_the_need_of_the_old_one() {
    let machine = filled(Some(old()));
    let store = open(&machine, Some(both())).unwrap();
    store.create("later", Write::new("later")).unwrap();
    let names = |machine: &Machine| -> Vec<_> {
        let in_use = machine.options().keys_in_use("/store").unwrap();
        assert!(!in_use.unfinished);
        in_use.uses.into_iter().map(|used| (used.name.unwrap(), used.segments, used.has_secret)).collect()
    };
    let before = names(&machine);
    assert!(
        matches!(&before[..], [(new, 1, true), (old, 3.., false)] if new == "new" && old == "old"),
        "{before:?}"
    );
    store.close().unwrap();
    let machine = machine.with_keys(None);
    assert!(
        matches!(refused(&machine, || Some(new())), Error::KeyMissing { name } if name == "old"),
        "a removed key"
    );

    let store = open(&machine, Some(both())).unwrap();
    let mut steps = 0;
    let done = store.reencrypt(|_| steps += 1).unwrap();
    assert!(done.done >= 3 && done.done == done.segments && steps > 0, "{done:?}");
    assert_eq!(store.reencrypt(|_| {}).unwrap().done, 0, "it is done");
    let after = names(&machine);
    assert!(matches!(&after[..], [(new, _, true)] if new == "new"), "{after:?}");
    store.close().unwrap();
    let store = open(&machine, Some(new())).unwrap();
    for name in 0..200 {
        assert_eq!(store.get(format!("id {name}")).unwrap().unwrap().data(), [7; 1000]);
    }
    assert!(store.get("later").unwrap().is_some());
}

/// What compaction rewrites anyhow is sealed with the newest key.
#[test]
fn compaction_brings_what_it_keeps_under_the_newest_key() {
    let machine = filled(Some(old()));
    let store = open(&machine, Some(both())).unwrap();
    for name in (0..200).filter(|name| name % 2 == 0) {
        store.destroy(format!("id {name}")).unwrap();
    }
    maintain(&store);
    let in_use = machine.options().keys_in_use("/store").unwrap();
    let names: Vec<_> = in_use.uses.iter().map(|used| used.name.as_deref()).collect();
    assert_eq!(names, [Some("new")], "{in_use:?}");
    assert_eq!(store.get("id 7").unwrap().unwrap().data(), [7; 1000]);
}

#[test]
fn who_comes_second_needs_the_keys_too() {
    let machine = filled(Some(old()));
    let store = open(&machine, Some(old())).unwrap();
    assert!(matches!(open(&machine, None), Err(Error::KeyMissing { name }) if name == "old"));
    assert!(matches!(open(&machine, Some(new())), Err(Error::KeyMissing { .. })));
    assert!(matches!(open(&machine, Some(KeyRing::new("old", NEW).unwrap())), Err(Error::KeyWrong { .. })));
    assert!(open(&machine, Some(both())).unwrap().get("id 7").unwrap().is_some());
    drop(store);
    let machine = filled(None);
    let _store = open(&machine, None).unwrap();
    assert!(matches!(open(&machine, Some(old())), Err(Error::KeysForPlain)));
}

#[test]
fn an_encrypted_store_has_the_format_that_encryption_needs() {
    let machine = Machine::new().with_keys(Some(old()));
    assert_eq!(machine.options().format(Format::V1).open("/store").unwrap().stats().format, Format::V2);
}

#[test]
fn errors_name_the_key_and_never_show_it() {
    let machine = filled(Some(KeyRing::new("2026-11", *b"correct horse battery staple 32b").unwrap()));
    for error in [
        open(&machine, None).unwrap_err(),
        open(&machine, Some(KeyRing::new("2026-11", NEW).unwrap())).unwrap_err(),
    ] {
        assert!(error.to_string().contains("2026-11"), "{error}");
        assert!(!format!("{error}{error:?}").contains("correct horse"));
    }
    let options = Options::new().encryption(KeyRing::new("a", *b"correct horse battery staple 32b").unwrap());
    assert!(!format!("{options:?}{options:#?}").contains("correct"));
}
