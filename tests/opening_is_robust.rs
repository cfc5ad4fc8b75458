//! Opening (contract: a second open in the same process shares the store; rule 15).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use sessile::{Options, Store, Write};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Several threads open one directory at the same moment. One takes the lock; the others wait for that lock ten
/// seconds, as if for a store that closes, or are told that it is locked.
#[test]
fn threads_that_open_one_store_together_share_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = Arc::new(Barrier::new(6));
    let began = Instant::now();
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let (path, barrier) = (dir.path().to_owned(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                Store::open(path)
            })
        })
        .collect();
    let opened: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let took = began.elapsed();
    let failed: Vec<_> = opened.iter().filter_map(|opened| opened.as_ref().err()).collect();
    assert!(failed.is_empty() && took < Duration::from_secs(5), "{took:?}, {failed:?}");
}

/// A snapshot is a cache: one that is sparse and huge must be passed over, not abort the process.
#[test]
fn a_huge_sparse_snapshot_is_passed_over() {
    if let Some(path) = std::env::var_os("SESSILE_TEST_OPEN_DIRECTORY") {
        let store = Options::new().open(path).unwrap();
        assert!(store.get("X").unwrap().is_some());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().open(dir.path()).unwrap();
    store.create("X", Write::new("x")).unwrap();
    store.close().unwrap();
    drop(store);
    let file = std::fs::OpenOptions::new().write(true).open(dir.path().join("SNAPSHOT")).unwrap();
    if file.set_len(1 << 43).is_err() {
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_huge_sparse_snapshot_is_passed_over"])
        .env("SESSILE_TEST_OPEN_DIRECTORY", dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{:?} {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// What was destroyed is gone from snapshots too, within `erase_within`; the one of the last close stays until the next.
#[test]
fn no_snapshot_is_left_while_the_store_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().open(dir.path()).unwrap();
    store.create("X", Write::new("x")).unwrap();
    store.close().unwrap();
    drop(store);
    let store = Options::new().open(dir.path()).unwrap();
    store.destroy("X").unwrap();
    assert!(
        !dir.path().join("SNAPSHOT").exists(),
        "the snapshot of the last close, with X in it, is kept while open"
    );
}

/// Open and close without a write: the snapshot of that close is refused, so the next opening reads the log.
#[test]
fn a_snapshot_of_an_opening_without_a_write_is_used() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..4 {
        let store = Options::new().manual_maintenance(true).open(dir.path()).unwrap();
        assert!(n == 0 || store.stats().recovery.from_snapshot, "opening {n}");
        if n == 0 {
            store.create("X", Write::new("x")).unwrap();
        }
        store.close().unwrap();
    }
}

/// After a clean close the store's header says how far the log was durable. When the log's end is zeroed or cut off, with
/// the marks that stood there, an ending is gone with it; the older record must not be taken for the newest.
#[test]
fn a_log_that_lost_its_end_after_a_clean_close_is_damage() {
    for cut in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = Options::new().open(dir.path()).unwrap();
        store.create("X", Write::new("x")).unwrap();
        store.close().unwrap();
        drop(store);
        let store = Options::new().open(dir.path()).unwrap();
        assert!(store.destroy("X").unwrap());
        store.close().unwrap();
        drop(store);
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let newest = names.filter(|path| path.extension().is_some_and(|e| e == "seg")).max().unwrap();
        let mut bytes = std::fs::read(&newest).unwrap();
        // Behind the header, which is a little longer than its 88 fixed bytes and a roster of one.
        if cut {
            bytes.truncate(160);
        } else {
            bytes[160..].fill(0);
        }
        std::fs::write(&newest, bytes).unwrap();
        let opened = Options::new().open(dir.path());
        assert!(matches!(opened, Err(sessile::Error::Corrupt(_))), "cut: {cut}, {opened:?}");
    }
}

/// Who opens for reading only asks whether somebody holds the store, and took the lock for that, for a moment. A server
/// that started in this moment was told that the store is locked, by whoever had held it last.
#[test]
fn looking_on_keeps_no_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Options::new().manual_maintenance(true).open(dir.path());
    open().unwrap().create("X", Write::new("x")).unwrap();
    let path = dir.path().join("LOCK");
    std::fs::write(&path, "1\nanother host\n0\n").unwrap();
    // The lock as somebody has it who looks, and takes his time.
    let looking = std::fs::File::open(path).unwrap();
    looking.try_lock_shared().unwrap();
    let opened = std::thread::scope(|scope| {
        let server = scope.spawn(open);
        std::thread::park_timeout(Duration::from_millis(50));
        let look = Options::new().read_only(true).open(dir.path()).unwrap();
        assert!(look.holder().is_none(), "who looks is no holder, not even for another one");
        looking.unlock().unwrap();
        server.join().unwrap()
    });
    assert!(opened.is_ok(), "{opened:?}");
    assert!(Options::new().read_only(true).open(dir.path()).unwrap().holder().is_some());
}

/// A server has the store, and the end of its log is damaged below what it knows to be durable. Whoever looks on took that for
/// the end of the log, and was shown a session whose logout stands behind it.
#[test]
fn a_look_at_a_damaged_log_is_an_error_and_no_older_store() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Options::new().manual_maintenance(true).open(dir.path());
    let store = open().unwrap();
    let look = || Options::new().read_only(true).open(dir.path());
    store.create("X", Write::new("x")).unwrap();
    store.create("Y", Write::new("THE RECORD")).unwrap();
    store.destroy("X").unwrap();
    store.create("Z", Write::new("z")).unwrap();
    assert!(look().unwrap().get("X").unwrap().is_none());
    let segment = dir.path().join("00000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(10).position(|window| window == b"THE RECORD").unwrap();
    bytes[at] ^= 1;
    let flip = |byte: u8| {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().write(true).open(&segment).unwrap();
        file.write_all_at(&[byte], at as u64).unwrap();
    };
    flip(bytes[at]);
    let Err(error) = look() else { panic!("the log is damaged") };
    assert!(
        matches!(&error, sessile::Error::Corrupt(damage) if damage.file.contains("00000001")),
        "{error:?}"
    );
    assert!(store.get("X").unwrap().is_none(), "the server goes on");
    flip(bytes[at] ^ 1);
    assert!(look().unwrap().get("X").unwrap().is_none());
}
