//! At rest nothing is plain: no file of an encrypted store, nor of its backup, holds a payload, an id, a subject, a key or the
//! secret that digests are made with; the same search finds all of it where a store is not encrypted.

#![cfg(all(feature = "simulation", feature = "encryption"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::machine::{HOUR, Machine, maintain};
use sessile::vfs::Vfs;
use sessile::{Error, KeyRing, ReadMode, Restoring, Store, Write};

const ID: &str = "bearer-token";
const SUBJECT: &str = "alice-liddell";
const PAYLOAD: &str = "hunter2-payload";
const KEY: [u8; 32] = *b"this-is-the-key-of-the-test-0001";

fn data(name: usize) -> String {
    format!("{PAYLOAD}-{name}-{}", "x".repeat(900))
}

fn write(name: usize) -> Write {
    Write::new(data(name)).subject(format!("{SUBJECT}-{}", name % 7))
}

fn id(name: usize) -> String {
    format!("{ID}-{name}")
}

fn machine(keys: bool) -> Machine {
    Machine::new().with_keys(keys.then(|| KeyRing::new("first", KEY).unwrap()))
}

/// Loads a store over several segments, ends, rotates and compacts, lets somebody run out, closes, opens and goes on.
fn load(machine: &Machine) -> Store {
    let open = || machine.options().keep_ids(true).open("/store").unwrap();
    let store = open();
    let mut listening = store.events().unwrap();
    for name in 0..400 {
        store.create(id(name), write(name)).unwrap();
    }
    for name in 0..400 {
        match name % 5 {
            0 => assert!(store.destroy(id(name)).unwrap()),
            1 => drop(store.update(id(name), write(name)).unwrap()),
            2 => drop(store.rotate(id(name), format!("{}-new", id(name)), None).unwrap()),
            3 => drop(store.touch(id(name), 2 * HOUR).unwrap()),
            _ => {}
        }
    }
    store.destroy_subject(format!("{SUBJECT}-3"), None).unwrap();
    maintain(&store);
    let _ = listening.try_next();
    store.backup("/backup").unwrap();
    store.close().unwrap();
    let store = open();
    for name in 400..450 {
        store.create(id(name), write(name)).unwrap();
    }
    machine.clock.advance(HOUR + HOUR / 2);
    store.confirm_clock().unwrap();
    maintain(&store);
    assert!(store.stats().compactions > 0 && store.stats().segments > 2, "{:?}", store.stats());
    store.close().unwrap();
    open()
}

fn files_in(machine: &Machine, directory: &str) -> Vec<(String, Vec<u8>)> {
    let names = machine.sim.list(Path::new(directory)).unwrap().into_iter();
    let paths = names.map(|name| format!("{directory}/{name}"));
    paths.map(|path| (path.clone(), machine.sim.read_file(Path::new(&path)).unwrap())).collect()
}

fn files(machine: &Machine) -> Vec<(String, Vec<u8>)> {
    [files_in(machine, "/store"), files_in(machine, "/backup")].concat()
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// The names of the files that hold this.
fn holders(machine: &Machine, needle: &[u8]) -> Vec<String> {
    files(machine).into_iter().filter(|(_, bytes)| holds(bytes, needle)).map(|(name, _)| name).collect()
}

#[test]
fn no_file_of_an_encrypted_store_holds_a_payload_an_id_a_subject_a_key_or_the_secret() {
    for keys in [false, true] {
        let machine = machine(keys);
        let store = load(&machine);
        let secret = store.secret().to_bytes();
        // What a store like this must still be able to do.
        assert!(store.get(id(449)).unwrap().is_none(), "it has run out");
        let found = store.get(id(8)).unwrap().expect("it was touched");
        assert_eq!(found.data(), data(8).as_bytes());
        assert_eq!(found.id(), Some(id(8).as_bytes()));
        assert_eq!(store.sessions_of(format!("{SUBJECT}-1")).unwrap().count(), 12);
        for closed in [false, true] {
            if closed {
                store.close().unwrap();
                assert!(files(&machine).iter().any(|(name, _)| name == "/store/SNAPSHOT"));
                assert!(files(&machine).iter().any(|(name, _)| name == "/store/EVENTS"));
            }
            for needle in [PAYLOAD.as_bytes(), ID.as_bytes(), &secret[..]] {
                let holders = holders(&machine, needle);
                assert_eq!(
                    holders.is_empty(),
                    keys,
                    "{holders:?} hold {:?}",
                    String::from_utf8_lossy(needle)
                );
                assert_eq!(holders.iter().any(|name| name.starts_with("/backup")), !keys, "{holders:?}");
            }
            // The key is in no file, nor are subjects, which are nowhere but as digests.
            assert_eq!(holders(&machine, &KEY[..16]), Vec::<String>::new());
            assert_eq!(holders(&machine, SUBJECT.as_bytes()), Vec::<String>::new());
        }
    }
}

/// Whoever has the secret can try out subjects, which are few. It is what is sealed.
#[test]
fn a_subject_cannot_be_tried_out_on_a_stolen_disk() {
    for keys in [false, true] {
        let machine = machine(keys);
        let store = load(&machine);
        let subject = store.subject_digest(format!("{SUBJECT}-1")).unwrap().to_bytes();
        store.close().unwrap();
        assert!(!holders(&machine, &subject).is_empty(), "its digest stands in records");
        let header = machine.bytes("STORE");
        let in_header: [u8; 32] = header[32..64].try_into().unwrap();
        let tried = sessile::Secret::from_bytes(in_header).subject_digest(format!("{SUBJECT}-1")).unwrap();
        assert_eq!(tried.to_bytes() == subject, !keys, "by what stands in the header");
    }
}

#[test]
fn an_encrypted_store_is_read_from_maps_in_place_and_in_a_backup() {
    let machine = machine(true);
    load(&machine).close().unwrap();
    for mode in [ReadMode::Plain, ReadMode::Map] {
        let store = machine.options().read_mode(mode).open("/store").unwrap();
        assert_eq!(store.get_ref(id(8)).unwrap().unwrap().data(), data(8).as_bytes());
        assert_eq!(store.verify().unwrap().damage, []);
        store.update_with(id(8), |session| Some(Write::new([session.data(), b"!"].concat()))).unwrap();
        store.replace_if(id(8), store.get(id(8)).unwrap().unwrap().version(), Write::new(data(8))).unwrap();
        store.close().unwrap();
    }
    let backup = machine.options().read_only(true).open("/backup").unwrap();
    assert_eq!(backup.get(id(8)).unwrap().unwrap().data(), data(8).as_bytes());
}

/// With the keys a backup is restored, and what is restored is as encrypted; without them nothing is written.
#[test]
fn a_backup_of_an_encrypted_store_is_restored_with_its_keys() {
    let machine = machine(true);
    load(&machine).close().unwrap();
    let without = self::machine(false).options().vfs(Arc::new(machine.sim.clone()));
    let missing = without.restore("/backup", "/again", Restoring::Keep);
    assert!(matches!(missing, Err(Error::KeyMissing { .. })), "{missing:?}");
    assert!(machine.sim.list(Path::new("/again")).is_err());
    for (to, what, kept) in [("/again", Restoring::Keep, true), ("/empty", Restoring::End, false)] {
        let report = machine.options().restore("/backup", to, what).unwrap();
        let store = machine.options().open(to).unwrap();
        let found = store.get(id(8)).unwrap();
        assert_eq!(found.map(|session| session.data() == data(8).as_bytes()), kept.then_some(true));
        assert!(report.sessions > Some(0) && store.verify().unwrap().damage.is_empty());
        store.create("somebody new", write(1)).unwrap();
        let again = store.backup(format!("{to}-backup")).unwrap();
        assert_eq!(again.sessions, store.len());
        store.close().unwrap();
        assert!(matches!(without.clone().open(to), Err(Error::KeyMissing { .. })));
        for (name, bytes) in files_in(&machine, to) {
            assert!(!holds(&bytes, PAYLOAD.as_bytes()) && !holds(&bytes, ID.as_bytes()), "{name}");
        }
    }
}

/// What is salvaged of an encrypted store is encrypted.
#[test]
fn an_encrypted_store_is_salvaged_into_an_encrypted_one() {
    let machine = machine(true);
    load(&machine).close().unwrap();
    let report = machine.options().salvage("/store", Some(Path::new("/saved"))).unwrap();
    let store = machine.options().open("/saved").unwrap();
    assert!(report.kept > 0 && store.len() == report.kept, "{report:?}");
    assert_eq!(store.get(id(8)).unwrap().unwrap().data(), data(8).as_bytes());
    store.close().unwrap();
    for (name, bytes) in files_in(&machine, "/saved") {
        assert!(!holds(&bytes, PAYLOAD.as_bytes()) && !holds(&bytes, ID.as_bytes()), "{name}");
    }
}
