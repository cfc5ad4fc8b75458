//! A reader that holds a record of a segment which compaction removes under it: the bytes stay what they were.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::{Machine, explore, join, maintain, make_garbage, task};
use sessile_schedules::vfs::RealVfs;
use sessile_schedules::{Options, ReadMode, Store};

fn read_while_segments_go(store: &Store, machine: &Machine) {
    for id in ["a", "b"] {
        store.create(id, format!("data of {id}").as_str()).unwrap();
    }
    let readers: Vec<_> = ["a", "b"]
        .map(|id| {
            let store = store.clone();
            task(move || {
                let mut held = Vec::new();
                for _ in 0..3 {
                    held.push(store.get_ref(id).unwrap().expect("it lives"));
                    let streamed = store.iter().unwrap().map(|session| session.unwrap());
                    assert!(streamed.filter(|session| session.data().starts_with(b"data of")).count() == 2);
                    for session in &held {
                        assert_eq!(session.data(), format!("data of {id}").as_bytes());
                    }
                }
                held
            })
        })
        .into();
    for _ in 0..2 {
        make_garbage(store, &machine.clock);
        maintain(store);
    }
    assert!(store.stats().compactions > 0);
    let held: Vec<_> = join(readers).into_iter().flatten().collect();
    for session in held {
        assert!(session.data().starts_with(b"data of"));
    }
}

#[test]
fn what_was_read_stays_readable_when_its_segment_is_gone() {
    explore(1200, || {
        let machine = Machine::new();
        let store = machine.open();
        read_while_segments_go(&store, &machine);
    });
}

#[test]
fn a_map_outlives_the_file() {
    explore(36, || {
        let machine = Machine::new();
        let directory = tempfile::tempdir().unwrap();
        let options: Options = machine.options().vfs(Arc::new(RealVfs)).read_mode(ReadMode::Map);
        let store = options.open(directory.path().join("store")).unwrap();
        read_while_segments_go(&store, &machine);
        store.close().unwrap();
    });
}
