//! A whole store, assembled from sound and damaged parts, and opened in every way there is.
//!
//! `grammar` and `segments` assemble it out of the fuzzer's bytes: sound parts with right checksums and plausible numbers, and, where
//! the input asks for it, parts that lie. `damage` then harms the files. `written` remembers every sound record that
//! went in, and judges it plainly. What must hold, for `Strict`, `Salvage` and a look for reading only:
//!
//! 1. No panic, no hang, no more memory than the files justify.
//! 2. What is shown was written: id, data, version, creation, subject and deadlines of one record that went in.
//! 3. Of an honest log, exactly what the plain judge says is shown, by all three, with and without the snapshot.
//! 4. However an honest log was damaged, nothing is back that had ended as far as the undamaged parts tell that the log
//!    was durable; and what `Salvage` has opened once, opens again, and shows the same.

mod damage;
mod grammar;
mod segments;
mod versions;
mod written;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Unstructured;
use sessile::vfs::SimVfs;
use sessile::{Error, ManualClock, Options, ReadMode, Recovery, Session, Store};

use crate::allocation::bounded;
use grammar::Directory;
use written::{Digest, Fate};

/// When every directory is opened.
pub const NOW_MS: u64 = 1_800_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
/// What an open store takes before it holds anything: tables, buffers, and the simulated disk.
const BYTES_FIXED: usize = 4 << 20;
const BYTES_FACTOR: usize = 64;

type Shown = BTreeMap<Digest, Session>;

pub fn check(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let mut directory = grammar::assemble(&mut bytes).expect("an input that ends early means zeros");
    damage::harm(&mut directory, &mut bytes).expect("an input that ends early means zeros");
    if std::env::var_os("SESSILE_FUZZ_SHOW").is_some() {
        show(&directory);
    }
    let machine = SimVfs::new();
    for (name, contents) in &directory.files {
        machine.write_file(&Path::new("/store").join(name), contents).expect("the machine is up");
    }
    let size: usize = directory.files.values().map(Vec::len).sum();
    bounded(BYTES_FIXED + size * BYTES_FACTOR, || opened_in_every_way(&directory, &machine));
}

/// What was assembled, for whoever looks into a finding.
fn show(directory: &Directory) {
    let lengths: Vec<_> = directory.files.iter().map(|(name, contents)| (name, contents.len())).collect();
    println!("strange {}, harmed {}, {lengths:?}", directory.is_strange, directory.is_harmed);
    for (at, _, durable_lsn) in &directory.written.headers {
        println!("STORE {at}: durable {durable_lsn}");
    }
    for frame in &directory.written.frames {
        let contents = directory.files.get(&frame.file);
        let at = frame.offset as usize;
        let is_left =
            contents.and_then(|bytes| bytes.get(at..at + frame.bytes.len())) == Some(&frame.bytes[..]);
        let harm = if is_left { "" } else { "HARMED " };
        println!("{harm}{} {} lsn {:#x} {:?}", frame.file, frame.offset, frame.lsn, frame.body);
    }
}

fn opened_in_every_way(directory: &Directory, machine: &SimVfs) {
    let look = open(&machine.fork(), |options| options.read_only(true));
    let looked = look.as_ref().ok().map(|store| shown(directory, store));
    let strict_machine = machine.fork();
    let strict = open(&strict_machine, |options| options);
    let Ok(strict) = strict else {
        assert!(!directory.is_honest() || directory.is_harmed, "refused: {:?}", strict.err());
        salvaged(directory, machine);
        return;
    };
    let found = shown(directory, &strict);
    if directory.is_honest() {
        if let Some(looked) = looked {
            // Of two copies of a record the snapshot may know the one that was harmed, and the log the other.
            let is_sound = strict.verify().is_ok_and(|verified| verified.damage.is_empty());
            assert!(looked == found || !is_sound, "a look shows another store");
        }
        if !directory.is_harmed {
            exactly(directory, &found);
            let _ = machine.remove_file(Path::new("/store/SNAPSHOT"));
            let store = open(&machine.fork(), |options| options).expect("the snapshot is only a cache");
            assert!(shown(directory, &store) == found, "the snapshot shows another store than the log");
        }
    }
    at_work(directory, &strict, &strict_machine, &found);
}

fn salvaged(directory: &Directory, machine: &SimVfs) {
    let machine = machine.fork();
    let Ok(store) = open(&machine, |options| options.recovery(Recovery::Salvage)) else { return };
    let found = shown(directory, &store);
    at_work(directory, &store, &machine, &found);
}

/// Everything that a store does by itself changes nothing that it shows, and its files open again.
fn at_work(directory: &Directory, store: &Store, machine: &SimVfs, found: &Shown) {
    let verified = store.verify();
    let is_sound = verified.as_ref().is_ok_and(|verified| verified.damage.is_empty());
    assert!(directory.may_be_corrupt() || is_sound, "{verified:?}");
    // An index entry that points at no record of its own outlives its segment: tests of the engine stop there.
    let rounds = if directory.lies_of_places { 0 } else { 20 };
    for _ in 0..rounds {
        match store.maintain(HOUR) {
            Ok(done) if done.more => {}
            Ok(_) => break,
            Err(Error::Corrupt(_)) if directory.may_be_corrupt() => break,
            // Numbers and LSNs that are near their end are used up.
            Err(Error::Invalid(_)) if directory.is_strange => break,
            Err(error) => panic!("maintenance: {error:?}"),
        }
    }
    let again = shown(directory, store);
    if directory.is_honest() && is_sound {
        assert!(again == *found, "maintenance changed what is shown");
    }
    let closed = store.close();
    if !directory.is_honest() {
        return;
    }
    closed.expect("a store that opened can be closed");
    let reopened = open(machine, |options| options);
    match reopened {
        Ok(store) => assert!(shown(directory, &store) == again || !is_sound, "another store after a close"),
        Err(Error::Corrupt(_)) if !is_sound => {}
        Err(error) => panic!("what opened once does not open again: {error:?}"),
    }
}

fn open(machine: &SimVfs, with: impl FnOnce(Options) -> Options) -> sessile::Result<Store> {
    let options = Options::new()
        .vfs(Arc::new(machine.clone()))
        .clock(Arc::new(ManualClock::at_ms(NOW_MS)))
        .manual_maintenance(true)
        .read_mode(ReadMode::Plain)
        .segment_bytes(64 << 10)
        .eager_compaction(true)
        .idle(HOUR);
    with(options).open("/store")
}

/// What a store shows, each session checked against what was written.
fn shown(directory: &Directory, store: &Store) -> Shown {
    let mut found = Shown::new();
    for session in store.iter().expect("it is open") {
        let session = match session {
            Ok(session) => session,
            Err(Error::Corrupt(_)) if directory.may_be_corrupt() => continue,
            Err(error) => panic!("reading: {error:?}"),
        };
        let digest = written::digest_of(session.handle());
        directory.written.was_written(digest, &session, directory.is_strange);
        if directory.is_honest() && directory.is_harmed {
            directory.written.is_not_back(digest, &session, &directory.files);
        }
        let by_handle = store.get_handle(&session.handle()).expect("it was just read");
        assert!(by_handle.as_ref() == Some(&session), "by handle another");
        assert!(found.insert(digest, session).is_none() || directory.is_strange, "a session twice");
    }
    for id in grammar::IDS {
        if let Ok(Some(session)) = store.get(id) {
            let digest = grammar::digest_of(id);
            assert!(
                found.get(&digest) == Some(&session) || directory.is_strange,
                "get shows another than iter"
            );
        }
    }
    for subject in grammar::SUBJECTS {
        let of = store.sessions_of(subject).expect("it is open").filter_map(Result::ok);
        let count = of.count();
        let digest = store.subject_digest(subject).expect("it has a right length");
        let expected = found.values().filter(|session| session.subject() == Some(digest)).count();
        assert!(
            count == expected || directory.may_be_corrupt(),
            "{count} sessions of {subject}, not {expected}"
        );
    }
    found
}

/// An honest log that nobody harmed shows exactly what the plain judge says.
fn exactly(directory: &Directory, found: &Shown) {
    for id in grammar::IDS {
        let digest = grammar::digest_of(id);
        let fate = directory.written.judge(digest, directory.clock_ms, u64::MAX);
        match (fate, found.get(&digest)) {
            (Fate::Alive { lsn, deadline_ms }, Some(session)) => {
                assert_eq!((session.version().as_u64(), session.deadline().as_ms()), (lsn, deadline_ms));
            }
            (Fate::Alive { deadline_ms, .. }, None) => assert!(deadline_ms <= NOW_MS, "{id} is gone"),
            (Fate::Dead, None) => {}
            (Fate::Dead, Some(session)) => panic!("{id} is back: {session:?}"),
        }
    }
}

/// So many bytes of the input, or as many as are left.
fn content(bytes: &mut Unstructured<'_>, length: u8) -> arbitrary::Result<Vec<u8>> {
    let length = usize::from(length).min(bytes.len());
    Ok(bytes.bytes(length)?.to_vec())
}
