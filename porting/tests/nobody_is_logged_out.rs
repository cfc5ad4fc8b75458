//! What moves is there afterwards, ends when it would have ended, and is found by its user; what runs again changes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use common::{HOUR_MS, address, carry, counts, express, now_ms};
use sessile::{Deadline, Options, Store, Write};
use sessile_porting::{Error, Move};

fn line(id: &str, data: &str, deadline_ms: u64) -> String {
    serde_json::json!({"id": id, "data": data, "deadline_ms": deadline_ms, "idle_ms": HOUR_MS}).to_string()
}

#[test]
fn lines_move_in_and_again_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (file, dir) = (temp.path().join("old.jsonl"), temp.path().join("new"));
    let ends = now_ms() + HOUR_MS;
    let text = [
        line("a", &express("7"), ends),
        line("b", "x", 5),
        String::new(),
        "{\"id\":7".into(),
        line("c", "y", ends),
    ];
    fs::write(&file, text.join("\n")).unwrap();
    let (from, to) = (address("jsonl", &file), address("sessile", &dir));

    let mut plan = Move {
        dry_run: true,
        subject: Some("userId".parse().unwrap()),
        ..Move::new(from.clone(), to.clone())
    };
    assert_eq!(counts(&plan.run(&()).unwrap()), [4, 2, 0, 1, 1]);
    assert!(!dir.exists(), "a dry run makes nothing");
    plan.dry_run = false;
    let report = plan.run(&()).unwrap();
    assert_eq!(counts(&report), [4, 2, 0, 1, 1]);
    assert_eq!((report.with_subject, report.verified.unwrap().compared, report.is_sound()), (1, 2, true));
    assert_eq!(
        report.skipped[0].examples,
        ["line 4: holds something else than expected at line 1, column 7"]
    );

    let store = Store::open(&dir).unwrap();
    let session = store.get("a").unwrap().unwrap();
    assert_eq!(session.data(), express("7").as_bytes());
    assert_eq!(session.deadline().as_ms(), ends);
    assert_eq!(session.idle().as_secs(), HOUR_MS / 1000);
    assert_eq!(store.sessions_of("7").unwrap().count(), 1);
    store.update("a", Write::new("newer")).unwrap();
    store.close().unwrap();

    assert!(
        matches!(Move::new(from.clone(), to.clone()).run(&()), Err(Error::Unfit(what)) if what.contains("--again"))
    );
    let again = Move { again: true, ..Move::new(from, to) }.run(&()).unwrap();
    assert_eq!(counts(&again), [4, 0, 2, 1, 1]);
    assert!(again.is_sound(), "who was there before may differ");
    let store = Store::open(&dir).unwrap();
    assert_eq!(store.get("a").unwrap().unwrap().data(), b"newer");
    assert_eq!(store.get("c").unwrap().unwrap().deadline().as_ms(), ends);
}

/// Who came by an import, and has ended since in any way, does not come back by another import, though the old store has him still.
#[test]
fn who_has_ended_since_an_import_does_not_come_by_another() {
    let temp = tempfile::tempdir().unwrap();
    let (file, dir) = (temp.path().join("old.jsonl"), temp.path().join("new"));
    let ends = now_ms() + HOUR_MS;
    let text =
        |ids: &[&str]| -> String { ids.iter().map(|id| line(id, &express("7"), ends) + "\n").collect() };
    fs::write(&file, text(&["stays", "destroyed", "rotated", "revoked"])).unwrap();
    let subject = Some("userId".parse().unwrap());
    let plan = Move { subject, ..Move::new(address("jsonl", &file), address("sessile", &dir)) };
    assert_eq!(counts(&plan.run(&()).unwrap()), [4, 4, 0, 0, 0]);

    let store = Store::open(&dir).unwrap();
    assert!(store.destroy("destroyed").unwrap());
    store.rotate("rotated", "another id", None).unwrap();
    assert_eq!(store.destroy_subject("7", Some(b"stays")).unwrap(), 2);
    store.close().unwrap();
    drop(store);

    // Who has come to the old store since then is new.
    fs::write(&file, text(&["stays", "destroyed", "rotated", "revoked", "new"])).unwrap();
    let again = Move { again: true, ..plan };
    let dry = Move { dry_run: true, ..again.clone() }.run(&()).unwrap();
    assert_eq!(counts(&dry), [5, 1, 1, 0, 3]);
    for written in [1, 0] {
        let report = again.run(&()).unwrap();
        assert_eq!(counts(&report), [5, written, 2 - written, 0, 3]);
        assert!(report.is_sound() && report.skipped[0].reason.contains("ended"), "{report:?}");
    }
    let store = Store::open(&dir).unwrap();
    for (id, lives) in
        [("stays", true), ("destroyed", false), ("rotated", false), ("revoked", false), ("new", true)]
    {
        assert_eq!(store.get(id).unwrap().is_some(), lives, "{id}");
    }
}

/// A store of nobody's ids, with a user, an absolute deadline, one that never ends and binary data.
fn filled(dir: &std::path::Path, keep_ids: bool) -> Store {
    let store = Options::new().keep_ids(keep_ids).open(dir).unwrap();
    store.create("a", Write::new(express("7")).subject("7").absolute(Duration::from_secs(86_400))).unwrap();
    store.create("b", Write::new([0xff, 0, b'\n']).idle(Duration::MAX)).unwrap();
    store.create("c", Write::new("short").idle(Duration::from_secs(60))).unwrap();
    store
}

/// Everything that must be the same in two stores.
fn facts(store: &Store, id: &str) -> (Vec<u8>, Deadline, Deadline, u64, Duration) {
    let found = store.get(id).unwrap().unwrap();
    (found.data().to_vec(), found.deadline(), found.absolute_deadline(), found.created_ms(), found.idle())
}

#[test]
fn a_store_goes_through_a_file_into_another_without_any_id() {
    for keep_ids in [false, true] {
        let temp = tempfile::tempdir().unwrap();
        let (old, file, new) =
            (temp.path().join("old"), temp.path().join("sessions.jsonl"), temp.path().join("new"));
        let store = filled(&old, keep_ids);
        let before = ["a", "b", "c"].map(|id| facts(&store, id));

        // While the server has it open.
        let out = carry(&address("sessile", &old), &address("jsonl", &file));
        assert_eq!((counts(&out), out.verified.unwrap().compared), ([3, 3, 0, 0, 0], 3));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.contains(r#""id":"a""#), keep_ids);
        assert_eq!(text.lines().count(), 4);
        let occupied = Move::new(address("sessile", &old), address("jsonl", &file)).run(&());
        assert!(matches!(occupied, Err(Error::Unfit(what)) if what.contains("there already")));

        let back = carry(&address("jsonl", &file), &address("sessile", &new));
        assert_eq!((counts(&back), back.is_sound(), back.with_subject), ([3, 3, 0, 0, 0], true, 1));
        let moved = Store::open(&new).unwrap();
        assert_eq!(["a", "b", "c"].map(|id| facts(&moved, id)), before);
        assert_eq!(moved.destroy_subject("7", None).unwrap(), 1);
        drop(store);
    }
}

#[test]
fn stores_with_two_secrets_are_told_apart_before_anything_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let [old, kept, new] = ["old", "kept", "new"].map(|name| temp.path().join(name));
    filled(&old, false).close().unwrap();
    filled(&kept, true).close().unwrap();
    Store::open(&new).unwrap().close().unwrap();
    let again = |from| Move { again: true, ..Move::new(address("sessile", from), address("sessile", &new)) };

    assert!(matches!(again(&old).run(&()), Err(Error::Unfit(what)) if what.contains("different secrets")));
    assert!(matches!(again(&kept).run(&()), Err(Error::Unfit(what)) if what.contains("--subject")));
    assert_eq!(Store::open(&new).unwrap().len(), 0);
    let subject = Some("userId".parse().unwrap());
    let report = Move { subject, ..again(&kept) }.run(&()).unwrap();
    assert_eq!((counts(&report), report.with_subject), ([3, 3, 0, 0, 0], 1));
    assert!(Store::open(&new).unwrap().get("c").unwrap().is_some());
}

#[test]
fn a_store_at_its_limit_evicts_nobody() {
    let temp = tempfile::tempdir().unwrap();
    let (file, dir) = (temp.path().join("old.jsonl"), temp.path().join("new"));
    let text: Vec<String> = (0..50).map(|n| line(&format!("id{n}"), "x", now_ms() + HOUR_MS)).collect();
    fs::write(&file, text.join("\n")).unwrap();
    let to = format!("sessile:{}?sessions_max=20", dir.display()).parse().unwrap();
    let full = Move::new(address("jsonl", &file), to).run(&());
    assert!(matches!(full, Err(Error::Store { source: sessile::Error::Full(_), .. })), "{full:?}");
    assert!(Store::open(&dir).unwrap().get("id0").unwrap().is_some());
}

#[test]
fn a_note_of_another_move_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (file, note) = (temp.path().join("old.jsonl"), temp.path().join("note"));
    fs::write(&file, line("a", "x", now_ms() + HOUR_MS)).unwrap();
    fs::write(&note, "{}").unwrap();
    let to = address("sessile", &temp.path().join("new"));
    let plan = Move { resume: Some(note.clone()), ..Move::new(address("jsonl", &file), to) };
    assert!(matches!(plan.run(&()), Err(Error::Unfit(what)) if what.contains("no note")));
    fs::remove_file(&note).unwrap();
    assert_eq!(plan.run(&()).unwrap().written, 1);
    assert!(!note.exists(), "nothing is left to go on with");
}
