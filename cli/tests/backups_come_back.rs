//! Backup, restore and salvage with the real command, without a server and with one at work.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail"
)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Ran, fill, filled, id, sessile, sessile_with, shows_an_id};
use sessile::{Options, Store};
use sessile_control::Control;

fn live(store: &Store, number: usize) -> bool {
    store.get(id(number)).unwrap().is_some()
}

/// Runs the command with paths below `temp` in the place of words in capitals.
fn run(temp: &Path, words: &str) -> Ran {
    sessile(words.split(' ').map(|word| match word.bytes().all(|byte| byte.is_ascii_uppercase()) {
        true => temp.join(word).into_os_string(),
        false => word.into(),
    }))
}

#[test]
fn a_backup_is_made_gone_on_with_and_restored() {
    let temp = tempfile::tempdir().unwrap();
    let (temp, dir) = (temp.path(), temp.path().join("STORE"));
    fs::create_dir(&dir).unwrap();
    filled(&dir);
    let first = run(temp, "backup STORE COPY --json").json();
    assert_eq!((&first["sessions"], &first["segments_kept"]), (&10.into(), &0.into()), "{first}");
    let secret = id(4);
    assert_eq!(sessile_with(secret.as_bytes(), ["destroy".as_ref(), dir.as_os_str()]).code, 0);
    let second = run(temp, "backup --dir STORE COPY --json").json();
    assert_eq!(second["sessions"], 9, "{second}");
    assert!(
        second["segments_kept"].as_u64() > Some(0) && second["bytes_verified"].as_u64() > Some(0),
        "{second}"
    );
    let said = run(temp, "backup STORE COPY").text();
    assert!(said.contains("segments there already") && said.contains("all sound"), "{said}");
    run(temp, "backup --dir STORE COPY MORE").fails(2, "sessile backup DIR TO");
    run(temp, "backup COPY").fails(2, "sessile backup DIR TO");

    // It can be looked at, and is not a store.
    assert_eq!(run(temp, "stats COPY --json").json()["sessions"], 9);
    assert_eq!(run(temp, "verify COPY").code, 0);
    run(temp, "compact COPY").fails(6, "is a backup");
    run(temp, "backup COPY ELSEWHERE").fails(6, "is a backup");

    let choice = run(temp, "restore --from COPY --dir NEW");
    choice.fails(9, "you have to choose");
    for words in ["--keep", "--end", "9 sessions", "second", "logged out"] {
        assert!(choice.stderr.contains(words), "{words}: {choice:?}");
    }
    assert!(!temp.join("NEW").exists() && choice.stdout.is_empty());
    run(temp, "restore --from COPY --dir NEW --keep --end").fails(2, "--keep");
    let kept = run(temp, "restore --from COPY --dir NEW --keep --json").json();
    assert_eq!((&kept["sessions"], &kept["kept"]), (&9.into(), &true.into()), "{kept}");
    assert!(
        kept["made_ms"].as_u64() > Some(1_600_000_000_000) && kept["age_seconds"].as_u64() < Some(600),
        "{kept}"
    );
    let store = Store::open(temp.join("NEW")).unwrap();
    assert!((0..10).all(|number| live(&store, number) == (number != 4)));
    run(temp, "restore --from COPY --dir NEW --keep").fails(8, "move the directory aside");
    store.close().unwrap();
    drop(store);

    let said = run(temp, "restore --from COPY --dir OTHER --keep").text();
    assert!(said.contains("are back") && said.contains("destroy-subject"), "{said}");
    let said = run(temp, "restore --from COPY --dir EMPTY --end").text();
    assert!(said.contains("sessions ended") && said.contains("Everybody has to log in again"), "{said}");
    let ended = Store::open(temp.join("EMPTY")).unwrap();
    assert!(ended.len() == 0 && ended.secret() == Store::open(&dir).unwrap().secret());
    run(temp, "restore --from STORE --dir MORE --keep").fails(8, "is a store and no backup");
    run(temp, "restore --from NOWHERE --dir MORE --keep").fails(6, "no directory of that name");
}

/// connect-sessile keeps what has ended of the store that it moves from in a store of its own.
#[test]
fn what_is_known_of_a_store_that_is_being_left_goes_along() {
    let temp = tempfile::tempdir().unwrap();
    let temp = temp.path();
    for dir in ["STORE", "STORE/moving"] {
        fs::create_dir(temp.join(dir)).unwrap();
        filled(&temp.join(dir));
    }
    assert!(run(temp, "backup STORE COPY").text().contains("moving"));
    assert_eq!(run(temp, "backup STORE COPY --json").json()["ledger"]["sessions"], 10);
    let live = |dir: &str| {
        sessile(["stats".into(), temp.join(dir).into_os_string(), "--json".into()]).json()["sessions"]
            .as_u64()
    };
    for (dir, choice, kept) in [("KEPT", "--keep", 10), ("ENDED", "--end", 0)] {
        assert_eq!(run(temp, &format!("restore --from COPY --dir {dir} {choice}")).code, 0);
        assert_eq!((live(dir), live(&format!("{dir}/moving"))), (Some(kept), Some(10)), "{choice}");
    }
    // Nor are those ended who have not moved yet, and that is said.
    let said = sessile_with(b"nobody", ["destroy-subject".as_ref(), temp.join("STORE").as_os_str()]);
    assert!(said.text().contains("store.destroySubject"), "{said:?}");
    // One that was cut short after the ledger was there is run again.
    fs::remove_file(temp.join("KEPT/STORE")).unwrap();
    fs::write(temp.join("KEPT/RESTORE"), "cut short").unwrap();
    assert_eq!(run(temp, "restore --from COPY --dir KEPT --keep").code, 0);
    assert_eq!(live("KEPT/moving"), Some(10));
    // A failed restore leaves nothing in the way.
    let header = temp.join("COPY/STORE");
    let sound = fs::read(&header).unwrap();
    fs::write(&header, vec![0; sound.len()]).unwrap();
    assert_ne!(run(temp, "restore --from COPY --dir NEW --keep").code, 0);
    fs::write(&header, sound).unwrap();
    assert_eq!(run(temp, "restore --from COPY --dir NEW --keep").code, 0);
}

#[test]
fn a_restore_that_was_cut_short_is_said_and_run_again() {
    let temp = tempfile::tempdir().unwrap();
    let (temp, dir) = (temp.path(), temp.path().join("STORE"));
    fs::create_dir(&dir).unwrap();
    filled(&dir);
    assert_eq!(run(temp, "backup STORE COPY").code, 0);
    fs::create_dir(temp.join("NEW")).unwrap();
    fs::write(temp.join("NEW/RESTORE"), "cut short").unwrap();
    fs::write(temp.join("NEW/00000001.seg"), "cut short").unwrap();
    for ran in ["stats NEW", "ls NEW", "verify NEW", "compact NEW"].map(|words| run(temp, words)) {
        ran.fails(6, "is no store yet");
    }
    assert_eq!(run(temp, "restore --from COPY --dir NEW --keep").code, 0);
    assert_eq!(run(temp, "stats NEW --json").json()["sessions"], 10);
}

#[test]
fn a_salvage_is_shown_first_and_done_on_a_copy() {
    let temp = tempfile::tempdir().unwrap();
    let (temp, dir) = (temp.path(), temp.path().join("STORE"));
    fs::create_dir(&dir).unwrap();
    filled(&dir);
    assert!(run(temp, "salvage STORE").text().contains("nothing to salvage"));
    let untouched = run(temp, "salvage STORE --to COPY");
    assert!(untouched.text().contains("nothing to salvage") && !temp.join("COPY").exists());
    let segment = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|end| end == "seg")).min().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(9).position(|window| window == b"data of 2").unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    run(temp, "verify STORE").fails(5, "sessile salvage");
    let before: Vec<_> = files(&dir);
    let looked = run(temp, "salvage --dir STORE");
    for words in [
        "can be trusted",
        "may have ended",
        "cannot be read",
        ".seg at byte",
        "Nothing was changed",
        "--to COPY",
    ] {
        assert!(looked.text().contains(words), "{words}: {looked:?}");
    }
    let would = run(temp, "salvage STORE --json").json();
    assert_eq!(
        (&would["to"], would["damage"].as_array().unwrap().len()),
        (&serde_json::Value::Null, 1),
        "{would}"
    );
    assert!(!shows_an_id(&looked.stdout));
    let done = run(temp, "salvage STORE --to COPY --json").json();
    assert_eq!(
        (&done["kept"], &done["ended"], &done["unreadable"]),
        (&would["kept"], &would["ended"], &would["unreadable"])
    );
    assert_eq!(files(&dir), before, "the original is as it was");
    let store = Store::open(temp.join("COPY")).unwrap();
    assert_eq!(store.len(), done["kept"].as_u64().unwrap());
    assert!(!live(&store, 2));
    store.close().unwrap();
    assert_eq!(run(temp, "verify COPY").code, 0);
    let told = run(temp, "salvage STORE --to OTHER").text();
    assert!(told.contains("mv ") && told.contains(".damaged"), "{told}");
    run(temp, "salvage STORE --to COPY").fails(8, "is not empty");

    // Without a header nothing can be salvaged.
    fs::write(dir.join("STORE"), "").unwrap();
    let lost = run(temp, "salvage STORE");
    lost.fails(5, "restore a backup");
    assert!(lost.stderr.contains("salvage cannot help"), "{lost:?}");
}

#[test]
fn a_served_store_is_backed_up_by_its_process_and_not_salvaged() {
    let temp = tempfile::tempdir().unwrap();
    let (temp, dir) = (temp.path(), temp.path().join("STORE"));
    let store = fill(&dir);
    let control = Control::serve(&store).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                store.create(format!("under load {number}"), vec![0; 500]).unwrap();
            }
        });
        for round in 1..=3 {
            let made = run(temp, "backup STORE COPY --json").json();
            assert!(made["sessions"].as_u64() >= Some(10), "{made}");
            let to = format!("NEW{}", "X".repeat(round));
            assert_eq!(run(temp, &format!("restore --from COPY --dir {to} --keep")).code, 0);
            let restored = Options::new().open(temp.join(to)).unwrap();
            assert!(live(&restored, 5) && restored.verify().unwrap().damage.is_empty());
            assert!((1..round).all(|ended| !live(&restored, 6 + ended)), "it had ended before");
            store.destroy(id(6 + round)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let over_the_socket = run(temp, "backup STORE COPY");
    run(temp, "salvage STORE").fails(4, "is held by process");
    drop(control);
    store.close().unwrap();
    let here = run(temp, "backup STORE COPY");
    let words = |ran: &Ran| -> Vec<String> {
        let said = ran.text();
        let names = said.lines().map(|line| line.split("  ").next().unwrap_or_default().to_owned());
        names.take_while(|line| !line.is_empty()).collect()
    };
    assert_eq!(words(&over_the_socket), words(&here), "the same words");
    assert_eq!((over_the_socket.code, here.code), (0, 0));
}

fn files(dir: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}
