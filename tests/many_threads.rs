//! Many threads against compaction, rolls, the reaper and backups; then a dead process.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use sessile::vfs::{SimVfs, Vfs};
use sessile::{Durability, Error, Options, ReadMode, Store, Write};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn worker(store: &Store, me: u64, until: Instant) -> HashMap<String, Option<Vec<u8>>> {
    let mut seed = me.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut dice = move |n: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % n
    };
    let mut model: HashMap<String, Option<Vec<u8>>> = HashMap::new();
    let mut turn = 0u64;
    while Instant::now() < until {
        turn += 1;
        let id = format!("{me}/{}", dice(60));
        let known = model.get(&id).cloned().flatten();
        let data = format!("{me} {turn} {}", "x".repeat(dice(300) as usize)).into_bytes();
        let idle = Duration::from_secs(60 + dice(100_000));
        let mut write = Write::new(data.clone()).idle(idle).durability(Durability::Written);
        if dice(3) == 0 {
            write = write.subject(format!("s{me}/{}", dice(4)));
        }
        if dice(5) == 0 {
            write = write.shorten();
        }
        match dice(12) {
            0..=2 => match store.create(&id, write) {
                Ok(_) => {
                    assert!(known.is_none(), "{id}");
                    model.insert(id, Some(data));
                }
                Err(Error::Duplicate) => assert!(known.is_some(), "{id}"),
                Err(e) => panic!("{e:?}"),
            },
            3..=5 => match store.update(&id, write) {
                Ok(_) => {
                    assert!(known.is_some());
                    model.insert(id, Some(data));
                }
                Err(Error::Unknown(_)) => assert!(known.is_none(), "{id}"),
                Err(e) => panic!("{e:?}"),
            },
            6 => {
                assert_eq!(store.destroy(&id).unwrap(), known.is_some(), "{id}");
                model.insert(id, None);
            }
            7 => {
                let to = format!("{me}/{}", dice(60));
                let taken = model.get(&to).cloned().flatten().is_some();
                match store.rotate(&id, &to, (dice(2) == 0).then_some(write)) {
                    Ok(_) => {
                        assert!(known.is_some() && !taken);
                        let got = store.get(&to).unwrap().unwrap();
                        model.insert(id, None);
                        model.insert(to, Some(got.data().to_vec()));
                    }
                    Err(Error::Unknown(_)) => assert!(known.is_none()),
                    Err(Error::Duplicate) => assert!(taken),
                    Err(e) => panic!("{e:?}"),
                }
            }
            8 if dice(4) == 0 => {
                let subject = format!("s{me}/{}", dice(4));
                let sessions: Vec<_> =
                    store.sessions_of(&subject).unwrap().collect::<Result<_, _>>().unwrap();
                let ended = store.destroy_subject(&subject, None).unwrap();
                assert_eq!(ended, sessions.len() as u64);
                let digests: Vec<_> = sessions.iter().map(sessile::Session::handle).collect();
                for (id, data) in &mut model {
                    if digests.contains(&store.handle_of(id).unwrap()) {
                        assert!(data.is_some());
                        *data = None;
                    }
                }
            }
            9 => match store.touch(&id, idle) {
                Ok(_) => assert!(known.is_some()),
                Err(Error::Unknown(_)) => assert!(known.is_none()),
                Err(e) => panic!("{e:?}"),
            },
            _ => {
                let got = store.get(&id).unwrap().map(|s| s.data().to_vec());
                assert_eq!(got, known, "{id}");
                let in_place = store.get_ref(&id).unwrap().map(|s| s.data().to_vec());
                assert_eq!(in_place, known, "{id}");
            }
        }
    }
    model
}

fn run(
    options: Options,
    dir: &Path,
    seconds: u64,
    backups: bool,
) -> (Store, HashMap<String, Option<Vec<u8>>>) {
    let store = options
        .segment_bytes(64 << 10)
        .eager_compaction(true)
        .disk_bytes_max(64 << 20)
        .sync_interval(Duration::from_millis(5))
        .open(dir)
        .unwrap();
    let until = Instant::now() + Duration::from_secs(seconds);
    let stop = Arc::new(AtomicBool::new(false));
    let keeper = {
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                store.maintain(Duration::from_millis(50)).unwrap();
            }
        })
    };
    let copier = {
        let (store, stop, dir) = (store.clone(), Arc::clone(&stop), dir.to_owned());
        std::thread::spawn(move || {
            let mut n = 0;
            while backups && n < 40 && !stop.load(Ordering::Relaxed) {
                store.backup(dir.join(format!("../backup{n}"))).unwrap();
                n += 1;
            }
        })
    };
    let workers: Vec<_> = (1..=4)
        .map(|me| {
            let store = store.clone();
            std::thread::spawn(move || worker(&store, me, until))
        })
        .collect();
    let model = workers.into_iter().flat_map(|w| w.join().unwrap()).collect();
    stop.store(true, Ordering::Relaxed);
    keeper.join().unwrap();
    copier.join().unwrap();
    (store, model)
}

fn compare(store: &Store, model: &HashMap<String, Option<Vec<u8>>>, when: &str) {
    for (id, data) in model {
        let got = store.get(id).unwrap().map(|s| s.data().to_vec());
        assert_eq!(&got, data, "{id} {when}");
    }
    let verified = store.verify().unwrap();
    assert!(verified.damage.is_empty(), "{when}: {verified:?}");
}

#[test]
fn on_the_simulated_disk() {
    let vfs = SimVfs::new();
    vfs.create_dir(Path::new("/top")).unwrap();
    let dir = Path::new("/top/store");
    let seconds = std::env::var("STRESS_S").map_or(3, |s| s.parse().unwrap());
    let (store, model) = run(Options::new().vfs(Arc::new(vfs.clone())), dir, seconds, false);
    println!("{:?}", store.stats());
    compare(&store, &model, "before");
    let dead = vfs.fork();
    let again = Options::new().vfs(Arc::new(dead.clone())).open(dir).unwrap();
    println!("{:?}", again.stats().recovery);
    compare(&again, &model, "after the process died");
    again.close().unwrap();
    drop(again);
    let again = Options::new().vfs(Arc::new(dead)).open(dir).unwrap();
    assert!(again.stats().recovery.from_snapshot);
    compare(&again, &model, "from the snapshot");
}

#[test]
fn on_the_real_disk() {
    for mode in [ReadMode::Map, ReadMode::Plain] {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("store");
        let seconds = std::env::var("STRESS_S").map_or(3, |s| s.parse().unwrap());
        let (store, model) = run(Options::new().read_mode(mode), &dir, seconds, true);
        compare(&store, &model, "before");
        println!("{:?}", store.stats());
        store.close().unwrap();
        drop(store);
        std::fs::remove_file(dir.join("SNAPSHOT")).unwrap();
        let again = Options::new().read_mode(mode).open(&dir).unwrap();
        compare(&again, &model, "after closing");
    }
}
