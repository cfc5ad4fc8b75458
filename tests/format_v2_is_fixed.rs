//! What format 2 means is fixed, as `format_v1_is_fixed` has it for format 1: stores of it, and such as were on their way to
//! it, are kept as files (`tests/fixtures/v2/NAME`), with what they mean beside them. No later version may read anything else
//! in them.
//!
//! `cargo test --features fuzzing --test format_v2_is_fixed -- --ignored` writes stores that mean the same and differ in their
//! random numbers; what is committed is the truth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "format_v1_is_fixed/expected.rs"]
#[allow(dead_code, reason = "the fixtures of format 1 use the rest")]
mod expected;
#[path = "format_v1_is_fixed/files.rs"]
#[allow(dead_code, reason = "the fixtures of format 1 use the rest")]
mod files;
#[path = "format_v2_is_fixed/scenarios.rs"]
#[cfg(feature = "fuzzing")]
mod scenarios;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use expected::{Expected, Known, Outcome, Place, Refusal, Report};
use files::Files;
use serde::{Deserialize, Serialize};
use sessile::{Error, ManualClock, Options, ReadMode, Recovery, Result, Store};

#[derive(Debug, Serialize, Deserialize)]
struct Fixture {
    /// The format that the store has, where it opens.
    format: Option<u32>,
    #[serde(flatten)]
    means: Expected,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2")
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn load(name: &str) -> (Fixture, Files) {
    let directory = fixtures().join(name);
    let text = std::fs::read_to_string(directory.join("expected.json")).unwrap();
    let fixture: Fixture = serde_json::from_str(&text).unwrap();
    let files = Files::load(&directory, &fixture.means.files);
    (fixture, files)
}

/// The ways to open a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Strict,
    Salvage,
    ReadOnly,
}

fn open(directory: &Path, now_ms: u64, how: How, read_mode: ReadMode) -> Result<Store> {
    Options::new()
        .clock(Arc::new(ManualClock::at_ms(now_ms)))
        .manual_maintenance(true)
        .segment_bytes(64 << 10)
        .recovery(if how == How::Salvage { Recovery::Salvage } else { Recovery::Strict })
        .read_only(how == How::ReadOnly)
        .read_mode(read_mode)
        .open(directory)
}

fn place(damage: &sessile::Damage) -> Place {
    Place { file: damage.file.clone(), offset: damage.offset }
}

/// What a store turns out to be, in the words of `expected.json`.
fn outcome(opened: &Result<Store>, known: &[Known]) -> Outcome {
    let store = match opened {
        Ok(store) => store,
        Err(Error::Corrupt(damage)) => return Outcome::Refuses(Refusal::Damage(place(damage))),
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
                assert_eq!(session.subject(), subject, "{}", known.id);
                assert_eq!(session.version().as_u64(), known.version, "{}", known.id);
                alive.push(known.id.clone());
            }
            Ok(None) => {}
            Err(Error::Corrupt(_)) => unreadable.push(known.id.clone()),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(store.iter().unwrap().count(), alive.len() + unreadable.len(), "iter shows what get does");
    let verify = store.verify().unwrap().damage.iter().map(place).collect();
    Outcome::Opens { alive, unreadable, verify, report: Report::of(&store.stats().recovery) }
}

fn check(name: &str, Fixture { format, means }: &Fixture, files: &Files, read_mode: ReadMode) {
    for (how, meant) in
        [(How::Strict, &means.strict), (How::Salvage, &means.salvage), (How::ReadOnly, &means.read_only)]
    {
        let copy = tempfile::tempdir().unwrap();
        files.write_to(copy.path());
        let opened = open(copy.path(), means.now_ms, how, read_mode);
        assert_eq!(&outcome(&opened, &means.sessions), meant, "{name}, {how:?}, {read_mode:?}");
        let Ok(store) = opened else {
            assert!(Files::read_from(copy.path()) == *files, "{name}, {how:?}: a refusal changed files");
            continue;
        };
        assert_eq!(Some(store.stats().format.number()), *format, "{name}, {how:?}");
        for id in &means.dead {
            assert!(store.get(id).unwrap().is_none(), "{name}, {how:?}: {id} is back");
        }
        drop(store);
        if how == How::ReadOnly {
            assert!(Files::read_from(copy.path()) == *files, "{name}: a look changed files");
            continue;
        }
        // What was opened is as it was found, and opens again.
        let again = open(copy.path(), means.now_ms, How::Strict, read_mode);
        let (Outcome::Opens { alive, .. }, Outcome::Opens { alive: later, .. }) =
            (meant, outcome(&again, &means.sessions))
        else {
            panic!("{name}, {how:?}: it does not open again")
        };
        assert_eq!(*alive, later, "{name}, {how:?}");
        assert_eq!(Some(again.unwrap().stats().format.number()), *format, "{name}, {how:?}");
    }
}

#[test]
fn every_fixture_means_what_it_meant() {
    let names = names();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        let (fixture, files) = load(&name);
        for read_mode in [ReadMode::Map, ReadMode::Plain] {
            check(&name, &fixture, &files, read_mode);
        }
    }
}

#[test]
fn a_fixture_that_means_something_else_is_noticed() {
    let (mut fixture, files) = load("killed");
    fixture.format = Some(1);
    let checked = std::panic::catch_unwind(|| check("killed", &fixture, &files, ReadMode::Map));
    assert!(checked.is_err());
}

/// Writes the fixtures anew. Whoever does so looks at every changed `expected.json` before it is committed.
#[cfg(feature = "fuzzing")]
#[test]
#[ignore = "writes tests/fixtures/v2"]
fn write_the_fixtures_anew() {
    for (name, make) in scenarios::ALL {
        let made = make();
        let look = |how| {
            let copy = tempfile::tempdir().unwrap();
            made.files.write_to(copy.path());
            let opened = open(copy.path(), made.now_ms, how, ReadMode::Map);
            (outcome(&opened, &made.known), opened.ok().map(|store| store.stats().format.number()))
        };
        let [strict, salvage, read_only] = [How::Strict, How::Salvage, How::ReadOnly].map(look);
        for (found, wanted) in
            [(&strict, &made.strict), (&salvage, &made.salvage), (&read_only, &made.strict)]
        {
            assert!(wanted.is(&found.0), "{name}: {found:#?} and not {wanted:#?}");
        }
        let format = salvage.1;
        assert_eq!(format, made.format, "{name}");
        let means = Expected {
            about: made.about.to_owned(),
            now_ms: made.now_ms,
            files: made.files.lengths(),
            strict: strict.0,
            salvage: salvage.0,
            read_only: read_only.0,
            sessions: made.known,
            dead: made.dead,
        };
        let directory = fixtures().join(name);
        means.save(&directory, &made.files);
        let text = serde_json::to_string_pretty(&Fixture { format, means }).unwrap();
        std::fs::write(directory.join("expected.json"), text + "\n").unwrap();
    }
}
