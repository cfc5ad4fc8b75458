//! The race of `segments_keep_their_order`, unscripted: writers in a hurry, small segments, the threads that a store has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use sessile::{Durability, Options, Write};
use std::time::{Duration, Instant};

#[test]
fn what_was_written_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let options = || {
        Options::new()
            .segment_bytes(256 << 10)
            .disk_bytes_max(2 << 30)
            .sync_interval(Duration::from_millis(20))
    };
    let store = options().open(dir.path()).unwrap();
    let seconds = std::env::var("STRESS_S").map_or(10, |s| s.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for me in 0..3 {
            let store = store.clone();
            scope.spawn(move || {
                let mut n = 0u64;
                while Instant::now() < until {
                    n += 1;
                    let id = format!("{me}/{}", n % 3000);
                    let write =
                        Write::new(vec![n as u8; 2000 + (n % 2000) as usize]).durability(Durability::Written);
                    store.set(&id, write).unwrap();
                    let id = format!("{me}/{}", n.wrapping_mul(31) % (n.min(3000)));
                    let _ = store.get(&id).unwrap();
                }
            });
        }
        let store = store.clone();
        scope.spawn(move || {
            while Instant::now() < until {
                store.maintain(Duration::from_millis(20)).unwrap();
            }
        });
    });
    let verified = store.verify().unwrap();
    println!("{:?}", store.stats());
    assert!(verified.damage.is_empty(), "{:?}", verified.damage);
    assert_eq!(verified.sessions, store.len());
}
