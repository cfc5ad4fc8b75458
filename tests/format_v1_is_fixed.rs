//! What format v1 means is fixed: stores that were written once are kept as files, sound and damaged, each with what it
//! means beside it (`tests/fixtures/v1/NAME/expected.json`). No later version may read anything else in them.
//!
//! `cargo test --test format_v1_is_fixed -- --ignored` writes stores that mean the same and differ in their random
//! numbers (see `scenarios`); what is committed is the truth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "format_v1_is_fixed/expected.rs"]
mod expected;
#[path = "format_v1_is_fixed/files.rs"]
mod files;
#[path = "format_v1_is_fixed/scenarios.rs"]
mod scenarios;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use expected::{Expected, Known, Outcome, Place, Refusal, Report};
use files::Files;
use sessile::{Error, ManualClock, Options, ReadMode, Recovery, Result, Store};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The ways to open a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Strict,
    Salvage,
    ReadOnly,
}

fn options(now_ms: u64, how: How) -> Options {
    Options::new()
        .clock(Arc::new(ManualClock::at_ms(now_ms)))
        .manual_maintenance(true)
        .segment_bytes(64 << 10)
        .recovery(if how == How::Salvage { Recovery::Salvage } else { Recovery::Strict })
        .read_only(how == How::ReadOnly)
}

/// What a store turns out to be, in the words of `expected.json`.
fn outcome(opened: &Result<Store>, known: &[Known]) -> Outcome {
    let store = match opened {
        Ok(store) => store,
        Err(Error::Corrupt(damage)) => {
            return Outcome::Refuses(Refusal::Damage(Place {
                file: damage.file.clone(),
                offset: damage.offset,
            }));
        }
        Err(Error::NewerFormat { found, .. }) => return Outcome::Refuses(Refusal::NewerFormat(*found)),
        Err(error) => panic!("{error:?}"),
    };
    let (mut alive, mut unreadable) = (Vec::new(), Vec::new());
    for known in known {
        match store.get(&known.id) {
            Ok(Some(session)) => {
                let subject = known.subject.as_ref().map(|name| store.subject_digest(name).unwrap());
                assert_eq!(session.data(), known.data.as_bytes(), "{}", known.id);
                assert_eq!(session.created_ms(), known.created_ms, "{}", known.id);
                assert_eq!(session.deadline().as_ms(), known.deadline_ms, "{}", known.id);
                assert_eq!(session.absolute_deadline().as_ms(), known.absolute_ms, "{}", known.id);
                assert_eq!(session.subject(), subject, "{}", known.id);
                assert_eq!(session.version().as_u64(), known.version, "{}", known.id);
                alive.push(known.id.clone());
            }
            Ok(None) => {}
            Err(Error::Corrupt(_)) => unreadable.push(known.id.clone()),
            Err(error) => panic!("{error:?}"),
        }
    }
    let listed: Vec<_> = store.iter().unwrap().collect();
    let (sound, broken): (Vec<_>, Vec<_>) = listed.into_iter().partition(|session| session.is_ok());
    assert_eq!(sound.len(), alive.len(), "iter shows what get does");
    assert_eq!(broken.len(), unreadable.len(), "iter tells of what cannot be read");
    let damage = store.verify().unwrap().damage;
    let places = damage.iter().map(|damage| Place { file: damage.file.clone(), offset: damage.offset });
    let report = Report::of(&store.stats().recovery);
    Outcome::Opens { alive, unreadable, verify: places.collect(), report }
}

fn check(name: &str, expected: &Expected, files: &Files, read_mode: ReadMode) {
    for (how, meant) in [
        (How::Strict, &expected.strict),
        (How::Salvage, &expected.salvage),
        (How::ReadOnly, &expected.read_only),
    ] {
        let copy = tempfile::tempdir().unwrap();
        files.write_to(copy.path());
        let before = Files::read_from(copy.path());
        let opened = options(expected.now_ms, how).read_mode(read_mode).open(copy.path());
        let found = outcome(&opened, &expected.sessions);
        assert_eq!(&found, meant, "{name}, {how:?}, {read_mode:?}");
        for id in &expected.dead {
            if let Ok(store) = &opened {
                assert!(store.get(id).unwrap().is_none(), "{name}, {how:?}: {id} is back");
            }
        }
        if how == How::ReadOnly || opened.is_err() {
            drop(opened);
            assert!(
                Files::read_from(copy.path()) == before,
                "{name}, {how:?}: a look or a refusal changed files"
            );
            continue;
        }
        // What was opened is as it was found, and opens again.
        drop(opened);
        let again = options(expected.now_ms, How::Strict).read_mode(read_mode).open(copy.path());
        match (outcome(&again, &expected.sessions), found) {
            (
                Outcome::Opens { alive, unreadable, .. },
                Outcome::Opens { alive: before, unreadable: unreadable_before, .. },
            ) => assert!(
                alive == before && unreadable == unreadable_before,
                "{name}, {how:?}: {alive:?} later"
            ),
            (again, found) => panic!("{name}, {how:?}: {found:?}, later {again:?}"),
        }
    }
}

#[test]
fn every_fixture_means_what_it_meant() {
    let names = names();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        let (expected, files) = Expected::load(&fixtures().join(&name));
        for read_mode in [ReadMode::Map, ReadMode::Plain] {
            check(&name, &expected, &files, read_mode);
        }
    }
}

#[test]
fn a_fixture_that_means_something_else_is_noticed() {
    let (mut expected, files) = Expected::load(&fixtures().join("ended"));
    let Outcome::Opens { alive, .. } = &mut expected.strict else { panic!("it opens") };
    alive.pop();
    let checked = std::panic::catch_unwind(|| check("ended", &expected, &files, ReadMode::Map));
    assert!(checked.is_err());
}

/// Writes the fixtures anew. Whoever does so looks at every changed `expected.json` before it is committed.
#[test]
#[ignore = "writes tests/fixtures/v1"]
fn write_the_fixtures_anew() {
    for (name, make) in scenarios::ALL {
        let made = make();
        let open = |how| {
            let copy = tempfile::tempdir().unwrap();
            made.files.write_to(copy.path());
            let opened = options(made.now_ms, how).open(copy.path());
            outcome(&opened, &made.known)
        };
        let found = [open(How::Strict), open(How::Salvage), open(How::ReadOnly)];
        let wanted = [made.strict, made.salvage, made.read_only];
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!(wanted.is(found), "{name}: {found:#?} and not {wanted:#?}");
        }
        let [strict, salvage, read_only] = found;
        let about = made.about.to_owned();
        let files = made.files.lengths();
        let (now_ms, sessions, dead) = (made.now_ms, made.known, made.dead);
        let expected = Expected { about, now_ms, files, strict, salvage, read_only, sessions, dead };
        expected.save(&fixtures().join(name), &made.files);
    }
}
